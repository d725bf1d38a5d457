//! Waiting for locks and taking them, by real processes that are in each other's way.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod chance;
mod exclusion;
mod player;
