//! The `n x n` form, for features wider than there are samples.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use super::{Cka, Products, obstacle};

/// Gram matrix of one side, about the mean of all its samples where that is finite.
pub(super) struct Gram {
    /// `n x n`.
    kernel: Array2<f64>,
    /// The mean that was taken off, `d`.
    mean: Array1<f64>,
    /// The features without it, `n x d`.
    rows: Array2<f64>,
}

impl Gram {
    pub(super) fn new<A: Copy + Into<f64>>(features: ArrayView2<A>) -> Self {
        let mut rows = features.mapv(Into::into);
        let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
        // Any origin serves; an infinite one would carry one bad sample into every subset.
        let mean = mean.mapv(|value| if value.is_finite() { value } else { 0.0 });
        rows -= &mean;
        Self { kernel: rows.dot(&rows.t()), mean, rows }
    }

    /// CKA over the samples at `rows`. Blocks of the one Gram matrix serve every subset, as both
    /// centrings take off whatever a subset's own mean adds.
    pub(super) fn compare(&self, other: &Self, rows: &[usize]) -> Cka {
        let sides = [self, other];
        if let Some(status) = obstacle(rows.len(), sides.map(|side| side.variance_and_norm(rows))) {
            return Cka::missing(status);
        }
        let [x, y] = sides.map(|side| side.kernel.select(Axis(0), rows).select(Axis(1), rows));
        let inner = |a: &Array2<f64>, b: &Array2<f64>| {
            Zip::from(a).and(b).fold(0.0, |sum, a, b| sum + a * b)
        };
        let products = |a: &Array2<f64>, b: &Array2<f64>| [inner(a, b), inner(a, a), inner(b, b)];
        Products {
            debiased: products(&u_centred(&x), &u_centred(&y)),
            biased: products(&double_centred(&x), &double_centred(&y)),
        }
        .finish(rows.len())
    }

    /// Trace of the covariance and mean squared norm of the samples at `rows`.
    fn variance_and_norm(&self, rows: &[usize]) -> (f64, f64) {
        let subset = self.rows.select(Axis(0), rows);
        let Some(mean) = subset.mean_axis(Axis(0)) else {
            return (0.0, 0.0);
        };
        let n = rows.len() as f64;
        let variance = (subset - &mean).iter().map(|value| value * value).sum::<f64>() / n;
        let offset = mean + &self.mean;
        (variance, variance + offset.dot(&offset))
    }
}

/// Rows and columns of mean zero: `HKH`.
fn double_centred(kernel: &Array2<f64>) -> Array2<f64> {
    let n = kernel.nrows() as f64;
    let mean = kernel.sum_axis(Axis(0)) / n;
    let half = mean.sum() / (2.0 * n);
    minus_margins(kernel.clone(), &(mean - half))
}

/// Zero diagonal, rows and columns that sum to zero (Szekely and Rizzo 2014): with `m` the column
/// sums over `n - 2`, less their sum over `2(n - 1)`, every entry loses `m_i + m_j`.
fn u_centred(kernel: &Array2<f64>) -> Array2<f64> {
    let n = kernel.nrows() as f64;
    let mut kernel = kernel.clone();
    kernel.diag_mut().fill(0.0);
    let margin = kernel.sum_axis(Axis(0)) / (n - 2.0);
    let half = margin.sum() / (2.0 * (n - 1.0));
    let mut kernel = minus_margins(kernel, &(margin - half));
    kernel.diag_mut().fill(0.0);
    kernel
}

fn minus_margins(mut kernel: Array2<f64>, margin: &Array1<f64>) -> Array2<f64> {
    for (mut row, own) in kernel.rows_mut().into_iter().zip(margin) {
        row.zip_mut_with(margin, |value, other| *value -= own + other);
    }
    kernel
}
