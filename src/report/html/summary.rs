//! The top of the page: what the label means, what to do, and the figures that matter most.

use serde::Serialize;

use super::super::format::{brief, forgotten_classes, number, parameters_changed, size};
use super::super::standing::{changes, name, reasons, standing};
use crate::report::Report;
use crate::verdict::{Label, OutputAccuracy, fewest_shots};

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
    /// Whether the policy passes; nothing in reports of early versions.
    gate: Option<Gate>,
}

/// The gate beside the verdict.
#[derive(Serialize)]
struct Gate {
    sign: &'static str,
    tone: &'static str,
    title: &'static str,
    sentence: String,
    /// Why gate and label seem to disagree.
    caveat: Option<&'static str>,
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
    let (meaning, next) = meaning(label, report.data.is_some());
    let mut reasons = reasons(report);
    let more_reasons = reasons.len().saturating_sub(REASONS);
    reasons.truncate(REASONS);
    Summary {
        label: label.as_str(),
        sign,
        tone,
        sentence: report.verdict.sentence.clone(),
        meaning,
        next,
        reasons,
        more_reasons,
        facts: facts(report),
        gate: gate(report),
    }
}

/// An open gate under a label that is no pass doesn't look like one.
fn gate(report: &Report) -> Option<Gate> {
    let standing = standing(report)?;
    let (sign, tone) = match (standing.open, standing.caveat) {
        (true, None) => ("✓", "good"),
        (true, Some(_)) => ("!", "open"),
        (false, _) => ("✗", "bad"),
    };
    let mut letters = standing.sentence.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let sentence = first + letters.as_str();
    Some(Gate { sign, tone, title: standing.title, sentence, caveat: standing.caveat })
}

/// The baseline and what became of the rules since, in a sentence.
pub(super) fn baseline(report: &Report) -> Option<String> {
    let baseline = report.baseline.as_ref()?;
    Some(format!(
        "Compared with the baseline {} ({}, {}); of what did not pass: {}.",
        name(&baseline.path),
        baseline.label.as_str(),
        baseline.created,
        changes(report)
    ))
}

fn meaning(label: Label, measured: bool) -> (&'static str, &'static str) {
    match label {
        Label::Superficial if !measured => (
            "All weights before the classifier head are the original's, so a new head brings back \
             whatever the original knew. What the outputs say was not measured.",
            "Don't release it as a deletion. Unlearn in the encoder too, or retrain without the forget \
             set, then compare again, with samples.",
        ),
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
        let shots = last.few_shot.shots.first().copied().unwrap_or(1);
        facts.push(Fact {
            name: format!("features, {shots}-shot"),
            before: brief(fewest_shots(&last.few_shot.original.forget)),
            after: brief(fewest_shots(&last.few_shot.unlearned.forget)),
            note: note(last.few_shot.reference.as_ref().and_then(|r| fewest_shots(&r.forget))),
        });
    }
    facts
}

fn note(reference: Option<f64>) -> String {
    reference.map_or_else(String::new, |_| format!("reference {}", brief(reference)))
}

/// What was compared, in one line.
pub(super) fn scope(report: &Report) -> String {
    let layers = report.layers.len();
    match &report.data {
        Some(data) => format!(
            "Forget {} of {}; {} layer{}, {} forget and {} retain samples measured.",
            forgotten_classes(data).unwrap_or("samples".into()),
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
    let part = |identical| if identical { "unchanged" } else { "changed" };
    format!(
        "{}. Upstream of the head: {}. The head itself: {}.",
        parameters_changed(weights),
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
