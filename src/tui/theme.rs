//! How things look by what they mean: styles and glyphs.

use locktop::model::Verdict;
use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ordinary text.
    Plain,
    /// Less important; never the only place of something that matters.
    Muted,
    /// Frames and rulers.
    Border,
    /// Names of places on the screen.
    Title,
    /// Heads of columns.
    Head,
    /// A key that can be pressed.
    Key,
    /// The row that is chosen.
    Chosen,
    /// A row of a lock that has ended.
    Ended,
    /// A judgement.
    Verdict(Verdict),
    /// Everything is as it should be.
    Good,
    /// Something to know.
    Warning,
    /// Something is wrong.
    Alarm,
}

/// Styles and glyphs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Theme {
    colour: bool,
    pub(super) glyphs: &'static Glyphs,
}

impl Theme {
    pub(super) fn new(colour: bool, ascii: bool) -> Self {
        Self { colour, glyphs: if ascii { &ASCII } else { &UNICODE } }
    }

    /// Whether only ASCII may be drawn, names excepted.
    pub(super) fn is_ascii(&self) -> bool {
        std::ptr::eq(self.glyphs, &raw const ASCII)
    }

    /// The 16 colours of the terminal, but for the black and white ones: those are somebody's
    /// background. Without colours weight, reverse and underline tell the same.
    pub(super) fn style(&self, role: Role) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let (coloured, colourless) = match role {
            Role::Plain => (plain, plain),
            Role::Muted | Role::Border | Role::Ended => {
                let dim = plain.add_modifier(Modifier::DIM);
                (dim, dim)
            }
            Role::Title => (bold, bold),
            Role::Head => {
                let under = plain.add_modifier(Modifier::UNDERLINED);
                (under, under)
            }
            Role::Key => (bold.fg(Color::Cyan), bold),
            Role::Chosen => {
                let reverse = plain.add_modifier(Modifier::REVERSED);
                (reverse, reverse)
            }
            Role::Good => (plain.fg(Color::Green), plain),
            Role::Warning => (plain.fg(Color::Yellow), bold),
            Role::Alarm => (bold.fg(Color::Red), bold.add_modifier(Modifier::UNDERLINED)),
            Role::Verdict(verdict) => return self.style_of(verdict),
        };
        if self.colour { coloured } else { colourless }
    }

    fn style_of(&self, verdict: Verdict) -> Style {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        if !self.colour {
            return match verdict {
                Verdict::Deadlock | Verdict::Split => bold.add_modifier(Modifier::UNDERLINED),
                Verdict::Stale | Verdict::Orphaned | Verdict::Stuck => bold,
                Verdict::Unknown | Verdict::Contended | Verdict::Held => plain,
            };
        }
        match verdict {
            Verdict::Deadlock | Verdict::Split => bold.fg(Color::Red),
            Verdict::Stale | Verdict::Orphaned => bold.fg(Color::Magenta),
            Verdict::Stuck => bold.fg(Color::Yellow),
            Verdict::Unknown => plain.fg(Color::Cyan),
            Verdict::Contended => plain.fg(Color::Yellow),
            Verdict::Held => plain.fg(Color::Green),
        }
    }
}

/// The characters that are drawn.
#[derive(Debug)]
pub(super) struct Glyphs {
    /// Stands for what was cut off.
    pub(super) cut: &'static str,
    /// Stands for nothing.
    pub(super) none: &'static str,
    /// Before a time that is not exact.
    pub(super) about: &'static str,
    /// Between two facts.
    pub(super) dot: &'static str,
    /// Before the chosen row.
    pub(super) chosen: &'static str,
    /// Before a row that is marked.
    pub(super) marked: &'static str,
    pub(super) live: &'static str,
    pub(super) frozen: &'static str,
    pub(super) ascending: &'static str,
    pub(super) descending: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) up_down: &'static str,
    pub(super) enter: &'static str,
    pub(super) circle: &'static str,
    /// The head of a line that leads somewhere.
    pub(super) arrow: &'static str,
    pub(super) times: &'static str,
    /// A child with siblings behind it, the last child, and what stands before their children.
    pub(super) branch: &'static str,
    pub(super) last: &'static str,
    pub(super) trunk: &'static str,
    pub(super) horizontal: &'static str,
    pub(super) vertical: &'static str,
    /// Corners: top left, top right, bottom left, bottom right.
    pub(super) corners: [&'static str; 4],
    /// Joints of a ruler with the frame: left, right.
    pub(super) joints: [&'static str; 2],
}

static UNICODE: Glyphs = Glyphs {
    cut: "…",
    none: "–",
    about: "≈",
    dot: "·",
    chosen: "▸",
    marked: "*",
    live: "●",
    frozen: "‖",
    ascending: "▴",
    descending: "▾",
    up: "↑",
    down: "↓",
    up_down: "↑↓",
    enter: "⏎",
    circle: "↻",
    arrow: "▶",
    times: "×",
    branch: "├─ ",
    last: "└─ ",
    trunk: "│  ",
    horizontal: "─",
    vertical: "│",
    corners: ["┌", "┐", "└", "┘"],
    joints: ["├", "┤"],
};

static ASCII: Glyphs = Glyphs {
    cut: "...",
    none: "-",
    about: "~",
    dot: "|",
    chosen: ">",
    marked: "*",
    live: "*",
    frozen: "=",
    ascending: "^",
    descending: "v",
    up: "up",
    down: "down",
    up_down: "up/down",
    enter: "enter",
    circle: "@",
    arrow: ">",
    times: "x",
    branch: "|- ",
    last: "`- ",
    trunk: "|  ",
    horizontal: "-",
    vertical: "|",
    corners: ["+", "+", "+", "+"],
    joints: ["+", "+"],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_are_none() {
        let theme = Theme::new(false, false);
        let roles = [Role::Key, Role::Good, Role::Warning, Role::Alarm, Role::Chosen];
        for role in Verdict::ALL.map(Role::Verdict).into_iter().chain(roles) {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
    }

    #[test]
    fn nothing_that_matters_is_in_a_colour_that_some_palettes_hide() {
        let theme = Theme::new(true, false);
        for role in Verdict::ALL.map(Role::Verdict) {
            let hidden = [Some(Color::DarkGray), Some(Color::Black), Some(Color::White)];
            assert!(!hidden.contains(&theme.style(role).fg), "{role:?}");
        }
    }
}
