//! What scenario tests are made of: a [`Scene`] with [`Actor`]s that hold real locks, the kernel's
//! own view of them, and what `locktop` makes of it.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "no test program uses everything, and a test that cannot go on fails"
)]

mod actor;
mod kernel;
mod need;
mod playground;
mod report;
mod scene;
mod screen;

pub use actor::Actor;
pub use kernel::{
    Record, blocked_threads, handle_of, has_gone, is_stopped, records, state, wait_until,
};
pub use need::{Need, all_met, tracefs};
pub use playground::{Playground, send, somebody_is_in_charge};
pub use report::{Report, pids};
pub use scene::{Scene, Shell, Viewer};
pub use screen::Screen;
