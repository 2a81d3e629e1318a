//! The figures that no verdict can do without. No policy lowers this rule.

use super::{Court, Outcome, finite};
use crate::measures::Status;

impl Court<'_> {
    /// Whether every figure that the verdict rests on is there and finite.
    pub(super) fn evidence_complete(&mut self) -> Outcome {
        let missing = self.missing();
        let (outcome, message, found) = match missing.as_slice() {
            [] => (
                Outcome::Passed,
                "every figure that the verdict rests on is there".to_owned(),
                "all of them".to_owned(),
            ),
            _ if self.evidence.outputs.is_none() => (
                Outcome::Undecided,
                "no samples were given: only the weights were compared".to_owned(),
                "the weights".to_owned(),
            ),
            missing => (
                Outcome::Undecided,
                format!("figures are missing that the verdict rests on: {}", missing.join("; ")),
                format!("{} missing", missing.len()),
            ),
        };
        let expected = "outputs, and CKA, probe and few-shot recovery at the head's input";
        self.add("evidence", outcome, None, message, expected.into(), found.into())
    }

    fn missing(&self) -> Vec<String> {
        let evidence = &self.evidence;
        let mut missing = Vec::new();
        let mut need = |what: &str, value: Option<f64>, why: Option<Status>| {
            if finite(value).is_none() {
                let why = why.filter(|s| *s != Status::Ok);
                let why = why.map_or(String::new(), |s| format!(" ({})", s.as_str()));
                missing.push(format!("{what}{why}"));
            }
        };
        let (Some(_), Some(outputs), Some(layer)) =
            (evidence.data, evidence.outputs, evidence.layers.last())
        else {
            return vec!["everything that needs samples".into()];
        };
        let models =
            [("original", Some(&outputs.original)), ("unlearned", Some(&outputs.unlearned))];
        for (model, accuracy) in
            models.into_iter().chain([("reference", outputs.reference.as_ref())])
        {
            let Some(accuracy) = accuracy else { continue };
            need(&format!("{model}: forget accuracy"), accuracy.eval.forget_accuracy, None);
            need(&format!("{model}: retain accuracy"), accuracy.eval.retain_accuracy, None);
        }
        for (model, probe) in
            [("original", &layer.probe.original), ("unlearned", &layer.probe.unlearned)]
        {
            let status = Some(probe.status);
            need(&format!("{model}: probe accuracy on forget"), probe.forget_accuracy, status);
            need(&format!("{model}: probe accuracy on retain"), probe.retain_accuracy, status);
        }
        let few_shot = &layer.few_shot;
        let first = |values: &[Option<f64>]| values.first().copied().flatten();
        let status = Some(few_shot.status);
        need("original: few-shot accuracy on forget", first(&few_shot.original.forget), status);
        need("unlearned: few-shot accuracy on forget", first(&few_shot.unlearned.forget), status);
        need("few-shot effect", few_shot.effect, status);
        // Features without variance have no CKA, and that is an answer.
        if layer.cka.forget.status != Status::Degenerate {
            need("CKA on forget", layer.cka.forget.debiased, Some(layer.cka.forget.status));
        }
        if evidence.has_reference() {
            let gap = layer.reference_gap;
            let (probe, few_shot) = (gap.map(|g| g.probe), gap.map(|g| g.few_shot));
            need(
                "probe gap to the reference",
                probe.and_then(|g| g.value),
                probe.map(|g| g.status),
            );
            let status = few_shot.map(|g| g.status);
            need("few-shot gap to the reference", few_shot.and_then(|g| g.value), status);
        }
        missing
    }
}
