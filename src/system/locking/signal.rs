//! The signal that ends a blocked system call of one thread.

#[cfg(unix)]
pub(crate) use unix::Thread;
#[cfg(not(unix))]
pub(crate) use without::Thread;

use std::io;

/// Uses another signal from now on. To be called before the first wait that blocks.
pub(crate) fn set_signal(signal: i32) {
    #[cfg(unix)]
    unix::set_signal(signal);
    #[cfg(not(unix))]
    let _ = signal;
}

/// Makes this thread one whose system calls [`Thread::wake`] ends: no other signal reaches it, since
/// each would cost it its place in the queue.
///
/// # Errors
/// When the signal is in use, or may not be used.
pub(crate) fn prepare() -> io::Result<Thread> {
    #[cfg(unix)]
    return unix::prepare();
    #[cfg(not(unix))]
    return Err(io::Error::new(io::ErrorKind::Unsupported, "no signals on this system"));
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "no safe wrapper exists for signal handlers and signal masks")]
mod unix {
    use std::io;
    use std::mem::MaybeUninit;
    use std::ptr;
    use std::sync::Mutex;
    use std::sync::PoisonError;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// Faults of this thread itself, which nobody else can handle.
    const FAULTS: [i32; 6] =
        [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT];

    /// 0: nobody has chosen one.
    static CHOSEN: AtomicI32 = AtomicI32::new(0);
    /// For which signal the handler is installed.
    static INSTALLED: Mutex<i32> = Mutex::new(0);

    fn chosen() -> i32 {
        match CHOSEN.load(Ordering::Relaxed) {
            #[cfg(target_os = "linux")]
            0 => libc::SIGRTMIN() + 5,
            // No real-time signals: one that nobody minds.
            #[cfg(not(target_os = "linux"))]
            0 => libc::SIGURG,
            signal => signal,
        }
    }

    pub(super) fn set_signal(signal: i32) {
        CHOSEN.store(signal, Ordering::Relaxed);
    }

    /// A thread that lives at least until it has said that it is no longer inside a system call.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Thread {
        thread: libc::pthread_t,
        signal: i32,
    }

    impl Thread {
        /// Ends the system call that it is in. Once is not enough: a signal that comes just before
        /// the call is lost.
        pub(crate) fn wake(&self) {
            // SAFETY: the thread has not ended, since it must say first that it has left its system
            // call. An error leaves it asleep until the next try.
            unsafe { libc::pthread_kill(self.thread, self.signal) };
        }
    }

    extern "C" fn nothing(_signal: libc::c_int) {}

    pub(super) fn prepare() -> io::Result<Thread> {
        let signal = chosen();
        install(signal)?;
        let mut mask = MaybeUninit::uninit();
        // SAFETY: the set is initialised by sigfillset before anything else uses it, the numbers are
        // valid signals, and the mask is this thread's own.
        let failed = unsafe {
            libc::sigfillset(mask.as_mut_ptr());
            for number in FAULTS.into_iter().chain([signal]) {
                libc::sigdelset(mask.as_mut_ptr(), number);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, mask.as_ptr(), ptr::null_mut())
        };
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        // SAFETY: takes nothing and always succeeds.
        let thread = unsafe { libc::pthread_self() };
        Ok(Thread { thread, signal })
    }

    /// Without `SA_RESTART`: the call is to end.
    fn install(signal: i32) -> io::Result<()> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if *installed == signal {
            return Ok(());
        }
        // SAFETY: zeroes are a valid sigaction: the default action, an empty mask, no flags. The
        // handler does nothing, so that it may run at any time.
        unsafe {
            let mut before: libc::sigaction = MaybeUninit::zeroed().assume_init();
            if libc::sigaction(signal, ptr::null(), &raw mut before) != 0 {
                return Err(io::Error::last_os_error());
            }
            if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN {
                return Err(io::Error::new(
                    io::ErrorKind::ResourceBusy,
                    format!(
                        "this program uses signal {signal} itself; choose another with set_signal"
                    ),
                ));
            }
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = nothing as *const () as libc::sighandler_t;
            if libc::sigaction(signal, &raw const action, ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        *installed = signal;
        Ok(())
    }
}

#[cfg(not(unix))]
mod without {
    /// No thread can be woken.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Thread {}

    impl Thread {
        pub(crate) fn wake(&self) {
            match *self {}
        }
    }
}
