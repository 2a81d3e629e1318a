//! EC, Erase at the Core: contrastive unlearning on several layers with deep supervision
//! (Lee, Kim and Kim 2026, arXiv 2602.05375; constants and auxiliary modules are our reading).

use std::cell::Cell;

use burn_autodiff::Autodiff;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::base::{Base, Scored};
use super::batches::Cycle;
use super::settings::{Auxiliaries, Method, Unlearning};
use super::task::Task;
use super::{AfterEpoch, Parameters, Progress, decayed, go_on, steps};
use crate::onnx::{Role, Supervision, only_outputs};
use crate::train::{
    self, BackendDevice, Contrast, Decay, Optimizer, Program, Schedule, Tensor, Trainer,
    contrastive, cross_entropy,
};
use crate::{Error, Result};

/// The step size of the auxiliary modules' pre-training, by Adam.
const PRETRAINING_RATE: f64 = 3e-3;

/// Trains the task's model to forget; returns its parameters.
///
/// # Errors
/// When the graph can't be trained, training diverges, is interrupted, or `after_epoch` fails.
pub fn unlearn<B: train::Base>(
    task: &Task,
    settings: &Unlearning,
    device: BackendDevice<B>,
    progress: &dyn Progress,
    after_epoch: AfterEpoch,
) -> Result<Parameters> {
    settings.check()?;
    let mut parameters = task.trainable()?;
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
            (only_outputs(task.model.clone(), &[scores]), vec![head])
        }
    };
    let program = Program::new(&model)?;
    // What lies on no way to a loss stays as it is.
    let running = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
    parameters.retain(|(name, role)| !running(*role) && program.reads(name));
    let own: Vec<String> = parameters.iter().map(|(name, _)| name.clone()).collect();
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
    let is_matrix =
        |name: &&String| program.constant(name).is_some_and(|weight| weight.shape.len() >= 2);
    let mut weights = decayed(&parameters);
    weights.extend(added.iter().filter(is_matrix).cloned());
    trainer.decay = Decay { rate: settings.decay, parameters: weights };
    let course = Course { task, settings, points: points.len(), sizes, own: &own };
    course.run(&mut trainer, progress, after_epoch)?;
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
    let least = if fixed { size } else { 1 };
    let mut cycle = Cycle::new(&rows, task.seed, 0);
    let per_epoch = rows.len().div_ceil(size);
    let steps = steps(epochs, per_epoch)?;
    let schedule = Schedule { rate: PRETRAINING_RATE, warm_up: 0, steps };
    progress.begin("auxiliary modules", schedule.steps);
    for step in 0..schedule.steps {
        go_on(progress)?;
        let rows = fill(cycle.take(size, least), size, fixed);
        let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
        let loss = trainer.step(task.batch(&rows)?, schedule.at(step), |outputs| {
            let auxiliary = outputs.chunks(2).zip(points).filter(|(_, p)| !p.parameters.is_empty());
            let losses: Vec<Tensor<_>> = auxiliary
                .map(|(pair, _)| super::rows(pair[1].clone(), labels.len(), None))
                .map(|scores| Ok(cross_entropy(scores?, &labels)))
                .collect::<Result<_>>()?;
            let total = losses.into_iter().reduce(Tensor::plus);
            total.ok_or_else(|| Error::internal("no auxiliary module"))
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

/// The training after the auxiliary modules are ready.
struct Course<'a> {
    task: &'a Task,
    settings: &'a Unlearning,
    /// Number of supervised points.
    points: usize,
    /// Forget and retain samples of a step.
    sizes: (usize, usize),
    /// The network's own parameters.
    own: &'a [String],
}

impl Course<'_> {
    fn run<B: train::Base>(
        &self,
        trainer: &mut Trainer<B>,
        progress: &dyn Progress,
        after_epoch: AfterEpoch,
    ) -> Result<()> {
        let Self { task, settings, points, sizes: (forget, retain), own } = *self;
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
        let steps = steps(settings.epochs, per_epoch)?;
        let (least_f, least_r) = if fixed { (forget, retain) } else { (1, 1) };
        let schedule =
            Schedule { rate: settings.learning_rate, warm_up: per_epoch.min(steps / 10), steps };
        progress.begin("unlearning", steps);
        for step in 0..steps {
            go_on(progress)?;
            let mut rows = fill(forget_rows.take(forget, least_f), forget, fixed);
            let count = rows.len();
            rows.extend(fill(retain_rows.take(retain, least_r), retain, fixed));
            let labels: Vec<usize> = rows.iter().map(|&r| labels[r]).collect();
            let (forget_labels, retain_labels) = labels.split_at(count);
            let parts = Cell::new([0.0; 3]);
            let total = trainer.step(task.batch(&rows)?, schedule.at(step), |outputs| {
                let split = |tensor: &Tensor<Autodiff<B>>, width: Option<usize>| {
                    let all = super::rows(tensor.clone(), labels.len(), width)?;
                    let forget = all.clone().narrow(0, 0, count);
                    Ok::<_, Error>((forget, all.narrow(0, count, labels.len())))
                };
                let score_width = Some(task.head.classes());
                let mut losses = Vec::new();
                let mut parts_now = [0.0; 3];
                let (scores_f, scores_r) = split(&outputs[2 * points - 1], score_width)?;
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
                        let (features_f, features_r) = split(&pair[0], None)?;
                        let push = contrastive(features_f, forget_labels, features_r, contrast);
                        let keep = cross_entropy(split(&pair[1], score_width)?.1, retain_labels);
                        parts_now[1] += weight * number(&push);
                        parts_now[2] += weight * number(&keep);
                        losses.push(push.mul_scalar(weight * ec.contrast));
                        losses.push(keep.mul_scalar(weight * ec.supervision));
                    }
                }
                parts.set(parts_now);
                let total = losses.into_iter().reduce(Tensor::plus);
                total.ok_or_else(|| Error::internal("a method without a loss"))
            })?;
            let [base, contrast, supervision] = parts.get();
            let named = match (&settings.method, settings.base) {
                (Method::BaseOnly, _) => vec![("loss", total)],
                (_, Base::None) => vec![("contrastive", contrast), ("cross-entropy", supervision)],
                _ => {
                    vec![("base", base), ("contrastive", contrast), ("cross-entropy", supervision)]
                }
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
}

/// The value of a loss; not finite where it can't be read, which ends the training.
fn number<B: train::Base>(loss: &Tensor<Autodiff<B>>) -> f64 {
    loss.clone().into_inner().into_values().map_or(f64::NAN, |v| v[0].into())
}
