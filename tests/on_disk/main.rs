//! Locks that lie on disk, as the real programs make them: we see them, wait for them and respect
//! them, and they ours.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod contents;
mod databases;
mod desk;
mod editors;
mod git;
mod packages;
mod pidfile;
mod places;
mod taking;
