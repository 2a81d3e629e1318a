//! The reference: the same graph from fresh weights, trained on the retain samples alone.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::augment::Shift;
use super::batches::Cycle;
use super::task::Task;
use super::{AfterEpoch, Parameters, Progress, decayed, go_on, steps};
use crate::onnx::{
    Graph, Model, Normalized, Role, fold, fresh, lists, only_outputs, unnormalized, with_batch_norm,
};
use crate::train::{
    self, BackendDevice, Decay, OnDevice, Optimizer, Program, Schedule, Trainer, cross_entropy,
};
use crate::{Error, Result};

/// Whether the network is trained with batch normalisation that its file no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Behind every convolution with a bias that gives maps, where the file has no normalisation:
    /// exporters fold it away. It is folded back at the end. Behind none where a step has fewer
    /// than [`LEAST`] samples.
    Folded,
    /// As the file has it.
    AsExported,
}

/// The fewest samples whose mean and variance of a channel stand for those of all: the error of
/// networks with batch normalisation rises steeply below (Wu and He 2018, Group Normalization, figure
/// 1). Many places of a map don't make up for it: they are alike within a sample.
pub const LEAST: usize = 8;

/// How a reference is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Passes over the retain samples.
    pub epochs: usize,
    /// The largest step size.
    pub learning_rate: f64,
    /// SGD with momentum, or Adam.
    pub optimizer: Optimizer,
    /// Weight decay.
    pub decay: f64,
    /// The longest gradient that a step follows.
    pub clip: f64,
    /// Samples a step.
    pub batch: usize,
    /// The share of all steps in which the step size rises.
    pub warm_up: f64,
    /// How far images are moved at random.
    pub shift: Shift,
    /// Batch normalisation that the file no longer has.
    pub normalization: Normalization,
    /// Whether batch normalisation uses and updates statistics of the batches.
    pub train_batch_norm: bool,
}

/// Trains the task's graph from fresh weights on the retain samples; returns its parameters.
///
/// # Errors
/// When the graph can't be trained, training diverges, is interrupted, or `after_epoch` fails.
pub fn retrain<B: train::Base>(
    task: &Task,
    recipe: &Recipe,
    device: BackendDevice<B>,
    progress: &dyn Progress,
    after_epoch: AfterEpoch,
) -> Result<Parameters> {
    let trainable = task.trainable()?;
    let start = fresh_values(task)?;
    let retained = &task.splits.fit.retain.rows;
    let labels = task.labels()?;
    let size = step_size(task, recipe)?;
    let samples = size.min(retained.len());
    let scores = task.logits()?;
    let (model, added) = network(task, recipe, &scores, samples)?;
    let program = Program::new(&model)?;
    let learns_statistics = recipe.train_batch_norm && program.has("BatchNormalization");
    if learns_statistics && samples == 1 {
        return Err(Error::file(
            task.model.path(),
            "it has batch normalisation, and a step of 1 sample has no variance to learn",
            "give a larger --batch-size, export it with a dynamic batch dimension, or use \
             --batch-norm frozen",
        ));
    }
    // What lies on no way to the scores can't be learned; it stays fresh.
    let own: Vec<(String, Role)> =
        trainable.into_iter().filter(|(name, _)| program.reads(name)).collect();
    let mut names: Vec<String> = own.iter().map(|(name, _)| name.clone()).collect();
    names.extend(added.iter().flat_map(|n| n.parts.clone()));
    let running = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
    let moved = own.iter().filter(|(_, role)| !running(*role));
    let mut moved: Vec<String> = moved.map(|(name, _)| name.clone()).collect();
    moved.extend(added.iter().flat_map(|n| n.trained().to_vec()));
    let mut trainer = Trainer::<B>::new(&program, &[scores], &names, device, recipe.optimizer)?;
    trainer.set_values(&start);
    trainer.train_only(&moved, recipe.optimizer);
    trainer.clip = recipe.clip;
    trainer.decay = Decay { rate: recipe.decay, parameters: decayed(&own) };
    if learns_statistics {
        trainer.train_batch_norm();
    }
    let folded = |trainer: &Trainer<B>| {
        let mut values = start.clone();
        values.extend(trainer.values()?);
        fold(&mut values, &added)?;
        Ok(values)
    };

    let least = match task.fixed_batch() {
        Some(size) => size,
        None if learns_statistics => LEAST.min(samples),
        None => 1,
    };
    let mut cycle = Cycle::new(retained, task.seed, 0);
    let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
    rng.set_stream(1);
    let per_epoch = retained.len() / size + usize::from(retained.len() % size >= least);
    let steps = steps(recipe.epochs, per_epoch)?;
    let warm_up = (steps as f64 * recipe.warm_up) as usize;
    let schedule = Schedule { rate: recipe.learning_rate, warm_up, steps };
    progress.begin("retraining", steps);
    for step in 0..steps {
        go_on(progress)?;
        let rows = cycle.take(size, least);
        let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
        let mut batch = task.batch(&rows)?;
        recipe.shift.apply(&mut batch, &mut rng);
        let loss = trainer.step(batch, schedule.at(step), |outputs| {
            let scores = outputs.into_iter().next().expect("one output was asked for");
            let scores = super::rows(scores, labels.len(), Some(task.head.classes()))?;
            Ok(cross_entropy(scores, &labels))
        })?;
        progress.step(&[("cross-entropy", loss)]);
        if (step + 1) % per_epoch == 0 && after_epoch((step + 1) / per_epoch, &|| folded(&trainer))?
        {
            break;
        }
    }
    progress.end();
    folded(&trainer)
}

/// Samples a step.
fn step_size(task: &Task, recipe: &Recipe) -> Result<usize> {
    let retained = task.splits.fit.retain.rows.len();
    match task.fixed_batch() {
        Some(size) if size > retained => Err(Error::file(
            task.model.path(),
            format!("it fixes a batch of {size}, there are {retained} retain samples"),
            "export the model with a dynamic batch dimension",
        )),
        Some(size) => Ok(size),
        None => Ok(recipe.batch.max(1)),
    }
}

/// What is trained in steps of `samples`: the way to `scores`, and the normalisations put into it.
fn network(
    task: &Task,
    recipe: &Recipe,
    scores: &String,
    samples: usize,
) -> Result<(Model, Vec<Normalized>)> {
    let model = only_outputs(task.model.clone(), std::slice::from_ref(scores));
    match recipe.normalization {
        Normalization::Folded if samples >= LEAST => {
            let places = task.maps(unnormalized(&model))?;
            Ok(with_batch_norm(model, &places))
        }
        _ => Ok((model, Vec::new())),
    }
}

/// New values for all that was trained.
fn fresh_values(task: &Task) -> Result<Parameters> {
    let graph = Graph::new(&task.model)?;
    if let Some(name) = lists(&graph).first() {
        return Err(Error::file(
            task.model.path(),
            format!(
                "the constant \"{name}\" lists its values (value_floats), which can't be trained \
                 anew: the reference would keep what they learned of the forget samples"
            ),
            "export the model with its weights as initializers or as tensors",
        ));
    }
    fresh(&graph, task.seed)
}

/// A retraining, on whichever device.
pub struct Retraining<'a> {
    /// The model and its samples.
    pub task: &'a Task,
    /// How it is trained.
    pub recipe: &'a Recipe,
    /// Is told how it goes.
    pub progress: &'a dyn Progress,
}

impl OnDevice for Retraining<'_> {
    type Output = Parameters;

    fn run<B: train::Base>(self, device: BackendDevice<B>) -> Result<Parameters> {
        retrain::<B>(self.task, self.recipe, device, self.progress, &mut |_, _| Ok(false))
    }
}
