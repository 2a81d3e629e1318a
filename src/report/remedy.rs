//! Before and after a repair, side by side.

use comfy_table::{ContentArrangement, Table, presets};

use super::Report;
use super::clean::clean;
use super::format::{number, short_layer};
use crate::verdict::{Accuracy, Finding, Label, LayerEvidence, most_shots};

/// More findings than this are counted.
const LISTED: usize = 5;

/// How a repair changed what is measured: outputs, and per layer CKA, probe and few-shot accuracy
/// on forget samples, each before, after, and for the reference where there is one; then what keeps
/// the gate shut still, and what to try.
pub fn remedy(before: &Report, after: &Report) -> String {
    let reference = before.models.reference.is_some();
    let mut text = outputs(before, after);
    text.push_str("\n\nOn forget samples, eval split:\n");
    text.push_str(&layers(before, after, reference));
    text.push_str(&format!(
        "\n\nbefore: {}\nafter:  {}\n",
        before.verdict.label.as_str(),
        after.verdict.label.as_str()
    ));
    if !after.passes() {
        text.push_str(&against(after));
    }
    // The table pads its last column.
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

/// What keeps the gate shut, at the deepest layer it does, and what to try.
fn against(after: &Report) -> String {
    let mut found: Vec<&Finding> = Vec::new();
    for finding in after.findings.iter().rev().filter(|f| f.blocks()) {
        if !found.iter().any(|f| (&f.rule, &f.message) == (&finding.rule, &finding.message)) {
            found.push(finding);
        }
    }
    let mut text = "\nAgainst it:\n".to_owned();
    let left = found.len().saturating_sub(LISTED);
    for finding in found.iter().rev().take(LISTED) {
        let place = finding.layer.as_deref().map(|l| format!(" at {}", short_layer(l)));
        text.push_str(&clean(&format!(
            "- {}{}: {} (expected {}, found {})",
            finding.rule,
            place.unwrap_or_default(),
            finding.message,
            finding.expected,
            finding.found
        )));
        text.push('\n');
    }
    if left > 0 {
        text.push_str(&format!("- and {left} more\n"));
    }
    if let Some(next) = next(after) {
        text.push_str(&format!("\nNext: {next}\n"));
    }
    text
}

/// What to try where a repair did not lead to `erased`.
fn next(after: &Report) -> Option<&'static str> {
    let blocks = |rule: &str| after.findings.iter().any(|f| f.rule == rule && f.blocks());
    match after.verdict.label {
        Label::Erased => None,
        Label::Damaged => {
            Some("`audit remediate` with a smaller --learning-rate, or more on the retain samples.")
        }
        Label::Inconclusive if blocks("layers-compared") => {
            Some("leave --layers out: a layer that was not compared acquits nobody.")
        }
        Label::Inconclusive if after.models.reference.is_none() => {
            Some("`audit retrain` makes a reference, which can decide; give it with --reference.")
        }
        Label::Superficial | Label::NotForgotten | Label::Inconclusive => Some(
            "`audit remediate` with more --epochs, or another method or start; else ship a retrained \
             model (`audit retrain`).",
        ),
    }
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn outputs(before: &Report, after: &Report) -> String {
    let mut table = new_table();
    table.set_header(["accuracy on eval", "forget", "retain"]);
    let mut row = |name: &str, accuracy: &Accuracy| {
        let cells = [accuracy.forget_accuracy, accuracy.retain_accuracy].map(number);
        table.add_row([name.to_owned()].into_iter().chain(cells));
    };
    if let (Some(before), Some(after)) = (&before.outputs, &after.outputs) {
        row("original", &before.original.eval);
        row("before", &before.unlearned.eval);
        row("after", &after.unlearned.eval);
        if let Some(reference) = &after.reference {
            row("reference", &reference.eval);
        }
    }
    table.to_string()
}

fn layers(before: &Report, after: &Report, reference: bool) -> String {
    let mut table = new_table();
    let mut header = vec!["layer".to_owned()];
    let shots = before.layers.first().and_then(|l| l.few_shot.shots.last()).copied();
    let few_shot = shots.map_or_else(|| "few-shot".to_owned(), |k| format!("{k}-shot"));
    for measure in ["CKA", "probe", &few_shot] {
        header.extend([format!("{measure} before"), "after".into()]);
        if reference {
            header.push("reference".into());
        }
    }
    table.set_header(header);
    for old in &before.layers {
        let Some(new) = after.layers.iter().find(|l| l.name == old.name) else { continue };
        let mut row = vec![short_layer(&old.name).to_owned()];
        for measure in MEASURES {
            row.extend([measure(old)[0], measure(new)[0]].map(number));
            if reference {
                row.push(number(measure(new)[1]));
            }
        }
        table.add_row(row);
    }
    table.to_string()
}

/// A figure of the unlearned model and of the reference.
type Measure = fn(&LayerEvidence) -> [Option<f64>; 2];

const MEASURES: [Measure; 3] = [cka, probe, few_shot];

/// Debiased CKA with the original: of the unlearned model and of the reference.
fn cka(layer: &LayerEvidence) -> [Option<f64>; 2] {
    let reference = layer.cka_reference.as_ref().and_then(|c| c.forget.debiased);
    [layer.cka.forget.debiased, reference]
}

fn probe(layer: &LayerEvidence) -> [Option<f64>; 2] {
    let reference = layer.probe.reference.as_ref().and_then(|p| p.forget_accuracy);
    [layer.probe.unlearned.forget_accuracy, reference]
}

/// With the most samples a class.
fn few_shot(layer: &LayerEvidence) -> [Option<f64>; 2] {
    let reference = layer.few_shot.reference.as_ref().and_then(|f| most_shots(&f.forget));
    [most_shots(&layer.few_shot.unlearned.forget), reference]
}
