//! The mechanisms that make a lock exclusive, as requests.

pub(crate) mod flock;
