//! `locktop release`: shows a plan, asks, and carries it out.

mod choice;
mod dialog;
mod document;
mod keep;

use std::io::Write as _;

use locktop::release::{AuditLog, Escrow, GRACE, Outcome, Plan, Progress, handed_over, leftovers};
use locktop::{Error, Folders, Inspector, Snapshot};

use super::args::{Global, Release};
use super::failure::{Failure, Status};
use super::{json, page, pick, stderr};
use choice::{Choice, Wish};
use dialog::Answer;
use document::{Decision, Document, Told};
use keep::Keeper;

/// Looks, shows, asks, acts, and tells what came of it.
pub(crate) fn run(release: &Release, global: Global) -> Result<Status, Failure> {
    let targets = pick::parse(&release.targets)?;
    let wish = Wish::of(release, dialog::can_ask())?;
    // Before there is any thread that would hear a signal instead.
    let keeper = Keeper::begin(&release.command)?;
    let log = log(release)?;
    let mut inspector = Inspector::new()?;
    inspector.expect_at(&targets, Folders::Themselves);
    let mut snapshot = choice::look(&mut inspector, &targets)?;
    snapshot.notes.extend(leftovers(&targets));
    stderr::cost(&snapshot, global);
    let choices = choice::all(&mut inspector, &snapshot, &targets, &wish)?;
    let job = Job { release, global, log };

    let told = match job.agreed(&choices, &snapshot, &keeper)? {
        Agreed::Yes => job.carry_out(choices, keeper)?,
        Agreed::No(decision) => {
            choices.into_iter().map(|choice| Told::untouched(choice, decision)).collect()
        }
    };
    let status = told.iter().map(Told::status).find(|status| *status != Status::Done);
    if release.json {
        let mut out = page::out();
        json::print(&mut out, &Document::of(&snapshot, release.dry_run, &told))?;
        out.flush()?;
    }
    Ok(status.unwrap_or(Status::Done))
}

fn log(release: &Release) -> Result<AuditLog, Error> {
    let log = AuditLog::usual()?;
    Ok(if release.syslog { log.with_syslog() } else { log })
}

/// One call of the command.
struct Job<'a> {
    release: &'a Release,
    global: Global,
    log: AuditLog,
}

enum Agreed {
    Yes,
    No(Decision),
}

impl Job<'_> {
    /// Shows what is to be done, and asks where that is to be asked.
    fn agreed(
        &self,
        choices: &[Choice<'_>],
        snapshot: &Snapshot,
        keeper: &Keeper<'_>,
    ) -> Result<Agreed, Failure> {
        let free: Vec<_> = choices.iter().filter(|choice| choice.lock.is_none()).collect();
        if !self.release.json && !free.is_empty() {
            let nobody =
                if snapshot.complete { "nobody" } else { "nobody who can be seen from here" };
            for choice in free {
                print(&format!("{}: {nobody} has a lock there", choice.target))?;
            }
            stderr::notes(snapshot, self.global);
        }
        if self.release.dry_run {
            self.show_result(choices)?;
            return Ok(Agreed::No(Decision::Shown));
        }
        let is_possible = |plan: &&Plan| plan.is_possible();
        let plans: Vec<&Plan> =
            choices.iter().filter_map(Choice::plan).filter(is_possible).collect();
        if plans.is_empty() {
            // There is nothing to agree to: what stands in the way is told when it is tried.
            return Ok(Agreed::Yes);
        }
        if self.release.yes {
            return Ok(Agreed::Yes);
        }
        dialog::show(choices, self.global);
        Ok(match keeper.while_listening(|| dialog::ask(&plans))? {
            Answer::Yes => Agreed::Yes,
            Answer::No(reason) => self.declined(&plans, reason),
        })
    }

    fn declined(&self, plans: &[&Plan], reason: &str) -> Agreed {
        stderr::error(&format!("nothing was touched: {reason}"));
        for plan in plans {
            if let Err(error) = self.log.declined(plan, reason) {
                stderr::error(&error.to_string());
            }
        }
        Agreed::No(Decision::Declined)
    }

    fn carry_out(&self, choices: Vec<Choice<'_>>, keeper: Keeper) -> Result<Vec<Told>, Failure> {
        let mut kept = Vec::new();
        let mut told = Vec::new();
        for choice in choices {
            let Some(plan) = choice.plan().cloned() else {
                told.push(Told::untouched(choice, Decision::Free));
                continue;
            };
            let mut done = self.perform(plan);
            if let Ok(outcome) = &mut done {
                self.tell(&choice, outcome)?;
                kept.extend(outcome.escrow.take());
            }
            told.push(match done {
                Ok(outcome) => Told::done(choice, outcome),
                Err(error) => {
                    let text = error.to_string();
                    Told::failed(choice, text, Failure::from(error).tell())
                }
            });
        }
        self.hand_over(kept, &mut told, keeper)?;
        Ok(told)
    }

    fn perform(&self, plan: Plan) -> Result<Outcome, Error> {
        let grace = self.release.grace.unwrap_or(GRACE);
        plan.perform_with(grace, &self.log, &mut |progress: &Progress| {
            if self.global.verbose {
                stderr::remark(self.global, &progress.to_string());
            }
        })
    }

    fn tell(&self, choice: &Choice<'_>, outcome: &Outcome) -> Result<(), Failure> {
        if !self.release.json {
            print(&format!("{}: {}", choice.label(), outcome.text))?;
            if let Some(next) = &outcome.next {
                print(&format!("  next: {next}"))?;
            }
        }
        if let Some(error) = &outcome.unlogged {
            stderr::error(&format!("it was done, and could not be written down: {error}"));
        }
        Ok(())
    }

    /// Keeps what is kept for as long as it is wanted, and lets the next ones have it.
    fn hand_over(
        &self,
        kept: Vec<Escrow>,
        told: &mut [Told],
        keeper: Keeper,
    ) -> Result<(), Failure> {
        let is_asked = told.iter().any(|one| one.plan().is_some());
        let all_kept = is_asked && kept.len() == told.len();
        if kept.is_empty() && !keeper.has_command() {
            return Ok(());
        }
        let ended = keeper.keep(all_kept);
        for escrow in kept {
            let id = escrow.lock().clone();
            let text = match escrow.hand_over() {
                Ok(now) => handed_over(now.as_ref()),
                Err(error) => format!("handed over; {error}"),
            };
            let Some(one) = told.iter_mut().find(|one| one.is_of(&id)) else { continue };
            if !self.release.json {
                print(&format!("{}: {text}", one.label()))?;
            }
            one.handed_over(text);
        }
        if let Some(status) = ended?
            && let Some(first) = told.first_mut()
        {
            first.command_ended(status);
        }
        Ok(())
    }

    /// Shows everything on standard output.
    fn show_result(&self, choices: &[Choice<'_>]) -> Result<(), Failure> {
        if !self.release.json {
            let mut out = page::out();
            out.write_all(dialog::text(choices, self.global).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

fn print(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
