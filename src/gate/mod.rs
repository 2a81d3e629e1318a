//! Judging a report under a policy, alone or against a baseline: nothing is measured here.

mod baseline;
mod comparable;

pub use baseline::{Baseline, against};

use crate::report::{PolicySummary, Report};
use crate::verdict::rules::Key;
use crate::verdict::{Gate, Override, Policy, is_end, judge};

/// Judges `report` under `policy`: findings, verdict, and whether the policy passes.
///
/// What an earlier judgement left is replaced, a baseline's findings included.
pub fn apply(report: &mut Report, policy: &Policy) {
    let (findings, verdict) = judge(report.evidence(), policy);
    report.findings = findings;
    report.verdict = verdict;
    report.baseline = None;
    // Without samples there are no layers that an override could match.
    let unused = if report.layers.is_empty() { Vec::new() } else { unused(report, policy) };
    report.policy = Some(PolicySummary {
        path: policy.path.clone(),
        preset: policy.preset.as_str().into(),
        sha256: policy.sha256(),
        unused,
    });
    close(report);
}

/// The overrides that match no layer, in words, each with its place.
fn unused(report: &Report, policy: &Policy) -> Vec<String> {
    let layers: Vec<&str> = report.layers.iter().map(|l| l.name.as_str()).collect();
    let unused = policy.unused_overrides(&layers);
    let text = unused.map(|(rule, o)| {
        let place = match (&policy.path, o.set_at) {
            (Some(path), Some(at)) => format!("{path}:{}:{}: ", at.line, at.column),
            _ => String::new(),
        };
        format!("{place}the override of {rule} for \"{}\" matches no layer", o.layers.glob())
    });
    text.collect()
}

/// Counts what keeps the gate shut.
fn close(report: &mut Report) {
    let failed = report.findings.iter().filter(|f| f.blocks()).count();
    let warned = report.findings.iter().filter(|f| f.warns()).count();
    report.gate = Some(Gate { passed: failed == 0, failed, warned });
}
