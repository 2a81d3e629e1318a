//! Without a reference: the retain classes are placebos. A forgotten class must have become harder
//! to learn from few samples than they have.

use super::super::evidence::{Interval, LayerEvidence, fewest_shots};
use super::{Court, Found, Outcome, is_end, signed, worst};
use crate::onnx::LayerKind;
use crate::verdict::rules::Key;

impl<'a> Court<'a> {
    pub(super) fn against_placebos(&mut self) -> Outcome {
        let ends: Vec<&LayerEvidence> = self.evidence.layers.iter().filter(|l| is_end(l)).collect();
        let mut outcomes: Vec<Outcome> = ends.iter().map(|l| self.harder_to_learn(l)).collect();
        outcomes.push(self.remaining());
        outcomes.push(self.unchanged_layers());
        worst(&outcomes)
    }

    /// The few-shot effect of one layer against its limit.
    fn harder_to_learn(&mut self, layer: &LayerEvidence) -> Outcome {
        let few_shot = &layer.few_shot;
        let found =
            Interval { value: few_shot.effect, ci: few_shot.effect_ci, status: few_shot.status };
        let limit = self.effect_limit("few-shot-recovery", Some(layer));
        let mut outcome = effect_outcome(found, limit);
        if outcome == Outcome::Failed && layer.kind == LayerKind::Features {
            // Flattened maps before a head of several layers may carry classes a network never
            // learned: what is recovered there proves nothing, but it doesn't acquit either.
            outcome = Outcome::Undecided;
        }
        let poorer = self.placebos_fell(layer);
        if outcome == Outcome::Failed && poorer {
            // Other features, of a retrained model perhaps, in which every class is harder to learn:
            // that the forget classes are no harder than others proves nothing.
            outcome = Outcome::Undecided;
        }
        let message = match outcome {
            Outcome::Undecided if found.value.is_none() => {
                "how hard the forget classes are to learn again could not be computed"
            }
            Outcome::Undecided if poorer && found.value.is_some_and(|v| v > limit) => {
                "the forget classes are about as hard to learn as the retain classes have become; \
                 only a reference tells whether they were learned"
            }
            Outcome::Failed => {
                "a few samples bring the forget classes back as they would in the original"
            }
            Outcome::Passed => {
                "the forget classes have become harder to learn than the retain classes"
            }
            Outcome::Undecided => "few-shot recovery is not clearly below the retain classes'",
        };
        let expected = format!("effect and its interval below {limit:.1}");
        let found = Found { text: signed(found), value: found.value, limit: Some(limit) };
        self.add("few-shot-recovery", outcome, Some(layer), message, expected, found)
    }

    /// Whether 1-shot accuracy on retain samples lies as far below the original's as would make a
    /// reference unfit to convict.
    fn placebos_fell(&self, layer: &LayerEvidence) -> bool {
        let drop = self.policy.value("reference-fits", Key::MaxBelowOriginal, None);
        let before = fewest_shots(&layer.few_shot.original.retain);
        let after = fewest_shots(&layer.few_shot.unlearned.retain);
        before.zip(after).is_some_and(|(before, after)| before - after > drop)
    }

    /// What the few-shot effect must lie below.
    pub(super) fn effect_limit(&self, rule: &str, layer: Option<&LayerEvidence>) -> f64 {
        self.policy.value(rule, Key::MaxEffect, layer.map(|l| l.name.as_str()))
    }

    /// Harder to learn than the placebos, but still mostly there: only a reference can tell
    /// whether a model that never saw the class would be as easy to teach.
    fn remaining(&mut self) -> Outcome {
        let limit = self.policy.value("few-shot-remaining", Key::MaxWithoutReference, None);
        let mut outcome = Outcome::Passed;
        for layer in self.deep_layers() {
            let (before, after) = (&layer.few_shot.original, &layer.few_shot.unlearned);
            let kept = |before, after| {
                Some(fewest_shots(after)? / fewest_shots(before).filter(|b| *b > 0.0)?)
            };
            let forget = kept(&before.forget, &after.forget);
            let retain = kept(&before.retain, &after.retain).filter(|r| *r > 0.0);
            let Some(share) = forget.zip(retain).map(|(f, r): (f64, f64)| f / r) else { continue };
            if share > limit {
                outcome = self.add(
                    "few-shot-remaining",
                    Outcome::Undecided,
                    Some(layer),
                    "relative to the retain classes, the forget classes keep most of their few-shot accuracy",
                    format!("at most {limit:.2} of the original's, retain classes for measure"),
                    Found { text: format!("{share:.2}"), value: Some(share), limit: Some(limit) },
                );
            }
        }
        outcome
    }

    /// A deep layer that responds to forget samples as it did contradicts an erased end.
    fn unchanged_layers(&mut self) -> Outcome {
        let mut outcome = Outcome::Passed;
        for layer in self.deep_layers() {
            let key = Key::MaxWithoutReference;
            let limit = self.policy.value("cka-forget", key, Some(&layer.name));
            if layer.cka.forget.debiased.is_some_and(|c| c >= limit) {
                outcome = self.add(
                    "cka-forget",
                    Outcome::Undecided,
                    Some(layer),
                    "forget features are the same as the original's at this layer; only a reference \
                     tells whether a retrained model's would be too",
                    format!("debiased CKA below {limit:.2} at deep layers"),
                    Found::figure(layer.cka.forget.debiased, limit),
                );
            }
        }
        outcome
    }
}

/// Passed with the whole interval below the limit, failed with the whole of it above.
pub(super) fn effect_outcome(effect: Interval, limit: f64) -> Outcome {
    match (effect.value, effect.ci) {
        (Some(_), Some([_, high])) if high <= limit => Outcome::Passed,
        (Some(_), Some([low, _])) if low > limit => Outcome::Failed,
        _ => Outcome::Undecided,
    }
}
