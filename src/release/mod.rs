//! Freeing a lock that somebody else has, with the least harm.
//!
//! [`plans`] gives the ways there are, least harm first. Each [`Plan`] says in words what it will do,
//! what it frees, and what is lost if the judgement is wrong; [`Plan::perform`] carries out that very
//! value: it takes hold of the processes that it names, looks again whether its grounds still hold,
//! acts, and looks again at what came of it. Every act is a line in the [`AuditLog`], before and
//! after.
//!
//! ```no_run
//! use locktop::release::{self, AuditLog};
//!
//! let snapshot = locktop::Inspector::new()?.snapshot()?;
//! let lock = &snapshot.locks[0];
//! let plan = release::plans(lock, &snapshot).into_iter().find(|plan| plan.is_possible());
//! if let Some(plan) = plan {
//!     println!("{}\n{}\n{}", plan.steps.join("\n"), plan.frees, plan.harm);
//!     // Once somebody has agreed to that:
//!     let outcome = plan.perform(&AuditLog::usual()?, &mut |_| {})?;
//!     println!("{}", outcome.text);
//! }
//! # Ok::<(), locktop::Error>(())
//! ```

mod audit;
mod barrier;
mod escrow;
mod leftover;
mod outcome;
mod perform;
mod plan;
mod propose;
mod wording;

pub use audit::{AuditLog, Entry, Stage, Who};
pub use escrow::Escrow;
pub use leftover::leftovers;
pub use outcome::Outcome;
pub use perform::{GRACE, Progress};
pub use plan::{Cause, Grounds, Obstacle, Plan, Victim};
pub use propose::{end_waiter, plans, plans_against};
pub use wording::handed_over;

pub use crate::model::Method;
