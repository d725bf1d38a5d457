//! What is shown before anything is touched, and the question.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use locktop::model::Lock;
use locktop::release::{Method, Plan};

use super::choice::Choice;
use crate::cli::args::Global;
use crate::cli::page::{BOLD, FAINT, Page};
use crate::cli::wrap::wrap;

/// For what breaks exclusion.
const RED: &str = "1;31";

/// What somebody said.
pub(super) enum Answer {
    Yes,
    /// With the reason.
    No(&'static str),
}

/// Whether there is somebody who can be asked: who sees what is shown, and can type.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows what is to be done on standard error.
pub(super) fn show(choices: &[Choice<'_>], global: Global) {
    // Where it cannot be shown nobody is asked either.
    let _ = io::stderr().write_all(text(choices, global).as_bytes());
}

/// What is to be done about each lock, what it does and costs, and what else could be done.
pub(super) fn text(choices: &[Choice<'_>], global: Global) -> String {
    let page = Page::stdout(global);
    let mut text = String::new();
    for choice in choices {
        if let (Some(lock), Some(plan)) = (choice.lock, choice.plan()) {
            show_one(&mut text, lock, plan, choice, &page);
        }
    }
    text
}

fn show_one(text: &mut String, lock: &Lock, plan: &Plan, choice: &Choice<'_>, page: &Page) {
    let mut line = |first: &str, words: &str, code: &str| {
        let words = wrap(words, first, page.width);
        text.push_str(&page.paint(&words, code));
        text.push('\n');
    };
    let whom = plan.whom();
    let whom = if whom.is_empty() { "somebody who cannot be seen".into() } else { whom };
    let head = match plan.method {
        Method::Resume => format!("resume {whom}"),
        Method::Terminate => format!("end {whom} with SIGTERM"),
        Method::Escrow => format!("end {whom} and keep the lock meanwhile"),
        Method::Kill => format!("end {whom} with SIGKILL"),
        Method::Unlock => format!("unlock it under {whom}"),
        Method::Remove => format!("remove {whom}"),
        Method::EndWaiter => format!("end {whom}, which waits for it"),
    };
    line("", &format!("{} ({}, {}): {head}", lock.label(), lock.family, plan.method), BOLD);
    if let Some(why) = &lock.why {
        line("  ", &why.text(), "");
    }
    for step in &plan.steps {
        line("    ", step, "");
    }
    line("  ", &plan.frees, "");
    line("  At worst: ", &plan.harm, if plan.breaks_exclusion() { RED } else { "" });
    if let Some(obstacle) = &plan.obstacle {
        line("  Not possible: ", &with_help(&obstacle.text, obstacle.would_help.as_deref()), "");
    }
    for other in choice.others() {
        let words = match &other.obstacle {
            Some(by) => {
                format!("not possible: {}", with_help(&by.text, by.would_help.as_deref()))
            }
            None => other.harm.clone(),
        };
        line(&format!("  Or {}: ", other.method), &words, FAINT);
    }
}

fn with_help(text: &str, help: Option<&str>) -> String {
    help.map_or_else(|| text.into(), |help| format!("{text}; what would help: {help}"))
}

/// Asks whether it is to be done: once for all, naming everybody whom it touches.
pub(super) fn ask(plans: &[&Plan]) -> Answer {
    if !can_ask() {
        return Answer::No("there is no terminal to ask at; --yes does it without asking");
    }
    let mut question = String::new();
    if plans.len() > 1 {
        for plan in plans {
            let _ = writeln!(question, "  {}: {} {}", plan.name, plan.method, plan.whom());
        }
    }
    let word = plans.iter().filter(|plan| plan.wants_word()).map(|plan| plan.method).max();
    let _ = match (word, plans) {
        (Some(word), _) => write!(question, "To do that, type '{word}': "),
        (None, [_]) => write!(question, "Do that? [y/N] "),
        (None, _) => write!(question, "Do all of that? [y/N] "),
    };
    let mut stderr = io::stderr().lock();
    if stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush()).is_err() {
        return Answer::No("the terminal is gone");
    }
    let mut answer = String::new();
    // The end of the input, or of the terminal, is a no.
    if !matches!(io::stdin().lock().read_line(&mut answer), Ok(1..)) {
        let _ = stderr.write_all(b"\n");
        return Answer::No("there was no answer");
    }
    let answer = answer.trim();
    let agrees = match word {
        Some(word) => answer == word.word(),
        None => matches!(answer.to_lowercase().as_str(), "y" | "yes"),
    };
    if agrees { Answer::Yes } else { Answer::No("the answer was no") }
}

/// Waits until the lock is to be handed over.
pub(super) fn wait_for_enter() {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(b"locktop keeps the lock; Enter hands it over: ");
    let _ = stderr.flush();
    let mut line = String::new();
    if !matches!(io::stdin().lock().read_line(&mut line), Ok(1..)) {
        let _ = stderr.write_all(b"\n");
    }
}
