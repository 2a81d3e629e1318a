//! Rules that need no yardstick: weights, outputs, what is kept, and whether the evidence carries.

use super::super::evidence::{LayerEvidence, OutputAccuracy, PerModel};
use super::{Court, Found, Outcome, number};
use crate::onnx::REEXPORT;
use crate::verdict::rules::Key;

impl<'a> Court<'a> {
    /// A model that only changed its head is never passed.
    pub(super) fn encoder_unchanged(&mut self) -> bool {
        let identical = self.evidence.weights.encoder_identical;
        let changed = self.evidence.weights.layers.iter();
        let changed = changed.filter(|p| p.relative_change.is_none_or(|c| c > REEXPORT)).count();
        let total = self.evidence.weights.layers.len();
        let message = if identical {
            "every weight upstream of the classifier head stands unchanged in the unlearned model: \
             it still holds all that the encoder knew"
        } else {
            "weights upstream of the classifier head changed"
        };
        self.add(
            "encoder-unchanged",
            if identical { Outcome::Failed } else { Outcome::Passed },
            None,
            message,
            "an encoder that changed".into(),
            format!("{changed} of {total} parameters changed").into(),
        );
        identical
    }

    /// What the original never knew can't be forgotten, and its few-shot accuracy says nothing.
    pub(super) fn original_knows(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        let limit =
            self.times_chance(self.policy.value("original-knows", Key::MinTimesChance, None));
        let accuracy = outputs.original.eval.forget_accuracy;
        if accuracy.is_some_and(|a| a > limit) {
            return Outcome::Passed;
        }
        let knows = |accuracy: Option<f64>| accuracy.is_some_and(|a| a > limit);
        let message = if !knows(outputs.original.eval.retain_accuracy) {
            "the original is wrong on nearly all samples: the data are not scaled as for its training \
             (--preprocess, --mean, --std), or the classes are in another order (--class-names)"
        } else if knows(outputs.unlearned.eval.forget_accuracy) {
            "the original hardly recognises the forget set, and the unlearned model does: are the two \
             swapped?"
        } else {
            "the original itself hardly recognises the forget set; check the data, their scaling and \
             the class numbers"
        };
        self.add(
            "original-knows",
            Outcome::Undecided,
            None,
            message,
            format!("original's forget accuracy above {limit:.3}"),
            Found::figure(accuracy, limit),
        )
    }

    fn times_chance(&self, factor: f64) -> f64 {
        let classes = self.evidence.data.map_or(1, |d| d.classes).max(1);
        factor / classes as f64
    }

    /// Whether single samples, not classes, were to be forgotten.
    fn by_sample(&self) -> bool {
        self.evidence.data.is_some_and(|d| d.forget_classes.is_empty())
    }

    pub(super) fn output_forgetting(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        let reference = outputs.reference.as_ref().map(|r| r.eval.forget_accuracy);
        let (limit, expected) = self.output_limit(reference);
        let accuracy = outputs.unlearned.eval.forget_accuracy;
        // A model that never saw a sample still recognises its class: only above a reference is
        // that a sign of memory, and never below.
        let outcome = match accuracy {
            Some(a) if a > limit && self.by_sample() && outputs.reference.is_none() => {
                Outcome::Undecided
            }
            Some(a) if a > limit => Outcome::Failed,
            Some(_) => Outcome::Passed,
            None => Outcome::Undecided,
        };
        let message = match outcome {
            Outcome::Failed => "the outputs still recognise forget samples",
            Outcome::Passed if self.by_sample() => {
                "the outputs recognise forget samples no better than expected of unseen ones"
            }
            Outcome::Passed => "the outputs no longer recognise forget samples",
            Outcome::Undecided => "what the outputs say of forget samples can't be told",
        };
        let found = Found::figure(accuracy, limit);
        self.add("output-forgetting", outcome, None, message, expected, found)
    }

    /// What accuracy on forget samples the outputs may have, given the reference's, with its reason.
    pub(super) fn output_limit(&self, reference: Option<Option<f64>>) -> (f64, String) {
        let factor = self.policy.value("output-forgetting", Key::MaxTimesChance, None);
        let limit = self.times_chance(factor);
        let margin = self.policy.value("output-forgetting", Key::MaxAboveReference, None);
        let allowed = reference.map(|accuracy| (accuracy.unwrap_or(0.0) + margin).min(1.0));
        match allowed.filter(|allowed| *allowed > limit) {
            Some(allowed) => {
                (allowed, format!("at most {allowed:.3} (the reference's and a margin)"))
            }
            None if factor == 2.0 => (limit, format!("at most {limit:.3} (twice chance)")),
            None => (limit, format!("at most {limit:.3} ({factor} times chance)")),
        }
    }

    pub(super) fn samples(&mut self) -> Outcome {
        let Some(data) = self.evidence.data else { return Outcome::Undecided };
        let fewest = data.fit.forget.min(data.eval.forget);
        let least = |key| self.policy.value("samples", key, None);
        let (samples, classes) = (least(Key::MinForget), least(Key::MinRetainClasses));
        let (outcome, message) = if (fewest as f64) < samples {
            (
                Outcome::Undecided,
                format!(
                    "too few forget samples to judge: give at least {samples} for fit and eval"
                ),
            )
        } else if (data.retain_classes as f64) < classes {
            (
                Outcome::Undecided,
                format!("too few retain classes to judge: at least {classes} serve as placebos"),
            )
        } else {
            (Outcome::Passed, "there are enough samples and classes to judge".into())
        };
        self.add(
            "samples",
            outcome,
            None,
            message,
            format!("at least {samples} forget samples and {classes} retain classes"),
            format!(
                "{} fit and {} eval forget samples, {} retain classes",
                data.fit.forget, data.eval.forget, data.retain_classes
            )
            .into(),
        )
    }

    /// Whether a single sample was learned is a question of membership; class recovery, CKA and
    /// probes answer the same for a sample that was seen and one that was not.
    pub(super) fn class_forgetting(&mut self) -> Outcome {
        if !self.by_sample() {
            return Outcome::Passed;
        }
        self.add(
            "class-forgetting",
            Outcome::Undecided,
            None,
            "single samples were to be forgotten, and none of these measures tells a sample that \
             was seen from one that was not",
            "classes to be forgotten (--forget-classes)".into(),
            "rows of the training set".to_owned().into(),
        )
    }

    /// Without weights before the head there are no features to keep anything.
    pub(super) fn encoder_present(&mut self, head_input: &LayerEvidence) -> Outcome {
        if head_input.depth > 0.0 {
            return Outcome::Passed;
        }
        self.add(
            "encoder-present",
            Outcome::Undecided,
            Some(head_input),
            "the original has no weights upstream of its head: there are no learned features to judge",
            "an encoder".into(),
            "a linear model".to_owned().into(),
        )
    }

    /// A deep layer that is not compared could hold what the others lost.
    pub(super) fn layers_compared(&mut self) -> Outcome {
        let mut outcome = Outcome::Passed;
        let deep = self.policy.deep;
        for layer in self.evidence.unmatched.iter().filter(|l| l.depth >= deep) {
            outcome = self.add(
                "layers-compared",
                Outcome::Undecided,
                None,
                format!("the deep layer {} was not compared: {}", layer.name, layer.reason),
                "every deep layer compared".into(),
                "a layer left out".to_owned().into(),
            );
        }
        outcome
    }

    pub(super) fn retain_accuracy(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        self.kept(
            "retain-accuracy",
            "retain accuracy of the outputs",
            None,
            outputs.original.eval.retain_accuracy,
            outputs.unlearned.eval.retain_accuracy,
        )
    }

    pub(super) fn retain_probe(&mut self, head_input: &'a LayerEvidence) -> Outcome {
        let probe = self.evidence.retain_probe();
        self.kept(
            "retain-probe",
            "retain accuracy of the probe at the head's input",
            Some(head_input),
            probe.original,
            probe.unlearned,
        )
    }

    fn kept(
        &mut self,
        rule: &str,
        what: &str,
        layer: Option<&LayerEvidence>,
        before: Option<f64>,
        after: Option<f64>,
    ) -> Outcome {
        let drop = self.policy.value(rule, Key::MaxBelowOriginal, None);
        let fewest = self.policy.value("samples", Key::MinRetain, None);
        let least = before.map(|b| b - drop);
        let samples = self.evidence.data.map_or(0, |d| d.eval.retain);
        let outcome = match (least, after) {
            (Some(least), Some(after)) if after >= least => Outcome::Passed,
            // A few samples more or less are no damage.
            (Some(_), Some(_)) if (samples as f64) < fewest => Outcome::Undecided,
            (Some(_), Some(_)) => Outcome::Failed,
            _ => Outcome::Undecided,
        };
        let message = match outcome {
            Outcome::Passed => format!("the {what} is kept"),
            Outcome::Failed => format!("the {what} fell"),
            Outcome::Undecided => {
                format!("whether the {what} fell can't be told from {samples} samples")
            }
        };
        let expected = match least {
            Some(least) => format!("at least {least:.3} ({drop:.2} below the original's)"),
            None => "a value for the original".into(),
        };
        let found = Found { text: number(after), value: after, limit: least };
        self.add(rule, outcome, layer, message, expected, found)
    }
}
