//! What the kernel's trace adds: real locks, real tracepoints. Needs root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../support/mod.rs"]
mod support;

mod buffers;
mod desk;
mod instances;
mod polling;
mod program;
mod times;
