//! What a ledger remembers, as text: a line for each lock and each wait, so that a few that are too
//! many can be left out.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::continuity::{Actor, Glimpse, GrantGlimpse};
use super::{LastLook, Ledger, Tenure};
use crate::model::{Device, FileId, LockId, Mechanism, Mode, Pid, ProcessId};

/// No more lines than this are kept, nor more bytes.
const MOST_LINES: usize = 10_000;
pub(super) const MOST_BYTES: usize = 2 << 20;

/// The last look, but for what it showed. Times are nanoseconds since boot.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    began: u64,
    absence_is_proof: bool,
    complete: bool,
    nameless_waits: Vec<Option<FileRow>>,
}

/// Something that lasts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Row {
    Held(String, TenureRow, GlimpseRow),
    Waits(Option<FileRow>, ProcessRow, Pid, TenureRow),
}

/// Major, minor, inode.
type FileRow = (u32, u32, u64);
/// Pid and start.
type ProcessRow = (Pid, u64);
/// Since, after, first seen; how often; whether interrupted.
type TenureRow = (u64, Option<u64>, u64, u32, bool);
/// Grants, whether exclusive, undivided, place, spot.
type GlimpseRow = (Vec<GrantRow>, bool, bool, usize, Option<(FileRow, String)>);
/// Whether exclusive; who is recorded; the taker, and whether it is gone; the sharers.
type GrantRow = (bool, Option<Pid>, Option<ActorRow>, bool, Option<Vec<ActorRow>>);
/// The process, and how many threads it has.
type ActorRow = (ProcessRow, Option<u32>);

impl Ledger {
    /// All that it remembers; `None` before its first look. Of too many those that were seen first
    /// are kept. How many were left out.
    pub(super) fn save(&self) -> Option<(String, usize)> {
        let last = self.last.as_ref()?;
        let held = self.held.iter().filter_map(|(id, tenure)| {
            let glimpse = glimpse_row(tenure.glimpse.as_ref()?);
            Some((tenure, Row::Held(id.as_str().into(), tenure_row(tenure), glimpse)))
        });
        let waiting = self.waiting.iter().map(|((file, process, tid), tenure)| {
            let file = file.map(file_row);
            (tenure, Row::Waits(file, process_row(*process), *tid, tenure_row(tenure)))
        });
        let mut rows: Vec<(&Tenure, Row)> = held.chain(waiting).collect();
        rows.sort_by_key(|(tenure, _)| tenure.first_seen);

        let (mut text, mut lines) = (String::new(), 0);
        for (_, row) in rows.iter().take(MOST_LINES) {
            let line = line(row)?;
            if text.len() + line.len() > MOST_BYTES {
                break;
            }
            text.push_str(&line);
            lines += 1;
        }
        let left_out = rows.len() - lines;
        let beginning = line(&Head {
            began: nanoseconds(last.began),
            absence_is_proof: last.absence_is_proof && left_out == 0,
            complete: last.complete,
            nameless_waits: last.nameless_waits.iter().map(|file| file.map(file_row)).collect(),
        })?;
        Some((beginning + &text, left_out))
    }

    /// Goes on from what another ledger has saved. `numbers_are_reused`: by now another process can
    /// have had the number of one that was gone.
    ///
    /// # Errors
    /// What is no such text is left alone.
    pub(super) fn restore(
        &mut self,
        text: &str,
        numbers_are_reused: bool,
    ) -> Result<(), Unreadable> {
        let mut lines = text.lines();
        let head: Head = serde_json::from_str(lines.next().ok_or(Unreadable)?)?;
        let nameless = head.nameless_waits.into_iter().map(|file| file.map(file_of));
        let last = LastLook {
            began: Duration::from_nanos(head.began),
            absence_is_proof: head.absence_is_proof,
            complete: head.complete,
            nameless_waits: nameless.collect::<HashSet<_>>(),
        };
        let mut restored = Self::new(self.host.clone());
        for line in lines {
            match serde_json::from_str(line)? {
                Row::Held(id, tenure, glimpse) => {
                    let mut tenure = tenure_of(tenure);
                    tenure.glimpse = Some(glimpse_of(glimpse, numbers_are_reused)?);
                    restored.held.insert(LockId::from_text(&id), tenure);
                }
                Row::Waits(file, process, tid, tenure) => {
                    let key = (file.map(file_of), process_of(process), tid);
                    restored.waiting.insert(key, tenure_of(tenure));
                }
            }
        }
        restored.last = Some(last);
        *self = restored;
        Ok(())
    }
}

/// It is not what a ledger has saved.
#[derive(Debug)]
pub(super) struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

/// `None` cannot happen: numbers, words and lists of them can all be written as JSON.
fn line(value: &impl Serialize) -> Option<String> {
    let mut line = serde_json::to_string(value).ok()?;
    line.push('\n');
    Some(line)
}

/// Clocks that count from boot get nowhere near the end of this, which is 584 years.
fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos() as u64
}

fn tenure_row(tenure: &Tenure) -> TenureRow {
    let after = tenure.after.map(nanoseconds);
    let (since, first_seen) = (nanoseconds(tenure.since), nanoseconds(tenure.first_seen));
    (since, after, first_seen, tenure.seen, tenure.interrupted)
}

fn tenure_of((since, after, first_seen, seen, interrupted): TenureRow) -> Tenure {
    Tenure {
        since: Duration::from_nanos(since),
        after: after.map(Duration::from_nanos),
        first_seen: Duration::from_nanos(first_seen),
        seen,
        interrupted,
        glimpse: None,
    }
}

fn glimpse_row(glimpse: &Glimpse) -> GlimpseRow {
    let grants = glimpse.grants.iter().map(|grant| {
        let sharers = grant.sharers.as_ref().map(|all| all.iter().map(actor_row).collect());
        let taker = grant.taker.as_ref().map(actor_row);
        (grant.mode == Mode::Exclusive, grant.recorded, taker, grant.taker_is_gone, sharers)
    });
    let spot = glimpse.spot.map(|(file, mechanism)| (file_row(file), mechanism.word().into()));
    let exclusive = glimpse.mode == Mode::Exclusive;
    (grants.collect(), exclusive, glimpse.undivided, glimpse.place, spot)
}

fn glimpse_of(row: GlimpseRow, numbers_are_reused: bool) -> Result<Glimpse, Unreadable> {
    let (grants, exclusive, undivided, place, spot) = row;
    let grants = grants.into_iter().map(|(exclusive, recorded, taker, gone, sharers)| {
        let sharers = sharers.map(|all| all.into_iter().map(actor_of).collect());
        GrantGlimpse {
            mode: mode_of(exclusive),
            recorded,
            taker: taker.map(actor_of),
            taker_is_gone: gone && !numbers_are_reused,
            sharers,
        }
    });
    let spot = spot.map(|(file, word)| {
        let mechanism = Mechanism::ALL.into_iter().find(|known| known.word() == word);
        mechanism.map(|mechanism| (file_of(file), mechanism)).ok_or(Unreadable)
    });
    Ok(Glimpse {
        grants: grants.collect(),
        mode: mode_of(exclusive),
        undivided,
        place,
        spot: spot.transpose()?,
    })
}

/// How long it had not run is of no use to later looks.
fn actor_row(actor: &Actor) -> ActorRow {
    (process_row(actor.id), actor.threads)
}

fn actor_of((process, threads): ActorRow) -> Actor {
    Actor { id: process_of(process), idle: None, threads }
}

fn mode_of(exclusive: bool) -> Mode {
    if exclusive { Mode::Exclusive } else { Mode::Shared }
}

fn process_row(process: ProcessId) -> ProcessRow {
    (process.pid, process.start)
}

fn process_of((pid, start): ProcessRow) -> ProcessId {
    ProcessId { pid, start }
}

fn file_row(file: FileId) -> FileRow {
    (file.device.major, file.device.minor, file.inode)
}

fn file_of((major, minor, inode): FileRow) -> FileId {
    FileId { device: Device { major, minor }, inode }
}
