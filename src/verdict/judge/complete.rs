//! The figures that no verdict can do without. No policy lowers this rule.

use super::{Court, Found, Label, Outcome, finite, is_end};
use crate::measures::Status;
use crate::onnx::LayerKind;
use crate::verdict::evidence::{
    Accuracy, FewShotAccuracy, Interval, LayerEvidence, ReferenceGap, fewest_shots, most_shots,
};

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
        let expected = "outputs, and CKA, probe and few-shot recovery at every deep layer";
        self.add("evidence", outcome, None, message, expected.into(), found.into())
    }

    /// A model that is not called erased must have a finding that says why: where figures are
    /// missing that no rule asks for, this one does.
    pub(super) fn accounted_for(&mut self, label: Label) {
        let open = self.findings.iter().any(|r| r.finding.outcome != Outcome::Passed);
        if label != Label::Erased && !open {
            let message = "the figures that are there do not carry a verdict";
            let found = Found::from(label.as_str().to_owned());
            self.add("evidence", Outcome::Undecided, None, message, "a verdict".into(), found);
        }
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
        let (Some(data), Some(outputs), Some(_)) =
            (evidence.data, evidence.outputs, evidence.layers.last())
        else {
            return vec!["everything that needs samples".into()];
        };
        let given = evidence.has_reference().then_some(outputs.reference.as_ref());
        let models =
            [("original", Some(&outputs.original)), ("unlearned", Some(&outputs.unlearned))];
        for (model, accuracy) in models.into_iter().chain(given.map(|r| ("reference", r))) {
            let of = |value: fn(&Accuracy) -> Option<f64>| accuracy.and_then(|a| value(&a.eval));
            need(&format!("{model}: forget accuracy"), of(|a| a.forget_accuracy), None);
            need(&format!("{model}: retain accuracy"), of(|a| a.retain_accuracy), None);
        }
        let classes = self.several();
        for class in classes {
            let own = outputs.unlearned.class(*class);
            need(
                &format!("unlearned: accuracy on class {class}"),
                own.and_then(|c| c.accuracy),
                None,
            );
        }
        // Single samples are not judged by these: `class-forgetting` says so.
        let layers = if data.forget_classes.is_empty() { Vec::new() } else { self.deep_layers() };
        for layer in layers {
            let mut need = |what: &str, value: Option<f64>, why: Status| {
                need(&format!("{what} at {}", layer.name), value, Some(why));
            };
            self.layer_complete(layer, &mut need);
        }
        missing
    }

    fn layer_complete(
        &self,
        layer: &LayerEvidence,
        need: &mut dyn FnMut(&str, Option<f64>, Status),
    ) {
        let has_reference = self.evidence.has_reference();
        let (probe, few_shot) = (&layer.probe, &layer.few_shot);
        let given = has_reference.then_some(probe.reference.as_ref());
        let probes = [("original", Some(&probe.original)), ("unlearned", Some(&probe.unlearned))];
        for (model, probe) in probes.into_iter().chain(given.map(|r| ("reference", r))) {
            let status = probe.map_or(Status::Undefined, |p| p.status);
            let (forget, retain) =
                (probe.and_then(|p| p.forget_accuracy), probe.and_then(|p| p.retain_accuracy));
            need(&format!("{model}: probe accuracy on forget"), forget, status);
            need(&format!("{model}: probe accuracy on retain"), retain, status);
        }
        let status = few_shot.status;
        let shots =
            [("original", Some(&few_shot.original)), ("unlearned", Some(&few_shot.unlearned))];
        let given = has_reference.then_some(few_shot.reference.as_ref());
        for (model, shots) in shots.into_iter().chain(given.map(|r| ("reference", r))) {
            let of = |value: fn(&FewShotAccuracy) -> &Vec<Option<f64>>| shots.map(value);
            let (forget, retain) = (of(|s| &s.forget), of(|s| &s.retain));
            let what = format!("{model}: few-shot accuracy on");
            need(&format!("{what} forget"), forget.and_then(|f| fewest_shots(f)), status);
            need(&format!("{what} retain"), retain.and_then(|r| fewest_shots(r)), status);
            // The reference's fitness is told from the most shots.
            need(&format!("{what} retain, most shots"), retain.and_then(|r| most_shots(r)), status);
        }
        if is_end(layer) {
            need("few-shot effect", few_shot.effect, status);
        }
        let ckas = [("CKA on forget", Some(&layer.cka))];
        let given = has_reference.then_some(layer.cka_reference.as_ref());
        for (what, cka) in ckas.into_iter().chain(given.map(|r| ("reference: CKA on forget", r))) {
            // Features without variance have no CKA, and that is an answer.
            let status = cka.map_or(Status::Undefined, |c| c.forget.status);
            if status != Status::Degenerate {
                need(what, cka.and_then(|c| c.forget.debiased), status);
            }
        }
        if has_reference {
            let gap = |of: fn(&ReferenceGap) -> Interval| {
                layer.reference_gap.as_ref().map_or(Interval::missing(Status::Undefined), of)
            };
            let (probe, few_shot) = (gap(|g| g.probe), gap(|g| g.few_shot));
            need("probe gap to the reference", probe.value, probe.status);
            need("few-shot gap to the reference", few_shot.value, few_shot.status);
            if layer.kind == LayerKind::HeadInput {
                let effect = layer.few_shot.reference_effect;
                let effect = effect.unwrap_or(Interval::missing(Status::Undefined));
                need("few-shot effect of the reference", effect.value, effect.status);
            }
        }
        for class in self.several() {
            let own = layer.class(*class);
            let effect = own.map_or(Interval::missing(Status::Undefined), |c| c.effect);
            need(&format!("few-shot effect of class {class}"), effect.value, effect.status);
        }
    }
}
