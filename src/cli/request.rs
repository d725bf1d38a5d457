//! From the arguments to requests for locks, and from how they went to an exit status.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use locktop::acquire::{Acquire, Cancel, Guard, Progress, take_all};
use locktop::model::harmless_bytes;
use locktop::{Error, Target};

use super::args::{Creation, Global, Terms};
use super::failure::Failure;
use super::interrupt::Interrupt;
use super::stderr;
use super::voice::{Goal, SharedVoice, Voice};

/// What the requests of one command share: until when they wait, what ends them early, and who is
/// told how it goes.
pub(crate) struct Asking<'a> {
    terms: &'a Terms,
    global: Global,
    pub(crate) goal: Goal,
    limit: Limit,
    pub(crate) voice: SharedVoice,
    pub(crate) interrupt: Arc<Interrupt>,
}

/// Until when somebody waits.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Never,
    AtOnce,
    At(Instant),
}

impl Limit {
    fn of(terms: &Terms) -> Self {
        match terms.timeout {
            _ if terms.no_wait => Self::AtOnce,
            None => Self::Never,
            Some(time) if time.is_zero() => Self::AtOnce,
            // Further than the clock goes.
            Some(time) => Instant::now().checked_add(time).map_or(Self::Never, Self::At),
        }
    }
}

impl<'a> Asking<'a> {
    /// Gets ready: from now on signals end waits.
    pub(crate) fn begin(
        terms: &'a Terms,
        global: Global,
        goal: Goal,
        targets: &[OsString],
    ) -> Result<Self, Failure> {
        let voice = Voice::shared(terms, global, goal, targets);
        let interrupt = Interrupt::begin(&voice)?;
        Ok(Self { terms, global, goal, limit: Limit::of(terms), voice, interrupt })
    }

    /// A request for the target of that number, which `cancel` ends too.
    pub(crate) fn request(&self, at: usize, target: &Target, cancel: &Cancel) -> Acquire {
        let mut request = target.acquire().cancel(cancel);
        if self.terms.shared {
            request = request.shared();
        }
        if let Some(range) = self.terms.range {
            request = request.range(range);
        }
        if let Some(pauses) = self.terms.pause {
            request = request.pauses(pauses);
        }
        if self.terms.insist {
            request = request.insist();
        }
        request = match self.limit {
            Limit::Never => request,
            Limit::AtOnce => request.no_wait(),
            Limit::At(time) => request.deadline(time),
        };
        if Voice::is_silent(self.terms, self.global) {
            return request;
        }
        let (voice, interrupt) = (self.voice.clone(), Arc::clone(&self.interrupt));
        request.on_progress(move |progress: &Progress| {
            // Who waits can be ended by a signal, which takes a thread that listens.
            interrupt.listen();
            voice.lock().hear(at, progress);
        })
    }

    /// Takes all of the locks, or none.
    pub(crate) fn take(
        &self,
        targets: &[Target],
        creation: Creation,
    ) -> Result<Vec<Guard>, Failure> {
        let taken = if Voice::is_silent(self.terms, self.global) {
            self.take_unheard(targets, creation)
        } else {
            take_all(self.requests(targets, creation))
        };
        self.interrupt.end()?;
        let guards = taken.map_err(|error| self.failure(error))?;
        for (at, (target, guard)) in targets.iter().zip(&guards).enumerate() {
            self.voice.lock().taken(at, guard);
            self.say_choice(target, guard);
        }
        self.voice.lock().end();
        Ok(guards)
    }

    /// The same where nobody is told that there is a wait: whether there is has to be found out
    /// first, so that whoever gets the lock at once pays for no thread that listens.
    fn take_unheard(&self, targets: &[Target], creation: Creation) -> Result<Vec<Guard>, Error> {
        let hasty = self.requests(targets, creation).into_iter().map(Acquire::no_wait);
        match take_all(hasty.collect()) {
            Err(error) if error.is_would_block() && !matches!(self.limit, Limit::AtOnce) => {
                self.interrupt.listen();
                take_all(self.requests(targets, creation))
            }
            taken => taken,
        }
    }

    fn requests(&self, targets: &[Target], creation: Creation) -> Vec<Acquire> {
        let cancel = self.interrupt.cancel();
        let requests = targets.iter().enumerate().map(|(at, target)| {
            let request = self.request(at, target, cancel);
            match creation.create_mode {
                Some(mode) => request.create_mode(mode),
                None => request,
            }
        });
        requests.collect()
    }

    /// Says which kind of lock a bare path was taken as, where that is not the usual one.
    fn say_choice(&self, target: &Target, guard: &Guard) {
        // Who names bytes has chosen already.
        let has_chosen = !matches!(target, Target::Path(_)) || self.terms.range.is_some();
        if !has_chosen && guard.family() != "flock" {
            let path = harmless_bytes(guard.path().as_os_str().as_encoded_bytes());
            let family = guard.family();
            stderr::remark(
                self.global,
                &format!("{path} is locked as '{family}:', since that is how others lock it"),
            );
        }
    }

    /// What a request that failed means for the command.
    pub(crate) fn failure(&self, error: Error) -> Failure {
        self.voice.lock().end();
        if error.is_would_block() || error.is_timeout() {
            let text = (!self.global.quiet).then(|| error.to_string());
            return Failure::given_up(self.terms.conflict_exit_code, text);
        }
        error.into()
    }
}
