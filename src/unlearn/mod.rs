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
pub use retrain::{LEAST, Normalization, Recipe, Retraining, retrain};
pub use settings::{AUDIT_EVERY, Auxiliaries, Ec, Method, Unlearning};
pub use task::{Task, TaskRequest};

use std::collections::{BTreeMap, BTreeSet};

use crate::onnx::Role;
use crate::train::{Engine, Tensor};

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

/// The steps of `epochs` passes.
fn steps(epochs: usize, per_epoch: usize) -> crate::Result<usize> {
    epochs.checked_mul(per_epoch).ok_or_else(|| {
        let problem = format!("{epochs} epochs of {per_epoch} steps are more than can be counted");
        crate::Error::input("--epochs", problem, "give fewer")
    })
}

/// A model's output as one row a sample, `samples x width`; `None` for any width.
fn rows<E: Engine>(
    tensor: Tensor<E>,
    samples: usize,
    width: Option<usize>,
) -> crate::Result<Tensor<E>> {
    let shape = tensor.shape();
    let columns = tensor.len() / samples.max(1);
    if shape.first() != Some(&samples) || width.is_some_and(|w| w != columns) {
        return Err(crate::Error::input(
            "training",
            format!("an output has shape {shape:?} for {samples} samples"),
            "the model must treat the samples of a batch one by one and return a score a class",
        ));
    }
    Ok(tensor.reshape(&[samples, columns]))
}

/// The parameters that weight decay is for: kernels and matrices. Norms, biases, positions and class
/// tokens have none, as in DeiT (Touvron et al. 2021); a table of words can't be told from positions.
fn decayed(parameters: &[(String, Role)]) -> BTreeSet<String> {
    let weights = parameters.iter().filter(|(_, role)| *role == Role::Weight);
    weights.map(|(name, _)| name.clone()).collect()
}
