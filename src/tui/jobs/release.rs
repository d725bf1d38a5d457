//! Looking for the ways to free locks, and going them, off the input thread.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use locktop::Error;
use locktop::model::{Lock, LockId, Pid, Snapshot};
use locktop::release::{self, AuditLog, Outcome, Plan};

use super::Jobs;
use crate::tui::cells;
use crate::tui::events::Event;
use crate::tui::mine::{Came, Doing, End, News, Number};
use crate::tui::release::Found;

/// So many of those who wait can be ended from here; the others are looked at first.
const WAITERS: usize = 20;

impl Jobs {
    /// Looks for the ways to free these locks.
    pub(in crate::tui) fn plan(&self, number: Number, seen: Arc<Snapshot>, locks: Vec<LockId>) {
        let jobs = self.clone();
        let begun = self.work("plan", move || {
            let locks = locks.iter().filter_map(|id| seen.lock(id));
            let found = locks.map(|lock| find(lock, &seen)).collect();
            jobs.send(Event::Plans(number, found));
        });
        if let Err(error) = begun {
            self.send(Event::Trouble(format!("cannot start a thread: {error}")));
        }
    }

    /// Carries plans out, one after the other. Each tells when it is over.
    pub(in crate::tui) fn free(&self, acts: Vec<(Number, Plan)>) {
        let jobs = self.clone();
        let numbers: Vec<Number> = acts.iter().map(|(number, _)| *number).collect();
        let begun = self.work("free", move || {
            for (number, plan) in acts {
                if jobs.desk().closed {
                    return;
                }
                jobs.tell(number, News::Doing(Doing::Checking));
                let done = jobs.perform(number, plan);
                let news = done.unwrap_or_else(|error| News::Over(failure(&error)));
                jobs.tell(number, news);
            }
        });
        if let Err(error) = begun {
            let end = End::Failed(format!("nothing was touched: cannot start a thread: {error}"));
            for number in numbers {
                self.tell(number, News::Over(end.clone()));
            }
        }
    }

    fn perform(&self, number: Number, plan: Plan) -> Result<News, Error> {
        let log = AuditLog::usual()?;
        let outcome = plan.perform(&log, &mut |progress| {
            let step = Doing::Step(progress.clone(), Instant::now());
            self.tell(number, News::Doing(step));
        })?;
        let came = came(&outcome);
        if let Some(escrow) = outcome.escrow {
            let mut desk = self.desk();
            // Else it is dropped, and so handed over.
            if !desk.closed {
                desk.kept.insert(number, escrow);
            }
        }
        Ok(News::Came(Box::new(came)))
    }

    /// Hands over locks that we keep: it takes a moment until the next one has each.
    pub(in crate::tui) fn hand_over(&self, numbers: &[Number]) {
        for &number in numbers {
            let Some(escrow) = self.desk().kept.remove(&number) else { continue };
            let jobs = self.clone();
            let begun = self.work("hand over", move || {
                let text = match escrow.hand_over() {
                    Ok(now) => release::handed_over(now.as_ref()),
                    Err(error) => format!("handed over; {error}"),
                };
                jobs.tell(number, News::Over(End::HandedOver(text)));
            });
            if begun.is_err() {
                // It went with the thread that could not be had.
                self.tell(number, News::Over(End::HandedOver("handed over".into())));
            }
        }
    }

    /// Writes down that plans were shown and not agreed to.
    pub(in crate::tui) fn decline(&self, plans: Vec<Plan>, reason: &'static str) {
        let jobs = self.clone();
        let begun = self.work("decline", move || {
            let written = AuditLog::usual()
                .and_then(|log| plans.iter().try_for_each(|plan| log.declined(plan, reason)));
            if let Err(error) = written {
                jobs.send(Event::Trouble(format!("nothing was touched; {error}")));
            }
        });
        if let Err(error) = begun {
            self.send(Event::Trouble(format!(
                "nothing was touched; cannot start a thread: {error}"
            )));
        }
    }
}

/// The ways to free a lock, and to end those who wait for it.
fn find(lock: &Lock, snapshot: &Snapshot) -> Found {
    let mut pids: Vec<Pid> = lock.waiters.iter().filter_map(|by| by.process.pid).collect();
    let mut known = HashSet::new();
    pids.retain(|pid| known.insert(*pid));
    Found {
        plans: release::plans(lock, snapshot),
        waiters: pids
            .into_iter()
            .take(WAITERS)
            .filter_map(|pid| release::end_waiter(lock, pid))
            .collect(),
    }
}

fn came(outcome: &Outcome) -> Came {
    let me = Pid::try_from(std::process::id()).ok();
    Came {
        freed: outcome.freed,
        text: outcome.text.clone(),
        now: outcome.now.as_ref().map_or_else(|| "nobody".into(), |lock| cells::holder(lock, me)),
        next: outcome.next.clone(),
        kept: outcome.escrow.is_some(),
        unlogged: outcome.unlogged.as_ref().map(ToString::to_string),
    }
}

fn failure(error: &Error) -> End {
    let text = error.to_string();
    if error.is_changed() { End::Untouched(text) } else { End::Failed(text) }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use locktop::Inspector;

    use super::*;

    /// Longer than anything takes.
    const SOON: Duration = Duration::from_mins(5);

    /// A process that has a lock, ended with the test.
    struct Holder {
        process: Child,
        folder: tempfile::TempDir,
    }

    impl Holder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut command = Command::new("flock");
            command.arg("-F").arg(folder.path().join("lock")).args(["sh", "-c", "echo; exec cat"]);
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let output = process.stdout.as_mut().unwrap();
            std::io::Read::read_exact(output, &mut [0]).unwrap();
            Self { process, folder }
        }

        fn lock(&self, snapshot: &Snapshot) -> LockId {
            let is_meant =
                |lock: &&Lock| lock.label().starts_with(self.folder.path().to_str().unwrap());
            snapshot.locks.iter().find(is_meant).unwrap().id.clone()
        }
    }

    impl Drop for Holder {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }

    fn plans(events: &Receiver<Event>) -> (Number, Vec<Found>) {
        match events.recv_timeout(SOON).unwrap() {
            Event::Plans(number, found) => (number, found),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plans_are_found_in_the_background() {
        let (send, events) = channel();
        let jobs = Jobs::new(send);
        let holder = Holder::new();
        let snapshot = Arc::new(Inspector::new().unwrap().snapshot().unwrap());
        let lock = holder.lock(&snapshot);
        jobs.plan(7, Arc::clone(&snapshot), vec![lock, LockId::from_text("@flock:0:0:0:~")]);
        let (7, found) = plans(&events) else { panic!("another search") };
        assert_eq!(found.len(), 1);
        let methods: Vec<_> = found[0].plans.iter().map(|plan| plan.method.word()).collect();
        assert_eq!(methods, ["terminate", "escrow", "kill", "unlock"]);
    }

    #[test]
    fn nothing_is_begun_once_the_end_has_begun() {
        let (send, events) = channel();
        let jobs = Jobs::new(send);
        let mut holder = Holder::new();
        let snapshot = Arc::new(Inspector::new().unwrap().snapshot().unwrap());
        let lock = holder.lock(&snapshot);
        jobs.plan(1, Arc::clone(&snapshot), vec![lock]);
        let (_, mut found) = plans(&events);
        let plan = found.remove(0).plans.remove(0);
        jobs.end();
        jobs.free(vec![(2, plan)]);
        jobs.end();
        assert!(events.try_recv().is_err());
        assert!(holder.process.try_wait().unwrap().is_none());
    }
}
