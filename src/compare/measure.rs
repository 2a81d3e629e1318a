//! From activations to the evidence of each layer and of the head.

use std::ops::Range;

use ndarray::{ArrayView2, s};
use rayon::prelude::*;

use super::Observer;
use super::classes::classes;
use super::layers::Plan;
use super::outputs::predictions;
use super::subject::Subject;
use crate::activations::Activations;
use crate::data::{Data, Rows, Splits};
use crate::measures::cka::{Cka, CkaBySubset, cka_by_subset};
use crate::measures::few_shot::{FewShot, MIN_SPREAD, few_shot, gap, placebo_effect};
use crate::measures::misalignment::{misalignment, mismatch};
use crate::measures::nearest_center::nearest_center;
use crate::measures::probe::linear_probe;
use crate::measures::spread::spread;
use crate::measures::stats::{
    Base, MIN_SAMPLES, bootstrap_difference, mix_seed, recovered_fraction,
};
use crate::measures::{Classified, Labelled, Status};
use crate::onnx::{Layer, LayerKind};
use crate::verdict::{
    Accuracy, CkaBySet, CkaEvidence, FewShotAccuracy, FewShotEvidence, HeadEvidence, Interval,
    LayerEvidence, MisalignmentEvidence, PerModel, PerSet, ProbeEvidence, ProbesEvidence,
    ReferenceGap, SpreadEvidence,
};
use crate::{Error, Result};

/// Fit samples that stand for a class in few-shot recovery.
const SHOTS: [usize; 3] = [1, 3, 5];

/// The effect and the gap are judged at one shot: what few samples bring back tells forgotten from
/// hidden best, with more of them every class is learned anew.
pub(super) const JUDGED_SHOTS: [usize; 1] = [1];

/// Random draws of the few samples.
const DRAWS: usize = 100;

/// What came out of every model, in the same sample order.
pub(super) struct Cast {
    pub original: Activations,
    pub unlearned: Activations,
    pub reference: Option<Activations>,
}

impl Cast {
    /// The activations with the name of the model's role.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Activations)> {
        let reference = self.reference.iter().map(|a| ("reference", a));
        [("original", &self.original), ("unlearned", &self.unlearned)].into_iter().chain(reference)
    }
}

/// Labels and membership of the samples: fit first, then eval, forget first in each.
pub(super) struct Set {
    pub classes: usize,
    pub forget_classes: Vec<usize>,
    pub fit_labels: Vec<usize>,
    pub fit_forget: Vec<bool>,
    pub eval_labels: Vec<usize>,
    pub eval_forget: Vec<bool>,
}

impl Set {
    pub fn new(
        data: &Data,
        splits: &Splits,
        classes: usize,
        forget_classes: Vec<usize>,
    ) -> Result<Self> {
        let groups: Vec<&Rows> = splits.groups().iter().map(|(_, rows)| *rows).collect();
        Self::build(data, &groups, classes, forget_classes)
    }

    /// The same classes over other rows, in the order of [`Splits::groups`].
    pub fn of_groups(&self, data: &Data, groups: &[&Rows]) -> Result<Self> {
        Self::build(data, groups, self.classes, self.forget_classes.clone())
    }

    fn build(
        data: &Data,
        groups: &[&Rows],
        classes: usize,
        forget_classes: Vec<usize>,
    ) -> Result<Self> {
        let labels = |rows: &Rows| -> Result<Vec<usize>> {
            let all = data.part(rows.part)?.labels();
            Ok(rows.rows.iter().map(|&r| all[r]).collect())
        };
        let &[fit_forget, fit_retain, eval_forget, eval_retain] = groups else {
            return Err(Error::internal("a split has four groups"));
        };
        let both = |forget: &Rows, retain: &Rows| -> Result<(Vec<usize>, Vec<bool>)> {
            let mut membership = vec![true; forget.rows.len()];
            membership.resize(forget.rows.len() + retain.rows.len(), false);
            Ok(([labels(forget)?, labels(retain)?].concat(), membership))
        };
        let (fit_labels, fit_forget) = both(fit_forget, fit_retain)?;
        let (eval_labels, eval_forget) = both(eval_forget, eval_retain)?;
        Ok(Self { classes, forget_classes, fit_labels, fit_forget, eval_labels, eval_forget })
    }

    /// Classes with enough retain samples in fit and eval to serve as placebos.
    pub fn retain_classes(&self) -> usize {
        let counts = |labels: &[usize], forget: &[bool]| {
            let mut counts = vec![0usize; self.classes];
            for (label, _) in labels.iter().zip(forget).filter(|(_, f)| !**f) {
                counts[*label] += 1;
            }
            counts
        };
        let fit = counts(&self.fit_labels, &self.fit_forget);
        let eval = counts(&self.eval_labels, &self.eval_forget);
        fit.iter().zip(&eval).filter(|(f, e)| **f.min(e) >= MIN_SAMPLES).count()
    }

    pub fn total(&self) -> usize {
        self.fit_labels.len() + self.eval_labels.len()
    }

    pub fn fit(&self) -> Range<usize> {
        0..self.fit_labels.len()
    }

    pub fn eval(&self) -> Range<usize> {
        self.fit_labels.len()..self.total()
    }
}

/// One model's features at one layer.
#[derive(Clone, Copy)]
struct View<'a> {
    fit: Labelled<'a>,
    eval: Labelled<'a>,
    set: &'a Set,
}

impl<'a> View<'a> {
    fn new(activations: &'a Activations, layer: usize, set: &'a Set) -> Result<Self> {
        let all = &activations.layers[layer];
        Ok(Self {
            fit: Labelled::new(all.slice(s![set.fit(), ..]), &set.fit_labels)?,
            eval: Labelled::new(all.slice(s![set.eval(), ..]), &set.eval_labels)?,
            set,
        })
    }

    fn eval_features(&self) -> ArrayView2<'a, f32> {
        self.eval.features()
    }

    fn probe(&self, seed: u64) -> Result<Classified> {
        linear_probe(self.fit, self.eval, &self.set.eval_forget, seed)
    }

    fn nearest_center(&self, seed: u64) -> Result<Classified> {
        nearest_center(self.fit, self.eval, &self.set.eval_forget, self.set.classes, seed)
    }

    /// Accuracy of a probe that knows retain samples alone.
    fn retain_probe(
        &self,
        activations: &Activations,
        layer: usize,
        seed: u64,
    ) -> Result<Option<f64>> {
        let features = &activations.layers[layer];
        // Forget samples come first in either split.
        let count = |forget: &[bool]| forget.iter().filter(|f| **f).count();
        let retain = |split: Range<usize>, forget: &[bool], labels: &'a [usize]| {
            let first = count(forget);
            Labelled::new(features.slice(s![split.start + first..split.end, ..]), &labels[first..])
        };
        let fit = retain(self.set.fit(), &self.set.fit_forget, &self.set.fit_labels)?;
        let eval = retain(self.set.eval(), &self.set.eval_forget, &self.set.eval_labels)?;
        let none = vec![false; eval.labels().len()];
        Ok(accuracy(&linear_probe(fit, eval, &none, seed)?).retain_accuracy)
    }

    fn few_shot(&self, seed: u64) -> Result<FewShot> {
        few_shot(self.fit, self.eval, self.set.classes, &SHOTS, DRAWS, seed)
    }

    /// Whether forget samples were classified rightly, as 0 and 1.
    fn forget_correct<'b>(&self, classified: &'b Classified) -> impl Iterator<Item = bool> + 'b
    where
        'a: 'b,
    {
        let set: &'a Set = self.set;
        let members = classified.correct.iter().zip(&set.eval_forget);
        members.filter(|(_, f)| **f).map(|(c, _)| *c)
    }
}

/// The layer's name in the report, no other's: where the unlearned model has layers in front of the
/// head that the original lacks, its encoder ends elsewhere and is compared with the same tensor of
/// the original's.
fn name(layers: &[Layer], layer: &Layer) -> String {
    let alike = layers.iter().filter(|other| other.tensor == layer.tensor).count();
    match layer.kind {
        LayerKind::Features if alike > 1 => format!("features:{}", layer.tensor),
        _ => layer.tensor.clone(),
    }
}

/// Measures every layer, in parallel.
pub(super) fn layers(
    plan: &Plan,
    cast: &Cast,
    floor: Option<&(Activations, Set)>,
    set: &Set,
    seed: u64,
    observer: &dyn Observer,
) -> Result<Vec<LayerEvidence>> {
    let deepest = plan.layers.last().map_or(1, |l| l.depth).max(1);
    (0..plan.layers.len())
        .into_par_iter()
        .map(|index| {
            let views = Views {
                original: View::new(&cast.original, index, set)?,
                unlearned: View::new(&cast.unlearned, index, set)?,
                reference: cast.reference.as_ref().map(|a| View::new(a, index, set)).transpose()?,
                floor: floor.map(|(a, set)| View::new(a, index, set)).transpose()?,
            };
            let layer = &plan.layers[index];
            let measured = views.measure(mix_seed(seed, &[index as u64]))?;
            observer.advance(1);
            Ok(LayerEvidence {
                name: name(&plan.layers, layer),
                unlearned_name: plan.unlearned[index].layer.tensor.clone(),
                reference_name: plan.reference.as_ref().map(|r| r[index].layer.tensor.clone()),
                kind: layer.kind,
                depth: layer.depth as f64 / deepest as f64,
                width: plan.original[index].width,
                ..measured
            })
        })
        .collect()
}

struct Views<'a> {
    original: View<'a>,
    unlearned: View<'a>,
    reference: Option<View<'a>>,
    floor: Option<View<'a>>,
}

impl Views<'_> {
    /// Everything but the layer's name and place.
    fn measure(&self, seed: u64) -> Result<LayerEvidence> {
        let (cka, cka_reference) = self.cka()?;
        let Probed { evidence: probe, recovered_fraction, gap: probe_gap, correct } =
            self.probes(seed)?;
        let (few_shot, few_shot_gap, rates) = self.few_shot(seed)?;
        let center = |v: &View| Ok::<_, Error>(accuracy(&v.nearest_center(seed)?));
        let spread_of = |v: &View| {
            let s = spread(v.eval_features(), &v.set.eval_forget)?;
            let (relative_trace, effective_rank) = (s.relative_trace, s.effective_rank);
            Ok::<_, Error>(SpreadEvidence { relative_trace, effective_rank })
        };
        Ok(LayerEvidence {
            name: String::new(),
            unlearned_name: String::new(),
            reference_name: None,
            kind: LayerKind::Requested,
            depth: 0.0,
            width: 0,
            cka,
            cka_reference,
            probe,
            recovered_fraction,
            nearest_center: self.each(center)?,
            few_shot,
            reference_gap: probe_gap
                .zip(few_shot_gap)
                .map(|(probe, few_shot)| ReferenceGap { probe, few_shot }),
            forget_classes: classes(self.original.set, &correct, &rates, seed)?,
            spread: self.each(spread_of)?,
        })
    }

    fn each<T>(&self, measure: impl Fn(&View) -> Result<T>) -> Result<PerModel<T>> {
        Ok(PerModel {
            original: measure(&self.original)?,
            unlearned: measure(&self.unlearned)?,
            reference: self.reference.as_ref().map(measure).transpose()?,
        })
    }

    fn cka(&self) -> Result<(CkaBySet, Option<CkaBySet>)> {
        let others: Vec<ArrayView2<f32>> = [Some(&self.unlearned), self.reference.as_ref()]
            .into_iter()
            .flatten()
            .map(View::eval_features)
            .collect();
        let forget = &self.original.set.eval_forget;
        let mut all = cka_by_subset(self.original.eval_features(), &others, forget)?.into_iter();
        let unlearned = all.next().ok_or_else(|| Error::internal("no CKA came back"))?;
        Ok((cka_by_set(&unlearned), all.next().map(|c| cka_by_set(&c))))
    }

    fn probes(&self, seed: u64) -> Result<Probed> {
        // The costliest measure of a layer: its models run side by side.
        let views = [
            Some(&self.original),
            Some(&self.unlearned),
            self.reference.as_ref(),
            self.floor.as_ref(),
        ];
        let mut probes = views
            .into_par_iter()
            .map(|view| view.map(|v| v.probe(seed)).transpose())
            .collect::<Result<Vec<_>>>()?
            .into_iter();
        let mut next = || probes.next().flatten();
        let missing = || Error::internal("a probe is missing");
        let original = next().ok_or_else(missing)?;
        let unlearned = next().ok_or_else(missing)?;
        let (reference, floor) = (next(), next());

        let forget = |c: &Classified| self.original.forget_correct(c).collect::<Vec<bool>>();
        let (before, after) = (forget(&original), forget(&unlearned));
        let none = Interval { value: None, ci: None, status: Status::Undefined };
        let on_floor = self.floor.as_ref().zip(floor.as_ref());
        let on_floor: Option<Vec<bool>> = on_floor.map(|(v, c)| v.forget_correct(c).collect());
        let on_reference = reference.as_ref().map(&forget);
        let recovered = match (&on_reference, &on_floor) {
            (Some(base), _) => recovered_fraction(&before, &after, Base::SameSamples(base), seed)?,
            (None, Some(base)) => {
                recovered_fraction(&before, &after, Base::OtherSamples(base), seed)?
            }
            (None, None) => none,
        };
        let numbers = |c: &[bool]| c.iter().map(|&b| f64::from(u8::from(b))).collect::<Vec<_>>();
        let gap = on_reference
            .as_ref()
            .map(|base| bootstrap_difference(&numbers(&after), &numbers(base), seed))
            .transpose()?;
        let evidence = ProbesEvidence {
            original: probe_evidence(&original),
            unlearned: probe_evidence(&unlearned),
            reference: reference.as_ref().map(probe_evidence),
            floor: floor.as_ref().map(probe_evidence),
        };
        let correct = PerModel { original: before, unlearned: after, reference: on_reference };
        Ok(Probed { evidence, recovered_fraction: recovered, gap, correct })
    }

    fn few_shot(
        &self,
        seed: u64,
    ) -> Result<(FewShotEvidence, Option<Interval>, PerModel<FewShot>)> {
        let rates = self.each(|v| v.few_shot(seed))?;
        let set = self.original.set;
        let forget = &set.forget_classes;
        let means = |rates: &FewShot| {
            let means = rates.means(forget)?;
            Ok::<_, Error>(FewShotAccuracy { forget: means.forget, retain: means.retain })
        };
        let labels = &set.eval_labels;
        let (before, after) = (&rates.original, &rates.unlearned);
        let effect_of = |model: &FewShot| {
            placebo_effect(before, model, labels, forget, &JUDGED_SHOTS, MIN_SPREAD, seed)
        };
        let effect = effect_of(after)?;
        let reference_effect = rates.reference.as_ref().map(effect_of).transpose()?;
        let gap = rates
            .reference
            .as_ref()
            .map(|base| gap(after, base, labels, forget, &JUDGED_SHOTS, seed))
            .transpose()?;
        let evidence = FewShotEvidence {
            shots: SHOTS.to_vec(),
            original: means(before)?,
            unlearned: means(after)?,
            reference: rates.reference.as_ref().map(means).transpose()?,
            effect: effect.value,
            effect_ci: effect.ci,
            reference_effect: reference_effect.map(|e| Interval {
                value: e.value,
                ci: e.ci,
                status: e.status,
            }),
            spread: effect.spread,
            status: effect.status,
        };
        Ok((evidence, gap, rates))
    }
}

/// What the probes of one layer gave.
struct Probed {
    evidence: ProbesEvidence,
    recovered_fraction: Interval,
    /// Forget accuracy beyond the reference's.
    gap: Option<Interval>,
    /// Whether each forget sample of eval was classified rightly.
    correct: PerModel<Vec<bool>>,
}

fn accuracy(classified: &Classified) -> Accuracy {
    match &classified.accuracy {
        Some(a) => {
            Accuracy { forget_accuracy: a.forget_accuracy, retain_accuracy: a.retain_accuracy }
        }
        None => Accuracy::default(),
    }
}

fn probe_evidence(classified: &Classified) -> ProbeEvidence {
    let Accuracy { forget_accuracy, retain_accuracy } = accuracy(classified);
    let forget_ci = classified.accuracy.as_ref().and_then(|a| a.forget_ci);
    ProbeEvidence { forget_accuracy, retain_accuracy, forget_ci, status: classified.status }
}

fn cka_by_set(by_subset: &CkaBySubset) -> CkaBySet {
    let evidence = |c: &Cka| CkaEvidence {
        debiased: c.debiased,
        biased: c.biased,
        null_mean: c.null_mean,
        null_sd: c.null_sd,
        status: c.status,
    };
    CkaBySet {
        forget: evidence(&by_subset.forget),
        retain: evidence(&by_subset.retain),
        all: evidence(&by_subset.all),
    }
}

/// Angles and disagreement at the head's input, which is the last layer.
pub(super) fn head(subjects: &PerModel<Subject>, cast: &Cast, set: &Set) -> Result<HeadEvidence> {
    let of = |subject: &Subject, activations: &Activations| {
        let last = activations.layers.len().saturating_sub(1);
        let view = View::new(activations, last, set)?;
        let rows = subject.head.weight.mapv(|w| w as f32);
        let angles = misalignment(view.fit, rows.view(), &set.forget_classes)?;
        let angles = MisalignmentEvidence {
            per_class: angles.per_class,
            forget: angles.forget,
            retain: angles.retain,
        };
        let centers = view.nearest_center(0)?;
        let predicted = predictions(activations.scores.slice(s![set.eval(), ..]));
        let disagree = if centers.predicted.is_empty() {
            PerSet::default()
        } else {
            let m = mismatch(&predicted, &centers.predicted, &set.eval_forget)?;
            PerSet { forget: m.forget, retain: m.retain }
        };
        let kept = view.retain_probe(activations, last, 0)?;
        Ok::<_, Error>((angles, disagree, kept))
    };
    let original = of(&subjects.original, &cast.original)?;
    let unlearned = of(&subjects.unlearned, &cast.unlearned)?;
    let reference = subjects
        .reference
        .as_ref()
        .zip(cast.reference.as_ref())
        .map(|(subject, activations)| of(subject, activations))
        .transpose()?;
    let measured = PerModel { original, unlearned, reference };
    Ok(HeadEvidence {
        name: subjects.original.head.weight_name.clone(),
        misalignment: measured.map(|m| m.0.clone()),
        mismatch: measured.map(|m| m.1),
        retain_probe: Some(measured.map(|m| m.2)),
    })
}
