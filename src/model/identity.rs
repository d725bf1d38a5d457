//! What a lock is called, and whether it still has the same holders.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{FileId, Range};

/// The name of a lock for programs: family, file and range, such as `@flock:fe:00:10010699:~`.
///
/// Opaque but for the leading `@`. The same for every process that looks, for as long as the lock
/// is held; it says nothing of the mode or the holder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LockId(Arc<str>);

impl LockId {
    /// The id of a range of a file.
    #[must_use]
    pub fn of_file(family: &str, file: FileId, range: Range) -> Self {
        Self(format!("@{family}:{file}:{range}").into())
    }

    /// An id as somebody typed it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether it looks like an id of ours: whether it can ever have named a lock.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let mut parts = self.0.strip_prefix('@').unwrap_or_default().split(':');
        let family = parts.next().is_some_and(|family| !family.is_empty());
        let mut hex = || parts.next().is_some_and(|part| u32::from_str_radix(part, 16).is_ok());
        let device = hex() && hex();
        let inode = parts.next().is_some_and(|inode| inode.parse::<u64>().is_ok());
        let number = |text: &str| text.parse::<u64>().is_ok();
        let range = parts.next().is_some_and(|range| {
            range == "~"
                || range
                    .split_once('-')
                    .is_some_and(|(start, end)| number(start) && (end == "EOF" || number(end)))
        });
        family && device && inode && range && parts.next().is_none()
    }

    /// The kind of lock, and the bytes of which file.
    pub(super) fn parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix('@')?.split_once(':')
    }

    /// The word for what kind of lock it is.
    pub(crate) fn family(&self) -> &str {
        self.parts().map_or("", |(family, _)| family)
    }

    /// Whether it is of bytes of that file.
    pub(crate) fn is_in(&self, file: FileId) -> bool {
        let place = self.parts().and_then(|(_, place)| place.strip_prefix(&file.to_string()));
        place.is_some_and(|rest| rest.starts_with(':'))
    }

    /// Whether the two are of the same bytes of the same file, whatever kinds of lock they name.
    pub(crate) fn is_of_same(&self, other: &Self) -> bool {
        let place = |id: &Self| id.parts().map(|(_, place)| place.to_owned());
        place(self).is_some() && place(self) == place(other)
    }

    /// The text, with its `@`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A fingerprint of a lock's holders, eight hexadecimal digits; changes when they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsSeen(u32);

impl AsSeen {
    /// The fingerprint of these words (FNV-1a, 32 bits), in this order.
    #[must_use]
    pub fn of(words: impl IntoIterator<Item = u64>) -> Self {
        let mut hash: u32 = 0x811c_9dc5;
        for byte in words.into_iter().flat_map(u64::to_le_bytes) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Self(hash)
    }
}

impl fmt::Display for AsSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for AsSeen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Device;

    #[test]
    fn ids_are_told_from_other_words() {
        let file = FileId { device: Device { major: 0xfe, minor: 0 }, inode: 101 };
        for range in [Range::WHOLE, Range { start: 3, end: None }, Range { start: 3, end: Some(9) }]
        {
            assert!(LockId::of_file("flock", file, range).is_well_formed());
        }
        for text in [
            "@",
            "@flock",
            "@flock:fe:00:101",
            "@:fe:00:101:~",
            "@flock:xy:00:101:~",
            "@flock:fe:00:101:~:~",
        ] {
            assert!(!LockId::from_text(text).is_well_formed(), "{text}");
        }
    }
}
