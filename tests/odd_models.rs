//! Models as exporters leave them: derived from `conv-original`, so the figures must be its own.
//! `fixtures/odd/README.md` lists them.

mod common;

use common::{Silent, audit, fixture, report, request};
use forget_audit::compare::{Request, compare};
use forget_audit::onnx::Selection;
use forget_audit::report::Report;

fn odd(name: &str) -> Request {
    let mut request = request("conv-original", "conv-random-label", None);
    request.original = fixture("odd").join(name);
    request
}

fn close(a: Option<f64>, b: Option<f64>, tolerance: f64, what: &str) {
    let (a, b) = (a.expect("a value"), b.expect("a value"));
    assert!((a - b).abs() <= tolerance, "{what}: {a} {b}");
}

/// CKA, few-shot effect and output accuracy agree at the head's input.
fn same(found: &Report, expected: &Report, tolerance: f64) {
    let (a, b) = (found.layers.last().expect("layers"), expected.layers.last().expect("layers"));
    close(a.cka.forget.debiased, b.cka.forget.debiased, tolerance, "CKA forget");
    close(a.cka.retain.debiased, b.cka.retain.debiased, tolerance, "CKA retain");
    // Few-shot successes change in steps: a sample on the border may fall to the other side.
    close(a.few_shot.effect, b.few_shot.effect, 10.0 * tolerance, "effect");
    let (a, b) =
        (found.outputs.as_ref().expect("outputs"), expected.outputs.as_ref().expect("outputs"));
    assert_eq!(a.original.eval, b.original.eval);
    assert_eq!(found.verdict.label, expected.verdict.label);
}

#[test]
fn equivalent_graphs_give_the_same_figures() {
    let expected = report("conv-original", "conv-random-label", None);
    for name in
        ["fixed-batch.onnx", "softmax-end.onnx", "matmul-add-head.onnx", "external/model.onnx"]
    {
        let found = compare(&odd(name), &Silent).unwrap_or_else(|e| panic!("{name}: {e}"));
        same(&found, &expected, 1e-6);
    }
    // Half precision keeps eleven bits.
    let found = compare(&odd("fp16.onnx"), &Silent).expect("fp16");
    same(&found, &expected, 5e-3);
}

#[test]
fn a_head_of_two_layers_is_judged_where_the_encoder_ends_too() {
    let found = compare(&odd("mlp-head.onnx"), &Silent).expect("a report");
    let kinds: Vec<&str> = found.layers.iter().map(|l| l.kind.as_str()).collect();
    assert_eq!(kinds, ["residual", "residual", "features", "head-input"]);

    // Changing only the two-layer head changes no encoder weight, in either direction.
    let mut swapped = request("conv-original", "conv-original", None);
    swapped.unlearned = fixture("odd/mlp-head.onnx");
    assert!(compare(&swapped, &Silent).expect("a report").weights.encoder_identical);
}

#[test]
fn an_encoder_with_a_subgraph_is_measured() {
    let mut request = odd("subgraph.onnx");
    request.unlearned = fixture("odd/subgraph.onnx");
    let report = compare(&request, &Silent).expect("a report");
    assert!(report.weights.encoder_identical);
    // CKA of a set with itself, up to rounding.
    close(report.layers.last().expect("layers").cka.all.debiased, Some(1.0), 1e-12, "CKA");
}

#[test]
fn a_model_with_two_inputs_asks_for_both() {
    let mut request = odd("two-inputs.onnx");
    request.unlearned = fixture("odd/two-inputs.onnx");
    let error = compare(&request, &Silent).expect_err("one array for two inputs");
    assert!(error.to_string().contains("scale") || error.remedy().contains("scale"), "{error}");
}

#[test]
fn layers_are_chosen_by_name_and_glob() {
    let mut request = request("conv-original", "conv-random-label", None);
    let names = |request: &Request| -> Vec<String> {
        let report = compare(request, &Silent).expect("a report");
        report.layers.into_iter().map(|l| l.name).collect()
    };
    request.selection = Selection::Patterns(vec!["/Relu_2_output_0".into()]);
    assert_eq!(names(&request), ["/Relu_2_output_0", "/ReduceMean_output_0"]);
    request.selection = Selection::Patterns(vec!["/Relu_[12]*".into()]);
    assert_eq!(names(&request), ["/Relu_1_output_0", "/Relu_2_output_0", "/ReduceMean_output_0"]);
}

#[test]
fn batch_size_changes_nothing_that_is_measured() {
    let expected = report("vit-original", "vit-random-label", None);
    let mut other = request("vit-original", "vit-random-label", None);
    other.batch_size = Some(7);
    let found = compare(&other, &Silent).expect("a report");
    for (a, b) in found.layers.iter().zip(&expected.layers) {
        close(a.cka.forget.debiased, b.cka.forget.debiased, 1e-6, &a.name);
    }
}

#[test]
fn inspect_shows_layers_head_and_parameters() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = audit(folder.path())
        .arg("inspect")
        .arg(fixture("vit-original.onnx"))
        .output()
        .expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for part in ["10 classes x 40 features", "/blocks.2/Add_2_output_0", "token 0", "head-input"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn the_demo_tells_both_cases_and_ends_with_the_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = audit(folder.path()).args(["demo", "--quiet"]).output().expect("a run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("superficial:") && text.contains("erased:"), "{text}");
    let page = text.trim_end().rsplit(' ').next().expect("a path");
    let page = std::fs::read_to_string(folder.path().join(page)).expect("the page");
    assert!(page.contains("<svg") && page.len() < 300_000);
}
