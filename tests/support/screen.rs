//! A program on a terminal, and what it shows.

use std::io::Write;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

use super::kernel::wait_until;

/// The terminal's size.
const SIZE: PtySize = PtySize { rows: 30, cols: 120, pixel_width: 0, pixel_height: 0 };

/// A terminal with a program on it.
pub struct Screen {
    child: Box<dyn Child + Send + Sync>,
    keyboard: Box<dyn Write + Send>,
    written: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// The program's end of the terminal hangs up when this goes.
    master: Box<dyn MasterPty + Send>,
}

impl Screen {
    /// Starts a program.
    pub fn start(mut command: CommandBuilder) -> Self {
        command.env("TERM", "xterm-256color");
        let pty = native_pty_system().openpty(SIZE).unwrap();
        let child = pty.slave.spawn_command(command).unwrap();
        let mut output = pty.master.try_clone_reader().unwrap();
        let (pieces, written) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if pieces.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let keyboard = pty.master.take_writer().unwrap();
        let parser = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        Self { child, keyboard, written, parser, master: pty.master }
    }

    /// The program's process.
    pub fn pid(&self) -> i32 {
        self.child.process_id().unwrap().cast_signed()
    }

    /// Types keys.
    pub fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Makes it so many columns wide.
    pub fn is_resized(&mut self, cols: u16) {
        self.master.resize(PtySize { cols, ..SIZE }).unwrap();
        self.parser.screen_mut().set_size(SIZE.rows, cols);
    }

    /// What is on the screen by now.
    pub fn shows(&mut self) -> String {
        while let Ok(piece) = self.written.recv_timeout(Duration::from_millis(1)) {
            self.parser.process(&piece);
        }
        self.parser.screen().contents()
    }

    /// Waits until the words are on the screen; all that is there then.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) -> String {
        wait_until(&format!("the screen shows {words}"), || {
            let shown = self.shows();
            shown.contains(words).then_some(shown)
        })
    }

    /// Waits until the program has ended.
    pub fn ends(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}
