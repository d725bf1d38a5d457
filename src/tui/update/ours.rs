//! What is done with our own waits and locks.

use std::time::Instant;

use locktop::model::short;

use super::Effect;
use crate::tui::action::{Action, Step};
use crate::tui::keys::{self, Mode};
use crate::tui::line::Line;
use crate::tui::mine::{End, News, Number, Stage};
use crate::tui::order::{Order, Purpose};
use crate::tui::state::{Detail, Overlay, Prompt, State};

/// Asks for the chosen lock; where none is chosen, for one that is typed.
pub(super) fn ask(state: &mut State, purpose: Purpose, now: Instant) -> Option<Effect> {
    if refuses(state, now) {
        return None;
    }
    match chosen_order(state, purpose) {
        Some(Ok(order)) => begin(state, order, now),
        Some(Err(why)) => {
            state.warn(why, now);
            None
        }
        None => {
            ask_typed(state, purpose, now);
            None
        }
    }
}

/// Opens the line for a lock's name, with that of the chosen lock in it.
pub(super) fn ask_typed(state: &mut State, purpose: Purpose, now: Instant) {
    if refuses(state, now) {
        return;
    }
    let offered = chosen_order(state, purpose).and_then(Result::ok);
    let words = offered.as_ref().and_then(Order::words);
    // What letters cannot name is not offered.
    let offered = offered.filter(|_| words.is_some());
    let line = Line::new(words.unwrap_or_default());
    state.overlays.push(Overlay::Prompt(Prompt { purpose, line, offered, problem: None }));
}

/// Takes what was typed, or says what is wrong with it.
pub(super) fn accept(state: &mut State, prompt: Prompt, now: Instant) -> Option<Effect> {
    match prompt.order() {
        Ok(order) => begin(state, order, now),
        Err(problem) => {
            let problem = Some(problem);
            state.overlays.push(Overlay::Prompt(Prompt { problem, ..prompt }));
            None
        }
    }
}

impl Prompt {
    /// What the line stands for.
    pub(in crate::tui) fn order(&self) -> Result<Order, String> {
        match self.as_offered() {
            Some(order) => Ok(order.clone()),
            None => Order::parse(self.line.text(), self.purpose),
        }
    }

    /// What was offered, if nobody has changed it.
    pub(in crate::tui) fn as_offered(&self) -> Option<&Order> {
        let offered = self.offered.as_ref()?;
        (offered.words().as_deref() == Some(self.line.text())).then_some(offered)
    }
}

/// Waits even though that makes a circle.
pub(super) fn insist(state: &mut State, now: Instant) -> Option<Effect> {
    if refuses(state, now) {
        return None;
    }
    let entry = state.mine.chosen()?;
    let is_refused = matches!(entry.stage, Stage::Over { end: End::Refused(_), .. });
    let Some(order) = entry.order().filter(|_| is_refused).map(Order::insisting) else {
        state.warn("nothing was refused here", now);
        return None;
    };
    state.mine.dismiss(false);
    begin(state, order, now)
}

fn begin(state: &mut State, order: Order, now: Instant) -> Option<Effect> {
    let name = order.name();
    match state.mine.begin(order.clone(), now) {
        Err(why) => {
            state.warn(format!("{name}: {why}"), now);
            None
        }
        Ok(number) => {
            state.detail.scroll = 0;
            let key = keys::letter(Mode::List, &Action::Mine);
            let doing = match order.purpose {
                Purpose::Wait => "waiting for",
                Purpose::Take => "queueing for",
            };
            let hint = if state.mine.shown { String::new() } else { format!("; {key} shows it") };
            state.say(format!("{doing} {name}{hint}"), now);
            Some(Effect::Begin(number, order))
        }
    }
}

/// Whether no lock may be asked for; then it says so.
fn refuses(state: &mut State, now: Instant) -> bool {
    if state.read_only {
        state.warn(
            "nothing is waited for or taken: the dashboard was started with --read-only",
            now,
        );
    }
    state.read_only
}

/// What asking for the chosen lock, or for that of the chosen entry, would ask for.
fn chosen_order(state: &State, purpose: Purpose) -> Option<Result<Order, &'static str>> {
    if state.mine.shown
        && let Some(order) = state.mine.chosen()?.order()
    {
        return Some(Ok(order.to(purpose)));
    }
    Some(Order::of(state.chosen_lock()?.lock, purpose))
}

/// Stops the chosen wait.
pub(super) fn cancel(state: &mut State, now: Instant) -> Option<Effect> {
    let number = state.mine.chosen()?.number;
    let entry = state.mine.entry(number)?;
    match entry.stage {
        Stage::Waiting { since } => {
            entry.stage = Stage::Cancelling { since };
            return Some(Effect::Cancel(number));
        }
        Stage::Held { .. } => {
            let key = keys::letter(Mode::Mine, &Action::GiveBack);
            state.warn(format!("this is no wait any more: {key} gives the lock back"), now);
        }
        Stage::Freeing { .. } => state.warn("what has begun is not called off", now),
        _ => {}
    }
    None
}

/// Gives the chosen lock back, or hands over those that we keep.
pub(super) fn give_back(state: &mut State, now: Instant) -> Option<Effect> {
    if state.dialog().is_some() {
        return hand_over(state, super::release::kept(state));
    }
    let number = state.mine.chosen()?.number;
    let entry = state.mine.entry(number)?;
    match entry.stage {
        Stage::Held { since } => {
            entry.stage = Stage::Returning { since };
            return Some(Effect::GiveBack(number));
        }
        Stage::Kept { .. } => return hand_over(state, vec![number]),
        Stage::Waiting { .. } => {
            let key = keys::letter(Mode::Mine, &Action::Cancel);
            state.warn(format!("this is not held yet: {key} cancels the wait"), now);
        }
        _ => {}
    }
    None
}

fn hand_over(state: &mut State, numbers: Vec<Number>) -> Option<Effect> {
    for number in &numbers {
        let entry = state.mine.entry(*number)?;
        if let Stage::Kept { since } = entry.stage {
            entry.stage = Stage::HandingOver { since };
        }
    }
    (!numbers.is_empty()).then_some(Effect::HandOver(numbers))
}

/// Lets go of the chosen entry if it is over.
pub(super) fn dismiss(state: &mut State, now: Instant) {
    match state.mine.chosen() {
        Some(entry) if !entry.is_over() => {
            state.warn(format!("this is not over: {}", entry.word()), now);
        }
        _ => {
            state.mine.dismiss(false);
            state.detail.scroll = 0;
        }
    }
}

/// Shows what is ours, or the list again.
pub(super) fn show(state: &mut State) {
    state.mine.shown = !state.mine.shown;
    state.log.shown = false;
    state.detail = Detail::default();
}

/// A click on the chosen entry opens it.
pub(super) fn choose(state: &mut State, number: Number) {
    if state.mine.chosen().is_some_and(|entry| entry.number == number) {
        state.detail.open = true;
    } else {
        state.mine.choose(number);
        state.detail.scroll = 0;
    }
}

pub(super) fn step(state: &mut State, step: Step) {
    state.mine.step(step, state.screen.list.area.height.into());
    state.detail.scroll = 0;
}

/// Leaves, but asks first where that ends something.
pub(super) fn quit(state: &mut State) -> Option<Effect> {
    if !state.mine.counts().is_active() {
        return Some(Effect::Quit);
    }
    state.overlays.push(Overlay::Leave { leaves: false });
    None
}

/// Takes in what the thread behind an entry tells.
pub(in crate::tui) fn hear(
    state: &mut State,
    number: Number,
    news: News,
    now: Instant,
) -> Option<Effect> {
    let entry = state.mine.entry(number)?;
    let called_off = matches!(entry.stage, Stage::Cancelling { .. });
    let replaced = matches!(news, News::Replaced);
    let (before, lasted) = (entry.word(), short(entry.lasted(now)));
    entry.hear(news, now);
    let place = entry.task.place().to_owned();
    let is_shown = matches!(state.dialog(), Some(dialog) if dialog.shows(number));
    let entry = state.mine.entry(number)?;
    match entry.stage.clone() {
        Stage::Waiting { .. } if replaced => {
            state.say(format!("{place} was replaced: queueing anew"), now);
            None
        }
        _ if entry.word() == before => None,
        Stage::Kept { .. } if !is_shown => {
            let mine = keys::letter(Mode::List, &Action::Mine);
            let key = keys::letter(Mode::Mine, &Action::GiveBack);
            state.say(format!("{place} is kept; {mine}, then {key}, hands it over"), now);
            None
        }
        // The dialog tells.
        Stage::Over {
            end: End::Freed | End::NotFreed | End::Untouched(_) | End::HandedOver(_),
            ..
        } if is_shown => None,
        // It came in the instant in which we stopped wanting it.
        Stage::Held { since } if called_off => {
            entry.stage = Stage::Returning { since };
            Some(Effect::GiveBack(number))
        }
        Stage::Held { .. } => {
            let mine = keys::letter(Mode::List, &Action::Mine);
            let key = keys::letter(Mode::Mine, &Action::GiveBack);
            let hint = format!("{mine}, then {key}, gives it back");
            state.say(format!("{place} is yours after {lasted}; {hint}"), now);
            Some(Effect::Bell)
        }
        Stage::Over { end, .. } => {
            let came = entry.came().map(|came| came.text.clone()).unwrap_or_default();
            match end {
                End::Freed => state.say(format!("{place}: {came}"), now),
                End::NotFreed => state.warn(format!("{place}: {came}"), now),
                end => return tell_end(state, number, end, &place, &lasted, now),
            }
            None
        }
        _ => None,
    }
}

fn tell_end(
    state: &mut State,
    number: Number,
    end: End,
    place: &str,
    lasted: &str,
    now: Instant,
) -> Option<Effect> {
    match end {
        End::Free => {
            state.say(format!("{place} is free after {lasted}"), now);
            return Some(Effect::Bell);
        }
        End::Returned => state.say(format!("{place} is given back"), now),
        End::Cancelled => state.say(format!("no longer waiting for {place}"), now),
        End::Refused(why) => {
            let mine = keys::letter(Mode::List, &Action::Mine);
            let key = keys::letter(Mode::Mine, &Action::Insist);
            state.warn(format!("refused ({mine}, then {key}, insists): {why}"), now);
        }
        End::Failed(why) | End::Untouched(why) => state.warn(why, now),
        End::HandedOver(text) => state.say(format!("{place}: {text}"), now),
        // Told with what came of it.
        End::Freed | End::NotFreed => {}
        End::Lost(why) => {
            state.warn(format!("lost {place}: {why}"), now);
            // Its guard is still there, and renews in vain.
            return Some(Effect::GiveBack(number));
        }
    }
    None
}
