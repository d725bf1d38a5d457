//! What two looks prove, as events: who, between which moments, after how long.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::parties::{Came, Exchange, Left, Party, bytes_within, cover, is_of_bytes};
use super::waits::{Turnover, Wait};
use super::window::{Who, Window, lasted};
use super::{Act, Before, Last, Life, MissedWait, Place, Since, Witness};
use crate::diagnose::phrase::manner;
use crate::model::{
    Event, EventKind, Evidence, FileId, Lock, LockId, Mechanism, Method, Mode, Moment, OnDisk, Pid,
    Snapshot, Span,
};

/// The clock of file times is behind by so much at the most.
const COARSE: Duration = Duration::from_millis(20);

/// A lock that is not as it was.
pub(super) struct Turn<'a> {
    pub(super) before: Option<Before<'a>>,
    pub(super) now: Option<&'a Lock>,
    pub(super) exchange: Exchange<'a>,
    /// Whether somebody wants to hear of it.
    pub(super) wanted: bool,
}

impl<'a> Turn<'a> {
    /// A lock that both looks show.
    pub(super) fn between(
        before: Before<'a>,
        now: &'a Lock,
        look: &Snapshot,
        wanted: bool,
    ) -> Self {
        let exchange = Exchange::between(before.lock, now, look.retaken.contains(&now.id));
        Self { before: Some(before), now: Some(now), exchange, wanted }
    }

    /// One that the earlier look did not show.
    pub(super) fn arrival(now: &'a Lock, wanted: bool) -> Self {
        Self { before: None, now: Some(now), exchange: Exchange::arrival(now), wanted }
    }

    /// One that is not held any more.
    pub(super) fn departure(before: Before<'a>, wanted: bool) -> Self {
        let exchange = Exchange::departure(before.lock);
        Self { before: Some(before), now: None, exchange, wanted }
    }

    /// The lock as it was and as it is.
    pub(super) fn locks(&self) -> impl Iterator<Item = &'a Lock> + use<'a> {
        self.before.map(|before| before.lock).into_iter().chain(self.now)
    }
}

/// Somebody who has a lock now, and when that began.
struct Arrival<'a, 't> {
    lock: &'a Lock,
    came: &'t Came<'a>,
    /// Whether the look before did not show the lock at all.
    is_new: bool,
    window: Window,
    remark: Option<String>,
    wanted: bool,
}

/// Puts events together.
pub(super) struct Telling<'a, 'w> {
    last: &'a Last,
    now: &'a Snapshot,
    /// When the first look began.
    first: Option<Moment>,
    /// Locks that several had at a time.
    shared: &'w HashSet<LockId>,
    witness: &'w mut dyn Witness,
    /// Locks of bytes by file, then and now, once they were asked for.
    bytes: Option<[HashMap<FileId, Vec<&'a Lock>>; 2]>,
    told: Vec<Event>,
}

impl<'a, 'w> Telling<'a, 'w> {
    pub(super) fn new(
        last: &'a Last,
        now: &'a Snapshot,
        first: Option<Moment>,
        shared: &'w HashSet<LockId>,
        witness: &'w mut dyn Witness,
    ) -> Self {
        Self { last, now, first, shared, witness, bytes: None, told: Vec::new() }
    }

    /// All that was told, in order.
    pub(super) fn end(mut self) -> Vec<Event> {
        self.told.sort_by_key(|event| event.at.uptime);
        self.told
    }

    /// Who has let go, who has got it, and whose wait has begun or ended.
    pub(super) fn of_locks(
        &mut self,
        turns: &[Turn<'a>],
        waits: &Turnover<'a>,
        missed: &mut Vec<MissedWait>,
    ) {
        let arrivals = self.arrivals(turns);
        let mut by_place: HashMap<Place, Vec<&Arrival<'_, '_>>> = HashMap::new();
        for arrival in &arrivals {
            by_place.entry(Place::of(arrival.lock)).or_default().push(arrival);
        }
        for turn in turns {
            let Some(before) = &turn.before else { continue };
            let rivals = by_place.get(&Place::of(before.lock)).map_or(&[][..], Vec::as_slice);
            for left in &turn.exchange.left {
                self.departure(turn, before, left, rivals);
            }
        }
        let mut ended: Vec<Option<Wait<'a>>> = waits.ended.iter().copied().map(Some).collect();
        for arrival in &arrivals {
            let fits =
                |wait: &&mut Option<Wait<'_>>| wait.as_ref().is_some_and(|wait| arrival.ends(wait));
            let granted = ended.iter_mut().find(fits).and_then(Option::take);
            self.arrival(arrival, granted.as_ref());
        }
        for wait in ended.into_iter().flatten() {
            self.ended_wait(&wait, missed);
        }
        for wait in &waits.begun {
            let rivals = by_place.get(&wait.place()).map_or(&[][..], Vec::as_slice);
            self.begun_wait(wait, rivals);
        }
    }

    fn arrivals<'t>(&mut self, turns: &'t [Turn<'a>]) -> Vec<Arrival<'a, 't>> {
        let mut arrivals = Vec::new();
        for turn in turns {
            let Some(lock) = turn.now else { continue };
            for came in &turn.exchange.came {
                let Some(window) = self.began(turn, lock, came) else { continue };
                let mut remark = came.had.map(|had| format!("it had it {} before", manner(had)));
                if came.may_be_handed_on {
                    remark = Some("unless the one before has handed its open file on".into());
                }
                if turn.before.is_none()
                    && let (Some(range), true) = (lock.range, is_of_bytes(lock))
                {
                    let had = bytes_within(range, &came.party, self.bytes_of(lock, 0));
                    if cover(&had, range) {
                        continue;
                    }
                    remark = had.first().map(|had| format!("it had bytes {had} before")).or(remark);
                }
                if window.from.is_none() {
                    remark = remark.or(Some("it may have been there before the first look".into()));
                }
                let (is_new, wanted) = (turn.before.is_none(), turn.wanted);
                arrivals.push(Arrival { lock, came, is_new, window, remark, wanted });
            }
        }
        arrivals
    }

    /// When somebody got a lock; `None`: that is no news.
    fn began(&self, turn: &Turn<'a>, lock: &Lock, came: &Came<'a>) -> Option<Window> {
        let before = turn.before.as_ref();
        if let Some(there) = &lock.on_disk {
            let same = |old: &OnDisk| old.file == there.file && old.birth == there.birth;
            let is_old = before.and_then(|old| old.lock.on_disk.as_deref()).is_some_and(same);
            if !is_old {
                return self.made(lock, there);
            }
        }
        let now = self.now.at.uptime;
        let mut window = Window {
            from: before.map_or(self.last.absent_at, |before| Some(before.began)),
            to: now,
            evidence: vec![Evidence::Observed],
        };
        // Of several who have it, its age is that of one of them.
        if lock.records.len() == 1 && came.had.is_none() && !came.may_be_handed_on {
            window.narrow(&lock.age, now);
        }
        let is_proven = before.is_some() || self.last.snapshot.at_once;
        let absent = window.from.unwrap_or_else(|| super::began(&self.last.snapshot));
        if !is_proven && window.to < absent {
            // It was there all along: a look has missed it.
            return None;
        }
        window.to = window.to.max(absent);
        Some(window)
    }

    /// When what lies on disk was made; `None`: that is no news.
    fn made(&self, lock: &Lock, there: &OnDisk) -> Option<Window> {
        let made = there.birth.unwrap_or(there.changed).min(self.now.at.wall);
        // Numbers of files are given out again soon.
        let is_known = |old: &Lock| {
            old.mechanism != Mechanism::Exists
                && old.file == lock.file
                && (old.path.is_none() || old.path == lock.path)
        };
        let first = self.first.map(|first| self.moment(first.uptime.saturating_sub(COARSE)));
        if first.is_some_and(|first| made <= first.wall)
            || self.last.snapshot.locks.iter().any(is_known)
        {
            return None;
        }
        let ago = Duration::try_from(self.now.at.wall.duration_since(made)).unwrap_or_default();
        let to = self.now.at.uptime.saturating_sub(ago);
        // Where nobody notes when a file was made, it was not made after it was changed last.
        let from = there.birth.map(|_| to);
        Some(Window { from, to, evidence: vec![Evidence::FileTimes] })
    }

    fn arrival(&mut self, arrival: &Arrival<'a, '_>, granted: Option<&Wait<'a>>) {
        let Arrival { lock, came, window, remark, wanted, .. } = arrival;
        let Some(wait) = granted else {
            if *wanted {
                let who = Who::of_party(&came.party);
                let event = self.event(EventKind::Acquired, lock, who, window.clone());
                self.told.push(Event { remark: remark.clone(), ..event });
            }
            return;
        };
        if !*wanted && !wait.wanted {
            return;
        }
        let waiter = &wait.waiter.process;
        let mut window = window.clone();
        window.from = window.from.max(Some(wait.began));
        window.to = window.to.max(wait.began);
        let mut duration = lasted(&wait.waiter.waited, wait.began, wait.at, window.to);
        if wait.missed {
            // It may have had it meanwhile, and waited anew.
            duration.min = Duration::ZERO;
        }
        let keeper = came
            .party
            .spokesman()
            .filter(|_| waiter.id().is_some_and(|waiter| !came.party.has(waiter)));
        let remark = keeper.map(|keeper| format!("{} keeps it", keeper.label()));
        let event = self.event(EventKind::Granted, lock, Who::of(waiter), window);
        self.told.push(Event {
            duration: Some(duration),
            remark: remark.or(arrival.remark.clone()),
            ..event
        });
    }

    fn departure(
        &mut self,
        turn: &Turn<'a>,
        before: &Before<'a>,
        left: &Left<'a>,
        rivals: &[&Arrival<'a, '_>],
    ) {
        let (lock, party) = (before.lock, &left.party);
        let mut remark =
            left.may_be_handed_on.then(|| "unless it has handed its open file on".to_owned());
        if turn.now.is_none()
            && let (Some(range), true) = (lock.range, is_of_bytes(lock))
        {
            let kept = bytes_within(range, party, self.bytes_of(lock, 1));
            if cover(&kept, range) {
                return;
            }
            remark = kept.first().map(|kept| format!("it keeps bytes {kept}")).or(remark);
        }
        if !turn.wanted {
            return;
        }
        let mut window = Window {
            from: Some(before.began),
            to: self.now.at.uptime,
            evidence: vec![Evidence::Observed],
        };
        // Whoever keeps it out has it only after that.
        for rival in rivals.iter().filter(|rival| rival.keeps_out(lock, party.record.mode)) {
            window.to = window.to.min(rival.window.to).max(before.began);
        }
        let duration = (!self.shared.contains(&lock.id))
            .then(|| lasted(&lock.age, before.began, before.at, window.to));
        let (from, until) = (self.moment(before.began).wall, self.now.at.wall);
        let acts = self.witness.acts_on(&lock.id, from, until);
        let act = acts.into_iter().find(|act| act.befell(party));
        let kind = if let Some(act) = act {
            let by = act.uid.map_or_else(String::new, |uid| format!(", by uid {uid}"));
            remark = Some(format!("released by force: {}{by}", act.method.word()));
            EventKind::Forced
        } else if self.cannot_have_let_go(party, before.began) {
            remark = Some(if lock.mechanism == Mechanism::Exists {
                "it was removed while its owner slept".into()
            } else {
                "it was unlocked while its holder slept".into()
            });
            EventKind::Lost
        } else {
            let is_left_behind = lock.mechanism == Mechanism::Exists && party.members.is_empty();
            if is_left_behind {
                remark = Some("nobody had it any more, and it was removed".into());
            }
            EventKind::Released
        };
        let event = self.event(kind, lock, Who::of_party(party), window);
        self.told.push(Event { duration, remark, ..event });
    }

    /// Whether all who had it live, and have done nothing since.
    fn cannot_have_let_go(&self, party: &Party<'_>, since: Duration) -> bool {
        let slept = |process| self.witness.life(process, since) == Life::Slept;
        let mut members = party.members.iter().map(|holder| &holder.process);
        !party.members.is_empty() && members.all(|process| slept(process))
    }

    fn ended_wait(&mut self, wait: &Wait<'a>, missed: &mut Vec<MissedWait>) {
        let process = &wait.waiter.process;
        let is_certain = wait.missed || self.witness.life(process, wait.began) == Life::Gone;
        if !is_certain {
            let Wait { lock, waiter, began, at, wanted, .. } = *wait;
            let lock = Lock { waiters: Vec::new(), ..lock.clone() };
            missed.push(MissedWait { lock, waiter: waiter.clone(), began, at, wanted });
            return;
        }
        if !wait.wanted {
            return;
        }
        let to = self.now.at.uptime;
        let window = Window { from: Some(wait.began), to, evidence: vec![Evidence::Observed] };
        let (from, until) = (self.moment(wait.began).wall, self.now.at.wall);
        let acts = self.witness.acts_on(&wait.lock.id, from, until);
        let is_forced = acts.iter().any(|act| {
            act.method == Method::EndWaiter
                && process.pid.is_some_and(|pid| act.victims.contains(&pid))
        });
        let remark = if is_forced {
            Some("it was ended by force".to_owned())
        } else if self.was_kept_out(wait) {
            None
        } else {
            Some("it may have had it in between".to_owned())
        };
        let duration = lasted(&wait.waiter.waited, wait.began, wait.at, to);
        let event = self.event(EventKind::GaveUp, wait.lock, Who::of(process), window);
        self.told.push(Event { duration: Some(duration), remark, ..event });
    }

    /// Whether others had what it wanted, all the time since it was seen to wait.
    fn was_kept_out(&self, wait: &Wait<'a>) -> bool {
        let place = wait.place();
        let since = self.now.at.uptime.saturating_sub(wait.at);
        let is_own = |lock: &Lock| {
            let own = wait.waiter.process.pid;
            lock.holders.iter().any(|holder| holder.process.pid == own)
        };
        self.now.locks.iter().any(|lock| {
            lock.age.min > since
                && lock.mode.conflicts_with(wait.waiter.mode)
                && lock.range.zip(wait.waiter.range).is_none_or(|(a, b)| a.overlaps(&b))
                && Place::of(lock) == place
                && !is_own(lock)
        })
    }

    fn begun_wait(&mut self, wait: &Wait<'a>, rivals: &[&Arrival<'a, '_>]) {
        let now = self.now.at.uptime;
        let mut window =
            Window { from: self.last.absent_at, to: now, evidence: vec![Evidence::Observed] };
        window.narrow(&wait.waiter.waited, now);
        let absent = window.from.unwrap_or_else(|| super::began(&self.last.snapshot));
        if !self.last.snapshot.at_once && window.to < absent || !wait.wanted {
            return;
        }
        window.to = window.to.max(absent);
        // Nobody queues behind somebody who is not there yet.
        for rival in rivals.iter().filter(|rival| rival.is_new) {
            window.to = window.to.max(rival.window.to);
        }
        let who = Who::of(&wait.waiter.process);
        let remark = who.pid.is_none().then(|| "who it is cannot be seen from here".to_owned());
        let event = self.event(EventKind::Queued, wait.lock, who, window);
        self.told.push(Event { remark, ..event });
    }

    /// What is judged otherwise than before.
    pub(super) fn of_verdicts(&mut self, turns: &[Turn<'a>], judged: &mut HashMap<LockId, Since>) {
        let by = self.now.at.uptime;
        for turn in turns {
            let Some(lock) = turn.now else { continue };
            let Some(before) = &turn.before else {
                judged.insert(lock.id.clone(), Since { from: self.last.absent_at, by });
                continue;
            };
            if before.lock.verdict == lock.verdict {
                continue;
            }
            let since = Since { from: Some(before.began), by };
            let was = judged
                .insert(lock.id.clone(), since)
                .or_else(|| Some(Since { from: None, by: self.first?.uptime }));
            if !turn.wanted {
                continue;
            }
            let duration = was.map(|was| Span {
                min: before.began.saturating_sub(was.by),
                max: was.from.map(|from| by.saturating_sub(from)),
                evidence: vec![Evidence::Observed],
            });
            let who = Party::all(lock).first().map_or_else(Who::default, Who::of_party);
            let window =
                Window { from: Some(before.began), to: by, evidence: vec![Evidence::Observed] };
            let event = self.event(EventKind::VerdictChanged, lock, who, window);
            self.told.push(Event {
                duration,
                verdicts: Some((before.lock.verdict, lock.verdict)),
                remark: lock.why.as_ref().map(ToString::to_string),
                ..event
            });
        }
    }

    /// The locks of bytes of a lock's file: `when` 0 at the look before, 1 now.
    fn bytes_of(&mut self, lock: &Lock, when: usize) -> &[&'a Lock] {
        let [then, now] = [&self.last.snapshot, self.now].map(|snapshot| &snapshot.locks);
        let all = self.bytes.get_or_insert_with(|| {
            [then, now].map(|locks| {
                let mut by_file: HashMap<FileId, Vec<&'a Lock>> = HashMap::new();
                for lock in locks.iter().filter(|lock| is_of_bytes(lock)) {
                    if let Some(file) = lock.table_file {
                        by_file.entry(file).or_default().push(lock);
                    }
                }
                by_file
            })
        });
        lock.table_file.and_then(|file| all[when].get(&file)).map_or(&[], Vec::as_slice)
    }

    fn event(&self, kind: EventKind, lock: &Lock, who: Who, window: Window) -> Event {
        Event {
            kind,
            at: self.moment(window.to),
            not_before: window.from.map(|from| self.moment(from.min(window.to))),
            id: lock.id.clone(),
            path: lock.path.clone(),
            pid: who.pid,
            command: who.command,
            duration: None,
            verdicts: None,
            remark: None,
            evidence: window.evidence,
        }
    }

    /// A moment by the wall clock as it is set now: it may have been set since.
    fn moment(&self, uptime: Duration) -> Moment {
        let ago = SignedDuration::try_from(self.now.at.uptime.saturating_sub(uptime));
        let wall = ago.ok().and_then(|ago| self.now.at.wall.checked_sub(ago).ok());
        Moment { wall: wall.unwrap_or(self.now.at.wall), uptime }
    }
}

impl Arrival<'_, '_> {
    /// Whether it is the end of a wait: the one who has it now is the one who waited.
    fn ends(&self, wait: &Wait<'_>) -> bool {
        let waiter = &wait.waiter.process;
        let is_same = waiter.pid.is_some() && waiter.pid == self.came.party.record.taken_by
            || waiter.id().is_some_and(|id| self.came.party.has(id));
        let range = self.lock.range.zip(wait.waiter.range);
        is_same
            && wait.waiter.mode == self.came.party.record.mode
            && range.is_none_or(|(has, wanted)| has.overlaps(&wanted))
            && Place::of(self.lock) == wait.place()
    }

    /// Whether it cannot have been there together with one who had that lock so.
    fn keeps_out(&self, lock: &Lock, mode: Mode) -> bool {
        let range = self.lock.range.zip(lock.range);
        self.came.had.is_none()
            && !self.came.may_be_handed_on
            && self.came.party.record.mode.conflicts_with(mode)
            && range.is_none_or(|(one, other)| one.overlaps(&other))
    }
}

impl Act {
    /// Whether it took the lock from a party.
    fn befell(&self, party: &Party<'_>) -> bool {
        let is_victim = |pid: Option<Pid>| pid.is_some_and(|pid| self.victims.contains(&pid));
        let mut pids = party.members.iter().map(|holder| holder.process.pid);
        !matches!(self.method, Method::Resume | Method::EndWaiter)
            && (self.victims.is_empty() || pids.any(is_victim))
    }
}
