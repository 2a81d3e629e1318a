//! What the audit did not measure, and why: a reader must not take silence for a pass.

use std::collections::BTreeMap;

use super::clean::shorten;
use super::format::{explain, short_layer};
use crate::measures::Status;
use crate::report::Report;
use crate::verdict::LayerEvidence;

/// One sentence for each thing that is missing.
pub(super) fn gaps(report: &Report) -> Vec<String> {
    let mut gaps = Vec::new();
    if report.data.is_none() {
        gaps.push(
            "No samples were given, so no model was run: outputs, CKA, probes, few-shot recovery \
             and the head were not measured. Give --data FILE.npz and --forget-classes."
                .into(),
        );
    } else {
        missing_parts(report, &mut gaps);
    }
    if report.models.reference.is_none() && report.data.is_some() {
        gaps.push(
            "No reference was given, so recovery was not compared with that of a model retrained \
             without the forget set. `audit retrain` makes one; give it with --reference."
                .into(),
        );
    }
    gaps.extend(statuses(&report.layers, &[]));
    gaps.extend(unused(report));
    gaps
}

/// Overrides of the policy that applied to nothing, most often for a typing error.
pub(super) fn unused(report: &Report) -> impl Iterator<Item = String> {
    report.policy.iter().flat_map(|p| &p.unused).map(|text| format!("Not applied: {text}"))
}

fn missing_parts(report: &Report, gaps: &mut Vec<String>) {
    if report.outputs.is_none() {
        gaps.push("The accuracy of the outputs was not measured.".into());
    }
    if report.layers.is_empty() {
        gaps.push("No layer was measured.".into());
    } else if report.layers.iter().all(|l| l.probe.floor.is_none()) {
        gaps.push(
            "No probe was fitted on random weights, so there is no floor for what a probe finds in \
             any features."
                .into(),
        );
    }
    if report.head.is_none() {
        gaps.push("The classifier head was not compared with the features it reads.".into());
    }
    if report.data.as_ref().is_some_and(|d| d.forget_classes.is_empty()) {
        gaps.push(
            "Samples, not classes, are to be forgotten: measures by class leave no mark.".into(),
        );
    }
}

/// A measure that few need: it has no value wherever the outputs forget as well as a probe.
pub(super) const RECOVERED_FRACTION: &str = "Recovered fraction";

/// Statuses other than `ok`, each with its measure, reason and layers, but for measures `left_out`.
pub(super) fn statuses(layers: &[LayerEvidence], left_out: &[&str]) -> Vec<String> {
    let mut places: BTreeMap<(&str, &str), (Status, Vec<String>)> = BTreeMap::new();
    for (i, layer) in layers.iter().enumerate() {
        for (measure, status) in measured(layer) {
            if status != Status::Ok && !left_out.contains(&measure) {
                let entry =
                    places.entry((measure, status.as_str())).or_insert((status, Vec::new()));
                entry.1.push(format!("{} {}", i + 1, shorten(short_layer(&layer.name), 32)));
            }
        }
    }
    let sentence = |((measure, name), (status, at)): ((&str, &str), (Status, Vec<String>))| {
        let place = if at.len() == layers.len() && at.len() > 1 {
            "every layer".into()
        } else if at.len() > 4 {
            format!("{} of {} layers", at.len(), layers.len())
        } else {
            at.join(", ")
        };
        format!("{measure} at {place}: {name} ({})", explain(status))
    };
    places.into_iter().map(sentence).collect()
}

fn measured(layer: &LayerEvidence) -> Vec<(&'static str, Status)> {
    let mut all = vec![
        ("CKA on the forget set", layer.cka.forget.status),
        ("CKA on the retain set", layer.cka.retain.status),
        ("CKA on all samples", layer.cka.all.status),
        ("Probe of the original", layer.probe.original.status),
        ("Probe of the unlearned model", layer.probe.unlearned.status),
        (RECOVERED_FRACTION, layer.recovered_fraction.status),
        ("Few-shot effect", layer.few_shot.status),
    ];
    all.extend(layer.probe.reference.map(|p| ("Probe of the reference", p.status)));
    all.extend(layer.probe.floor.map(|p| ("Probe on random weights", p.status)));
    if let Some(cka) = layer.cka_reference {
        all.push(("CKA of the reference on the forget set", cka.forget.status));
        all.push(("CKA of the reference on the retain set", cka.retain.status));
        all.push(("CKA of the reference on all samples", cka.all.status));
    }
    if let Some(gap) = layer.reference_gap {
        all.push(("Probe gap to the reference", gap.probe.status));
        all.push(("Few-shot gap to the reference", gap.few_shot.status));
    }
    all
}
