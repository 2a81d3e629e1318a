//! The report for the terminal: the verdict stands last, where the eye is when a run ends.

mod layers;
mod paper;

use std::cmp::Ordering;

use comfy_table::Color;

use super::Report;
use super::clean::shorten;
use super::format::{
    class, count, forgotten_classes, number, parameters_changed, short_layer, size,
};
use super::gaps::{RECOVERED_FRACTION, statuses, unused};
use super::standing::{changes, is_regression, place, standing, word};
use crate::verdict::{
    Accuracy, Change, DataEvidence, Finding, Label, Outcome, OutputAccuracy, PerModel, Verdict,
};
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
    for status in statuses(&report.layers, &[RECOVERED_FRACTION]) {
        paper.entry("status", &status);
    }
    for text in unused(report) {
        paper.entry("policy", &text);
    }
    for note in &report.notes {
        paper.entry("note", note);
    }
    paper.gap();
    gate(&mut paper, report);
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
        let what = match forgotten_classes(data) {
            None => "forget samples".into(),
            Some(classes) => format!("forget {classes} of {}", data.classes),
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
    if let Some(baseline) = &report.baseline {
        paper.entry(
            "baseline",
            &format!("{} ({}, {})", baseline.path, baseline.label.as_str(), baseline.created),
        );
    }
    if let Some(provider) = &report.provider {
        paper.entry(
            "provider",
            &format!("{} ({} requested: {})", provider.used, provider.requested, provider.reason),
        );
    }
    let weights = &report.weights;
    let part = |identical| if identical { "unchanged" } else { "changed" };
    paper.entry(
        "weights",
        &format!(
            "{} (original: {} values); upstream of the head: {}, head: {}",
            parameters_changed(weights),
            count(report.models.original.parameters),
            part(weights.encoder_identical),
            part(weights.head_identical),
        ),
    );
    paper.gap();
}

/// Outputs and head, a column a model.
fn models(paper: &mut Paper, report: &Report) {
    let worst;
    let mut rows: Vec<(&str, PerModel<Option<f64>>)> = Vec::new();
    if let Some(outputs) = &report.outputs {
        let row = |of: fn(&Accuracy) -> Option<f64>| outputs.map(|o| of(&o.eval));
        rows.push(("output accuracy, forget", row(|a| a.forget_accuracy)));
        rows.push(("output accuracy, retain", row(|a| a.retain_accuracy)));
        worst = worst_class(outputs, report.data.as_ref());
        if let Some((name, values)) = &worst {
            rows.insert(1, (name, values.clone()));
        }
    }
    if let Some(head) = &report.head {
        rows.push(("head misalignment, forget", head.misalignment.map(|m| m.forget)));
        rows.push(("head misalignment, retain", head.misalignment.map(|m| m.retain)));
        rows.push(("head mismatch, forget", head.mismatch.map(|s| s.forget)));
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

/// Of several forget classes the one that the unlearned model recognises best.
fn worst_class(
    outputs: &PerModel<OutputAccuracy>,
    data: Option<&DataEvidence>,
) -> Option<(String, PerModel<Option<f64>>)> {
    let classes = &outputs.unlearned.forget_classes;
    let known = classes.iter().filter(|c| c.accuracy.is_some());
    let worst =
        known.max_by(|a, b| a.accuracy.partial_cmp(&b.accuracy).unwrap_or(Ordering::Equal))?;
    let of = |model: &OutputAccuracy| model.class(worst.class).and_then(|c| c.accuracy);
    // Where all are alike, none is worst.
    let alike = classes.iter().all(|c| c.accuracy == worst.accuracy);
    let name = data.map_or_else(|| worst.class.to_string(), |data| class(data, worst.class));
    (!alike).then(|| (format!("  of them class {name}"), outputs.map(of)))
}

/// A rule that says the same of more layers than this names only the deepest ones.
const PLACES: usize = 3;

/// What keeps the gate shut, then warnings; in both what failed before what is undecided. What a
/// rule says of several layers stands together.
fn findings(paper: &mut Paper, report: &Report) {
    for of in [Finding::blocks, Finding::warns] {
        for outcome in [Outcome::Failed, Outcome::Undecided] {
            let mut left: Vec<&Finding> =
                report.findings.iter().filter(|f| of(f) && f.outcome == outcome).collect();
            while let Some(&first) = left.first() {
                let alike = |f: &Finding| f.rule == first.rule && f.message == first.message;
                let (group, rest) = left.into_iter().partition(|f| alike(f));
                finding(paper, report, first, group);
                left = rest;
            }
        }
    }
    let passed = |of: &dyn Fn(&Finding) -> bool| {
        let (mut passed, mut all) = (0, 0);
        for finding in report.findings.iter().filter(|f| of(f)) {
            all += 1;
            passed += usize::from(finding.outcome == Outcome::Passed);
        }
        (passed, all)
    };
    let (checks, all_checks) = passed(&|f| !is_regression(f));
    let (figures, all_figures) = passed(&is_regression);
    if all_checks > 0 {
        paper.entry("passed", &format!("{checks} of {all_checks} checks"));
    }
    if all_figures > 0 {
        let text = format!("{figures} of {all_figures} figures are no worse than the baseline's");
        paper.entry("", &text);
    }
    if report.baseline.is_some() {
        paper.entry("baseline", &format!("of what did not pass: {}", changes(report)));
    }
}

fn finding(paper: &mut Paper, report: &Report, first: &Finding, mut group: Vec<&Finding>) {
    let (sign, color) = match first.outcome {
        _ if first.warns() => ("! warning", Color::Yellow),
        Outcome::Undecided => ("? undecided", Color::Yellow),
        _ => ("✗ failed", Color::Red),
    };
    let mut heading = first.rule.clone();
    if first.warns() && first.outcome == Outcome::Undecided {
        heading.push_str(" (undecided)");
    }
    let changed =
        |change: Option<Change>| change.map(|c| format!(", {}", word(c))).unwrap_or_default();
    let same_change = group.iter().all(|f| f.change == first.change);
    if same_change {
        heading.push_str(&changed(first.change));
    }
    paper.heading(sign, color, &heading);
    paper.entry("", &first.message);
    let same = group.iter().all(|f| f.expected == first.expected && f.set_at == first.set_at);
    let expected = |finding: &Finding| {
        let place = place(report, finding).map(|p| format!(", set at {p}")).unwrap_or_default();
        format!("expected {}{place}", finding.expected)
    };
    if same {
        paper.entry("", &expected(first));
    }
    let more = group.len().saturating_sub(PLACES);
    for finding in group.drain(more..) {
        let place = finding.layer.as_ref().map(|l| format!(" at {}", shorten(short_layer(l), 28)));
        let change = if same_change { String::new() } else { changed(finding.change) };
        let place = place.unwrap_or_default();
        paper.entry("", &format!("found {}{place}{change}", finding.found));
        if !same {
            paper.entry("", &format!("  {}", expected(finding)));
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

/// Beside the verdict, so that neither is read without the other.
fn gate(paper: &mut Paper, report: &Report) {
    let Some(standing) = standing(report) else { return };
    let (sign, color) = match (standing.open, standing.caveat) {
        (true, None) => ("✓", Color::Green),
        (true, Some(_)) => ("!", Color::Yellow),
        (false, _) => ("✗", Color::Red),
    };
    let caveat = standing.caveat.map(|c| format!(" {c}")).unwrap_or_default();
    let text = format!("{}{caveat}", standing.sentence);
    paper.sentence(&format!("{sign} {}", standing.title), color, &text);
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
