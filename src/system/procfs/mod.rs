//! The formats of `/proc`. Parsers only: bytes in, values out.

pub(crate) mod cgroup;
#[cfg(test)]
mod corpus;
pub(crate) mod fdinfo;
pub(crate) mod locks;
pub(crate) mod mounts;
pub(crate) mod sched;
pub(crate) mod schedstat;
pub(crate) mod stat;
pub(crate) mod status;
pub(crate) mod syscall;
