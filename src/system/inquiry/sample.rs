//! How far processes have come.

use super::super::{System, read_record};
use crate::model::{Pid, Sample};

/// The switches of so many threads are counted.
const THREADS: usize = 64;

impl System {
    /// How far a process has come by now. What may not be known is `None`.
    pub(crate) fn sample(&self, pid: Pid) -> Sample {
        let io = read_record(&self.path(pid, "io")).ok();
        let bytes = |name: &[u8]| field(io.as_deref()?, name);
        Sample {
            at: self.now().uptime,
            cpu: self.run_time(pid),
            read: bytes(b"rchar:"),
            written: bytes(b"wchar:"),
            runs: self.runs(pid),
        }
    }

    /// How often threads of a process were given a CPU; `None` where there are too many of them.
    fn runs(&self, pid: Pid) -> Option<u64> {
        let tids = self.tids(pid).ok().filter(|tids| tids.len() <= THREADS)?;
        Some(self.pulse(pid, tids.into_iter())?.times())
    }
}

/// The number that stands behind a name at the beginning of a line.
pub(super) fn field(text: &[u8], name: &[u8]) -> Option<u64> {
    let mut lines = text.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name))?;
    str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_behind_their_names() {
        let text = b"rchar: 6976\nwchar: 0\nread_bytes: x\n";
        assert_eq!(field(text, b"rchar:"), Some(6976));
        assert_eq!(field(text, b"wchar:"), Some(0));
        assert_eq!(field(text, b"read_bytes:"), None);
        assert_eq!(field(text, b"char:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_works_comes_further() {
        let system = System::new();
        let ours = std::process::id().cast_signed();
        let before = system.sample(ours);
        let mut sink = std::fs::File::create("/dev/null").unwrap();
        std::io::Write::write_all(&mut sink, &[0; 5000]).unwrap();
        let progress = loop {
            let progress = system.sample(ours).since(&before);
            if let Some(progress) = progress.filter(|of| of.cpu.is_some_and(|cpu| !cpu.is_zero())) {
                break progress;
            }
        };
        assert!(progress.written.is_none_or(|written| written >= 5000), "{progress:?}");
    }
}
