//! What somebody at the dashboard wants of a lock.

use locktop::acquire::{Acquire, Cancel};
use locktop::model::{Lock, LockId, Mechanism, PathBytes, Range, Target, harmless};

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To know when it is free.
    Wait,
    /// To have it, until it is given back.
    Take,
}

/// One lock that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) purpose: Purpose,
    target: Target,
    /// The path, or what else was named; harmless to print.
    place: String,
    /// Only these bytes.
    range: Option<Range>,
    /// The lock as the table has it, if it was chosen there.
    pub(super) lock: Option<LockId>,
    /// Even if that makes a circle.
    insists: bool,
}

impl Order {
    /// For a lock of the table, exclusively; or why that cannot be had.
    pub(super) fn of(lock: &Lock, purpose: Purpose) -> Result<Self, &'static str> {
        let family = match lock.mechanism {
            Mechanism::Flock => "flock",
            Mechanism::Posix => "posix",
            Mechanism::Ofd => "ofd",
            Mechanism::Exists if lock.family == "pidfile" => "pidfile",
            Mechanism::Exists => "lockfile",
            Mechanism::Lease => {
                return Err("a lease is no lock to wait for: whoever opens the file asks for it");
            }
            Mechanism::Server => return Err("locks of servers cannot be taken from here yet"),
        };
        let path = match &lock.path {
            None => return Err("its path is not known, and only by that could it be taken"),
            Some(_) if lock.deleted => {
                return Err("its file has no name any more: nobody can open it to queue up");
            }
            Some(path) => path,
        };
        let range = lock.range.filter(|range| *range != Range::WHOLE);
        let part = range.map(|range| format!(" [{range}]")).unwrap_or_default();
        let place = format!("{}{part}", path.display());
        let id = lock.id.clone();
        // A path in a container can name another file here. The id names this one or nothing.
        let mut people = lock.holders.iter().map(|holder| &holder.process);
        let (target, range) = if people.any(|holder| holder.container.is_some()) {
            (Target::Id(id.clone()), None)
        } else {
            (Target::Family { family, path: path.as_path().to_owned() }, range)
        };
        Ok(Self { purpose, target, place, range, lock: Some(id), insists: false })
    }

    /// For what somebody typed; or what is wrong with that.
    pub(super) fn parse(text: &str, purpose: Purpose) -> Result<Self, String> {
        let target = Target::parse(text.as_ref()).map_err(|error| error.to_string())?;
        if matches!(target, Target::Pid(_)) {
            return Err("a process is no lock: type a path, or FAMILY:PATH".into());
        }
        let (place, lock) = match &target {
            Target::Id(id) => (harmless(id.as_str()).into_owned(), Some(id.clone())),
            Target::Pid(pid) => (format!("pid:{pid}"), None),
            Target::Family { path, .. } | Target::Path(path) => {
                (PathBytes::new(path.clone()).display(), None)
            }
        };
        Ok(Self { purpose, target, place, range: None, lock, insists: false })
    }

    /// The same for another purpose.
    pub(super) fn to(&self, purpose: Purpose) -> Self {
        Self { purpose, ..self.clone() }
    }

    /// The same, even if that makes a circle.
    pub(super) fn insisting(&self) -> Self {
        Self { insists: true, ..self.clone() }
    }

    /// Whether both are for the same lock, as far as their words tell.
    pub(super) fn is_for(&self, other: &Self) -> bool {
        (&self.target, self.range) == (&other.target, other.range)
    }

    /// The words that name it, as somebody would type them; `None` where letters cannot.
    pub(super) fn words(&self) -> Option<String> {
        match &self.target {
            Target::Id(id) => Some(id.to_string()),
            Target::Pid(pid) => Some(format!("pid:{pid}")),
            Target::Family { family, path } => Some(format!("{family}:{}", path.to_str()?)),
            Target::Path(path) => Some(path.to_str()?.to_owned()),
        }
    }

    /// Which bytes, unless all.
    pub(super) fn range(&self) -> Option<Range> {
        self.range
    }

    /// The path with its range, or what else was named; harmless to print.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The same with the kind of lock, if it was named.
    pub(super) fn name(&self) -> String {
        match &self.target {
            Target::Family { family, .. } => format!("{family}:{}", self.place),
            _ => self.place.clone(),
        }
    }

    /// The request. Only taking a lock that was typed creates its file.
    pub(super) fn request(&self, cancel: &Cancel) -> Acquire {
        let mut request = self.target.acquire().cancel(cancel);
        if let Some(range) = self.range {
            request = request.range(range);
        }
        if self.lock.is_some() || self.purpose == Purpose::Wait {
            request = request.create_nothing();
        }
        if self.insists { request.insist() } else { request }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::tui::samples;

    fn sample() -> Lock {
        samples::lock(1, "/run/a.lock", &[samples::process(7, "a", "root")])
    }

    fn named(lock: &Lock) -> Result<String, &'static str> {
        Order::of(lock, Purpose::Wait).map(|order| order.name())
    }

    #[test]
    fn a_lock_is_asked_for_by_kind_path_and_range() {
        let mut lock = sample();
        assert_eq!(named(&lock), Ok("flock:/run/a.lock".into()));
        lock.mechanism = Mechanism::Posix;
        lock.range = Some(Range { start: 3, end: Some(9) });
        assert_eq!(named(&lock), Ok("posix:/run/a.lock [3-9]".into()));
        lock.path = Some(PathBytes::new("/run/\u{202e}a"));
        assert_eq!(named(&lock), Ok("posix:/run/\\u{202e}a [3-9]".into()));
    }

    #[test]
    fn in_a_container_the_id_is_surer_than_the_path() {
        let mut holder = samples::process(7, "a", "root");
        Arc::make_mut(&mut holder).container = Some("web".into());
        let lock = samples::lock(1, "/run/a.lock", &[holder]);
        let order = Order::of(&lock, Purpose::Take).unwrap();
        assert_eq!(order.words().as_deref(), Some(lock.id.as_str()));
        assert_eq!(order.name(), "/run/a.lock");
    }

    #[test]
    fn what_cannot_be_had_says_why() {
        let lease = Lock { mechanism: Mechanism::Lease, ..sample() };
        let server = Lock { mechanism: Mechanism::Server, ..sample() };
        let unnamed = Lock { path: None, ..sample() };
        let deleted = Lock { deleted: true, ..sample() };
        for (lock, why) in
            [(lease, "lease"), (server, "server"), (unnamed, "path"), (deleted, "name")]
        {
            let said = named(&lock).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_is_typed_names_a_lock() {
        let parse = |text| Order::parse(text, Purpose::Take);
        for text in ["flock:/run/a.lock", "/run/a.lock", "a.lock", "@flock:fe:00:1:~"] {
            assert_eq!(parse(text).map(|order| order.words()), Ok(Some(text.into())));
        }
        for text in ["", "pid:1", "flock:", "gopher://a/b", "redis://a/b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
