//! With a reference: recovery beyond what a model shows that never saw the forget set.
//!
//! Two honest retrains differ from each other by more than sampling error: over 32 pairs of digit
//! classifiers retrained under different seeds, few-shot recovery of one lay above the other's by
//! up to .36 of the way from it to the original, and CKA by up to .40. Superficial and half-hearted
//! methods lie at .5 to 1 of the way in both. So an excess convicts only from half the way on in
//! both; a smaller one that is beyond margin and sampling error leaves the matter open.

use super::super::evidence::{Interval, LayerEvidence, ReferenceGap, fewest_shots, most_shots};
use super::placebos::effect_outcome;
use super::{Court, Found, Outcome, Ruling, finite, signed, worst};
use crate::measures::Status;
use crate::onnx::LayerKind;
use crate::verdict::rules::Key;

/// Variance of the forget set relative to all samples below which it is one point.
const ONE_POINT: f64 = 1e-8;

impl<'a> Court<'a> {
    pub(super) fn against_reference(&mut self, head_input: &'a LayerEvidence) -> Outcome {
        let fit = self.reference_fits(head_input);
        if fit != Outcome::Passed {
            // Such a reference acquits nobody; what needs none still convicts.
            return worst(&[self.against_placebos(), Outcome::Undecided]);
        }
        let mut outcomes = Vec::new();
        for layer in self.deep_layers() {
            outcomes.push(self.collapsed(layer).unwrap_or_else(|| self.beyond(layer)));
        }
        if self.poorer().is_some() {
            // Such a reference convicts nobody; what needs none still does. It decides nothing else.
            let before = self.findings.len();
            match self.against_placebos() {
                Outcome::Failed => outcomes.push(Outcome::Failed),
                _ => self.findings[before..].iter_mut().for_each(Ruling::advise),
            }
        }
        let limit = self.effect_limit("few-shot-recovery", Some(head_input));
        let easy = finite(head_input.few_shot.effect).filter(|effect| *effect > limit);
        match (worst(&outcomes), easy) {
            // As easy to teach as ever, though no easier than the reference: they can't both be. An
            // acquittal needs no interval to be doubted.
            (Outcome::Passed, Some(effect)) => self.add(
                "few-shot-recovery",
                Outcome::Undecided,
                Some(head_input),
                "the forget classes are as easy to learn again as in the original, yet no easier \
                 than in the reference",
                format!("effect below {limit:.1}"),
                Found { text: format!("{effect:+.2}"), value: Some(effect), limit: Some(limit) },
            ),
            (outcome, _) => outcome,
        }
    }

    /// A reference that still knows the forget classes, or that holds them on one point, is no
    /// yardstick: everything would pass, or nothing.
    fn reference_fits(&mut self, head_input: &LayerEvidence) -> Outcome {
        let effect = head_input.few_shot.reference_effect;
        let effect = effect.unwrap_or(Interval::missing(Status::Undefined));
        let limit = self.effect_limit("reference-fits", None);
        let degenerate =
            head_input.cka_reference.is_some_and(|c| c.forget.status == Status::Degenerate);
        let outcome = match effect_outcome(effect, limit) {
            Outcome::Passed if !degenerate => Outcome::Passed,
            _ => Outcome::Undecided,
        };
        let message = match outcome {
            Outcome::Passed => "the reference has not learned the forget classes",
            _ if degenerate => {
                "the reference holds all forget samples on one point: no retrained \
                                model does"
            }
            _ if effect.value.is_none() => {
                "whether the reference has learned the forget classes could not be computed"
            }
            _ => {
                "the reference itself still knows the forget classes, as far as few-shot recovery \
                  tells; give a model trained from fresh weights without them"
            }
        };
        let expected = format!("effect of the reference and its interval below {limit:.1}");
        let found = Found { text: signed(effect), value: effect.value, limit: Some(limit) };
        self.add("reference-fits", outcome, Some(head_input), message, expected, found)
    }

    /// Few-shot, probe and CKA of one layer against the reference's.
    fn beyond(&mut self, layer: &LayerEvidence) -> Outcome {
        let missing = Interval::missing(Status::Undefined);
        let gap = layer.reference_gap;
        let gap = gap.unwrap_or(ReferenceGap { probe: missing, few_shot: missing });
        let few_shot = Excess {
            gap: gap.few_shot,
            to_original: fewest_shots(&layer.few_shot.original.forget)
                .zip(layer.few_shot.reference.as_ref().and_then(|r| fewest_shots(&r.forget)))
                .map(|(o, r)| o - r),
            margin: self.margin("few-shot-recovery", layer),
        };
        let probe = Excess {
            gap: gap.probe,
            to_original: layer
                .probe
                .original
                .forget_accuracy
                .zip(layer.probe.reference.and_then(|p| p.forget_accuracy))
                .map(|(o, r)| o - r),
            margin: self.margin("probe-recovery", layer),
        };
        let near = self.near_original(layer);
        let judged = [
            self.recovery("few-shot-recovery", "few-shot recovery", layer, few_shot, near),
            self.recovery("probe-recovery", "linear-probe recovery", layer, probe, near),
        ];
        let cka = self.cka_forget(layer, &[few_shot, probe]);
        worst(&[judged[0], judged[1], cka])
    }

    /// Whether the layer treats forget samples more like the original than like the reference.
    fn near_original(&self, layer: &LayerEvidence) -> bool {
        // Only at the head's input does the effect say what a network learned of a class.
        let limit = self.effect_limit("few-shot-recovery", Some(layer));
        let as_before = layer.kind == LayerKind::HeadInput
            && layer.few_shot.effect_ci.is_some_and(|[low, _]| low > limit);
        as_before || cka_share(layer).is_some_and(|s| s >= self.policy.half_way)
    }

    fn recovery(
        &mut self,
        rule: &str,
        what: &str,
        layer: &LayerEvidence,
        excess: Excess,
        near: bool,
    ) -> Outcome {
        let poorer = self.poorer();
        let outcome = match excess.exceeds() {
            Some(true) if near && poorer.is_none() && excess.share() >= self.policy.half_way => {
                Outcome::Failed
            }
            Some(false) => Outcome::Passed,
            _ => Outcome::Undecided,
        };
        let message = match (outcome, excess.exceeds(), poorer) {
            (Outcome::Failed, ..) => format!("{what} of the forget set exceeds the reference's"),
            (Outcome::Passed, ..) => {
                format!("{what} of the forget set does not exceed the reference's")
            }
            (_, None, _) => format!("{what} could not be compared with the reference's"),
            (_, _, Some((reference, original))) => format!(
                "{what} of the forget set exceeds the reference's, but the reference tells retain \
                 samples apart less well too (few-shot {reference:.2}, the original {original:.2}); \
                 give a reference trained to the original's recipe"
            ),
            (_, _, None) => format!(
                "{what} of the forget set exceeds the reference's, but no more than retrained \
                 models may differ from each other; compare with another reference"
            ),
        };
        let expected = format!("at most {:.2} above the reference", excess.margin);
        let found =
            Found { text: signed(excess.gap), value: excess.gap.value, limit: Some(excess.margin) };
        self.add(rule, outcome, Some(layer), message, expected, found)
    }

    /// CKA beyond the reference's counts only together with recovery beyond the reference's.
    fn cka_forget(&mut self, layer: &LayerEvidence, excesses: &[Excess]) -> Outcome {
        let unlearned = layer.cka.forget.debiased;
        let reference = layer.cka_reference.and_then(|c| c.forget.debiased);
        let (Some(unlearned), Some(reference)) = (unlearned, reference) else {
            // Features without variance have no CKA; any other figure that lacks is missed by
            // `evidence`.
            return Outcome::Passed;
        };
        let (half_way, margin) = (self.policy.half_way, self.margin("cka-forget", layer));
        let recovers = excesses
            .iter()
            .any(|e| e.gap.ci.is_some_and(|[low, _]| low > 0.0) && e.share() >= half_way);
        let closer =
            unlearned - reference > margin && cka_share(layer).is_some_and(|s| s >= half_way);
        let outcome = match closer && recovers {
            true if self.poorer().is_some() => Outcome::Undecided,
            true => Outcome::Failed,
            false => Outcome::Passed,
        };
        let message = match (closer, recovers) {
            (true, true) => {
                "forget features stay closer to the original's than the reference's do, and \
                 recovery exceeds the reference's"
            }
            (true, false) => {
                "forget features stay closer to the original's than the reference's do, but little \
                 is recovered from them"
            }
            _ => "forget features are about as far from the original's as the reference's are",
        };
        self.add(
            "cka-forget",
            outcome,
            Some(layer),
            message,
            format!("at most {margin:.2} above the reference ({reference:.3})"),
            Found::figure(Some(unlearned), reference + margin),
        )
    }

    /// The reference's and the original's few-shot accuracy on retain samples, at the deep layer
    /// where the reference's lies furthest below and by more than the policy allows: then its
    /// features are poorer altogether and show little of the forget set too, whoever looks.
    fn poorer(&self) -> Option<(f64, f64)> {
        let drop = self.policy.value("reference-fits", Key::MaxBelowOriginal, None);
        let accuracies = self.deep_layers().into_iter().filter_map(|layer| {
            let reference = most_shots(&layer.few_shot.reference.as_ref()?.retain)?;
            Some((reference, most_shots(&layer.few_shot.original.retain)?))
        });
        accuracies
            .filter(|(reference, original)| original - reference > drop)
            .max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)))
    }

    /// Where unlearning contracted all forget features to one point, they tell forget samples from
    /// retain samples and nothing else: with several forget classes recovery can be no more than a
    /// guess among them, whatever a reference shows. A single class on a point of its own is
    /// recovered by every measure, and is judged by the ordinary rules.
    fn collapsed(&mut self, layer: &LayerEvidence) -> Option<Outcome> {
        let classes = self.evidence.data.map_or(0, |d| d.forget_classes.len());
        let one_point = |trace: Option<f64>| trace.is_some_and(|t| t < ONE_POINT);
        let contracted = one_point(layer.spread.unlearned.relative_trace)
            && !one_point(layer.spread.original.relative_trace);
        if classes < 2 || !contracted || layer.cka.forget.status != Status::Degenerate {
            return None;
        }
        let guess = 1.0 / classes as f64;
        let probe = layer.probe.unlearned.forget_accuracy?;
        let few_shot = (*layer.few_shot.unlearned.forget.first()?)?;
        let at_guess = probe <= guess + self.margin("probe-recovery", layer)
            && few_shot <= guess + self.margin("few-shot-recovery", layer);
        at_guess.then(|| {
            self.add(
                "forget-collapse",
                Outcome::Passed,
                Some(layer),
                format!(
                    "all forget samples have the same features; what is recovered is a guess among \
                     the {classes} forget classes"
                ),
                format!("probe and few-shot accuracy near {guess:.2}"),
                format!("probe {probe:.3}, few-shot {few_shot:.3}").into(),
            )
        })
    }

    /// How far a figure may lie above the reference's.
    pub(super) fn margin(&self, rule: &str, layer: &LayerEvidence) -> f64 {
        self.policy.value(rule, Key::MaxAboveReference, Some(&layer.name))
    }
}

/// How far recovery lies beyond the reference's.
#[derive(Clone, Copy)]
pub(super) struct Excess {
    /// Unlearned minus reference.
    pub gap: Interval,
    /// Original minus reference.
    pub to_original: Option<f64>,
    /// What the policy allows.
    pub margin: f64,
}

impl Excess {
    /// Whether it is more than the policy allows and than sampling error explains; `None` where it
    /// was not measured.
    pub fn exceeds(&self) -> Option<bool> {
        let [low, _] = self.gap.ci?;
        Some(finite(self.gap.value)? > self.margin && low > 0.0)
    }

    /// The share of the way from the reference to the original; beyond the original, or where the
    /// reference lies there too, it is the whole way.
    pub fn share(&self) -> f64 {
        match (self.gap.value, self.to_original) {
            (Some(gap), Some(way)) if way > 0.0 => gap / way,
            (Some(gap), _) if gap > 0.0 => 1.0,
            _ => 0.0,
        }
    }
}

/// The share of the way from the reference's CKA with the original to 1.
fn cka_share(layer: &LayerEvidence) -> Option<f64> {
    let unlearned = layer.cka.forget.debiased?;
    let reference = layer.cka_reference?.forget.debiased?;
    let way = 1.0 - reference;
    (way > 0.0).then(|| (unlearned - reference) / way)
}
