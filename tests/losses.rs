//! The losses against fixtures/losses.json, which fixtures/losses.py computes from definitions.

mod common;

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use common::fixture;
use forget_audit::train::{Contrast, Cpu, Tensor, contrastive, cross_entropy, gradients_of};
use forget_audit::unlearn::{Base, Scored};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// Some roundings of `f32`, 6e-8 each. They are relative to the largest number in the course: features
/// of unit length divided by a temperature, or logits of 400, enter exponentials with an absolute
/// error that grows with them. The largest seen is 2.3 roundings.
const ROUNDING: f64 = 8.0 * 6e-8;

type Tracked = Tensor<Autodiff<Cpu>>;

fn cases(kind: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(fixture("losses.json")).expect("losses.json");
    let all: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_str(&text).expect("cases by kind");
    let cases = all[kind].clone();
    assert!(cases.len() >= 2, "{kind}");
    cases
}

fn numbers(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).expect("whole numbers")
}

fn matrix(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).expect("rows")
}

/// Compares value and gradient of `loss`, a function of the rows named by `key`.
fn check(name: &str, case: &Value, key: &str, scale: f64, loss: impl FnOnce(Tracked) -> Tracked) {
    let rows = matrix(&case[key]);
    let shape = [rows.len(), rows[0].len()];
    let values = rows.iter().flatten().map(|&v| v as f32).collect();
    let x = Tensor::<Cpu>::from_values(values, &shape, &Default::default());
    let x = x.tracked().require_gradient();
    let loss = loss(x.clone());
    let value = loss.clone().into_inner().into_values().expect("a value")[0];
    let gradients = gradients_of(loss, &BTreeMap::from([("x".to_owned(), x)]));
    let gradient = gradients["x"].clone().into_values().expect("a gradient");

    let wanted = case["value"].as_f64().expect("a value");
    let off = (f64::from(value) - wanted).abs();
    assert!(off <= ROUNDING * scale, "{name}: {value} for {wanted}, off by {off:e}");
    let wanted: Vec<f64> = matrix(&case["gradient"]).into_iter().flatten().collect();
    let largest = wanted.iter().fold(0.0f64, |l, v| l.max(v.abs()));
    for (g, w) in gradient.iter().zip(&wanted) {
        let off = (f64::from(*g) - w).abs();
        // Difference quotients are good to 1e-7.
        let bound = ROUNDING * scale * largest + 1e-7;
        assert!(off <= bound, "{name}: gradient {g} for {w}, off by {off:e}, allowed {bound:e}");
    }
}

fn rows(x: &Tracked, chosen: impl Iterator<Item = usize>) -> Tracked {
    x.clone().select(0, &chosen.collect::<Vec<_>>())
}

/// The rows of forget samples and of the others.
fn sides(case: &Value) -> ([Vec<usize>; 2], Vec<usize>) {
    let (labels, forget) = (numbers(&case["labels"]), numbers(&case["forget"]));
    let (gone, kept) = (0..labels.len()).partition(|&i| forget.contains(&labels[i]));
    ([gone, kept], labels)
}

#[test]
fn contrastive_loss() {
    for (name, case) in cases("contrastive") {
        let ([gone, kept], labels) = sides(&case);
        let temperature = case["t"].as_f64().expect("a temperature");
        let own: Vec<usize> = gone.iter().map(|&i| labels[i]).collect();
        check(&name, &case, "features", 1.0 / temperature, |x| {
            let settings = Contrast { temperature, detach_retain: false };
            // A backend takes no empty selection.
            let retain = match kept.is_empty() {
                true => x.clone().narrow(0, 0, 0),
                false => rows(&x, kept.iter().copied()),
            };
            contrastive(rows(&x, gone.iter().copied()), &own, retain, settings)
        });
    }
}

#[test]
fn cross_entropy_with_random_labels() {
    for (name, case) in cases("random_label") {
        let largest =
            matrix(&case["logits"]).into_iter().flatten().fold(1.0f64, |l, v| l.max(v.abs()));
        let targets = numbers(&case["targets"]);
        check(&name, &case, "logits", largest, |x| cross_entropy(x, &targets));
    }
}

#[test]
fn negative_gradient() {
    for (name, case) in cases("neg_grad") {
        let ([gone, kept], labels) = sides(&case);
        let largest =
            matrix(&case["logits"]).into_iter().flatten().fold(1.0f64, |l, v| l.max(v.abs()));
        let own = |rows: &[usize]| rows.iter().map(|&i| labels[i]).collect::<Vec<_>>();
        let (gone_labels, kept_labels) = (own(&gone), own(&kept));
        check(&name, &case, "logits", largest, |x| {
            let scored = Scored::<Cpu> {
                forget: rows(&x, gone.iter().copied()),
                forget_labels: &gone_labels,
                retain: rows(&x, kept.iter().copied()),
                retain_labels: &kept_labels,
            };
            let base = Base::NegGrad { retain: case["a"].as_f64().expect("a share") };
            base.loss(scored, &[], &mut ChaCha8Rng::seed_from_u64(0)).expect("a loss")
        });
    }
}

/// Labels are drawn from the other classes only, and every one of those is.
#[test]
fn random_labels_are_other_classes() {
    let logits = |n: usize| {
        let values = (0..n * 4).map(|i| (i % 4) as f32).collect();
        Tensor::<Cpu>::from_values(values, &[n, 4], &Default::default()).tracked()
    };
    // With logits 0 to 3 in every row, a label's cross-entropy is a constant minus the label.
    let constant = (0..4).map(|i| f64::from(i).exp()).sum::<f64>().ln();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let scored = Scored::<Cpu> {
            forget: logits(1),
            forget_labels: &[2],
            retain: logits(1),
            retain_labels: &[1],
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let loss = Base::RandomLabel.loss(scored, &[0, 1, 2, 3], &mut rng).expect("a loss");
        let mean = f64::from(loss.into_inner().into_values().expect("a value")[0]);
        let drawn = constant - (2.0 * mean - (constant - 1.0));
        assert!((drawn - drawn.round()).abs() < 1e-5, "{drawn}");
        seen.insert(drawn.round() as i64);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 3]);
}
