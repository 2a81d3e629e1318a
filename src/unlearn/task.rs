//! What training needs to know of a model and its data.

use std::path::Path;

use crate::activations::{Source, batch_size, find_taps};
use crate::compare::Samples;
use crate::data::{Data, InputSpec, Splits, notes};
use crate::onnx::{
    Graph, Head, Model, Point, Role, Selection, Supervision, choose_layers, logits, only_outputs,
    trainable, with_shapes, with_supervision,
};
use crate::runtime::{Batch, Output, Runtime, RuntimeOptions};
use crate::{Error, Result};

/// Samples in a look at shapes: a number that no other dimension is likely to have.
const TRIAL: usize = 3;

/// A model to train and the samples to train it on.
#[derive(Clone, Debug)]
pub struct TaskRequest {
    /// Where the samples are and which of them are to be forgotten.
    pub samples: Samples,
    /// How ONNX Runtime is used, which looks at shapes.
    pub runtime: RuntimeOptions,
    /// Seed of every random draw, the split's among them.
    pub seed: u64,
}

/// A model, its samples, and which of them are to be forgotten.
pub struct Task {
    /// The model.
    pub model: Model,
    /// Its classifier head.
    pub head: Head,
    /// The samples' split.
    pub splits: Splits,
    /// Seed of every random draw.
    pub seed: u64,
    /// What a reader should know of how the samples were read.
    pub notes: Vec<String>,
    data: Data,
    samples: Samples,
    inputs: Vec<InputSpec>,
    fixed_batch: Option<usize>,
    runtime: Runtime,
}

impl Task {
    /// Opens model and samples.
    ///
    /// # Errors
    /// When either can't be used, the samples don't fit the model, no trainable head is found, or the
    /// model does not return one row of scores a sample.
    pub fn open(path: &Path, request: &TaskRequest) -> Result<Self> {
        let model = Model::open(path)?;
        let graph = Graph::new(&model)?;
        let head = Head::find(&graph)?;
        let names = graph.inputs();
        let data = crate::data::load(&request.samples.path, &names, &request.samples.options)?;
        data.validate_labels(head.classes())?;
        let forget = request.samples.forget.resolve(&data)?;
        let splits = Splits::resolve(&data, &forget, request.seed)?;
        let notes = notes(&data, &request.samples.forget, &forget, &splits);
        let runtime = Runtime::load(&request.runtime)?;
        let session = runtime.plain_session(model.clone())?;
        let inputs = session.inputs();
        Source { data: &data, preprocess: &request.samples.options.preprocess }
            .check_sizes(&inputs)?;
        // Asked for a size that no model fixes, it answers with what is fixed.
        let fixed = batch_size(&session, usize::MAX)?;
        let fixed_batch = (fixed != usize::MAX).then_some(fixed);
        let task = Self {
            head,
            splits,
            seed: request.seed,
            notes,
            data,
            samples: request.samples.clone(),
            inputs,
            fixed_batch,
            runtime,
            model,
        };
        task.check_scores()?;
        Ok(task)
    }

    /// Runs a few samples: every loss needs one row of scores a sample.
    fn check_scores(&self) -> Result<()> {
        let scores = self.logits()?;
        let model = only_outputs(self.model.clone(), std::slice::from_ref(&scores));
        let (samples, classes) = (self.fixed_batch.unwrap_or(TRIAL), self.head.classes());
        for output in self.trial(model, std::slice::from_ref(&scores))? {
            let fits = output.shape.first() == Some(&samples)
                && output.shape.iter().product::<usize>() == samples * classes;
            if !fits {
                return Err(Error::file(
                    self.model.path(),
                    format!(
                        "the scores \"{scores}\" have shape {:?} for {samples} samples and \
                         {classes} classes",
                        output.shape
                    ),
                    "training needs one row of scores a sample; export the model with a batch \
                     dimension, without operators that mix samples",
                ));
            }
        }
        Ok(())
    }

    /// What `model`, this task's with other outputs, returns as `names` for a few training samples.
    fn trial(&self, model: Model, names: &[String]) -> Result<Vec<Output>> {
        let rows = self.splits.fit.retain.rows.iter().copied().cycle();
        let rows: Vec<usize> = rows.take(self.fixed_batch.unwrap_or(TRIAL)).collect();
        self.runtime.plain_session(model)?.run(self.batch(&rows)?, names)
    }

    /// Those of `tensors` that are maps, of more than one place a sample and channel.
    ///
    /// # Errors
    /// When the runtime refuses the model.
    pub fn maps(&self, tensors: Vec<String>) -> Result<Vec<String>> {
        if tensors.is_empty() {
            return Ok(tensors);
        }
        let (model, names) = with_shapes(self.model.clone(), &tensors);
        let shapes = self.trial(model, &names)?;
        let places = |shape: &Output| shape.values.iter().skip(2).product::<f32>();
        let found = tensors.into_iter().zip(shapes).filter(|(_, shape)| places(shape) > 1.0);
        Ok(found.map(|(tensor, _)| tensor).collect())
    }

    /// The batch size that the model's file fixes.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.fixed_batch
    }

    /// The label of each training row.
    ///
    /// # Errors
    /// [`Error::Internal`] where the data lack the split's set.
    pub fn labels(&self) -> Result<&[usize]> {
        Ok(self.data.part(self.splits.fit.retain.part)?.labels())
    }

    /// The batch of the training rows `rows`.
    ///
    /// # Errors
    /// When the samples don't fit an input.
    pub fn batch(&self, rows: &[usize]) -> Result<Vec<Batch>> {
        let source = Source { data: &self.data, preprocess: &self.samples.options.preprocess };
        source.feeds(self.splits.fit.retain.part, &self.inputs, rows)
    }

    /// The initializers that training moves, with what they are to their readers.
    ///
    /// # Errors
    /// When the head's weight is not among them: then nothing could be learned.
    pub fn trainable(&self) -> Result<Vec<(String, Role)>> {
        let graph = Graph::new(&self.model)?;
        let found: Vec<(String, Role)> =
            trainable(&graph).iter().map(|t| (t.name.to_owned(), t.role)).collect();
        if !found.iter().any(|(name, _)| *name == self.head.weight_name) {
            return Err(Error::file(
                self.model.path(),
                format!("the classifier's weight \"{}\" can't be trained", self.head.weight_name),
                "export the model in float32, without quantisation",
            ));
        }
        Ok(found)
    }

    /// The graph with auxiliary modules of `dimension` features on the chosen layers.
    ///
    /// # Errors
    /// When a pattern matches nothing or a chosen layer can't be pooled.
    pub fn supervised(
        &self,
        selection: &Selection,
        dimension: usize,
    ) -> Result<(Model, Vec<Supervision>)> {
        let graph = Graph::new(&self.model)?;
        let layers = choose_layers(&graph, &self.head, selection)?;
        let tensors: Vec<String> = layers.iter().map(|l| l.tensor.clone()).collect();
        let source = Source { data: &self.data, preprocess: &self.samples.options.preprocess };
        let trial = |inputs: &[InputSpec], samples| source.trial(inputs, samples);
        let taps = find_taps(&self.runtime, &graph, &self.head, &tensors, &trial)?;
        let last = taps.len() - 1;
        let mut points = Vec::new();
        for (index, (tap, tensor)) in taps.into_iter().zip(&tensors).enumerate() {
            match tap {
                Ok(tap) => points.push(Point { layer: tap.layer, width: tap.width }),
                // A layer that was chosen automatically may be left out, the head's input not.
                Err(_) if index < last && *selection == Selection::Automatic => {}
                Err(reason) => {
                    return Err(Error::file(
                        self.model.path(),
                        format!("the layer \"{tensor}\" can't be supervised: {reason}"),
                        "choose others with --layers; `audit inspect` lists them",
                    ));
                }
            }
        }
        let scores = logits(&graph, &self.head);
        let classes = self.head.classes();
        Ok(with_supervision(self.model.clone(), &points, &scores, dimension, classes, self.seed))
    }

    /// The tensor of class scores that a loss is taken on.
    ///
    /// # Errors
    /// When the graph can't be indexed.
    pub fn logits(&self) -> Result<String> {
        Ok(logits(&Graph::new(&self.model)?, &self.head))
    }
}
