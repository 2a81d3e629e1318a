//! Nothing that `audit` writes takes the place of what it reads.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{audit, fixture, model};

/// All files of `folder` with their bytes.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let files = entries.filter(|path| path.is_file());
    files.map(|path| (path.clone(), std::fs::read(&path).expect("a file"))).collect()
}

/// Models, data and an index file in one folder.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |from: PathBuf, name: &str| {
        std::fs::copy(from, folder.path().join(name)).expect("copied");
    };
    put(model("conv-original"), "o.onnx");
    put(model("conv-head-flip"), "u.onnx");
    put(model("conv-retrained"), "r.onnx");
    put(fixture("digits.npz"), "d.npz");
    std::fs::write(folder.path().join("rows.txt"), "1\n2\n3\n").expect("written");
    std::fs::write(folder.path().join("p.toml"), "").expect("written");
    folder
}

/// Runs `audit` with words, expecting a refusal that names `file` and leaves everything alone.
fn refused(folder: &Path, words: &str, file: &str) {
    let before = content(folder);
    let output = audit(folder).args(words.split(' ')).output().expect("a run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}\n{stderr}");
    assert!(stderr.contains("would replace what is read") && stderr.contains(file), "{stderr}");
    assert_eq!(before, content(folder), "{words}");
}

#[test]
fn every_output_spares_every_input() {
    let folder = inputs();
    let folder = folder.path();
    let compare = "compare o.onnx u.onnx --reference r.onnx --config p.toml --data d.npz \
                   --forget-indices rows.txt --quiet";
    for (option, file) in [
        ("--json u.onnx", "u.onnx"),
        ("--html ./o.onnx", "o.onnx"),
        ("--attest r.onnx", "r.onnx"),
        ("--format text=d.npz", "d.npz"),
        ("--format junit=rows.txt", "rows.txt"),
        ("--format sarif=p.toml", "p.toml"),
        ("--remediate d.npz", "d.npz"),
    ] {
        refused(folder, &format!("{compare} {option}"), file);
    }
    let data = "--data d.npz --forget-indices rows.txt --quiet";
    refused(folder, &format!("retrain o.onnx -o d.npz {data}"), "d.npz");
    refused(folder, &format!("retrain o.onnx -o rows.txt {data}"), "rows.txt");
    refused(folder, &format!("remediate o.onnx u.onnx -o rows.txt {data}"), "rows.txt");
    refused(folder, "parity o.onnx --json o.onnx", "o.onnx");
}

/// `audit.toml` names models that a command may be told to leave aside; they are no place for outputs
/// either, but for the reference, which `retrain` makes.
#[test]
fn models_of_the_configuration_are_spared_by_commands_that_are_given_others() {
    let folder = inputs();
    let folder = folder.path();
    for (from, to) in [("o.onnx", "o2.onnx"), ("u.onnx", "u2.onnx")] {
        std::fs::copy(folder.join(from), folder.join(to)).expect("copied");
    }
    let models =
        "[models]\noriginal = \"o.onnx\"\nunlearned = \"u.onnx\"\nreference = \"r.onnx\"\n";
    let data = "[data]\npath = \"d.npz\"\nforget-classes = [3, 8]\n";
    std::fs::write(folder.join("audit.toml"), format!("{models}{data}")).expect("written");
    for (words, file) in [
        ("compare o2.onnx u2.onnx --json o.onnx", "o.onnx"),
        ("compare o2.onnx u2.onnx --format junit=u.onnx", "u.onnx"),
        ("compare o2.onnx u2.onnx --remediate o.onnx", "o.onnx"),
        ("remediate o2.onnx u2.onnx -o u.onnx", "u.onnx"),
        ("remediate o2.onnx u2.onnx -o r.onnx", "r.onnx"),
        ("retrain o2.onnx -o o.onnx", "o.onnx"),
        ("retrain o2.onnx -o u.onnx", "u.onnx"),
    ] {
        refused(folder, words, file);
    }
}

/// A baseline that each run writes anew would let a model become worse step by step.
#[test]
fn reports_spare_the_report_and_the_baseline_they_are_judged_by() {
    let folder = inputs();
    let folder = folder.path();
    let compare = "compare o.onnx r.onnx --data d.npz --forget-classes 3,8 --quiet";
    let output = audit(folder).args(compare.split(' ')).output().expect("a run");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::copy(folder.join("reports/r.json"), folder.join("a.json")).expect("copied");
    std::fs::copy(folder.join("reports/r.json"), folder.join("b.json")).expect("copied");
    refused(folder, &format!("{compare} --baseline reports/r.json"), "r.json");
    for words in [
        "gate a.json --format json=a.json",
        "gate a.json --baseline b.json --attest b.json",
        "gate a.json --policy p.toml --format text=p.toml",
        "report a.json --format json=a.json",
        "report a.json --format json=r.onnx",
        "gate a.json --format html=o.onnx",
        "gate a.json --attest d.npz",
    ] {
        refused(folder, words, words.rsplit(['=', ' ']).next().expect("a file"));
    }
}
