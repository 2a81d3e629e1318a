//! The top of the page: what the label means, what to do, and the figures that matter most.

use serde::Serialize;

use super::super::clean::shorten;
use super::super::format::{brief, list, number, short_layer, size};
use crate::report::Report;
use crate::verdict::{Finding, Label, Outcome, OutputAccuracy};

/// Reasons beyond this many are left to the rules.
const REASONS: usize = 5;

/// The verdict in words.
#[derive(Serialize)]
pub(super) struct Summary {
    label: &'static str,
    /// A sign that tells the labels apart without colour.
    sign: &'static str,
    /// `good`, `bad` or `open`.
    tone: &'static str,
    sentence: String,
    meaning: &'static str,
    next: &'static str,
    reasons: Vec<String>,
    more_reasons: usize,
    facts: Vec<Fact>,
}

/// A figure of the original and of the unlearned model.
#[derive(Serialize)]
struct Fact {
    name: String,
    before: String,
    after: String,
    note: String,
}

/// The summary of a report.
pub(super) fn summary(report: &Report) -> Summary {
    let label = report.verdict.label;
    let (sign, tone) = match label {
        Label::Erased => ("✓", "good"),
        Label::Superficial | Label::NotForgotten | Label::Damaged => ("✗", "bad"),
        Label::Inconclusive => ("?", "open"),
    };
    let (meaning, next) = meaning(label);
    let reasons = &report.verdict.reasons;
    // The first reason weighs most, the last ones concern the deepest layers.
    let more_reasons = reasons.len().saturating_sub(REASONS);
    let kept = reasons.iter().take(1).chain(reasons.iter().skip(1 + more_reasons));
    Summary {
        label: label.as_str(),
        sign,
        tone,
        sentence: report.verdict.sentence.clone(),
        meaning,
        next,
        reasons: kept.cloned().collect(),
        more_reasons,
        facts: facts(report),
    }
}

fn meaning(label: Label) -> (&'static str, &'static str) {
    match label {
        Label::Erased => (
            "No measure recovers more of the forget set from the unlearned model than its yardstick \
             allows.",
            "Keep this report with the release. It holds for the layers, samples and seed listed \
             below, not beyond them.",
        ),
        Label::Superficial => (
            "The model no longer answers for the forget set, but its inner layers still tell it \
             apart: a new classifier on top, or a few labelled samples, bring it back.",
            "Don't release it as a deletion. Unlearn in the encoder too, or retrain without the forget \
             set, then compare again.",
        ),
        Label::NotForgotten => (
            "The unlearned model still recognises forget samples, so what its inner layers hold \
             does not matter yet.",
            "Unlearn longer or with another method, and check that these are the classes that were \
             to be forgotten; then compare again.",
        ),
        Label::Damaged => (
            "Unlearning cost more of the retained knowledge than the policy allows; forgetting that \
             takes the rest along is no success.",
            "Unlearn more gently, or train on retained data afterwards, then compare again.",
        ),
        Label::Inconclusive => (
            "This is no pass: the evidence is missing, too weak, or contradicts itself.",
            "The reasons say what would settle it; add that and compare again.",
        ),
    }
}

fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(outputs) = &report.outputs {
        let fact = |name: &str, of: fn(&OutputAccuracy) -> Option<f64>| Fact {
            name: name.into(),
            before: brief(of(&outputs.original)),
            after: brief(of(&outputs.unlearned)),
            note: note(outputs.reference.as_ref().and_then(of)),
        };
        facts.push(fact("outputs, forget set", |o| o.eval.forget_accuracy));
        facts.push(fact("outputs, retain set", |o| o.eval.retain_accuracy));
    }
    if let Some(last) = report.layers.last() {
        facts.push(Fact {
            name: "features, linear probe".into(),
            before: brief(last.probe.original.forget_accuracy),
            after: brief(last.probe.unlearned.forget_accuracy),
            note: note(last.probe.reference.and_then(|p| p.forget_accuracy)),
        });
        let first = |values: &[Option<f64>]| values.first().copied().flatten();
        let shots = last.few_shot.shots.first().copied().unwrap_or(1);
        facts.push(Fact {
            name: format!("features, {shots}-shot"),
            before: brief(first(&last.few_shot.original.forget)),
            after: brief(first(&last.few_shot.unlearned.forget)),
            note: note(last.few_shot.reference.as_ref().and_then(|r| first(&r.forget))),
        });
    }
    facts
}

fn note(reference: Option<f64>) -> String {
    reference.map_or_else(String::new, |_| format!("reference {}", brief(reference)))
}

/// Every rule: those that failed first, then those that are undecided; those on the whole model
/// before those on a layer, deep layers before shallow ones.
pub(super) fn rules(report: &Report) -> Vec<Rule> {
    let order = |f: &&Finding| {
        let outcome = match f.outcome {
            Outcome::Failed => 0,
            Outcome::Undecided => 1,
            Outcome::Passed => 2,
        };
        let place = f.layer.as_ref().map(|name| {
            let depth = report.layers.iter().position(|l| l.name == *name);
            report.layers.len() - depth.unwrap_or(0)
        });
        (outcome, place)
    };
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(order);
    findings.into_iter().map(Rule::new).collect()
}

/// A finding in the words of the page.
#[derive(Serialize)]
pub(super) struct Rule {
    rule: String,
    level: &'static str,
    outcome: &'static str,
    sign: &'static str,
    /// The layer, or nothing.
    layer: String,
    message: String,
    expected: String,
    found: String,
}

impl Rule {
    fn new(finding: &Finding) -> Self {
        use crate::verdict::Level;
        let (sign, outcome) = match finding.outcome {
            Outcome::Passed => ("✓", "passed"),
            Outcome::Failed => ("✗", "failed"),
            Outcome::Undecided => ("?", "undecided"),
        };
        Self {
            rule: finding.rule.clone(),
            level: match finding.level {
                Level::Warn => "warn",
                Level::Error => "error",
            },
            outcome,
            sign,
            layer: finding
                .layer
                .as_deref()
                .map(|l| shorten(short_layer(l), 26))
                .unwrap_or_default(),
            message: finding.message.clone(),
            expected: finding.expected.clone(),
            found: finding.found.clone(),
        }
    }
}

/// What was compared, in one line.
pub(super) fn scope(report: &Report) -> String {
    let layers = report.layers.len();
    match &report.data {
        Some(data) => format!(
            "Forget {} of {}; {} layer{}, {} forget and {} retain samples measured.",
            if data.forget_classes.is_empty() {
                "samples".into()
            } else if let [one] = data.forget_classes.as_slice() {
                format!("class {one}")
            } else {
                format!("classes {}", list(&data.forget_classes))
            },
            size(data.classes),
            layers,
            if layers == 1 { "" } else { "s" },
            size(data.eval.forget),
            size(data.eval.retain),
        ),
        None => "Weights only: no samples were given.".into(),
    }
}

/// A fact for a report without samples.
pub(super) fn weight_words(report: &Report) -> String {
    let weights = &report.weights;
    let total = weights.layers.len();
    let changed = weights.layers.iter().filter(|p| p.relative_change != Some(0.0)).count();
    let part = |identical| if identical { "unchanged" } else { "changed" };
    format!(
        "{} of {} parameters changed. Upstream of the head: {}. The head itself: {}.",
        size(changed),
        size(total),
        part(weights.encoder_identical),
        part(weights.head_identical)
    )
}

/// The change of a parameter as words and as a share of a bar.
pub(super) fn change(relative: Option<f64>) -> (String, f64) {
    match relative.filter(|v| v.is_finite()) {
        Some(value) => (number(relative), (value.clamp(0.0, 1.0) * 100.0).round()),
        None => ("no counterpart".into(), 0.0),
    }
}
