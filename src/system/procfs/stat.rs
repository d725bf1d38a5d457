//! `/proc/PID/stat` and `/proc/PID/task/TID/stat`, after `proc_pid_stat(5)`.

use crate::model::{Pid, State};

/// The fields that are used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) command: Vec<u8>,
    pub(crate) state: Option<State>,
    pub(crate) parent: Pid,
    pub(crate) group: Pid,
    pub(crate) tty: u32,
    pub(crate) kernel_thread: bool,
    /// On its way out, or ended already.
    pub(crate) exiting: bool,
    pub(crate) threads: u32,
    /// In clock ticks since boot.
    pub(crate) start: u64,
    /// The CPU that it ran on last.
    pub(crate) cpu: usize,
}

/// `PF_EXITING` of the kernel's `include/linux/sched.h`.
const EXITING: u64 = 4;
/// `PF_KTHREAD` of the kernel's `include/linux/sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

impl Stat {
    /// Reads the line. The command stands in parentheses and can hold anything, parentheses
    /// included: it ends at the last one.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let command = text.get(open + 1..close)?.to_vec();
        let rest = str::from_utf8(text.get(close + 1..)?).ok()?;
        // Field 3 of the manual is the first here.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3).copied();
        let flags = read::<u64>(field(9))?;
        Some(Self {
            command,
            state: state(field(3)?),
            parent: read(field(4))?,
            group: read(field(5))?,
            tty: read::<i32>(field(7))?.cast_unsigned(),
            kernel_thread: flags & KERNEL_THREAD != 0,
            exiting: flags & EXITING != 0,
            threads: read(field(20))?,
            start: read(field(22))?,
            cpu: read(field(39))?,
        })
    }

    /// The controlling terminal's name: `pts/3`, `tty1`, `ttyS0`.
    pub(crate) fn tty_name(&self) -> Option<String> {
        // Encoded as the kernel's new_encode_dev: minor in bits 0-7 and 20-31, major in 8-19.
        let (major, minor) = (self.tty >> 8 & 0xfff, self.tty & 0xff | self.tty >> 12 & 0xfff00);
        match (major, minor) {
            (0, _) => None,
            (136..=143, _) => Some(format!("pts/{}", (major - 136) * 256 + minor)),
            (4, 0..64) => Some(format!("tty{minor}")),
            (4, _) => Some(format!("ttyS{}", minor - 64)),
            _ => Some(format!("{major}:{minor}")),
        }
    }
}

fn read<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

fn state(word: &str) -> Option<State> {
    Some(match word {
        "R" => State::Running,
        "S" => State::Sleeping,
        "D" => State::Uninterruptible,
        "T" => State::Stopped,
        "t" => State::Traced,
        "Z" => State::Zombie,
        "X" | "x" => State::Dead,
        "I" | "P" | "K" => State::Idle,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &str) -> String {
        format!(
            "4121 ({command}) S 1 4120 4100 34819 4121 4194304 139 0 0 0 0 0 0 0 20 0 3 0 45663 \
             2883584 256 18446744073709551615 0 0 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0"
        )
    }

    #[test]
    fn fields_are_those_of_the_manual() {
        let stat = Stat::parse(line("cat").as_bytes()).unwrap();
        assert_eq!((stat.parent, stat.group, stat.threads, stat.cpu), (1, 4120, 3, 1));
        assert_eq!(stat.start, 45663);
        assert_eq!((stat.state, stat.kernel_thread), (Some(State::Sleeping), false));
        assert_eq!(stat.tty_name().as_deref(), Some("pts/3"));
    }

    #[test]
    fn a_command_can_hold_anything() {
        let stat = Stat::parse(line("a) R 1 (b\n").as_bytes()).unwrap();
        assert_eq!((stat.command.as_slice(), stat.parent), (&b"a) R 1 (b\n"[..], 1));
        assert_eq!(Stat::parse(b"1 (x"), None);
        assert_eq!(Stat::parse(b") ("), None);
        assert_eq!(Stat::parse(b"1 (x) S"), None);
    }
}
