//! `ipfs:` beside the very lock package that Kubo uses: seen, waited for, taken and respected, in both
//! directions.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod hostile;
mod seeing;
mod taking;
mod together;
mod waiting;
