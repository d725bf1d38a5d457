//! The handshake between a blocked wait and the one who ends it, in every order of its steps that
//! the memory model allows. The system call and the signal are models: a signal that comes before
//! the call is lost, as the system loses it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "only the handshake is modelled")]
#[path = "../src/acquire/handshake.rs"]
mod handshake;

/// What the handshake is made of here.
mod sync {
    pub(crate) use std::sync::PoisonError;

    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

/// Stands for the thread that a signal is sent to.
mod system {
    pub(crate) mod locking {
        pub(crate) type Thread = ();
    }
}

use handshake::Stop;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A system call that sleeps until the lock comes or a signal ends it.
#[derive(Default)]
struct Call {
    state: Mutex<CallState>,
    woken: Condvar,
}

#[derive(Default)]
struct CallState {
    sleeps: bool,
    signalled: bool,
    lock_is_free: bool,
}

impl Call {
    /// Whether it got the lock.
    fn wait(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.sleeps = true;
        // What was sent before has been lost.
        state.signalled = false;
        while !state.signalled && !state.lock_is_free {
            state = self.woken.wait(state).unwrap();
        }
        state.sleeps = false;
        state.lock_is_free
    }

    fn signal(&self) {
        let mut state = self.state.lock().unwrap();
        if state.sleeps {
            state.signalled = true;
            self.woken.notify_all();
        }
    }

    fn free_the_lock(&self) {
        self.state.lock().unwrap().lock_is_free = true;
        self.woken.notify_all();
    }
}

/// Stops until the waiting thread has answered, as the library does.
fn stop_until_answered(stop: &Stop<()>, call: &Call, answered: &AtomicBool) {
    while !answered.load(Ordering::Acquire) {
        stop.set(|()| call.signal());
        thread::yield_now();
    }
}

#[test]
fn a_stop_always_ends_the_wait() {
    loom::model(|| {
        let stop = Arc::new(Stop::default());
        let call = Arc::new(Call::default());
        let answered = Arc::new(AtomicBool::new(false));
        let waiting = {
            let (stop, call, answered) =
                (Arc::clone(&stop), Arc::clone(&call), Arc::clone(&answered));
            thread::spawn(move || {
                let got = stop.interruptible((), || call.wait()).unwrap_or(false);
                answered.store(true, Ordering::Release);
                got
            })
        };
        stop_until_answered(&stop, &call, &answered);
        assert!(!waiting.join().unwrap(), "nobody freed the lock");
        assert!(stop.is_set());
    });
}

#[test]
fn a_lock_that_comes_in_the_instant_of_a_stop_is_had_or_never_asked_for() {
    loom::model(|| {
        let stop = Arc::new(Stop::default());
        let call = Arc::new(Call::default());
        let asked = Arc::new(AtomicBool::new(false));
        let waiting = {
            let (stop, call, asked) = (Arc::clone(&stop), Arc::clone(&call), Arc::clone(&asked));
            thread::spawn(move || {
                let call_it = || {
                    asked.store(true, Ordering::Relaxed);
                    call.wait()
                };
                stop.interruptible((), call_it)
            })
        };
        // The holder gives it back while we stop.
        call.free_the_lock();
        stop.set(|()| call.signal());
        let got = waiting.join().unwrap();
        // Whoever asked has been told the truth about whether the lock is theirs to give back.
        assert_eq!(got, asked.load(Ordering::Relaxed).then_some(true));
    });
}

#[test]
fn no_signal_hits_a_thread_that_has_left() {
    loom::model(|| {
        let stop = Arc::new(Stop::default());
        let inside = Arc::new(AtomicBool::new(false));
        let waiting = {
            let (stop, inside) = (Arc::clone(&stop), Arc::clone(&inside));
            thread::spawn(move || {
                stop.interruptible((), || ());
                // From here on the thread may end at any time.
                inside.store(true, Ordering::SeqCst);
            })
        };
        stop.set(|()| assert!(!inside.load(Ordering::SeqCst), "it has left"));
        waiting.join().unwrap();
    });
}
