//! The kernel's tracepoints of locks, through tracefs: each request, grant and release at the instant
//! that it happens.
//!
//! Needs root, Linux, and its first pid namespace. Our buffer is a tracefs instance of its own:
//! nobody else's tracing is touched, and nothing of it stays.

#[cfg(target_os = "linux")]
mod format;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod reader;
mod record;
#[cfg(test)]
mod tests;
#[cfg(target_os = "linux")]
mod tracefs;
#[cfg(not(target_os = "linux"))]
mod without;
#[cfg(not(target_os = "linux"))]
use without as reader;

use std::io;
use std::time::Duration;

use crate::model::Note;
pub(crate) use reader::{Silencer, Stop, Tracer, Waiter};
pub(crate) use record::{Answer, Asked, Record, What};

/// What has happened since the last reading.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In the order of time.
    pub(crate) records: Vec<Record>,
    /// What could not be read.
    pub(crate) losses: Vec<Loss>,
    /// All that happened until then, as time since boot, has been told.
    pub(crate) until: Duration,
}

/// Events that were overwritten before they could be read, or could not be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    /// After this moment, as time since boot,
    pub(crate) after: Duration,
    /// and before this one.
    pub(crate) before: Duration,
    /// How many, at least.
    pub(crate) count: u64,
}

/// Why there is no tracing.
#[derive(Debug)]
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "it is supported"))]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "it is not"))]
pub(crate) enum Reason {
    /// This is no Linux.
    Unsupported,
    /// We are in a container: the trace has other numbers for processes.
    PidNamespace,
    /// Or for time.
    TimeNamespace,
    NotPermitted,
    /// The kernel is locked down.
    LockedDown,
    NotMounted,
    /// The kernel has been built without.
    NoTracing,
    /// It lacks this tracepoint,
    NoPoint(&'static str),
    /// this field of it,
    NoField(&'static str, &'static str),
    /// or packs its buffer otherwise.
    OtherPages,
    /// No more buffers can be had.
    Busy,
    Failed(&'static str, io::Error),
}

impl Reason {
    /// In the words of an operator.
    pub(crate) fn note(self) -> Note {
        let (code, text, would_help) = match self {
            Self::Unsupported => ("trace_unsupported", "only Linux can trace locks".into(), None),
            Self::PidNamespace => (
                "trace_namespace",
                "locks cannot be traced from inside a container: the kernel's trace has other \
                 process numbers"
                    .into(),
                Some("run it on the host"),
            ),
            Self::TimeNamespace => (
                "trace_namespace",
                "locks cannot be traced from inside a time namespace: the kernel's trace has another \
                 clock"
                    .into(),
                Some("run it on the host"),
            ),
            Self::NotPermitted => (
                "trace_not_permitted",
                "locks cannot be traced: not permitted to use tracefs".into(),
                Some("run as root"),
            ),
            Self::LockedDown => (
                "trace_locked_down",
                "locks cannot be traced: this kernel is locked down (confidentiality), and lets \
                 nobody trace"
                    .into(),
                Some("boot without lockdown=confidentiality"),
            ),
            Self::NotMounted => (
                "trace_not_mounted",
                "locks cannot be traced: tracefs is not mounted, and cannot be mounted from here"
                    .into(),
                Some("mount -t tracefs tracefs /sys/kernel/tracing"),
            ),
            Self::NoTracing => (
                "trace_missing",
                "locks cannot be traced: this kernel has no tracefs instances".into(),
                Some("a kernel with CONFIG_FTRACE and CONFIG_EVENT_TRACING"),
            ),
            Self::NoPoint(point) => (
                "trace_missing",
                format!("locks cannot be traced: this kernel has no tracepoint filelock:{point}"),
                Some("a newer kernel"),
            ),
            Self::NoField(point, field) => (
                "trace_missing",
                format!(
                    "locks cannot be traced: in this kernel filelock:{point} has no field '{field}'"
                ),
                None,
            ),
            Self::OtherPages => (
                "trace_missing",
                "locks cannot be traced: this kernel packs its trace in a way that is not known here"
                    .into(),
                None,
            ),
            Self::Busy => (
                "trace_busy",
                "locks cannot be traced: the kernel has no room for another trace buffer".into(),
                Some("remove folders below /sys/kernel/tracing/instances, or free some memory"),
            ),
            Self::Failed(doing, error) => {
                ("trace_failed", format!("locks cannot be traced: cannot {doing}: {error}"), None)
            }
        };
        Note { code, text, would_help: would_help.map(Into::into) }
    }
}
