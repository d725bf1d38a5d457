//! What is done in the release dialog.

use std::time::Instant;

use locktop::model::LockId;
use locktop::release::Plan;

use super::Effect;
use crate::tui::action::Step;
use crate::tui::mine::{Number, Stage as Progress};
use crate::tui::release::{Dialog, Found, Offer, Stage, Subject};
use crate::tui::state::{Overlay, State, View};

/// So many offers are about a page.
const PAGE: usize = 4;

/// Why nothing was done, for the log.
const NO: &str = "the answer was no";
const CHANGED: &str = "the lock changed before anybody agreed";

/// Opens the dialog for the marked locks, or for the chosen one.
pub(super) fn open(state: &mut State, now: Instant) -> Option<Effect> {
    if state.read_only {
        state.warn("nothing is freed: the dashboard was started with --read-only", now);
        return None;
    }
    let subjects = subjects(state, &wanted(state));
    if subjects.is_empty() {
        state.warn("nothing is chosen that somebody has", now);
        return None;
    }
    if let Some(busy) = subjects.iter().find(|subject| state.mine.frees(&subject.lock)) {
        let text = format!("{}: this dashboard is freeing it already", busy.name);
        state.warn(text, now);
        return None;
    }
    let number = state.mine.number();
    let locks = ids(&subjects);
    state.overlays.push(Overlay::Release(Box::new(Dialog::new(number, subjects))));
    Some(Effect::Plan(number, locks))
}

/// The marked locks in the order of the list; without marks, or where one is looked at, that one.
fn wanted(state: &State) -> Vec<LockId> {
    if state.mine.shown || state.detail.open || state.marks.is_empty() {
        return state.chosen_lock().map(|shown| shown.lock.id.clone()).into_iter().collect();
    }
    let mut marked: Vec<LockId> = state.marks.iter().cloned().collect();
    // Those that the filter hides come last.
    marked.sort_by_key(|id| state.rows.position(id).unwrap_or(usize::MAX));
    marked
}

fn subjects(state: &State, ids: &[LockId]) -> Vec<Subject> {
    let Some(snapshot) = state.newest() else { return Vec::new() };
    ids.iter().filter_map(|id| snapshot.lock(id)).map(Subject::of).collect()
}

fn ids(subjects: &[Subject]) -> Vec<LockId> {
    subjects.iter().map(|subject| subject.lock.clone()).collect()
}

/// Makes the plans anew, for those of its locks that somebody has.
pub(super) fn look_again(state: &mut State, now: Instant) -> Option<Effect> {
    let dialog = state.dialog()?;
    let known = ids(&dialog.subjects);
    let is_busy = match &dialog.stage {
        Stage::Choosing => false,
        Stage::Acting(numbers) => is_acting(state, numbers),
        _ => true,
    };
    if is_busy {
        return None;
    }
    let subjects = subjects(state, &known);
    if subjects.is_empty() {
        close(state);
        state.say("nobody has it any more", now);
        return None;
    }
    let number = state.mine.number();
    let locks = ids(&subjects);
    *state.dialog_mut()? = Dialog::new(number, subjects);
    Some(Effect::Plan(number, locks))
}

/// Whether one of these is still under way.
pub(super) fn is_acting(state: &State, numbers: &[Number]) -> bool {
    state.mine.iter().any(|entry| {
        numbers.contains(&entry.number) && matches!(entry.stage, Progress::Freeing { .. })
    })
}

/// Takes in the plans that were looked for.
pub(in crate::tui) fn hear_plans(state: &mut State, number: Number, found: Vec<Found>) {
    if let Some(dialog) = state.dialog_mut() {
        dialog.hear(number, found);
    }
}

/// Leaves the dialog; what is under way goes on.
pub(super) fn close(state: &mut State) -> Option<Effect> {
    let at = state.overlays.iter().rposition(|it| matches!(it, Overlay::Release(_)))?;
    let Overlay::Release(mut dialog) = state.overlays.remove(at) else { return None };
    declined(dialog.give_up(), NO)
}

fn declined(plans: Vec<Plan>, reason: &'static str) -> Option<Effect> {
    (!plans.is_empty()).then_some(Effect::Decline(plans, reason))
}

/// Moves among what can be chosen; to touch nothing stands first.
pub(super) fn step(dialog: &mut Dialog, step: Step) {
    // Whoever is faster than the search moves among what it will find.
    let is_looking = dialog.stage == Stage::Looking;
    let count = if is_looking { usize::MAX } else { dialog.offers.len() + 1 };
    match &mut dialog.stage {
        Stage::Looking | Stage::Choosing => {
            let at = step.from(dialog.at.map_or(0, |at| at.saturating_add(1)), count, PAGE);
            dialog.at = at.checked_sub(1);
            dialog.scroll = None;
        }
        Stage::Asking { yes } => *yes = step.from(usize::from(*yes), 2, 2) == 1,
        Stage::Typing { .. } | Stage::Acting(_) => {}
    }
}

/// A click on the chosen offer takes it.
pub(super) fn choose(state: &mut State, at: usize, now: Instant) -> Option<Effect> {
    let dialog = state.dialog_mut()?;
    if dialog.stage != Stage::Choosing || at >= dialog.offers.len() {
        return None;
    }
    if dialog.at == Some(at) {
        return accept(state, now);
    }
    (dialog.at, dialog.scroll) = (Some(at), None);
    None
}

/// Takes what is chosen, or the answer.
pub(super) fn accept(state: &mut State, now: Instant) -> Option<Effect> {
    let dialog = state.dialog_mut()?;
    let word = dialog.offer().and_then(Offer::word);
    match &mut dialog.stage {
        // Nobody has seen yet what that is.
        Stage::Looking if dialog.at.is_some() => None,
        Stage::Choosing if dialog.at.is_some() => {
            take(state, now);
            None
        }
        Stage::Asking { yes: true } => agree(state, now),
        Stage::Typing { line, .. } if Some(line.text().trim()) == word => perform(state, now),
        Stage::Typing { line, wrong } if !line.text().trim().is_empty() => {
            (*wrong, *line) = (true, crate::tui::line::Line::default());
            None
        }
        _ => close(state),
    }
}

/// Goes on to the question, where that can be agreed to.
fn take(state: &mut State, now: Instant) {
    let Some(dialog) = state.dialog_mut() else { return };
    let impossible = dialog.offer().filter(|offer| !offer.is_possible());
    if let Some(offer) = impossible {
        let why = offer.plans.iter().find_map(|plan| plan.obstacle.as_ref());
        let why = why.map_or_else(String::new, |by| format!(": {}", by.text));
        state.warn(format!("that cannot be done here{why}"), now);
    } else if dialog.has_changed() {
        state.warn("that is not so any more: look again first", now);
    } else {
        dialog.ask();
    }
}

/// Says yes to the question. What wants a word is not done by that.
pub(super) fn agree(state: &mut State, now: Instant) -> Option<Effect> {
    let is_asked = matches!(state.dialog()?.stage, Stage::Asking { .. });
    if is_asked { perform(state, now) } else { None }
}

/// Begins to carry out what was shown, once.
fn perform(state: &mut State, now: Instant) -> Option<Effect> {
    let dialog = state.dialog_mut()?;
    if dialog.has_changed() {
        let plans = dialog.give_up();
        state.warn("nothing was touched: it changed in the meantime", now);
        return declined(plans, CHANGED);
    }
    let plans = dialog.unconfirmed();
    let acts: Vec<(Number, Plan)> =
        plans.into_iter().map(|plan| (state.mine.free(plan.clone(), now), plan)).collect();
    let numbers = acts.iter().map(|(number, _)| *number).collect();
    state.marks.clear();
    let dialog = state.dialog_mut()?;
    (dialog.stage, dialog.scroll) = (Stage::Acting(numbers), None);
    Some(Effect::Free(acts))
}

/// Marks the chosen lock, or takes its mark away, and goes on to the next.
pub(super) fn mark(state: &mut State) {
    let Some(id) = state.chosen_lock().map(|shown| shown.lock.id.clone()) else { return };
    if !state.marks.remove(&id) {
        state.marks.insert(id);
    }
    if state.view == View::Table {
        let at = state.place().unwrap_or_default();
        state.choose(Step::Lines(1).from(at, state.lines(), 1));
    }
}

/// What of ours the dialog shows and can be handed over.
pub(super) fn kept(state: &State) -> Vec<Number> {
    let Some(Dialog { stage: Stage::Acting(numbers), .. }) = state.dialog() else {
        return Vec::new();
    };
    let entries = state.mine.iter().filter(|entry| numbers.contains(&entry.number));
    let kept = entries.filter(|entry| matches!(entry.stage, Progress::Kept { .. }));
    kept.map(|entry| entry.number).collect()
}
