//! How much room a subset's features still take: for collapsed features, where similarity is 0/0.
//!
//! The relative trace is `tr Cov(subset) / tr Cov(all)`; the effective rank is `exp(H)` of the
//! eigenvalues of the subset's covariance as shares of their sum (Roy and Vetterli 2007, there of
//! singular values). Both are invariant to a rotation, an isotropic scale and a shift of all
//! features; the effective rank also when the subset alone is scaled or shifted.

use ndarray::{Array2, ArrayView2, Axis};
use ndarray_linalg::{EigValsh, UPLO};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Status, all_finite, same_length};
use crate::{Error, Result};

/// Extent of a subset of the features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Trace of the subset's covariance over that of all samples; 0 when it has collapsed.
    pub relative_trace: Option<f64>,
    /// Effective number of directions, 1 to `min(n - 1, d)`; `None` without any variance.
    pub effective_rank: Option<f64>,
    /// `too-few-samples` below 2 in the subset, `degenerate` when the subset or all samples have
    /// no variance, `non-finite` when a feature is.
    pub status: Status,
}

/// Spread of the rows of `features` (`n x d`) marked in `subset`.
///
/// # Errors
/// When the lengths differ, or LAPACK fails.
pub fn spread(features: ArrayView2<f32>, subset: &[bool]) -> Result<Spread> {
    same_length("subset", features.nrows(), subset.len())?;
    let missing = |status| Spread { relative_trace: None, effective_rank: None, status };
    if !all_finite(features) {
        return Ok(missing(Status::NonFinite));
    }
    let rows: Vec<usize> = (0..subset.len()).filter(|row| subset[*row]).collect();
    if rows.len() < 2 {
        return Ok(missing(Status::TooFewSamples));
    }
    let variance = |centred: &Array2<f64>| {
        centred.iter().map(|value| value * value).sum::<f64>() / centred.nrows() as f64
    };
    let chosen = centred(features.select(Axis(0), &rows).view());
    let all = variance(&centred(features));
    if all <= 0.0 {
        return Ok(missing(Status::Degenerate));
    }
    let relative_trace = Some(variance(&chosen) / all);
    let effective_rank = effective_rank(&chosen)?;
    let status = if effective_rank.is_some() { Status::Ok } else { Status::Degenerate };
    Ok(Spread { relative_trace, effective_rank, status })
}

fn centred(features: ArrayView2<f32>) -> Array2<f64> {
    let mut centred = features.mapv(f64::from);
    if let Some(mean) = centred.mean_axis(Axis(0)) {
        centred -= &mean;
    }
    centred
}

/// From the eigenvalues of the smaller of `X'X` and `XX'`, which share those that are not zero.
fn effective_rank(centred: &Array2<f64>) -> Result<Option<f64>> {
    let product = if centred.ncols() < centred.nrows() {
        centred.t().dot(centred)
    } else {
        centred.dot(&centred.t())
    };
    let trace = product.diag().sum();
    if trace <= 0.0 {
        return Ok(None);
    }
    // Shares first: eigenvalues of very small features would underflow.
    let shares = (product / trace)
        .eigvalsh(UPLO::Lower)
        .map_err(|error| Error::internal(format!("eigenvalues of a covariance: {error}")))?;
    // Zero eigenvalues come out as rounding of either sign.
    let entropy: f64 =
        shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum();
    Ok(Some(entropy.exp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// Points at +-e_i: covariance I/d, so d directions; the subset +-e_1 has one. Its trace is
    /// 1, as is that of all.
    #[test]
    fn cross_polytope() {
        let mut points = Array2::<f32>::zeros((8, 4));
        for i in 0..4 {
            points[[2 * i, i]] = 1.0;
            points[[2 * i + 1, i]] = -1.0;
        }
        let all = spread(points.view(), &[true; 8]).unwrap();
        assert!((all.effective_rank.unwrap() - 4.0).abs() < 1e-12);
        assert!((all.relative_trace.unwrap() - 1.0).abs() < 1e-12);
        let pair: Vec<bool> = (0..8).map(|i| i < 2).collect();
        let one = spread(points.view(), &pair).unwrap();
        assert!((one.effective_rank.unwrap() - 1.0).abs() < 1e-6);
        assert!((one.relative_trace.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn statuses() {
        let x = array![[1.0f32, 2.0], [1.0, 2.0], [3.0, 4.0]];
        let collapsed = spread(x.view(), &[true, true, false]).unwrap();
        assert_eq!(collapsed.relative_trace, Some(0.0));
        assert_eq!(collapsed.effective_rank, None);
        assert_eq!(collapsed.status, Status::Degenerate);
        assert_eq!(spread(x.view(), &[true, false, false]).unwrap().status, Status::TooFewSamples);
        let constant = Array2::from_elem((3, 2), 1.5f32);
        assert_eq!(spread(constant.view(), &[true; 3]).unwrap().relative_trace, None);
        let bad = array![[f32::NAN], [1.0]];
        assert_eq!(spread(bad.view(), &[true; 2]).unwrap().status, Status::NonFinite);
        assert!(spread(x.view(), &[true]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn invariant_to_rotation_scale_and_shift(values in prop::collection::vec(-1.0..1.0f32, 60),
                                                 wide in any::<bool>()) {
            let shape = if wide { (5, 12) } else { (12, 5) };
            let x = Array2::from_shape_vec(shape, values).unwrap();
            let subset: Vec<bool> = (0..shape.0).map(|i| i % 4 != 0).collect();
            // Reversed axes are a rotation without rounding.
            let moved = x.slice(ndarray::s![.., ..;-1]).mapv(|v| 4.0 * v + 1.0);
            let (a, b) = (spread(x.view(), &subset).unwrap(), spread(moved.view(), &subset).unwrap());
            let close = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 1e-4;
            prop_assert!(close(a.relative_trace, b.relative_trace));
            prop_assert!(close(a.effective_rank, b.effective_rank));
            prop_assert!(a.effective_rank.unwrap() <= (shape.0.min(shape.1)) as f64 + 1e-9);
        }
    }
}
