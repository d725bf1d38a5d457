//! Everything that a key, the mouse or a test can make the dashboard do.

use super::line::Way;
use super::mine::Number;
use super::order::Purpose;
use super::sort::Column;
use super::state::Choice;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Leave.
    Quit,
    /// Leave as Ctrl-C makes programs leave.
    Interrupt,
    /// Stop, until the shell continues us.
    Suspend,
    /// Look at once, and draw everything anew.
    Refresh,
    /// Hold the picture, or let it go.
    Freeze,
    /// Move the choice, or scroll.
    Move(Step),
    /// Choose a line; the chosen one: open it.
    Choose(Choice),
    /// Give the explanation the whole screen, or take it back.
    Open,
    /// Leave what is on top.
    Back,
    /// Scroll the explanation.
    ScrollDetail(Step),
    /// Change between the table and who waits for whom.
    Tree,
    /// Change between the table and what the chosen lock has to do with others.
    Graph,
    /// Show only what needs a person, or everything.
    Problems,
    /// Wait for the chosen lock, or take it.
    Ask(Purpose),
    /// The same for a lock that is typed.
    AskTyped(Purpose),
    /// Mark the chosen lock, or take its mark away.
    Mark,
    /// Show the ways to free the marked locks, or the chosen one.
    Release,
    /// Look for them anew.
    LookAgain,
    /// Choose one of them; the chosen one: take it.
    ChooseOffer(usize),
    /// Say yes.
    Agree,
    /// Show what we wait for and hold, or the list again.
    Mine,
    /// Choose an entry of that; the chosen one: open it.
    ChooseMine(Number),
    /// Show what has happened, or the list again.
    Events,
    /// Begin to trace locks, or end that.
    Trace,
    /// Choose an event by its number.
    ChooseEvent(u64),
    /// Choose the lock of the chosen event in the list.
    GoTo,
    /// Stop waiting.
    Cancel,
    /// Give a lock back, or hand one over that we keep.
    GiveBack,
    /// Wait even though that makes a circle.
    Insist,
    /// Let go of an entry that is over.
    Dismiss,
    /// Let go of all that are over.
    DismissAll,
    /// Leave although that ends waits and gives locks back.
    Leave,
    /// Type a filter.
    Filter,
    /// Choose a column to sort by.
    SortMenu,
    /// Sort by a column; by the one that is in use: the other way round.
    SortBy(Column),
    /// Sort the other way round.
    Reverse,
    /// Copy the path to the clipboard.
    CopyPath,
    /// Copy the explanation to the clipboard.
    CopyExplanation,
    /// What cannot be seen.
    Notes,
    /// Which keys there are.
    Help,
    /// Take what was typed or chosen.
    Accept,
    /// Add a character to what is typed.
    Type(char),
    /// Take the last character away.
    Erase,
    /// Take the last word away.
    EraseWord,
    /// Take everything away.
    EraseAll,
    /// Take the next character away.
    Delete,
    /// Move to another place in what is typed.
    Cursor(Way),
}

/// How far to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Lines, upwards when negative.
    Lines(i32),
    /// Pages, upwards when negative.
    Pages(i32),
    /// To the beginning.
    First,
    /// To the end.
    Last,
}

impl Step {
    /// Where one gets from `at`, among `count` places of which `page` are on the screen.
    pub(super) fn from(self, at: usize, count: usize, page: usize) -> usize {
        let last = count.saturating_sub(1);
        let moved = |by: i32, unit: usize| {
            let by = isize::try_from(by).unwrap_or_default();
            at.saturating_add_signed(by.saturating_mul(unit.max(1) as isize))
        };
        match self {
            Self::Lines(by) => moved(by, 1),
            Self::Pages(by) => moved(by, page.saturating_sub(1)),
            Self::First => 0,
            Self::Last => last,
        }
        .min(last)
    }
}

impl Action {
    /// Whether it asks for a lock or frees one, which `--read-only` rules out.
    pub(super) fn asks(&self) -> bool {
        matches!(self, Self::Ask(_) | Self::AskTyped(_) | Self::Insist | Self::Release)
    }

    /// What it does, for the help.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::Interrupt => "quit, as by an interrupt",
            Self::Suspend => "suspend; 'fg' comes back",
            Self::Refresh => "look now, and draw everything anew",
            Self::Freeze => "hold the picture; again: let it go",
            Self::Move(Step::Lines(..0)) => "up",
            Self::Move(Step::Lines(_)) => "down",
            Self::Move(Step::Pages(..0)) => "a page up",
            Self::Move(Step::Pages(_)) => "a page down",
            Self::Move(Step::First) => "to the beginning",
            Self::Move(Step::Last) => "to the end",
            Self::Choose(_) | Self::ChooseMine(_) | Self::ChooseEvent(_) | Self::ChooseOffer(_) => {
                "choose"
            }
            Self::Open => "explanation on the whole screen, and back",
            Self::Back => "back; in the list: everything again",
            Self::ScrollDetail(Step::Lines(..0)) => "explanation: scroll up",
            Self::ScrollDetail(Step::Lines(_)) => "explanation: scroll down",
            Self::ScrollDetail(step) => Self::Move(*step).what(),
            Self::Tree => "who waits for whom, and back",
            Self::Graph => "boxes and lines around the selected lock, and back",
            Self::Problems => "only what needs a person; again: everything",
            Self::Ask(Purpose::Wait) => "wait until the selected lock is free, and ring",
            Self::Ask(Purpose::Take) => "take the selected lock when free, ring, and hold it",
            Self::AskTyped(Purpose::Wait) => "wait for a lock that you type",
            Self::AskTyped(Purpose::Take) => "take a lock that you type",
            Self::Mine => "what you wait for, hold and free, and back",
            Self::Events => "what has happened, newest first, and back",
            Self::GoTo => "its lock in the list",
            Self::Trace => "trace, for exact times (root), or stop it",
            Self::Mark => "mark; what is marked is freed together",
            Self::Release => "ways to free the lock, or the marked ones",
            Self::LookAgain => "look anew",
            Self::Agree => "yes, do it",
            Self::Cancel => "stop waiting",
            Self::GiveBack => "give the lock back, or hand it over",
            Self::Insist => "after a refusal: wait even though that makes a circle",
            Self::Dismiss => "dismiss what is over",
            Self::DismissAll => "dismiss all that is over",
            Self::Leave => "leave: cancel every wait, give every lock back",
            Self::Filter => "filter",
            Self::SortMenu => "menu of orders",
            Self::SortBy(_) => "sort by this column; again: the other way round",
            Self::Reverse => "sort the other way round",
            Self::CopyPath => "copy the path",
            Self::CopyExplanation => "copy the explanation",
            Self::Notes => "what cannot be seen, and what would help",
            Self::Help => "help",
            Self::Accept => "take it",
            Self::Type(_) => "type",
            Self::Erase => "erase a character",
            Self::EraseWord => "erase a word",
            Self::EraseAll => "erase everything",
            Self::Delete => "erase the next character",
            Self::Cursor(Way::Left) => "to the left",
            Self::Cursor(Way::Right) => "to the right",
            Self::Cursor(Way::Start) => "to the beginning of the line",
            Self::Cursor(Way::End) => "to the end of the line",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_stay_within() {
        assert_eq!(Step::Lines(1).from(0, 3, 2), 1);
        assert_eq!(Step::Lines(-1).from(0, 3, 2), 0);
        assert_eq!(Step::Pages(1).from(0, 30, 10), 9);
        assert_eq!(Step::Pages(1).from(28, 30, 10), 29);
        assert_eq!(Step::Last.from(0, 30, 10), 29);
        assert_eq!(Step::Last.from(0, 0, 0), 0);
        assert_eq!(Step::Lines(1).from(0, 0, 0), 0);
    }
}
