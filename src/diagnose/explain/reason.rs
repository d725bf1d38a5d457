//! What the judgement says of a lock, without what is said of every lock.

use crate::model::{self, Clause, Lock, harmless};

use super::People;

/// The reason, as far as it is told in words of its own. Harmless to print.
#[derive(Debug, Default)]
pub(super) struct Reason {
    /// The clauses that say more than who has the lock and how many wait.
    pub(super) more: String,
    /// What the only holder is up to: `has done nothing for more than 12m: it waits for a timer`.
    pub(super) activity: Option<String>,
}

impl Reason {
    pub(super) fn of(lock: &Lock) -> Self {
        let (mut more, mut activity) = (Vec::new(), None);
        for clause in lock.why.iter().flat_map(model::Reason::clauses) {
            match clause {
                Clause::Waiting(_) => {}
                Clause::Keeping { doing, .. } => {
                    activity = doing.as_deref().map(|doing| harmless(doing).into_owned());
                }
                Clause::More(text) => more.push(harmless(text)),
            }
        }
        Self { more: more.join("; "), activity }
    }
}

/// As a sentence; names of processes are written as they write themselves.
pub(super) fn sentence(reason: &str, people: &People<'_>) -> String {
    let named = || {
        let (_, number) = reason.split_once("(pid ")?;
        let pid = number.split(')').next()?.parse().ok()?;
        reason.starts_with(&people.name(pid)).then_some(())
    };
    let (first, rest) = reason.split_at(reason.chars().next().map_or(0, char::len_utf8));
    if named().is_some() || reason.starts_with("pid ") {
        format!("{reason}.")
    } else {
        format!("{}{rest}.", first.to_uppercase())
    }
}
