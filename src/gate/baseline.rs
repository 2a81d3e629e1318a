//! Against an earlier report: what is new, and what is worse by more than the policy allows.

use super::comparable::comparable;
use crate::Result;
use crate::report::{BaselineSummary, Report};
use crate::verdict::rules::Key;
use crate::verdict::{Change, Finding, LayerEvidence, Level, Outcome, Policy, fewest_shots};

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
/// figure that either has, and on every other finding whether it is new.
///
/// # Errors
/// When the figures can't be compared: other samples, preprocessing, split, seed,
/// original or version of the measures, a reference that the report lacks, a baseline without
/// figures, or no layer that both have. The report then stays as it was.
pub fn against(report: &mut Report, policy: &Policy, baseline: &Baseline) -> Result<()> {
    comparable(report, baseline)?;
    let old = baseline.report;
    let mut findings = regressions(report, old, policy);
    findings.extend(other_reference(report, old, policy));
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

/// The rule of every finding made here.
const RULE: &str = "regression";

/// A measure that may regress.
struct Measure {
    key: Key,
    what: &'static str,
    /// Whether more is worse.
    rises: bool,
}

fn regressions<'a>(report: &'a Report, old: &'a Report, policy: &Policy) -> Vec<Finding> {
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
    let named = |layers: &'a [LayerEvidence], name: &str| layers.iter().find(|l| l.name == name);
    // A layer that only the baseline has lacks every figure there.
    let gone = old.layers.iter().filter(|l| named(&report.layers, &l.name).is_none());
    for layer in report.layers.iter().chain(gone) {
        let (now, before) = (named(&report.layers, &layer.name), named(&old.layers, &layer.name));
        for (measure, figure) in layer_measures() {
            add(&measure, Some(&layer.name), now.and_then(figure), before.and_then(figure));
        }
    }
    findings
}

/// A reference decides what is a failure, though no figure that is compared here: another one than
/// the baseline's is told, so that nobody takes its `new` and `better` for the model's.
fn other_reference(report: &Report, old: &Report, policy: &Policy) -> Option<Finding> {
    policy.severity(RULE, None).level()?;
    let digest = |r: &Report| r.models.reference.as_ref().map(|m| m.sha256.clone());
    let (now, before) = (digest(report), digest(old));
    let message = match &before {
        _ if now == before => return None,
        Some(_) => "judged against another reference than the baseline was",
        None => "judged against a reference, and the baseline was not",
    };
    let brief = |digest: Option<String>| match digest {
        Some(digest) => digest.chars().take(12).collect(),
        None => "none".to_owned(),
    };
    Some(Finding {
        rule: RULE.into(),
        level: Level::Warn,
        outcome: Outcome::Undecided,
        layer: None,
        message: format!("{message}: what is new or better since may be the reference's doing"),
        expected: format!("the baseline's reference ({})", brief(before)),
        found: brief(now),
        value: None,
        limit: None,
        set_at: policy.set_at(RULE, None),
        change: None,
    })
}

type Figure = fn(&LayerEvidence) -> Option<f64>;

fn layer_measures() -> [(Measure, Figure); 3] {
    let measure = |key, what| Measure { key, what, rises: true };
    [
        (measure(Key::Probe, "probe accuracy on the forget set"), |l| {
            l.probe.unlearned.forget_accuracy
        }),
        (measure(Key::FewShot, "1-shot accuracy on the forget set"), |l| {
            fewest_shots(&l.few_shot.unlearned.forget)
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

/// Against the baseline by their nature.
fn change_of(finding: &Finding) -> Change {
    match finding.outcome {
        Outcome::Passed => Change::Unchanged,
        Outcome::Failed => Change::Worse,
        Outcome::Undecided => Change::New,
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
