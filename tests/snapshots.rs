//! What a user sees, as it was last approved (`cargo insta review` after a deliberate change).

mod common;

use common::{audit, fixture, report};
use forget_audit::report::{Report, TextOptions, remedy, text};

fn rendered(report: &Report, width: u16) -> String {
    let options = TextOptions { color: false, width: Some(width) };
    let text = text(report, &options);
    text.replace(&format!("{}/", env!("CARGO_MANIFEST_DIR")), "")
}

/// Paths must not wrap differently on another machine, so they are made relative first.
fn relative(mut report: Report) -> Report {
    let root = format!("{}/", env!("CARGO_MANIFEST_DIR"));
    let models = &mut report.models;
    for path in [&mut models.original.path, &mut models.unlearned.path]
        .into_iter()
        .chain(models.reference.as_mut().map(|m| &mut m.path))
        .chain(report.data.as_mut().map(|d| &mut d.path))
    {
        *path = path.replace(&root, "");
    }
    report
}

#[test]
fn a_superficial_case_in_the_terminal() {
    let report = relative(report("conv-original", "conv-head-flip", Some("conv-retrained")));
    insta::assert_snapshot!("superficial-100", rendered(&report, 100));
    insta::assert_snapshot!("superficial-50", rendered(&report, 50));
}

#[test]
fn an_erased_case_in_the_terminal() {
    let report = relative(report("conv-original", "conv-retrained", None));
    insta::assert_snapshot!("erased-80", rendered(&report, 80));
}

#[test]
fn an_inconclusive_case_in_the_terminal() {
    let report = relative(report("conv-original", "conv-neg-grad", None));
    insta::assert_snapshot!("inconclusive-80", rendered(&report, 80));
}

#[test]
fn a_repair_side_by_side() {
    let before = report("conv-original", "conv-head-flip", Some("conv-retrained"));
    let after = report("conv-original", "conv-retrained", Some("conv-retrained"));
    insta::assert_snapshot!("remedy", remedy(&before, &after));
}

#[test]
fn checking_parity() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = fixture("conv-original.onnx");
    // The deviations are rounding's: they differ from one processor to the next.
    let output = audit(folder.path()).arg("parity").arg(model).output().expect("a run");
    let shown = String::from_utf8_lossy(&output.stdout);
    let last = shown.lines().last().expect("a line");
    insta::assert_snapshot!("parity", last);
}

#[test]
fn inspecting_a_model() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let output =
        audit(root).args(["inspect", "fixtures/conv-original.onnx"]).output().expect("a run");
    insta::assert_snapshot!("inspect", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn help_and_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help-compare", &["compare", "--help"]),
        ("error-missing-model", &["inspect", "missing.onnx"]),
    ] {
        let output = audit(folder.path()).args(arguments).output().expect("a run");
        let shown = [output.stdout, output.stderr].concat();
        insta::assert_snapshot!(name, String::from_utf8_lossy(&shown));
    }
    let model = fixture("conv-original.onnx");
    let output = audit(folder.path())
        .arg("inspect")
        .arg(&model)
        .args(["--layers", "/Relu_9_output"])
        .output()
        .expect("a run");
    let shown = String::from_utf8_lossy(&output.stderr)
        .replace(&format!("{}/", env!("CARGO_MANIFEST_DIR")), "");
    insta::assert_snapshot!("error-unknown-layer", shown);
}
