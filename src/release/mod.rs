//! Freeing a lock that somebody else has, with the least harm.
//!
//! [`plans`] gives the ways there are, least harm first. Each [`Plan`] says in words what it will do,
//! what it frees, and what is lost if the judgement is wrong; [`Plan::perform`] carries out that very
//! value: it takes hold of the processes that it names, looks again whether its grounds still hold,
//! acts, and looks again at what came of it. Every act is a line in the [`AuditLog`], before and
//! after.

mod audit;
mod escrow;
mod method;
mod perform;
mod plan;
mod propose;

pub use audit::{AuditLog, Entry, Who};
pub use escrow::Escrow;
pub use method::Method;
pub use perform::{GRACE, Outcome, Progress};
pub use plan::{Obstacle, Plan, Victim};
pub use propose::{end_waiter, plans};
