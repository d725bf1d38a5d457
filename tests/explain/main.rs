//! What `locktop explain` says, word for word, of locks that real processes hold.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod cast;
mod circles;
mod halted;
mod kinds;
mod left;
mod on_disk;
mod others;
mod queues;
mod redact;
mod sleeping;
mod ten;
