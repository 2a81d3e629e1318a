//! Nearest class centre: the classifier that needs no training beyond class means (NC4 of neural
//! collapse, Papyan, Han and Donoho 2020).
//!
//! Invariant to a rotation, an isotropic scale and a shift common to fit and eval features.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use super::{Classified, Labelled, Status, all_finite, mean_of_rows, same_width};
use crate::Result;

/// Products of centred `f64` features err by less than this share of the norms involved; closer
/// distances are taken again by direct differences.
const DOUBTFUL: f64 = 1e-9;

/// Classifies eval samples by the nearest of the class means of the fit samples, in Euclidean
/// distance. Classes without fit samples are never predicted; at equal distance the lowest
/// class is.
///
/// `forget` marks eval samples; `seed` is that of the interval. Status `too-few-samples` without a
/// fit sample, `non-finite` when a feature is.
///
/// # Errors
/// When widths or lengths differ, or a fit label is not below `classes`.
pub fn nearest_center(
    fit: Labelled,
    eval: Labelled,
    forget: &[bool],
    classes: usize,
    seed: u64,
) -> Result<Classified> {
    same_width("eval features", fit.features.ncols(), eval.features.ncols())?;
    if !all_finite(fit.features) || !all_finite(eval.features) {
        return Ok(Classified::missing(Status::NonFinite));
    }
    let centers = Centers::of(fit, classes)?;
    if centers.classes.is_empty() {
        return Ok(Classified::missing(Status::TooFewSamples));
    }
    let predicted = centers.nearest(eval.features);
    Classified::new(predicted, eval.labels, forget, seed, Status::Ok)
}

/// Class means of features.
struct Centers {
    /// The classes that have samples, ascending.
    classes: Vec<usize>,
    /// Their means, a row each.
    means: Array2<f64>,
    /// Mean over all samples: products are taken about it, or offsets would cancel.
    origin: Array1<f64>,
}

impl Centers {
    fn of(fit: Labelled, classes: usize) -> Result<Self> {
        let mut present = Vec::new();
        let mut means = Vec::new();
        for (class, rows) in fit.rows_by_class(classes)?.into_iter().enumerate() {
            if let Some(mean) = mean_of_rows(fit.features, rows.into_iter()) {
                present.push(class);
                means.push(mean);
            }
        }
        let d = fit.features.ncols();
        let origin =
            mean_of_rows(fit.features, 0..fit.features.nrows()).unwrap_or_else(|| Array1::zeros(d));
        let mut stacked = Array2::zeros((means.len(), d));
        for (mut row, mean) in stacked.rows_mut().into_iter().zip(&means) {
            row.assign(mean);
        }
        Ok(Self { classes: present, means: stacked, origin })
    }

    /// The class of the nearest centre of each row. There is at least one centre.
    fn nearest(&self, features: ArrayView2<f32>) -> Vec<usize> {
        let centers = &self.means - &self.origin;
        let center_squares = centers.map_axis(Axis(1), |row| row.dot(&row));
        let largest = center_squares.fold(0.0, |a: f64, b| a.max(*b));
        let centred = features.mapv(f64::from) - &self.origin;
        let products = centred.dot(&centers.t());
        (0..features.nrows())
            .into_par_iter()
            .map(|row| {
                let square = centred.row(row).dot(&centred.row(row));
                let distances = &center_squares - &(&products.row(row) * 2.0);
                let least = distances.fold(f64::INFINITY, |a, b| a.min(*b));
                let near = least + DOUBTFUL * (square + largest);
                let candidates: Vec<usize> =
                    (0..distances.len()).filter(|c| distances[*c] <= near).collect();
                self.classes[self.nearest_of(features.row(row), &candidates)]
            })
            .collect()
    }

    /// The place of the nearest among some centres, by direct differences where there is a
    /// choice.
    fn nearest_of(&self, sample: ArrayView1<f32>, candidates: &[usize]) -> usize {
        let mut best = (f64::INFINITY, candidates.first().copied().unwrap_or(0));
        if candidates.len() > 1 {
            for &center in candidates {
                let square: f64 = sample
                    .iter()
                    .zip(self.means.row(center))
                    .map(|(value, mean)| (f64::from(*value) - mean).powi(2))
                    .sum();
                if square < best.0 {
                    best = (square, center);
                }
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::stats::generator;
    use ndarray::array;
    use proptest::prelude::*;
    use rand::Rng;

    fn run(fit: &Array2<f32>, labels: &[usize], eval: &Array2<f32>) -> Vec<usize> {
        let eval_labels = vec![0; eval.nrows()];
        let result = nearest_center(
            Labelled::new(fit.view(), labels).unwrap(),
            Labelled::new(eval.view(), &eval_labels).unwrap(),
            &vec![false; eval.nrows()],
            9,
            0,
        );
        result.unwrap().predicted
    }

    fn uniform(n: usize, d: usize, seed: u64) -> Array2<f32> {
        let mut rng = generator(seed, &[]);
        Array2::from_shape_simple_fn((n, d), || rng.random_range(-1.0..1.0))
    }

    #[test]
    fn ties_go_to_the_lowest_class_and_absent_classes_are_skipped() {
        let fit = array![[1.0f32, 0.0], [-1.0, 0.0], [0.0, 8.0]];
        let eval = array![[0.0f32, 0.0], [0.0, 7.0], [0.1, 0.0], [-0.1, 0.0]];
        assert_eq!(run(&fit, &[5, 2, 7], &eval), [2, 7, 5, 2]);
    }

    #[test]
    fn collapsed_classes_tie() {
        let fit = Array2::from_elem((6, 3), 0.1f32);
        assert_eq!(run(&fit, &[1, 1, 1, 2, 2, 3], &fit), [1; 6]);
    }

    #[test]
    fn statuses() {
        let some = array![[1.0f32], [f32::NAN]];
        let of = |features: &Array2<f32>, labels: &[usize]| {
            let data = Labelled::new(features.view(), labels).unwrap();
            nearest_center(data, data, &vec![true; labels.len()], 3, 0)
        };
        assert_eq!(of(&some, &[0, 1]).unwrap().status, Status::NonFinite);
        let empty = of(&Array2::zeros((0, 1)), &[]).unwrap();
        assert_eq!((empty.status, empty.accuracy), (Status::TooFewSamples, None));
        assert!(of(&array![[1.0f32]], &[3]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Direct differences of every pair are the definition; a large offset is where the
        /// product form would fail.
        #[test]
        fn equals_direct_differences(seed in any::<u64>(), offset in -1e4..1e4f32) {
            let fit = uniform(30, 4, seed) + offset;
            let eval = uniform(20, 4, seed ^ 1) + offset;
            let labels: Vec<usize> = (0..30).map(|i| i % 5 + 1).collect();
            let direct = |sample: ArrayView1<f32>| {
                let distance = |class: usize| {
                    let rows: Vec<usize> = (0..30).filter(|i| labels[*i] == class).collect();
                    let mean = fit.select(Axis(0), &rows).mapv(f64::from).mean_axis(Axis(0)).unwrap();
                    (sample.mapv(f64::from) - mean).mapv(|v| v * v).sum()
                };
                (1..6).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap()
            };
            let expected: Vec<usize> = eval.rows().into_iter().map(direct).collect();
            prop_assert_eq!(run(&fit, &labels, &eval), expected);
        }

        /// A permutation of axes with sign flips is a rotation without rounding; the scale is a
        /// power of two and the shift is taken in steps the features can hold.
        #[test]
        fn invariant_to_rotation_scale_and_shift(seed in any::<u64>()) {
            let grid = |a: Array2<f32>| a.mapv(|v| (v * 64.0).round() / 64.0);
            let (fit, eval) = (grid(uniform(30, 4, seed)), grid(uniform(20, 4, seed ^ 1)));
            let labels: Vec<usize> = (0..30).map(|i| i % 5).collect();
            let moved = |a: &Array2<f32>| {
                a.select(Axis(1), &[2, 0, 3, 1]) * array![[1.0f32, -1.0, 1.0, -1.0]] * 4.0 + 32.0
            };
            prop_assert_eq!(run(&fit, &labels, &eval), run(&moved(&fit), &labels, &moved(&eval)));
        }
    }
}
