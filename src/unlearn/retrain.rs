//! The reference: the same graph from fresh weights, trained on the retain samples alone.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::augment::Shift;
use super::batches::Cycle;
use super::task::Task;
use super::{AfterEpoch, Parameters, Progress, go_on};
use crate::onnx::{Graph, Role, fold, fresh, with_batch_norm};
use crate::train::{
    self, BackendDevice, OnDevice, Optimizer, Program, Schedule, Trainer, cross_entropy,
};
use crate::{Error, Result};

/// Whether the network is trained with batch normalisation that its file no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalization {
    /// Behind every convolution with a bias, where the file has no normalisation: exporters fold it
    /// away. It is folded back at the end.
    Folded,
    /// As the file has it.
    AsExported,
}

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
    let running = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
    let scores = task.logits()?;
    let (model, added) = match recipe.normalization {
        Normalization::Folded => with_batch_norm(task.model.clone()),
        Normalization::AsExported => (task.model.clone(), Vec::new()),
    };
    let model = crate::onnx::with_outputs(model, std::slice::from_ref(&scores));
    let program = Program::new(&model)?;
    let mut names: Vec<String> = trainable.iter().map(|(name, _)| name.clone()).collect();
    names.extend(added.iter().flat_map(|n| n.parts.clone()));
    let moved = trainable.into_iter().filter(|(_, role)| !running(*role));
    let mut moved: Vec<String> = moved.map(|(name, _)| name).collect();
    moved.extend(added.iter().flat_map(|n| n.trained().to_vec()));
    let mut trainer = Trainer::<B>::new(&program, &[scores], &names, device, recipe.optimizer)?;
    trainer.set_values(&fresh(&Graph::new(&task.model)?, task.seed)?);
    trainer.train_only(&moved, recipe.optimizer);
    trainer.clip = recipe.clip;
    trainer.decay = recipe.decay;
    if recipe.train_batch_norm {
        trainer.train_batch_norm();
    }
    let folded = |trainer: &Trainer<B>| {
        let mut values = trainer.values()?;
        fold(&mut values, &added);
        Ok(values)
    };

    let rows = &task.splits.fit.retain.rows;
    let labels = task.labels()?;
    let size = task.fixed_batch().unwrap_or(recipe.batch);
    if task.fixed_batch().is_some_and(|fixed| fixed > rows.len()) {
        return Err(Error::file(
            task.model.path(),
            format!("it fixes a batch of {size}, there are {} retain samples", rows.len()),
            "export the model with a dynamic batch dimension",
        ));
    }
    let fixed = task.fixed_batch().is_some();
    let mut cycle = Cycle::new(rows, task.seed, 0);
    let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
    rng.set_stream(1);
    let per_epoch = if fixed { rows.len() / size } else { rows.len().div_ceil(size) };
    let steps = recipe.epochs * per_epoch;
    let warm_up = (steps as f64 * recipe.warm_up) as usize;
    let schedule = Schedule { rate: recipe.learning_rate, warm_up, steps };
    progress.begin("retraining", steps);
    for step in 0..steps {
        go_on(progress)?;
        let rows = cycle.take(size, fixed);
        let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
        let mut batch = task.batch(&rows)?;
        recipe.shift.apply(&mut batch, &mut rng);
        let loss = trainer.step(batch, schedule.at(step), |outputs| {
            let scores = outputs.into_iter().next().expect("one output was asked for");
            let (rows, values) = (scores.shape()[0], scores.len());
            cross_entropy(scores.reshape(&[rows, values / rows]), &labels)
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
