//! Unlearning and retraining on the embedded trainer: EC, the methods it plugs into, and the
//! reference that verdicts are judged against.

mod base;
mod batches;
mod ec;
mod retrain;
mod task;

pub use base::Base;
pub use ec::{Auxiliaries, Ec, Method, Unlearning, unlearn};
pub use retrain::{Recipe, retrain};
pub use task::{Task, TaskRequest};

use std::collections::BTreeMap;

/// Values of the parameters that were trained, by initializer.
pub type Parameters = BTreeMap<String, Vec<f32>>;

/// Is told how a training goes.
pub trait Monitor {
    /// A phase of `steps` steps begins.
    fn begin(&self, phase: &str, steps: usize);
    /// A step is done; `losses` are named parts of its loss.
    fn step(&self, losses: &[(&str, f64)]);
    /// The phase is over.
    fn end(&self);
    /// Looks at the parameters after an epoch, counted from 1; `true` ends the training.
    ///
    /// # Errors
    /// Whatever looking at them led to, an interruption among them.
    fn epoch(&self, epoch: usize, parameters: &dyn Fn() -> crate::Result<Parameters>)
    -> crate::Result<bool>;
}
