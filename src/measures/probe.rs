//! Linear probe: a fresh classifier on frozen features.
//!
//! Features are standardised by the fit samples' mean and standard deviation; a multinomial
//! logistic regression with `|W|^2 / 2` added to the summed loss and a free intercept is fitted
//! on the true labels of all classes, forget included. That is scikit-learn's
//! `LogisticRegression(C=1.0)` after `StandardScaler`.
//!
//! Invariant to a scale (of either sign) and a shift of each feature and to the order of the
//! features. *Not* to a rotation: standardising and the penalty see the axes.

use std::cell::RefCell;

use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Zip};

use super::{Classified, Labelled, ROUNDING, Status, all_finite, same_length, same_width};
use crate::{Error, Result};

const MAX_ITERATIONS: u64 = 200;

/// Steps that the quasi-Newton solver remembers.
const MEMORY: usize = 10;

/// The solver stops when the Euclidean norm of the mean loss's gradient is below this.
const GRADIENT: f64 = 3e-4;

/// A fit counts as converged when it is below this: `f32` products may stop the line search just
/// before.
const CONVERGED: f64 = 3e-3;

/// Fits a probe on `fit` and classifies `eval`; `forget` marks eval samples, `seed` is that of the
/// interval. Classes absent from `fit` are never predicted.
///
/// Status `too-few-samples` without a fit sample, `too-few-classes` when all are of one class,
/// `non-finite` when a feature is, `not-converged` when the optimum was not reached (the
/// predictions are those of the best fit found).
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
    let place = |label: &usize| classes.partition_point(|class| class < label);
    let loss = Loss {
        features: scaler.apply(fit.features),
        places: fit.labels.iter().map(place).collect(),
        classes: classes.len(),
        latest: RefCell::default(),
    };
    let (parameters, status) = loss.minimise()?;
    let logits = loss.logits(&parameters, &scaler.apply(eval.features));
    let predicted = logits.rows().into_iter().map(|row| classes[highest(row)]).collect();
    Classified::new(predicted, eval.labels, forget, seed, status)
}

/// Standardisation by the fit samples.
struct Scaler {
    mean: Array1<f64>,
    /// What each column is multiplied by.
    factor: Array1<f64>,
}

impl Scaler {
    fn of(features: ArrayView2<f32>) -> Self {
        let n = features.nrows() as f64;
        let mut mean = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            mean.zip_mut_with(&row, |sum, value| *sum += f64::from(*value));
        }
        mean /= n;
        let mut factor = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            Zip::from(&mut factor)
                .and(&row)
                .and(&mean)
                .for_each(|sum, value, mean| *sum += (f64::from(*value) - mean).powi(2));
        }
        factor.zip_mut_with(&mean, |sum, mean| {
            let deviation = (*sum / n).sqrt();
            // A constant column keeps its scale; its rounding must not become a feature.
            let constant = deviation <= ROUNDING * mean.abs();
            *sum = if constant { 1.0 } else { 1.0 / deviation };
        });
        Self { mean, factor }
    }

    fn apply(&self, features: ArrayView2<f32>) -> Array2<f32> {
        let mut scaled = Array2::zeros(features.raw_dim());
        for (mut to, from) in scaled.rows_mut().into_iter().zip(features.rows()) {
            Zip::from(&mut to).and(&from).and(&self.mean).and(&self.factor).for_each(
                |to, from, mean, factor| *to = ((f64::from(*from) - mean) * factor) as f32,
            );
        }
        scaled
    }
}

/// The place of the highest logit, the first of equal ones.
fn highest(logits: ArrayView1<f32>) -> usize {
    let mut best = 0;
    for (place, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = place;
        }
    }
    best
}

/// Mean cross-entropy plus `|W|^2 / 2n`, whose optimum is that of the summed loss, in a scale the
/// solver's first unit step suits.
///
/// The loss is ours rather than linfa's, whose log-sum-exp is off where logits of different
/// samples lie more than 34 apart (heavy-tailed features cost nine points of accuracy there), and
/// which evaluates everything twice.
///
/// Parameters are `(d + 1) x K` row by row, the intercept last. They and the loss are `f64`; the
/// products with the features are `f32`.
struct Loss {
    /// Standardised, `n x d`.
    features: Array2<f32>,
    /// Each sample's place among the classes.
    places: Vec<usize>,
    classes: usize,
    /// The last parameters with their loss and gradient: the solver asks for the two apart.
    latest: RefCell<Option<Evaluated>>,
}

#[derive(Clone)]
struct Evaluated {
    parameters: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

impl Loss {
    /// The optimal parameters and whether they are.
    fn minimise(&self) -> Result<(Vec<f64>, Status)> {
        let (n, d) = self.features.dim();
        // Without weights the optimal intercepts are the log frequencies.
        let mut start = vec![0.0; (d + 1) * self.classes];
        let intercept = &mut start[d * self.classes..];
        for place in &self.places {
            intercept[*place] += 1.0;
        }
        for count in intercept {
            *count = (*count / n as f64).ln();
        }
        let failed = |error| Error::internal(format!("linear probe: {error}"));
        let solver = LBFGS::new(MoreThuenteLineSearch::new(), MEMORY)
            .with_tolerance_grad(GRADIENT)
            .map_err(failed)?;
        let run = Executor::new(self, solver)
            .configure(|state| state.param(start.clone()).max_iters(MAX_ITERATIONS))
            .run()
            .map_err(failed)?;
        let best = run.state.get_best_param().cloned().unwrap_or(start);
        // A failed line search ends the solver without a word: the gradient itself decides.
        let steepness = self.evaluate(&best).gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let converged = steepness <= CONVERGED;
        Ok((best, if converged { Status::Ok } else { Status::NotConverged }))
    }

    /// Of standardised features, `n x K`.
    fn logits(&self, parameters: &[f64], features: &Array2<f32>) -> Array2<f32> {
        let d = features.ncols();
        let value = |(row, column): (usize, usize)| parameters[row * self.classes + column] as f32;
        let weights = Array2::from_shape_fn((d, self.classes), value);
        let intercept = Array1::from_shape_fn(self.classes, |column| value((d, column)));
        features.dot(&weights) + &intercept
    }

    fn evaluate(&self, parameters: &[f64]) -> Evaluated {
        if let Some(known) = self.latest.borrow().as_ref()
            && known.parameters == parameters
        {
            return known.clone();
        }
        let (n, d) = self.features.dim();
        let mut residual = self.logits(parameters, &self.features);
        let mut loss = 0.0;
        for (mut row, place) in residual.rows_mut().into_iter().zip(&self.places) {
            let top = row[highest(row.view())];
            let own = f64::from(row[*place] - top);
            row.mapv_inplace(|logit| (logit - top).exp());
            let sum = row.sum();
            loss += f64::from(sum).ln() - own;
            row /= sum;
            row[*place] -= 1.0;
        }
        let share = 1.0 / n as f64;
        let mut gradient = parameters.to_vec();
        let (weights, intercept) = gradient.split_at_mut(d * self.classes);
        let penalty = 0.5 * weights.iter().map(|weight| weight * weight).sum::<f64>();
        let slopes = self.features.t().dot(&residual);
        for (weight, slope) in weights.iter_mut().zip(&slopes) {
            *weight = share * (*weight + f64::from(*slope));
        }
        for (intercept, column) in intercept.iter_mut().zip(residual.columns()) {
            *intercept = share * column.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
        let evaluated =
            Evaluated { parameters: parameters.to_vec(), loss: share * (loss + penalty), gradient };
        *self.latest.borrow_mut() = Some(evaluated.clone());
        evaluated
    }
}

impl CostFunction for &Loss {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, parameters: &Self::Param) -> Result<f64, argmin::core::Error> {
        Ok(self.evaluate(parameters).loss)
    }
}

impl Gradient for &Loss {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, parameters: &Self::Param) -> Result<Self::Gradient, argmin::core::Error> {
        Ok(self.evaluate(parameters).gradient)
    }
}

#[cfg(test)]
mod tests;
