//! From evidence to a verdict: policy, rules, label.

mod evidence;
mod finding;
mod judge;
mod policy;

pub use evidence::*;
pub use finding::{Finding, Label, Level, Outcome, Verdict};
pub use judge::judge;
pub use policy::Policy;
