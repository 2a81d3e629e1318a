//! EC, Erase at the Core: contrastive unlearning on several layers with deep supervision
//! (Lee, Kim and Kim 2026, arXiv 2602.05375; constants and auxiliary modules are our reading).

use std::cell::Cell;

use burn_autodiff::Autodiff;
use burn_backend::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::base::{Base, Scored};
use super::batches::Cycle;
use super::task::Task;
use super::{AfterEpoch, Parameters, Progress, go_on};
use crate::onnx::{Role, Selection, Supervision};
use crate::train::{
    self, Contrast, Optimizer, Program, Schedule, Tensor, Trainer, contrastive, cross_entropy,
};
use crate::{Error, Result};

/// What is done beside the base method.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// EC.
    Ec(Ec),
    /// Nothing: the base method alone.
    BaseOnly,
}

/// Whether the auxiliary modules move while the network unlearns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auxiliaries {
    /// They stay as they were pre-trained: only the network can lower the loss.
    Frozen,
    /// They are trained along.
    Trained,
}

/// The constants of EC.
#[derive(Clone, Debug, PartialEq)]
pub struct Ec {
    /// Which layers are supervised.
    pub selection: Selection,
    /// Temperature of the contrastive loss.
    pub temperature: f64,
    /// Weight of the contrastive loss on forget samples.
    pub contrast: f64,
    /// Weight of the cross-entropy on retain samples.
    pub supervision: f64,
    /// Features at the end of each auxiliary module.
    pub dimension: usize,
    /// Epochs of pre-training of the auxiliary modules.
    pub pretraining: usize,
    /// Whether they move after that.
    pub auxiliaries: Auxiliaries,
    /// Whether the retain side of the contrastive loss is taken as constant.
    pub detach_retain: bool,
}

/// How a model unlearns.
#[derive(Clone, Debug, PartialEq)]
pub struct Unlearning {
    /// Beside the base.
    pub method: Method,
    /// The loss on the scores.
    pub base: Base,
    /// Its weight beside the method's at the start. Beside EC it falls linearly to 0 half way
    /// through: a base that treats forget samples unlike all others, as random labels do, keeps a
    /// mark on them in the features, and EC must have the last word.
    pub base_weight: f64,
    /// Passes over the retain samples.
    pub epochs: usize,
    /// The largest step size.
    pub learning_rate: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub decay: f64,
    /// The longest gradient that a step follows.
    pub clip: f64,
    /// Retain samples a step.
    pub retain_batch: usize,
    /// Forget samples a step.
    pub forget_batch: usize,
}

/// The step size of the auxiliary modules' pre-training, by Adam.
const PRETRAINING_RATE: f64 = 3e-3;

/// Trains the task's model to forget; returns its parameters.
///
/// # Errors
/// When the graph can't be trained, training diverges, is interrupted, or `after_epoch` fails.
pub fn unlearn<B: train::Base>(
    task: &Task,
    settings: &Unlearning,
    device: Device<B>,
    progress: &dyn Progress,
    after_epoch: AfterEpoch,
) -> Result<Parameters> {
    let own: Vec<String> = task
        .trainable()?
        .into_iter()
        .filter(|(_, role)| !matches!(role, Role::RunningMean | Role::RunningVariance))
        .map(|(name, _)| name)
        .collect();
    let sizes = batch_sizes(task, settings)?;
    let scores = task.logits()?;
    let (model, points) = match &settings.method {
        Method::Ec(ec) => task.supervised(&ec.selection, ec.dimension)?,
        Method::BaseOnly => {
            let head = Supervision {
                layer: task.head.input.clone(),
                features: scores.clone(),
                scores: scores.clone(),
                parameters: Vec::new(),
            };
            (crate::onnx::with_outputs(task.model.clone(), &[scores]), vec![head])
        }
    };
    let program = Program::new(&model)?;
    let added: Vec<String> = points.iter().flat_map(|p| p.parameters.clone()).collect();
    let all: Vec<String> = own.iter().chain(&added).cloned().collect();
    let outputs: Vec<String> =
        points.iter().flat_map(|p| [p.features.clone(), p.scores.clone()]).collect();
    let optimizer = Optimizer::Sgd { momentum: settings.momentum };
    let mut trainer = Trainer::<B>::new(&program, &outputs, &all, device.clone(), optimizer)?;
    if let Method::Ec(ec) = &settings.method {
        if ec.pretraining > 0 && !added.is_empty() {
            pretrain(task, &mut trainer, &points, &added, ec.pretraining, sizes, progress)?;
        }
        match ec.auxiliaries {
            Auxiliaries::Frozen => trainer.train_only(&own, optimizer),
            Auxiliaries::Trained => trainer.train_only(&all, optimizer),
        }
    }
    trainer.clip = settings.clip;
    trainer.decay = settings.decay;
    run(task, settings, &mut trainer, points.len(), sizes, &own, progress, after_epoch)?;
    values(&trainer, &own)
}

fn values<B: train::Base>(trainer: &Trainer<B>, names: &[String]) -> Result<Parameters> {
    let mut values = trainer.values()?;
    values.retain(|name, _| names.contains(name));
    Ok(values)
}

/// Forget and retain samples of a step.
fn batch_sizes(task: &Task, settings: &Unlearning) -> Result<(usize, usize)> {
    let (forget, retain) = (settings.forget_batch, settings.retain_batch);
    match task.fixed_batch() {
        None => Ok((forget, retain)),
        Some(size) if size >= 2 => {
            let share = (size * forget / (forget + retain)).clamp(1, size - 1);
            Ok((share, size - share))
        }
        Some(size) => Err(Error::file(
            task.model.path(),
            format!("it fixes a batch of {size}, which can't hold forget and retain samples"),
            "export the model with a dynamic batch dimension",
        )),
    }
}

/// Trains the auxiliary modules to tell all classes apart on the frozen network's features.
fn pretrain<B: train::Base>(
    task: &Task,
    trainer: &mut Trainer<B>,
    points: &[Supervision],
    added: &[String],
    epochs: usize,
    (forget, retain): (usize, usize),
    progress: &dyn Progress,
) -> Result<()> {
    trainer.train_only(added, Optimizer::Adam);
    let fit = &task.splits.fit;
    let rows: Vec<usize> = fit.forget.rows.iter().chain(&fit.retain.rows).copied().collect();
    let labels = task.labels()?;
    let size = forget + retain;
    let fixed = task.fixed_batch().is_some();
    let mut cycle = Cycle::new(&rows, task.seed, 0);
    let per_epoch = rows.len().div_ceil(size);
    let schedule = Schedule { rate: PRETRAINING_RATE, warm_up: 0, steps: epochs * per_epoch };
    progress.begin("auxiliary modules", schedule.steps);
    for step in 0..schedule.steps {
        go_on(progress)?;
        let rows = fill(cycle.take(size, fixed), size, fixed);
        let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
        let loss = trainer.step(task.batch(&rows)?, schedule.at(step), |outputs| {
            let auxiliary = outputs.chunks(2).zip(points).filter(|(_, p)| !p.parameters.is_empty());
            let losses = auxiliary.map(|(pair, _)| cross_entropy(pair[1].clone(), &labels));
            losses.reduce(Tensor::plus).expect("there is an auxiliary module")
        })?;
        progress.step(&[("cross-entropy", loss / (points.len() - 1) as f64)]);
    }
    progress.end();
    Ok(())
}

/// Repeats rows up to `size` where the model takes nothing less.
fn fill(mut rows: Vec<usize>, size: usize, fixed: bool) -> Vec<usize> {
    let found = rows.len();
    while fixed && found > 0 && rows.len() < size {
        rows.push(rows[rows.len() - found]);
    }
    rows
}

fn run<B: train::Base>(
    task: &Task,
    settings: &Unlearning,
    trainer: &mut Trainer<B>,
    points: usize,
    (forget, retain): (usize, usize),
    own: &[String],
    progress: &dyn Progress,
    after_epoch: AfterEpoch,
) -> Result<()> {
    let fit = &task.splits.fit;
    let labels = task.labels()?;
    let fixed = task.fixed_batch().is_some();
    let mut forget_rows = Cycle::new(&fit.forget.rows, task.seed, 1);
    let mut retain_rows = Cycle::new(&fit.retain.rows, task.seed, 2);
    let mut rng = ChaCha8Rng::seed_from_u64(task.seed);
    rng.set_stream(3);
    let mut classes: Vec<usize> = fit.retain.rows.iter().map(|&r| labels[r]).collect();
    classes.sort_unstable();
    classes.dedup();

    let per_epoch = fit.retain.rows.len().div_ceil(retain);
    let steps = settings.epochs * per_epoch;
    let schedule =
        Schedule { rate: settings.learning_rate, warm_up: per_epoch.min(steps / 10), steps };
    progress.begin("unlearning", steps);
    for step in 0..steps {
        go_on(progress)?;
        let mut rows = fill(forget_rows.take(forget, fixed), forget, fixed);
        let count = rows.len();
        rows.extend(fill(retain_rows.take(retain, fixed), retain, fixed));
        let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
        let (forget_labels, retain_labels) = labels.split_at(count);
        let parts = Cell::new([0.0; 3]);
        let total = trainer.step(task.batch(&rows)?, schedule.at(step), |outputs| {
            let split = |tensor: &Tensor<Autodiff<B>>| {
                let rows = tensor.shape()[0];
                let flat = tensor.clone().reshape(&[rows, tensor.len() / rows]);
                (flat.clone().narrow(0, 0, count), flat.narrow(0, count, rows))
            };
            let mut losses = Vec::new();
            let mut parts_now = [0.0; 3];
            let (scores_f, scores_r) = split(&outputs[2 * points - 1]);
            let scored =
                Scored { forget: scores_f, forget_labels, retain: scores_r, retain_labels };
            if let Some(base) = settings.base.loss(scored, &classes, &mut rng) {
                parts_now[0] = number(&base);
                let share = match settings.method {
                    Method::Ec(_) => (1.0 - 2.0 * step as f64 / steps as f64).max(0.0),
                    Method::BaseOnly => 1.0,
                };
                losses.push(base.mul_scalar(settings.base_weight * share));
            }
            if let Method::Ec(ec) = &settings.method {
                let contrast =
                    Contrast { temperature: ec.temperature, detach_retain: ec.detach_retain };
                for (index, pair) in outputs.chunks(2).enumerate() {
                    // Weights grow with depth and sum to one.
                    let weight = 2.0 * (index + 1) as f64 / (points * (points + 1)) as f64;
                    let (features_f, features_r) = split(&pair[0]);
                    let push = contrastive(features_f, forget_labels, features_r, contrast);
                    let keep = cross_entropy(split(&pair[1]).1, retain_labels);
                    parts_now[1] += weight * number(&push);
                    parts_now[2] += weight * number(&keep);
                    losses.push(push.mul_scalar(weight * ec.contrast));
                    losses.push(keep.mul_scalar(weight * ec.supervision));
                }
            }
            parts.set(parts_now);
            losses.into_iter().reduce(Tensor::plus).expect("a method has a loss")
        })?;
        let [base, contrast, supervision] = parts.get();
        let named = match (&settings.method, settings.base) {
            (Method::BaseOnly, _) => vec![("loss", total)],
            (_, Base::None) => vec![("contrastive", contrast), ("cross-entropy", supervision)],
            _ => vec![("base", base), ("contrastive", contrast), ("cross-entropy", supervision)],
        };
        progress.step(&named);
        if (step + 1) % per_epoch == 0
            && after_epoch((step + 1) / per_epoch, &|| values(trainer, own))?
        {
            break;
        }
    }
    progress.end();
    Ok(())
}

/// The value of a loss; not finite where it can't be read, which ends the training.
fn number<B: train::Base>(loss: &Tensor<Autodiff<B>>) -> f64 {
    loss.clone().into_inner().into_values().map_or(f64::NAN, |v| v[0].into())
}
