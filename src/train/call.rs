//! One execution of a node: what it reads and how the program is run.

use std::cell::RefCell;

use burn_backend::tensor::Device;

use super::engine::Engine;
use super::host::{Host, HostData};
use super::node::Node;
use super::tensor::Tensor;
use super::value::Value;
use crate::Result;

/// Batch normalisation's statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchNorm {
    /// The stored running statistics normalise, as in inference.
    #[default]
    Frozen,
    /// The batch's own statistics normalise, and are reported for the running ones.
    Batch,
}

/// The statistics of one batch at one `BatchNormalization` node.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Name of the running mean's tensor.
    pub mean_name: String,
    /// Name of the running variance's tensor.
    pub variance_name: String,
    /// How much of the running value is kept, ONNX's momentum.
    pub momentum: f32,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, divided by the number of values.
    pub variance: Vec<f32>,
}

/// What a node's execution may look at.
pub struct Call<'a, E: Engine> {
    /// The node.
    pub node: &'a Node,
    /// Where it runs.
    pub device: &'a Device<E>,
    /// Which statistics normalise.
    pub batch_norm: BatchNorm,
    values: Vec<Option<Value<E>>>,
    statistics: &'a RefCell<Vec<Statistics>>,
}

impl<'a, E: Engine> Call<'a, E> {
    /// An execution of `node` on `values`, `None` where an input is left out.
    pub fn new(
        node: &'a Node,
        device: &'a Device<E>,
        batch_norm: BatchNorm,
        values: Vec<Option<Value<E>>>,
        statistics: &'a RefCell<Vec<Statistics>>,
    ) -> Self {
        Self { node, device, batch_norm, values, statistics }
    }

    /// How many inputs are listed.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Whether a tensor on the device has no elements.
    pub fn has_empty_tensor(&self) -> bool {
        let empty = |value: &Value<E>| matches!(value, Value::Float(tensor) if tensor.is_empty());
        self.values.iter().flatten().any(empty)
    }

    /// Takes input `index`, `None` when it is left out.
    pub fn optional(&mut self, index: usize) -> Option<Value<E>> {
        self.values.get_mut(index).and_then(Option::take)
    }

    /// Takes input `index`.
    pub fn value(&mut self, index: usize) -> Result<Value<E>> {
        self.optional(index).ok_or_else(|| self.node.invalid(format!("input {index} is missing")))
    }

    /// Takes input `index` as a float tensor.
    pub fn tensor(&mut self, index: usize) -> Result<Tensor<E>> {
        Ok(self.value(index)?.into_tensor(self.device))
    }

    /// Takes input `index` as a float tensor of at least `rank` dimensions.
    pub fn tensor_of_rank(&mut self, index: usize, rank: usize) -> Result<Tensor<E>> {
        let tensor = self.tensor(index)?;
        if tensor.rank() < rank {
            let shape = tensor.shape();
            let problem = format!("input {index} has shape {shape:?}, {rank} dimensions needed");
            return Err(self.node.invalid(problem));
        }
        Ok(tensor)
    }

    /// Takes input `index` as a float tensor if it is given.
    pub fn optional_tensor(&mut self, index: usize) -> Option<Tensor<E>> {
        self.optional(index).map(|value| value.into_tensor(self.device))
    }

    /// Takes input `index` onto the host.
    pub fn host(&mut self, index: usize) -> Result<Host> {
        self.value(index)?.into_host()
    }

    /// Takes input `index` as integers.
    pub fn ints(&mut self, index: usize) -> Result<Vec<i64>> {
        Ok(self.host(index)?.to_ints())
    }

    /// Takes input `index` as integers if it is given.
    pub fn optional_ints(&mut self, index: usize) -> Result<Option<Vec<i64>>> {
        Ok(self.optional(index).map(Value::into_host).transpose()?.map(|h| h.to_ints()))
    }

    /// Takes input `index` as a number if it is given.
    pub fn optional_number(&mut self, index: usize) -> Result<Option<f32>> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        Ok(value.into_host()?.to_floats().first().copied())
    }

    /// Takes all inputs that are given, in order.
    pub fn all(&mut self) -> Vec<Value<E>> {
        self.values.iter_mut().filter_map(Option::take).collect()
    }

    /// Reports the statistics of a batch.
    pub fn report(&self, statistics: Statistics) {
        self.statistics.borrow_mut().push(statistics);
    }

    /// One output: a tensor.
    pub fn one(&self, tensor: Tensor<E>) -> Result<Vec<Value<E>>> {
        Ok(vec![Value::Float(tensor)])
    }

    /// One output on the host.
    pub fn one_host(&self, shape: Vec<usize>, data: HostData) -> Result<Vec<Value<E>>> {
        Ok(vec![Value::Host(Host { shape, data })])
    }
}
