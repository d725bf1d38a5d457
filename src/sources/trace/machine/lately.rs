//! What has happened since the last look, to be found by what it happened to: between two looks there
//! can be as much of it as there are locks.

use std::collections::HashMap;
use std::hash::Hash;

/// No more than so many events, each with what it happened to.
#[derive(Debug)]
pub(super) struct Lately<K, T> {
    most: usize,
    count: usize,
    events: HashMap<K, Vec<T>>,
}

impl<K: Eq + Hash, T> Lately<K, T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, count: 0, events: HashMap::new() }
    }

    /// Remembers an event, if there is room left.
    pub(super) fn note(&mut self, of: K, event: T) {
        if self.count < self.most {
            self.count += 1;
            self.events.entry(of).or_default().push(event);
        }
    }

    /// What happened to it.
    pub(super) fn of(&self, key: &K) -> &[T] {
        self.events.get(key).map_or(&[], Vec::as_slice)
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.events.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }
}
