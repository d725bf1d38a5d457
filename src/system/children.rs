//! Processes of our own: how the demonstration starts them, and what keeps any of them from
//! outliving it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::model::{Pid, State};

/// This program once more, even if its file was replaced meanwhile.
pub fn this_program<I, A>(arguments: I) -> Command
where
    I: IntoIterator<Item = A>,
    A: AsRef<OsStr>,
{
    let mut command = platform::this_program();
    command.args(arguments);
    command
}

/// Makes this process the leader of a new session: nothing that is typed on the terminal reaches it.
///
/// # Errors
/// When it leads a process group already.
pub fn lead_session() -> io::Result<()> {
    platform::lead_session()
}

/// Makes this process the parent of every descendant whose own parent ends.
///
/// # Errors
/// Where the system cannot do that.
pub fn adopt_orphans() -> io::Result<()> {
    platform::adopt_orphans()
}

/// Has the system kill this process, even a stopped one, as soon as its parent ends.
///
/// # Errors
/// Where the system cannot do that.
pub fn end_with_parent() -> io::Result<()> {
    platform::end_with_parent()
}

/// Sets the name under which this process is listed.
///
/// # Errors
/// When the name contains a NUL, or where the system cannot do that.
pub fn call_myself(name: &str) -> io::Result<()> {
    platform::call_myself(name)
}

/// Lets programs that this process starts inherit the open file.
///
/// # Errors
/// Where the system cannot do that.
pub fn hand_down(file: &File) -> io::Result<()> {
    platform::hand_down(file)
}

/// Creates a folder that nobody else may enter.
///
/// # Errors
/// When it exists, or cannot be created.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    platform::create_private_folder(folder)
}

/// The name of this machine, as locks on disk have it.
///
/// # Errors
/// When it has none.
pub fn host_name() -> io::Result<String> {
    super::locking::existing::host_name()
        .ok_or_else(|| io::Error::other("this machine does not tell its name"))
}

/// What a process is doing.
///
/// # Errors
/// When there is no process of that number.
pub fn state(pid: Pid) -> io::Result<Option<State>> {
    platform::state(pid)
}

/// Kills a child. It must not have been waited for: until then nobody else can have its number.
///
/// # Errors
/// When it cannot be signalled.
pub fn kill(child: Pid) -> io::Result<()> {
    platform::kill(child)
}

/// Waits until no child is left.
///
/// # Errors
/// When waiting fails.
pub fn wait_for_all() -> io::Result<()> {
    platform::wait_for_all()
}

#[cfg(target_os = "linux")]
mod platform {
    use std::ffi::CString;
    use std::fs::{DirBuilder, File};
    use std::io;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::Command;

    use rustix::io::FdFlags;
    use rustix::process::{Signal, WaitOptions};

    use crate::model::{Pid, State};

    pub(super) fn this_program() -> Command {
        let mut command = Command::new("/proc/self/exe");
        command.arg0("locktop");
        command
    }

    pub(super) fn lead_session() -> io::Result<()> {
        rustix::process::setsid()?;
        Ok(())
    }

    pub(super) fn adopt_orphans() -> io::Result<()> {
        Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
    }

    pub(super) fn end_with_parent() -> io::Result<()> {
        Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
    }

    pub(super) fn call_myself(name: &str) -> io::Result<()> {
        Ok(rustix::thread::set_name(&CString::new(name)?)?)
    }

    pub(super) fn hand_down(file: &File) -> io::Result<()> {
        Ok(rustix::io::fcntl_setfd(file, FdFlags::empty())?)
    }

    pub(super) fn create_private_folder(folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    pub(super) fn state(pid: Pid) -> io::Result<Option<State>> {
        crate::system::System::new().stat(pid).map(|stat| stat.state)
    }

    pub(super) fn kill(child: Pid) -> io::Result<()> {
        match rustix::process::Pid::from_raw(child) {
            Some(child) => Ok(rustix::process::kill_process(child, Signal::KILL)?),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    pub(super) fn wait_for_all() -> io::Result<()> {
        loop {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::fs::File;
    use std::io;
    use std::path::Path;
    use std::process::Command;

    use crate::model::{Pid, State};

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "that works on Linux only"))
    }

    pub(super) fn this_program() -> Command {
        Command::new(std::env::current_exe().unwrap_or_else(|_| "locktop".into()))
    }

    pub(super) fn lead_session() -> io::Result<()> {
        unsupported()
    }

    pub(super) fn adopt_orphans() -> io::Result<()> {
        unsupported()
    }

    pub(super) fn end_with_parent() -> io::Result<()> {
        unsupported()
    }

    pub(super) fn call_myself(_name: &str) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn hand_down(_file: &File) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn create_private_folder(_folder: &Path) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn state(_pid: Pid) -> io::Result<Option<State>> {
        unsupported()
    }

    pub(super) fn kill(_child: Pid) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn wait_for_all() -> io::Result<()> {
        unsupported()
    }
}
