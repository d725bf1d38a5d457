//! `/proc/PID/mountinfo`, after `proc_pid_mountinfo(5)`.

use std::path::{Path, PathBuf};

use crate::model::{Device, FileId, Mechanism};
use crate::system::FileStat;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) id: u64,
    /// The superblock's device, as lock tables name it.
    pub(crate) device: Device,
    pub(crate) point: PathBuf,
    pub(crate) filesystem: String,
    /// A device, or what else is mounted: `nas:/export`.
    pub(crate) source: PathBuf,
    pub(crate) super_options: String,
}

/// Whom a lock keeps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nobody on another machine: it is kept by this machine's kernel alone.
    Machine,
    /// Those on other machines, too: a server keeps it.
    Server,
    /// That cannot be told.
    Unknown,
}

impl Mount {
    /// Reads the table; lines that make no sense are left out.
    pub(crate) fn parse_table(text: &[u8]) -> Vec<Self> {
        text.split(|byte| *byte == b'\n').filter_map(Self::parse).collect()
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ');
        let mut next = || words.next();
        let id = str::from_utf8(next()?).ok()?.parse().ok()?;
        let (_parent, device, _root) = (next()?, next()?, next()?);
        let (major, minor) = str::from_utf8(device).ok()?.split_once(':')?;
        let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
        let point = unescape(next()?);
        words.by_ref().find(|word| *word == b"-")?;
        let filesystem = String::from_utf8_lossy(words.next()?).into_owned();
        let source = unescape(words.next()?);
        let super_options = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
        Some(Self { id, device, point, filesystem, source, super_options })
    }

    /// Whether a look-up there can wait for another machine or for another process.
    pub(crate) fn may_hang(&self) -> bool {
        let name = self.filesystem.as_str();
        name.starts_with("fuse")
            || name.starts_with("nfs")
            || matches!(
                name,
                "cifs"
                    | "smb3"
                    | "9p"
                    | "virtiofs"
                    | "vboxsf"
                    | "ceph"
                    | "afs"
                    | "gfs2"
                    | "ocfs2"
                    | "lustre"
                    | "autofs"
                    | "glusterfs"
                    | "beegfs"
                    | "orangefs"
                    | "coda"
            )
    }

    /// How far locks of one kind reach there, where another machine can use the same files.
    pub(crate) fn locks_reach(&self, mechanism: Mechanism) -> Reach {
        let has = |wanted: &str| self.super_options.split(',').any(|option| option == wanted);
        let is_flock = mechanism == Mechanism::Flock;
        let is_local = match self.filesystem.as_str() {
            "nfs" | "nfs4" => {
                let own = if is_flock { "local_lock=flock" } else { "local_lock=posix" };
                has("nolock") || has("local_lock=all") || has(own)
            }
            "cifs" | "smb3" => has("nobrl"),
            "lustre" => has("localflock"),
            "gfs2" | "ocfs2" => is_flock && has("localflocks"),
            "ceph" | "afs" | "fuse.glusterfs" | "fuse.ceph" => false,
            // Its protocol knows no locks.
            "fuse.sshfs" => true,
            _ => return Reach::Unknown,
        };
        if is_local { Reach::Machine } else { Reach::Server }
    }

    /// Whether `stat` reports the inode number that lock tables have.
    pub(crate) fn has_plain_inodes(&self) -> bool {
        matches!(
            self.filesystem.as_str(),
            "ext2"
                | "ext3"
                | "ext4"
                | "xfs"
                | "btrfs"
                | "f2fs"
                | "tmpfs"
                | "devtmpfs"
                | "ramfs"
                | "proc"
                | "sysfs"
                | "devpts"
                | "cgroup"
                | "cgroup2"
                | "erofs"
                | "squashfs"
                | "hugetlbfs"
                | "mqueue"
        )
    }

    /// How lock tables number a file: by the device of its superblock.
    pub(crate) fn number_in_table(mounts: &[Self], stat: &FileStat) -> FileId {
        let mount = mounts.iter().find(|mount| Some(mount.id) == stat.mount);
        let device = mount.map_or(stat.file.device, |mount| mount.device);
        FileId { device, inode: stat.file.inode }
    }

    /// Whether `/proc` hides processes from those who are not allowed to see all.
    pub(crate) fn hide_processes(mounts: &[Self]) -> bool {
        let hides = |option: &str| {
            matches!(option, "hidepid=1" | "hidepid=2" | "hidepid=4")
                || matches!(option, "hidepid=noaccess" | "hidepid=invisible" | "hidepid=ptraceable")
        };
        mounts.iter().any(|mount| {
            mount.filesystem == "proc"
                && mount.point == Path::new("/proc")
                && mount.super_options.split(',').any(hides)
        })
    }

    /// The mount that a path lies on: the one with the longest matching point, the latest of those.
    pub(crate) fn of_path<'a>(mounts: &'a [Self], path: &Path) -> Option<&'a Self> {
        mounts
            .iter()
            .enumerate()
            .filter(|(_, mount)| path.starts_with(&mount.point))
            .max_by_key(|(index, mount)| (mount.point.components().count(), *index))
            .map(|(_, mount)| mount)
    }
}

/// Undoes the kernel's `\040` for blanks and the like.
fn unescape(word: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| byte == b'\\').and_then(|digits| {
            digits.iter().try_fold(0_u32, |number, digit| {
                matches!(digit, b'0'..=b'7').then(|| number * 8 + u32::from(digit - b'0'))
            })
        });
        if let Some(plain) = octal.and_then(|number| u8::try_from(number).ok()) {
            bytes.push(plain);
            rest = &tail[3..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    crate::system::path_from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
40 27 0:44 / /mnt/a\\040b rw,relatime shared:1 master:2 - fuse.sshfs host: rw,user_id=0\n\
nonsense\n\
41 27 0:45 / /mnt rw - tmpfs none rw\n";

    #[test]
    fn mounts_are_understood() {
        let mounts = Mount::parse_table(TABLE);
        assert_eq!(mounts.len(), 3);
        assert_eq!(mounts[1].point, Path::new("/mnt/a b"));
        assert_eq!(mounts[1].filesystem, "fuse.sshfs");
        assert_eq!(mounts[1].source, Path::new("host:"));
        assert!(mounts[1].may_hang() && !mounts[0].may_hang());
        assert_eq!(mounts[0].device, Device { major: 254, minor: 0 });
    }

    #[test]
    fn how_far_locks_reach_is_in_the_options() {
        let reach = |kind: &str, options: &str, mechanism| {
            let line = format!("27 1 0:9 / /mnt rw - {kind} nas:/srv rw,{options}\n");
            Mount::parse_table(line.as_bytes())[0].locks_reach(mechanism)
        };
        let both = |kind: &str, options: &str| {
            [Mechanism::Flock, Mechanism::Posix].map(|mechanism| reach(kind, options, mechanism))
        };
        assert_eq!(both("nfs4", "vers=4.2,local_lock=none"), [Reach::Server; 2]);
        assert_eq!(both("nfs", "nolock,local_lock=all"), [Reach::Machine; 2]);
        assert_eq!(both("nfs", "local_lock=flock"), [Reach::Machine, Reach::Server]);
        assert_eq!(both("nfs", "local_lock=posix"), [Reach::Server, Reach::Machine]);
        assert_eq!(both("cifs", "nobrl"), [Reach::Machine; 2]);
        assert_eq!(both("fuse.sshfs", "user_id=0"), [Reach::Machine; 2]);
        assert_eq!(both("fuse.thing", "user_id=0"), [Reach::Unknown; 2]);
    }

    #[test]
    fn the_longest_point_has_the_path() {
        let mounts = Mount::parse_table(TABLE);
        let point = |path: &str| Mount::of_path(&mounts, Path::new(path)).unwrap().id;
        assert_eq!(point("/mnt/a b/c"), 40);
        assert_eq!(point("/mnt/x"), 41);
        assert_eq!(point("/mntx"), 27);
    }
}
