//! Notifications as terminals know them: three sequences for one thing.

use std::env;

/// How the terminal is told to notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// OSC 9: iTerm2 and those who learned from it.
    Nine,
    /// OSC 777: rxvt-unicode, foot, Ghostty, `WezTerm`, VTE.
    SevenSevenSeven,
    /// OSC 99: kitty.
    NinetyNine,
    /// None that is known: only the bell.
    Bell,
}

/// What rings the bell of this process's terminal, and has it notify where it can.
pub(super) fn sequence(text: &str) -> String {
    written(&|name| env::var(name).ok(), text)
}

fn written(variable: &dyn Fn(&str) -> Option<String>, text: &str) -> String {
    let order = match Dialect::of(variable) {
        Dialect::Nine => format!("\x1b]9;locktop: {text}\x1b\\"),
        Dialect::SevenSevenSeven => format!("\x1b]777;notify;locktop;{text}\x1b\\"),
        Dialect::NinetyNine => format!("\x1b]99;;locktop: {text}\x1b\\"),
        Dialect::Bell => String::new(),
    };
    if variable("TMUX").is_some() && !order.is_empty() {
        // tmux hands it on, where it is told to allow that.
        return format!("\x07\x1bPtmux;{}\x1b\\", order.replace('\x1b', "\x1b\x1b"));
    }
    format!("\x07{order}")
}

impl Dialect {
    /// By the variables that terminals set; within tmux those of the terminal that it was started in.
    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        let term = variable("TERM").unwrap_or_default();
        let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
        if is_set("KITTY_WINDOW_ID") || term == "xterm-kitty" {
            Self::NinetyNine
        } else if program == "iTerm.app" || is_set("ITERM_SESSION_ID") {
            Self::Nine
        } else if matches!(&*program, "WezTerm" | "ghostty")
            || ["WEZTERM_PANE", "GHOSTTY_RESOURCES_DIR", "VTE_VERSION"].into_iter().any(is_set)
            || ["foot", "rxvt-unicode", "xterm-ghostty"].iter().any(|name| term.starts_with(name))
        {
            Self::SevenSevenSeven
        } else {
            Self::Bell
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(environment: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            environment.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        };
        written(&variable, "/x is ours")
    }

    #[test]
    fn each_terminal_has_its_own() {
        assert_eq!(sequence(&[("TERM", "xterm-256color")]), "\x07");
        assert_eq!(
            sequence(&[("TERM_PROGRAM", "iTerm.app")]),
            "\x07\x1b]9;locktop: /x is ours\x1b\\"
        );
        assert_eq!(
            sequence(&[("TERM", "foot-extra")]),
            "\x07\x1b]777;notify;locktop;/x is ours\x1b\\"
        );
        assert_eq!(
            sequence(&[("KITTY_WINDOW_ID", "1"), ("TERM", "xterm-kitty")]),
            "\x07\x1b]99;;locktop: /x is ours\x1b\\"
        );
    }

    #[test]
    fn tmux_is_asked_to_hand_it_on() {
        assert_eq!(
            sequence(&[("TMUX", "/tmp/tmux-0/default,1,0"), ("WEZTERM_PANE", "0")]),
            "\x07\x1bPtmux;\x1b\x1b]777;notify;locktop;/x is ours\x1b\x1b\\\x1b\\"
        );
        assert_eq!(sequence(&[("TMUX", "/tmp/tmux-0/default,1,0")]), "\x07");
    }
}
