//! Every figure against `fixtures/expected.json`, which `fixtures/reference.py` computes with
//! numpy, scikit-learn and the Python onnxruntime.

mod common;

use common::{fixture, report};
use forget_audit::report::Report;
use serde_json::Value;

/// f64 arithmetic on f32 activations: two BLAS libraries differ far below this.
const EXACT: f64 = 1e-6;
/// Two optimisers of the same convex loss, on some hundred samples.
const PROBE: f64 = 0.02;
/// Standard errors that two independent Monte Carlo means may lie apart.
const SIGMAS: f64 = 5.0;
const OUR_DRAWS: f64 = 100.0;

fn expected() -> Value {
    let text = std::fs::read_to_string(fixture("expected.json")).expect("expected.json");
    serde_json::from_str(&text).expect("JSON")
}

fn close(what: &str, found: Option<f64>, expected: &Value, tolerance: f64) {
    match (found, expected.as_f64()) {
        (None, None) => {}
        (Some(a), Some(b)) => {
            assert!((a - b).abs() <= tolerance, "{what}: found {a}, expected {b}");
        }
        (a, b) => panic!("{what}: found {a:?}, expected {b:?}"),
    }
}

fn check_layers(pair: &str, report: &Report, expected: &Value, draws: f64) {
    let taps = expected["taps"].as_array().expect("taps");
    let mut checked = 0;
    for layer in &report.layers {
        let same =
            |t: &&Value| t["original"] == layer.name && t["unlearned"] == layer.unlearned_name;
        let Some(tap) = taps.iter().find(same) else {
            // Where the encoder ends, in either model, before a head of several layers.
            assert_eq!(layer.kind.as_str(), "features", "{pair}: {} is not expected", layer.name);
            continue;
        };
        checked += 1;
        let at = format!("{pair} at {}", layer.name);
        assert_eq!(tap["dim"], layer.width, "{at}");
        for (set, cka) in
            [("forget", layer.cka.forget), ("retain", layer.cka.retain), ("all", layer.cka.all)]
        {
            let want = &tap["cka"][set];
            close(&format!("{at}: debiased CKA {set}"), cka.debiased, &want["debiased"], EXACT);
            close(&format!("{at}: biased CKA {set}"), cka.biased, &want["biased"], EXACT);
            assert_eq!(want["status"], cka.status.as_str(), "{at}: CKA {set}");
        }
        let center = layer.nearest_center.unlearned;
        let want = &tap["nearest_center"];
        close(&format!("{at}: centre forget"), center.forget_accuracy, &want["forget"], 1e-12);
        close(&format!("{at}: centre retain"), center.retain_accuracy, &want["retain"], 1e-12);
        let probe = layer.probe.unlearned;
        let want = &tap["probe"];
        close(&format!("{at}: probe forget"), probe.forget_accuracy, &want["forget"], PROBE);
        close(&format!("{at}: probe retain"), probe.retain_accuracy, &want["retain"], PROBE);
        for (index, k) in layer.few_shot.shots.iter().enumerate() {
            let want = &tap["few_shot"][k.to_string()];
            let numbers = |key: &str| -> Vec<f64> {
                let list = want[key].as_array().expect("a list");
                list.iter().map(|v| v.as_f64().expect("a number")).collect()
            };
            let (means, deviations) = (numbers("per_class"), numbers("sd"));
            let mean = |classes: &[usize], values: &[f64]| {
                classes.iter().map(|&c| values[c]).sum::<f64>() / classes.len() as f64
            };
            let retain: Vec<usize> = (0..10).filter(|c| ![3, 8].contains(c)).collect();
            let found = &layer.few_shot.unlearned;
            for (set, classes, value) in [
                ("forget", &[3usize, 8][..], found.forget[index]),
                ("retain", &retain, found.retain[index]),
            ] {
                // Ties between collapsed classes: here half a point, there the lower class's.
                // Their mean over both classes is the same.
                let error = (1.0 / draws + 1.0 / OUR_DRAWS).sqrt();
                let spread = classes.iter().map(|&c| deviations[c].powi(2)).sum::<f64>().sqrt()
                    / classes.len() as f64;
                let tolerance = SIGMAS * spread * error + 1e-9;
                let want = Value::from(mean(classes, &means));
                close(&format!("{at}: {k}-shot {set}"), value, &want, tolerance);
            }
        }
    }
    // The last map, pooled, is the head's input: the tool reports one of the two.
    assert!(checked + 1 >= taps.len(), "{pair}: only {checked} of {} taps", taps.len());
}

fn check_head(pair: &str, report: &Report, expected: &Value) {
    let head = report.head.as_ref().expect("a head");
    let want = expected["head"]["misalignment"].as_array().expect("misalignment");
    let found = &head.misalignment.unlearned.per_class;
    assert_eq!(found.len(), want.len(), "{pair}");
    for (class, (found, want)) in found.iter().zip(want).enumerate() {
        close(&format!("{pair}: misalignment of class {class}"), *found, want, EXACT);
    }
    let want = &expected["head"]["mismatch"];
    let found = head.mismatch.unlearned;
    close(&format!("{pair}: mismatch forget"), found.forget, &want["forget"], 1e-12);
    close(&format!("{pair}: mismatch retain"), found.retain, &want["retain"], 1e-12);
    let outputs = &report.outputs.as_ref().expect("outputs").unlearned;
    for (split, found) in [("fit", outputs.fit), ("eval", outputs.eval)] {
        let want = &expected["outputs"][split];
        close(&format!("{pair}: {split} forget"), found.forget_accuracy, &want["forget"], 1e-12);
        close(&format!("{pair}: {split} retain"), found.retain_accuracy, &want["retain"], 1e-12);
    }
}

#[test]
fn every_figure_agrees_with_the_independent_computation() {
    let expected = expected();
    let draws = expected["draws"].as_f64().expect("draws");
    let pairs = expected["pairs"].as_array().expect("pairs");
    assert!(pairs.len() >= 20);
    for pair in pairs {
        let (original, unlearned) =
            (pair["original"].as_str().expect("name"), pair["unlearned"].as_str().expect("name"));
        let name = format!("{original} against {unlearned}");
        let report = report(original, unlearned, None);
        check_layers(&name, &report, pair, draws);
        check_head(&name, &report, pair);
    }
}
