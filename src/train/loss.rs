//! Losses on logits and on features.

use super::engine::Engine;
use super::ops::log_softmax_rows;
use super::tensor::Tensor;

/// The mean cross-entropy of `logits` (`n x K`) with `labels` (`n`), a scalar.
pub fn cross_entropy<E: Engine>(logits: Tensor<E>, labels: &[usize]) -> Tensor<E> {
    let classes = logits.shape()[1];
    let device = logits.device();
    let mut chosen = vec![0.0; labels.len() * classes];
    for (row, &label) in chosen.chunks_mut(classes).zip(labels) {
        row[label] = -1.0 / labels.len() as f32;
    }
    let chosen = Tensor::from_values(chosen, &[labels.len(), classes], &device);
    log_softmax_rows(logits).times(chosen).sum_all()
}

/// The settings of [`contrastive`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Divides the similarities.
    pub temperature: f64,
    /// Whether the retain side is taken as constant, so that only forget samples move.
    pub detach_retain: bool,
}

/// The contrastive unlearning loss on features `forget` (`f x d`) with their labels and `retain`
/// (`r x d`), a scalar:
///
/// `-mean_i mean_{j in N(i)} log(exp(z_i.z_j / t) / sum_{k in N(i) u P(i)} exp(z_i.z_k / t))`
///
/// over forget samples `i`; `z` are the features brought to length one, `N(i)` all retain samples
/// and the forget samples of other classes, `P(i)` the other forget samples of `i`'s own class. It
/// draws a forget sample towards all others and away from its own class (derived from Lee, Kim and
/// Kim 2026, arXiv 2602.05375, and Contrastive Unlearning, Lee et al. 2025).
pub fn contrastive<E: Engine>(
    forget: Tensor<E>,
    labels: &[usize],
    retain: Tensor<E>,
    settings: Contrast,
) -> Tensor<E> {
    let device = forget.device();
    let (f, r) = (forget.shape()[0], retain.shape()[0]);
    let columns = f + r;
    let retain = match settings.detach_retain {
        true => retain.map(E::float_detach),
        false => retain,
    };
    let own = unit_rows(forget);
    let all = Tensor::concat(vec![own.clone(), unit_rows(retain)], 0);
    let similar = own.matmul(all.permute(&[1, 0])).mul_scalar(1.0 / settings.temperature);

    let mut excluded = vec![0.0; f * columns];
    let mut weights = vec![0.0; f * columns];
    for (i, &label) in labels.iter().enumerate() {
        let row = i * columns;
        // Far below every similarity: its exponential is zero.
        excluded[row + i] = -1e9;
        let others = |j: usize| j >= f || labels[j] != label;
        let count = (0..columns).filter(|&j| others(j)).count();
        for j in (0..columns).filter(|&j| others(j)) {
            weights[row + j] = -1.0 / (count * f) as f32;
        }
    }
    let excluded = Tensor::from_values(excluded, &[f, columns], &device);
    let weights = Tensor::from_values(weights, &[f, columns], &device);
    log_softmax_rows(similar.plus(excluded)).times(weights).sum_all()
}

/// Rows of length one.
fn unit_rows<E: Engine>(x: Tensor<E>) -> Tensor<E> {
    let squares = x.clone().times(x.clone()).sum(&[1]);
    // A row of zeros stays one, and its gradient finite.
    x.over(squares.add_scalar(1e-12).map(E::float_sqrt))
}
