//! What `locktop` says of real processes that hold real locks.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod ages;
mod chains;
mod control_groups;
mod deadlocks;
mod declared;
mod document;
mod file_systems;
mod files;
mod foreign;
mod holders;
mod looks;
mod namespaces;
mod orphans;
mod reasons;
mod stuck;
mod targets;
mod waiters;
