//! A machine so busy that a thread gets on by one instruction at a time.

use std::fs;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process;

/// Slows down a program's thread of that name, from now until it ends.
pub(crate) fn of(program: process::Pid, name: &str) -> JoinHandle<()> {
    let slowed = thread_of(program, name);
    let (begun, begins) = channel();
    // The thread that has hold of another is the only one that may move it.
    let slowness = thread::spawn(move || {
        ptrace::seize(slowed, Options::empty()).unwrap();
        ptrace::interrupt(slowed).unwrap();
        begun.send(()).unwrap();
        step_by_step(slowed);
    });
    begins.recv().unwrap();
    slowness
}

fn thread_of(program: process::Pid, name: &str) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{program}/task")).unwrap();
    let mut tasks = tasks.map(|task| task.unwrap().path());
    let is_so_called = |comm: String| comm.trim_end() == name;
    let task = tasks.find(|task| fs::read_to_string(task.join("comm")).is_ok_and(is_so_called));
    let number = task.unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap();
    Pid::from_raw(number)
}

fn step_by_step(thread: Pid) {
    loop {
        let signal = match waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap() {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return,
            WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => Some(signal),
            _ => None,
        };
        // It may have been killed meanwhile.
        let _ = ptrace::step(thread, signal);
    }
}
