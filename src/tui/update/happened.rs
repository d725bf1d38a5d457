//! What is done with the events.

use std::time::Instant;

use crate::tui::state::State;

/// Shows what has happened, or the list again.
pub(super) fn show(state: &mut State) {
    state.log.shown = !state.log.shown;
    state.mine.shown = false;
    state.detail.open = false;
    state.detail.scroll = 0;
}

/// Chooses an event; a click on the chosen one goes to its lock.
pub(super) fn choose(state: &mut State, number: u64, now: Instant) {
    let visible = state.log.visible(&state.filter);
    let chosen = visible.get(state.log.place(&visible)).map(|entry| entry.number);
    if chosen == Some(number) {
        go_to(state, now);
    } else {
        state.log.choose(number);
        state.detail.scroll = 0;
    }
}

/// Shows the list with the lock of the chosen event chosen in it.
pub(super) fn go_to(state: &mut State, now: Instant) {
    let Some(event) = state.log.chosen(&state.filter) else { return };
    let id = event.id.clone();
    let place =
        (0..state.lines()).find(|at| state.choice(*at).is_some_and(|choice| choice.lock == id));
    if let Some(place) = place {
        show(state);
        state.choose(place);
    } else if state.rows.has(&id) {
        state.warn("the filter leaves that lock out of the list", now);
    } else {
        state.warn("nobody holds that lock any more", now);
    }
}
