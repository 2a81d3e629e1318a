//! From two model files to a report: the main path.

mod classes;
mod layers;
mod measure;
mod outputs;
mod prepared;
mod subject;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::activations::{Activations, Collector, Source, Tap};
use crate::data::{Data, Forget, ForgetSpec, LoadOptions, Rows, Splits, notes, source_sha256};
use crate::gate;
use crate::measures::blas;
use crate::onnx::{Head, Model, Selection, WeightComparison, compare_weights, reinitialized};
use crate::report::{ESTIMATORS, Models, Report, SCHEMA, Tool};
use crate::runtime::{Runtime, RuntimeOptions};
use crate::verdict::{
    DataEvidence, ParameterChange, PerModel, PerSet, Policy, SkippedSample, WeightEvidence,
};
use crate::{Error, Result};
use layers::{Plan, plan};
use measure::{Cast, Set};
use subject::Subject;

/// Fit samples of the floor: a quarter of all, within these. On the benchmark's data a probe on
/// random features that is fitted on half the samples loses three points on average.
const FLOOR_FIT: RangeInclusive<usize> = 750..=2000;

/// Eval samples of the floor. What is recovered is judged against the forget samples.
const FLOOR_FORGET: usize = 200;
const FLOOR_RETAIN: usize = 100;

/// What to compare and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// The model before unlearning.
    pub original: PathBuf,
    /// The model after unlearning.
    pub unlearned: PathBuf,
    /// A model retrained without the forget set.
    pub reference: Option<PathBuf>,
    /// The samples; without them only weights are compared.
    pub samples: Option<Samples>,
    /// Which layers are tapped.
    pub selection: Selection,
    /// Samples run at once; `None` for what suits their size.
    pub batch_size: Option<usize>,
    /// Seed of every random draw.
    pub seed: u64,
    /// How ONNX Runtime is used.
    pub runtime: RuntimeOptions,
    /// The limits of the verdict.
    pub policy: Policy,
}

impl Request {
    /// The model files: two, or three with a reference.
    pub fn models(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.original, &self.unlearned].into_iter().chain(&self.reference)
    }
}

/// Where the samples are and which of them were to be forgotten.
#[derive(Clone, Debug)]
pub struct Samples {
    /// The data file or folder.
    pub path: PathBuf,
    /// The forget set.
    pub forget: ForgetSpec,
    /// How the samples are read and made ready.
    pub options: LoadOptions,
}

/// Is told what goes on.
pub trait Observer: Sync {
    /// A stage of `total` steps begins.
    fn begin(&self, stage: &str, total: usize);
    /// `steps` more are done.
    fn advance(&self, steps: usize);
    /// The stage is over.
    fn end(&self);
}

/// Measures, judges, and returns the report.
///
/// # Errors
/// When a file, option or environment can't be used, or nothing is left to compare.
pub fn compare(request: &Request, observer: &dyn Observer) -> Result<Report> {
    let original = Subject::open(&request.original)?;
    let unlearned = Subject::open(&request.unlearned)?;
    let reference = request.reference.as_deref().map(Subject::open).transpose()?;
    let subjects = PerModel { original, unlearned, reference };
    let weights = weights(&subjects.original, &subjects.unlearned)?;
    check_reference(&subjects)?;

    let mut report = Report {
        schema: SCHEMA.into(),
        tool: Tool {
            name: "audit".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            onnxruntime: None,
            estimators: ESTIMATORS,
        },
        created: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        seed: request.seed,
        provider: None,
        models: Models {
            original: subjects.original.summary(),
            unlearned: subjects.unlearned.summary(),
            reference: subjects.reference.as_ref().map(Subject::summary),
        },
        data: None,
        weights,
        outputs: None,
        layers: Vec::new(),
        unmatched_layers: Vec::new(),
        head: None,
        notes: Vec::new(),
        findings: Vec::new(),
        verdict: crate::verdict::Verdict {
            label: crate::verdict::Label::Inconclusive,
            sentence: String::new(),
            reasons: Vec::new(),
        },
        policy: None,
        gate: None,
        baseline: None,
        command: Vec::new(),
    };
    if let Some(samples) = &request.samples {
        measure_all(request, samples, &subjects, &mut report, observer)?;
    }
    gate::apply(&mut report, &request.policy);
    Ok(report)
}

fn weights(original: &Subject, unlearned: &Subject) -> Result<WeightEvidence> {
    let WeightComparison { encoder_identical, head_identical, changes } =
        compare_weights(&original.graph()?, &original.head, &unlearned.graph()?, &unlearned.head);
    let layers = changes
        .into_iter()
        .map(|c| ParameterChange { name: c.name, relative_change: c.relative_change })
        .collect();
    Ok(WeightEvidence { encoder_identical, head_identical, layers })
}

/// A reference that holds the original's encoder would excuse everything.
fn check_reference(subjects: &PerModel<Subject>) -> Result<()> {
    let Some(reference) = &subjects.reference else { return Ok(()) };
    let own = &subjects.original;
    let comparison =
        compare_weights(&own.graph()?, &own.head, &reference.graph()?, &reference.head);
    if comparison.encoder_identical {
        return Err(Error::file(
            reference.model.path(),
            "the reference's encoder is the original's, so it saw the forget set",
            "give a model trained from fresh weights without the forget set, or no --reference",
        ));
    }
    Ok(())
}

fn measure_all(
    request: &Request,
    samples: &Samples,
    subjects: &PerModel<Subject>,
    report: &mut Report,
    observer: &dyn Observer,
) -> Result<()> {
    let runtime = Runtime::load(&request.runtime)?;
    let inputs = subjects.original.graph()?.inputs();
    let data = crate::data::load(&samples.path, &inputs, &samples.options)?;
    let classes = class_count(subjects)?;
    data.validate_labels(classes)?;
    let forget = samples.forget.resolve(&data)?;
    let splits = Splits::resolve(&data, &forget, request.seed)?;
    report.notes.extend(notes(&data, &samples.forget, &forget, &splits));
    let source = Source { data: &data, preprocess: &samples.options.preprocess };
    let plan = plan(&runtime, subjects, &request.selection, &source)?;
    report.notes.extend(plan.notes());
    report.unmatched_layers = plan.unmatched.clone();

    let set = Set::new(&data, &splits, classes, forget_classes(&forget))?;
    let groups: Vec<&Rows> = splits.groups().iter().map(|(_, rows)| *rows).collect();
    let pass = Pass { request, runtime: &runtime, source: &source, observer };
    let cast = pass.all(subjects, &plan, &groups, set.total())?;
    for (name, activations) in cast.named() {
        if activations.optimization != "all" {
            report.notes.push(format!(
                "{name}: ONNX Runtime could not build the optimised graph with taps; run at \
                 optimisation level \"{}\"",
                activations.optimization
            ));
        }
    }
    let floor = pass.floor(subjects, &plan, &splits, &set, &mut report.notes)?;

    blas::stay_single_threaded();
    observer.begin("measuring", plan.layers.len());
    let seed = request.seed;
    report.layers = measure::layers(&plan, &cast, floor.as_ref(), &set, seed, observer)?;
    observer.end();
    report.outputs = Some(outputs::accuracies(&cast, &set)?);
    report.head = Some(measure::head(subjects, &cast, &set)?);
    report.provider = Some(runtime.provider().clone());
    report.tool.onnxruntime = Some(runtime.library().version.clone());
    report.data = Some(data_evidence(samples, &data, &forget, &splits, &set)?);
    outputs::check_reference(report, subjects, &request.policy)
}

fn forget_classes(forget: &Forget) -> Vec<usize> {
    match forget {
        Forget::Classes(classes) => classes.clone(),
        Forget::Samples { .. } => Vec::new(),
    }
}

/// The number of classes, which all models must share.
fn class_count(subjects: &PerModel<Subject>) -> Result<usize> {
    let classes = subjects.original.head.classes();
    for other in [Some(&subjects.unlearned), subjects.reference.as_ref()].into_iter().flatten() {
        let theirs = other.head.classes();
        if theirs != classes {
            return Err(Error::file(
                other.model.path(),
                format!("tells {theirs} classes apart, the original {classes}"),
                "compare models with the same classes in the same order; a forgotten class keeps \
                 its output",
            ));
        }
    }
    Ok(classes)
}

fn data_evidence(
    samples: &Samples,
    data: &Data,
    forget: &Forget,
    splits: &Splits,
    set: &Set,
) -> Result<DataEvidence> {
    let count = |side: &crate::data::Side| PerSet {
        forget: side.forget.rows.len(),
        retain: side.retain.rows.len(),
    };
    Ok(DataEvidence {
        path: samples.path.display().to_string(),
        sha256: source_sha256(&samples.path, data)?,
        preprocess_sha256: Some(prepared::sha256(
            &samples.options.preprocess,
            data.class_names.as_deref(),
        )),
        classes: set.classes,
        forget_classes: set.forget_classes.clone(),
        forget_class_names: forget.class_names(data),
        retain_classes: set.retain_classes(),
        split_sha256: splits.sha256(data)?,
        fit: count(&splits.fit),
        eval: count(&splits.eval),
        skipped: data
            .skipped
            .iter()
            .map(|s| SkippedSample { name: s.name.clone(), reason: s.reason.clone() })
            .collect(),
    })
}

/// One pass of every model over the data.
struct Pass<'a> {
    request: &'a Request,
    runtime: &'a Runtime,
    source: &'a Source<'a>,
    observer: &'a dyn Observer,
}

impl Pass<'_> {
    fn all(
        &self,
        subjects: &PerModel<Subject>,
        plan: &Plan,
        groups: &[&Rows],
        total: usize,
    ) -> Result<Cast> {
        let run = |subject: &Subject, taps, name: &str| {
            self.observer.begin(&format!("running the {name} model"), total);
            let activations = self.run(subject.model.clone(), &subject.head, taps, groups);
            self.observer.end();
            activations
        };
        let reference = match (&subjects.reference, &plan.reference) {
            (Some(subject), Some(taps)) => Some(run(subject, taps, "reference")?),
            _ => None,
        };
        Ok(Cast {
            original: run(&subjects.original, &plan.original, "original")?,
            unlearned: run(&subjects.unlearned, &plan.unlearned, "unlearned")?,
            reference,
        })
    }

    fn run(
        &self,
        model: Model,
        head: &Head,
        taps: &[Tap],
        groups: &[&Rows],
    ) -> Result<Activations> {
        let collector = Collector {
            runtime: self.runtime,
            source: self.source,
            batch_size: self.request.batch_size,
            progress: &|n| self.observer.advance(n),
        };
        collector.collect(model, head, taps, groups)
    }

    /// The original's graph with fresh weights, on a part of the samples.
    fn floor(
        &self,
        subjects: &PerModel<Subject>,
        plan: &Plan,
        splits: &Splits,
        set: &Set,
        notes: &mut Vec<String>,
    ) -> Result<Option<(Activations, Set)>> {
        let all = set.fit_labels.len().max(1);
        let fit = (all / 4).clamp(*FLOOR_FIT.start(), *FLOOR_FIT.end());
        // Forget and retain keep their shares, with at least a handful of either.
        let share = |rows: &Rows| (fit * rows.rows.len() / all).max(50);
        let thinned = [
            thin(&splits.fit.forget, share(&splits.fit.forget)),
            thin(&splits.fit.retain, share(&splits.fit.retain)),
            thin(&splits.eval.forget, FLOOR_FORGET),
            thin(&splits.eval.retain, FLOOR_RETAIN),
        ];
        let groups: Vec<&Rows> = thinned.iter().collect();
        let floor_set = set.of_groups(self.source.data, &groups)?;
        let model = reinitialized(&subjects.original.model, self.request.seed)?;
        self.observer.begin("running the floor", floor_set.total());
        let activations = self.run(model, &subjects.original.head, &plan.original, &groups);
        self.observer.end();
        match activations {
            Ok(activations) => Ok(Some((activations, floor_set))),
            // Random weights may overflow where trained ones don't: a missing floor is no failure.
            Err(error) => {
                notes.push(format!(
                    "no floor: the re-initialised graph could not be used ({error})"
                ));
                Ok(None)
            }
        }
    }
}

/// At most so many rows, evenly spaced.
fn thin(rows: &Rows, most: usize) -> Rows {
    let n = rows.rows.len();
    let keep = most.min(n);
    let picked = (0..keep).map(|i| rows.rows[i * n / keep]).collect();
    Rows { part: rows.part, rows: picked }
}
