//! `locktop watch`: what happens to real locks of real processes, told as it happens, and nothing
//! that did not happen.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod force;
mod forms;
mod kinds;
mod listener;
mod on_disk;
mod terminal;
