//! Unlearning methods on the outputs: what EC is added to, or what runs alone.

use burn_autodiff::Autodiff;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::train::{self, Tensor, cross_entropy};

/// A loss on the network's own scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Base {
    /// None.
    None,
    /// Cross-entropy on retain samples.
    FineTune,
    /// The mean cross-entropy of all samples, forget samples with a label drawn anew each time
    /// from the other classes (Amnesiac, Graves et al. 2021).
    RandomLabel,
    /// `a CE(retain) - (1 - a) CE(forget)`, NegGrad+ (Kurmanji et al. 2023).
    NegGrad {
        /// The retain side's share `a`.
        retain: f64,
    },
}

/// Scores and labels of one batch.
pub struct Scored<'a, B: train::Base> {
    /// Scores of the forget samples, `f x K`.
    pub forget: Tensor<Autodiff<B>>,
    /// Their labels.
    pub forget_labels: &'a [usize],
    /// Scores of the retain samples, `r x K`.
    pub retain: Tensor<Autodiff<B>>,
    /// Their labels.
    pub retain_labels: &'a [usize],
}

impl Base {
    /// The loss, `None` where there is none. Random labels are drawn from `classes`.
    pub fn loss<B: train::Base>(
        self,
        scored: Scored<B>,
        classes: &[usize],
        rng: &mut ChaCha8Rng,
    ) -> Option<Tensor<Autodiff<B>>> {
        let Scored { forget, forget_labels, retain, retain_labels } = scored;
        match self {
            Self::None => None,
            Self::FineTune => Some(cross_entropy(retain, retain_labels)),
            Self::RandomLabel => {
                let drawn = forget_labels.iter().map(|&own| {
                    let others: Vec<usize> =
                        classes.iter().copied().filter(|&c| c != own).collect();
                    match others.len() {
                        0 => own,
                        n => others[rng.random_range(0..n)],
                    }
                });
                let labels: Vec<usize> = drawn.chain(retain_labels.iter().copied()).collect();
                Some(cross_entropy(Tensor::concat(vec![forget, retain], 0), &labels))
            }
            Self::NegGrad { retain: share } => {
                let kept = cross_entropy(retain, retain_labels).mul_scalar(share);
                let lost = cross_entropy(forget, forget_labels).mul_scalar(1.0 - share);
                Some(kept.minus(lost))
            }
        }
    }
}
