//! Why a lock is judged as it is: clauses that are joined only where they are printed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The reason of a judgement: clauses, in the order in which they are told; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Arc<[Clause]>);

/// One clause of a [`Reason`], without its full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clause {
    /// How many wait.
    Waiting(String),
    /// Who has the lock, and nothing else.
    Keeping {
        /// `rsync (pid 3244) keeps it through descriptor 9`.
        who: String,
        /// What the only one who has it is up to: `is at work`.
        doing: Option<String>,
    },
    /// What is not said of every lock.
    More(String),
}

impl Reason {
    /// The clauses.
    #[must_use]
    pub fn clauses(&self) -> &[Clause] {
        &self.0
    }

    /// The sentence that the clauses make.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.clauses() {
            [
                Clause::Waiting(text)
                | Clause::More(text)
                | Clause::Keeping { who: text, doing: None },
            ] => Cow::Borrowed(text),
            _ => Cow::Owned(self.to_string()),
        }
    }
}

impl From<Vec<Clause>> for Reason {
    fn from(clauses: Vec<Clause>) -> Self {
        Self(clauses.into())
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self([Clause::More(text.into())].into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, clause) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(text) | Self::More(text) | Self::Keeping { who: text, doing: None } => {
                f.write_str(text)
            }
            Self::Keeping { who, doing: Some(doing) } => write!(f, "{who} and {doing}"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_make_a_sentence() {
        let keeping = |doing: Option<&str>| Clause::Keeping {
            who: "a (pid 1) keeps it".into(),
            doing: doing.map(Into::into),
        };
        let reason = Reason::from(vec![
            Clause::Waiting("1 waits".into()),
            keeping(Some("waits for a; or for b")),
            Clause::More("it is remote".into()),
        ]);
        let text = "1 waits; a (pid 1) keeps it and waits for a; or for b; it is remote";
        assert_eq!(reason.text(), text);
        assert_eq!(serde_json::to_value(&reason).unwrap(), text);
        assert_eq!(Reason::from(vec![keeping(None)]).text(), "a (pid 1) keeps it");
        assert_eq!(Reason::from("x; y").text(), "x; y");
    }
}
