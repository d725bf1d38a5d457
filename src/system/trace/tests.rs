//! What is said where nothing can be traced, on kernels that are made up.

#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::page::tests::{HEADER_EVENT, HEADER_PAGE};
use super::{Reason, Tracer};
use crate::model::Note;
use crate::system::System;

const FORMAT: &str = "name: x\nID: 77\nformat:\n\
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
\tfield:unsigned long i_ino;\toffset:16;\tsize:8;\tsigned:0;\n\
\tfield:dev_t s_dev;\toffset:24;\tsize:4;\tsigned:0;\n\
\tfield:fl_owner_t fl_owner;\toffset:40;\tsize:8;\tsigned:0;\n\
\tfield:unsigned int fl_flags;\toffset:52;\tsize:4;\tsigned:0;\n\
\tfield:unsigned char fl_type;\toffset:56;\tsize:1;\tsigned:0;\n\
\tfield:loff_t fl_start;\toffset:64;\tsize:8;\tsigned:1;\n\
\tfield:loff_t fl_end;\toffset:72;\tsize:8;\tsigned:1;\n\
\tfield:int ret;\toffset:80;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n";

/// A folder that looks like the kernel's up to the moment when a buffer is to be set up.
struct Kernel(TempDir);

impl Kernel {
    fn new() -> Self {
        let kernel = Self(tempfile::tempdir().unwrap());
        for folder in ["proc/self/ns", "tracefs/instances", "tracefs/events"] {
            fs::create_dir_all(kernel.path(folder)).unwrap();
        }
        symlink("pid:[4026531836]", kernel.path("proc/self/ns/pid")).unwrap();
        let tracefs = kernel.path("tracefs");
        let mount = format!("27 1 0:12 / {} rw - tracefs none rw\n", tracefs.display());
        kernel.has("proc/self/mountinfo", &mount);
        kernel.has("tracefs/events/header_page", HEADER_PAGE);
        kernel.has("tracefs/events/header_event", HEADER_EVENT);
        for point in ["flock_lock_inode", "posix_lock_inode", "break_lease_block"] {
            kernel.has(&format!("tracefs/events/filelock/{point}/format"), FORMAT);
        }
        kernel
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn has(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn lacks(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    #[track_caller]
    fn declines(&self) -> Note {
        let system = System::with_proc(self.path("proc"));
        Tracer::start(&system, None, None).map(drop).unwrap_err().note()
    }
}

/// Made by no kernel: there is nothing to set up in what was made as an instance, and it is removed.
#[test]
fn what_was_begun_is_removed() {
    let kernel = Kernel::new();
    let note = kernel.declines();
    assert_eq!(note.code, "trace_failed");
    assert!(note.text.contains("cannot set the size of its buffer: No such file"), "{note:?}");
    assert_eq!(fs::read_dir(kernel.path("tracefs/instances")).unwrap().count(), 0);
}

#[test]
fn containers_are_told_to_look_from_outside() {
    let kernel = Kernel::new();
    kernel.lacks("proc/self/ns/pid");
    symlink("pid:[4026532281]", kernel.path("proc/self/ns/pid")).unwrap();
    let note = kernel.declines();
    assert_eq!(
        (note.code, note.would_help.as_deref()),
        ("trace_namespace", Some("run it on the host"))
    );

    let kernel = Kernel::new();
    kernel.has("proc/self/timens_offsets", "monotonic 0 0\nboottime 0 0\n");
    assert_eq!(kernel.declines().code, "trace_failed");
    kernel.has("proc/self/timens_offsets", "monotonic 0 0\nboottime 86400 0\n");
    assert_eq!(kernel.declines().code, "trace_namespace");
}

#[test]
fn a_folder_that_is_not_mounted_is_said_to_be() {
    let kernel = Kernel::new();
    kernel.has("proc/self/mountinfo", "27 1 0:12 / / rw - ext4 none rw\n");
    assert_eq!(kernel.declines().code, "trace_not_mounted");
}

#[test]
fn what_a_kernel_lacks_is_named() {
    let kernel = Kernel::new();
    kernel.lacks("tracefs/instances");
    assert_eq!(kernel.declines().code, "trace_missing");

    let kernel = Kernel::new();
    kernel.lacks("tracefs/events/filelock/posix_lock_inode");
    assert!(kernel.declines().text.ends_with("has no tracepoint filelock:posix_lock_inode"));

    let kernel = Kernel::new();
    let other = FORMAT.replace("fl_owner;", "whose;");
    kernel.has("tracefs/events/filelock/flock_lock_inode/format", &other);
    assert!(kernel.declines().text.ends_with("filelock:flock_lock_inode has no field 'owner'"));

    let kernel = Kernel::new();
    kernel.has("tracefs/events/header_event", "");
    assert!(kernel.declines().text.contains("packs its trace"));

    // What tells of leases is done without.
    let kernel = Kernel::new();
    kernel.lacks("tracefs/events/filelock/break_lease_block");
    assert_eq!(kernel.declines().code, "trace_failed");
}

#[test]
fn what_killed_runs_left_is_removed_and_nothing_else() {
    let kernel = Kernel::new();
    kernel.has(
        "proc/12/stat",
        &format!("12 (x) S 1 12 12 0 -1 0 {}345 0 0 {}\n", "0 ".repeat(12), "0 ".repeat(20)),
    );
    for name in ["locktop-12-345", "locktop-12-344", "locktop-13-1", "others"] {
        fs::create_dir(kernel.path("tracefs/instances").join(name)).unwrap();
    }
    kernel.declines();
    let left = fs::read_dir(kernel.path("tracefs/instances")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["locktop-12-345", "others"]);
}

#[test]
fn every_reason_says_what_could_not_be_done() {
    let busy = Reason::Busy.note();
    assert!(busy.would_help.is_some_and(|help| help.contains("instances")));
    for reason in [Reason::NotPermitted, Reason::LockedDown, Reason::Busy, Reason::OtherPages] {
        assert!(reason.note().text.starts_with("locks cannot be traced: "));
    }
}
