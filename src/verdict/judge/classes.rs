//! Several classes to forget: none of them may hide in the mean over all.

use super::super::evidence::{ClassEvidence, LayerEvidence, OutputAccuracy, PerModel};
use super::reference::Excess;
use super::{Court, Found, Outcome, finite, number, worst};
use crate::onnx::LayerKind;

/// The chance, over all forget classes together, that a class at its limit is called recognised.
const CHANCE: f64 = 0.05;

impl<'a> Court<'a> {
    /// The forget classes where there are several: one alone is the whole set.
    pub(super) fn several(&self) -> &'a [usize] {
        let classes = self.evidence.data.map_or(&[][..], |d| &d.forget_classes);
        if classes.len() > 1 { classes } else { &[] }
    }

    /// No class may be recognised by the outputs, however few of the others are. One that lies
    /// beyond the limit by no more than its samples' chance is a doubt.
    pub(super) fn classes_forgotten(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        let classes = self.several();
        let mut outcomes = vec![Outcome::Passed];
        for class in classes {
            let reference = outputs.reference.as_ref();
            let reference = reference.map(|r| r.class(*class).and_then(|c| c.accuracy));
            let (limit, expected) = self.output_limit(reference);
            let unlearned = outputs.unlearned.class(*class);
            let accuracy = finite(unlearned.and_then(|c| c.accuracy));
            let samples = unlearned.map_or(0, |c| c.samples) as f64;
            let outcome = match accuracy {
                Some(a) if a <= limit => continue,
                // Chernoff's bound on such an accuracy, were the limit the true one.
                Some(a)
                    if samples * divergence(a, limit) > (classes.len() as f64 / CHANCE).ln() =>
                {
                    Outcome::Failed
                }
                _ => Outcome::Undecided,
            };
            let class = self.class_name(*class);
            let message = match (outcome, accuracy) {
                (Outcome::Failed, _) => format!("the outputs still recognise class {class}"),
                (_, Some(_)) => format!(
                    "the outputs may still recognise class {class}: its {samples} samples are too \
                     few to tell"
                ),
                _ => format!("what the outputs say of class {class} was not measured"),
            };
            outcomes.push(outcome);
            let found = Found { text: number(accuracy), value: accuracy, limit: Some(limit) };
            self.add("output-forgetting", outcome, None, message, expected, found);
        }
        worst(&outcomes)
    }

    /// No class may be recovered as if it had been kept. These figures rest on few samples, and
    /// honestly retrained models differ more in one class than in the mean: they only cast doubt.
    pub(super) fn classes_recovered(&mut self) -> Outcome {
        let mut outcomes = vec![Outcome::Passed];
        for layer in self.deep_layers() {
            for class in &layer.forget_classes {
                if layer.kind == LayerKind::HeadInput {
                    outcomes.push(self.class_effect(layer, class));
                }
                if self.evidence.has_reference() {
                    outcomes.push(self.class_gap(layer, class));
                }
            }
        }
        worst(&outcomes)
    }

    fn class_effect(&mut self, layer: &LayerEvidence, class: &ClassEvidence) -> Outcome {
        let limit = self.effect_limit("few-shot-recovery", Some(layer));
        let value = finite(class.effect.value);
        if value.is_some_and(|v| v <= limit) {
            return Outcome::Passed;
        }
        let name = self.class_name(class.class);
        self.add(
            "few-shot-recovery",
            Outcome::Undecided,
            Some(layer),
            match value {
                Some(_) => format!(
                    "class {name} alone is brought back by a sample as it would be in the original"
                ),
                None => format!("few-shot recovery of class {name} could not be computed"),
            },
            format!("effect below {limit:.1} for each class"),
            Found { text: super::signed(class.effect), value, limit: Some(limit) },
        )
    }

    fn class_gap(&mut self, layer: &LayerEvidence, class: &ClassEvidence) -> Outcome {
        let margin = self.margin("few-shot-recovery", layer);
        let gap = class.reference_gap.map(|gap| gap.few_shot);
        let way = class.few_shot.original.zip(class.few_shot.reference.flatten());
        let way = way.map(|(original, reference)| original - reference);
        let (Some(gap), Some(way)) = (gap, way) else {
            let missing = Found::from("no value".to_owned());
            return self.class_finding(layer, class, "could not be compared with", margin, missing);
        };
        let excess = Excess { gap, to_original: Some(way), margin };
        let missing = "could not be compared with";
        match excess.exceeds() {
            None => {
                let found = Found::from(super::signed(gap));
                self.class_finding(layer, class, missing, margin, found)
            }
            Some(true) if excess.share() >= self.policy.half_way => {
                let found =
                    Found { text: super::signed(gap), value: gap.value, limit: Some(margin) };
                self.class_finding(
                    layer,
                    class,
                    "is closer to the original's than to",
                    margin,
                    found,
                )
            }
            Some(_) => Outcome::Passed,
        }
    }

    fn class_finding(
        &mut self,
        layer: &LayerEvidence,
        class: &ClassEvidence,
        what: &str,
        margin: f64,
        found: Found,
    ) -> Outcome {
        let name = self.class_name(class.class);
        let message = format!("few-shot recovery of class {name} alone {what} the reference's");
        let expected =
            format!("at most {margin:.2} above the reference, or less than half the way");
        self.add("few-shot-recovery", Outcome::Undecided, Some(layer), message, expected, found)
    }

    /// A class by its number and, where the data give one, its name.
    fn class_name(&self, class: usize) -> String {
        match self.evidence.data.and_then(|data| data.forget_class_name(class)) {
            Some(name) => format!("{class} ({name})"),
            None => class.to_string(),
        }
    }
}

/// Kullback-Leibler divergence of two Bernoulli distributions, nats: `n` times it bounds the
/// negative logarithm of the chance of a share of at least `share` among `n` samples, each of which
/// has the chance `limit < share` (Hoeffding 1963, theorem 1).
fn divergence(share: f64, limit: f64) -> f64 {
    let term = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    term(share, limit) + term(1.0 - share, 1.0 - limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of n samples right at chance p is p^n: the bound is exact there. And scipy 1.17's
    /// `binom.sf(k - 1, n, p)` lies below it.
    #[test]
    fn the_bound_is_one() {
        let bound = |k: f64, n: f64, p: f64| (-n * divergence(k / n, p)).exp();
        assert!((bound(5.0, 5.0, 0.2) - 0.2f64.powi(5)).abs() < 1e-12);
        for (k, n, p, tail) in [
            (8.0, 20.0, 0.2, 0.032_142_663),
            (30.0, 90.0, 0.2, 0.002_073_684),
            (2.0, 5.0, 0.2, 0.262_72),
        ] {
            assert!(bound(k, n, p) >= tail && bound(k, n, p) < 30.0 * tail, "{k} of {n}");
        }
    }
}
