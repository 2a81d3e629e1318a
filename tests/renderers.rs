//! Every renderer on three stored reports, and what formats owe to those who read them: schemas,
//! and limits with five hundred failing rules.
//!
//! `tests/data/reports/` holds what `audit compare` wrote on the fixtures (see its README).

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::audit;
use forget_audit::report::{
    COMMENT, Report, from_json, github, junit, markdown, sarif, schema, to_json,
};
use forget_audit::verdict::{Finding, Gate, Label, Level, Outcome, Position};
use serde_json::Value;

const REPORTS: [&str; 3] = ["superficial", "erased", "inconclusive"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    root().join("tests/data/reports").join(format!("{name}.json"))
}

fn stored(name: &str) -> Report {
    let text = std::fs::read_to_string(path(name)).expect("a stored report");
    from_json(&text, name).expect("a report")
}

/// Five hundred rules that failed at layers with names meant to break out.
fn flooded() -> Report {
    let mut report = stored("superficial");
    let hostile = "</failure>|`x`\n::error::@me <b>]]>\u{0}\u{b}\u{fffe}%0A";
    report.findings = (0..500)
        .map(|i| Finding {
            rule: format!("rule-{i}"),
            level: if i % 5 == 4 { Level::Warn } else { Level::Error },
            outcome: if i % 2 == 0 { Outcome::Failed } else { Outcome::Undecided },
            layer: Some(format!("layer {i} {hostile}")),
            message: format!("message {i} {hostile} {}", "long ".repeat(40)),
            expected: hostile.into(),
            found: hostile.into(),
            value: None,
            limit: None,
            set_at: Some(Position { line: 3, column: 1 }),
            change: None,
        })
        .collect();
    let count = |of: fn(&Finding) -> bool| report.findings.iter().filter(|f| of(f)).count();
    let (failed, warned) = (count(Finding::blocks), count(Finding::warns));
    report.gate = Some(Gate { passed: false, failed, warned });
    report
}

/// A stored report is anyone's file: what contradicts itself is not shown as if it had been judged.
#[test]
fn a_report_that_contradicts_itself_is_refused() {
    type Forge = fn(&mut Report);
    let forged: [(Forge, &str); 4] = [
        (|r| r.gate.as_mut().unwrap().passed = true, "of its findings stand against it"),
        (|r| r.gate.as_mut().unwrap().failed = 1, "its gate counts 1 failures"),
        (|r| r.gate.as_mut().unwrap().warned += 1, "warnings"),
        (
            |r| {
                r.verdict.label = Label::Erased;
                let denies = |f: &&mut Finding| f.rule == "encoder-unchanged";
                r.findings.iter_mut().find(denies).expect("the rule").outcome = Outcome::Failed;
                r.gate.as_mut().unwrap().failed += 1;
            },
            "encoder-unchanged denies it",
        ),
    ];
    for (forge, expected) in forged {
        let mut report = stored("superficial");
        assert_eq!(report.contradiction(), None);
        forge(&mut report);
        let error = from_json(&to_json(&report).expect("JSON"), "r.json").expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Whoever builds one in a program does not open a gate with it.
    let mut report = stored("superficial");
    report.gate.as_mut().expect("a gate").passed = true;
    assert!(!report.passes());
}

#[test]
fn every_format_of_every_report() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in REPORTS {
        for format in ["text", "markdown", "junit", "sarif", "github", "html"] {
            let output = audit(folder.path())
                .arg("report")
                .arg(path(name))
                .args(["--format", format])
                .env_remove("GITHUB_STEP_SUMMARY")
                .output()
                .expect("a run");
            assert_eq!(output.status.code(), Some(0));
            let mut shown = String::from_utf8(output.stdout).expect("text");
            if format == "html" {
                shown = words(&shown);
            }
            insta::assert_snapshot!(format!("{format}-{name}"), shown);
        }
        let json = audit(folder.path())
            .arg("report")
            .arg(path(name))
            .args(["--format", "json"])
            .output()
            .expect("a run");
        // Read and written again, a report is the same bytes.
        assert_eq!(json.stdout, std::fs::read(path(name)).expect("a file"));
    }
}

/// The text of a page, a line an element, without drawings and styles.
fn words(page: &str) -> String {
    let mut out = String::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        let text = rest[..open].trim();
        if !text.is_empty() {
            out.push_str(text);
            out.push('\n');
        }
        rest = &rest[open..];
        let hidden = ["style", "svg", "title"].iter().find_map(|tag| {
            let starts = rest[1..].starts_with(tag);
            let close = format!("</{tag}>");
            starts.then(|| rest.find(&close).map(|at| at + close.len())).flatten()
        });
        let end = hidden.or_else(|| rest.find('>').map(|at| at + 1)).unwrap_or(rest.len());
        rest = &rest[end..];
    }
    out
}

#[test]
fn several_formats_are_written_at_once_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |formats: &[&str]| {
        let mut command = audit(folder.path());
        command.arg("report").arg(path("erased"));
        for format in formats {
            command.args(["--format", format]);
        }
        let output = command.output().expect("a run");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"), output.stdout)
    };
    let (code, _, stdout) = run(&["junit=out/a.xml", "sarif=a.sarif", "markdown"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with(b"## "));
    assert!(folder.path().join("out/a.xml").is_file() && folder.path().join("a.sarif").is_file());
    for (formats, expected) in [
        (&["text", "markdown"][..], "two formats can't both go to stdout"),
        (&["junit=b", "sarif=b"], "b: is named twice"),
        (&["junit=b", "sarif=./b"], "./b: is named twice"),
        (&["junit=new/b", "sarif=new/../new/b"], "new/../new/b: is named twice"),
        (&["junit="], "the path behind `=` is empty"),
        (&["xml"], "there is no format `xml`"),
        (&["text", "junit=a.sarif/x"], "can't be written"),
    ] {
        let (code, error, stdout) = run(formats);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
        assert!(stdout.is_empty());
    }
    assert!(!folder.path().join("b").exists());
}

/// A report is not overwritten with what is rendered from it.
#[test]
fn the_report_itself_is_no_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = std::fs::read(path("erased")).expect("a stored report");
    std::fs::write(folder.path().join("report.json"), &report).expect("a file");
    let output = audit(folder.path())
        .args(["report", "report.json", "--format", "html=./report.json"])
        .output()
        .expect("a run");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read(folder.path().join("report.json")).expect("a file"), report);
}

/// What an earlier command of the step wrote may end without a line break.
#[test]
fn a_summary_begins_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "no line break").expect("a file");
    let mut command = audit(folder.path());
    command.arg("report").arg(path("erased")).args(["--format", "github"]);
    command.env("GITHUB_STEP_SUMMARY", &summary).assert().success();
    let text = std::fs::read_to_string(&summary).expect("a summary");
    assert!(text.starts_with("no line break\n\n## "), "{text}");
}

#[test]
fn a_summary_is_appended_and_never_over_a_mebibyte() {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("flooded.json");
    std::fs::write(&report, to_json(&flooded()).expect("JSON")).expect("a file");
    let summary = folder.path().join("summary.md");
    for (there, expected) in [(0usize, 500), (1 << 20, 0), ((1 << 20) - 3000, 1)] {
        std::fs::write(&summary, "x".repeat(there)).expect("a file");
        let output = audit(folder.path())
            .arg("report")
            .arg(&report)
            .args(["--format", "github"])
            .env("GITHUB_STEP_SUMMARY", &summary)
            .output()
            .expect("a run");
        assert_eq!(output.status.code(), Some(0));
        let text = std::fs::read_to_string(&summary).expect("a summary");
        assert!(text.len() <= 1 << 20, "{}", text.len());
        let rules = text.matches("rule-").count();
        assert!(if expected == 500 { rules >= 500 } else { rules <= 30 }, "{there}: {rules}");
        // Each annotation is one line, and there are ten of a kind at most.
        let shown = String::from_utf8(output.stdout).expect("text");
        for kind in ["::error ", "::warning ", "::notice "] {
            let count = shown.lines().filter(|l| l.starts_with(kind)).count();
            assert!((1..=10).contains(&count), "{kind}{count}");
        }
        assert!(shown.lines().all(|l| l.starts_with("::")), "{shown}");
    }
}

#[test]
fn a_comment_is_never_longer_than_github_takes() {
    let text = markdown(&flooded(), COMMENT);
    assert!(text.len() <= COMMENT && text.contains("more findings"));
    for line in text.lines().filter(|l| l.starts_with("| rule-")) {
        // Five cells: no name ends one. An escaped pipe is none.
        let pipes = line.replace("\\|", "").matches('|').count();
        assert_eq!(pipes, 6, "{line}");
        // In code nothing is markup; outside it is escaped.
        let outside: String = line.replace("\\`", "").split('`').step_by(2).collect();
        assert!(!outside.contains("@me") && !outside.contains(" <b>"), "{outside}");
    }
}

fn validator(schema: &str) -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn assert_valid(validator: &jsonschema::Validator, text: &str, what: &str) {
    let value: Value = serde_json::from_str(text).expect("JSON");
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// `UPDATE_DOCS=1 cargo test --release --test renderers` writes it.
#[test]
fn the_schema_is_that_of_the_report_and_every_report_is_valid() {
    let file = root().join("docs/audit-report-1.schema.json");
    let text = schema().expect("a schema");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &text).expect("a file");
    }
    let written = std::fs::read_to_string(&file).expect("docs/audit-report-1.schema.json");
    assert!(written == text, "stale: UPDATE_DOCS=1 cargo test --release --test renderers");
    let validator = validator(&text);
    for name in REPORTS {
        assert_valid(&validator, &to_json(&stored(name)).expect("JSON"), name);
    }
    for entry in std::fs::read_dir(root().join("reports/example")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "json") {
            let text = std::fs::read_to_string(&path).expect("a file");
            assert_valid(&validator, &text, &path.display().to_string());
        }
    }
    // It can say no.
    let mut value: Value = serde_json::from_str(&to_json(&stored("erased")).unwrap()).unwrap();
    value["verdict"]["label"] = "perfect".into();
    assert!(!validator.is_valid(&value));
}

/// A published schema, where `scripts/schemas` has fetched it.
fn published(name: &str) -> Option<PathBuf> {
    let path = root().join("target/schemas").join(name);
    if !path.is_file() {
        eprintln!("skipped: no {}; scripts/schemas fetches it", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn sarif_is_valid_after_the_published_schema() {
    let Some(path) = published("sarif-schema-2.1.0.json") else { return };
    let validator = validator(&std::fs::read_to_string(path).expect("a schema"));
    for (name, report) in all() {
        assert_valid(&validator, &sarif(&report).expect("SARIF"), name);
    }
    assert!(!validator.is_valid(&serde_json::json!({"version": "2.1.0"})));
}

/// What the readers of SARIF look for, whether the schema is there or not (section 3 of the
/// standard: version, tool.driver.name, rules with distinct ids, ruleIndex, locations).
#[test]
fn sarif_results_point_to_their_rules_and_to_the_policy() {
    for (name, report) in all() {
        let log: Value = serde_json::from_str(&sarif(&report).expect("SARIF")).expect("JSON");
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let results = run["results"].as_array().expect("results");
        let shown = report.findings.iter().filter(|f| f.blocks() || f.warns()).count();
        assert_eq!(results.len(), shown, "{name}");
        let mut prints = std::collections::BTreeSet::new();
        for result in results {
            if let Some(at) = result["ruleIndex"].as_u64() {
                assert_eq!(rules[usize::try_from(at).unwrap()]["id"], result["ruleId"]);
            }
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].as_str().is_some_and(|u| !u.contains(' ')));
            assert!(place["region"]["startLine"].as_u64().is_some_and(|l| l >= 1));
            prints.insert(result["partialFingerprints"]["ruleAndLayer/v1"].to_string());
        }
        assert_eq!(prints.len(), results.len(), "{name}: a fingerprint each");
    }
}

#[test]
fn junit_is_valid_after_jenkins_schema() {
    let Some(path) = published("junit-10.xsd") else { return };
    let there = Command::new("xmllint").arg("--version").output().is_ok();
    if !there {
        eprintln!("skipped: no xmllint; install libxml2-utils");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let check = |text: &str| {
        let file = folder.path().join("junit.xml");
        std::fs::write(&file, text).expect("a file");
        let mut command = Command::new("xmllint");
        command.args(["--noout", "--nonet", "--schema"]).arg(&path).arg(&file);
        command.output().expect("a run")
    };
    for (name, report) in all() {
        let output = check(&junit(&report).expect("XML"));
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!check("<testsuite><testcase/></testsuite>").status.success());
}

/// Well-formed, whatever is in a name: read back with a parser, each test case is there, and the
/// failures are those that keep the gate shut.
#[test]
fn junit_has_a_case_for_each_finding() {
    use quick_xml::events::Event;
    for (name, report) in all() {
        let text = junit(&report).expect("XML");
        let valid = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(text.chars().all(valid), "{name}");
        let mut reader = quick_xml::Reader::from_str(&text);
        let (mut cases, mut failures) = (0, 0);
        loop {
            match reader.read_event().unwrap_or_else(|e| panic!("{name}: {e}")) {
                Event::Start(tag) | Event::Empty(tag) => match tag.name().as_ref() {
                    "testcase" => cases += 1,
                    "failure" => failures += 1,
                    _ => {}
                },
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(cases, report.findings.len(), "{name}");
        assert_eq!(failures, report.findings.iter().filter(|f| f.blocks()).count(), "{name}");
    }
}

#[test]
fn github_names_the_place_in_the_policy() {
    let mut report = flooded();
    report.policy.as_mut().expect("a policy").path = Some("conf/audit.toml".into());
    let text = github(&report);
    assert!(text.contains("file=conf/audit.toml,line=3,col=1::"), "{text}");
}

fn all() -> Vec<(&'static str, Report)> {
    let mut all: Vec<_> = REPORTS.map(|name| (name, stored(name))).into();
    all.push(("flooded", flooded()));
    all
}
