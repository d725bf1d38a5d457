//! Waiting for locks and taking them, by real processes that are in each other's way.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and says with which numbers it can be repeated"
)]

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod chance;
mod deadlocks;
mod exclusion;
mod kills;
mod others;
mod places;
mod player;
mod queues;
mod refusals;
mod replaced;
mod script;
mod terminals;
