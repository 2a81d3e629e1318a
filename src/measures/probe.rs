//! Linear probe: a fresh classifier on frozen features.
//!
//! Features are standardised by the fit samples' mean and standard deviation; a multinomial
//! logistic regression with `|W|^2 / 2` added to the summed loss and a free intercept is fitted
//! on the true labels of all classes, forget included. That is scikit-learn's
//! `LogisticRegression(C=1.0)` after `StandardScaler`.
//!
//! Invariant to a scale (of either sign) and a shift of each feature and to the order of the
//! features. *Not* to a rotation: standardising and the penalty see the axes.

use linfa::prelude::{DatasetBase, Fit, ParamGuard};
use linfa_logistic::MultiLogisticRegression;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use ndarray016 as nd16;

use super::{Classified, Labelled, ROUNDING, Status, all_finite, same_length, same_width};
use crate::{Error, Result};

const MAX_ITERATIONS: u64 = 200;

/// The solver stops when the Euclidean norm of the mean loss's gradient is below this.
const GRADIENT: f64 = 1e-3;

/// A fit counts as converged when no entry of the mean loss's gradient is above this.
const CONVERGED: f32 = 1e-3;

/// Fits a probe on `fit` and classifies `eval`; `forget` marks eval samples, `seed` is that of the
/// interval. Classes absent from `fit` are never predicted.
///
/// Status `too-few-samples` without a fit sample, `too-few-classes` when all are of one class,
/// `non-finite` when a feature is, `not-converged` when the optimum was not reached (the
/// predictions are there, and a lower bound on what the features allow).
///
/// # Errors
/// When widths or lengths differ, or the solver fails.
pub fn linear_probe(
    fit: Labelled,
    eval: Labelled,
    forget: &[bool],
    seed: u64,
) -> Result<Classified> {
    same_width("eval features", fit.features.ncols(), eval.features.ncols())?;
    same_length("forget membership", eval.labels.len(), forget.len())?;
    if !all_finite(fit.features) || !all_finite(eval.features) {
        return Ok(Classified::missing(Status::NonFinite));
    }
    if fit.labels.is_empty() {
        return Ok(Classified::missing(Status::TooFewSamples));
    }
    let mut classes = fit.labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() < 2 {
        return Ok(Classified::missing(Status::TooFewClasses));
    }
    let scaler = Scaler::of(fit.features);
    let probe = Probe::fit(scaler.apply(fit.features), fit.labels, &classes)?;
    let status = if probe.converged { Status::Ok } else { Status::NotConverged };
    let logits = probe.logits(&scaler.apply(eval.features));
    let highest = |row: ndarray::ArrayView1<f32>| {
        let mut best = 0;
        for (place, value) in row.iter().enumerate() {
            if *value > row[best] {
                best = place;
            }
        }
        classes[best]
    };
    let predicted = logits.rows().into_iter().map(highest).collect();
    Classified::new(predicted, eval.labels, forget, seed, status)
}

/// Standardisation by the fit samples.
struct Scaler {
    mean: Array1<f64>,
    /// What each column is multiplied by.
    factor: Array1<f64>,
}

impl Scaler {
    /// Takes in a factor `1/sqrt(n)` that scales the solver's problem to a mean over samples; see
    /// [`Probe::fit`].
    fn of(features: ArrayView2<f32>) -> Self {
        let n = features.nrows() as f64;
        let mut mean = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            mean.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
        mean /= n;
        let mut factor = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            ndarray::Zip::from(&mut factor)
                .and(&row)
                .and(&mean)
                .for_each(|sum, value, mean| *sum += (f64::from(*value) - mean).powi(2));
        }
        factor.zip_mut_with(&mean, |sum, mean| {
            let deviation = (*sum / n).sqrt();
            // A constant column keeps its scale; its rounding must not become a feature.
            let constant = deviation <= ROUNDING * mean.abs();
            *sum = if constant { 1.0 } else { 1.0 / deviation } / n.sqrt();
        });
        Self { mean, factor }
    }

    fn apply(&self, features: ArrayView2<f32>) -> Array2<f32> {
        let mut scaled = Array2::zeros(features.raw_dim());
        for (mut to, from) in scaled.rows_mut().into_iter().zip(features.rows()) {
            ndarray::Zip::from(&mut to).and(&from).and(&self.mean).and(&self.factor).for_each(
                |to, from, mean, factor| *to = ((f64::from(*from) - mean) * factor) as f32,
            );
        }
        scaled
    }
}

/// A fitted classifier.
struct Probe {
    /// `d x K`.
    weights: Array2<f32>,
    /// `K`.
    intercept: Array1<f32>,
    converged: bool,
}

impl Probe {
    /// Fits standardised features over `sqrt(n)`.
    ///
    /// linfa minimises the *sum* of the losses, whose gradient is `n` times too long for the
    /// solver's first unit step. In features over `sqrt(n)` and weights times `sqrt(n)` the same
    /// problem (penalty over `n`) has the curvature of a mean. The intercept, which this leaves
    /// alone, starts at the log frequencies, its optimum at zero weights.
    fn fit(scaled: Array2<f32>, labels: &[usize], classes: &[usize]) -> Result<Self> {
        let (n, d) = scaled.dim();
        let alpha = 1.0 / n as f32;
        let places: Vec<usize> =
            labels.iter().map(|l| classes.partition_point(|c| c < l)).collect();
        let mut start = nd16::Array2::<f32>::zeros((d + 1, classes.len()));
        for place in &places {
            start[[d, *place]] += 1.0;
        }
        start.row_mut(d).mapv_inplace(|count| (count / n as f32).ln());

        let shape = |error: nd16::ShapeError| Error::internal(format!("probe features: {error}"));
        let records = nd16::Array2::from_shape_vec((n, d), scaled.iter().copied().collect());
        let dataset =
            DatasetBase::new(records.map_err(shape)?, nd16::Array1::from_vec(places.clone()));
        let solver = MultiLogisticRegression::default()
            .alpha(alpha)
            .max_iterations(MAX_ITERATIONS)
            .gradient_tolerance((GRADIENT * (n as f64).sqrt()) as f32)
            .initial_params(start);
        let failed = |error| Error::internal(format!("linear probe: {error}"));
        let fitted = solver.check().and_then(|solver| solver.fit(&dataset)).map_err(failed)?;
        let mut weights = Array2::zeros((d, classes.len()));
        for ((row, column), weight) in fitted.params().indexed_iter() {
            weights[[row, column]] = *weight;
        }
        let intercept = fitted.intercept().iter().copied().collect();
        let mut probe = Self { weights, intercept, converged: false };
        probe.converged = probe.gradient(&scaled, &places, alpha) <= CONVERGED;
        Ok(probe)
    }

    /// `n x K`.
    fn logits(&self, scaled: &Array2<f32>) -> Array2<f32> {
        scaled.dot(&self.weights) + &self.intercept
    }

    /// Largest entry of the mean loss's gradient, in standardised features. linfa does not say
    /// how its solver ended, and its log-sum-exp is off where logits of different samples lie
    /// more than 34 apart, so the optimum is verified here.
    fn gradient(&self, scaled: &Array2<f32>, places: &[usize], alpha: f32) -> f32 {
        let mut residual = self.logits(scaled);
        for (mut row, place) in residual.rows_mut().into_iter().zip(places) {
            let highest = row.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            row.mapv_inplace(|logit| (logit - highest).exp());
            row /= row.sum();
            row[*place] -= 1.0;
        }
        let n = places.len() as f32;
        let weights = (scaled.t().dot(&residual) + &self.weights * alpha) / n.sqrt();
        let intercept = residual.sum_axis(Axis(0)) / n;
        // Not `max`, which would pass over a NaN.
        weights.iter().chain(&intercept).fold(0.0, |largest: f32, entry| {
            if entry.abs() <= largest { largest } else { entry.abs() }
        })
    }
}

#[cfg(test)]
mod tests;
