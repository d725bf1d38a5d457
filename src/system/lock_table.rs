//! The kernel's lock table, `/proc/locks`.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::System;

/// A lock table longer than this is read only so far: its queues alone can grow with the square of
/// their length.
const TABLE_LIMIT: usize = 256 << 20;

/// The text of the lock table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TableText {
    pub(crate) text: Vec<u8>,
    /// It came in one read, so that it is a snapshot.
    pub(crate) at_once: bool,
    /// It was too long to be read to its end.
    pub(crate) cut: bool,
}

impl System {
    /// Whether this platform has a lock table at all.
    pub(crate) fn has_lock_table(&self) -> bool {
        self.proc.join("locks").exists()
    }

    /// The lock table. Reading it holds up everybody's locks for as long as it takes.
    pub(crate) fn lock_table(&self) -> io::Result<TableText> {
        let began = Instant::now();
        let table = self.read_lock_table();
        self.stalled.fetch_add(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        table
    }

    /// For how long everybody's locks have been held up so far.
    pub(crate) fn stalled(&self) -> Duration {
        Duration::from_nanos(self.stalled.load(Ordering::Relaxed))
    }

    fn read_lock_table(&self) -> io::Result<TableText> {
        use io::Read as _;
        let mut file = std::fs::File::open(self.proc.join("locks"))?;
        let mut text = Vec::with_capacity(64 << 10);
        let mut chunk = vec![0; 64 << 10];
        let mut reads = 0;
        while text.len() < TABLE_LIMIT {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(TableText { text, at_once: reads <= 1, cut: false }),
                Ok(length) => text.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            reads += 1;
        }
        Ok(TableText { text, at_once: false, cut: true })
    }
}
