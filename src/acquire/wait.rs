//! The wait itself.
