//! Actions change the state; what reaches beyond it comes back as an effect.

use std::time::Instant;

use locktop::console;
use locktop::diagnose::explain;
use locktop::model::LockId;
use locktop::release::Plan;

use super::action::{Action, Step};
use super::filter::Filter;
use super::line::Line;
use super::mine::Number;
use super::order::Order;
use super::release::Stage;
use super::sort::Column;
use super::state::{Choice, Extent, Overlay, Page, State, View};

mod happened;
mod ours;
mod release;

pub(super) use ours::hear;
pub(super) use release::hear_plans;

/// Something to be done outside of the state.
#[derive(Debug, Clone, PartialEq)]
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
    /// Begin to wait for a lock.
    Begin(Number, Order),
    /// Stop waiting.
    Cancel(Number),
    /// Give a lock back.
    GiveBack(Number),
    /// Look for the ways to free these locks, as they were seen last.
    Plan(Number, Vec<LockId>),
    /// Carry these plans out, one after the other.
    Free(Vec<(Number, Plan)>),
    /// Write down that these were shown and not agreed to.
    Decline(Vec<Plan>, &'static str),
    /// Hand locks over that we keep.
    HandOver(Vec<Number>),
    /// Trace locks, or no longer.
    Trace(bool),
    /// Ring the terminal's bell.
    Bell,
}

/// Carries an action out.
pub(super) fn update(state: &mut State, action: Action, now: Instant) -> Option<Effect> {
    match action {
        Action::Quit => return ours::quit(state),
        Action::Leave => return Some(Effect::Quit),
        Action::Interrupt => return Some(Effect::Die(console::INTERRUPT)),
        Action::Suspend => return Some(Effect::Suspend),
        Action::Refresh => return Some(Effect::Refresh),
        Action::CopyPath => return copy_path(state, now),
        Action::CopyExplanation => return copy_explanation(state, now),
        Action::Freeze => state.freeze(now),
        Action::Move(step) => move_by(state, step),
        Action::Choose(id) => choose(state, &id),
        Action::Open => state.detail.open = !state.detail.open && state.has_choice(),
        Action::ScrollDetail(step) => scroll_text(state, step),
        Action::Back => return back(state),
        Action::Tree => {
            state.view = if state.view == View::Tree { View::Table } else { View::Tree };
            state.arrange();
        }
        Action::Graph => {
            state.view = if state.view == View::Graph { View::Table } else { View::Graph };
            state.arrange();
        }
        Action::Problems => {
            state.problems = !state.problems;
            state.arrange();
        }
        Action::Ask(purpose) => return ours::ask(state, purpose, now),
        Action::AskTyped(purpose) => ours::ask_typed(state, purpose, now),
        Action::Mark => release::mark(state),
        Action::Release => return release::open(state, now),
        Action::LookAgain => return release::look_again(state, now),
        Action::ChooseOffer(at) => return release::choose(state, at, now),
        Action::Agree => return release::agree(state, now),
        Action::Mine => ours::show(state),
        Action::Trace => {
            state.trace.wanted = !state.trace.wanted;
            return Some(Effect::Trace(state.trace.wanted));
        }
        Action::Events => happened::show(state),
        Action::ChooseEvent(number) => happened::choose(state, number, now),
        Action::GoTo => happened::go_to(state, now),
        Action::ChooseMine(number) => ours::choose(state, number),
        Action::Cancel => return ours::cancel(state, now),
        Action::GiveBack => return ours::give_back(state, now),
        Action::Insist => return ours::insist(state, now),
        Action::Dismiss => ours::dismiss(state, now),
        Action::DismissAll => state.mine.dismiss(true),
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
        Action::Type(_)
        | Action::Erase
        | Action::EraseWord
        | Action::EraseAll
        | Action::Delete
        | Action::Cursor(_) => edit(state, &action),
    }
    None
}

/// Scrolls the explanation, or the dialog over it.
fn scroll_text(state: &mut State, step: Step) {
    let extent = state.screen.page;
    match state.overlays.last_mut() {
        Some(Overlay::Release(dialog)) => dialog.scroll = Some(scroll(step, extent)),
        _ => state.detail.scroll = scroll(step, state.screen.detail),
    }
}

fn move_by(state: &mut State, step: Step) {
    let (mode, page) = (state.overlays.last_mut(), state.screen.page);
    match mode {
        Some(Overlay::Page { scroll: at, .. }) => *at = scroll(step, page),
        Some(Overlay::Sort { at }) => *at = step.from(*at, Column::ALL.len(), Column::ALL.len()),
        Some(Overlay::Leave { leaves }) => *leaves = step.from(usize::from(*leaves), 2, 2) == 1,
        // There is nothing to choose: what is told can be longer than the dialog.
        Some(Overlay::Release(dialog)) if matches!(dialog.stage, Stage::Acting(_)) => {
            dialog.scroll = Some(scroll(step, page));
        }
        Some(Overlay::Release(dialog)) => release::step(dialog, step),
        Some(Overlay::Filter { .. } | Overlay::Prompt(_)) => {}
        None if state.detail.open => state.detail.scroll = scroll(step, state.screen.detail),
        None if state.log.shown => {
            let page = state.screen.list.area.height.into();
            state.log.step(step, page, &state.filter);
            state.detail.scroll = 0;
        }
        None if state.mine.shown => ours::step(state, step),
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

/// Leaves what is on top; when that is the list, lets go of its marks, then of what narrows it.
fn back(state: &mut State) -> Option<Effect> {
    if let Some(Overlay::Release(_)) = state.overlays.last() {
        return release::close(state);
    }
    match state.overlays.pop() {
        Some(Overlay::Filter { before }) => {
            state.filter = before;
            state.arrange();
        }
        Some(_) => {}
        None if state.detail.open => state.detail.open = false,
        None if state.log.shown => happened::show(state),
        None if state.mine.shown => ours::show(state),
        None if !state.marks.is_empty() => state.marks.clear(),
        None => {
            state.filter = Filter::default();
            state.problems = false;
            state.arrange();
        }
    }
    None
}

fn accept(state: &mut State, now: Instant) -> Option<Effect> {
    if let Some(Overlay::Release(_)) = state.overlays.last() {
        return release::accept(state, now);
    }
    match state.overlays.pop() {
        Some(Overlay::Sort { at }) => {
            let column = *Column::ALL.get(at)?;
            update(state, Action::SortBy(column), now)
        }
        Some(Overlay::Prompt(prompt)) => ours::accept(state, prompt, now),
        Some(Overlay::Leave { leaves: true }) => Some(Effect::Quit),
        _ => None,
    }
}

/// Changes the line that is typed: a lock's name, or the filter.
fn edit(state: &mut State, action: &Action) {
    match state.overlays.last_mut() {
        Some(Overlay::Prompt(prompt)) => {
            prompt.problem = None;
            return type_in(&mut prompt.line, action, &[' ', '/', ':']);
        }
        Some(Overlay::Release(dialog)) => {
            if let Stage::Typing { line, wrong } = &mut dialog.stage {
                *wrong = false;
                type_in(line, action, &[' ']);
            }
            return;
        }
        _ => {}
    }
    let mut line = Line::new(state.filter.text().to_owned());
    type_in(&mut line, action, &[' ']);
    state.filter = Filter::parse(line.text());
    state.arrange();
}

/// `ends` are the ends of words.
fn type_in(line: &mut Line, action: &Action, ends: &[char]) {
    match action {
        Action::Type(c) => line.insert(*c),
        Action::Erase => line.erase(),
        Action::EraseWord => line.erase_word(ends),
        Action::EraseAll => line.clear(),
        Action::Delete => line.delete(),
        Action::Cursor(way) => line.go(*way),
        _ => {}
    }
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
