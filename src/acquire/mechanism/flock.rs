//! flock(2).
