//! Each forget class alone: a mean over several hides one that was not forgotten.

use super::measure::{JUDGED_SHOTS, Set};
use crate::Result;
use crate::measures::few_shot::{FewShot, MIN_SPREAD, class_effects, class_gaps};
use crate::measures::stats::{bootstrap_difference, mix_seed};
use crate::verdict::{ClassEvidence, Interval, PerModel, ReferenceGap};

/// What probes and few shots recover of each forget class at one layer; empty with fewer than two.
/// `correct` says of each eval sample of the forget set whether its model's probe is right.
pub(super) fn classes(
    set: &Set,
    correct: &PerModel<Vec<bool>>,
    rates: &PerModel<FewShot>,
    seed: u64,
) -> Result<Vec<ClassEvidence>> {
    let classes = &set.forget_classes;
    if classes.len() < 2 {
        return Ok(Vec::new());
    }
    let (before, after, labels) = (&rates.original, &rates.unlearned, &set.eval_labels);
    let effects = class_effects(before, after, labels, classes, &JUDGED_SHOTS, MIN_SPREAD, seed)?;
    let gaps = rates.reference.as_ref();
    let gaps =
        gaps.map(|r| class_gaps(after, r, labels, classes, &JUDGED_SHOTS, seed)).transpose()?;
    let members = labels.iter().zip(&set.eval_forget).filter(|(_, forget)| **forget);
    let labels: Vec<usize> = members.map(|(label, _)| *label).collect();
    // Empty where nothing could be predicted.
    let right = |correct: &[bool], class: usize| -> Vec<f64> {
        let own = correct.iter().zip(&labels).filter(|(_, label)| **label == class);
        own.map(|(correct, _)| f64::from(u8::from(*correct))).collect()
    };
    let mut evidence = Vec::with_capacity(classes.len());
    for (place, (class, effect)) in classes.iter().zip(effects).enumerate() {
        let probe_gap = correct.reference.as_ref().map(|reference| {
            let (after, base) = (right(&correct.unlearned, *class), right(reference, *class));
            bootstrap_difference(&after, &base, mix_seed(seed, &[place as u64]))
        });
        let few_shot_gap = gaps.as_ref().and_then(|gaps| gaps.get(place)).copied();
        let accuracy = |correct: &Vec<bool>| mean(&right(correct, *class));
        let one_shot = |rates: &FewShot| *rates.class_success.first()?.get(*class)?;
        evidence.push(ClassEvidence {
            class: *class,
            probe: correct.map(accuracy),
            few_shot: rates.map(one_shot),
            effect: Interval { value: effect.value, ci: effect.ci, status: effect.status },
            reference_gap: probe_gap
                .transpose()?
                .zip(few_shot_gap)
                .map(|(probe, few_shot)| ReferenceGap { probe, few_shot }),
        });
    }
    Ok(evidence)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
