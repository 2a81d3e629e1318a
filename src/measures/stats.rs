//! Accuracies, bootstrap intervals, and the fraction of a capability that unlearning left over.
//!
//! Intervals are percentile bootstraps (Efron and Tibshirani 1993, chapter 13): 1000 resamples,
//! 2.5 % and 97.5 % points, linearly interpolated. An accuracy of exactly 0 or 1 therefore has
//! an interval of no width; it says that resampling never changes it, not that it is certain.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Status, mean_of, same_length};
use crate::Result;

/// Resamples behind every interval.
pub const RESAMPLES: usize = 1000;

/// Samples below which no interval is given: resampling fewer shows almost nothing of the
/// spread.
pub const MIN_SAMPLES: usize = 5;

/// A drop from the original to the base smaller than this leaves nothing to recover.
pub const MIN_DROP: f64 = 0.02;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The point estimate.
    pub value: Option<f64>,
    /// Lower and upper bound of the 95 % percentile bootstrap.
    pub ci: Option<[f64; 2]>,
    /// Whether the two stand.
    pub status: Status,
}

impl Interval {
    /// No value, for the reason given.
    pub(crate) fn missing(status: Status) -> Self {
        Self { value: None, ci: None, status }
    }
}

/// Accuracy on forget and retain samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// Share of forget samples classified rightly; `None` without forget samples.
    pub forget_accuracy: Option<f64>,
    /// Share of retain samples classified rightly; `None` without retain samples.
    pub retain_accuracy: Option<f64>,
    /// 95 % interval of the forget accuracy; `None` below [`MIN_SAMPLES`] samples.
    pub forget_ci: Option<[f64; 2]>,
}

impl Accuracy {
    /// Of samples that were classified rightly or not, split by membership in the forget set.
    ///
    /// # Errors
    /// When the lengths differ.
    pub fn of(correct: &[bool], forget: &[bool], seed: u64) -> Result<Self> {
        same_length("forget membership", correct.len(), forget.len())?;
        let side = |wanted: bool| -> Vec<f64> {
            let members = correct.iter().zip(forget).filter(|(_, f)| **f == wanted);
            members.map(|(correct, _)| indicator(*correct)).collect()
        };
        let forgotten = bootstrap_mean(&side(true), seed);
        Ok(Self {
            forget_accuracy: forgotten.value,
            retain_accuracy: mean_of(side(false)),
            forget_ci: forgotten.ci,
        })
    }
}

/// Which predictions agree with the labels.
///
/// # Errors
/// When the lengths differ.
pub fn correctness(predicted: &[usize], labels: &[usize]) -> Result<Vec<bool>> {
    same_length("predictions", labels.len(), predicted.len())?;
    Ok(predicted.iter().zip(labels).map(|(p, l)| p == l).collect())
}

/// Mean of `values` with its interval. Invariant to the order of the values up to resampling.
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Interval {
    let Some(value) = mean_of(values.iter().copied()) else {
        return Interval::missing(Status::TooFewSamples);
    };
    if values.len() < MIN_SAMPLES {
        return Interval { value: Some(value), ci: None, status: Status::TooFewSamples };
    }
    let ci = bootstrap(seed, |rng| resampled_mean(values, rng));
    Interval { value: Some(value), ci: Some(ci), status: Status::Ok }
}

/// Mean of `a - b` over the same samples with its interval; antisymmetric in `a` and `b`.
///
/// # Errors
/// When the lengths differ.
pub fn bootstrap_difference(a: &[f64], b: &[f64], seed: u64) -> Result<Interval> {
    same_length("paired values", a.len(), b.len())?;
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    Ok(bootstrap_mean(&difference, seed))
}

/// What a recovered fraction counts as nothing recovered.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// Measured on the very samples of the original and the unlearned model (a retrained one).
    SameSamples(&'a [bool]),
    /// Measured on other samples, or a subset in another order; resampled on its own.
    OtherSamples(&'a [bool]),
}

/// The share of what the original knows above the base that the unlearned model still knows,
/// `(u - b) / (o - b)` of the three mean correctnesses: 0 like the base, 1 like the original;
/// neither end is clamped.
///
/// The samples of the two models are resampled together. Resamples hold the denominator at
/// [`MIN_DROP`] or above, so that a few of them can't send the interval to infinity. Invariant to
/// a common affine change of the three accuracies.
///
/// Status `undefined` when the interval of `o - b` reaches [`MIN_DROP`], `too-few-samples` below
/// [`MIN_SAMPLES`] on any side.
///
/// # Errors
/// When the lengths of paired samples differ.
pub fn recovered_fraction(
    original: &[bool],
    unlearned: &[bool],
    base: Base,
    seed: u64,
) -> Result<Interval> {
    same_length("unlearned correctness", original.len(), unlearned.len())?;
    let base_samples = match base {
        Base::SameSamples(samples) => {
            same_length("base correctness", original.len(), samples.len())?;
            samples
        }
        Base::OtherSamples(samples) => samples,
    };
    if original.len().min(base_samples.len()) < MIN_SAMPLES {
        return Ok(Interval::missing(Status::TooFewSamples));
    }
    let share = |samples: &[bool]| {
        samples.iter().filter(|correct| **correct).count() as f64 / samples.len() as f64
    };
    let resampled = |rng: &mut ChaCha8Rng| {
        let (mut o, mut u, mut b) = (0.0, 0.0, 0.0);
        for _ in 0..original.len() {
            let i = rng.random_range(0..original.len());
            o += indicator(original[i]);
            u += indicator(unlearned[i]);
            if let Base::SameSamples(samples) = base {
                b += indicator(samples[i]);
            }
        }
        if let Base::OtherSamples(samples) = base {
            for _ in 0..samples.len() {
                b += indicator(samples[rng.random_range(0..samples.len())]);
            }
        }
        let n = original.len() as f64;
        (o / n, u / n, b / base_samples.len() as f64)
    };
    // Both intervals draw from the same streams, so they describe the same resamples.
    let drop = bootstrap(seed, |rng| {
        let (o, _, b) = resampled(rng);
        o - b
    });
    if drop[0] <= MIN_DROP {
        return Ok(Interval::missing(Status::Undefined));
    }
    let ci = bootstrap(seed, |rng| {
        let (o, u, b) = resampled(rng);
        (u - b) / (o - b).max(MIN_DROP)
    });
    let (o, u, b) = (share(original), share(unlearned), share(base_samples));
    Ok(Interval { value: Some((u - b) / (o - b)), ci: Some(ci), status: Status::Ok })
}

/// The 95 % percentile interval of a statistic over [`RESAMPLES`] resamples. Each has a
/// generator of its own, so the result doesn't depend on how they are spread over threads.
pub(super) fn bootstrap(seed: u64, statistic: impl Fn(&mut ChaCha8Rng) -> f64 + Sync) -> [f64; 2] {
    let mut values: Vec<f64> = (0..RESAMPLES as u64)
        .into_par_iter()
        .map(|item| statistic(&mut generator(seed, &[item])))
        .collect();
    values.sort_by(f64::total_cmp);
    [percentile(&values, 0.025), percentile(&values, 0.975)]
}

/// Linear interpolation between order statistics (type 7 of Hyndman and Fan 1996, numpy's
/// default); `sorted` is not empty.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// Mean of as many draws with replacement as there are values.
pub(super) fn resampled_mean(values: &[f64], rng: &mut ChaCha8Rng) -> f64 {
    let sum: f64 = (0..values.len()).map(|_| values[rng.random_range(0..values.len())]).sum();
    sum / values.len() as f64
}

fn indicator(correct: bool) -> f64 {
    f64::from(u8::from(correct))
}

/// A generator for one item of a seeded computation.
pub(super) fn generator(seed: u64, items: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(mix_seed(seed, items))
}

/// A seed of its own for each item (class, draw, resample ...) of a computation with one seed:
/// SplitMix64 (Steele, Lea and Flood 2014) folded over the items.
pub fn mix_seed(seed: u64, items: &[u64]) -> u64 {
    items.iter().fold(splitmix(seed), |state, &item| splitmix(state ^ splitmix(item)))
}

fn splitmix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(n: usize, of: usize) -> Vec<bool> {
        (0..of).map(|i| i < n).collect()
    }

    /// First outputs of the published SplitMix64 generator seeded with 0 and 1234567
    /// (the reference C implementation of Vigna).
    #[test]
    fn splitmix_is_the_published_one() {
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(splitmix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn seeds_depend_on_every_item_and_its_place() {
        let seeds = [
            mix_seed(1, &[]),
            mix_seed(1, &[0]),
            mix_seed(1, &[0, 0]),
            mix_seed(1, &[0, 1]),
            mix_seed(1, &[1, 0]),
            mix_seed(2, &[0, 1]),
        ];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[..i].iter().all(|b| a != b));
        }
    }

    /// numpy.percentile([1, 2, 3, 4], [2.5, 97.5]) = [1.075, 3.925].
    #[test]
    fn percentile_is_numpys() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        assert!((percentile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert!((percentile(&sorted, 0.975) - 3.925).abs() < 1e-12);
    }

    /// The interval of a proportion p of n has half-width about 1.96 sqrt(p (1 - p) / n).
    #[test]
    fn interval_of_a_proportion_has_the_binomial_width() {
        let correct = first(300, 400);
        let values: Vec<f64> = correct.iter().map(|c| indicator(*c)).collect();
        let interval = bootstrap_mean(&values, 7);
        let [low, high] = interval.ci.unwrap();
        let width = 2.0 * 1.96 * (0.75f64 * 0.25 / 400.0).sqrt();
        assert_eq!(interval.value, Some(0.75));
        assert!(((high - low) / width - 1.0).abs() < 0.1, "{low} {high} {width}");
        assert!(low < 0.75 && high > 0.75);
    }

    #[test]
    fn few_values_have_no_interval() {
        let interval = bootstrap_mean(&[1.0, 0.0], 1);
        assert_eq!((interval.value, interval.ci), (Some(0.5), None));
        assert_eq!(interval.status, Status::TooFewSamples);
        assert_eq!(bootstrap_mean(&[], 1).value, None);
    }

    #[test]
    fn paired_difference_of_equal_samples_is_exactly_zero() {
        let values = [0.25, 1.0, 0.0, 0.5, 1.0, 0.75];
        let interval = bootstrap_difference(&values, &values, 3).unwrap();
        assert_eq!((interval.value, interval.ci), (Some(0.0), Some([0.0, 0.0])));
    }

    /// (u - b) / (o - b) = (.5 - .1) / (.9 - .1) = .5.
    #[test]
    fn recovered_fraction_of_known_accuracies() {
        let (o, u, b) = (first(180, 200), first(100, 200), first(20, 200));
        for base in [Base::SameSamples(&b), Base::OtherSamples(&b)] {
            let fraction = recovered_fraction(&o, &u, base, 11).unwrap();
            assert!((fraction.value.unwrap() - 0.5).abs() < 1e-12);
            let [low, high] = fraction.ci.unwrap();
            assert!(low > 0.35 && low < 0.5 && high > 0.5 && high < 0.65, "{low} {high}");
        }
    }

    #[test]
    fn recovered_fraction_ends_and_undefined() {
        let (o, b) = (first(90, 100), first(10, 100));
        let at = |u: &[bool], base: &[bool]| {
            recovered_fraction(&o, u, Base::SameSamples(base), 5).unwrap()
        };
        assert_eq!(at(&o, &b).value, Some(1.0));
        assert_eq!(at(&o, &b).ci, Some([1.0, 1.0]));
        assert_eq!(at(&b, &b).value, Some(0.0));
        assert_eq!(at(&o, &first(89, 100)).status, Status::Undefined);
        assert_eq!(at(&o, &o).value, None);
        let none = recovered_fraction(&[], &[], Base::SameSamples(&[]), 5).unwrap();
        assert_eq!(none.status, Status::TooFewSamples);
        assert!(recovered_fraction(&o, &o[1..], Base::OtherSamples(&b), 5).is_err());
    }

    #[test]
    fn accuracy_by_membership() {
        let correct = [true, false, true, true, false];
        let forget = [true, true, false, false, false];
        let accuracy = Accuracy::of(&correct, &forget, 0).unwrap();
        assert_eq!(accuracy.forget_accuracy, Some(0.5));
        assert_eq!(accuracy.retain_accuracy, Some(2.0 / 3.0));
        assert_eq!(accuracy.forget_ci, None);
        assert!(Accuracy::of(&correct, &forget[1..], 0).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn intervals_do_not_depend_on_threads(values in prop::collection::vec(-1.0..1.0f64, 5..40),
                                              seed in any::<u64>()) {
            let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let alone = single.install(|| bootstrap_mean(&values, seed));
            prop_assert_eq!(&alone, &bootstrap_mean(&values, seed));
            let [low, high] = alone.ci.unwrap();
            prop_assert!(low <= high);
        }
    }
}
