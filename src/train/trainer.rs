//! Repeated steps on the parameters of a program.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use burn_autodiff::Autodiff;
use burn_backend::tensor::Device;

use super::call::{BatchNorm, Statistics};
use super::engine::{Base, Engine};
use super::gradients::gradients_of;
use super::host::{Host, HostData};
use super::optimizer::{Decay, Optimizer, State, clip};
use super::program::{Bound, Program};
use super::tensor::Tensor;
use super::value::Value;
use crate::runtime::{Batch, BatchValues};
use crate::{Error, Result};

/// A program with parameters that are being trained.
pub struct Trainer<'a, B: Base> {
    bound: Bound<'a, Autodiff<B>>,
    program: &'a Program,
    parameters: BTreeMap<String, Tensor<B>>,
    trained: BTreeSet<String>,
    state: State<B>,
    optimizer: Optimizer,
    batch_norm: BatchNorm,
    /// The longest gradient that a step follows.
    pub clip: f64,
    /// Weight decay.
    pub decay: Decay,
}

impl<'a, B: Base> Trainer<'a, B> {
    /// Prepares training of the initializers `parameters` of `program`, whose values start as they
    /// are stored; `outputs` are what each step's loss is made of.
    ///
    /// # Errors
    /// When a parameter is no float initializer of the program or an output is not in it.
    pub fn new(
        program: &'a Program,
        outputs: &[String],
        parameters: &[String],
        device: Device<B>,
        optimizer: Optimizer,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        for name in parameters {
            let Some(Host { shape, data: HostData::Float(floats) }) = program.constant(name) else {
                return Err(Error::internal(format!("\"{name}\" is no float initializer")));
            };
            values.insert(name.clone(), Tensor::from_values(floats.clone(), shape, &device));
        }
        let fed = parameters.iter().cloned().collect();
        Ok(Self {
            bound: Bound::new(program, outputs, &fed, device)?,
            program,
            trained: parameters.iter().cloned().collect(),
            parameters: values,
            state: State::default(),
            optimizer,
            batch_norm: BatchNorm::Frozen,
            clip: f64::INFINITY,
            decay: Decay::default(),
        })
    }

    /// Where it runs.
    pub fn device(&self) -> &Device<B> {
        self.bound.device()
    }

    /// Restricts the following steps, by `optimizer` from a fresh state, to `names`; the other
    /// parameters stay as they are.
    pub fn train_only(&mut self, names: &[String], optimizer: Optimizer) {
        self.trained = names.iter().cloned().collect();
        self.optimizer = optimizer;
        self.state = State::default();
    }

    /// Normalises by each batch's own statistics from now on, and keeps the running ones up to
    /// date after ONNX's rule: `running = momentum running + (1 - momentum) batch`. The running
    /// statistics must be among the parameters, and are not moved by gradients.
    pub fn train_batch_norm(&mut self) {
        self.batch_norm = BatchNorm::Batch;
    }

    /// The parameters' values, row-major.
    ///
    /// # Errors
    /// When the device failed.
    pub fn values(&self) -> Result<BTreeMap<String, Vec<f32>>> {
        let read = |(name, tensor): (&String, &Tensor<B>)| {
            Ok((name.clone(), tensor.clone().into_values()?))
        };
        self.parameters.iter().map(read).collect()
    }

    /// Replaces parameters.
    pub fn set_values(&mut self, values: &BTreeMap<String, Vec<f32>>) {
        let device = self.device().clone();
        for (name, new) in values {
            if let Some(tensor) = self.parameters.get_mut(name) {
                *tensor = Tensor::from_values(new.clone(), &tensor.shape(), &device);
            }
        }
    }

    /// The outputs for a batch, without gradients being followed.
    ///
    /// # Errors
    /// See [`Bound::run`].
    pub fn evaluate(&self, batch: Vec<Batch>) -> Result<Vec<Tensor<B>>> {
        let constants = self.parameters.iter().map(|(n, t)| (n.clone(), t.clone().tracked()));
        let parameters = constants.collect();
        let (outputs, _) = self.bound.run(self.feed(batch), &parameters, BatchNorm::Frozen)?;
        Ok(outputs.into_iter().map(|v| v.into_tensor(self.device()).into_inner()).collect())
    }

    /// One step of size `rate` against the gradient of `loss`, which is made of the outputs for
    /// `batch`. Returns the loss.
    ///
    /// # Errors
    /// Those of `loss`; when a loss or a gradient is not finite: training has diverged.
    pub fn step(
        &mut self,
        batch: Vec<Batch>,
        rate: f64,
        loss: impl FnOnce(Vec<Tensor<Autodiff<B>>>) -> Result<Tensor<Autodiff<B>>>,
    ) -> Result<f64> {
        let parameters: BTreeMap<String, Tensor<Autodiff<B>>> = self
            .parameters
            .iter()
            .map(|(name, tensor)| {
                let tensor = tensor.clone();
                let tracked = match self.trained.contains(name) {
                    true => tensor.tracked().require_gradient(),
                    false => tensor.tracked(),
                };
                (name.clone(), tracked)
            })
            .collect();
        let (outputs, statistics) =
            self.bound.run(self.feed(batch), &parameters, self.batch_norm)?;
        let device = self.device().clone();
        let loss = loss(outputs.into_iter().map(|v| v.into_tensor(&device)).collect())?;
        let value = f64::from(loss.clone().into_inner().into_values()?[0]);
        let mut gradients = gradients_of(loss, &parameters);
        gradients.retain(|name, _| self.trained.contains(name));
        drop(parameters);
        let length = clip(&mut gradients, self.clip);
        if !value.is_finite() || !length.is_finite() {
            return Err(Error::input(
                "training",
                format!("it diverged: loss {value}, length of the gradient {length}"),
                "lower the learning rate (--learning-rate); no model was written",
            ));
        }
        self.optimizer.step(&mut self.state, &mut self.parameters, gradients, rate, &self.decay);
        self.keep_running(statistics);
        Ok(value)
    }

    fn keep_running(&mut self, statistics: Vec<Statistics>) {
        let device = self.device().clone();
        for batch in statistics {
            let pairs = [(&batch.mean_name, &batch.mean), (&batch.variance_name, &batch.variance)];
            for (name, new) in pairs {
                let Some(name) = self.program.initializer(name) else { continue };
                let Some(running) = self.parameters.get_mut(name) else { continue };
                let keep = f64::from(batch.momentum);
                let new = Tensor::from_values(new.clone(), &running.shape(), &device);
                *running = running.clone().mul_scalar(keep).plus(new.mul_scalar(1.0 - keep));
            }
        }
    }

    fn feed(&self, batch: Vec<Batch>) -> HashMap<String, Value<Autodiff<B>>> {
        batch.into_iter().map(|b| feed(b, self.bound.device())).collect()
    }
}

/// A batch as a program takes it: integers stay on the host.
pub(super) fn feed<E: Engine>(batch: Batch, device: &Device<E>) -> (String, Value<E>) {
    let Batch { name, shape, values } = batch;
    let value = match values {
        BatchValues::Float(values) => Value::Float(Tensor::from_values(values, &shape, device)),
        BatchValues::Integer(values) => Value::Host(Host { shape, data: HostData::Int(values) }),
    };
    (name, value)
}
