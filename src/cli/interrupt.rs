//! What ends a wait before its time: signals.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use locktop::acquire::Cancel;
use locktop::command::{self, Heard, Signals};
use locktop::console;

use super::failure::Failure;
use super::voice::SharedVoice;

/// Signals, held back since the beginning, that cancel the waits of this command.
pub(crate) struct Interrupt {
    signals: Signals,
    cancel: Cancel,
    voice: SharedVoice,
    /// The signal that ended the wait; 0: none.
    ended_by: AtomicI32,
    is_over: AtomicBool,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Interrupt {
    /// Holds signals back from now on.
    pub(crate) fn begin(voice: &SharedVoice) -> Result<Arc<Self>, Failure> {
        let signals = Signals::hold_back().map_err(|error| {
            Failure::refused(format!("cannot hold back signals: {error}"), error.kind())
        })?;
        Ok(Arc::new(Self {
            signals,
            cancel: Cancel::new(),
            voice: SharedVoice::clone(voice),
            ended_by: AtomicI32::new(0),
            is_over: AtomicBool::new(false),
            listener: Mutex::default(),
        }))
    }

    /// What the signals cancel.
    pub(crate) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The signals, once nobody waits any more.
    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Has signals act, from the first time that this is called: before, nothing can last.
    pub(crate) fn listen(self: &Arc<Self>) {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if listener.is_none() {
            let this = Arc::clone(self);
            let started = thread::Builder::new().name("signals".into()).spawn(move || {
                if this.hear().is_err() {
                    // Better to wait no more than to wait and hear nothing.
                    this.cancel.cancel();
                }
            });
            match started {
                Ok(started) => *listener = Some(started),
                Err(_) => self.cancel.cancel(),
            }
        }
    }

    fn hear(&self) -> io::Result<()> {
        loop {
            let heard = self.signals.next()?;
            if self.is_over.load(Ordering::Acquire) {
                if let Heard::Typed(signal) | Heard::Asked(signal) = heard {
                    self.ended_by.store(signal, Ordering::Release);
                }
                return Ok(());
            }
            match heard {
                Heard::Typed(signal) | Heard::Asked(signal) => {
                    if self.ended_by.swap(signal, Ordering::AcqRel) != 0 {
                        // Leaving takes too long for them.
                        self.voice.lock().end();
                        console::die_of(signal);
                    }
                    self.cancel.cancel();
                }
                Heard::Stop => {
                    // Nothing is said before we go on.
                    let mut voice = self.voice.lock();
                    voice.pause();
                    self.signals.stop()?;
                }
                Heard::Continued | Heard::Nudge => {}
            }
        }
    }

    /// Nobody waits any more. An error: a signal came that wants us to end.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        self.is_over.store(true, Ordering::Release);
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            command::nudge();
            // It does not panic; if it did, no signal would have been heard.
            let _ = listener.join();
        }
        let came = match self.ended_by.load(Ordering::Acquire) {
            0 => self.signals.end_came().map_err(|error| {
                Failure::refused(format!("cannot ask for signals: {error}"), error.kind())
            })?,
            signal => Some(signal),
        };
        came.map_or(Ok(()), |signal| {
            self.voice.lock().end();
            Err(Failure::signal(signal))
        })
    }
}
