//! The release dialog: the ways to free one lock or several, the question, and how it goes.

use locktop::model::{AsSeen, Lock, LockId, Method, Snapshot};
use locktop::release::{Cause, Plan};

use super::line::Line;
use super::mine::Number;

/// What is shown over the rest while somebody decides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dialog {
    /// Which search for plans it is about: the answer to another one is too late.
    pub(super) number: Number,
    /// The locks.
    pub(super) subjects: Vec<Subject>,
    /// What can be done, least harm first.
    pub(super) offers: Vec<Offer>,
    /// Which of them is chosen; `None`: to touch nothing.
    pub(super) at: Option<usize>,
    pub(super) stage: Stage,
    /// The first line that is shown, where somebody has scrolled.
    pub(super) scroll: Option<usize>,
}

/// A lock that the dialog is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) lock: LockId,
    /// Which it is, for people; harmless to print.
    pub(super) name: String,
    /// Its verdict and the reason, from outside.
    pub(super) why: String,
    as_seen: AsSeen,
    /// In which ways it could be freed.
    methods: &'static [Method],
    /// How it is other than it was seen, if it is; a clause.
    pub(super) change: Option<&'static str>,
}

/// How far the dialog has come.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    /// The plans are being made.
    Looking,
    /// Somebody chooses.
    Choosing,
    /// Somebody is asked; which answer is chosen.
    Asking { yes: bool },
    /// Somebody types the word; whether another one was tried.
    Typing { line: Line, wrong: bool },
    /// These are carried out, or were.
    Acting(Vec<Number>),
}

/// Something that can be done: a plan, or one for each lock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    /// What it is called, where it is more than one plan.
    pub(super) name: Option<String>,
    pub(super) plans: Vec<Plan>,
}

/// What was found for one lock.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// To free it, least harm first.
    pub(super) plans: Vec<Plan>,
    /// To end those who wait for it.
    pub(super) waiters: Vec<Plan>,
}

impl Dialog {
    /// About these locks; their plans are still to be found.
    pub(super) fn new(number: Number, subjects: Vec<Subject>) -> Self {
        let (offers, at, scroll) = (Vec::new(), None, None);
        Self { number, subjects, offers, at, stage: Stage::Looking, scroll }
    }

    /// Takes the plans in, unless they are for another search.
    pub(super) fn hear(&mut self, number: Number, found: Vec<Found>) {
        if self.number == number && self.stage == Stage::Looking {
            self.offers = Offer::all(found);
            self.at = self.at.and_then(|at| Some(at.min(self.offers.len().checked_sub(1)?)));
            self.stage = Stage::Choosing;
        }
    }

    /// Looks whether the locks are held as they were when the plans were made.
    pub(super) fn compare(&mut self, snapshot: &Snapshot) {
        if matches!(self.stage, Stage::Acting(_)) {
            return;
        }
        for subject in &mut self.subjects {
            subject.change = match snapshot.lock(&subject.lock) {
                None => Some("nobody has it any more"),
                Some(lock) if lock.as_seen != subject.as_seen => Some("it has other holders now"),
                Some(lock) if lock.methods != subject.methods => {
                    Some("its holders are in another state now")
                }
                Some(_) => None,
            };
        }
    }

    /// Whether somebody still decides: then it has to be known what is so.
    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Acting(_))
    }

    /// Whether what is shown is not so any more.
    pub(super) fn has_changed(&self) -> bool {
        self.subjects.iter().any(|subject| subject.change.is_some())
    }

    /// Whether it shows how that goes.
    pub(super) fn shows(&self, number: Number) -> bool {
        matches!(&self.stage, Stage::Acting(numbers) if numbers.contains(&number))
    }

    pub(super) fn offer(&self) -> Option<&Offer> {
        self.offers.get(self.at?)
    }

    /// What somebody has chosen and not yet agreed to.
    pub(super) fn unconfirmed(&self) -> Vec<Plan> {
        let is_asked = matches!(self.stage, Stage::Asking { .. } | Stage::Typing { .. });
        self.offer().filter(|_| is_asked).map(Offer::to_do).unwrap_or_default()
    }

    /// Goes back to where nothing is chosen; what had been.
    pub(super) fn give_up(&mut self) -> Vec<Plan> {
        let plans = self.unconfirmed();
        (self.stage, self.at, self.scroll) = (Stage::Choosing, None, None);
        plans
    }

    /// Asks for what is chosen.
    pub(super) fn ask(&mut self) {
        self.scroll = None;
        self.stage = match self.offer().and_then(Offer::word) {
            Some(_) => Stage::Typing { line: Line::default(), wrong: false },
            None => Stage::Asking { yes: false },
        };
    }
}

impl Subject {
    pub(super) fn of(lock: &Lock) -> Self {
        let why = lock.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        Self {
            lock: lock.id.clone(),
            name: super::cells::place(lock),
            why: format!("{}{why}.", lock.verdict.word()),
            as_seen: lock.as_seen,
            methods: lock.methods,
            change: None,
        }
    }
}

impl Offer {
    /// Of one lock: all its plans, and last those that end a waiter. Of several: the least harmful
    /// plan for each, and each method for all.
    fn all(mut found: Vec<Found>) -> Vec<Self> {
        if let [only] = &mut found[..] {
            // What is not proven can be agreed to: by the word, which says that somebody knows.
            let insisted = only.plans.drain(..).map(|plan| match &plan.obstacle {
                Some(obstacle) if obstacle.cause == Cause::Unproven => plan.insist(),
                _ => plan,
            });
            let plans = insisted.chain(only.waiters.drain(..));
            return plans.map(|plan| Self { name: None, plans: vec![plan] }).collect();
        }
        let least = found.iter().filter_map(|one| least_harm(&one.plans).cloned());
        let name = Some("the least harm for each".into());
        let mut offers = vec![Self { name, plans: least.collect() }];
        for method in Method::ALL {
            let plans = found.iter().flat_map(|one| &one.plans);
            let plans: Vec<Plan> = plans.filter(|plan| plan.method == method).cloned().collect();
            let is_known = offers.iter().any(|offer| offer.plans == plans);
            if plans.iter().any(Plan::is_possible) && !is_known {
                offers.push(Self { name: Some(format!("{method}, wherever possible")), plans });
            }
        }
        offers
    }

    /// What can be carried out.
    pub(super) fn to_do(&self) -> Vec<Plan> {
        self.plans.iter().filter(|plan| plan.is_possible()).cloned().collect()
    }

    pub(super) fn is_possible(&self) -> bool {
        self.plans.iter().any(Plan::is_possible)
    }

    /// The word that has to be typed before, if any plan wants one: that of the most harmful.
    pub(super) fn word(&self) -> Option<&'static str> {
        let plans = self.plans.iter().filter(|plan| plan.is_possible() && plan.wants_word());
        plans.map(|plan| plan.method).max().map(Method::word)
    }
}

/// The least harmful plan that can be carried out, one that wants no word typed and nobody to hand
/// over if there is any; else one that others could carry out, else the first.
fn least_harm(plans: &[Plan]) -> Option<&Plan> {
    let find = |wanted: &dyn Fn(&Plan) -> bool| plans.iter().find(|plan| wanted(plan));
    find(&|plan| plan.is_possible() && !plan.wants_word() && plan.method != Method::Escrow)
        .or_else(|| find(&Plan::is_possible))
        .or_else(|| {
            find(&|plan| matches!(&plan.obstacle, Some(by) if by.cause == Cause::Permission))
        })
        .or_else(|| plans.first())
}
