//! The report for the terminal: the verdict stands last, where the eye is when a run ends.

mod layers;
mod paper;

use comfy_table::Color;

use super::Report;
use super::clean::shorten;
use super::format::{count, list, number, short_layer, size};
use super::gaps::statuses;
use crate::verdict::{Accuracy, Finding, Label, Level, Outcome, OutputAccuracy, PerModel, Verdict};
use layers::Columns;
use paper::Paper;

/// How text is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextOptions {
    /// Whether escape sequences for colour may be used.
    pub color: bool,
    /// Columns of the terminal; without it nothing is wrapped or left out.
    pub width: Option<u16>,
}

/// The report as text for a terminal or a log.
pub fn text(report: &Report, options: &TextOptions) -> String {
    let mut paper = Paper::new(options);
    header(&mut paper, report);
    models(&mut paper, report);
    layers::layers(&mut paper, report);
    findings(&mut paper, report);
    reasons(&mut paper, report);
    for status in statuses(&report.layers) {
        paper.entry("status", &status);
    }
    for note in &report.notes {
        paper.entry("note", note);
    }
    paper.gap();
    verdict(&mut paper, &report.verdict);
    paper.finish()
}

fn header(paper: &mut Paper, report: &Report) {
    paper.entry("original", &report.models.original.path);
    paper.entry("unlearned", &report.models.unlearned.path);
    if let Some(reference) = &report.models.reference {
        paper.entry("reference", &reference.path);
    }
    if let Some(data) = &report.data {
        paper.entry("data", &data.path);
        let what = match data.forget_classes.as_slice() {
            [] => "forget samples".into(),
            [one] => format!("forget class {one} of {}", data.classes),
            many => format!("forget classes {} of {}", list(many), data.classes),
        };
        paper.entry(
            "",
            &format!(
                "{what}; {} forget and {} retain samples measured",
                size(data.eval.forget),
                size(data.eval.retain)
            ),
        );
    } else {
        paper.entry("data", "none: only the weights are compared");
    }
    if let Some(provider) = &report.provider {
        paper.entry(
            "provider",
            &format!("{} ({} requested: {})", provider.used, provider.requested, provider.reason),
        );
    }
    let weights = &report.weights;
    let changed = weights.layers.iter().filter(|p| p.relative_change != Some(0.0)).count();
    let part = |identical| if identical { "unchanged" } else { "changed" };
    paper.entry(
        "weights",
        &format!(
            "{} of {} parameters changed (original: {} values); upstream of the head: {}, head: {}",
            size(changed),
            size(weights.layers.len()),
            count(report.models.original.parameters),
            part(weights.encoder_identical),
            part(weights.head_identical),
        ),
    );
    paper.gap();
}

/// Outputs and head, a column a model.
fn models(paper: &mut Paper, report: &Report) {
    let mut rows: Vec<(&str, PerModel<Option<f64>>)> = Vec::new();
    if let Some(outputs) = &report.outputs {
        let row =
            |of: fn(&Accuracy) -> Option<f64>| per_model(outputs, |o: &OutputAccuracy| of(&o.eval));
        rows.push(("output accuracy, forget", row(|a| a.forget_accuracy)));
        rows.push(("output accuracy, retain", row(|a| a.retain_accuracy)));
    }
    if let Some(head) = &report.head {
        rows.push(("head misalignment, forget", per_model(&head.misalignment, |m| m.forget)));
        rows.push(("head misalignment, retain", per_model(&head.misalignment, |m| m.retain)));
        rows.push(("head mismatch, forget", per_model(&head.mismatch, |s| s.forget)));
    }
    if rows.is_empty() {
        return;
    }
    let mut columns = Columns::new();
    columns.add(0, "", rows.iter().map(|(name, _)| (*name).into()).collect());
    columns.add(0, "original", rows.iter().map(|(_, v)| number(v.original)).collect());
    columns.add(0, "unlearned", rows.iter().map(|(_, v)| number(v.unlearned)).collect());
    if rows.iter().any(|(_, v)| v.reference.is_some()) {
        let values = rows.iter().map(|(_, v)| number(v.reference.flatten())).collect();
        columns.add(0, "reference", values);
    }
    paper.table(columns);
    paper.gap();
}

fn per_model<T>(of: &PerModel<T>, value: impl Fn(&T) -> Option<f64>) -> PerModel<Option<f64>> {
    PerModel {
        original: value(&of.original),
        unlearned: value(&of.unlearned),
        reference: of.reference.as_ref().map(value),
    }
}

/// A rule that says the same of more layers than this names only the deepest ones.
const PLACES: usize = 3;

/// Rules that failed, then those that are undecided; what a rule says of several layers stands
/// together.
fn findings(paper: &mut Paper, report: &Report) {
    for outcome in [Outcome::Failed, Outcome::Undecided] {
        let mut left: Vec<&Finding> =
            report.findings.iter().filter(|f| f.outcome == outcome).collect();
        while let Some(&first) = left.first() {
            let alike = |f: &Finding| f.rule == first.rule && f.message == first.message;
            let (group, rest) = left.into_iter().partition(|f| alike(f));
            finding(paper, first, group);
            left = rest;
        }
    }
    let passed = report.findings.iter().filter(|f| f.outcome == Outcome::Passed).count();
    let total = report.findings.len();
    if total > 0 {
        paper.entry("passed", &format!("{passed} of {total} rules"));
    }
}

fn finding(paper: &mut Paper, first: &Finding, mut group: Vec<&Finding>) {
    let (sign, color) = match first.outcome {
        Outcome::Failed => ("✗ failed", Color::Red),
        Outcome::Undecided => ("? undecided", Color::Yellow),
        Outcome::Passed => ("✓ passed", Color::Green),
    };
    let level = match first.level {
        Level::Warn => " (does not decide)",
        Level::Error => "",
    };
    paper.heading(sign, color, &format!("{}{level}", first.rule));
    paper.entry("", &first.message);
    let same = group.iter().all(|f| f.expected == first.expected);
    if same {
        paper.entry("", &format!("expected {}", first.expected));
    }
    let more = group.len().saturating_sub(PLACES);
    for finding in group.drain(more..) {
        let place = finding.layer.as_ref().map(|l| format!(" at {}", shorten(short_layer(l), 28)));
        paper.entry("", &format!("found {}{}", finding.found, place.unwrap_or_default()));
        if !same {
            paper.entry("", &format!("  expected {}", finding.expected));
        }
    }
    if more > 0 {
        paper.entry("", &format!("and the like at {more} shallower layers"));
    }
    paper.gap();
}

/// Reasons that no finding above has given already.
fn reasons(paper: &mut Paper, report: &Report) {
    let shown = |reason: &str| {
        report
            .findings
            .iter()
            .any(|f| f.outcome != Outcome::Passed && reason.starts_with(f.message.as_str()))
    };
    for reason in report.verdict.reasons.iter().filter(|r| !shown(r)) {
        paper.entry("reason", reason);
    }
}

fn verdict(paper: &mut Paper, verdict: &Verdict) {
    let label = verdict.label;
    let (sign, color) = match label {
        Label::Erased => ("✓", Color::Green),
        Label::Superficial | Label::NotForgotten | Label::Damaged => ("✗", Color::Red),
        Label::Inconclusive => ("?", Color::Yellow),
    };
    paper.sentence(&format!("{sign} {}", label.as_str()), color, &verdict.sentence);
}
