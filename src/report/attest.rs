//! An in-toto statement (v1) over the audited model, for a release pipeline to sign.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::clean::clean;
use super::model::{ModelSummary, Report};
use crate::{Error, Result};

/// A stored report that was judged again.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The file.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// The statement: the unlearned model's digest as subject; verdict, policy, inputs and the digest of
/// the report as predicate. `report_json` is the report as it is written, `judged` the stored one
/// that it came from, where nothing was measured.
///
/// # Errors
/// Where a digest in the report is no SHA-256: a statement about no particular file says nothing.
pub fn attest(report: &Report, report_json: &str, judged: Option<&Judged>) -> Result<String> {
    let model = |model: &ModelSummary| resource(&model.path, &model.sha256);
    let models = &report.models;
    let mut inputs = serde_json::Map::new();
    inputs.insert("original".into(), model(&models.original)?);
    if let Some(reference) = &models.reference {
        inputs.insert("reference".into(), model(reference)?);
    }
    let data = report.data.as_ref();
    if let Some(data) = data {
        inputs.insert("data".into(), resource(&data.path, &data.sha256)?);
    }
    if let Some(baseline) = &report.baseline {
        inputs.insert("baseline".into(), resource(&baseline.path, &baseline.sha256)?);
    }
    if let Some(judged) = judged {
        inputs.insert("report".into(), resource(&judged.path, &judged.sha256)?);
    }
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let policy = report.policy.as_ref().map(|p| -> Result<Value> {
        Ok(json!({
            "path": p.path.as_deref().map(file_name),
            "preset": clean(&p.preset),
            "digest": digest(&p.sha256)?,
        }))
    });
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [model(&models.unlearned)?],
        "predicateType": format!("https://docs.rs/{name}/{version}/forget_audit/attestation"),
        "predicate": {
            "verdict": report.verdict.label.as_str(),
            "passed": report.passes(),
            "policy": policy.transpose()?,
            "report": {
                "schema": report.schema,
                "digest": {"sha256": crate::hex::hex(&Sha256::digest(report_json))},
            },
            "inputs": inputs,
            "forgetClasses": data.map(|d| &d.forget_classes),
            "splitDigest": data.map(|d| digest(&d.split_sha256)).transpose()?,
            "seed": report.seed,
            "tool": report.tool,
            "created": report.created,
        },
    });
    let mut text = serde_json::to_string_pretty(&statement).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}

/// A resource descriptor.
fn resource(path: &str, sha256: &str) -> Result<Value> {
    Ok(json!({"name": file_name(path), "digest": digest(sha256)?}))
}

/// The last part of a path: a statement is published, the folders of a machine are not.
fn file_name(path: &str) -> String {
    clean(path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("_"))
}

fn digest(sha256: &str) -> Result<Value> {
    let hexadecimal = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if sha256.len() == 64 && sha256.bytes().all(hexadecimal) {
        return Ok(json!({"sha256": sha256}));
    }
    Err(Error::input(
        format!("digest \"{}\"", clean(sha256)),
        "no SHA-256 in lower-case hexadecimal",
        "attest a report that `audit compare` wrote",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::report;
    use crate::report::to_json;

    /// in-toto Attestation Framework, Statement v1: `_type`, `subject` with digests,
    /// `predicateType`, `predicate`.
    #[test]
    fn the_subject_is_the_unlearned_model_and_the_predicate_names_the_report() {
        let report = report(4, 10, true);
        let json = to_json(&report).expect("JSON");
        let text = attest(&report, &json, None).expect("a statement");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(value["subject"][0]["digest"]["sha256"], report.models.unlearned.sha256);
        assert_eq!(value["subject"][0]["name"], "unlearned.onnx");
        assert_eq!(value["predicate"]["verdict"], "superficial");
        assert_eq!(value["predicate"]["passed"], false);
        let digest = crate::hex::hex(&Sha256::digest(&json));
        assert_eq!(value["predicate"]["report"]["digest"]["sha256"], digest.as_str());
        assert_eq!(value["predicate"]["inputs"]["reference"]["name"], "retrained.onnx");
    }

    /// A statement is published; where files lay on the machine of the audit is nobody's business.
    #[test]
    fn names_are_those_of_files_not_of_folders() {
        let mut report = report(4, 10, true);
        report.models.unlearned.path = "/home/someone/models/unlearned.onnx".into();
        report.data.as_mut().expect("data").path = "/home/someone/digits/".into();
        let text = attest(&report, "", None).expect("a statement");
        assert!(!text.contains("someone"), "{text}");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["subject"][0]["name"], "unlearned.onnx");
        assert_eq!(value["predicate"]["inputs"]["data"]["name"], "digits");
    }

    /// `audit gate` reads a file that exists, and need not write what it made of it.
    #[test]
    fn a_stored_report_is_an_input() {
        let report = report(4, 10, true);
        let of = |sha256: &str| {
            let judged = Judged { path: "reports/unlearned.json".into(), sha256: sha256.into() };
            attest(&report, "", Some(&judged))
        };
        let text = of(&"7".repeat(64)).expect("a statement");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let input = &value["predicate"]["inputs"]["report"];
        assert_eq!(input["name"], "unlearned.json");
        assert_eq!(input["digest"]["sha256"], "7".repeat(64));
        assert!(of("7").is_err());
    }

    /// Whoever verifies compares digests: one that is none could stand for any file.
    #[test]
    fn a_digest_that_is_none_is_refused() {
        for bad in ["", "abc", &"A".repeat(64), &"g".repeat(64)] {
            let mut report = report(4, 10, true);
            report.models.unlearned.sha256 = bad.into();
            assert!(attest(&report, "", None).is_err(), "{bad:?}");
        }
    }
}
