//! What was measured: the part of a report that a verdict is drawn from.
//!
//! A value that could not be computed is `None`, and the `status` beside it says why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measures::Status;
pub use crate::measures::stats::Interval;
use crate::onnx::LayerKind;
use crate::runtime::Provider;

/// The same quantity for each model; `reference` is `None` when no reference was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerModel<T> {
    /// The model before unlearning.
    pub original: T,
    /// The model after unlearning.
    pub unlearned: T,
    /// The model retrained without the forget set.
    pub reference: Option<T>,
}

impl<T> PerModel<T> {
    /// What `of` says of each model's.
    pub fn map<U>(&self, of: impl Fn(&T) -> U) -> PerModel<U> {
        PerModel {
            original: of(&self.original),
            unlearned: of(&self.unlearned),
            reference: self.reference.as_ref().map(of),
        }
    }
}

/// The same quantity on the forget and the retain set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerSet<T> {
    /// On the forget set.
    pub forget: T,
    /// On the retain set.
    pub retain: T,
}

/// What a report says of the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataEvidence {
    /// The file or folder.
    pub path: String,
    /// SHA-256 of the file; of a folder, that of what `sha256sum` prints for the files used.
    pub sha256: String,
    /// SHA-256 of how samples were made ready (resizing, cropping, scaling, normalisation) and of the
    /// classes' names in their order; `null` in reports of early versions.
    #[serde(default)]
    pub preprocess_sha256: Option<String>,
    /// Number of classes the models tell apart.
    pub classes: usize,
    /// Classes to be forgotten; empty when samples, not classes, are to be forgotten.
    pub forget_classes: Vec<usize>,
    /// Their names, in the same order; empty where the data do not name classes.
    #[serde(default)]
    pub forget_class_names: Vec<String>,
    /// Number of classes with at least five retain samples in fit and in eval.
    pub retain_classes: usize,
    /// SHA-256 of the resolved split.
    pub split_sha256: String,
    /// Sample counts of the split on which probes and centres are fitted.
    pub fit: PerSet<usize>,
    /// Sample counts of the split on which everything is measured.
    pub eval: PerSet<usize>,
    /// Samples that could not be read and were left out on request.
    #[serde(default)]
    pub skipped: Vec<SkippedSample>,
}

impl DataEvidence {
    /// The name of a forget class, where the data give it one other than its number.
    pub fn forget_class_name(&self, class: usize) -> Option<&str> {
        let at = self.forget_classes.iter().position(|&c| c == class)?;
        let name = self.forget_class_names.get(at)?;
        (*name != class.to_string()).then_some(name.as_str())
    }
}

/// A sample that was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedSample {
    /// File, or file and row.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What changed in the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WeightEvidence {
    /// Every weight upstream of the classifier head stands unchanged in the unlearned model.
    pub encoder_identical: bool,
    /// Every weight of the head stands unchanged in the unlearned model.
    pub head_identical: bool,
    /// One entry a parameter of the original.
    pub layers: Vec<ParameterChange>,
}

/// How one parameter changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParameterChange {
    /// The initializer's name in the original.
    pub name: String,
    /// `|unlearned - original| / |original|`; `null` when it has no counterpart.
    pub relative_change: Option<f64>,
}

/// Accuracy of a model's outputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputAccuracy {
    /// On the split that probes are fitted on.
    pub fit: Accuracy,
    /// On the split that is measured.
    pub eval: Accuracy,
    /// On the split that is measured, each forget class alone; empty where samples, not classes, are
    /// to be forgotten.
    #[serde(default)]
    pub forget_classes: Vec<ClassAccuracy>,
}

impl OutputAccuracy {
    /// On the samples of a forget class.
    pub fn class(&self, class: usize) -> Option<ClassAccuracy> {
        self.forget_classes.iter().find(|c| c.class == class).copied()
    }
}

/// Accuracy on the samples of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassAccuracy {
    /// The class.
    pub class: usize,
    /// How many samples it has.
    pub samples: usize,
    /// Share of them whose predicted class it is.
    pub accuracy: Option<f64>,
}

/// Fraction of samples whose predicted class is the true one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// Over the forget set.
    pub forget_accuracy: Option<f64>,
    /// Over the retain set.
    pub retain_accuracy: Option<f64>,
}

/// Linear CKA of one set of samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CkaEvidence {
    /// Debiased (Szekely and Rizzo 2014); may be negative.
    pub debiased: Option<f64>,
    /// Biased (Kornblith et al. 2019), for comparison with published figures.
    pub biased: Option<f64>,
    /// Mean of the debiased value under random pairing of the samples.
    pub null_mean: Option<f64>,
    /// Its standard deviation.
    pub null_sd: Option<f64>,
    /// Whether the values could be computed.
    pub status: Status,
}

/// CKA on the forget set, the retain set and both together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CkaBySet {
    /// On the forget set.
    pub forget: CkaEvidence,
    /// On the retain set.
    pub retain: CkaEvidence,
    /// On both together.
    pub all: CkaEvidence,
}

/// What a linear probe on one layer recovers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeEvidence {
    /// Probe accuracy on forget samples.
    pub forget_accuracy: Option<f64>,
    /// Probe accuracy on retain samples.
    pub retain_accuracy: Option<f64>,
    /// 95 % bootstrap interval of the forget accuracy.
    pub forget_ci: Option<[f64; 2]>,
    /// Whether the probe could be fitted.
    pub status: Status,
}

/// The probes of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbesEvidence {
    /// On the original's features.
    pub original: ProbeEvidence,
    /// On the unlearned model's features.
    pub unlearned: ProbeEvidence,
    /// On the reference's features.
    pub reference: Option<ProbeEvidence>,
    /// On the features of the same graph with fresh random weights.
    pub floor: Option<ProbeEvidence>,
}

/// Few-shot accuracies of one model at one layer, an entry a number of shots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FewShotAccuracy {
    /// Mean over the forget classes.
    pub forget: Vec<Option<f64>>,
    /// Mean over the retain classes.
    pub retain: Vec<Option<f64>>,
}

/// Of accuracies, an entry a number of shots, that with the fewest.
pub fn fewest_shots(accuracies: &[Option<f64>]) -> Option<f64> {
    accuracies.first().copied().flatten()
}

/// Of accuracies, an entry a number of shots, that with the most.
pub fn most_shots(accuracies: &[Option<f64>]) -> Option<f64> {
    accuracies.last().copied().flatten()
}

/// Few-shot recovery at one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FewShotEvidence {
    /// How many fit samples stand for a class.
    pub shots: Vec<usize>,
    /// The original's accuracies.
    pub original: FewShotAccuracy,
    /// The unlearned model's accuracies.
    pub unlearned: FewShotAccuracy,
    /// The reference's accuracies.
    pub reference: Option<FewShotAccuracy>,
    /// `((forget - mean retain) unlearned - the same for the original) / spread of the retain
    /// classes`: near 0 for a class that is still in the features, well below for a forgotten one.
    pub effect: Option<f64>,
    /// 95 % bootstrap interval of the effect.
    pub effect_ci: Option<[f64; 2]>,
    /// The same effect of the reference: a retrained model's lies well below 0.
    pub reference_effect: Option<Interval>,
    /// The spread that the effect is measured in.
    pub spread: Option<f64>,
    /// Whether the effect could be computed.
    pub status: Status,
}

/// What is recovered of one forget class at one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClassEvidence {
    /// The class.
    pub class: usize,
    /// Share of its samples that the linear probe classifies rightly.
    pub probe: PerModel<Option<f64>>,
    /// Its 1-shot accuracy.
    pub few_shot: PerModel<Option<f64>>,
    /// The few-shot effect of this class, the other forget classes left out.
    pub effect: Interval,
    /// Recovery beyond the reference's.
    pub reference_gap: Option<ReferenceGap>,
}

/// How far the unlearned model's recovery exceeds the reference's, at one layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReferenceGap {
    /// Probe accuracy on forget samples, unlearned minus reference.
    pub probe: Interval,
    /// Few-shot accuracy on forget samples, unlearned minus reference.
    pub few_shot: Interval,
}

/// How much variance the forget set has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpreadEvidence {
    /// Trace of the covariance on the forget set over that on all samples.
    pub relative_trace: Option<f64>,
    /// Exponential of the entropy of the covariance's eigenvalues on the forget set.
    pub effective_rank: Option<f64>,
}

/// A layer of the original that was not compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnmatchedLayer {
    /// The tensor's name in the original.
    pub name: String,
    /// Weighted nodes upstream over those upstream of the head's input: 0 shallow, 1 deep.
    pub depth: f64,
    /// Why it was left out.
    pub reason: String,
}

/// Everything measured at one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerEvidence {
    /// The tensor's name in the original.
    pub name: String,
    /// Its counterpart in the unlearned model.
    pub unlearned_name: String,
    /// Its counterpart in the reference.
    pub reference_name: Option<String>,
    /// Why it was chosen.
    pub kind: LayerKind,
    /// Weighted nodes upstream over those upstream of the head's input: 0 shallow, 1 deep.
    pub depth: f64,
    /// Length of the pooled feature vector.
    pub width: usize,
    /// Original against unlearned.
    pub cka: CkaBySet,
    /// Original against reference.
    pub cka_reference: Option<CkaBySet>,
    /// Linear probes.
    pub probe: ProbesEvidence,
    /// `(unlearned - base) / (original - base)` of the probes' forget accuracy; base is the
    /// reference, else the floor.
    pub recovered_fraction: Interval,
    /// Accuracy of the nearest class centre.
    pub nearest_center: PerModel<Accuracy>,
    /// Few-shot recovery.
    pub few_shot: FewShotEvidence,
    /// Recovery beyond the reference's.
    pub reference_gap: Option<ReferenceGap>,
    /// Each forget class alone, where there are several; in ascending order.
    #[serde(default)]
    pub forget_classes: Vec<ClassEvidence>,
    /// Variance left on the forget set.
    pub spread: PerModel<SpreadEvidence>,
}

impl LayerEvidence {
    /// What is recovered of a forget class alone.
    pub fn class(&self, class: usize) -> Option<&ClassEvidence> {
        self.forget_classes.iter().find(|c| c.class == class)
    }
}

/// Angles between class means and classifier rows of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MisalignmentEvidence {
    /// `1 - cos(class mean - global mean, classifier row)`, a class each.
    pub per_class: Vec<Option<f64>>,
    /// Mean over the forget classes.
    pub forget: Option<f64>,
    /// Mean over the retain classes.
    pub retain: Option<f64>,
}

/// How features and classifier fit together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HeadEvidence {
    /// The weight initializer of the original's last linear layer.
    pub name: String,
    /// Angles between class means and classifier rows.
    pub misalignment: PerModel<MisalignmentEvidence>,
    /// How often the outputs and the nearest class centre disagree.
    pub mismatch: PerModel<PerSet<Option<f64>>>,
    /// Accuracy on retain samples of a linear probe at the head's input that was fitted on retain
    /// samples alone; `null` in reports of early versions.
    #[serde(default)]
    pub retain_probe: Option<PerModel<Option<f64>>>,
}

/// All evidence, borrowed from a report.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The samples, where there were any.
    pub data: Option<&'a DataEvidence>,
    /// The weights.
    pub weights: &'a WeightEvidence,
    /// The outputs.
    pub outputs: Option<&'a PerModel<OutputAccuracy>>,
    /// The layers, shallow to deep; the last is the head's input.
    pub layers: &'a [LayerEvidence],
    /// Layers that would have been compared but were not.
    pub unmatched: &'a [UnmatchedLayer],
    /// Features against classifier.
    pub head: Option<&'a HeadEvidence>,
    /// Whether the report names a reference.
    pub reference: bool,
    /// Where models ran.
    pub provider: Option<&'a Provider>,
}

impl Evidence<'_> {
    /// Accuracy on retain samples of a linear probe at the head's input: of one that knows retain
    /// samples alone, for beside forget classes it would confuse the two in any model that never
    /// learned to tell them apart; in reports that lack it, of the probe on all samples.
    pub fn retain_probe(&self) -> PerModel<Option<f64>> {
        let on_all = || {
            let probe = &self.layers.last()?.probe;
            Some(PerModel {
                original: probe.original.retain_accuracy,
                unlearned: probe.unlearned.retain_accuracy,
                reference: probe.reference.map(|p| p.retain_accuracy),
            })
        };
        let alone = self.head.and_then(|head| head.retain_probe.clone());
        alone.or_else(on_all).unwrap_or_default()
    }

    /// Whether a reference was given. One of whom some figures lack was given all the same: they
    /// are missing then, not judged as if it had never been.
    pub fn has_reference(&self) -> bool {
        self.reference
            || self.outputs.is_some_and(|o| o.reference.is_some())
            || self.layers.iter().any(|l| l.cka_reference.is_some() || l.reference_gap.is_some())
    }
}
