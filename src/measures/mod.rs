//! What is still in the features: pure functions on arrays, one measure a file.
//!
//! Features are `n x d`, one sample a row, and every function that takes two feature arrays of
//! two models expects the same samples in the same order. Sums are accumulated in `f64`. A value
//! that can't be computed is `None` and the [`Status`] beside it says why; no result is ever NaN.
//! All randomness comes from a caller's seed and is independent of the number of threads.

pub mod blas;
pub mod cka;
pub mod few_shot;
pub mod misalignment;
pub mod nearest_center;
pub mod probe;
pub mod spread;
pub mod stats;

use ndarray::{ArrayView1, ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Whether a measure could be computed, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The value stands.
    Ok,
    /// Fewer samples than the measure needs.
    TooFewSamples,
    /// Fewer classes than the measure needs.
    TooFewClasses,
    /// The features have no variance left beyond rounding.
    Degenerate,
    /// The features hold an infinity or a NaN.
    NonFinite,
    /// The value's denominator is not clearly different from zero.
    Undefined,
    /// An iterative fit stopped before its optimum; the value is that of the best fit found, and
    /// may be below what the features allow.
    NotConverged,
}

impl Status {
    /// The status as it is written in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooFewSamples => "too-few-samples",
            Self::TooFewClasses => "too-few-classes",
            Self::Degenerate => "degenerate",
            Self::NonFinite => "non-finite",
            Self::Undefined => "undefined",
            Self::NotConverged => "not-converged",
        }
    }
}

/// Features with the true labels of their samples.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    features: ArrayView2<'a, f32>,
    labels: &'a [usize],
}

impl<'a> Labelled<'a> {
    /// Pairs `n x d` features with `n` labels.
    ///
    /// # Errors
    /// When the two lengths differ.
    pub fn new(features: ArrayView2<'a, f32>, labels: &'a [usize]) -> Result<Self> {
        same_length("labels", features.nrows(), labels.len())?;
        Ok(Self { features, labels })
    }

    /// The features, `n x d`.
    pub fn features(&self) -> ArrayView2<'a, f32> {
        self.features
    }

    /// The true class of each row.
    pub fn labels(&self) -> &'a [usize] {
        self.labels
    }

    /// The rows of each class, in order; `classes` is the number of lists.
    fn rows_by_class(&self, classes: usize) -> Result<Vec<Vec<usize>>> {
        rows_by_class(self.labels, classes)
    }
}

/// Predictions of a classifier on the features of eval samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classified {
    /// The predicted class of each sample; empty when nothing could be predicted.
    pub predicted: Vec<usize>,
    /// Which predictions agree with the labels; empty when nothing could be predicted.
    pub correct: Vec<bool>,
    /// The accuracies; `None` when nothing could be predicted.
    pub accuracy: Option<stats::Accuracy>,
    /// Whether the predictions stand.
    pub status: Status,
}

impl Classified {
    fn missing(status: Status) -> Self {
        Self { predicted: Vec::new(), correct: Vec::new(), accuracy: None, status }
    }

    fn new(
        predicted: Vec<usize>,
        labels: &[usize],
        forget: &[bool],
        seed: u64,
        status: Status,
    ) -> Result<Self> {
        let correct = stats::correctness(&predicted, labels)?;
        let accuracy = Some(stats::Accuracy::of(&correct, forget, seed)?);
        Ok(Self { predicted, correct, accuracy, status })
    }
}

/// Relative size below which differences between `f32` features are rounding.
const ROUNDING: f64 = 64.0 * f32::EPSILON as f64;

/// The rows of each class, in order.
fn rows_by_class(labels: &[usize], classes: usize) -> Result<Vec<Vec<usize>>> {
    let mut rows = vec![Vec::new(); classes];
    for (row, &label) in labels.iter().enumerate() {
        rows.get_mut(label)
            .ok_or_else(|| {
                Error::input(
                    "labels",
                    format!("label {label} at index {row}, but the model has {classes} classes"),
                    "number the classes from 0 in the order of the model's outputs",
                )
            })?
            .push(row);
    }
    Ok(rows)
}

/// Marks the classes listed in `forget`, `classes` long.
fn class_mask(forget: &[usize], classes: usize) -> Result<Vec<bool>> {
    let mut mask = vec![false; classes];
    for &class in forget {
        *mask.get_mut(class).ok_or_else(|| {
            Error::input(
                "forget classes",
                format!("class {class} is not among the {classes} classes"),
                "name classes the model has an output for",
            )
        })? = true;
    }
    Ok(mask)
}

/// Refuses arrays of different length about the same samples.
fn same_length(what: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::input(
        what,
        format!("{found} entries for {expected} samples"),
        "give one entry per sample, in the same order",
    ))
}

/// Refuses features of different width that should share one space.
fn same_width(what: &str, expected: usize, found: usize) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::input(
        what,
        format!("{found} columns where {expected} are expected"),
        "take both from the same layer",
    ))
}

/// Whether every feature is a number.
fn all_finite(features: ArrayView2<f32>) -> bool {
    features.iter().all(|value| value.is_finite())
}

/// Mean of the given rows in `f64`, `d` long; `None` of no rows.
fn mean_of_rows(
    features: ArrayView2<f32>,
    rows: impl ExactSizeIterator<Item = usize>,
) -> Option<ndarray::Array1<f64>> {
    let n = rows.len();
    if n == 0 {
        return None;
    }
    let mut sum = ndarray::Array1::<f64>::zeros(features.ncols());
    for row in rows {
        add_row(&mut sum, features.index_axis(Axis(0), row));
    }
    sum /= n as f64;
    Some(sum)
}

fn add_row(sum: &mut ndarray::Array1<f64>, row: ArrayView1<f32>) {
    sum.zip_mut_with(&row, |sum, &value| *sum += f64::from(value));
}

/// Mean of what is there; `None` of nothing.
fn mean_of(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.into_iter().fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f64)
}
