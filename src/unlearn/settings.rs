//! How a model unlearns: methods and their constants.

use super::base::Base;
use crate::onnx::Selection;
use crate::{Error, Result};

/// What is done beside the base method.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// EC.
    Ec(Ec),
    /// Nothing: the base method alone.
    BaseOnly,
}

/// Whether the auxiliary modules move while the network unlearns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auxiliaries {
    /// They stay as they were pre-trained: only the network can lower the loss.
    Frozen,
    /// They are trained along.
    Trained,
}

/// The constants of EC.
#[derive(Clone, Debug, PartialEq)]
pub struct Ec {
    /// Which layers are supervised.
    pub selection: Selection,
    /// Temperature of the contrastive loss.
    pub temperature: f64,
    /// Weight of the contrastive loss on forget samples.
    pub contrast: f64,
    /// Weight of the cross-entropy on retain samples.
    pub supervision: f64,
    /// Features at the end of each auxiliary module.
    pub dimension: usize,
    /// Epochs of pre-training of the auxiliary modules.
    pub pretraining: usize,
    /// Whether they move after that.
    pub auxiliaries: Auxiliaries,
    /// Whether the retain side of the contrastive loss is taken as constant.
    pub detach_retain: bool,
}

/// How a model unlearns.
#[derive(Clone, Debug, PartialEq)]
pub struct Unlearning {
    /// Beside the base.
    pub method: Method,
    /// The loss on the scores.
    pub base: Base,
    /// Its weight beside the method's at the start. Beside EC it falls linearly to 0 half way
    /// through: a base that treats forget samples unlike all others, as random labels do, keeps a
    /// mark on them in the features, and EC must have the last word.
    pub base_weight: f64,
    /// Passes over the retain samples.
    pub epochs: usize,
    /// The largest step size.
    pub learning_rate: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// The longest gradient that a step follows.
    pub clip: f64,
    /// Retain samples a step.
    pub retain_batch: usize,
    /// Forget samples a step.
    pub forget_batch: usize,
}

impl Unlearning {
    /// Checks that there is something to follow, and samples to follow it on.
    ///
    /// # Errors
    /// When neither the method nor the base has a loss, or a step no forget or no retain samples.
    pub fn check(&self) -> Result<()> {
        if self.method == Method::BaseOnly && self.base == Base::None {
            return Err(Error::input(
                "--base none",
                "there is no loss to follow: --method none leaves the base alone",
                "give --base finetune, random-label or neg-grad, or --method ec",
            ));
        }
        if self.retain_batch == 0 || self.forget_batch == 0 {
            return Err(Error::input(
                "the batch of a step",
                format!("{} retain and {} forget samples", self.retain_batch, self.forget_batch),
                "give at least one of each (--batch-size, --forget-batch-size)",
            ));
        }
        Ok(())
    }
}

/// Audits come after every so many epochs.
pub const AUDIT_EVERY: usize = 5;

impl Default for Ec {
    fn default() -> Self {
        Self {
            selection: Selection::Automatic,
            temperature: 0.5,
            contrast: 3.0,
            supervision: 1.0,
            dimension: 64,
            pretraining: 10,
            auxiliaries: Auxiliaries::Frozen,
            detach_retain: false,
        }
    }
}

impl Default for Unlearning {
    fn default() -> Self {
        Self {
            method: Method::Ec(Ec::default()),
            base: Base::None,
            base_weight: 1.0,
            epochs: 30,
            learning_rate: 0.03,
            momentum: 0.9,
            decay: 0.0,
            clip: 1.0,
            retain_batch: 64,
            forget_batch: 32,
        }
    }
}
