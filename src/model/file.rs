//! Files as the kernel's lock tables name them: device, inode, byte range.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A device number. Printed as the kernel does in `/proc/locks`: two hexadecimal numbers, `fe:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}", self.major, self.minor)
    }
}

impl FromStr for Device {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once(':').ok_or(())?;
        let hex = |part: &str| u32::from_str_radix(part, 16).map_err(|_| ());
        Ok(Self { major: hex(major)?, minor: hex(minor)? })
    }
}

/// A file, as far as a number can name it: the device and the inode.
///
/// In lock tables `device` is the superblock's. On btrfs, where two subvolumes can have files with
/// the same superblock and inode, [`LockFacts::file`](super::LockFacts::file) has the device that
/// `stat` reports, which tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// The device.
    pub device: Device,
    /// The inode number.
    pub inode: u64,
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// A range of bytes, `start` to `end`, both included; `end: None` is the end of the file, however
/// far it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// Last byte, or `None` for the end of the file.
    pub end: Option<u64>,
}

impl Range {
    /// The whole file, as flock(2) always locks.
    pub const WHOLE: Self = Self { start: 0, end: None };

    /// Whether the two share a byte.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end.unwrap_or(u64::MAX) && other.start <= self.end.unwrap_or(u64::MAX)
    }
}

/// `~` for the whole file, else `START-END` or `START-EOF`.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start, self.end) {
            (0, None) => f.write_str("~"),
            (start, None) => write!(f, "{start}-EOF"),
            (start, Some(end)) => write!(f, "{start}-{end}"),
        }
    }
}

/// A path as the system has it: bytes, not necessarily UTF-8. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathBytes(Arc<Path>);

impl PathBytes {
    /// This path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into().into())
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The path in base64, if it is not valid UTF-8 and [`PathBytes::serialize`] had to alter it.
    #[must_use]
    pub fn base64(&self) -> Option<String> {
        use base64::Engine as _;
        match self.0.to_str() {
            Some(_) => None,
            None => Some(
                base64::engine::general_purpose::STANDARD
                    .encode(self.0.as_os_str().as_encoded_bytes()),
            ),
        }
    }

    /// The path for a person's eyes, with everything harmful escaped.
    #[must_use]
    pub fn display(&self) -> String {
        super::harmless_bytes(self.0.as_os_str().as_encoded_bytes()).into_owned()
    }
}

impl From<Arc<Path>> for PathBytes {
    fn from(path: Arc<Path>) -> Self {
        Self(path)
    }
}

/// Valid UTF-8; what is not is replaced by U+FFFD (then [`PathBytes::base64`] has the bytes).
impl Serialize for PathBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_as_they_print() {
        let device: Device = "fe:00".parse().unwrap();
        assert_eq!(device, Device { major: 0xfe, minor: 0 });
        assert_eq!(device.to_string(), "fe:00");
        assert!("fe".parse::<Device>().is_err());
        assert!("xy:00".parse::<Device>().is_err());
    }

    #[test]
    fn ranges_overlap_when_they_share_a_byte() {
        let part = |start, end| Range { start, end };
        assert!(part(0, Some(9)).overlaps(&part(9, None)));
        assert!(!part(0, Some(9)).overlaps(&part(10, None)));
        assert!(Range::WHOLE.overlaps(&part(u64::MAX, Some(u64::MAX))));
        assert_eq!(part(10, None).to_string(), "10-EOF");
    }
}
