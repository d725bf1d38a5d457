//! Facts to judgement: who waits for whom, which verdict, and why. Pure functions.

mod explain;

pub use explain::{Advice, Explanation, QueueLine, explain};

use crate::model::{Facts, Snapshot};

/// Judges what was seen.
#[must_use]
pub fn diagnose(_facts: Facts) -> Snapshot {
    todo!()
}
