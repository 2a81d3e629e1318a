//! What the models' outputs say.

use ndarray::ArrayView2;

use super::measure::{Cast, Set};
use super::subject::Subject;
use crate::activations::Activations;
use crate::report::Report;
use crate::verdict::rules::Key;
use crate::verdict::{Accuracy, ClassAccuracy, OutputAccuracy, PerModel, Policy};
use crate::{Error, Result};

/// The class with the highest score; of equal ones the lowest.
pub(super) fn predictions(scores: ArrayView2<f32>) -> Vec<usize> {
    let best = |row: ndarray::ArrayView1<f32>| {
        let mut best = 0;
        for (class, score) in row.iter().enumerate() {
            if *score > row[best] {
                best = class;
            }
        }
        best
    };
    scores.rows().into_iter().map(best).collect()
}

/// Accuracy of every model's outputs on fit and eval.
pub(super) fn accuracies(cast: &Cast, set: &Set) -> Result<PerModel<OutputAccuracy>> {
    let of = |activations: &Activations| {
        let predicted = predictions(activations.scores.view());
        let accuracy = |split: std::ops::Range<usize>, forget: &[bool], labels: &[usize]| {
            let right = |wanted: bool| {
                let members: Vec<bool> = predicted[split.clone()]
                    .iter()
                    .zip(labels)
                    .zip(forget)
                    .filter(|(_, f)| **f == wanted)
                    .map(|((p, l), _)| p == l)
                    .collect();
                let right = members.iter().filter(|r| **r).count();
                (!members.is_empty()).then(|| right as f64 / members.len() as f64)
            };
            Accuracy { forget_accuracy: right(true), retain_accuracy: right(false) }
        };
        let eval = &predicted[set.eval()];
        let class = |class: &usize| {
            let own = set.eval_labels.iter().zip(&set.eval_forget).zip(eval);
            let own = own.filter(|((label, forget), _)| *label == class && **forget);
            let right: Vec<bool> = own.map(|((label, _), predicted)| label == predicted).collect();
            let count = right.iter().filter(|r| **r).count();
            let accuracy = (!right.is_empty()).then(|| count as f64 / right.len() as f64);
            ClassAccuracy { class: *class, samples: right.len(), accuracy }
        };
        OutputAccuracy {
            forget_classes: set.forget_classes.iter().map(class).collect(),
            fit: accuracy(set.fit(), &set.fit_forget, &set.fit_labels),
            eval: accuracy(set.eval(), &set.eval_forget, &set.eval_labels),
        }
    };
    Ok(PerModel {
        original: of(&cast.original),
        unlearned: of(&cast.unlearned),
        reference: cast.reference.as_ref().map(of),
    })
}

/// A reference whose outputs know the forgotten classes, or have lost the others, is none.
pub(super) fn check_reference(
    report: &Report,
    subjects: &PerModel<Subject>,
    policy: &Policy,
) -> Result<()> {
    let (Some(data), Some(outputs)) = (&report.data, &report.outputs) else { return Ok(()) };
    let (Some(subject), Some(reference)) = (&subjects.reference, &outputs.reference) else {
        return Ok(());
    };
    let refuse = |problem: String| {
        Err(Error::file(
            subject.model.path(),
            problem,
            "give a model trained from fresh weights without the forget set, or no --reference",
        ))
    };
    let factor = policy.value("output-forgetting", Key::MaxTimesChance, None);
    let limit = factor / data.classes.max(1) as f64;
    let drop = policy.value("retain-accuracy", Key::MaxBelowOriginal, None);
    let fewest = policy.value("samples", Key::MinRetain, None);
    let percent = |accuracy: f64| format!("{:.0} %", 100.0 * accuracy);
    match reference.eval.forget_accuracy {
        Some(accuracy) if accuracy > limit && !data.forget_classes.is_empty() => {
            return refuse(format!(
                "the reference still recognises {} of the forget samples",
                percent(accuracy)
            ));
        }
        _ => {}
    }
    match (outputs.original.eval.retain_accuracy, reference.eval.retain_accuracy) {
        (Some(original), Some(accuracy))
            if accuracy < original - drop && data.eval.retain as f64 >= fewest =>
        {
            refuse(format!(
                "the reference recognises only {} of the retain samples, the original {}",
                percent(accuracy),
                percent(original)
            ))
        }
        _ => Ok(()),
    }
}
