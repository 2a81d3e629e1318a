//! The report as SARIF 2.1.0 (OASIS): findings that did not pass, on the lines of the policy file
//! that set them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::clean::clean;
use super::format::short_layer;
use super::model::Report;
use crate::verdict::rules::{RULES, help};
use crate::verdict::{Change, Finding, Level, Severity};
use crate::{Error, Result};

/// Where the schema is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run.
///
/// # Errors
/// None that input can cause.
pub fn sarif(report: &Report) -> Result<String> {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": {"text": rule.asks},
                "fullDescription": {"text": rule.asks},
                "help": {"text": format!("{}. {}", rule.asks, help(rule.id))},
                "helpUri": help(rule.id),
                "defaultConfiguration": match rule.severity {
                    Severity::Off => json!({"enabled": false}),
                    Severity::Warn => json!({"level": "warning"}),
                    Severity::Error => json!({"level": "error"}),
                },
            })
        })
        .collect();
    let findings = &report.findings;
    let results: Vec<Value> = findings
        .iter()
        .enumerate()
        .filter(|(_, f)| f.blocks() || f.warns())
        .map(|(at, finding)| result(report, finding, &findings[..at]))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": clean(&report.tool.name),
                "version": clean(&report.tool.version),
                "informationUri": help("").trim_end_matches('#'),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": i32::from(!report.passes()),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {
                "verdict": report.verdict.label.as_str(),
                "passed": report.passes(),
                "sentence": clean(&report.verdict.sentence),
            },
        }],
    });
    let mut text = serde_json::to_string_pretty(&log).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}

fn result(report: &Report, finding: &Finding, before: &[Finding]) -> Value {
    let layer = finding.layer.as_deref();
    let place = layer.map(|l| format!(" at {}", clean(short_layer(l)))).unwrap_or_default();
    let message = format!(
        "{}{place} (found {}; expected {})",
        clean(&finding.message),
        clean(&finding.found),
        clean(&finding.expected)
    );
    let same = |f: &&Finding| f.rule == finding.rule && f.layer == finding.layer;
    let nth = before.iter().filter(same).count();
    let identity = format!("{}\n{}\n{nth}", finding.rule, layer.unwrap_or_default());
    let mut location = json!({"physicalLocation": physical(report, finding)});
    if let Some(layer) = layer {
        location["logicalLocations"] =
            json!([{"name": clean(short_layer(layer)), "fullyQualifiedName": clean(layer)}]);
    }
    let mut result = json!({
        "ruleId": clean(&finding.rule),
        "level": if finding.level == Level::Error { "error" } else { "warning" },
        "message": {"text": message},
        "locations": [location],
        "partialFingerprints": {
            "ruleAndLayer/v1": crate::hex::hex(&Sha256::digest(identity)),
        },
    });
    if let Some(at) = RULES.iter().position(|r| r.id == finding.rule) {
        result["ruleIndex"] = json!(at);
    }
    if let (Some(_), Some(change)) = (&report.baseline, finding.change) {
        result["baselineState"] = json!(match change {
            Change::New => "new",
            Change::Unchanged => "unchanged",
            Change::Worse | Change::Better => "updated",
        });
    }
    result
}

/// The policy file, where it sets the rule; without one the model that was judged.
fn physical(report: &Report, finding: &Finding) -> Value {
    let file = report.policy.as_ref().and_then(|p| p.path.as_deref());
    let uri = uri(file.unwrap_or(&report.models.unlearned.path));
    let at = finding.set_at.filter(|_| file.is_some());
    // Both count from 1; a stored report may say otherwise.
    let (line, column) = at.map_or((1, 1), |at| (at.line.max(1), at.column.max(1)));
    json!({
        "artifactLocation": {"uri": uri},
        "region": {"startLine": line, "startColumn": column},
    })
}

/// A path as a relative URI reference, or as a `file:` URI where it is absolute.
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SARIF counts lines and columns from 1; a stored report may say 0.
    #[test]
    fn a_place_that_is_none_is_the_first_line() {
        let mut report = crate::report::sample::report(4, 10, true);
        report.policy = Some(crate::report::PolicySummary {
            path: Some("audit.toml".into()),
            preset: "default".into(),
            sha256: "e".repeat(64),
            unused: Vec::new(),
        });
        for finding in &mut report.findings {
            finding.set_at = Some(crate::verdict::Position { line: 0, column: 0 });
        }
        let log: Value = serde_json::from_str(&sarif(&report).expect("SARIF")).expect("JSON");
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["region"], json!({"startLine": 1, "startColumn": 1}));
    }

    #[test]
    fn paths_become_uris() {
        // RFC 3986, section 2.1 and 2.3; RFC 8089 for absolute paths.
        assert_eq!(uri("./a b/ü#.toml"), "a%20b/%C3%BC%23.toml");
        assert_eq!(uri("/srv/audit.toml"), "file:///srv/audit.toml");
        assert_eq!(uri("c:x"), "c%3Ax");
        // Still relative, whatever is left when what means nothing is gone.
        assert_eq!(uri(".//./x"), "x");
    }
}
