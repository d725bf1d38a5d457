//! `locktop wait`, `run` and `hold` as programs: their statuses, what they leave behind, what they
//! say, and what becomes of signals.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod holding;
mod running;
mod saying;
mod scene;
mod signals;
mod terminal;
mod waiting;
