//! The terminal: taken over, drawn on, and given back as it was, whatever happens.

use std::io::{self, BufWriter, Write};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use crossterm::terminal as tty;
use locktop::console::{self, Screen};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;

use super::view::Picture;

/// Another screen; clicks and the wheel, but not every move of the mouse.
const ENTER: &str = "\x1b[?1049h\x1b[?1000h\x1b[?1006h\x1b[?25l";
/// The end of what may have been begun, and the opposite of [`ENTER`].
const LEAVE: &str = "\x1b[?2026l\x1b[0m\x1b[?1006l\x1b[?1000l\x1b[?25h\x1b[?1049l";
/// What is written between these two appears at once.
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// Whether the terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

type Backend = CrosstermBackend<BufWriter<Screen>>;

/// The terminal while it is ours. Dropping it gives it back.
pub(super) struct Terminal {
    /// Never dropped: it would complain, loudly, when the terminal is gone; we clean up ourselves.
    inner: ManuallyDrop<ratatui::Terminal<Backend>>,
    last: Option<Picture>,
}

impl Terminal {
    /// Takes the terminal over. A panic gives it back, after what else `clean_up` does.
    pub(super) fn take(clean_up: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        restore_on_panic(clean_up);
        // Our theme decides about colours. Left to itself, the library would answer NO_COLOR with
        // sequences that wipe bold and reverse, too.
        crossterm::style::force_color_output(true);
        let output = console::screen()?;
        enter()?;
        let inner = ratatui::Terminal::new(CrosstermBackend::new(BufWriter::new(output)))?;
        Ok(Self { inner: ManuallyDrop::new(inner), last: None })
    }

    /// How large it is now; a picture of this size can be shown.
    pub(super) fn area(&mut self) -> io::Result<Rect> {
        self.inner.autoresize()?;
        Ok(self.inner.get_frame().area())
    }

    /// Shows a picture; writes nothing if it is the one that is shown.
    pub(super) fn show(&mut self, picture: Picture) -> io::Result<()> {
        let same = self
            .last
            .as_ref()
            .is_some_and(|last| (&last.buffer, last.cursor) == (&picture.buffer, picture.cursor));
        if same {
            return Ok(());
        }
        write!(self.inner.backend_mut(), "{BEGIN}")?;
        // Not `draw`: that takes over a size that is newer than the picture, and then compares the
        // picture with one of another size. The news of a new size brings the next picture.
        self.inner.current_buffer_mut().clone_from(&picture.buffer);
        self.inner.apply_buffer_with_cursor(picture.cursor)?;
        write!(self.inner.backend_mut(), "{END}")?;
        Write::flush(self.inner.backend_mut())?;
        self.last = Some(picture);
        Ok(())
    }

    /// Draws everything anew next time.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.last = None;
        // Not `clear`: that asks the terminal where its cursor is, and not every one answers.
        let size = self.inner.size()?;
        self.inner.resize(size.into())
    }

    /// Gives the terminal back, stops this process, and takes the terminal again once continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        console::stop_myself()?;
        self.resume()
    }

    /// Takes the terminal again: whoever stopped us may have changed it.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        tty::disable_raw_mode()?;
        enter()?;
        self.forget()
    }

    /// Rings the bell.
    pub(super) fn ring(&mut self) -> io::Result<()> {
        write!(self.inner.backend_mut(), "\x07")?;
        Write::flush(self.inner.backend_mut())
    }

    /// Puts text into the terminal's clipboard (OSC 52), if it lets us.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        write!(self.inner.backend_mut(), "\x1b]52;c;{text}\x1b\\")?;
        Write::flush(self.inner.backend_mut())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    tty::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    out.write_all(ENTER.as_bytes())?;
    out.flush()
}

/// Gives the terminal back, if it is ours.
pub(super) fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that does not take this is lost, and nothing is left to be restored. One that
        // only takes no output gets its settings back all the same.
        let _ = tty::disable_raw_mode();
        let mut out = io::stdout();
        let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
    }
}

/// Gives the terminal back, but waits no longer than that for it to take what is written.
pub(super) fn leave_within(time: Duration) {
    let (done, left) = channel();
    let leave = move || {
        leave();
        // Whoever waited may have lost patience.
        let _ = done.send(());
    };
    // Without a thread the end of `done` is the answer.
    let _ = thread::Builder::new().name("leave".into()).spawn(leave);
    let _ = left.recv_timeout(time);
}

/// Lets a panic be read; one in another thread ends the program, too.
fn restore_on_panic(clean_up: impl Fn() + Send + Sync + 'static) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let main = thread::current().id();
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let ours = TAKEN.load(Ordering::SeqCst);
            if ours {
                clean_up();
            }
            leave();
            report(panic);
            if ours && thread::current().id() != main {
                std::process::exit(101);
            }
        }));
    });
}
