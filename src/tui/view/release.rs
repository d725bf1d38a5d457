//! The dialog in which locks are freed.

use std::time::Instant;

use locktop::model::short;
use locktop::release::{GRACE, Method, Obstacle, Plan, Progress};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::Painter;
use super::pen::Run;
use crate::tui::action::Action;
use crate::tui::keys::{self, Mode};
use crate::tui::line::Line;
use crate::tui::mine::{Doing, End, Entry, Number, Stage as Task};
use crate::tui::release::{Dialog, Offer, Stage};
use crate::tui::state::Extent;
use crate::tui::text;
use crate::tui::theme::Role;

/// Lines that are longer are hard to read.
const WIDEST: u16 = 92;
/// On less there is no frame.
const FRAMED: (u16, u16) = (34, 8);
/// The column of methods.
const METHOD: usize = 11;
/// Before what is told of an offer.
const INDENT: usize = 4;

/// Lines of the dialog; those of an offer know which it is.
type Lines = Vec<(Option<usize>, Vec<Run>)>;

impl Painter<'_> {
    pub(super) fn draw_release(&mut self, area: Rect, dialog: &Dialog) {
        let width = area.width.min(WIDEST);
        let is_framed = area.width >= FRAMED.0 && area.height >= FRAMED.1;
        let room = usize::from(width.saturating_sub(if is_framed { 4 } else { 2 }));
        let lines = self.release_lines(dialog, room);
        let head = self.release_head(dialog, room);
        let is_short = |lines: usize| u16::try_from(lines).unwrap_or(u16::MAX);
        let height = is_short(lines.len() + head.len() + 4).min(area.height);
        // Nothing but this and the keys can be clicked.
        self.screen.hits.retain(|(hit, _)| hit.y >= area.bottom());
        let inner = if is_framed {
            let inner = self.draw_popup(area, width, height, &title(dialog));
            Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
        } else {
            self.pen.clear(area, self.pen.style(Role::Plain));
            Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area }
        };
        let [answer, rest] = split_off(inner, dialog);
        self.draw_answer(answer, dialog);
        // What is wrong is told as far as something of the plans can be seen too.
        let head_room = usize::from(rest.height.saturating_sub(3)).min(head.len());
        for (line, runs) in rest.rows().zip(&head[..head_room]) {
            self.pen.runs(line, runs);
        }
        let told = head_room as u16;
        let body = Rect { y: rest.y + told, height: rest.height - told, ..rest };
        self.draw_offers(body, dialog, &lines);
    }

    fn draw_offers(&mut self, area: Rect, dialog: &Dialog, lines: &Lines) {
        let chosen = if dialog.stage == Stage::Choosing { dialog.at } else { None };
        let is_of = |at: usize| move |line: &(Option<usize>, Vec<Run>)| line.0 == Some(at);
        let first = match (dialog.scroll, chosen) {
            (Some(scroll), _) => scroll,
            (None, None) => 0,
            (None, Some(at)) => {
                // As much of it as there is room for, its head before its end.
                let begin = lines.iter().position(is_of(at)).unwrap_or_default();
                let end = lines.iter().rposition(is_of(at)).unwrap_or_default();
                let first = Extent::around(area, self.state.screen.page.first, lines.len(), end);
                first.first.min(begin)
            }
        };
        let extent = Extent::scrolled(area, first, lines.len());
        for (line, at) in area.rows().zip(extent.first..lines.len()) {
            let (offer, runs) = &lines[at];
            self.pen.runs(line, runs);
            let Some(offer) = *offer else { continue };
            let is_head = at == 0 || lines[at - 1].0 != Some(offer);
            self.mark(line, false, is_head && chosen == Some(offer));
            self.screen.hits.push((line, Action::ChooseOffer(offer)));
        }
        self.draw_rest(extent);
        self.screen.page = extent;
    }

    /// The line on which one agrees or not.
    fn draw_answer(&mut self, line: Rect, dialog: &Dialog) {
        if line.height == 0 {
            return;
        }
        let plain = self.pen.style(Role::Plain);
        match &dialog.stage {
            Stage::Looking | Stage::Choosing => {
                self.pen.write(line.x + 2, line.y, line.width.saturating_sub(2), CANCEL, plain);
                self.mark(line, false, dialog.at.is_none());
                self.screen.hits.push((line, Action::Back));
            }
            Stage::Asking { yes } => {
                let answers = [
                    ("no, touch nothing", false, Action::Back),
                    ("yes, do it", true, Action::Agree),
                ];
                let mut x = line.x;
                for (word, is, action) in answers {
                    let width = (text::width(word) + 4) as u16;
                    let button = Rect { x, width, ..line }.intersection(line);
                    self.pen.write(x + 2, line.y, button.width.saturating_sub(2), word, plain);
                    self.mark(button, false, is == *yes);
                    self.screen.hits.push((button, action));
                    x = (x + width).min(line.right());
                }
            }
            Stage::Typing { line: typed, wrong } => {
                let word = dialog.offer().and_then(Offer::word).unwrap_or_default();
                self.draw_word(line, word, typed, *wrong);
            }
            Stage::Acting(numbers) => {
                let goes_on =
                    self.entries(numbers).any(|it| matches!(it.stage, Task::Freeing { .. }));
                let said = if goes_on { "close; it goes on" } else { "close" };
                self.pen.write(line.x + 2, line.y, line.width.saturating_sub(2), said, plain);
                self.mark(line, false, true);
                self.screen.hits.push((line, Action::Back));
            }
        }
    }

    fn draw_word(&mut self, line: Rect, word: &str, typed: &Line, wrong: bool) {
        let (ask, role) = if wrong {
            (format!("no: type '{word}', or nothing: "), Role::Alarm)
        } else {
            (format!("to do that, type '{word}': "), Role::Key)
        };
        let x = self.pen.write(line.x, line.y, line.width, &ask, self.pen.style(role));
        let room = line.right().saturating_sub(x + 1);
        let shown = locktop::model::harmless(typed.text()).into_owned();
        let shown = text::end(&shown, room.into());
        let x = self.pen.write(x, line.y, room, shown, self.pen.style(Role::Plain));
        self.cursor = Some(Position { x: x.min(line.right().saturating_sub(1)), y: line.y });
    }

    /// What is not as it was, and the verdicts.
    fn release_head(&self, dialog: &Dialog, room: usize) -> Vec<Vec<Run>> {
        let mut lines = Vec::new();
        let alarm = self.pen.style(Role::Alarm);
        let changed = dialog.subjects.iter().filter_map(|it| Some((&it.name, it.change?)));
        for (name, change) in changed {
            let key = keys::letter(Mode::Release, &Action::LookAgain);
            let said = match dialog.stage {
                Stage::Choosing | Stage::Looking => {
                    format!("Changed: {name}: {change}. {key} looks again.")
                }
                _ => format!("Changed: {name}: {change}. Nothing is done any more."),
            };
            lines.extend(wrapped(&said, room, 0, alarm));
        }
        lines
    }

    fn release_lines(&self, dialog: &Dialog, room: usize) -> Lines {
        let mut lines = Lines::new();
        match &dialog.stage {
            Stage::Looking => {
                let said = format!("looking for the ways to free it{}", self.pen.theme.glyphs.cut);
                lines.push((None, vec![(said, self.pen.style(Role::Plain))]));
            }
            Stage::Choosing => self.tell_choice(&mut lines, dialog, room),
            Stage::Asking { .. } | Stage::Typing { .. } => {
                self.tell_question(&mut lines, dialog, room);
            }
            Stage::Acting(numbers) => {
                for entry in self.entries(numbers) {
                    self.tell_act(&mut lines, entry, room);
                }
            }
        }
        while lines.last().is_some_and(|(_, runs)| runs.is_empty()) {
            lines.pop();
        }
        lines
    }

    fn entries<'a>(&'a self, numbers: &'a [Number]) -> impl Iterator<Item = &'a Entry> {
        self.state.mine.iter().filter(|entry| numbers.contains(&entry.number))
    }

    /// Why, and every offer.
    fn tell_choice(&self, lines: &mut Lines, dialog: &Dialog, room: usize) {
        let style = self.pen.style(Role::Plain);
        for subject in &dialog.subjects {
            let said = match &dialog.subjects[..] {
                [_] => subject.why.clone(),
                _ => format!("{}: {}", subject.name, subject.why),
            };
            lines.extend(wrapped(&said, room, 0, style).map(|runs| (None, runs)));
        }
        lines.push((None, Vec::new()));
        if dialog.offers.is_empty() {
            let said = "There is no way to free it from here.";
            lines.extend(wrapped(said, room, 0, style).map(|runs| (None, runs)));
        }
        let mut tells_waiters = false;
        for (at, offer) in dialog.offers.iter().enumerate() {
            let is_waiter = offer.name.is_none() && offer.plans.iter().all(is_of_waiter);
            if is_waiter && !tells_waiters {
                tells_waiters = true;
                let said = "or end one who waits for it; the lock stays where it is:";
                lines.extend(wrapped(said, room, 0, style).map(|runs| (None, runs)));
            }
            let told = match (&offer.name, &offer.plans[..]) {
                (None, [plan]) if is_waiter => self.briefly(plan, room),
                (None, [plan]) => self.plan(plan, room),
                (name, plans) => self.plans(name.as_deref().unwrap_or_default(), plans, room),
            };
            lines.extend(told.into_iter().map(|runs| (Some(at), runs)));
            if !is_waiter {
                lines.push((None, Vec::new()));
            }
        }
    }

    /// `terminate  sleep (pid 12)`.
    fn plan_head(&self, plan: &Plan, room: usize) -> Vec<Vec<Run>> {
        let roles = if plan.is_possible() {
            [Role::Title, Role::Plain]
        } else {
            [Role::Muted, Role::Muted]
        };
        let [title, style] = roles.map(|role| self.pen.style(role));
        let mut whom = plan.whom();
        if whom.is_empty() {
            whom = "somebody who cannot be seen".into();
        }
        let width = METHOD + 2;
        let head = text::pad(&format!("  {}", plan.method), width);
        let heads = std::iter::once(head).chain(std::iter::repeat(text::pad("", width)));
        let names = text::wrap(&whom, room.saturating_sub(width));
        heads.zip(names).map(|(head, name)| vec![(head, title), (name, style)]).collect()
    }

    /// What a plan does, what it frees, and what it may cost; or why it cannot be.
    fn plan(&self, plan: &Plan, room: usize) -> Vec<Vec<Run>> {
        let mut lines = self.plan_head(plan, room);
        if let Some(obstacle) = &plan.obstacle {
            let said = format!("not possible here: {}", with_help(obstacle));
            lines.extend(wrapped(&said, room, INDENT, self.pen.style(Role::Muted)));
            return lines;
        }
        lines.extend(self.steps(plan, room));
        lines.extend(wrapped(&plan.frees, room, INDENT, self.pen.style(Role::Plain)));
        lines.extend(self.harm(plan, room));
        lines
    }

    fn steps(&self, plan: &Plan, room: usize) -> Vec<Vec<Run>> {
        let key = self.pen.style(Role::Key);
        plan.steps.iter().flat_map(|step| wrapped(step, room, INDENT, key)).collect()
    }

    fn harm(&self, plan: &Plan, room: usize) -> Vec<Vec<Run>> {
        let role = if plan.wants_word() { Role::Alarm } else { Role::Warning };
        let doubt =
            plan.unproven.as_ref().map(|why| format!("Not proven to be left behind: {why}"));
        let worst = format!("At worst: {}", plan.harm);
        let said = doubt.into_iter().chain([worst]);
        said.flat_map(|said| wrapped(&said, room, INDENT, self.pen.style(role)).collect::<Vec<_>>())
            .collect()
    }

    /// One who waits.
    fn briefly(&self, plan: &Plan, room: usize) -> Vec<Vec<Run>> {
        let mut lines = self.plan_head(plan, room);
        if let Some(obstacle) = &plan.obstacle {
            let said = format!("not possible here: {}", with_help(obstacle));
            lines.extend(wrapped(&said, room, INDENT, self.pen.style(Role::Muted)));
        }
        lines
    }

    /// One plan for each lock.
    fn plans(&self, name: &str, plans: &[Plan], room: usize) -> Vec<Vec<Run>> {
        let mut lines: Vec<_> = wrapped(name, room, 2, self.pen.style(Role::Title)).collect();
        for plan in plans {
            let (said, role) = match &plan.obstacle {
                Some(obstacle) => {
                    let why = with_help(obstacle);
                    (
                        format!("{}: {}, not possible here: {why}", plan.name, plan.method),
                        Role::Muted,
                    )
                }
                None => (format!("{}: {} {}", plan.name, plan.method, plan.whom()), Role::Plain),
            };
            lines.extend(wrapped(&said, room, INDENT, self.pen.style(role)));
        }
        lines
    }

    /// What is about to be done to whom: first everybody, then each act.
    fn tell_question(&self, lines: &mut Lines, dialog: &Dialog, room: usize) {
        let Some(offer) = dialog.offer() else { return };
        let (title, plain) = (self.pen.style(Role::Title), self.pen.style(Role::Plain));
        let to_do = || offer.plans.iter().filter(|plan| plan.is_possible());
        let heads = to_do().map(|plan| format!("{}: {} {}", plan.name, plan.method, plan.whom()));
        let mut told: Vec<Vec<Run>> =
            heads.flat_map(|head| wrapped(&head, room, 0, title)).collect();
        for plan in &offer.plans {
            let Some(obstacle) = &plan.obstacle else { continue };
            let said = format!("{} stays as it is: {}", plan.name, with_help(obstacle));
            told.extend(wrapped(&said, room, 0, self.pen.style(Role::Warning)));
        }
        for plan in to_do() {
            if offer.plans.len() > 1 {
                told.push(Vec::new());
                told.extend(wrapped(&plan.name, room, 2, title));
            }
            told.extend(self.steps(plan, room));
            told.extend(wrapped(&plan.frees, room, INDENT, plain));
            told.extend(self.harm(plan, room));
        }
        lines.extend(told.into_iter().map(|runs| (None, runs)));
    }

    /// How an act goes, or what came of it.
    fn tell_act(&self, lines: &mut Lines, entry: &Entry, room: usize) {
        let Some(plan) = entry.plan() else { return };
        let mut tell = |said: &str, indent, role| {
            let told = wrapped(said, room, indent, self.pen.style(role));
            lines.extend(told.map(|runs| (None, runs)));
        };
        tell(&format!("{}: {} {}", plan.name, plan.method, plan.whom()), 0, Role::Title);
        for (said, role) in self.told_act(entry) {
            tell(&said, INDENT, role);
        }
        lines.push((None, Vec::new()));
    }

    /// How freeing a lock goes, or what came of it, in sentences.
    pub(super) fn told_act(&self, entry: &Entry) -> Vec<(String, Role)> {
        let mut told = Vec::new();
        if let Task::Freeing { doing, .. } = &entry.stage {
            told.push((self.doing(doing), Role::Plain));
        }
        if let Some(came) = entry.came() {
            let role = if came.freed { Role::Good } else { Role::Alarm };
            told.push((came.text.clone(), role));
            // What frees a lock says itself who has it then.
            let moves_nothing =
                |plan: &Plan| matches!(plan.method, Method::Resume | Method::EndWaiter);
            if entry.plan().is_some_and(moves_nothing) {
                told.push((format!("Has the lock now: {}.", came.now), Role::Plain));
            }
            told.extend(came.next.as_ref().map(|next| (format!("Next: {next}."), Role::Plain)));
            let unlogged = came.unlogged.as_ref();
            told.extend(unlogged.map(|why| {
                (format!("It was done, and could not be written down: {why}"), Role::Alarm)
            }));
        } else if let Some(trouble) = entry.trouble() {
            told.push((trouble.to_owned(), Role::Alarm));
        }
        match &entry.stage {
            Task::Kept { .. } => {
                let lasted = short(entry.lasted(self.now));
                let key = keys::letter(Mode::Mine, &Action::GiveBack);
                let key = if self.state.mine.shown || self.state.dialog().is_some() {
                    key.to_string()
                } else {
                    format!("{}, then {key},", keys::letter(Mode::List, &Action::Mine))
                };
                told.push((format!("Kept for {lasted}. {key} hands it over."), Role::Key));
            }
            Task::HandingOver { .. } => told.push(("Being handed over.".into(), Role::Plain)),
            Task::Over { end: End::HandedOver(text), .. } => {
                told.push((text.clone(), Role::Good));
            }
            Task::Over { end: End::Untouched(_), .. } if self.state.dialog().is_some() => {
                let key = keys::letter(Mode::Release, &Action::LookAgain);
                told.push((format!("{key} looks again."), Role::Key));
            }
            _ => {}
        }
        told
    }

    /// `waiting for the end of 12, 3 s of 5 s`.
    fn doing(&self, doing: &Doing) -> String {
        match doing {
            Doing::Queued => "its turn comes".into(),
            Doing::Checking => "looking whether all is as it was seen".into(),
            Doing::Step(step @ Progress::WaitsFor(_), since) => {
                let so_far = self.since(*since).min(GRACE.as_secs());
                format!("{step}, {so_far} s of {} s", GRACE.as_secs())
            }
            Doing::Step(step, _) => step.to_string(),
        }
    }

    fn since(&self, begun: Instant) -> u64 {
        self.now.saturating_duration_since(begun).as_secs()
    }
}

const CANCEL: &str = "cancel: touch nothing";

/// Where nothing is agreed to yet, to touch nothing has the first line; a question has the last.
fn split_off(inner: Rect, dialog: &Dialog) -> [Rect; 2] {
    let blank = u16::from(inner.height > 6);
    let height = 1.min(inner.height);
    let rest = inner.height.saturating_sub(height + blank);
    match dialog.stage {
        Stage::Looking | Stage::Choosing => {
            [Rect { height, ..inner }, Rect { y: inner.bottom() - rest, height: rest, ..inner }]
        }
        _ => [Rect { y: inner.bottom() - height, height, ..inner }, Rect { height: rest, ..inner }],
    }
}

fn title(dialog: &Dialog) -> String {
    match &dialog.subjects[..] {
        [only] => format!("Release {}", only.name),
        many => format!("Release {} locks", many.len()),
    }
}

fn is_of_waiter(plan: &Plan) -> bool {
    plan.victims.iter().all(|victim| victim.certainty.is_none()) && !plan.victims.is_empty()
}

fn with_help(obstacle: &Obstacle) -> String {
    match &obstacle.would_help {
        Some(help) => format!("{}; what would help: {help}", obstacle.text),
        None => obstacle.text.clone(),
    }
}

/// Lines of one style behind an indentation.
fn wrapped(
    said: &str,
    room: usize,
    indent: usize,
    style: Style,
) -> impl Iterator<Item = Vec<Run>> + use<> {
    let lines = text::wrap(said, room.saturating_sub(indent));
    let blank = text::pad("", indent);
    lines.into_iter().map(move |line| vec![(blank.clone(), Style::new()), (line, style)])
}
