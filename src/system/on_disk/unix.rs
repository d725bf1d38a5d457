//! By system calls, none of which follows a link at the end of the path.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat};
use rustix::fs::{openat, readlinkat, statat};
use rustix::io::Errno;

use crate::model::{Content, Excerpt, Form, OnDisk};
use crate::system::locking::file_id;

/// Follows no link, and mounts nothing.
#[cfg(target_os = "linux")]
const UNFOLLOWED: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);
#[cfg(not(target_os = "linux"))]
const UNFOLLOWED: AtFlags = AtFlags::SYMLINK_NOFOLLOW;

/// What lies at a path.
pub(super) enum Seen {
    Nothing,
    /// What is known already: nothing about it has changed.
    AsKnown,
    /// With the mount that it lies on.
    There(OnDisk, Option<u64>),
}

/// File systems count the time of a change in steps of up to so much: what was changed within one
/// can change once more without a trace.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// What lies at a path.
pub(super) fn examine(path: &Path, known: Option<&OnDisk>) -> io::Result<Seen> {
    if let Some(known) = known.filter(|known| settled(known)) {
        match stat_at(CWD, path)? {
            None => return Ok(Seen::Nothing),
            Some(stat) if is_unchanged(&stat, known) => return Ok(Seen::AsKnown),
            Some(_) => {}
        }
    }
    let there = examine_at(CWD, path)?;
    Ok(there.map_or(Seen::Nothing, |there| Seen::There(there, mount_of(path))))
}

fn settled(known: &OnDisk) -> bool {
    Timestamp::now().duration_since(known.changed) > STEP
}

fn is_unchanged(stat: &Stat, known: &OnDisk) -> bool {
    file_id(stat) == known.file
        && changed(stat) == known.changed
        && modified(stat) == known.modified
        && stat.st_size as u64 == known.size
}

fn stat_at(folder: impl AsFd, name: &Path) -> io::Result<Option<Stat>> {
    match statat(folder, name, UNFOLLOWED) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What has that name in an open folder; `None`: nothing has. Whether other machines can have made
/// it is not told.
pub(crate) fn examine_at(folder: impl AsFd, name: &Path) -> io::Result<Option<OnDisk>> {
    let folder = folder.as_fd();
    let Some(stat) = stat_at(folder, name)? else { return Ok(None) };
    let content = match FileType::from_raw_mode(stat.st_mode) {
        // Those who watch it would take an opening for somebody's try.
        FileType::RegularFile if stat.st_size == 0 => {
            Ok(Content::File(Excerpt { bytes: Vec::new(), cut: false }))
        }
        FileType::RegularFile => read_file(folder, name, &stat),
        FileType::Symlink => readlinkat(folder, name, Vec::new())
            .map(|link| Content::Link(link.into_bytes()))
            .map_err(io::Error::from),
        FileType::Directory => read_folder(folder, name, &stat),
        FileType::Fifo => Ok(unread("it is a pipe")),
        FileType::Socket => Ok(unread("it is a socket")),
        _ => Ok(unread("it is a device")),
    };
    let form = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => Form::Link,
        FileType::Directory => Form::Folder,
        _ => Form::File,
    };
    let content = match content {
        Ok(content) => content,
        // It was taken away just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Content::Unread { form, why: format!("it cannot be read: {error}") },
    };
    Ok(Some(OnDisk {
        file: file_id(&stat),
        content,
        birth: birth(folder, name),
        modified: modified(&stat),
        changed: changed(&stat),
        size: stat.st_size as u64,
        uid: stat.st_uid,
        shared_with_others: false,
    }))
}

fn unread(why: &str) -> Content {
    Content::Unread { form: Form::File, why: why.into() }
}

/// No more than its beginning, whatever its size.
fn read_file(folder: impl AsFd, name: &Path, stat: &Stat) -> io::Result<Content> {
    // Else a pipe that has come in its place would be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = openat(folder, name, flags | OFlags::NOCTTY, Mode::empty())?.into();
    if file_id(&fstat(&file)?) != file_id(stat) {
        return Ok(unread("it was replaced while it was looked at"));
    }
    let mut bytes = Vec::new();
    let most = Content::MOST_BYTES;
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    let cut = bytes.len() > most;
    bytes.truncate(most);
    Ok(Content::File(Excerpt { bytes, cut }))
}

fn read_folder(folder: impl AsFd, name: &Path, stat: &Stat) -> io::Result<Content> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = openat(folder, name, flags, Mode::empty())?;
    if file_id(&fstat(&open)?) != file_id(stat) {
        let why = "it was replaced while it was looked at".into();
        return Ok(Content::Unread { form: Form::Folder, why });
    }
    let mut names = Vec::new();
    let mut cut = false;
    for entry in Dir::new(open)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        if names.len() == Content::MOST_NAMES {
            cut = true;
            break;
        }
        names.push(OsString::from_vec(name.to_owned()));
    }
    names.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(Content::Folder { names, cut })
}

fn modified(stat: &Stat) -> Timestamp {
    time(stat.st_mtime, stat.st_mtime_nsec as _)
}

fn changed(stat: &Stat) -> Timestamp {
    time(stat.st_ctime, stat.st_ctime_nsec as _)
}

/// What no clock can have said is the beginning of all time.
fn time(seconds: i64, nanoseconds: i64) -> Timestamp {
    Timestamp::new(seconds, nanoseconds as i32).unwrap_or(Timestamp::MIN)
}

#[cfg(target_os = "linux")]
fn birth(folder: impl AsFd, name: &Path) -> Option<Timestamp> {
    use rustix::fs::{StatxFlags, statx};
    let found = statx(folder, name, UNFOLLOWED, StatxFlags::BTIME).ok()?;
    let told = found.stx_mask & StatxFlags::BTIME.bits() != 0;
    told.then(|| time(found.stx_btime.tv_sec, found.stx_btime.tv_nsec.into()))
}

#[cfg(not(target_os = "linux"))]
fn birth(_folder: impl AsFd, _name: &Path) -> Option<Timestamp> {
    None
}

#[cfg(target_os = "linux")]
fn mount_of(path: &Path) -> Option<u64> {
    crate::system::platform::stat_path(path).ok()?.mount
}

#[cfg(not(target_os = "linux"))]
fn mount_of(_path: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn look(path: &Path) -> Option<OnDisk> {
        examine_at(CWD, path).unwrap()
    }

    #[test]
    fn what_lies_there_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(look(&path("nothing")), None);
        fs::write(path("file"), "12\n").unwrap();
        let file = look(&path("file")).unwrap();
        let excerpt = Excerpt { bytes: b"12\n".to_vec(), cut: false };
        assert_eq!(file.content, Content::File(excerpt));
        assert_eq!(file.size, 3);
        symlink("/nowhere", path("link")).unwrap();
        assert_eq!(look(&path("link")).unwrap().content, Content::Link(b"/nowhere".to_vec()));
        let names = vec!["file".into(), "link".into()];
        let inside = look(folder.path()).unwrap().content;
        assert_eq!(inside, Content::Folder { names, cut: false });
        assert_eq!(look(&path("file/below")), None);
    }

    #[test]
    fn no_more_than_the_beginning_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        // Has no blocks on disk.
        File::create(&path).unwrap().set_len(10 << 30).unwrap();
        let Content::File(excerpt) = look(&path).unwrap().content else { panic!("a file") };
        assert!(excerpt.cut && excerpt.bytes.len() == Content::MOST_BYTES);
        for number in 0..=Content::MOST_NAMES {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let Content::Folder { names, cut } = look(folder.path()).unwrap().content else {
            panic!("a folder")
        };
        assert!(cut && names.len() == Content::MOST_NAMES);
    }

    #[test]
    fn pipes_and_sockets_are_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert_eq!(look(&path).unwrap().content, unread("it is a pipe"));
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(look(&path).unwrap().content, unread("it is a socket"));
    }
}
