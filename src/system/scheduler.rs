//! When threads last ran, by the scheduler's clock.
//!
//! That clock is no clock that programs can read, and it differs between CPUs. So a thread of our
//! own goes to the CPU where the other one last ran, and reads its own time there.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::procfs::sched::{exec_start, run_time};
use super::{System, platform, read_record};
use crate::model::Pid;

/// What is taken off where the clocks of two CPUs had to be compared.
const CLOCK_SKEW: Duration = Duration::from_millis(250);

/// Our own time is read anew after so many threads, since it stands still while we run.
const BATCH: usize = 64;

/// What the scheduler says of a thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account {
    /// When it last ran, as time since boot.
    pub(super) ran_at: Duration,
    /// How long it has run in all.
    pub(super) ran: Option<Duration>,
}

/// The scheduler's account of each thread `(pid, tid, CPU that it ran on last)`, by its tid.
pub(super) fn accounts(system: &System, threads: &[(Pid, Pid, usize)]) -> HashMap<Pid, Account> {
    let mut by_cpu: BTreeMap<usize, Vec<(Pid, Pid)>> = BTreeMap::new();
    for &(pid, tid, cpu) in threads {
        by_cpu.entry(cpu).or_default().push((pid, tid));
    }
    if by_cpu.is_empty() {
        return HashMap::new();
    }
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().spawn_scoped(scope, || {
            let mut accounts = HashMap::new();
            for (&cpu, threads) in &by_cpu {
                for batch in threads.chunks(BATCH) {
                    read_batch(system, cpu, batch, &mut accounts);
                }
            }
            accounts
        });
        // Where no thread can be had, nothing is known; nor after a panic there, which would be a
        // defect.
        reader.ok().and_then(|reader| reader.join().ok()).unwrap_or_default()
    })
}

fn read_batch(
    system: &System,
    cpu: usize,
    threads: &[(Pid, Pid)],
    accounts: &mut HashMap<Pid, Account>,
) {
    let skew = if platform::pin_to(cpu) { Duration::ZERO } else { CLOCK_SKEW };
    let own = system.proc.join("thread-self/sched");
    let Some(now) = read_record(&own).ok().and_then(|text| exec_start(&text)) else { return };
    let read_at = Instant::now();
    for &(pid, tid) in threads {
        let Ok(text) = read_record(&system.thread_path(pid, tid, "sched")) else { continue };
        if let Some(last) = exec_start(&text) {
            let passed = (now + read_at.elapsed()).saturating_sub(last);
            let idle = passed.saturating_sub(skew);
            let ran_at = platform::uptime().saturating_sub(idle);
            accounts.insert(tid, Account { ran_at, ran: run_time(&text) });
        }
    }
}
