//! An in-toto statement (v1) over the audited model, for a release pipeline to sign.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::clean::clean;
use super::model::{ModelSummary, Report};
use crate::{Error, Result};

/// The statement: the unlearned model's digest as subject; verdict, policy, inputs and the digest of
/// the report as predicate. `report_json` is the report as it was written.
///
/// # Errors
/// None that input can cause.
pub fn attest(report: &Report, report_json: &str) -> Result<String> {
    let model = |model: &ModelSummary| resource(&model.path, &model.sha256);
    let models = &report.models;
    let mut inputs = vec![("original", model(&models.original))];
    inputs.extend(models.reference.as_ref().map(|m| ("reference", model(m))));
    let data = report.data.as_ref();
    inputs.extend(data.map(|d| ("data", resource(&d.path, &d.sha256))));
    let baseline = report.baseline.as_ref();
    inputs.extend(baseline.map(|b| ("baseline", resource(&b.path, &b.sha256))));
    let inputs: serde_json::Map<String, Value> =
        inputs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    let policy = report.policy.as_ref().map(|p| {
        json!({
            "path": p.path.as_deref().map(clean),
            "preset": p.preset,
            "digest": {"sha256": p.sha256},
        })
    });
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [model(&models.unlearned)],
        "predicateType": format!("https://docs.rs/{name}/{version}/forget_audit/attestation"),
        "predicate": {
            "verdict": report.verdict.label.as_str(),
            "passed": report.passes(),
            "policy": policy,
            "report": {
                "schema": report.schema,
                "digest": {"sha256": crate::hex::hex(&Sha256::digest(report_json))},
            },
            "inputs": inputs,
            "forgetClasses": data.map(|d| &d.forget_classes),
            "splitDigest": data.map(|d| json!({"sha256": d.split_sha256})),
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
fn resource(path: &str, sha256: &str) -> Value {
    json!({"name": clean(path), "digest": {"sha256": sha256}})
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
        let text = attest(&report, &json).expect("a statement");
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
}
