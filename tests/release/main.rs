//! Freeing locks that somebody else has: real processes, ended, halted and resumed, under real locks.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod escrow;
mod grounds;
mod killed;
mod left_aside;
mod log;
mod races;
mod refusals;
mod remove;
mod terminal;
mod theatre;
mod tracer;
