//! Actions change the state; what reaches beyond it comes back as an effect.

use std::time::Instant;

use locktop::console;
use locktop::diagnose::explain;

use super::action::{Action, Step};
use super::filter::Filter;
use super::sort::Column;
use super::state::{Choice, Extent, Overlay, Page, State, View};

/// Something to be done outside of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Leave.
    Quit,
    /// Leave, and die of this signal.
    Die(i32),
    /// Stop until continued.
    Suspend,
    /// Look now, and draw everything anew.
    Refresh,
    /// Put text into the terminal's clipboard.
    Copy(String),
}

/// Carries an action out.
pub(super) fn update(state: &mut State, action: Action, now: Instant) -> Option<Effect> {
    match action {
        Action::Quit => return Some(Effect::Quit),
        Action::Interrupt => return Some(Effect::Die(console::INTERRUPT)),
        Action::Suspend => return Some(Effect::Suspend),
        Action::Refresh => return Some(Effect::Refresh),
        Action::CopyPath => return copy_path(state, now),
        Action::CopyExplanation => return copy_explanation(state, now),
        Action::Freeze => state.freeze(now),
        Action::Move(step) => move_by(state, step),
        Action::Choose(id) => choose(state, &id),
        Action::Open => state.detail.open = !state.detail.open && state.chosen.is_some(),
        Action::ScrollDetail(step) => {
            state.detail.scroll = scroll(step, state.screen.detail);
        }
        Action::Back => back(state),
        Action::Tree => {
            state.view = if state.view == View::Table { View::Tree } else { View::Table };
            state.arrange();
        }
        Action::Problems => {
            state.problems = !state.problems;
            state.arrange();
        }
        Action::Filter => state.overlays.push(Overlay::Filter { before: state.filter.clone() }),
        Action::SortMenu => {
            let at = Column::ALL.iter().position(|column| *column == state.sort.column);
            state.overlays.push(Overlay::Sort { at: at.unwrap_or_default() });
        }
        Action::SortBy(column) => {
            state.overlays.retain(|overlay| !matches!(overlay, Overlay::Sort { .. }));
            state.sort = state.sort.by(column);
            state.arrange();
        }
        Action::Reverse => {
            state.sort.reversed = !state.sort.reversed;
            state.arrange();
        }
        Action::Notes => state.overlays.push(Overlay::Page { page: Page::Notes, scroll: 0 }),
        Action::Help => state.overlays.push(Overlay::Page { page: Page::Help, scroll: 0 }),
        Action::Accept => return accept(state, now),
        Action::Type(c) => edit(state, |text| text.push(c)),
        Action::Erase => edit(state, |text| {
            text.pop();
        }),
        Action::EraseWord => edit(state, |text| {
            let kept = text.trim_end().rfind(' ').map_or(0, |blank| blank + 1);
            text.truncate(kept);
        }),
        Action::EraseAll => edit(state, String::clear),
    }
    None
}

fn move_by(state: &mut State, step: Step) {
    let (mode, page) = (state.overlays.last_mut(), state.screen.page);
    match mode {
        Some(Overlay::Page { scroll: at, .. }) => *at = scroll(step, page),
        Some(Overlay::Sort { at }) => *at = step.from(*at, Column::ALL.len(), Column::ALL.len()),
        Some(Overlay::Filter { .. }) => {}
        None if state.detail.open => state.detail.scroll = scroll(step, state.screen.detail),
        None => {
            let at = state.place().unwrap_or_default();
            let page = state.screen.list.area.height.into();
            state.choose(step.from(at, state.lines(), page));
        }
    }
}

fn scroll(step: Step, extent: Extent) -> usize {
    let page = usize::from(extent.area.height);
    step.from(extent.first, (extent.lines + 1).saturating_sub(page), page)
}

/// A click on the chosen line opens it.
fn choose(state: &mut State, choice: &Choice) {
    if state.chosen.as_ref().is_some_and(|chosen| chosen.is_same(choice)) {
        state.detail.open = true;
    } else if let Some(place) = state.place_of(choice) {
        state.choose(place);
    }
}

/// Leaves what is on top; when that is the list, lets go of what narrows it.
fn back(state: &mut State) {
    match state.overlays.pop() {
        Some(Overlay::Filter { before }) => {
            state.filter = before;
            state.arrange();
        }
        Some(_) => {}
        None if state.detail.open => state.detail.open = false,
        None => {
            state.filter = Filter::default();
            state.problems = false;
            state.arrange();
        }
    }
}

fn accept(state: &mut State, now: Instant) -> Option<Effect> {
    match state.overlays.pop() {
        Some(Overlay::Sort { at }) => {
            let column = *Column::ALL.get(at)?;
            update(state, Action::SortBy(column), now)
        }
        _ => None,
    }
}

fn edit(state: &mut State, change: impl FnOnce(&mut String)) {
    let mut text = state.filter.text().to_owned();
    change(&mut text);
    state.filter = Filter::parse(&text);
    state.arrange();
}

fn copy_path(state: &mut State, now: Instant) -> Option<Effect> {
    let label = state.chosen_lock()?.lock.label();
    state.say("the path is handed to the terminal's clipboard", now);
    Some(Effect::Copy(label))
}

fn copy_explanation(state: &mut State, now: Instant) -> Option<Effect> {
    let explanation = explain(state.chosen_lock()?.lock, state.rows.snapshot()?);
    let queue = explanation.queue.iter().map(|line| &line.text);
    let lines = [&explanation.headline].into_iter().chain(&explanation.sentences).chain(queue);
    let text = lines.flat_map(|line| [line.as_str(), "\n"]).collect();
    state.say("the explanation is handed to the terminal's clipboard", now);
    Some(Effect::Copy(text))
}

#[cfg(test)]
mod tests;
