//! Signals, held back by the mask of the thread until they are asked for.

#![expect(unsafe_code, reason = "no safe wrapper exists for signal masks and sigwait(3)")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use libc::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, c_int, sigset_t};

use super::Heard;

/// Those that are held back, unless they are ignored or masked already: under nohup(1) a hang-up
/// stays unheard.
const HEEDED: [c_int; 6] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT];

/// Signals that do not interrupt, but wait until somebody asks: from the moment that they are held
/// back none is lost, whatever happens meanwhile. Threads started since then hold them back too.
pub struct Signals {
    held: sigset_t,
    /// The mask as it was.
    before: sigset_t,
}

impl std::fmt::Debug for Signals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

impl Signals {
    /// Holds them back from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn hold_back() -> io::Result<Self> {
        let before = change_mask(libc::SIG_BLOCK, &set_of(&[]))?;
        let mut held = vec![SIGCHLD];
        for signal in HEEDED {
            if !contains(&before, signal) && !is_ignored(signal)? {
                held.push(signal);
            }
        }
        // Whoever started us may have ignored it, and then children could not be waited for.
        heed_children()?;
        let held = set_of(&held);
        change_mask(libc::SIG_BLOCK, &held)?;
        Ok(Self { held, before })
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn next(&self) -> io::Result<Heard> {
        take(&self.held)
    }

    /// A signal to end that came already, by its number.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn end_came(&self) -> io::Result<Option<i32>> {
        let pending = pending()?;
        let came = [SIGINT, SIGQUIT, SIGTERM, SIGHUP]
            .into_iter()
            .find(|signal| contains(&self.held, *signal) && contains(&pending, *signal));
        if let Some(signal) = came {
            take(&set_of(&[signal]))?;
        }
        Ok(came)
    }

    /// Stops this process, as Ctrl-Z does, until it is told to continue. Nothing happens where
    /// nobody would tell it: then the system stops nobody so.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&self) -> io::Result<()> {
        // SAFETY: takes a number; its default action is in force, since nobody else handles it.
        if unsafe { libc::raise(SIGTSTP) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let stop = set_of(&[SIGTSTP]);
        if contains(&self.held, SIGTSTP) {
            // It is delivered before the first of these returns.
            change_mask(libc::SIG_UNBLOCK, &stop)?;
            change_mask(libc::SIG_BLOCK, &stop)?;
        }
        Ok(())
    }

    /// The mask as it was: that of a command.
    pub(super) fn before(&self) -> &sigset_t {
        &self.before
    }

    /// Lets them have their effect again; those that came have it at once.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn let_go(&self) -> io::Result<()> {
        change_mask(libc::SIG_SETMASK, &self.before).map(drop)
    }
}

/// Whether the signal is one by which a terminal stops programs.
#[must_use]
pub fn is_by_terminal(signal: i32) -> bool {
    matches!(signal, SIGTSTP | libc::SIGTTIN | libc::SIGTTOU)
}

/// Whether the terminal on standard error is ours to write on, and not another job's.
#[must_use]
pub fn is_in_foreground() -> bool {
    // Where the system does not say, nobody else is known to use it.
    rustix::termios::tcgetpgrp(rustix::stdio::stderr())
        .map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

/// Ends a [`Signals::next`] with [`Heard::Nudge`]; several may end only one.
pub fn nudge() {
    // It can always be sent to oneself.
    let _ =
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CHILD);
}

fn take(set: &sigset_t) -> io::Result<Heard> {
    let mut signal = 0;
    loop {
        // SAFETY: both point to values that live during the call.
        match unsafe { libc::sigwait(set, &raw mut signal) } {
            0 => break,
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
    Ok(match signal {
        SIGCHLD => Heard::Nudge,
        SIGINT | SIGQUIT => Heard::Typed(signal),
        SIGTSTP => Heard::Stop,
        SIGCONT => Heard::Continued,
        _ => Heard::Asked(signal),
    })
}

/// The set of these signals.
pub(super) fn set_of(signals: &[c_int]) -> sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set in, and all numbers are those of signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        set.assume_init()
    }
}

fn contains(set: &sigset_t, signal: c_int) -> bool {
    // SAFETY: reads a set that lives during the call.
    unsafe { libc::sigismember(set, signal) == 1 }
}

/// Changes the mask of this thread; as it was before.
pub(super) fn change_mask(how: c_int, set: &sigset_t) -> io::Result<sigset_t> {
    let mut before = set_of(&[]);
    // SAFETY: both point to sets that live during the call.
    match unsafe { libc::pthread_sigmask(how, set, &raw mut before) } {
        0 => Ok(before),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn pending() -> io::Result<sigset_t> {
    let mut pending = set_of(&[]);
    // SAFETY: fills in a set that lives during the call.
    match unsafe { libc::sigpending(&raw mut pending) } {
        0 => Ok(pending),
        _ => Err(io::Error::last_os_error()),
    }
}

fn is_ignored(signal: c_int) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null pointer changes nothing; the action is filled in where the call succeeds.
    unsafe {
        match libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) {
            0 => Ok(action.assume_init().sa_sigaction == libc::SIG_IGN),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Has the system tell of children that end. A handler it must be: some systems drop signals that
/// are ignored by default even where they are held back.
fn heed_children() -> io::Result<()> {
    extern "C" fn nothing(_signal: c_int) {}
    // SAFETY: all zeros is a valid action; the handler does nothing, and lives as long as we do.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        match libc::sigaction(SIGCHLD, &raw const action, ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
