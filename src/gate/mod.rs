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

/// The overrides that count nowhere, in words, each with its place.
fn unused(report: &Report, policy: &Policy) -> Vec<String> {
    let layers: Vec<&str> = report.layers.iter().map(|l| l.name.as_str()).collect();
    let told = |rule: &str, o: &Override, why: &str| {
        let place = match (&policy.path, o.set_at) {
            (Some(path), Some(at)) => format!("{path}:{}:{}: ", at.line, at.column),
            _ => String::new(),
        };
        format!("{place}the override of {rule} for \"{}\" {why}", o.layers.glob())
    };
    let unused = policy.unused_overrides(&layers);
    let mut unused: Vec<String> =
        unused.map(|(rule, o)| told(rule, o, "matches no layer")).collect();
    // The few-shot effect is judged where the encoder ends and where the head begins.
    for (rule, o) in policy.all_overrides().filter(|(_, o)| o.limits.contains_key(&Key::MaxEffect))
    {
        let matched = || report.layers.iter().filter(|l| o.layers.is_match(&l.name));
        if matched().next().is_some() && !matched().any(is_end) {
            let why = "sets max-effect, which counts only where the encoder ends and at the head's \
                       input";
            unused.push(told(rule, o, why));
        }
    }
    unused
}

/// Counts what keeps the gate shut.
fn close(report: &mut Report) {
    let failed = report.findings.iter().filter(|f| f.blocks()).count();
    let warned = report.findings.iter().filter(|f| f.warns()).count();
    report.gate = Some(Gate { passed: failed == 0, failed, warned });
}
