//! `locktop check`: what it finds with real processes, what it remembers, and what a monitoring
//! system reads.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod desk;
mod findings;
mod memory;
mod nagios;
mod refusals;
