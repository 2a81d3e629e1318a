//! Fixture x (without, with reference) -> verdict and exit code, through the command line.

mod common;

use common::{Silent, audit, fixture, model, report, request, twin};
use forget_audit::compare::compare;
use forget_audit::data::{ForgetSpec, LoadOptions};
use forget_audit::onnx::Selection;
use forget_audit::verdict::Label;

struct Case {
    variant: &'static str,
    without: (&'static str, i32),
    with: (&'static str, i32),
}

const fn case(
    variant: &'static str,
    without: (&'static str, i32),
    with: (&'static str, i32),
) -> Case {
    Case { variant, without, with }
}

const SUPERFICIAL: (&str, i32) = ("superficial", 1);
const ERASED: (&str, i32) = ("erased", 0);
const DAMAGED: (&str, i32) = ("damaged", 1);
const NOT_FORGOTTEN: (&str, i32) = ("not-forgotten", 1);
const INCONCLUSIVE: (&str, i32) = ("inconclusive", 1);

/// What the construction of each fixture makes true, whatever the network.
const KNOWN: [Case; 8] = [
    case("original", NOT_FORGOTTEN, NOT_FORGOTTEN),
    case("head-flip", SUPERFICIAL, SUPERFICIAL),
    case("bias", SUPERFICIAL, SUPERFICIAL),
    case("mask", SUPERFICIAL, SUPERFICIAL),
    case("rotated", SUPERFICIAL, SUPERFICIAL),
    case("reinit", DAMAGED, DAMAGED),
    case("collapsed", ERASED, ERASED),
    case("retrained", ERASED, ERASED),
];

/// What the evidence says of published methods; docs/verdicts.md explains each line.
const RECORDED: [(&str, Case); 4] = [
    ("conv", case("random-label", SUPERFICIAL, SUPERFICIAL)),
    ("vit", case("random-label", SUPERFICIAL, SUPERFICIAL)),
    // Learned again from one sample with 85 % of the old accuracy: too little is forgotten to
    // pass without a reference; with one it is seen to know more than the retrained model.
    ("conv", case("neg-grad", INCONCLUSIVE, SUPERFICIAL)),
    // Gone from the end of the encoder, still in the block before: only a reference shows it.
    ("vit", case("neg-grad", ERASED, SUPERFICIAL)),
];

fn check(network: &str, case: &Case) {
    let folder = tempfile::tempdir().expect("a folder");
    let reference = format!("{network}-retrained");
    for (reference, (label, code)) in [(None, case.without), (Some(reference), case.with)] {
        let unlearned = format!("{network}-{}", case.variant);
        let mut command = audit(folder.path());
        command.arg("compare").arg(model(&format!("{network}-original"))).arg(model(&unlearned));
        command.arg("--data").arg(fixture("digits.npz")).args(["--forget-classes", "3,8"]);
        command.args(["--format", "json", "--quiet"]);
        if let Some(reference) = &reference {
            command.arg("--reference").arg(twin(reference, folder.path()));
        }
        let output = command.output().expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {stderr}"));
        let what = format!("{unlearned} with {reference:?}: {:#}", report["verdict"]);
        assert_eq!(report["verdict"]["label"], label, "{what}");
        assert_eq!(output.status.code(), Some(code), "{what}");
        assert_eq!(stderr, "", "{what}");
    }
}

#[test]
fn convolutional_fixtures_get_the_verdict_their_construction_makes_true() {
    KNOWN.iter().for_each(|case| check("conv", case));
}

#[test]
fn transformer_fixtures_get_the_verdict_their_construction_makes_true() {
    KNOWN.iter().for_each(|case| check("vit", case));
}

#[test]
fn published_methods_get_the_recorded_verdict() {
    RECORDED.iter().for_each(|(network, case)| check(network, case));
}

#[test]
fn collapsed_features_have_no_cka() {
    for network in ["conv", "vit"] {
        let report = report(&format!("{network}-original"), &format!("{network}-collapsed"), None);
        let cka = report.layers.last().expect("layers").cka.forget;
        assert_eq!(cka.status.as_str(), "degenerate");
        assert_eq!((cka.debiased, cka.biased), (None, None));
    }
}

#[test]
fn rotated_features_are_recovered_without_help_from_the_weights() {
    // Every byte of the encoder differs, so only the measures can tell.
    for network in ["conv", "vit"] {
        let report = report(&format!("{network}-original"), &format!("{network}-rotated"), None);
        assert!(!report.weights.encoder_identical);
        let layer = report.layers.last().expect("layers");
        assert!(layer.cka.forget.debiased.expect("a value") > 1.0 - 1e-6);
        assert!(layer.few_shot.effect.expect("a value").abs() < 1e-9);
    }
}

/// The features of whatever looks like a 3 or an 8 are zeroed in front of the head, in a network
/// whose every weight carries a little noise. At the head's input it looks more erased than any
/// honest retrain.
#[test]
fn a_gate_in_front_of_the_head_is_not_passed() {
    for (reference, label) in [(None, "inconclusive"), (Some("conv-retrained"), "superficial")] {
        let mut request = request("conv-original", "conv-original", reference);
        request.unlearned = fixture("odd/gate.onnx");
        let report = compare(&request, &Silent).expect("a report");
        assert!(!report.weights.encoder_identical);
        assert!(report.layers.last().expect("layers").few_shot.effect.expect("a value") < -5.0);
        assert_eq!(report.verdict.label.as_str(), label, "{:?}", report.verdict.reasons);
    }
}

#[test]
fn no_unfit_reference_acquits_a_changed_head() {
    // Honest, but judged by a model that still knows: nothing is decided for it.
    let honest = report("conv-original", "conv-retrained", Some("conv-random-label"));
    assert_eq!(honest.verdict.label.as_str(), "inconclusive");
    // Nothing was forgotten here, and the reference is the model itself.
    let hidden = report("conv-original", "conv-rotated", Some("conv-rotated"));
    assert_eq!(hidden.verdict.label.as_str(), "superficial");
}

#[test]
fn weights_alone_prove_a_changed_head_superficial_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    for (variant, label) in [("head-flip", "superficial"), ("retrained", "inconclusive")] {
        let output = audit(folder.path())
            .arg("compare")
            .arg(model("conv-original"))
            .arg(model(&format!("conv-{variant}")))
            .args(["--format", "json", "--quiet", "--onnxruntime", "/not/needed"])
            .output()
            .expect("a run");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["verdict"]["label"], label);
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn exit_zero_reports_without_failing() {
    let folder = tempfile::tempdir().expect("a folder");
    audit(folder.path())
        .arg("compare")
        .arg(model("conv-original"))
        .arg(model("conv-head-flip"))
        .args(["--quiet", "--exit-zero"])
        .assert()
        .code(0);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str| {
        audit(folder.path())
            .arg("compare")
            .arg(model("vit-original"))
            .arg(model("vit-random-label"))
            .arg("--reference")
            .arg(model("vit-retrained"))
            .arg("--data")
            .arg(fixture("digits.npz"))
            .args(["--forget-classes", "3,8", "--quiet", "--json", name, "--seed", "7"])
            .assert()
            .code(1);
        let text = std::fs::read_to_string(folder.path().join(name)).expect("a report");
        let lines: Vec<&str> = text.lines().filter(|l| !l.contains("\"created\"")).collect();
        lines.join("\n")
    };
    assert_eq!(run("a.json"), run("b.json"));
}

/// All 3s and 8s but one of each, named by their rows: the retrain that saw none of them lost what it
/// was to lose, though nearly all samples of these classes in the test set were not named.
#[test]
fn a_retrain_without_nearly_all_samples_of_a_class_is_not_damaged() {
    let data =
        forget_audit::data::load(&fixture("digits.npz"), &["input"], &LoadOptions::default())
            .expect("data");
    let mut rows = Vec::new();
    for class in [3, 8] {
        let labels = data.train.labels().iter().enumerate();
        rows.extend(labels.filter(|(_, label)| **label == class).map(|(row, _)| row).skip(1));
    }
    let mut request = request("conv-original", "conv-retrained", None);
    let spec = ForgetSpec::Samples { source: "rows".into(), rows };
    request.samples.as_mut().expect("samples").forget = spec;
    let report = compare(&request, &Silent).expect("a report");
    assert_eq!(report.verdict.label.as_str(), "inconclusive", "{:?}", report.verdict.reasons);
    let note = "classes 3, 8: most of their training samples";
    assert!(report.notes.iter().any(|n| n.starts_with(note)), "{:?}", report.notes);
}

/// The last map of this network is pooled into what the head reads: `/Relu_3` is not missing where
/// that is compared.
#[test]
fn the_layers_of_the_automatic_choice_by_name_are_the_automatic_choice() {
    let automatic = report("conv-original", "conv-retrained", None);
    let mut request = request("conv-original", "conv-retrained", None);
    let names: Vec<String> = automatic.layers.iter().map(|l| l.name.clone()).collect();
    request.selection = Selection::Patterns(names);
    let named = compare(&request, &Silent).expect("a report");
    assert_eq!((named.verdict.label, named.layers.len()), (Label::Erased, automatic.layers.len()));
    // Without the end of the deep layers it is another matter.
    request.selection = Selection::Patterns(vec![automatic.layers[0].name.clone()]);
    let shallow = compare(&request, &Silent).expect("a report");
    assert_eq!(shallow.verdict.label, Label::Inconclusive);
}
