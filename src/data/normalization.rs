//! What is done to images after scaling: subtract a mean, divide by a standard deviation.

use std::ops::RangeInclusive;

use crate::{Error, Result};

/// `(x - mean) / std`, with one value for all channels or one for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Default for Normalization {
    fn default() -> Self {
        Self { mean: vec![0.0], std: vec![1.0] }
    }
}

impl Normalization {
    /// Checks the values; `mean` and `std` have one value each or as many as there are channels.
    ///
    /// # Errors
    /// No values, values that are not finite, a `std` that is not positive, or two different
    /// numbers of channels.
    pub fn new(mean: Vec<f32>, std: Vec<f32>) -> Result<Self> {
        let remedy = "give one value, or one for each channel: --mean 0.485,0.456,0.406";
        for (option, values) in [("--mean", &mean), ("--std", &std)] {
            if values.is_empty() {
                return Err(Error::input(option, "no value given", remedy));
            }
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::input(
                    option,
                    format!("value {} is not a finite number", i.saturating_add(1)),
                    remedy,
                ));
            }
        }
        if let Some((i, v)) = std.iter().enumerate().find(|&(_, &v)| v <= 0.0) {
            return Err(Error::input(
                "--std",
                format!(
                    "value {} is {v}, but a standard deviation is positive",
                    i.saturating_add(1)
                ),
                "give the standard deviation the model was trained with",
            ));
        }
        if mean.len() != std.len() && mean.len() > 1 && std.len() > 1 {
            return Err(Error::input(
                "--mean and --std",
                format!("{} means but {} standard deviations", mean.len(), std.len()),
                remedy,
            ));
        }
        Ok(Self { mean, std })
    }

    /// Means, one or one for each channel.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Standard deviations, one or one for each channel.
    pub fn std(&self) -> &[f32] {
        &self.std
    }

    /// For how many channels there are values; 1 serves any number.
    pub fn channels(&self) -> usize {
        self.mean.len().max(self.std.len())
    }

    /// Whether nothing changes.
    pub fn is_identity(&self) -> bool {
        self.mean.iter().all(|&m| m == 0.0) && self.std.iter().all(|&s| s == 1.0)
    }

    /// Mean and standard deviation of each of [`Self::channels`].
    pub(crate) fn pairs(&self) -> Vec<(f32, f32)> {
        let n = self.channels();
        let spread = |values: &[f32]| -> Vec<f32> {
            if values.len() == n { values.to_vec() } else { values.repeat(n) }
        };
        spread(&self.mean).into_iter().zip(spread(&self.std)).collect()
    }

    /// Refuses means on the scale of raw bytes, which images scaled to \[0, 1\] never have.
    pub(crate) fn check_for_bytes(&self) -> Result<()> {
        const SCALED: RangeInclusive<f32> = -1.0..=1.0;
        match self.mean.iter().find(|m| !SCALED.contains(m)) {
            None => Ok(()),
            Some(mean) => Err(Error::input(
                "--mean",
                format!("{mean} lies outside [0, 1], to which uint8 images are scaled"),
                "divide --mean and --std by 255",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_serves_all_channels_and_mixes_with_many() {
        let n = Normalization::new(vec![0.5], vec![1.0, 2.0]).unwrap();
        assert_eq!(n.pairs(), [(0.5, 1.0), (0.5, 2.0)]);
        assert!(Normalization::default().is_identity());
    }

    #[test]
    fn values_no_division_survives_are_refused() {
        for (mean, std, expected) in [
            (vec![], vec![1.0], "--mean: no value"),
            (vec![0.0], vec![], "--std: no value"),
            (vec![f32::NAN], vec![1.0], "--mean: value 1 is not a finite"),
            (vec![0.0], vec![1.0, f32::INFINITY], "--std: value 2 is not a finite"),
            (vec![0.0], vec![0.0], "--std: value 1 is 0,"),
            (vec![0.0], vec![1.0, -2.0], "--std: value 2 is -2,"),
            (vec![0.0; 3], vec![1.0; 2], "3 means but 2"),
        ] {
            let error = Normalization::new(mean, std).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
