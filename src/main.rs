//! `locktop`: who really holds a lock, and what to do about it.

fn main() {}
