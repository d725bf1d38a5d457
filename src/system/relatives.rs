//! Whoever a process has to do with, and who can change what is known of it without its running.

use std::collections::HashMap;
use std::sync::Arc;

use super::System;
use super::procfs::cgroup::Cgroup;
use super::procfs::stat::Stat;
use crate::model::{Pid, Process, State};

/// Parents, leaders of process groups and control groups, which many processes share: each is asked
/// once in a look.
#[derive(Debug, Default)]
pub(super) struct Relatives {
    pub(super) commands: HashMap<Pid, Option<String>>,
    pub(super) leaders_alive: HashMap<Pid, bool>,
    frozen: HashMap<Arc<Cgroup>, bool>,
}

impl Relatives {
    /// Asks after those of a process.
    pub(super) fn meet(&mut self, system: &System, pid: Pid, stat: &Stat) {
        self.command(system, stat.parent);
        self.leader_is_alive(system, pid, stat.group);
    }

    /// The command of a parent that has not ended.
    fn command(&mut self, system: &System, pid: Pid) -> Option<&String> {
        let ask = || {
            let stat = system.stat(pid).ok()?;
            let has_ended = matches!(stat.state, Some(State::Zombie | State::Dead));
            let lives = !has_ended || stat.threads > 1;
            lives.then(|| String::from_utf8_lossy(&stat.command).into_owned())
        };
        self.commands.entry(pid).or_insert_with(ask).as_ref()
    }

    /// Whether the leader of a process's group is alive. The group of a process on its way out reads
    /// -1, one of another pid namespace 0: then that is not known.
    fn leader_is_alive(&mut self, system: &System, pid: Pid, group: Pid) -> Option<bool> {
        let ask = || group == pid || system.is_alive(group);
        (group > 0).then(|| *self.leaders_alive.entry(group).or_insert_with(ask))
    }

    pub(super) fn is_frozen(&mut self, system: &System, group: &Arc<Cgroup>) -> bool {
        *self.frozen.entry(Arc::clone(group)).or_insert_with(|| system.is_frozen(group))
    }

    /// Whether parent and leader are what they were when the process was asked after. A parent that
    /// ends leaves its children to another.
    pub(super) fn are_those_of(&mut self, system: &System, pid: Pid, process: &Process) -> bool {
        let parent = process.parent.as_ref();
        let same_parent = parent.is_none_or(|parent| {
            parent.command.is_some() && parent.command.as_ref() == self.command(system, parent.pid)
        });
        let alive = process.group.and_then(|group| self.leader_is_alive(system, pid, group));
        same_parent && alive == process.group_leader_alive
    }
}
