use ndarray::{array, concatenate};
use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::measures::stats::generator;

/// `classes` clusters on the axes, `n` samples each, with noise of half-width `noise`.
fn clusters(classes: usize, n: usize, noise: f32, seed: u64) -> (Array2<f32>, Vec<usize>) {
    let mut rng = generator(seed, &[]);
    let labels: Vec<usize> = (0..classes * n).map(|i| i % classes).collect();
    let mut features = Array2::<f32>::eye(classes).select(Axis(0), &labels);
    features.mapv_inplace(|value| value + noise * rng.random_range(-1.0..1.0f32));
    (features, labels)
}

type Set = (Array2<f32>, Vec<usize>);

fn run(fit: &Set, eval: &Set, classes: usize, shots: &[usize]) -> FewShot {
    let fit = Labelled::new(fit.0.view(), &fit.1).unwrap();
    let eval = Labelled::new(eval.0.view(), &eval.1).unwrap();
    few_shot(fit, eval, classes, shots, 50, 7).unwrap()
}

#[test]
fn tight_clusters_need_one_sample() {
    let (fit, eval) = (clusters(4, 10, 0.05, 1), clusters(4, 6, 0.05, 2));
    let result = run(&fit, &eval, 4, &[1, 3]);
    assert_eq!(result.class_success, vec![vec![Some(1.0); 4]; 2]);
    assert_eq!(result.success, vec![vec![Some(1.0); 24]; 2]);
    let means = result.means(&[2]).unwrap();
    assert_eq!((means.forget, means.retain), (vec![Some(1.0); 2], vec![Some(1.0); 2]));
    assert!(result.means(&[4]).is_err());
}

/// With all fit samples known, the rate is whether the nearest class mean is the own one.
#[test]
fn all_samples_known_is_the_nearest_center() {
    let (fit, eval) = (clusters(5, 8, 2.0, 3), clusters(5, 12, 2.0, 4));
    let result = run(&fit, &eval, 5, &[8]);
    let forget = vec![false; eval.1.len()];
    let nearest = crate::measures::nearest_center::nearest_center(
        Labelled::new(fit.0.view(), &fit.1).unwrap(),
        Labelled::new(eval.0.view(), &eval.1).unwrap(),
        &forget,
        5,
        0,
    );
    let expected: Vec<Option<f64>> =
        nearest.unwrap().correct.iter().map(|c| Some(f64::from(u8::from(*c)))).collect();
    assert_eq!(result.success[0], expected);
    assert!(expected.contains(&Some(0.0)) && expected.contains(&Some(1.0)));
}

/// Credit is 1 over the number of tied centres: 1/2 for two classes on one point, whose rate
/// has no sampling noise, and 1/3 for three.
#[test]
fn collapsed_classes_share_the_credit() {
    let point = |n: usize, value: f32| Array2::from_elem((n, 3), value);
    let features = concatenate![Axis(0), point(6, 0.1), point(6, 0.1), point(6, 9.3)];
    let labels: Vec<usize> = (0..18).map(|i| i / 6).collect();
    let set = (features, labels);
    let result = run(&set, &set, 3, &[1, 5]);
    assert_eq!(result.class_success, vec![vec![Some(0.5), Some(0.5), Some(1.0)]; 2]);
    let all = (point(18, 0.7), set.1.clone());
    let rates = run(&all, &all, 3, &[3]).class_success;
    assert!(rates[0].iter().all(|rate| (rate.unwrap() - 1.0 / 3.0).abs() < 1e-12));
}

/// One dimension, own fit samples at 0 and 4, rival centre at 3, eval sample at 1: the draw of 0
/// (distance 1 against 2) succeeds, the draw of 4 (3 against 2) fails. So half of all draws, within
/// the binomial's 4 standard errors of 400.
#[test]
fn rate_of_a_known_case() {
    let fit = array![[0.0f32], [4.0], [3.0]];
    let eval = array![[1.0f32]];
    let result = few_shot(
        Labelled::new(fit.view(), &[0, 0, 1]).unwrap(),
        Labelled::new(eval.view(), &[0]).unwrap(),
        2,
        &[1, 2, 3],
        400,
        1,
    )
    .unwrap();
    assert!((result.success[0][0].unwrap() - 0.5).abs() < 0.1);
    // Both known: centre at 2, distance 1 against 2.
    assert_eq!(result.success[1][0], Some(1.0));
    // A third sample is not there; nor has class 1 an eval sample.
    assert_eq!(result.success[2][0], None);
    assert_eq!(result.class_success[0][1], None);
}

/// Few-shot draws are common random numbers: what one class's draws are does not depend on other
/// classes, shots or the model.
#[test]
fn draws_depend_on_seed_class_and_shots_only() {
    let (fit, eval) = (clusters(4, 9, 1.5, 5), clusters(4, 7, 1.5, 6));
    let (a, b) = (run(&fit, &eval, 4, &[1, 3]), run(&fit, &eval, 6, &[3]));
    assert_eq!(a.success[1], b.success[0]);
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(single.install(|| run(&fit, &eval, 4, &[1, 3])), a);
}

#[test]
fn statuses_and_errors() {
    let (x, y) = clusters(3, 5, 0.1, 1);
    let mut bad = (x.clone(), y.clone());
    bad.0[[0, 0]] = f32::NAN;
    let good = (x.clone(), y.clone());
    let result = run(&bad, &good, 3, &[1]);
    assert_eq!(result.status, Status::NonFinite);
    assert!(result.success[0].iter().all(Option::is_none));
    assert_eq!(run(&(x.clone(), vec![1; 15]), &good, 3, &[1]).status, Status::TooFewClasses);
    let labelled = Labelled::new(x.view(), &y).unwrap();
    assert!(few_shot(labelled, labelled, 3, &[0], 10, 1).is_err());
    assert!(few_shot(labelled, labelled, 3, &[1], 0, 1).is_err());
    assert!(few_shot(labelled, labelled, 2, &[1], 10, 1).is_err());
}

/// Success rates given directly, the same for every sample of a class.
fn rates(by_class: &[f64], samples: usize) -> (FewShot, Vec<usize>) {
    let labels: Vec<usize> = (0..by_class.len() * samples).map(|i| i % by_class.len()).collect();
    let result = FewShot {
        shots: vec![1],
        success: vec![labels.iter().map(|c| Some(by_class[*c])).collect()],
        class_success: vec![by_class.iter().map(|rate| Some(*rate)).collect()],
        status: Status::Ok,
    };
    (result, labels)
}

/// Retain rates .6, .8 (variance .02) and .5, .7 (.02), so spread sqrt(.02); d is -.5 for the
/// forget class and -.1 for both retain classes, so the effect is -.4 / sqrt(.02). Equal samples
/// and equal retain changes leave the interval no width.
#[test]
fn effect_of_known_rates() {
    let (original, labels) = rates(&[0.7, 0.6, 0.8], 6);
    let (unlearned, _) = rates(&[0.2, 0.5, 0.7], 6);
    let effect = placebo_effect(&original, &unlearned, &labels, &[0], &[1], MIN_SPREAD, 3).unwrap();
    let expected = -0.4 / 0.02f64.sqrt();
    assert!((effect.spread.unwrap() - 0.02f64.sqrt()).abs() < 1e-12);
    for value in [effect.value.unwrap(), effect.ci.unwrap()[0], effect.ci.unwrap()[1]] {
        assert!((value - expected).abs() < 1e-9, "{value} {expected}");
    }
    let back = placebo_effect(&unlearned, &original, &labels, &[0], &[1], MIN_SPREAD, 3).unwrap();
    assert!((back.value.unwrap() + effect.value.unwrap()).abs() < 1e-12);
    let gap = gap(&unlearned, &original, &labels, &[0], &[1], 3).unwrap();
    assert!((gap.value.unwrap() + 0.5).abs() < 1e-12);
}

#[test]
fn small_spread_is_floored() {
    let (original, labels) = rates(&[0.7, 0.6, 0.6], 6);
    let (unlearned, _) = rates(&[0.69, 0.6, 0.6], 6);
    let effect = placebo_effect(&original, &unlearned, &labels, &[0], &[1], MIN_SPREAD, 3).unwrap();
    assert_eq!(effect.spread, Some(MIN_SPREAD));
    assert!((effect.value.unwrap() + 0.01 / MIN_SPREAD).abs() < 1e-9);
}

#[test]
fn nothing_changed_is_exactly_zero() {
    let (fit, eval) = (clusters(4, 9, 1.5, 5), clusters(4, 7, 1.5, 6));
    let result = run(&fit, &eval, 4, &[1, 3]);
    let effect = placebo_effect(&result, &result, &eval.1, &[1], &[1, 3], MIN_SPREAD, 2).unwrap();
    assert_eq!((effect.value, effect.ci), (Some(0.0), Some([0.0, 0.0])));
}

#[test]
fn effect_statuses_and_errors() {
    let (few, labels) = rates(&[0.7, 0.6, 0.8], 4);
    let effect =
        |forget: &[usize]| placebo_effect(&few, &few, &labels, forget, &[1], MIN_SPREAD, 1);
    assert_eq!(effect(&[0]).unwrap().status, Status::TooFewSamples);
    assert_eq!(effect(&[]).unwrap().status, Status::TooFewClasses);
    assert!(effect(&[3]).is_err());
    assert!(placebo_effect(&few, &few, &labels, &[0], &[1], 0.0, 1).is_err());
    let (many, labels) = rates(&[0.7, 0.6, 0.8], 5);
    let effect = placebo_effect(&many, &many, &labels, &[0, 1], &[1], MIN_SPREAD, 1).unwrap();
    assert_eq!(effect.status, Status::TooFewClasses);
    assert_eq!(gap(&many, &many, &labels, &[0, 1], &[1], 1).unwrap().status, Status::Ok);
    assert!(gap(&many, &many, &labels, &[0], &[2], 1).is_err());
    assert!(gap(&many, &many, &labels[1..], &[0], &[1], 1).is_err());
    let mut failed = many.clone();
    failed.status = Status::NonFinite;
    assert_eq!(gap(&many, &failed, &labels, &[0], &[1], 1).unwrap().status, Status::NonFinite);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Permuted, sign-flipped axes are a rotation without rounding; features on a grid leave
    /// scale and shift exact too.
    #[test]
    fn invariant_to_rotation_scale_and_shift(seed in any::<u64>()) {
        let grid = |(x, y): Set| (x.mapv(|v| (v * 64.0).round() / 64.0), y);
        let (fit, eval) =
            (grid(clusters(4, 6, 1.5, seed)), grid(clusters(4, 5, 1.5, seed ^ 1)));
        let moved = |(x, y): &Set| {
            let rotated = x.select(Axis(1), &[2, 0, 3, 1]) * array![[1.0f32, -1.0, 1.0, -1.0]];
            (rotated * 4.0 + 1024.0, y.clone())
        };
        let (a, b) = (run(&fit, &eval, 4, &[1, 3]), run(&moved(&fit), &moved(&eval), 4, &[1, 3]));
        prop_assert_eq!(a, b);
    }
}
