use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use super::*;
use crate::acquire::Guard;
use crate::model::{Mode, Range};

/// Longer than anything takes.
const SOON: Duration = Duration::from_mins(5);

const LIFE: Duration = Duration::from_secs(30);

#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A clock that a test sets.
#[derive(Debug)]
struct TestClock(Mutex<Reading>);

impl TestClock {
    fn new() -> Arc<Self> {
        let day = Duration::from_hours(24);
        Arc::new(Self(Mutex::new(Reading { monotonic: day, boot: day * 2 })))
    }

    fn set(&self, change: impl FnOnce(&mut Reading)) {
        change(&mut self.0.lock().unwrap());
    }

    fn advance(&self, time: Duration) {
        self.set(|now| {
            now.monotonic += time;
            now.boot += time;
        });
    }

    fn suspend(&self, time: Duration) {
        self.set(|now| now.boot += time);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Reading {
        *self.0.lock().unwrap()
    }

    fn beat(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// A lock server with one lock.
#[derive(Debug, Default)]
struct Server {
    answer: Mutex<Answer>,
    changed: Condvar,
    /// How often it was asked to renew, and did.
    asked: AtomicU32,
    renewed: AtomicU32,
    has_it_back: AtomicBool,
    was_left: AtomicBool,
}

/// How it answers to renewals.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Answer {
    #[default]
    Renewed,
    Failed,
    Gone,
    Later,
    Forever,
}

impl Server {
    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
        self.changed.notify_all();
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn renewed(&self) -> u32 {
        self.renewed.load(Ordering::SeqCst)
    }

    fn has_it_back(&self) -> bool {
        self.has_it_back.load(Ordering::SeqCst)
    }
}

/// A lock of ours on the server.
#[derive(Debug)]
struct OnServer {
    server: Arc<Server>,
    life: Duration,
}

impl Held for OnServer {
    fn give_back(self: Box<Self>) -> Result<(), Error> {
        self.server.has_it_back.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn place(&self) -> Place {
        let path = "/server/lock".into();
        Place { family: "server", mechanism: None, path, id: None, file: None, range: Range::WHOLE }
    }

    fn leave(self: Box<Self>) {
        self.server.was_left.store(true, Ordering::SeqCst);
    }

    fn life(&self) -> Option<Life> {
        Some(Life(self.life))
    }

    fn renew(&mut self) -> Result<Option<Life>, Error> {
        self.server.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.server.answer.lock().unwrap();
        let later = |answer: &mut Answer| *answer == Answer::Later;
        let answer = *self.server.changed.wait_while(answer, later).unwrap();
        let life = match answer {
            Answer::Failed => return Err(Error::unreachable("the server does not answer")),
            Answer::Gone => return Err(Error::gone("somebody deleted the key")),
            Answer::Renewed | Answer::Later => Some(Life(self.life)),
            Answer::Forever => None,
        };
        self.server.renewed.fetch_add(1, Ordering::SeqCst);
        Ok(life)
    }

    fn fencing(&self) -> Option<String> {
        Some("41".into())
    }
}

/// A lease with its server and its clock.
struct Desk {
    server: Arc<Server>,
    clock: Arc<TestClock>,
    lease: Leased,
    told: Arc<AtomicU32>,
}

impl Desk {
    fn new() -> Self {
        let (server, clock) = (Arc::<Server>::default(), TestClock::new());
        let held = Box::new(OnServer { server: Arc::clone(&server), life: LIFE });
        let lease = Leased::new(held, Life(LIFE), Arc::clone(&clock) as _).unwrap();
        let told = Arc::new(AtomicU32::new(0));
        let desk = Self { server, clock, lease, told };
        desk.listen();
        desk
    }

    fn listen(&self) {
        let told = Arc::clone(&self.told);
        self.lease.on_lost(move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
    }

    fn told(&self) -> u32 {
        self.told.load(Ordering::SeqCst)
    }

    /// Waits until its loss has been told, and gives the lock back.
    #[track_caller]
    fn ends_lost(self, why: &str) {
        wait_until("its loss is told", || self.told() == 1);
        assert!(self.lease.is_lost());
        self.listen();
        assert_eq!(self.told(), 2, "told at once, now that it is known");
        let error = self.lease.give_back().unwrap_err();
        assert!(error.is_lost() && error.to_string().contains(why), "{error}");
        assert!(self.server.has_it_back());
    }
}

#[test]
fn it_is_renewed_when_a_third_of_its_life_is_over() {
    let clock = TestClock::new();
    let held = OnServer { server: Arc::default(), life: LIFE };
    let fate = Fate::new(&held.place(), Life(LIFE), Arc::clone(&clock) as _);
    assert_eq!(fate.until_due(), Some(LIFE / 3));
    clock.advance(LIFE / 4);
    assert_eq!(fate.until_due(), Some(LIFE / 12));
    // A suspend that it survives.
    clock.suspend(LIFE / 2);
    assert_eq!(fate.until_due(), Some(Duration::ZERO));
    // It failed: again quickly, and then as ever.
    fate.failed(&Error::unreachable("no answer"));
    assert_eq!(fate.until_due(), Some(LATEST_AGAIN));
    fate.prolong(clock.now(), Some(Life(LIFE)));
    assert_eq!(fate.until_due(), Some(LIFE / 3));
    fate.prolong(clock.now(), None);
    assert_eq!(fate.until_due(), None);
    clock.advance(LIFE * 2);
    assert!(!fate.is_lost());
}

#[test]
fn it_lives_as_long_as_it_is_renewed() {
    let desk = Desk::new();
    for round in 1..=10 {
        desk.clock.advance(LIFE / 3);
        wait_until("it is renewed", || desk.server.renewed() == round);
    }
    assert!(!desk.lease.is_lost());
    assert_eq!(desk.lease.fencing().as_deref(), Some("41"));
    desk.lease.give_back().unwrap();
    assert!(desk.server.has_it_back());
    assert_eq!(desk.told.load(Ordering::SeqCst), 0);
}

#[test]
fn a_renewal_that_fails_is_tried_again_until_it_works() {
    let desk = Desk::new();
    desk.server.answers(Answer::Failed);
    desk.clock.advance(LIFE / 3);
    for round in 1..=5 {
        wait_until("it is tried", || desk.server.asked() == round);
        // The pause begins when the one who asked has heard the answer.
        wait_until("it pauses", || desk.lease.fate.until_due() == Some(LATEST_AGAIN));
        if round == 5 {
            desk.server.answers(Answer::Renewed);
        }
        desk.clock.advance(LATEST_AGAIN);
    }
    wait_until("it is renewed", || desk.server.renewed() == 1);
    assert!(!desk.lease.is_lost());
}

#[test]
fn what_could_not_be_renewed_in_time_is_lost() {
    let desk = Desk::new();
    desk.server.answers(Answer::Failed);
    desk.clock.advance(LIFE / 3);
    wait_until("it is tried", || desk.server.asked() > 0);
    wait_until("its loss is told", || {
        desk.clock.advance(LATEST_AGAIN);
        desk.told() == 1
    });
    // Too late.
    desk.server.answers(Answer::Renewed);
    desk.ends_lost("the server does not answer");
}

#[test]
fn what_somebody_else_took_is_lost() {
    let desk = Desk::new();
    desk.server.answers(Answer::Gone);
    desk.clock.advance(LIFE / 3);
    desk.ends_lost("somebody deleted the key");
}

#[test]
fn a_suspend_that_it_may_not_have_survived_loses_it() {
    let desk = Desk::new();
    desk.clock.suspend(LIFE);
    assert!(desk.lease.is_lost());
    desk.clock.set(|now| now.boot -= LIFE);
    desk.ends_lost("suspended");
}

#[test]
fn a_clock_that_was_set_back_loses_it() {
    let desk = Desk::new();
    desk.clock.set(|now| now.monotonic -= Duration::from_secs(1));
    desk.ends_lost("may have run out");
}

#[test]
fn a_renewal_that_hangs_does_not_keep_its_loss_from_being_told() {
    let desk = Desk::new();
    desk.server.answers(Answer::Later);
    desk.clock.advance(LIFE / 3);
    wait_until("it is tried", || desk.server.asked() == 1);
    desk.clock.advance(LIFE);
    wait_until("its loss is told", || desk.told() == 1);
    // It comes back to life on the server, but not for us.
    desk.server.answers(Answer::Renewed);
    desk.ends_lost("not renewed in time");
}

#[test]
fn what_does_not_run_out_any_more_is_not_renewed() {
    let desk = Desk::new();
    desk.server.answers(Answer::Forever);
    desk.clock.advance(LIFE / 3);
    wait_until("it is renewed", || desk.server.renewed() == 1);
    wait_until("it is settled", || desk.lease.fate.until_due().is_none());
    desk.clock.advance(LIFE * 9);
    assert!(!desk.lease.is_lost());
    desk.lease.give_back().unwrap();
}

#[test]
fn what_was_left_is_not_given_back() {
    let desk = Desk::new();
    desk.lease.leave();
    wait_until("it is left", || desk.server.was_left.load(Ordering::SeqCst));
    assert!(!desk.server.has_it_back());
}

#[test]
fn a_guard_renews_and_gives_back() {
    let guard = |server: &Arc<Server>, life| {
        let held = Box::new(OnServer { server: Arc::clone(server), life });
        Guard::new(held, Mode::Exclusive, Duration::ZERO).unwrap()
    };
    let server = Arc::<Server>::default();
    // Long enough for a busy machine to renew it in time.
    let ours = guard(&server, Duration::from_secs(12));
    assert!(ours.file().is_none());
    assert_eq!(ours.fencing().as_deref(), Some("41"));
    wait_until("it is renewed", || server.renewed() > 0);
    assert!(!ours.is_lost());
    ours.release().unwrap();

    let server = Arc::<Server>::default();
    server.answers(Answer::Failed);
    let ours = guard(&server, Duration::from_secs(1));
    let (tell, told) = channel();
    ours.on_lost(move || tell.send(()).unwrap());
    told.recv_timeout(SOON).unwrap();
    assert!(ours.is_lost());
    assert!(ours.release().unwrap_err().is_lost());

    let server = Arc::<Server>::default();
    drop(guard(&server, LIFE));
    assert!(server.has_it_back());
}
