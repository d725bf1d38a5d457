//! The ids of locks that are more to people than what makes them exclusive.

use std::borrow::Cow;
use std::collections::HashMap;

use super::family::Family;
use crate::model::{LockFacts, LockId, Look, Mechanism};

/// The ids of the last look, by those that the kernel's source has given.
#[derive(Debug, Default)]
pub(super) struct Ids(HashMap<LockId, LockId>);

impl Ids {
    /// Lets a lock of the kernel's belong to a family that has such: its id names that from now on.
    pub(super) fn adopt(family: &dyn Family, lock: &mut LockFacts) -> Option<(LockId, LockId)> {
        let file = lock.file.filter(|_| family.mechanisms().contains(&lock.mechanism))?;
        let id = LockId::of_file(family.word(), file, lock.range);
        lock.family = Cow::Borrowed(family.word());
        let plain = std::mem::replace(&mut lock.id, id.clone());
        Some((plain, id))
    }

    /// Names what a look has kept of the last one as that did, and remembers what was `adopted` in it.
    pub(super) fn renew(&mut self, look: &mut Look, adopted: Vec<(LockId, LockId)>) {
        let is_kernels = |lock: &LockFacts| lock.mechanism != Mechanism::Exists;
        if look.kept.is_empty() && !look.locks.iter().any(is_kernels) {
            // Another source's.
            return;
        }
        let mut ids: HashMap<_, _> = adopted.into_iter().collect();
        for kept in &mut look.kept {
            if let Some((plain, id)) = self.0.remove_entry(&kept.id) {
                kept.id = id.clone();
                ids.insert(plain, id);
            }
        }
        self.0 = ids;
    }
}
