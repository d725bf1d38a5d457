//! A debugger that kills a program at one of its steps: the real program, with nothing built in.
//!
//! A step is a system call that changes the world outside the program, or that waits. Between two of
//! them nothing changes, so killed before each of them it is killed at every point that differs.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What a program was about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The system call.
    pub(crate) call: &'static str,
    /// The file that its first argument is a descriptor of.
    pub(crate) file: PathBuf,
    /// Its second argument.
    pub(crate) argument: u64,
}

impl Step {
    /// Whether it is this call.
    pub(crate) fn is(&self, call: &str) -> bool {
        self.call == call
    }

    /// Whether it is this call on a file of that name.
    pub(crate) fn is_on(&self, call: &str, name: &str) -> bool {
        self.is(call) && self.file.file_name().is_some_and(|found| found == name)
    }
}

/// What became of the program.
#[derive(Debug)]
pub(crate) struct Run {
    /// The steps that it made.
    pub(crate) made: Vec<Step>,
    /// The step before which it was killed; `None`: it ended before.
    pub(crate) killed_before: Option<Step>,
    /// Its exit status, where it ended.
    pub(crate) status: Option<i32>,
}

/// Runs a command that becomes `program`, and kills that as soon as `is_due` says so of the steps
/// that it has made and the one that it is about to make.
#[track_caller]
pub(crate) fn run(
    command: &[String],
    program: &Path,
    is_due: impl Fn(&[Step], &Step) -> bool + Send,
) -> Run {
    // In a thread of its own, which has no other children to wait for.
    std::thread::scope(|scope| {
        scope.spawn(|| trace(command, program, is_due)).join().expect("the tracer goes on")
    })
}

fn trace(command: &[String], program: &Path, is_due: impl Fn(&[Step], &Step) -> bool) -> Run {
    // It begins when we have hold of it, and its threads are waited for one by one.
    #[expect(clippy::zombie_processes, reason = "the loop waits for it")]
    let mut child = Command::new("sh")
        .args(["-c", "read -r _; exec \"$@\" </dev/null", "sh"])
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let leader = Pid::from_raw(child.id().cast_signed());
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).expect("a child can be traced");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();

    let mut run = Run { made: Vec::new(), killed_before: None, status: None };
    let mut under_way: HashMap<Pid, Step> = HashMap::new();
    let mut has_begun = false;
    loop {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        let (thread, signal) = match waitpid(None, Some(flags)).expect("it is ours") {
            WaitStatus::Exited(pid, status) if pid == leader => {
                run.status = Some(status);
                break;
            }
            WaitStatus::Signaled(pid, ..) if pid == leader => break,
            WaitStatus::PtraceSyscall(thread) => {
                if has_begun && is_entry(thread) {
                    if let Some(step) = step(thread) {
                        if run.killed_before.is_none() && is_due(&run.made, &step) {
                            run.killed_before = Some(step);
                            kill(leader, Signal::SIGKILL).unwrap();
                            continue;
                        }
                        under_way.insert(thread, step);
                    }
                } else {
                    run.made.extend(under_way.remove(&thread));
                }
                (thread, None)
            }
            // A process of its own that reads for it changes nothing.
            WaitStatus::Stopped(other, _) | WaitStatus::PtraceEvent(other, ..)
                if !is_thread(other, leader) =>
            {
                // It may have ended meanwhile.
                let _ = ptrace::detach(other, None);
                continue;
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                if event == libc::PTRACE_EVENT_EXEC {
                    has_begun = fs::read_link(format!("/proc/{thread}/exe")).unwrap() == program;
                }
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // It may have been killed meanwhile.
        let _ = ptrace::syscall(thread, signal);
    }
    run
}

fn is_thread(thread: Pid, leader: Pid) -> bool {
    Path::new(&format!("/proc/{leader}/task/{thread}")).exists()
}

fn is_entry(thread: Pid) -> bool {
    ptrace::syscall_info(thread).is_ok_and(|info| info.op == libc::PTRACE_SYSCALL_INFO_ENTRY)
}

/// The step that a thread is about to make, if it is one.
fn step(thread: Pid) -> Option<Step> {
    let (number, arguments) = call(thread)?;
    let changes_locks = matches!(
        arguments[1] as i32,
        libc::F_SETLK | libc::F_SETLKW | libc::F_OFD_SETLK | libc::F_OFD_SETLKW | libc::F_SETLEASE
    );
    let creates = arguments[2] as i32 & libc::O_CREAT != 0;
    let call = match number {
        libc::SYS_openat if creates => "openat",
        libc::SYS_fcntl if changes_locks => "fcntl",
        libc::SYS_flock => "flock",
        libc::SYS_mkdirat => "mkdir",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_mkdir => "mkdir",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename => "rename",
        libc::SYS_renameat | libc::SYS_renameat2 => "rename",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink | libc::SYS_rmdir => "unlink",
        libc::SYS_unlinkat => "unlink",
        libc::SYS_ftruncate => "ftruncate",
        libc::SYS_write => "write",
        libc::SYS_fsync | libc::SYS_fdatasync => "sync",
        libc::SYS_memfd_create => "memfd_create",
        libc::SYS_pidfd_open => "pidfd_open",
        libc::SYS_pidfd_getfd => "pidfd_getfd",
        libc::SYS_pidfd_send_signal => "pidfd_send_signal",
        // Else it only asks for the right to.
        libc::SYS_kill if arguments[1] != 0 => "kill",
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => "poll",
        libc::SYS_ppoll => "poll",
        libc::SYS_exit_group => "exit_group",
        _ => return None,
    };
    let descriptor = match call {
        "poll" => ptrace::read(thread, arguments[0] as ptrace::AddressType).ok()? as i32,
        _ => arguments[0] as i32,
    };
    let file = fs::read_link(format!("/proc/{thread}/fd/{descriptor}")).unwrap_or_default();
    // What else it waits for, those answer who read for it.
    let is_step = call != "poll" || file == Path::new("anon_inode:[pidfd]");
    is_step.then_some(Step { call, file, argument: arguments[1] })
}

/// The number of the system call, and its first arguments.
#[cfg(target_arch = "x86_64")]
fn call(thread: Pid) -> Option<(libc::c_long, [u64; 3])> {
    let registers = ptrace::getregs(thread).ok()?;
    let arguments = [registers.rdi, registers.rsi, registers.rdx];
    Some((registers.orig_rax.cast_signed(), arguments))
}

/// The number of the system call, and its first arguments.
#[cfg(target_arch = "aarch64")]
fn call(thread: Pid) -> Option<(libc::c_long, [u64; 3])> {
    let registers = ptrace::getregs(thread).ok()?;
    let [first, second, third, ..] = registers.regs;
    Some((registers.regs[8].cast_signed(), [first, second, third]))
}
