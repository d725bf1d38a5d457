//! What the filter line means.

use locktop::model::{Event, Lock, PathBytes, Pid, Process, harmless};
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The syntax, a line each, for the help.
pub(super) const SYNTAX: [(&str, &str); 7] = [
    ("word", "letters in this order: path, name, command, pid, user, kind, verdict"),
    ("path:WORD", "the path has it"),
    ("pid:N", "that process holds it or waits for it"),
    ("user:NAME", "a holder or waiter runs as that user, or was logged in as"),
    ("family:NAME", "locks of that kind, such as flock"),
    ("verdict:NAME", "locks so judged; its beginning will do"),
    ("!word  !pid:N", "not those; all words of a filter must fit"),
];

/// A parsed filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    wanted: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Anything(Atom),
    Path(Atom),
    /// `None`: not a number, so nobody's.
    Pid(Option<Pid>),
    User(String),
    Family(String),
    Verdict(String),
}

impl Filter {
    /// Reads a filter; words that are not finished yet change nothing.
    pub(super) fn parse(text: &str) -> Self {
        let terms = text.split_whitespace().filter_map(Term::parse).collect();
        Self { text: text.to_owned(), terms }
    }

    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it lets everything through.
    pub(super) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

impl Term {
    fn parse(word: &str) -> Option<Self> {
        let (wanted, word) = word.strip_prefix('!').map_or((true, word), |rest| (false, rest));
        let (field, value) = word.split_once(':').unwrap_or(("", word));
        let lower = || value.to_lowercase();
        let test = match field {
            "pid" => Test::Pid(value.parse().ok()),
            "user" => Test::User(lower()),
            "family" => Test::Family(lower()),
            "verdict" => Test::Verdict(lower()),
            "path" => Test::Path(atom(value, AtomKind::Substring)),
            // What is to be left out is named exactly, or too much would go.
            _ if !wanted => Test::Anything(atom(word, AtomKind::Substring)),
            _ => Test::Anything(atom(word, AtomKind::Fuzzy)),
        };
        (!value.is_empty()).then_some(Self { wanted, test })
    }
}

fn atom(word: &str, kind: AtomKind) -> Atom {
    Atom::new(word, CaseMatching::Smart, Normalization::Smart, kind, false)
}

/// Tries locks against filters.
#[derive(Debug)]
pub(super) struct Sieve {
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Default for Sieve {
    fn default() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT.match_paths()), buffer: Vec::new() }
    }
}

impl Sieve {
    /// Whether the filter lets the lock through.
    pub(super) fn passes(&mut self, filter: &Filter, lock: &Lock) -> bool {
        filter.terms.iter().all(|term| self.fits(&term.test, lock) == term.wanted)
    }

    /// Whether the filter lets the event through. Of users nothing is known then.
    pub(super) fn passes_event(&mut self, filter: &Filter, event: &Event) -> bool {
        filter.terms.iter().all(|term| self.fits_event(&term.test, event) == term.wanted)
    }

    fn fits_event(&mut self, test: &Test, event: &Event) -> bool {
        let label = || event.path.as_ref().map_or_else(|| event.id.to_string(), PathBytes::display);
        match test {
            Test::Anything(atom) => {
                let command = harmless(event.command.as_deref().unwrap_or_default());
                let pid = event.pid.map(|pid| pid.to_string()).unwrap_or_default();
                self.has(atom, event.kind.word())
                    || self.has(atom, &label())
                    || self.has(atom, &format!("{command} {pid}"))
            }
            Test::Path(atom) => self.has(atom, &label()),
            Test::Pid(pid) => pid.is_some() && *pid == event.pid,
            Test::User(_) => false,
            Test::Family(name) => {
                event.id.as_str().trim_start_matches('@').starts_with(name.as_str())
            }
            Test::Verdict(name) => {
                event.verdicts.is_some_and(|(_, now)| now.word().starts_with(name.as_str()))
            }
        }
    }

    fn fits(&mut self, test: &Test, lock: &Lock) -> bool {
        match test {
            Test::Anything(atom) => {
                [lock.verdict.word(), &lock.family, lock.name.as_deref().unwrap_or_default()]
                    .into_iter()
                    .any(|text| self.has(atom, text))
                    || self.has(atom, &lock.label())
                    || people(lock).any(|process| self.has(atom, &described(process)))
            }
            Test::Path(atom) => self.has(atom, &lock.label()),
            Test::Pid(pid) => pid.is_some_and(|pid| {
                lock.recorded_pid == Some(pid) || people(lock).any(|one| one.pid == Some(pid))
            }),
            Test::User(name) => people(lock)
                .flat_map(|one| [&one.user, &one.login_user])
                .flatten()
                .any(|user| user.to_lowercase().starts_with(name)),
            Test::Family(name) => {
                lock.family.starts_with(name.as_str()) || lock.mechanism.word().starts_with(name)
            }
            Test::Verdict(name) => lock.verdict.word().starts_with(name.as_str()),
        }
    }

    fn has(&mut self, atom: &Atom, text: &str) -> bool {
        atom.score(Utf32Str::new(text, &mut self.buffer), &mut self.matcher).is_some()
    }
}

fn people(lock: &Lock) -> impl Iterator<Item = &Process> {
    let holders = lock.holders.iter().map(|holder| &*holder.process);
    holders.chain(lock.waiters.iter().map(|waiter| &*waiter.process))
}

fn described(process: &Process) -> String {
    let command = harmless(process.command.as_deref().unwrap_or_default());
    let user = harmless(process.user.as_deref().unwrap_or_default());
    format!("{command} {} {user}", process.pid.map(|pid| pid.to_string()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples;

    fn shown(filter: &str) -> Vec<String> {
        let filter = Filter::parse(filter);
        let mut sieve = Sieve::default();
        let snapshot = samples::busy_machine();
        let passes = snapshot.locks.iter().filter(|lock| sieve.passes(&filter, lock));
        passes.map(|lock| lock.label().rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn words_match_fuzzily_and_all_must() {
        assert_eq!(shown("dpkglock"), ["lock-frontend"]);
        assert_eq!(shown("lock apt-get"), ["lock-frontend"]);
        assert_eq!(shown("lock nobodyhasthis"), [""; 0]);
    }

    #[test]
    fn fields_are_exact() {
        assert_eq!(shown("pid:991"), ["lock-frontend"]);
        assert_eq!(shown("pid:1377"), ["lock-frontend"]);
        assert_eq!(shown("pid:99"), [""; 0]);
        assert_eq!(shown("pid:x"), [""; 0]);
        assert_eq!(shown("user:alice"), ["stock.lock", "orders.lock", "lock-frontend"]);
        assert_eq!(shown("verdict:stu"), ["lock-frontend"]);
        assert_eq!(shown("family:posix path:dpkg"), ["lock-frontend"]);
        assert_eq!(shown("path:dpg"), [""; 0]);
    }

    #[test]
    fn an_exclamation_mark_leaves_out() {
        let all = shown("");
        let rest = shown("!verdict:deadlock");
        assert_eq!(rest.len(), all.len() - 2);
        assert_eq!(shown("!path:lock !path:日本"), ["default"]);
        assert!(shown("!orders").iter().all(|name| name != "orders.lock"));
    }

    #[test]
    fn what_is_not_finished_changes_nothing() {
        for text in ["", " ", "!", "pid:", "!user:", "verdict:"] {
            assert!(Filter::parse(text).is_empty(), "{text}");
        }
    }
}
