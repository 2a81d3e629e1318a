//! Unlearning and retraining on the embedded trainer: EC, the methods it plugs into, and the
//! reference that verdicts are judged against.

mod augment;
mod base;
mod batches;
mod ec;
mod remediate;
mod retrain;
mod settings;
mod task;

pub use augment::Shift;
pub use base::{Base, Scored};
pub use ec::unlearn;
pub use remediate::{Remediation, Remedied, remediate, repair};
pub use retrain::{Normalization, Recipe, Retraining, retrain};
pub use settings::{AUDIT_EVERY, Auxiliaries, Ec, Method, Unlearning};
pub use task::{Task, TaskRequest};

use std::collections::BTreeMap;

/// Values of the parameters that were trained, by initializer.
pub type Parameters = BTreeMap<String, Vec<f32>>;

/// Is told how a training goes.
pub trait Progress {
    /// A phase of `steps` steps begins.
    fn begin(&self, phase: &str, steps: usize);
    /// A step is done; `losses` are the named parts of its loss.
    fn step(&self, losses: &[(&str, f64)]);
    /// The phase is over.
    fn end(&self);
    /// Whether somebody wants the training to stop at once.
    fn interrupted(&self) -> bool;
}

/// Looks at the parameters after an epoch, counted from 1; `true` ends the training.
pub type AfterEpoch<'a> =
    &'a mut dyn FnMut(usize, &dyn Fn() -> crate::Result<Parameters>) -> crate::Result<bool>;

/// Fails once an interruption was asked for.
fn go_on(progress: &dyn Progress) -> crate::Result<()> {
    if progress.interrupted() { Err(crate::Error::Interrupted) } else { Ok(()) }
}
