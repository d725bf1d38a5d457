//! The dashboard: events → actions → state → picture.

mod action;
mod cells;
mod events;
mod filter;
mod graph;
mod jobs;
mod keys;
mod line;
mod log;
mod mine;
mod order;
mod release;
mod rows;
#[cfg(test)]
mod samples;
mod sort;
mod state;
mod terminal;
mod text;
mod theme;
mod trace;
mod tree;
mod update;
mod view;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use locktop::model::{LockId, Target};
use locktop::watch::{Report, Watcher};
use locktop::{Error, Folders, console};
use ratatui::layout::Position;

use action::{Action, Step};
use events::Event;
use jobs::Jobs;
use mine::News;
use release::Dialog;
use state::{Overlay, State};
use terminal::Terminal;
use theme::Theme;
use update::{Effect, hear, hear_plans, update};

/// Ages grow once a second.
const TICK: Duration = Duration::from_secs(1);
/// So many lines for a turn of the wheel.
const WHEEL: i32 = 3;

/// What the dashboard shows, and how.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Options {
    /// Only these locks; none: all.
    pub(crate) targets: Vec<Target>,
    /// Whether colours may be used.
    pub(crate) colour: bool,
    /// Whether only ASCII may be drawn.
    pub(crate) ascii: bool,
    /// Whether no lock may be waited for, taken or freed.
    pub(crate) read_only: bool,
    /// Whether the kernel is to tell what happens at its instant.
    pub(crate) trace: bool,
}

/// Why the dashboard could not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing could be seen at all, or the targets make no sense.
    Look(Error),
    /// The terminal did not play along.
    Terminal(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Look(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

/// How the dashboard ended.
enum End {
    Quit,
    Signal(i32),
}

impl End {
    /// The terminal is gone; as if the one who would tell us had.
    const LOST: Self = Self::Signal(console::HANGUP);
}

/// Runs the dashboard on the terminal until somebody leaves it. A signal that ends it ends the
/// process, once everything is given back and the terminal is as it was.
pub(crate) fn run(options: Options) -> Result<(), Failure> {
    let theme = Theme::new(options.colour, options.ascii);
    let (send, events) = channel();
    let jobs = Jobs::new(send.clone());
    let last = jobs.clone();
    let mut terminal = Terminal::take(move || last.end())?;
    events::signals(send.clone(), jobs.clone())?;
    events::input(send.clone())?;
    let watcher = Watcher::start(options.targets, Folders::Below, move |report| {
        // The dashboard is about to end when it does not listen any more.
        let _ = send.send(Event::Report(report));
    })?;
    let mut state = State::new(std::process::id(), options.read_only, TimeZone::system());
    if options.trace {
        state.trace.wanted = true;
        watcher.trace(true);
    }
    let asked = Instant::now();
    let mut dashboard = Dashboard { state, theme, watcher, jobs, asked, chosen: None };
    let end = dashboard.run(&mut terminal, &events);
    dashboard.decline_what_is_asked();
    dashboard.jobs.end();
    drop((dashboard, terminal));
    match end? {
        End::Quit => Ok(()),
        End::Signal(signal) => console::die_of(signal),
    }
}

struct Dashboard {
    state: State,
    theme: Theme,
    watcher: Watcher,
    jobs: Jobs,
    /// When a look was last asked for since somebody decides.
    asked: Instant,
    /// The lock of which most is told.
    chosen: Option<LockId>,
}

impl Dashboard {
    fn run(&mut self, terminal: &mut Terminal, events: &Receiver<Event>) -> Result<End, Failure> {
        loop {
            let end = self.paint(terminal).and_then(|()| self.wait(terminal, events));
            match end {
                Ok(None) => {}
                Ok(Some(end)) => return Ok(end),
                Err(Failure::Terminal(error)) if console::is_loss(&error) => return Ok(End::LOST),
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Whoever was asked has gone.
    fn decline_what_is_asked(&self) {
        let plans = self.state.dialog().map(Dialog::unconfirmed).unwrap_or_default();
        if !plans.is_empty() {
            self.jobs.decline(plans, "there was no answer");
        }
    }

    fn paint(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        let area = terminal.area()?;
        let picture = view::draw(&self.state, &self.theme, Instant::now(), area);
        self.state.screen = picture.screen.clone();
        Ok(terminal.show(picture)?)
    }

    /// Waits for something to happen, and takes in everything that has by then.
    fn wait(
        &mut self,
        terminal: &mut Terminal,
        events: &Receiver<Event>,
    ) -> Result<Option<End>, Failure> {
        match events.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(End::LOST)),
            Ok(first) => {
                for event in [first].into_iter().chain(events.try_iter()) {
                    if let Some(end) = self.take(event, terminal)? {
                        return Ok(Some(end));
                    }
                }
            }
        }
        let now = Instant::now();
        self.state.tick(now);
        self.keep_up(now);
        self.wonder();
        Ok(None)
    }

    /// While somebody decides what is done to a lock, it is looked more often than a picture wants.
    fn keep_up(&mut self, now: Instant) {
        let is_open = self.state.dialog().is_some_and(Dialog::is_open);
        if is_open && now.saturating_duration_since(self.asked) >= TICK {
            self.asked = now;
            self.watcher.look_now();
        }
    }

    /// Of the chosen lock more is found out than of the others.
    fn wonder(&mut self) {
        let chosen = self.state.chosen_lock().map(|shown| shown.lock.id.clone());
        if chosen != self.chosen {
            self.watcher.wonder_about(chosen.clone());
            self.chosen = chosen;
        }
    }

    fn take(&mut self, event: Event, terminal: &mut Terminal) -> Result<Option<End>, Failure> {
        let action = match event {
            Event::Mine(number, news) => {
                let is_change = !matches!(news, News::Waiting(_) | News::Doing(_));
                let effect = hear(&mut self.state, number, news, Instant::now());
                if is_change {
                    self.watcher.look_now();
                }
                return effect.map_or(Ok(None), |effect| self.carry_out(effect, terminal));
            }
            Event::Plans(number, found) => {
                hear_plans(&mut self.state, number, found);
                None
            }
            Event::Trouble(why) => {
                self.state.warn(why, Instant::now());
                None
            }
            Event::Signal(signal) => return Ok(Some(End::Signal(signal))),
            Event::Lost => return Ok(Some(End::LOST)),
            Event::Resized => {
                // Perhaps back to a size of which the terminal kept less than we showed.
                terminal.forget()?;
                None
            }
            Event::Report(report) => {
                self.receive(report)?;
                None
            }
            Event::Continued => {
                terminal.resume()?;
                self.watcher.look_now();
                None
            }
            Event::Stop => {
                terminal.suspend()?;
                None
            }
            Event::Input(input) => self.action(&input),
        };
        let effect = action.and_then(|action| update(&mut self.state, action, Instant::now()));
        match effect {
            Some(effect) => self.carry_out(effect, terminal),
            None => Ok(None),
        }
    }

    /// A failure of the first look is the answer; later ones pass.
    fn receive(&mut self, report: Report) -> Result<(), Failure> {
        let first = self.state.rows.snapshot().is_none();
        let mut report = report;
        if first {
            match report.outcome {
                Err(error) => return Err(error.into()),
                Ok(mut seen) => {
                    let selection = seen.selection?;
                    seen.selection = Ok(selection);
                    report.outcome = Ok(seen);
                }
            }
        }
        let traced = self.state.trace.wanted;
        self.state.receive(report);
        if traced && !self.state.trace.wanted {
            // It was refused: the next wish is another attempt.
            self.watcher.trace(false);
        }
        Ok(())
    }

    fn action(&self, input: &Input) -> Option<Action> {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                keys::action(self.state.mode(), *key)
            }
            Input::Mouse(mouse) => self.click(*mouse),
            _ => None,
        }
    }

    fn click(&self, mouse: MouseEvent) -> Option<Action> {
        let screen = &self.state.screen;
        let at = Position { x: mouse.column, y: mouse.row };
        let wheel = |lines| {
            let over_detail = match self.state.overlays.last() {
                None => screen.detail.area.contains(at),
                Some(overlay) => matches!(overlay, Overlay::Release(_)),
            };
            let step = Step::Lines(lines);
            Some(if over_detail { Action::ScrollDetail(step) } else { Action::Move(step) })
        };
        match mouse.kind {
            MouseEventKind::ScrollUp => wheel(-WHEEL),
            MouseEventKind::ScrollDown => wheel(WHEEL),
            MouseEventKind::Down(MouseButton::Left) => {
                let hit = screen.hits.iter().rev().find(|(area, _)| area.contains(at));
                let (_, action) = hit?;
                // Under a menu or page only what belongs to it can be clicked.
                let page = matches!(self.state.overlays.last(), Some(Overlay::Page { .. }));
                (!page).then(|| action.clone())
            }
            _ => None,
        }
    }

    fn carry_out(
        &mut self,
        effect: Effect,
        terminal: &mut Terminal,
    ) -> Result<Option<End>, Failure> {
        match effect {
            Effect::Quit => return Ok(Some(End::Quit)),
            Effect::Die(signal) => return Ok(Some(End::Signal(signal))),
            Effect::Suspend if console::has_shell() => console::stop_job()?,
            Effect::Suspend => {
                self.state.say("no shell is there to come back from", Instant::now());
            }
            Effect::Copy(text) => terminal.copy(&text)?,
            Effect::Begin(number, order) => {
                self.jobs.begin(number, order);
                self.watcher.look_now();
            }
            Effect::Cancel(number) => self.jobs.cancel(number),
            Effect::GiveBack(number) => self.jobs.give_back(number),
            Effect::Plan(number, locks) => {
                if let Some(snapshot) = self.state.newest() {
                    self.jobs.plan(number, Arc::clone(snapshot), locks);
                }
            }
            Effect::Free(acts) => self.jobs.free(acts),
            Effect::Decline(plans, reason) => self.jobs.decline(plans, reason),
            Effect::HandOver(numbers) => self.jobs.hand_over(&numbers),
            Effect::Bell => terminal.ring()?,
            Effect::Trace(on) => self.watcher.trace(on),
            Effect::Refresh => {
                self.watcher.look_now();
                terminal.forget()?;
            }
        }
        Ok(None)
    }
}
