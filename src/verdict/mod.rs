//! From evidence to a verdict: policy, rules, label.

mod evidence;
mod finding;
mod judge;
mod policy;
pub mod rules;

pub use evidence::*;
pub use finding::{Change, Finding, Gate, Label, Level, Outcome, Position, Verdict};
pub(crate) use judge::is_end;
pub use judge::judge;
pub use policy::{Limit, Override, Policy, Preset, Setting, Severity};
