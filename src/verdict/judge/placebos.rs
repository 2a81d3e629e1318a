//! Without a reference: the retain classes are placebos. A forgotten class must have become harder
//! to learn from few samples than they have.

use super::super::evidence::{Interval, LayerEvidence};
use super::{Court, Outcome, is_end, number, signed, worst};
use crate::onnx::LayerKind;

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
        let mut outcome = self.effect_outcome(found);
        if outcome == Outcome::Failed && layer.kind == LayerKind::Features {
            // Flattened maps before a head of several layers may carry classes a network never
            // learned: what is recovered there proves nothing, but it doesn't acquit either.
            outcome = Outcome::Undecided;
        }
        let message = match outcome {
            Outcome::Failed => {
                "a few samples bring the forget classes back as they would in the original"
            }
            Outcome::Passed => {
                "the forget classes have become harder to learn than the retain classes"
            }
            Outcome::Undecided => "few-shot recovery is not clearly below the retain classes'",
        };
        let limit = self.policy.few_shot_effect;
        let expected = format!("effect and its interval below {limit:.1}");
        self.add("few-shot-recovery", outcome, Some(layer), message, expected, signed(found))
    }

    /// Passed with the whole interval below the limit, failed with the value above it.
    pub(super) fn effect_outcome(&self, effect: Interval) -> Outcome {
        let limit = self.policy.few_shot_effect;
        match (effect.value, effect.ci) {
            (Some(_), Some([_, high])) if high <= limit => Outcome::Passed,
            (Some(value), Some(_)) if value > limit => Outcome::Failed,
            _ => Outcome::Undecided,
        }
    }

    /// Harder to learn than the placebos, but still mostly there: only a reference can tell
    /// whether a model that never saw the class would be as easy to teach.
    fn remaining(&mut self) -> Outcome {
        let limit = self.policy.few_shot_remaining;
        let mut outcome = Outcome::Passed;
        for layer in self.deep_layers() {
            let (before, after) = (&layer.few_shot.original, &layer.few_shot.unlearned);
            let first = |values: &[Option<f64>]| values.first().copied().flatten();
            let kept = |before, after| Some(first(after)? / first(before).filter(|b| *b > 0.0)?);
            let forget = kept(&before.forget, &after.forget);
            let retain = kept(&before.retain, &after.retain).filter(|r| *r > 0.0);
            let Some(share) = forget.zip(retain).map(|(f, r): (f64, f64)| f / r) else { continue };
            if share > limit {
                outcome = self.add(
                    "few-shot-remaining",
                    Outcome::Undecided,
                    Some(layer),
                    "the forget classes keep most of their few-shot accuracy",
                    format!("at most {limit:.2} of the original's, retain classes for measure"),
                    format!("{share:.2}"),
                );
            }
        }
        outcome
    }

    /// A deep layer that responds to forget samples as it did contradicts an erased end.
    fn unchanged_layers(&mut self) -> Outcome {
        let limit = self.policy.unchanged_cka;
        let mut outcome = Outcome::Passed;
        for layer in self.deep_layers() {
            if layer.cka.forget.debiased.is_some_and(|c| c >= limit) {
                outcome = self.add(
                    "cka-forget",
                    Outcome::Undecided,
                    Some(layer),
                    "forget features are the same as the original's at this layer; only a reference \
                     tells whether a retrained model's would be too",
                    format!("debiased CKA below {limit:.2} at deep layers"),
                    number(layer.cka.forget.debiased),
                );
            }
        }
        outcome
    }
}
