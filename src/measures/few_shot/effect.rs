//! Few-shot recovery judged against placebos or a reference.

use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{FewShot, class_mask, mean_of, rows_by_class};
use crate::measures::stats::{
    Interval, MIN_SAMPLES, bootstrap, bootstrap_mean, interval, mix_seed, resampled_mean, resamples,
};
use crate::measures::{Status, same_length};
use crate::{Error, Result};

/// The usual `min_spread` of [`placebo_effect`]. Below five points a class-to-class spread of
/// accuracies is sampling noise, and would turn trifles into large effects.
pub const MIN_SPREAD: f64 = 0.05;

/// Change of the forget classes beyond that of the retain classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
    /// In units of `spread`: near 0 where the forget classes are as trained as before, well below
    /// where they were forgotten.
    pub value: Option<f64>,
    /// 95 % interval of the value, from samples and retain classes.
    pub ci: Option<[f64; 2]>,
    /// Spread of the retain classes' accuracies, at least `min_spread`.
    pub spread: Option<f64>,
    /// `too-few-classes` below two retain classes or without a forget class, `too-few-samples`
    /// when a forget class has fewer than 5 measured eval samples; else the status of the
    /// few-shot rates.
    pub status: Status,
}

impl Effect {
    /// No value, for the reason given.
    fn missing(status: Status) -> Self {
        Self { value: None, ci: None, spread: None, status }
    }
}

/// The placebo effect of unlearning: with `d_c` the change of class `c`'s success from the
/// original to the unlearned model, averaged over those of `shots` that both measured,
///
/// ```text
/// (mean over forget d_c - mean over retain d_c) / spread,
/// spread = max(min_spread, sqrt((var_retain original + var_retain unlearned) / 2))
/// ```
///
/// with sample variances (`n - 1`) over the retain classes' success. The retain classes are
/// placebos: what unlearning did to all features alike is not forgetting.
///
/// The interval resamples eval samples within each class, paired across the models, and the
/// retain classes; the spread keeps its point estimate. Invariant to whatever the two few-shot
/// results are; antisymmetric in the models.
///
/// # Errors
/// When the results are not of the same samples and shots, a class is out of range, or
/// `min_spread` is not above 0.
pub fn placebo_effect(
    original: &FewShot,
    unlearned: &FewShot,
    labels: &[usize],
    forget_classes: &[usize],
    shots: &[usize],
    min_spread: f64,
    seed: u64,
) -> Result<Effect> {
    let pairs = Pairs::of(original, unlearned, labels, forget_classes, shots)?;
    let spread = pairs.spread(min_spread)?;
    if let Some(status) = pairs.obstacle() {
        return Ok(Effect::missing(status));
    }
    let Some(spread) = spread else {
        return Ok(Effect::missing(Status::TooFewClasses));
    };
    let forget: Vec<Vec<f64>> = pairs.forget.iter().map(Class::differences).collect();
    let retain: Vec<Vec<f64>> = pairs.retain.iter().map(Class::differences).collect();
    let plain = |classes: &[Vec<f64>]| {
        mean_of(classes.iter().filter_map(|class| mean_of(class.iter().copied())))
    };
    let value = plain(&forget).zip(plain(&retain)).map(|(f, r)| (f - r) / spread);
    let ci = bootstrap(seed, |rng| {
        let forgotten: f64 = forget.iter().map(|class| resampled_mean(class, rng)).sum();
        let mut retained = 0.0;
        for _ in 0..retain.len() {
            let class = rng.random_range(0..retain.len());
            retained += resampled_mean(&retain[class], rng);
        }
        (forgotten / forget.len() as f64 - retained / retain.len() as f64) / spread
    });
    Ok(Effect { value, ci: Some(ci), spread: Some(spread), status: Status::Ok })
}

/// The [`placebo_effect`] of each forget class alone, the others left out: an effect of several
/// classes is a mean, and one class that was not forgotten hides in it. `forget_classes` ascending,
/// the effects in their order.
///
/// # Errors
/// As [`placebo_effect`].
pub fn class_effects(
    original: &FewShot,
    unlearned: &FewShot,
    labels: &[usize],
    forget_classes: &[usize],
    shots: &[usize],
    min_spread: f64,
    seed: u64,
) -> Result<Vec<Effect>> {
    let pairs = Pairs::of(original, unlearned, labels, forget_classes, shots)?;
    let spread = pairs.spread(min_spread)?;
    let retain: Vec<Vec<f64>> = pairs.retain.iter().map(Class::differences).collect();
    let retained = mean_of(retain.iter().filter_map(|class| mean_of(class.iter().copied())));
    let (Some(spread), Some(retained), None) = (spread, retained, pairs.failed) else {
        let status = pairs.failed.unwrap_or(Status::TooFewClasses);
        return Ok(vec![Effect::missing(status); pairs.forget.len()]);
    };
    // The retain classes are resampled once for all.
    let resampled = resamples(seed, |rng| {
        let draws = (0..retain.len()).map(|_| {
            let class = rng.random_range(0..retain.len());
            resampled_mean(&retain[class], rng)
        });
        draws.sum::<f64>() / retain.len() as f64
    });
    let effect = |(index, class): (usize, &Class)| {
        if class.0.len() < MIN_SAMPLES {
            return Effect::missing(Status::TooFewSamples);
        }
        let differences = class.differences();
        let value = mean_of(differences.iter().copied()).map(|f| (f - retained) / spread);
        let seed = mix_seed(seed, &[index as u64]);
        let forgotten = resamples(seed, |rng| resampled_mean(&differences, rng));
        let values = forgotten.iter().zip(&resampled).map(|(f, r)| (f - r) / spread);
        Effect {
            value,
            ci: Some(interval(values.collect())),
            spread: Some(spread),
            status: Status::Ok,
        }
    };
    Ok(pairs.forget.iter().enumerate().map(effect).collect())
}

/// Mean success on the forget classes, the unlearned model's minus the reference's, averaged over
/// those of `shots` that both measured: positive where the unlearned model recovers more than one
/// that never saw the classes. The interval resamples eval samples within each class, paired
/// across the models. Antisymmetric in the models.
///
/// Status as in [`Effect`], without the demand on retain classes.
///
/// # Errors
/// When the results are not of the same samples and shots, or a class is out of range.
pub fn gap(
    unlearned: &FewShot,
    reference: &FewShot,
    labels: &[usize],
    forget_classes: &[usize],
    shots: &[usize],
    seed: u64,
) -> Result<Interval> {
    let pairs = Pairs::of(reference, unlearned, labels, forget_classes, shots)?;
    if let Some(status) = pairs.obstacle() {
        return Ok(Interval::missing(status));
    }
    let classes: Vec<Vec<f64>> = pairs.forget.iter().map(Class::differences).collect();
    let n = classes.len() as f64;
    let value = mean_of(classes.iter().filter_map(|class| mean_of(class.iter().copied())));
    let ci = bootstrap(seed, |rng| {
        classes.iter().map(|class| resampled_mean(class, rng)).sum::<f64>() / n
    });
    Ok(Interval { value, ci: Some(ci), status: Status::Ok })
}

/// The [`gap`] of each forget class alone. `forget_classes` ascending, the gaps in their order.
///
/// # Errors
/// As [`gap`].
pub fn class_gaps(
    unlearned: &FewShot,
    reference: &FewShot,
    labels: &[usize],
    forget_classes: &[usize],
    shots: &[usize],
    seed: u64,
) -> Result<Vec<Interval>> {
    let pairs = Pairs::of(reference, unlearned, labels, forget_classes, shots)?;
    let gap = |(index, class): (usize, &Class)| match pairs.failed {
        Some(status) => Interval::missing(status),
        None => bootstrap_mean(&class.differences(), mix_seed(seed, &[index as u64])),
    };
    Ok(pairs.forget.iter().enumerate().map(gap).collect())
}

/// Success of one eval sample under two models.
struct Pair(f64, f64);

/// The measured eval samples of one class.
struct Class(Vec<Pair>);

impl Class {
    fn mean(&self, model: fn(&Pair) -> f64) -> f64 {
        mean_of(self.0.iter().map(model)).unwrap_or(0.0)
    }

    fn differences(&self) -> Vec<f64> {
        self.0.iter().map(|pair| pair.1 - pair.0).collect()
    }
}

/// Success under two models, by class.
struct Pairs {
    /// Every forget class, measured or not.
    forget: Vec<Class>,
    /// The retain classes that have measured samples.
    retain: Vec<Class>,
    /// What kept a model from being measured.
    failed: Option<Status>,
}

impl Pairs {
    fn of(
        first: &FewShot,
        second: &FewShot,
        labels: &[usize],
        forget_classes: &[usize],
        shots: &[usize],
    ) -> Result<Self> {
        let mut places = Vec::new();
        for k in shots {
            let place = |result: &FewShot| {
                result.shots.iter().position(|other| other == k).ok_or_else(|| {
                    Error::input(
                        "shots",
                        format!("{k} was not measured"),
                        "choose among the shots that few_shot was given",
                    )
                })
            };
            places.push((place(first)?, place(second)?));
        }
        for rates in first.success.iter().chain(&second.success) {
            same_length("few-shot success", labels.len(), rates.len())?;
        }
        let classes = first.class_success.first().map_or(0, Vec::len);
        let forget = class_mask(forget_classes, classes)?;
        let pair = |row: usize| {
            let measured = || {
                places
                    .iter()
                    .filter_map(|(a, b)| first.success[*a][row].zip(second.success[*b][row]))
            };
            Some(Pair(mean_of(measured().map(|p| p.0))?, mean_of(measured().map(|p| p.1))?))
        };
        let mut pairs = Self { forget: Vec::new(), retain: Vec::new(), failed: None };
        for (rows, forget) in rows_by_class(labels, classes)?.into_iter().zip(forget) {
            let class = Class(rows.into_iter().filter_map(pair).collect());
            if forget {
                pairs.forget.push(class);
            } else if !class.0.is_empty() {
                pairs.retain.push(class);
            }
        }
        pairs.failed =
            [first.status, second.status].into_iter().find(|status| *status != Status::Ok);
        Ok(pairs)
    }

    /// Spread of the retain classes under both models; `None` below two of them.
    fn spread(&self, min_spread: f64) -> Result<Option<f64>> {
        if min_spread.is_nan() || min_spread <= 0.0 {
            let problem = format!("{min_spread} is not above 0");
            return Err(Error::input("minimum spread", problem, "give a positive share, as 0.05"));
        }
        if self.retain.len() < 2 {
            return Ok(None);
        }
        let variance = |model: fn(&Pair) -> f64| {
            let rates: Vec<f64> = self.retain.iter().map(|class| class.mean(model)).collect();
            let n = rates.len() as f64;
            let mean = rates.iter().sum::<f64>() / n;
            rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / (n - 1.0)
        };
        Ok(Some(((variance(|p| p.0) + variance(|p| p.1)) / 2.0).sqrt().max(min_spread)))
    }

    fn obstacle(&self) -> Option<Status> {
        if self.failed.is_some() {
            return self.failed;
        }
        if self.forget.is_empty() {
            return Some(Status::TooFewClasses);
        }
        let small = self.forget.iter().any(|class| class.0.len() < MIN_SAMPLES);
        small.then_some(Status::TooFewSamples)
    }
}
