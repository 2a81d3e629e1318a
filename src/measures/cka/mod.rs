//! Linear CKA of two feature sets, biased and debiased, with its exact permutation null.
//!
//! With centred features `X` (`n x dx`) and `Y` (`n x dy`), row squared norms `r` and their sums
//! `s`, let (Song et al. 2012 and Szekely and Rizzo 2014, in feature space)
//!
//! ```text
//! D(x,y) = |X'Y|^2 - n/(n-2) r_x.r_y + s_x s_y/((n-1)(n-2))
//! debiased = D(x,y) / sqrt(D(x,x) D(y,y))
//! biased   = |X'Y|^2 / (|X'X| |Y'Y|)          (Kornblith et al. 2019)
//! ```
//!
//! Narrow features go through [`CkaSums`], which cost `O(n d^2)` and merge exactly; wide ones
//! through their `n x n` Gram matrices.
//!
//! Invariant to a rotation, an isotropic scale and a shift of either side and to a common order
//! of the samples; *not* to a general linear map. The debiased value of independent features is
//! near zero and may be negative, it is not clamped; the biased one grows with `d/n`.
//!
//! # The null distribution
//!
//! `D(x,y)` is the inner product `sum A_ij B_ij` of the U-centred Gram matrices, which are
//! symmetric with zero diagonal and zero row sums. Permute the rows of `Y` uniformly and call
//! `S_A = sum A_ij^2`. The mean of the inner product is `sum A sum B / (n(n-1)) = 0`. Its second
//! moment (Mantel 1967) is a sum over the ways in which the ordered pairs `i != j` and `k != l`
//! can overlap, of `sum A_ij A_kl` times the average of `B_ij B_kl` over all such indices:
//!
//! ```text
//! both shared    2 S_A  *   S_B / (n(n-1))
//! one shared    -4 S_A  *  -S_B / (n(n-1)(n-2))
//! none shared    2 S_A  *  2S_B / (n(n-1)(n-2)(n-3))
//! ```
//!
//! where the last two lines follow from the first by the zero row sums. They add up to
//! `S_A S_B / (n(n-1)) * [2 + 4/(n-2) + 4/((n-2)(n-3))] = S_A S_B * 2/(n(n-3))`. As
//! `S_A = D(x,x)` does not change under permutation, debiased CKA has under the null mean 0 and
//! variance exactly `2/(n(n-3))`, whatever the features.

mod gram;
mod sums;
#[cfg(test)]
mod tests;

use ndarray::{ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ROUNDING, Status, same_length};
use crate::Result;
use gram::Gram;
pub use sums::CkaSums;
use sums::{CrossSums, FeatureSums};

/// Samples below which debiased CKA is not defined.
const MIN_SAMPLES: usize = 4;

/// Debiasing that cancels to this share of what it started from leaves rounding only.
const CANCELLED: f64 = 1e-12;

/// Linear CKA of one set of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cka {
    /// Debiased linear CKA, at most 1, near 0 and possibly negative for independent features.
    pub debiased: Option<f64>,
    /// Biased linear CKA, 0 to 1.
    pub biased: Option<f64>,
    /// Mean of the debiased value when the samples are permuted: exactly 0.
    pub null_mean: Option<f64>,
    /// Standard deviation of the debiased value when the samples are permuted.
    pub null_sd: Option<f64>,
    /// `too-few-samples` below 4, `degenerate` when a side has no variance beyond rounding,
    /// `non-finite` when a feature is.
    pub status: Status,
}

/// CKA of the forget samples, the retain samples and both together.
///
/// A common shift of the forget features moves `all` although nothing was removed (Davari et al.
/// 2022), so the first two are the ones to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CkaBySubset {
    /// Forget samples only.
    pub forget: Cka,
    /// Retain samples only.
    pub retain: Cka,
    /// All samples.
    pub all: Cka,
}

/// Linear CKA of `x` (`n x dx`) and `y` (`n x dy`), in the cheaper of the two forms.
///
/// # Errors
/// When the numbers of rows differ.
pub fn linear_cka<A, B>(x: ArrayView2<A>, y: ArrayView2<B>) -> Result<Cka>
where
    A: Copy + Into<f64>,
    B: Copy + Into<f64>,
{
    same_length("compared features", x.nrows(), y.nrows())?;
    if x.ncols().max(y.ncols()) < x.nrows() {
        let mut sums = CkaSums::new(x.ncols(), y.ncols());
        sums.update(x, y)?;
        return Ok(sums.finish());
    }
    let every: Vec<usize> = (0..x.nrows()).collect();
    Ok(Gram::new(x).compare(&Gram::new(y), &every))
}

/// Linear CKA by subset of the original's features (`n x d`) with each of `others`
/// (`n x d_i`), in their order. What depends on the original alone is computed once, and `all`
/// merges the sums of the two subsets.
///
/// # Errors
/// When numbers of rows or the length of `forget` differ.
pub fn cka_by_subset(
    original: ArrayView2<f32>,
    others: &[ArrayView2<f32>],
    forget: &[bool],
) -> Result<Vec<CkaBySubset>> {
    let n = original.nrows();
    same_length("forget membership", n, forget.len())?;
    for other in others {
        same_length("compared features", n, other.nrows())?;
    }
    let narrow = original.ncols() < n && others.iter().all(|other| other.ncols() < n);
    let rows = |wanted: bool| -> Vec<usize> { (0..n).filter(|i| forget[*i] == wanted).collect() };
    let (forget, retain) = (rows(true), rows(false));
    Ok(if narrow {
        by_sums(original, others, &forget, &retain)
    } else {
        by_gram(original, others, &forget, &retain)
    })
}

fn by_sums(
    original: ArrayView2<f32>,
    others: &[ArrayView2<f32>],
    forget: &[usize],
    retain: &[usize],
) -> Vec<CkaBySubset> {
    let subsets = |features: ArrayView2<f32>| {
        [forget, retain].map(|rows| sums::centred(features.select(Axis(0), rows).view()))
    };
    let merged = |[f, r]: &[FeatureSums; 2]| f.clone().merged(r);
    let x = subsets(original);
    let x_sums = [0, 1].map(|side| FeatureSums::of(&x[side]));
    let x_all = merged(&x_sums);
    let compare = |other: &ArrayView2<f32>| {
        let y = subsets(*other);
        let y_sums = [0, 1].map(|side| FeatureSums::of(&y[side]));
        let y_all = merged(&y_sums);
        let [forget, retain] = [0, 1].map(|side| CrossSums::of(&x[side], &y[side]));
        let all = forget.clone().merged(&retain, (&x_sums, &y_sums), (&x_all, &y_all));
        CkaBySubset {
            forget: sums::cka(&x_sums[0], &y_sums[0], &forget),
            retain: sums::cka(&x_sums[1], &y_sums[1], &retain),
            all: sums::cka(&x_all, &y_all, &all),
        }
    };
    others.iter().map(compare).collect()
}

fn by_gram(
    original: ArrayView2<f32>,
    others: &[ArrayView2<f32>],
    forget: &[usize],
    retain: &[usize],
) -> Vec<CkaBySubset> {
    let every: Vec<usize> = (0..original.nrows()).collect();
    let x = Gram::new(original);
    let compare = |other: &ArrayView2<f32>| {
        let y = Gram::new(*other);
        CkaBySubset {
            forget: x.compare(&y, forget),
            retain: x.compare(&y, retain),
            all: x.compare(&y, &every),
        }
    };
    others.iter().map(compare).collect()
}

/// The second-order products both forms end in.
struct Products {
    /// `D(x,y)`, `D(x,x)`, `D(y,y)`.
    debiased: [f64; 3],
    /// `|X'Y|^2`, `|X'X|^2`, `|Y'Y|^2`.
    biased: [f64; 3],
}

impl Products {
    fn finish(&self, n: usize) -> Cka {
        if self.debiased.iter().chain(&self.biased).any(|value| !value.is_finite()) {
            return Cka::missing(Status::NonFinite);
        }
        // Points at equal distances (a simplex) debias to 0/0.
        if (1..3).any(|side| self.debiased[side] <= CANCELLED * self.biased[side]) {
            return Cka::missing(Status::Degenerate);
        }
        // The roots are taken apart: the product of two fourth powers may overflow.
        let ratio = |[xy, xx, yy]: [f64; 3]| xy / (xx.sqrt() * yy.sqrt());
        let n = n as f64;
        Cka {
            debiased: Some(ratio(self.debiased)),
            biased: Some(ratio(self.biased)),
            null_mean: Some(0.0),
            null_sd: Some((2.0 / (n * (n - 3.0))).sqrt()),
            status: Status::Ok,
        }
    }
}

impl Cka {
    fn missing(status: Status) -> Self {
        Self { debiased: None, biased: None, null_mean: None, null_sd: None, status }
    }
}

/// What forbids a CKA, from the sums of squares about the mean and the mean squared norm of
/// either side (both over the samples).
fn obstacle(n: usize, variance_and_norm: [(f64, f64); 2]) -> Option<Status> {
    if n < MIN_SAMPLES {
        return Some(Status::TooFewSamples);
    }
    if variance_and_norm.iter().any(|(variance, norm)| !(variance + norm).is_finite()) {
        return Some(Status::NonFinite);
    }
    let collapsed = |(variance, norm): &(f64, f64)| *variance <= ROUNDING * ROUNDING * norm;
    variance_and_norm.iter().any(collapsed).then_some(Status::Degenerate)
}
