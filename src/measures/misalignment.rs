//! Features against the classifier head: the angle between them, and how often they disagree.
//!
//! Misalignment of class `c` is `1 - cos(mu_c - mu_G, w_c)` with class mean `mu_c`, mean of all
//! samples `mu_G` and classifier row `w_c` (Gao et al. 2026, arXiv 2604.08271): 0 aligned, 1
//! orthogonal, 2 opposed. Invariant to a scale of features or rows, a shift of the features and a
//! rotation of both together.
//!
//! The angle sees neither a bias nor a mask on the logits. [`mismatch`] does.

use ndarray::{Array1, ArrayView2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Labelled, ROUNDING, Status, all_finite, class_mask, mean_of, mean_of_rows, same_length,
    same_width,
};
use crate::Result;

/// Angles between class means and classifier rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Misalignment {
    /// 0 to 2 for each class; `None` for a class without fit samples, whose row is zero, or whose
    /// mean differs from the global one by rounding only.
    pub per_class: Vec<Option<f64>>,
    /// Mean over the forget classes that have one.
    pub forget: Option<f64>,
    /// Mean over the retain classes that have one.
    pub retain: Option<f64>,
    /// `too-few-samples` without a fit sample, `degenerate` when no class has a value,
    /// `non-finite` when a feature or weight is.
    pub status: Status,
}

/// Misalignment of the head's input features (`n x d`, fit samples) and the classifier rows
/// (`classes x d`). The global mean is that of *all* fit samples, forget and retain: within a
/// single forget class it would be the class mean.
///
/// # Errors
/// When the widths differ, or a label or forget class is not below the number of rows.
pub fn misalignment(
    fit: Labelled,
    classifier: ArrayView2<f32>,
    forget_classes: &[usize],
) -> Result<Misalignment> {
    same_width("classifier", fit.features.ncols(), classifier.ncols())?;
    let classes = classifier.nrows();
    let forget = class_mask(forget_classes, classes)?;
    let rows = fit.rows_by_class(classes)?;
    let missing = |status| Misalignment {
        per_class: vec![None; classes],
        forget: None,
        retain: None,
        status,
    };
    if !all_finite(fit.features) || !all_finite(classifier) {
        return Ok(missing(Status::NonFinite));
    }
    let Some(global) = mean_of_rows(fit.features, 0..fit.features.nrows()) else {
        return Ok(missing(Status::TooFewSamples));
    };
    let per_class: Vec<Option<f64>> = rows
        .into_iter()
        .zip(classifier.rows())
        .map(|(rows, weights)| {
            let mean = mean_of_rows(fit.features, rows.into_iter())?;
            let own = mean - &global;
            let told_apart = own.dot(&own) > ROUNDING * ROUNDING * global.dot(&global);
            Some(1.0 - cosine(&own, &weights.mapv(f64::from)).filter(|_| told_apart)?)
        })
        .collect();
    let mean_where = |wanted: bool| {
        let members = per_class.iter().zip(&forget).filter(|(_, f)| **f == wanted);
        mean_of(members.filter_map(|(value, _)| *value))
    };
    let status =
        if per_class.iter().any(Option::is_some) { Status::Ok } else { Status::Degenerate };
    Ok(Misalignment { forget: mean_where(true), retain: mean_where(false), per_class, status })
}

/// `None` where a vector has no direction.
fn cosine(a: &Array1<f64>, b: &Array1<f64>) -> Option<f64> {
    let norms = a.dot(a).sqrt() * b.dot(b).sqrt();
    (norms > 0.0).then(|| (a.dot(b) / norms).clamp(-1.0, 1.0))
}

/// How often the head and the nearest class centre disagree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// Share of the forget samples; `None` without any.
    pub forget: Option<f64>,
    /// Share of the retain samples; `None` without any.
    pub retain: Option<f64>,
}

/// Compares the head's predictions with those of the nearest class centres, by membership.
/// Invariant to whatever changes neither prediction, so to all the nearest centre is.
///
/// # Errors
/// When the lengths differ.
pub fn mismatch(head: &[usize], centers: &[usize], forget: &[bool]) -> Result<Mismatch> {
    same_length("nearest-centre predictions", head.len(), centers.len())?;
    same_length("forget membership", head.len(), forget.len())?;
    let share = |wanted: bool| {
        let members = head.iter().zip(centers).zip(forget).filter(|(_, f)| **f == wanted);
        mean_of(members.map(|((head, center), _)| f64::from(u8::from(head != center))))
    };
    Ok(Mismatch { forget: share(true), retain: share(false) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    /// Class means at (2,0), (-1,1), (-1,-1) about the origin; rows aligned, orthogonal and
    /// opposed to them.
    #[test]
    fn aligned_orthogonal_opposed() {
        let x = array![[2.0f32, 0.0], [-1.0, 1.0], [-1.0, -1.0]];
        let w = array![[0.5f32, 0.0], [3.0, 3.0], [7.0, 7.0]];
        let fit = Labelled::new(x.view(), &[0, 1, 2]).unwrap();
        let result = misalignment(fit, w.view(), &[2]).unwrap();
        for (value, expected) in result.per_class.iter().zip([0.0, 1.0, 2.0]) {
            assert!((value.unwrap() - expected).abs() < 1e-12);
        }
        assert!((result.forget.unwrap() - 2.0).abs() < 1e-12);
        assert!((result.retain.unwrap() - 0.5).abs() < 1e-12);
    }

    #[test]
    fn no_direction_is_none() {
        let x = array![[2.0f32, 0.0], [0.0, 0.0], [-2.0, 0.0]];
        let w = array![[1.0f32, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]];
        let fit = Labelled::new(x.view(), &[0, 1, 2]).unwrap();
        let result = misalignment(fit, w.view(), &[3]).unwrap();
        assert_eq!(result.per_class, [Some(0.0), None, None, None]);
        assert_eq!((result.forget, result.retain, result.status), (None, Some(0.0), Status::Ok));
        let one = Labelled::new(x.view(), &[0, 0, 0]).unwrap();
        assert_eq!(misalignment(one, w.view(), &[]).unwrap().status, Status::Degenerate);
        assert!(misalignment(one, w.view(), &[4]).is_err());
        assert!(misalignment(one, Array2::zeros((3, 5)).view(), &[]).is_err());
        let none = Labelled::new(x.slice(ndarray::s![..0, ..]), &[]).unwrap();
        assert_eq!(misalignment(none, w.view(), &[]).unwrap().status, Status::TooFewSamples);
    }

    #[test]
    fn mismatch_by_membership() {
        let result = mismatch(&[0, 1, 2, 3], &[0, 2, 2, 1], &[true, true, false, false]).unwrap();
        assert_eq!(result, Mismatch { forget: Some(0.5), retain: Some(0.5) });
        let none = mismatch(&[1], &[1], &[true]).unwrap();
        assert_eq!(none, Mismatch { forget: Some(0.0), retain: None });
        assert!(mismatch(&[1], &[], &[true]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn invariant_to_scale_shift_and_common_rotation(
            values in prop::collection::vec(-1.0..1.0f32, 60), weights in prop::collection::vec(-1.0..1.0f32, 12),
        ) {
            let x = Array2::from_shape_vec((15, 4), values).unwrap();
            let w = Array2::from_shape_vec((3, 4), weights).unwrap();
            let labels: Vec<usize> = (0..15).map(|i| i % 3).collect();
            let of = |x: &Array2<f32>, w: &Array2<f32>| {
                misalignment(Labelled::new(x.view(), &labels).unwrap(), w.view(), &[1]).unwrap()
            };
            let rotate = |a: &Array2<f32>| {
                a.select(ndarray::Axis(1), &[3, 1, 0, 2]) * array![[-1.0f32, 1.0, 1.0, 1.0]]
            };
            let plain = of(&x, &w);
            let moved = of(&(rotate(&x) * 8.0 + 2.0), &(rotate(&w) * 0.25));
            for (a, b) in plain.per_class.iter().zip(&moved.per_class) {
                prop_assert!((a.unwrap() - b.unwrap()).abs() < 1e-4);
            }
        }
    }
}
