//! Parents and children, and what is handed down between them.

use std::io;

use super::{System, platform, read_record};
use crate::model::Pid;

impl System {
    /// The children that a thread has started, those included that have ended and were not waited
    /// for. Kernels can be built without telling.
    pub(crate) fn children(&self, pid: Pid, tid: Pid) -> io::Result<Vec<Pid>> {
        let text = read_record(&self.thread_path(pid, tid, "children"))?;
        let numbers = text.split(|byte| *byte == b' ').filter_map(|word| str::from_utf8(word).ok());
        Ok(numbers.filter_map(|word| word.parse().ok()).collect())
    }

    /// Whether a descriptor of this process is closed when it becomes another program: what it has
    /// inherited is not.
    pub(crate) fn is_closed_on_exec(&self, fd: i32) -> io::Result<bool> {
        let text = read_record(&self.proc.join(format!("self/fdinfo/{fd}")))?;
        let flags = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"flags:"));
        let flags = flags.and_then(|flags| {
            let octal = str::from_utf8(flags.trim_ascii()).ok()?;
            i32::from_str_radix(octal, 8).ok()
        });
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "no flags of a descriptor");
        Ok(flags.ok_or_else(missing)? & platform::CLOSED_ON_EXEC != 0)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;
    use crate::system::children::hand_down;

    #[test]
    fn what_is_handed_down_is_told_from_what_is_kept() {
        let system = System::new();
        let file = tempfile::tempfile().unwrap();
        assert!(system.is_closed_on_exec(file.as_raw_fd()).unwrap());
        hand_down(&file).unwrap();
        assert!(!system.is_closed_on_exec(file.as_raw_fd()).unwrap());
    }
}
