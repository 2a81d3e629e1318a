//! Few-shot recovery: how well a class is told from the others when only `k` of its samples are
//! known.
//!
//! Each class in turn gets its centre from `k` random fit samples, all others keep the centre of
//! all theirs; an eval sample of the class succeeds when the class's centre is its nearest. A class
//! that was trained is compact, so few samples suffice; one the features don't know is not.
//!
//! Invariant to a rotation, an isotropic scale and a shift common to fit and eval features.

mod effect;
#[cfg(test)]
mod tests;

pub use effect::{Effect, MIN_SPREAD, class_effects, class_gaps, gap, placebo_effect};

use ndarray::{Array1, Array2, Axis};
use rand::seq::index;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::stats::generator;
use super::{
    Labelled, Status, all_finite, class_mask, mean_of, mean_of_rows, rows_by_class, same_width,
};
use crate::{Error, Result};

/// Squared distances this close, as a share of the squared norms involved, are equal: the products
/// they come from are no more exact.
const TIE: f64 = 1e-10;

/// Success rates of few-shot recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FewShot {
    /// Numbers of known samples `k`.
    pub shots: Vec<usize>,
    /// For each `k` the success rate of each eval sample over the draws, 0 to 1; `None` where its
    /// class has fewer than `k` fit samples.
    pub success: Vec<Vec<Option<f64>>>,
    /// For each `k` the mean success rate of each class's eval samples; `None` without any.
    pub class_success: Vec<Vec<Option<f64>>>,
    /// `too-few-classes` when fewer than two classes have fit samples, `non-finite` when a
    /// feature is; all values are `None` then.
    pub status: Status,
}

/// Success rates by membership, for each `k`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FewShotMeans {
    /// Mean over the forget classes.
    pub forget: Vec<Option<f64>>,
    /// Mean over the retain classes.
    pub retain: Vec<Option<f64>>,
}

impl FewShot {
    /// Means of the class rates over the forget and over the retain classes.
    ///
    /// # Errors
    /// When a forget class is not among the classes.
    pub fn means(&self, forget_classes: &[usize]) -> Result<FewShotMeans> {
        let classes = self.class_success.first().map_or(0, Vec::len);
        let forget = class_mask(forget_classes, classes)?;
        let side = |wanted: bool| {
            let mean = |rates: &Vec<Option<f64>>| {
                let members = rates.iter().zip(&forget).filter(|(_, f)| **f == wanted);
                mean_of(members.filter_map(|(rate, _)| *rate))
            };
            self.class_success.iter().map(mean).collect()
        };
        Ok(FewShotMeans { forget: side(true), retain: side(false) })
    }
}

/// Measures few-shot recovery of every class.
///
/// `draws` subsets of `k` fit samples are drawn without replacement for each class and `k` in
/// `shots`. They depend on `seed`, class and `k` alone, so all models are asked about the same
/// samples. An eval sample whose nearest centre is shared by `m` classes counts `1/m`: two classes
/// collapsed to one point get 1/2, as if by guessing.
///
/// # Errors
/// When widths differ, a label is not below `classes`, or `draws` or a shot is 0.
pub fn few_shot(
    fit: Labelled,
    eval: Labelled,
    classes: usize,
    shots: &[usize],
    draws: usize,
    seed: u64,
) -> Result<FewShot> {
    same_width("eval features", fit.features.ncols(), eval.features.ncols())?;
    if draws == 0 || shots.contains(&0) {
        let remedy = "draw at least one subset of at least one sample";
        return Err(Error::input("few-shot draws", "zero samples to learn from", remedy));
    }
    let fit_rows = fit.rows_by_class(classes)?;
    let eval_rows = eval.rows_by_class(classes)?;
    let n = eval.labels.len();
    let mut result = FewShot {
        shots: shots.to_vec(),
        success: vec![vec![None; n]; shots.len()],
        class_success: vec![vec![None; classes]; shots.len()],
        status: Status::Ok,
    };
    if !all_finite(fit.features) || !all_finite(eval.features) {
        result.status = Status::NonFinite;
    } else if fit_rows.iter().filter(|rows| !rows.is_empty()).count() < 2 {
        result.status = Status::TooFewClasses;
    }
    if result.status != Status::Ok {
        return Ok(result);
    }

    let space = Space::of(fit, &fit_rows);
    let rates: Vec<Vec<Option<Vec<f64>>>> = (0..classes)
        .into_par_iter()
        .map(|class| {
            let rivals = space.rivals(eval, &eval_rows[class], class);
            let known = &fit_rows[class];
            let rate = |k: &usize| {
                (known.len() >= *k).then(|| {
                    let mut rng = generator(seed, &[class as u64, *k as u64]);
                    let centers = space.draw(fit, known, *k, draws, &mut rng);
                    rivals.success(&centers)
                })
            };
            shots.iter().map(rate).collect()
        })
        .collect();

    for (class, by_shots) in rates.into_iter().enumerate() {
        for (place, rates) in by_shots.into_iter().enumerate() {
            let Some(rates) = rates else { continue };
            result.class_success[place][class] = mean_of(rates.iter().copied());
            for (row, rate) in eval_rows[class].iter().zip(rates) {
                result.success[place][*row] = Some(rate);
            }
        }
    }
    Ok(result)
}

/// The classes' centres, about the mean of all fit samples: taken about the origin of the
/// features, products of a large offset would cancel.
struct Space {
    origin: Array1<f64>,
    /// Centres of the classes that have fit samples, a row each.
    centers: Array2<f64>,
    /// Their classes.
    classes: Vec<usize>,
}

impl Space {
    fn of(fit: Labelled, rows: &[Vec<usize>]) -> Self {
        let d = fit.features.ncols();
        let origin =
            mean_of_rows(fit.features, 0..fit.features.nrows()).unwrap_or_else(|| Array1::zeros(d));
        let classes: Vec<usize> = (0..rows.len()).filter(|c| !rows[*c].is_empty()).collect();
        let mut centers = Array2::zeros((classes.len(), d));
        for (mut center, class) in centers.rows_mut().into_iter().zip(&classes) {
            if let Some(mean) = mean_of_rows(fit.features, rows[*class].iter().copied()) {
                center.assign(&(mean - &origin));
            }
        }
        Self { origin, centers, classes }
    }

    /// The given eval samples and their distance to the nearest centre of another class.
    fn rivals(&self, eval: Labelled, rows: &[usize], class: usize) -> Rivals {
        let samples = eval.features.select(Axis(0), rows).mapv(f64::from) - &self.origin;
        let squares = samples.map_axis(Axis(1), |row| row.dot(&row));
        let center_squares = self.centers.map_axis(Axis(1), |row| row.dot(&row));
        let products = samples.dot(&self.centers.t());
        let nearest = products
            .rows()
            .into_iter()
            .zip(&squares)
            .map(|(products, square)| {
                let others = || {
                    self.classes
                        .iter()
                        .zip(&products)
                        .zip(&center_squares)
                        .filter(|((other, _), _)| **other != class)
                        .map(|((_, product), center)| Distance::new(*square, *center, *product))
                };
                let least =
                    others().fold(Distance::INFINITE, |a, b| if b.value < a.value { b } else { a });
                let shared = others().filter(|other| other.ties(&least)).count();
                (least, shared)
            })
            .collect();
        Rivals { samples, squares, nearest }
    }

    /// Centres of `draws` random `k` of the `known` samples, a row each.
    fn draw(
        &self,
        fit: Labelled,
        known: &[usize],
        k: usize,
        draws: usize,
        rng: &mut rand_chacha::ChaCha8Rng,
    ) -> Array2<f64> {
        let mut centers = Array2::zeros((draws, self.origin.len()));
        for mut center in centers.rows_mut() {
            let chosen = index::sample(rng, known.len(), k);
            if let Some(mean) =
                mean_of_rows(fit.features, chosen.into_iter().map(|place| known[place]))
            {
                center.assign(&(mean - &self.origin));
            }
        }
        centers
    }
}

/// Eval samples of one class and what they are nearest to without it.
struct Rivals {
    /// `m x d`, about the origin of the space.
    samples: Array2<f64>,
    /// Their squared norms.
    squares: Array1<f64>,
    /// The least distance to another class's centre, and how many centres share it.
    nearest: Vec<(Distance, usize)>,
}

impl Rivals {
    /// Success rate of each sample over the class's centres, one a row.
    fn success(&self, centers: &Array2<f64>) -> Vec<f64> {
        let center_squares = centers.map_axis(Axis(1), |row| row.dot(&row));
        let products = self.samples.dot(&centers.t());
        products
            .rows()
            .into_iter()
            .zip(&self.squares)
            .zip(&self.nearest)
            .map(|((products, square), (rival, shared))| {
                let credit = |(product, center): (&f64, &f64)| {
                    let own = Distance::new(*square, *center, *product);
                    if own.ties(rival) {
                        1.0 / (1 + shared) as f64
                    } else {
                        f64::from(u8::from(own.value < rival.value))
                    }
                };
                products.iter().zip(&center_squares).map(credit).sum::<f64>()
                    / centers.nrows() as f64
            })
            .collect()
    }
}

/// A squared distance from products, and how exact it is.
#[derive(Clone, Copy)]
struct Distance {
    value: f64,
    error: f64,
}

impl Distance {
    const INFINITE: Self = Self { value: f64::INFINITY, error: 0.0 };

    fn new(sample: f64, center: f64, product: f64) -> Self {
        Self { value: sample + center - 2.0 * product, error: TIE * (sample + center) }
    }

    fn ties(&self, other: &Self) -> bool {
        (self.value - other.value).abs() <= self.error.max(other.error)
    }
}
