//! Who blocks whom: locks with their holders as roots, those who wait as branches.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use locktop::Snapshot;
use locktop::model::{Lock, LockId, Mode, Pid, Range, Waiter, harmless};
use unicode_width::UnicodeWidthStr as _;

use super::cell::Cut;
use super::columns::{kind_of, known_time, name_of, person, queue_is_cut};
use super::page::{FAINT, Glyphs, Page, colour_of};

/// Queues are chains in the kernel; below this depth they are drawn straight.
const DEEPEST: usize = 12;

/// So many holders are named; the others are counted.
const NAMED: usize = 4;

/// A lock's name is not cut below this.
const SHORTEST: usize = 20;

/// Writes each of `locks` with its tree. What waiters hold is looked up in the whole snapshot.
pub(crate) fn print(
    out: &mut impl Write,
    locks: &[&Lock],
    snapshot: &Snapshot,
    page: &Page,
) -> io::Result<()> {
    let ties = Ties::of(snapshot);
    for lock in locks {
        root(out, lock, page)?;
        let waiters = lock.tree();
        let stems = stems(&waiters, page.glyphs);
        for (waiter, stem) in waiters.into_iter().zip(stems) {
            branch(out, waiter, &stem, &ties.of_waiter(waiter, lock, page.glyphs), page)?;
        }
        if queue_is_cut(lock) {
            writeln!(out, "{}", page.line("   more wait than could be read"))?;
        }
    }
    Ok(())
}

fn root(out: &mut impl Write, lock: &Lock, page: &Page) -> io::Result<()> {
    let verdict = lock.verdict.word();
    let rest =
        format!("{}  {}{}", kind_of(lock), holders(lock, page.glyphs), behind(lock, page.glyphs));
    let name = name_of(lock);
    let name = match page.width {
        Some(width) => {
            let room = width.saturating_sub(verdict.width() + rest.width() + 4).max(SHORTEST);
            name.within(room, Cut::Middle, page.glyphs.cut)
        }
        None => name.text.as_str().into(),
    };
    let line = format!("{verdict}  {name}  {rest}");
    let line = page.line(&line);
    match line.strip_prefix(verdict) {
        Some(rest) => writeln!(out, "{}{rest}", page.paint(verdict, colour_of(lock.verdict))),
        None => writeln!(out, "{line}"),
    }
}

fn holders(lock: &Lock, glyphs: &Glyphs) -> String {
    let age = known_time(&lock.age, glyphs).map(|age| format!(" {age}")).unwrap_or_default();
    let names: Vec<_> = lock.holders.iter().take(NAMED).map(person).collect();
    let more = match lock.holders.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match names.as_slice() {
        [] => format!("held{age} by nobody who could be seen"),
        names => format!("held{age} by {}{more}", names.join(", ")),
    }
}

fn branch(
    out: &mut impl Write,
    waiter: &Waiter,
    stem: &str,
    tie: &str,
    page: &Page,
) -> io::Result<()> {
    let line = format!("{stem}{}{tie}", wait_of(waiter, page.glyphs));
    let line = page.line(&line);
    match line.strip_prefix(stem) {
        Some(rest) => writeln!(out, "{}{rest}", page.paint(stem, FAINT)),
        None => writeln!(out, "{line}"),
    }
}

/// Such as `2. flock 3247 root waits 1m02s, shared`.
fn wait_of(waiter: &Waiter, glyphs: &Glyphs) -> String {
    let position = waiter.position.map(|position| format!("{position}. ")).unwrap_or_default();
    let time = known_time(&waiter.waited, glyphs).map(|time| format!(" {time}"));
    let range = waiter.range.filter(|range| *range != Range::WHOLE);
    let range = range.map(|range| format!(" for [{range}]"));
    let mode = if waiter.mode == Mode::Shared { ", shared" } else { "" };
    let how = waiter.trying().map(|trying| format!(", {trying}")).unwrap_or_default();
    format!(
        "{position}{} waits{}{}{mode}{how}",
        who(waiter),
        time.unwrap_or_default(),
        range.unwrap_or_default(),
    )
}

fn who(waiter: &Waiter) -> String {
    let process = &waiter.process;
    let command = process.command.as_deref().map(harmless);
    let pid = process.pid.map(|pid| pid.to_string());
    let user = process.user.clone().or_else(|| process.uid.map(|uid| uid.to_string()));
    let user = user.as_deref().map(harmless);
    let known = [command, pid.map(Cow::from), user];
    let known: Vec<_> = known.into_iter().flatten().collect();
    match (&waiter.token, known.as_slice()) {
        (Some(token), []) => format!("token {}", harmless(token)),
        (None, []) => "somebody".into(),
        (_, known) => known.join(" "),
    }
}

/// What stands before each waiter, from how deep each is.
fn stems(waiters: &[&Waiter], glyphs: &Glyphs) -> Vec<String> {
    let mut stems = vec![String::new(); waiters.len()];
    // Upwards, so that it is known which levels go on below.
    let mut goes_on = [false; DEEPEST + 1];
    for (stem, waiter) in stems.iter_mut().zip(waiters).rev() {
        let depth = (waiter.depth.max(1) as usize).min(DEEPEST);
        for level in &goes_on[1..depth] {
            *stem += if *level { glyphs.trunk } else { "   " };
        }
        *stem += if goes_on[depth] { glyphs.branch } else { glyphs.last };
        goes_on[depth] = true;
        goes_on[depth + 1..].fill(false);
    }
    stems
}

/// What ties waiters to other locks.
struct Ties<'a> {
    /// What somebody in a circle holds, by pid and the lock that it wants.
    circles: BTreeMap<(Pid, &'a LockId), &'a LockId>,
    /// The locks that somebody waits for, by the pids of those who have to go on before they are let
    /// go: their holders, or children of these.
    blocks: BTreeMap<Pid, Vec<&'a Lock>>,
    snapshot: &'a Snapshot,
}

impl<'a> Ties<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let members = snapshot.deadlocks.iter().flat_map(|circle| &circle.members);
        let circles = members.map(|one| ((one.waits(), &one.wants), &one.holds)).collect();
        let mut blocks: BTreeMap<Pid, Vec<&Lock>> = BTreeMap::new();
        for lock in snapshot.locks.iter().filter(|lock| !lock.waiters.is_empty()) {
            let pids = lock.holders.iter().filter_map(|holder| holder.process.pid);
            let pids: BTreeSet<_> = pids.map(|pid| snapshot.waits_as(pid)).collect();
            for pid in pids {
                blocks.entry(pid).or_default().push(lock);
            }
        }
        Self { circles, blocks, snapshot }
    }

    /// What a waiter holds that others wait for; marked where that closes a circle.
    fn of_waiter(&self, waiter: &Waiter, wanted: &Lock, glyphs: &Glyphs) -> String {
        let Some(pid) = waiter.process.pid else { return String::new() };
        if let Some(id) = self.circles.get(&(pid, &wanted.id)) {
            let held = self.snapshot.lock(id).map_or_else(
                || format!("holds {id}"),
                |lock| format!("{} {}", holds(lock, pid), lock.label()),
            );
            return format!("  {} {held}", glyphs.circle);
        }
        let Some(locks) = self.blocks.get(&pid) else { return String::new() };
        let held: Vec<_> = locks.iter().map(|lock| lock.label()).collect();
        let verb = locks.first().map_or("holds", |lock| holds(lock, pid));
        format!("  {verb} {}", held.join(", "))
    }
}

/// `holds`; of a lock that is held by somebody who waits for its end, `holds up`.
fn holds(lock: &Lock, pid: Pid) -> &'static str {
    let is_holder = lock.holders.iter().any(|holder| holder.process.pid == Some(pid));
    if is_holder { "holds" } else { "holds up" }
}

/// `, 7 wait behind it, 1h12m in all`, where that is more than its own queue.
fn behind(lock: &Lock, glyphs: &Glyphs) -> String {
    let more = lock.behind.as_ref().filter(|behind| behind.waiters > lock.waiters.len());
    more.map_or_else(String::new, |behind| {
        let waited = known_time(&behind.waited, glyphs).map(|time| format!(", {time} in all"));
        format!("; {} wait behind it{}", behind.waiters, waited.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use locktop::model::{Behind, Span};

    use super::super::sample;
    use super::*;

    fn tree(locks: &[&Lock], snapshot: &Snapshot, page: &Page) -> String {
        let mut out = Vec::new();
        print(&mut out, locks, snapshot, page).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn waiters_are_branches_and_circles_are_marked() {
        let snapshot = sample::snapshot();
        let locks: Vec<_> = snapshot.locks.iter().collect();
        insta::assert_snapshot!(tree(&locks, &snapshot, &Page::PIPE), @r#"
        deadlock  /srv/a.lock  flock X  held ≥1m03s by python3 41 alice
        └─ 1. python3 42 root waits 12s  ↻ holds /srv/b.lock
        deadlock  /srv/b.lock  flock X  held ≥1m03s by python3 42 alice
        └─ 1. python3 41 root waits 11s  ↻ holds /srv/a.lock
        orphaned  /run/backup.lock (nightly backup)  flock X  held ≥1m03s by rsync 3244 backup
        ├─ 1. flock 3247 root waits 1m02s
        │  └─ 2. bash 3249 root waits 44s
        └─ 3. flock 3250 root waits 10s, shared
        contended  /var/lib/dpkg/lock-frontend (dpkg frontend lock)  posix X  held ≥1m03s by apt-get 991 root
        └─ 1. apt 1203 root waits 12m04s
        held  /srv/größe.db [100-199]  ofd S  held ≥1m03s by reader 51 www, reader 52 www
        unknown  /tmp/x (deleted)  flock X  held by nobody who could be seen
        "#);
        insta::assert_snapshot!(tree(&locks[..3], &snapshot, &Page::terminal(60).ascii()), @r#"
        deadlock  /srv/a.lock  flock X  held >=1m03s by python3 4...
        `- 1. python3 42 root waits 12s  (circle) holds /srv/b.lock
        deadlock  /srv/b.lock  flock X  held >=1m03s by python3 4...
        `- 1. python3 41 root waits 11s  (circle) holds /srv/a.lock
        orphaned  /run/backup.lock  flock X  held >=1m03s by rsyn...
        |- 1. flock 3247 root waits 1m02s
        |  `- 2. bash 3249 root waits 44s
        `- 3. flock 3250 root waits 10s, shared
        "#);
    }

    #[test]
    fn a_queue_that_was_cut_says_so() {
        let mut lock = sample::orphan();
        lock.details.insert("queue_cut", true.into());
        let text = tree(&[&lock], &sample::snapshot(), &Page::PIPE);
        assert!(text.ends_with("shared\n   more wait than could be read\n"), "{text}");
    }

    #[test]
    fn a_held_lock_is_named_though_it_is_not_shown() {
        let mut snapshot = sample::snapshot();
        snapshot.deadlocks.clear();
        let text = tree(&[&snapshot.locks[0]], &snapshot, &Page::PIPE);
        assert!(text.ends_with("waits 12s  holds /srv/b.lock\n"), "{text}");
    }

    #[test]
    fn what_is_held_by_those_who_wait_for_a_waiter_is_held_up_and_all_behind_it_are_counted() {
        let mut snapshot = sample::snapshot();
        snapshot.deadlocks.clear();
        snapshot.locks.truncate(2);
        let waited = Span { min: Duration::from_mins(72), ..Span::default() };
        snapshot.locks[0].behind = Some(Behind { waiters: 7, waited, root: true });
        // 43 waits in place of 42, which holds the other lock and waits for its end.
        snapshot.locks[0].waiters = vec![sample::waiter(1, 1, 43, "sh", 12)];
        snapshot.awaited.insert(42, 43);
        let text = tree(&[&snapshot.locks[0]], &snapshot, &Page::PIPE);
        assert!(text.contains("; 7 wait behind it, ≥1h12m in all\n"), "{text}");
        assert!(text.ends_with("1. sh 43 root waits 12s  holds up /srv/b.lock\n"), "{text}");
    }

    #[test]
    fn long_queues_stay_on_the_page() {
        let mut lock = sample::orphan();
        lock.waiters =
            (1..1000).map(|n| sample::waiter(n, n, 5000 + n as Pid, "flock", 5)).collect();
        let text = tree(&[&lock], &sample::snapshot(), &Page::PIPE);
        assert_eq!(text.lines().count(), 1000);
        assert!(text.lines().all(|line| line.chars().count() < 100));
    }
}
