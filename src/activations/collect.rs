//! One pass of a model over the data, for all layers at once.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use ndarray::{Array2, ArrayViewMut2, s};

use super::taps::{Tap, batch_size};
use crate::data::{Data, Element, InputSpec, Part, Preprocess, Rows};
use crate::onnx::{Head, Model, with_pooled_outputs};
use crate::runtime::{Batch, BatchValues, Output, Runtime};
use crate::{Error, Result};

/// Called with the number of samples done since the last call.
pub type Progress<'a> = &'a (dyn Fn(usize) + Sync);

/// Batches prepared ahead while the runtime works.
const PREPARED: usize = 2;

/// Samples and how they are made ready for a model.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The samples.
    pub data: &'a Data,
    /// What is done to images before they are fed.
    pub preprocess: &'a Preprocess,
}

impl Source<'_> {
    /// Checks that all images come out in the size that each input takes, or else in the first
    /// one's.
    ///
    /// # Errors
    /// The first image of another size.
    pub fn check_sizes(&self, inputs: &[InputSpec]) -> Result<()> {
        let sets = [Some(&self.data.train), self.data.test.as_ref()];
        for set in sets.into_iter().flatten() {
            for spec in inputs {
                set.check_sizes(spec, self.preprocess)?;
            }
        }
        Ok(())
    }

    /// The first samples, repeated where there are too few: enough to see shapes.
    ///
    /// # Errors
    /// When the samples don't fit an input.
    pub fn trial(&self, inputs: &[InputSpec], samples: usize) -> Result<Vec<Batch>> {
        self.check_sizes(inputs)?;
        let count = self.data.part(Part::Train)?.len().max(1);
        let rows: Vec<usize> = (0..samples).map(|i| i % count).collect();
        self.feeds(Part::Train, inputs, &rows)
    }

    /// A batch size that keeps the runtime's memory small without costing time: 64, and fewer for
    /// large samples (16 images of 3 x 224 x 224, which take a ResNet-18 half the memory that 64 do).
    fn usual_batch(&self, inputs: &[InputSpec]) -> Result<usize> {
        const VALUES: usize = 1 << 22;
        let shapes = self.trial(inputs, 1)?;
        let values: usize = shapes.iter().map(|b| b.shape.iter().product::<usize>()).sum();
        let fitting = (VALUES / values.max(1)).clamp(4, 64);
        // The largest power of two within.
        Ok(1 << fitting.ilog2())
    }

    /// The batch `rows` of one part for every input.
    ///
    /// # Errors
    /// When the samples don't fit an input.
    pub fn feeds(&self, part: Part, inputs: &[InputSpec], rows: &[usize]) -> Result<Vec<Batch>> {
        let set = self.data.part(part)?;
        if set.input_count() < inputs.len() {
            let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
            return Err(Error::input(
                &self.data.source,
                format!("the model has {} inputs ({})", names.len(), names.join(", ")),
                format!("save an array for each: {0}_train, {0}_test and so on", names[0]),
            ));
        }
        let batch = |spec: &InputSpec| {
            let feed = set.feed(spec, self.preprocess)?;
            let (shape, values) = match feed.element() {
                Element::F32 => {
                    let mut values = Vec::new();
                    (feed.fill_f32(rows, &mut values)?, BatchValues::Float(values))
                }
                Element::I64 => {
                    let mut values = Vec::new();
                    (feed.fill_i64(rows, &mut values)?, BatchValues::Integer(values))
                }
            };
            Ok(Batch { name: spec.name.clone(), shape, values })
        };
        inputs.iter().map(batch).collect()
    }
}

/// What came out of a model for the requested rows, in their order.
#[derive(Clone, Debug)]
pub struct Activations {
    /// Pooled features, `n x d`, an entry a tap.
    pub layers: Vec<Array2<f32>>,
    /// Class scores, `n x K`.
    pub scores: Array2<f32>,
    /// How far the runtime optimised the graph: `all`, `basic` or `none`.
    pub optimization: &'static str,
}

/// How models are run: by which runtime, on which samples.
#[derive(Clone, Copy)]
pub struct Collector<'a> {
    /// ONNX Runtime.
    pub runtime: &'a Runtime,
    /// The samples.
    pub source: &'a Source<'a>,
    /// Samples run at once, where the model leaves it open; `None` for what suits their size.
    pub batch_size: Option<usize>,
    /// Is told how many samples are done.
    pub progress: Progress<'a>,
}

impl Collector<'_> {
    /// Runs `model` once over `groups` and collects the pooled taps and the scores, the groups'
    /// samples one after another.
    ///
    /// # Errors
    /// When the runtime refuses the model or a batch, or a value that comes back is not finite.
    pub fn collect(
        &self,
        model: Model,
        head: &Head,
        taps: &[Tap],
        groups: &[&Rows],
    ) -> Result<Activations> {
        let Self { runtime, source, batch_size: wanted, progress } = *self;
        let layers: Vec<_> = taps.iter().map(|t| t.layer.clone()).collect();
        let (tapped, mut names) = with_pooled_outputs(model, &head.output, &layers);
        names.push(head.output.clone());
        let mut session = runtime.session(tapped)?;
        let inputs = session.inputs();
        let wanted = wanted.map_or_else(|| source.usual_batch(&inputs), Ok)?;
        let batch = batch_size(&session, wanted)?;
        let path = session.path().to_owned();

        let total: usize = groups.iter().map(|g| g.rows.len()).sum();
        let widths = taps.iter().map(|t| t.width).chain([head.classes()]);
        let mut collected: Vec<Array2<f32>> = widths.map(|w| Array2::zeros((total, w))).collect();

        let chunks = || groups.iter().flat_map(|g| g.rows.chunks(batch).map(|rows| (g.part, rows)));
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(PREPARED);
            let inputs = &inputs;
            scope.spawn(move || {
                for (part, rows) in chunks() {
                    let prepared = source.feeds(part, inputs, &padded(rows, batch, inputs));
                    // The receiver is gone when a run failed: that error is told, not this one.
                    if sender.send(prepared).is_err() {
                        break;
                    }
                }
            });
            let mut start = 0;
            for (_, rows) in chunks() {
                let prepared = receiver
                    .recv()
                    .map_err(|_| Error::internal("the thread that prepares batches stopped"))??;
                let outputs = session.run(prepared, &names)?;
                for (output, (target, name)) in outputs.iter().zip(collected.iter_mut().zip(&names))
                {
                    let target = target.slice_mut(s![start..start + rows.len(), ..]);
                    store(output, target, &path, name, rows)?;
                }
                start += rows.len();
                progress(rows.len());
            }
            Ok(())
        })?;
        let scores = collected.pop().ok_or_else(|| Error::internal("no scores collected"))?;
        Ok(Activations { layers: collected, scores, optimization: session.optimization() })
    }
}

/// Fills the last batch of a model with a fixed batch size by repeating its last sample.
fn padded(rows: &[usize], batch: usize, inputs: &[InputSpec]) -> Vec<usize> {
    let fixed = inputs.iter().any(|s| matches!(s.dims.first(), Some(Some(_))));
    let mut rows = rows.to_vec();
    if let (true, Some(&last)) = (fixed, rows.last()) {
        rows.resize(batch, last);
    }
    rows
}

fn store(
    output: &Output,
    mut target: ArrayViewMut2<f32>,
    path: &Path,
    name: &str,
    rows: &[usize],
) -> Result<()> {
    let wanted = target.len();
    let batch = output.shape.first().copied().unwrap_or(0);
    let per_sample = output.values.len().checked_div(batch).unwrap_or(0);
    if batch < target.nrows() || per_sample != target.ncols() {
        return Err(Error::file(
            path,
            format!(
                "\"{name}\" has shape {:?} where {} values for each of {} samples were expected",
                output.shape,
                target.ncols(),
                target.nrows()
            ),
            "the model must treat the samples of a batch one by one and return a score a class",
        ));
    }
    let values = &output.values[..wanted];
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let row = rows.get(at / per_sample.max(1)).copied().unwrap_or(0);
        return Err(Error::file(
            path,
            format!("\"{name}\" is not finite for sample {row}"),
            "the model diverged or its input is scaled wrongly (--mean, --std)",
        ));
    }
    for (mut to, from) in target.rows_mut().into_iter().zip(values.chunks(per_sample.max(1))) {
        to.iter_mut().zip(from).for_each(|(t, f)| *t = *f);
    }
    Ok(())
}
