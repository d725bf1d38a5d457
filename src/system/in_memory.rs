//! Empty files in memory, whose names say something of the process that has them open. Everybody who
//! may see its descriptors can read them there, and the kernel takes them away with the process.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::model::Device;

/// A name may have so many bytes.
pub(super) const LONGEST: usize = 249;

/// Makes one, which is closed when this process becomes another program.
pub(super) fn create(name: &OsStr) -> io::Result<File> {
    platform::create(name)
}

/// The name of such a file, by what the link of a descriptor says.
pub(super) fn name_of(link: &Path) -> Option<&OsStr> {
    platform::name_of(link)
}

/// The device that all of them are on.
pub(crate) fn device() -> io::Result<Device> {
    let file = create(OsStr::new("locktop"))?;
    Ok(super::locking::number(&file)?.device)
}

#[cfg(target_os = "linux")]
mod platform {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;

    use rustix::fs::{MemfdFlags, memfd_create};
    use rustix::io::Errno;

    pub(super) fn create(name: &OsStr) -> io::Result<File> {
        let flags = MemfdFlags::CLOEXEC;
        // Some systems want to be told that it is never executed; before Linux 6.3 none knew that.
        match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(Errno::INVAL) => Ok(memfd_create(name, flags)?.into()),
            result => Ok(result?.into()),
        }
    }

    pub(super) fn name_of(link: &Path) -> Option<&OsStr> {
        let name = link.as_os_str().as_bytes().strip_prefix(b"/memfd:")?;
        name.strip_suffix(b" (deleted)").map(OsStr::from_bytes)
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn create(_name: &OsStr) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn name_of(_link: &Path) -> Option<&OsStr> {
        None
    }
}
