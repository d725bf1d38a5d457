//! What processes wait for, and whom that depends on.
//!
//! This is asked on demand and of few, since it is expensive: each thread's system call is read and,
//! where it waits for the other end of something, the open descriptors of everybody. So there is a
//! bound on how many are asked, and on the time.

mod addresses;
mod ends;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(not(target_os = "linux"))]
mod without;
#[cfg(not(target_os = "linux"))]
use without as platform;
mod sample;
mod threads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::System;
use crate::model::{Peer, Pid, Process, State, Wait};
use ends::Ends;
#[cfg(test)]
pub(crate) use platform::READ_CALL;
use threads::Asking;

/// Who waits for somebody who waits for somebody: followed so far.
const DEEPEST: usize = 5;

/// How much may be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// So many processes at most.
    pub(crate) processes: usize,
    /// For so long.
    pub(crate) time: Duration,
}

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What the threads of each process wait for; `None` where that may not be known.
    pub(crate) waits: BTreeMap<Pid, Option<Vec<Wait>>>,
    /// Those whom they wait for.
    pub(crate) peers: HashMap<Pid, Arc<Process>>,
}

impl System {
    /// Asks what these processes wait for, in this order, and those whom they wait for, and so on.
    pub(crate) fn inquire(&self, pids: impl Iterator<Item = Pid>, limits: Limits) -> Found {
        let deadline = Instant::now() + limits.time;
        let ends = Ends::new(self, deadline);
        let mut found = Found::default();
        let mut next: Vec<Pid> = pids.collect();
        for _ in 0..DEEPEST {
            let mut peers = BTreeSet::new();
            for pid in next {
                if found.waits.len() >= limits.processes || ends.is_late() {
                    break;
                }
                let waits = self.waits_of(pid, &ends);
                let of = |waits: &Vec<Wait>| {
                    let things = waits.iter().flat_map(|wait| &wait.any_of);
                    things.flat_map(|thing| &thing.by).map(|peer| peer.pid).collect::<Vec<_>>()
                };
                peers.extend(waits.as_ref().map(of).unwrap_or_default());
                found.waits.insert(pid, waits);
            }
            next = peers.into_iter().filter(|pid| !found.waits.contains_key(pid)).collect();
            if next.is_empty() {
                break;
            }
        }
        self.introduce(&mut found);
        found
    }

    /// What the threads of a process wait for; `None` where it does not sleep, or that may not be
    /// known.
    fn waits_of(&self, pid: Pid, ends: &Ends<'_>) -> Option<Vec<Wait>> {
        let stat = self.stat(pid).ok()?;
        let sleeps = matches!(stat.state, Some(State::Sleeping | State::Uninterruptible));
        let leader_ended = stat.state == Some(State::Zombie) && stat.threads > 1;
        if !sleeps && !leader_ended || stat.kernel_thread {
            return None;
        }
        Asking::new(self, pid, &stat, ends).waits()
    }

    /// Says who the peers are.
    fn introduce(&self, found: &mut Found) {
        let waits = || found.waits.values().flatten().flatten();
        let things = waits().flat_map(|wait| &wait.any_of);
        let pids: BTreeSet<Pid> = things.flat_map(|of| &of.by).map(|peer| peer.pid).collect();
        if pids.is_empty() {
            return;
        }
        let peers = self.portraits(&pids.into_iter().collect::<Vec<_>>());
        let waits = found.waits.values_mut().flatten().flatten();
        for peer in waits.flat_map(|wait| &mut wait.any_of).flat_map(|thing| &mut thing.by) {
            if let Some(process) = peers.get(&peer.pid) {
                *peer = Peer::of(process, peer.pid);
            }
        }
        found.peers = peers;
    }

    /// The number of a process in the pid namespace that it is in, if that is not ours.
    pub(crate) fn inner_number(&self, pid: Pid) -> Option<Pid> {
        self.status(pid)?.inner_number()
    }
}

impl Peer {
    fn of(process: &Process, pid: Pid) -> Self {
        Self { pid, command: process.command.clone(), state: process.state }
    }

    /// Somebody of whom no more is known.
    fn unknown(pid: Pid) -> Self {
        Self { pid, command: None, state: None }
    }
}
