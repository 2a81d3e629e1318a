//! `scripts/action`, the last step of the GitHub Action: inputs become arguments, the report outputs.
//! A stand-in for the program notes what it was called with.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// Writes down its arguments, a line each, copies its baseline, and writes a report.
const STAND_IN: &str = r#"#!/usr/bin/env bash
printf '%s\n' "$@" > called.txt
while [ $# -gt 0 ]; do
    case $1 in
        --json) mkdir -p "$(dirname "$2")"; json=$2 ;;
        --baseline) cp "$2" seen.json ;;
    esac
    shift
done
if [ -e fail ]; then exit 2; fi
echo '{"verdict": {"label": "superficial"}, "gate": {"passed": false}}' > "$json.part"
mv "$json.part" "$json"
exit 1
"#;

fn step(folder: &Path, inputs: &[(&str, &str)]) -> Output {
    let program = folder.join("stand-in");
    std::fs::write(&program, STAND_IN).expect("written");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("executable");
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/action"))
        .current_dir(folder)
        .env("AUDIT", program)
        .env("GITHUB_OUTPUT", folder.join("outputs.txt"))
        .envs(inputs.iter().copied())
        .output()
        .expect("bash")
}

fn lines(folder: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(name)).expect(name);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn inputs_become_arguments_and_the_report_outputs() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    std::fs::write(folder.join("a.txt"), "").expect("a file that a pattern could match");
    let inputs = [
        ("ORIGINAL", "my original.onnx"),
        ("UNLEARNED", "u.onnx"),
        ("DATA", "photos"),
        ("FORGET_CLASSES", "3,8"),
        ("ARGUMENTS", "--layers *.txt\n--seed 3\n"),
    ];
    let output = step(folder, &inputs);
    assert_eq!(output.status.code(), Some(1), "the program's own");
    let called = lines(folder, "called.txt");
    assert_eq!(called[..3], ["compare", "my original.onnx", "u.onnx"]);
    assert!(
        called.ends_with(&["--layers", "*.txt", "--seed", "3"].map(str::to_owned)),
        "{called:?}"
    );
    for words in [["--data", "photos"], ["--forget-classes", "3,8"], ["--format", "github"]] {
        assert!(called.windows(2).any(|pair| pair == words), "{called:?}");
    }
    assert!(!called.iter().any(|word| word == "--reference" || word.is_empty()), "{called:?}");
    let outputs = lines(folder, "outputs.txt");
    let expected = ["verdict=superficial", "passed=false", "json=reports/audit.json"];
    assert_eq!(outputs[..3], expected);
}

#[test]
fn one_model_alone_is_refused() {
    for given in ["ORIGINAL", "UNLEARNED"] {
        let dir = tempfile::tempdir().expect("a folder");
        let output = step(dir.path(), &[(given, "a.onnx")]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("both original and unlearned"));
        assert!(!dir.path().join("called.txt").exists());
    }
}

/// An earlier run's report may be the baseline; and where this run failed it is not this run's.
#[test]
fn an_earlier_report_stays_until_there_is_another() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    std::fs::create_dir(folder.join("reports")).expect("a folder");
    std::fs::write(folder.join("reports/audit.json"), "earlier").expect("written");
    let baseline = [("BASELINE", "reports/audit.json")];
    std::fs::write(folder.join("fail"), "").expect("written");
    assert_eq!(step(folder, &baseline).status.code(), Some(2));
    assert_eq!(lines(folder, "reports/audit.json"), ["earlier"]);
    assert!(!folder.join("outputs.txt").exists());
    std::fs::remove_file(folder.join("fail")).expect("removed");
    step(folder, &baseline);
    assert_eq!(lines(folder, "seen.json"), ["earlier"]);
    assert!(lines(folder, "reports/audit.json")[0].contains("superficial"));
    assert_eq!(lines(folder, "outputs.txt")[0], "verdict=superficial");
}

#[test]
fn exit_zero_is_true_or_false() {
    let dir = tempfile::tempdir().expect("a folder");
    for (given, passed_on) in [("true", true), ("True", true), ("false", false), ("", false)] {
        step(dir.path(), &[("EXIT_ZERO", given)]);
        let called = lines(dir.path(), "called.txt");
        assert_eq!(called.iter().any(|word| word == "--exit-zero"), passed_on, "{given}");
    }
    assert_eq!(step(dir.path(), &[("EXIT_ZERO", "yes")]).status.code(), Some(2));
}
