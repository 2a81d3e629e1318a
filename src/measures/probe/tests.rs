use ndarray::{Axis, array, s};
use proptest::prelude::*;
use rand::Rng;

use super::*;
use crate::measures::stats::generator;

/// Classes as noisy clusters around random centres; the last feature is constant.
fn clusters(n: usize, d: usize, classes: usize, seed: u64) -> (Array2<f32>, Vec<usize>) {
    let mut rng = generator(42, &[d as u64, classes as u64]);
    let centers = Array2::from_shape_simple_fn((classes, d), || rng.random_range(-1.0..1.0f32));
    let mut rng = generator(seed, &[]);
    let labels: Vec<usize> = (0..n).map(|i| i % classes).collect();
    let mut features = centers.select(Axis(0), &labels);
    features.mapv_inplace(|v| v + rng.random_range(-1.0..1.0f32));
    features.column_mut(d - 1).fill(3.0);
    (features, labels)
}

fn run(fit: &(Array2<f32>, Vec<usize>), eval: &(Array2<f32>, Vec<usize>)) -> Classified {
    let n = eval.1.len();
    let fit = Labelled::new(fit.0.view(), &fit.1).unwrap();
    let eval = Labelled::new(eval.0.view(), &eval.1).unwrap();
    let forget: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
    linear_probe(fit, eval, &forget, 1).unwrap()
}

#[test]
fn separates_clusters() {
    let result = run(&clusters(400, 20, 4, 1), &clusters(200, 20, 4, 2));
    assert_eq!(result.status, Status::Ok);
    let accuracy = result.accuracy.unwrap();
    assert!(accuracy.forget_accuracy.unwrap() > 0.9 && accuracy.retain_accuracy.unwrap() > 0.9);
    assert!(accuracy.forget_ci.is_some());
}

/// scikit-learn's predictions, written by tests/data/probe_golden.py. Both solvers stop short of
/// the optimum, so samples on a border may differ.
#[test]
fn predicts_what_scikit_learn_does_on_heavy_tails() {
    let text = include_str!("../../../tests/data/probe_golden.csv");
    let values: Vec<f32> =
        text.split([',', '\n']).filter_map(|field| field.trim().parse().ok()).collect();
    let table = Array2::from_shape_vec((400, 14), values).unwrap();
    let features = table.slice(s![.., ..12]).to_owned();
    let column = |place: usize| -> Vec<usize> {
        table.column(place).iter().map(|value| *value as usize).collect()
    };
    let labels = column(12);
    let fit = (features.slice(s![..200, ..]).to_owned(), labels[..200].to_vec());
    let result = run(&fit, &(features, labels));
    assert_eq!(result.status, Status::Ok);
    let agreeing = result.predicted.iter().zip(column(13)).filter(|(a, b)| **a == *b).count();
    assert!(agreeing >= 398, "{agreeing}");
}

/// Two points at +-1 of one feature, standardised to themselves: by symmetry the two columns are
/// w and -w with `w = 2 (1 - p)`, `p = 1/(1 + exp(-2w))`, the optimum of the summed loss with
/// penalty 1/2 |W|^2 (that is C = 1). Its root by bisection is the expectation.
#[test]
fn penalty_is_that_of_c_one() {
    let x = array![[-1.0f32], [1.0]];
    let loss = Loss {
        features: Scaler::of(x.view()).apply(x.view()),
        places: vec![0, 1],
        classes: 2,
        latest: RefCell::default(),
    };
    let (parameters, status) = loss.minimise().unwrap();
    assert_eq!(status, Status::Ok);
    let (mut low, mut high) = (0.0f64, 2.0f64);
    for _ in 0..60 {
        let w = (low + high) / 2.0;
        let p = 1.0 / (1.0 + (-2.0 * w).exp());
        if w < 2.0 * (1.0 - p) { low = w } else { high = w }
    }
    let w = parameters[1];
    assert!((w - low).abs() < 2e-3, "{w} {low}");
    assert!((parameters[2] - parameters[3]).abs() < 1e-4);
}

#[test]
fn absent_classes_are_never_predicted() {
    let (x, y) = clusters(300, 8, 3, 1);
    let named: Vec<usize> = y.iter().map(|c| [7, 2, 11][*c]).collect();
    let result = run(&(x.clone(), named.clone()), &(x, named));
    assert!(result.predicted.iter().all(|p| [2, 7, 11].contains(p)));
    assert!(result.correct.iter().filter(|c| **c).count() > 250);
}

#[test]
fn statuses() {
    let (x, y) = clusters(30, 4, 3, 1);
    let good = (x.clone(), y.clone());
    assert_eq!(run(&(x.clone(), vec![1; 30]), &good).status, Status::TooFewClasses);
    let none = (Array2::zeros((0, 4)), vec![]);
    assert_eq!(run(&none, &good).status, Status::TooFewSamples);
    assert_eq!(run(&good, &none).accuracy.unwrap().forget_accuracy, None);
    let mut bad = good.clone();
    bad.0[[3, 2]] = f32::INFINITY;
    assert_eq!(run(&bad, &good).status, Status::NonFinite);
    assert_eq!(run(&good, &bad).status, Status::NonFinite);
    let narrow = Labelled::new(x.slice(ndarray::s![.., ..2]), &y).unwrap();
    let wide = Labelled::new(x.view(), &y).unwrap();
    assert!(linear_probe(narrow, wide, &[true; 30], 0).is_err());
    assert!(linear_probe(wide, wide, &[true; 2], 0).is_err());
}

/// Features without information: every sample is given the most frequent class.
#[test]
fn constant_features_give_the_most_frequent_class() {
    let labels = vec![0, 0, 1, 1, 1, 2];
    let constant = (Array2::from_elem((6, 3), 0.7f32), labels);
    assert_eq!(run(&constant, &constant).predicted, [1; 6]);
    let no_width = (Array2::zeros((6, 0)), constant.1.clone());
    assert_eq!(run(&no_width, &no_width).predicted, [1; 6]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Powers of two scale without rounding; a shift rounds a little, so a sample near a border
    /// may change sides.
    #[test]
    fn invariant_to_scale_and_shift_of_each_feature(seed in any::<u64>(), shift in -8.0..8.0f32) {
        let (fit, eval) = (clusters(120, 6, 3, seed), clusters(90, 6, 3, seed ^ 1));
        let moved = |(x, y): &(Array2<f32>, Vec<usize>)| {
            (x * array![[2.0f32, -4.0, 0.125, 1.0, 1024.0, 1.0]] + shift, y.clone())
        };
        let (a, b) = (run(&fit, &eval), run(&moved(&fit), &moved(&eval)));
        let changed = a.predicted.iter().zip(&b.predicted).filter(|(a, b)| a != b).count();
        prop_assert!(changed <= 1, "{changed}");
    }
}
