//! Against an earlier report: what is new, and what is worse by more than the policy allows.

use crate::report::{BaselineSummary, Report};
use crate::verdict::rules::Key;
use crate::verdict::{Change, Finding, LayerEvidence, Outcome, Policy};
use crate::{Error, Result};

/// Figures that differ by less are the same: they are printed with three digits.
const SAME: f64 = 5e-4;

/// An earlier report and the file it came from.
pub struct Baseline<'a> {
    /// The report.
    pub report: &'a Report,
    /// The file.
    pub path: &'a str,
    /// SHA-256 of the file.
    pub sha256: &'a str,
}

/// Adds to a judged report what changed against `baseline`: a `regression` finding for every
/// measure, at every layer both have, and on every other finding whether it is new.
///
/// # Errors
/// When the figures can't be compared: other samples, another split, seed or version of the measures.
pub fn against(report: &mut Report, policy: &Policy, baseline: &Baseline) -> Result<()> {
    comparable(report, baseline)?;
    let old = baseline.report;
    let mut findings = regressions(report, old, policy);
    mark(&mut report.findings, &old.findings);
    findings.iter_mut().for_each(|f| f.change = Some(change_of(f)));
    report.findings.append(&mut findings);
    report.baseline = Some(BaselineSummary {
        path: baseline.path.into(),
        sha256: baseline.sha256.into(),
        created: old.created.clone(),
        label: old.verdict.label,
    });
    super::close(report);
    Ok(())
}

fn comparable(report: &Report, baseline: &Baseline) -> Result<()> {
    let old = baseline.report;
    let refuse = |problem: String, remedy: &str| Err(Error::input(baseline.path, problem, remedy));
    let measured = "give a baseline that `audit compare` wrote with --data";
    let Some(data) = &report.data else {
        return refuse("the report has no samples, so no figure can be compared".into(), measured);
    };
    let Some(before) = &old.data else {
        return refuse(
            "the baseline has no samples, so no figure can be compared".into(),
            measured,
        );
    };
    let again = "audit the earlier model again with the same data and options, and use that report";
    if report.tool.estimators != old.tool.estimators {
        let problem = format!(
            "its figures are by version {} of the measures, the report's by version {}",
            old.tool.estimators, report.tool.estimators
        );
        return refuse(problem, again);
    }
    if data.split_sha256 != before.split_sha256 || data.forget_classes != before.forget_classes {
        return refuse("it was measured on another split of the samples".into(), again);
    }
    if data.sha256 != before.sha256 {
        return refuse("it was measured on other data".into(), again);
    }
    if report.seed != old.seed {
        let problem = format!("its seed is {}, the report's {}", old.seed, report.seed);
        return refuse(problem, again);
    }
    Ok(())
}

/// A measure that may regress.
struct Measure {
    key: Key,
    what: &'static str,
    /// Whether more is worse.
    rises: bool,
}

fn regressions(report: &Report, old: &Report, policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    let outputs = |r: &Report| r.outputs.as_ref().map(|o| o.unlearned.eval);
    let (now, before) = (outputs(report), outputs(old));
    let mut add = |measure: &Measure, layer: Option<&str>, now, before| {
        findings.extend(regression(policy, measure, layer, now, before));
    };
    let forget =
        Measure { key: Key::ForgetAccuracy, what: "forget accuracy of the outputs", rises: true };
    let retain =
        Measure { key: Key::RetainAccuracy, what: "retain accuracy of the outputs", rises: false };
    add(&forget, None, now.and_then(|a| a.forget_accuracy), before.and_then(|a| a.forget_accuracy));
    add(&retain, None, now.and_then(|a| a.retain_accuracy), before.and_then(|a| a.retain_accuracy));
    for layer in &report.layers {
        let Some(earlier) = old.layers.iter().find(|l| l.name == layer.name) else { continue };
        for (measure, figure) in layer_measures() {
            add(&measure, Some(&layer.name), figure(layer), figure(earlier));
        }
    }
    findings
}

type Figure = fn(&LayerEvidence) -> Option<f64>;

fn layer_measures() -> [(Measure, Figure); 3] {
    let measure = |key, what| Measure { key, what, rises: true };
    [
        (measure(Key::Probe, "probe accuracy on the forget set"), |l| {
            l.probe.unlearned.forget_accuracy
        }),
        (measure(Key::FewShot, "1-shot accuracy on the forget set"), |l| {
            l.few_shot.unlearned.forget.first().copied().flatten()
        }),
        (measure(Key::Cka, "debiased CKA on the forget set"), |l| l.cka.forget.debiased),
    ]
}

/// `None` where the rule is off, or neither report has the figure.
fn regression(
    policy: &Policy,
    measure: &Measure,
    layer: Option<&str>,
    now: Option<f64>,
    before: Option<f64>,
) -> Option<Finding> {
    const RULE: &str = "regression";
    let level = policy.severity(RULE, layer).level()?;
    let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
    let (now, before) = (finite(now), finite(before));
    let allowed = policy.value(RULE, measure.key, layer);
    let sign = if measure.rises { 1.0 } else { -1.0 };
    let what = measure.what;
    let (outcome, message) = match (now, before) {
        (None, None) => return None,
        // Nothing to compare with is not a regression.
        (Some(_), None) => (Outcome::Passed, format!("{what} is measured for the first time")),
        (None, Some(_)) => (Outcome::Failed, format!("{what} is missing; the baseline has it")),
        (Some(now), Some(before)) if sign * (now - before) > allowed => {
            (Outcome::Failed, format!("{what} is worse than in the baseline"))
        }
        _ => (Outcome::Passed, format!("{what} is no worse than in the baseline")),
    };
    let limit = before.map(|b| b + sign * allowed);
    let bound = if measure.rises { "at most" } else { "at least" };
    let expected = match (limit, before) {
        (Some(limit), Some(before)) => format!("{bound} {limit:.3} (the baseline's {before:.3})"),
        _ => "any".into(),
    };
    Some(Finding {
        rule: RULE.into(),
        level,
        outcome,
        layer: layer.map(str::to_owned),
        message,
        expected,
        found: now.map_or_else(|| "no value".into(), |v| format!("{v:.3}")),
        value: now,
        limit,
        set_at: policy.limit(RULE, measure.key, layer).and_then(|l| l.set_at),
        change: None,
    })
}

/// A regression is new by its nature.
fn change_of(finding: &Finding) -> Change {
    match finding.outcome {
        Outcome::Passed => Change::Unchanged,
        _ => Change::Worse,
    }
}

/// Says of each finding what became of it; the same rule may speak of a layer more than once, so
/// the first is compared with the first, and so on.
fn mark(findings: &mut [Finding], old: &[Finding]) {
    for at in 0..findings.len() {
        let (before, rest) = findings.split_at_mut(at);
        let Some(finding) = rest.first_mut() else { continue };
        let same = |f: &&Finding| f.rule == finding.rule && f.layer == finding.layer;
        let nth = before.iter().filter(|f| same(f)).count();
        let earlier = old.iter().filter(same).nth(nth);
        finding.change = Some(compared(finding, earlier));
    }
}

fn compared(now: &Finding, before: Option<&Finding>) -> Change {
    let passes = |f: &Finding| f.outcome == Outcome::Passed;
    match before {
        Some(before) if passes(now) && passes(before) => Change::Unchanged,
        Some(_) if passes(now) => Change::Better,
        None if passes(now) => Change::Unchanged,
        Some(before) if !passes(before) => match (excess(now), excess(before)) {
            (Some(now), Some(before)) if now > before + SAME => Change::Worse,
            (Some(now), Some(before)) if now < before - SAME => Change::Better,
            // Failed is worse than undecided.
            _ if now.outcome == Outcome::Failed && before.outcome == Outcome::Undecided => {
                Change::Worse
            }
            _ => Change::Unchanged,
        },
        _ => Change::New,
    }
}

/// How far a figure lies beyond its limit.
fn excess(finding: &Finding) -> Option<f64> {
    Some((finding.value? - finding.limit?).abs())
}
