//! PyTorch's old and new exporter name everything differently; the figures must not notice.

mod common;

use common::report;
use forget_audit::report::Report;
use serde_json::Value;

/// Both exports hold the same weights; kernels are chosen per graph, so activations differ in the
/// last bits of f32.
const TOLERANCE: f64 = 1e-5;

/// All numbers of a report with their places, names of tensors and files aside.
fn numbers(report: &Report) -> Vec<(String, f64)> {
    fn walk(value: &Value, place: String, found: &mut Vec<(String, f64)>) {
        match value {
            Value::Number(n) => found.push((place, n.as_f64().expect("finite"))),
            Value::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    walk(item, format!("{place}[{i}]"), found);
                }
            }
            Value::Object(fields) => {
                for (key, item) in fields {
                    walk(item, format!("{place}.{key}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (name, part) in [
        ("outputs", serde_json::to_value(&report.outputs)),
        ("layers", serde_json::to_value(&report.layers)),
        ("head", serde_json::to_value(&report.head)),
    ] {
        walk(&part.expect("JSON"), name.into(), &mut found);
    }
    // The floor's weights are drawn in the order of the file's tensors, which the exporters differ
    // in; without a reference the recovered fraction is taken from it.
    found.retain(|(place, _)| !place.contains(".floor") && !place.contains("recovered_fraction"));
    found
}

#[test]
fn old_and_new_exports_of_one_model_give_the_same_figures() {
    for (mixed, like) in [
        (
            ["conv-original", "conv-head-flip-dynamo", "conv-retrained"],
            ["conv-original", "conv-head-flip", "conv-retrained"],
        ),
        (
            ["conv-original-dynamo", "conv-random-label", "conv-retrained-dynamo"],
            ["conv-original", "conv-random-label", "conv-retrained"],
        ),
        (
            ["vit-original-dynamo", "vit-random-label", "vit-retrained"],
            ["vit-original", "vit-random-label", "vit-retrained"],
        ),
    ] {
        let [mixed_report, like_report] =
            [mixed, like].map(|[original, unlearned, reference]| {
                report(original, unlearned, Some(reference))
            });
        let (found, expected) = (numbers(&mixed_report), numbers(&like_report));
        assert_eq!(found.len(), expected.len(), "{mixed:?}");
        for ((place, found), (_, expected)) in found.iter().zip(&expected) {
            assert!((found - expected).abs() <= TOLERANCE, "{mixed:?} {place}: {found} {expected}");
        }
        assert_eq!(mixed_report.verdict.label, like_report.verdict.label);
        assert_eq!(
            mixed_report.weights.encoder_identical,
            like_report.weights.encoder_identical,
            "{mixed:?}"
        );
    }
}
