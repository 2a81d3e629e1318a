//! A graph as a list of executable nodes, and one run of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use burn_backend::tensor::Device;

use super::call::{BatchNorm, Call, Statistics};
use super::engine::Engine;
use super::fuse;
use super::host::{Host, HostData};
use super::node::Node;
use super::ops;
use super::tensor::Tensor;
use super::value::Value;
use crate::onnx::proto::onnx::TensorProto;
use crate::onnx::{self, Graph, Model};
use crate::{Error, Result};

/// Float constants up to this many elements stay on the host: bounds, exponents, paddings.
const HOST_ELEMENTS: usize = 16;

/// A model's main graph, every node of which the trainer can run.
#[derive(Clone, Debug)]
pub struct Program {
    subject: String,
    nodes: Vec<Node>,
    producer: HashMap<String, usize>,
    constants: HashMap<String, Host>,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Program {
    /// Reads the graph of `model`.
    ///
    /// # Errors
    /// When a node that the outputs depend on is of an operator, version or domain that the trainer
    /// does not support: the error names the first such node and all such operators.
    pub fn new(model: &Model) -> Result<Self> {
        let graph = Graph::new(model)?;
        let outputs: Vec<String> = graph.outputs().into_iter().map(str::to_owned).collect();
        let needed: HashSet<usize> = outputs.iter().flat_map(|o| graph.ancestors(o)).collect();
        let order = graph.order().iter().copied().filter(|i| needed.contains(i));
        let mut constants = HashMap::new();
        let mut nodes = Vec::new();
        let mut refused = Vec::new();
        for index in order {
            let proto = graph.node(index);
            let node = Node::new(proto, model.opset());
            if node.op == "Constant"
                && let Some(host) = node.tensor("value").and_then(constant)
            {
                constants.insert(node.outputs[0].clone(), host);
                continue;
            }
            if let Err(error) = ops::check(&node, proto.domain()) {
                refused.push((node.op.clone(), error));
            }
            nodes.push(node);
        }
        if let Some(error) = refusal(refused) {
            return Err(error);
        }
        for tensor in &model.graph_proto().initializer {
            if let Some(host) = constant(tensor) {
                constants.insert(tensor.name().to_owned(), host);
            }
        }
        let nodes = fuse::gelu(nodes, &constants, &outputs);
        let mut producer = HashMap::new();
        for (index, node) in nodes.iter().enumerate() {
            producer.extend(node.outputs.iter().map(|o| (o.clone(), index)));
        }
        Ok(Self {
            subject: model.path().display().to_string(),
            nodes,
            producer,
            constants,
            inputs: graph.inputs().into_iter().map(str::to_owned).collect(),
            outputs,
        })
    }

    /// Names of the inputs that a caller feeds.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// Names of the graph's outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The stored constant `name`.
    pub fn constant(&self, name: &str) -> Option<&Host> {
        self.constants.get(name)
    }

    /// Whether a node reads the tensor `name`.
    pub fn reads(&self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.inputs.iter().any(|input| input == name))
    }

    /// Whether a node is of the operator `op`.
    pub fn has(&self, op: &str) -> bool {
        self.nodes.iter().any(|node| node.op == op)
    }

    /// The initializer behind `name`, looking through `Identity` nodes.
    pub fn initializer<'a>(&'a self, mut name: &'a str) -> Option<&'a str> {
        while !self.constants.contains_key(name) {
            let node = self.producer.get(name).map(|&i| &self.nodes[i])?;
            if node.op != "Identity" {
                return None;
            }
            name = node.inputs.first()?;
        }
        Some(name)
    }

    /// The nodes that `outputs` are made from, in order.
    fn behind(&self, outputs: &[String]) -> Result<Vec<usize>> {
        let mut wanted = HashSet::new();
        let mut stack = Vec::new();
        for output in outputs {
            match self.producer.get(output) {
                Some(&index) => stack.push(index),
                None if self.inputs.contains(output) || self.constants.contains_key(output) => {}
                None => {
                    let problem = format!("no node on the way to the outputs writes \"{output}\"");
                    let remedy = "`audit inspect` lists the layers";
                    return Err(Error::input(&self.subject, problem, remedy));
                }
            }
        }
        while let Some(index) = stack.pop() {
            if wanted.insert(index) {
                let inputs = self.nodes[index].inputs.iter();
                stack.extend(inputs.filter_map(|i| self.producer.get(i)));
            }
        }
        let mut order: Vec<usize> = wanted.into_iter().collect();
        order.sort_unstable();
        Ok(order)
    }
}

/// One error for all unsupported operators, led by the first node's.
fn refusal(refused: Vec<(String, Error)>) -> Option<Error> {
    let mut operators: Vec<String> = refused.iter().map(|(op, _)| op.clone()).collect();
    operators.sort();
    operators.dedup();
    let first = refused.into_iter().next()?.1;
    Some(match first {
        Error::Input { subject, problem, remedy } if operators.len() > 1 => {
            let list = operators.join(", ");
            Error::input(subject, format!("{problem} (in all: {list})"), remedy)
        }
        other => other,
    })
}

/// The values of a stored tensor; `None` for types that programs don't compute with.
pub(super) fn constant(proto: &TensorProto) -> Option<Host> {
    let tensor = onnx::Tensor::new(proto);
    let shape = tensor.dims().iter().map(|&d| usize::try_from(d).ok()).collect::<Option<_>>()?;
    let data = if let Some(floats) = tensor.floats() {
        HostData::Float(floats.into_iter().map(|v| v as f32).collect())
    } else if let Some(bools) = tensor.bools() {
        HostData::Bool(bools)
    } else {
        HostData::Int(tensor.integers()?)
    };
    Some(Host { shape, data })
}

/// What a run computes and in which order; constants lie on the device.
pub struct Bound<'a, E: Engine> {
    program: &'a Program,
    device: Device<E>,
    outputs: Vec<String>,
    steps: Vec<Step>,
    constants: HashMap<String, Value<E>>,
}

/// A node to run and the tensors that nobody reads after it.
struct Step {
    node: usize,
    last_uses: Vec<String>,
}

impl<'a, E: Engine> Bound<'a, E> {
    /// Prepares runs of `program` up to `outputs` on `device`, with `parameters` fed to every run.
    /// What depends on neither inputs nor parameters is computed here, once.
    ///
    /// # Errors
    /// When an output is not in the graph, or a constant part of the graph is broken.
    pub fn new(
        program: &'a Program,
        outputs: &[String],
        parameters: &HashSet<String>,
        device: Device<E>,
    ) -> Result<Self> {
        let order = program.behind(outputs)?;
        let read: HashSet<&str> = order
            .iter()
            .flat_map(|&i| program.nodes[i].inputs.iter())
            .chain(outputs)
            .map(String::as_str)
            .collect();
        let mut constants = HashMap::new();
        for (name, host) in &program.constants {
            if read.contains(name.as_str()) && !parameters.contains(name) {
                constants.insert(name.clone(), place(host.clone(), &device));
            }
        }
        let statistics = RefCell::new(Vec::new());
        let mut steps = Vec::new();
        for index in order {
            let node = &program.nodes[index];
            let known = |name: &String| name.is_empty() || constants.contains_key(name);
            if node.inputs.iter().all(known) {
                let values = node.inputs.iter().map(|n| constants.get(n).cloned()).collect();
                let call = Call::new(node, &device, BatchNorm::Frozen, values, &statistics);
                for (name, value) in node.outputs.iter().zip(execute(call)?) {
                    constants.insert(name.clone(), value);
                }
            } else {
                steps.push(Step { node: index, last_uses: Vec::new() });
            }
        }
        let mut seen: HashSet<&str> = outputs.iter().map(String::as_str).collect();
        for step in steps.iter_mut().rev() {
            let inputs = &program.nodes[step.node].inputs;
            step.last_uses = inputs.iter().filter(|n| seen.insert(n.as_str())).cloned().collect();
        }
        Ok(Self { program, device, outputs: outputs.to_vec(), steps, constants })
    }

    /// Where it runs.
    pub fn device(&self) -> &Device<E> {
        &self.device
    }

    /// Computes the outputs from `inputs` and `parameters`, and what batch normalisation saw.
    ///
    /// # Errors
    /// When an input is missing or a node can't take its operands; the error names the node.
    pub fn run(
        &self,
        inputs: HashMap<String, Value<E>>,
        parameters: &BTreeMap<String, Tensor<E>>,
        batch_norm: BatchNorm,
    ) -> Result<(Vec<Value<E>>, Vec<Statistics>)> {
        let statistics = RefCell::new(Vec::new());
        let mut values = inputs;
        let find = |values: &HashMap<String, Value<E>>, name: &str| {
            values
                .get(name)
                .or_else(|| self.constants.get(name))
                .cloned()
                .or_else(|| parameters.get(name).cloned().map(Value::Float))
                .ok_or_else(|| {
                    let problem = format!("the tensor \"{name}\" is missing");
                    Error::input(&self.program.subject, problem, "give every input of the model")
                })
        };
        for step in &self.steps {
            let node = &self.program.nodes[step.node];
            let mut operands = Vec::with_capacity(node.inputs.len());
            for name in &node.inputs {
                let given = !name.is_empty();
                operands.push(given.then(|| find(&values, name)).transpose()?);
            }
            // Dropped before the node runs, so that it may work in place.
            for name in &step.last_uses {
                values.remove(name);
            }
            let call = Call::new(node, &self.device, batch_norm, operands, &statistics);
            for (name, value) in node.outputs.iter().zip(execute(call)?) {
                values.insert(name.clone(), value);
            }
        }
        let outputs = self.outputs.iter().map(|name| find(&values, name));
        Ok((outputs.collect::<Result<_>>()?, statistics.into_inner()))
    }
}

fn execute<E: Engine>(mut call: Call<E>) -> Result<Vec<Value<E>>> {
    let (node, device) = (call.node, call.device);
    // Neither kernels nor backends are made for them.
    if call.has_empty_tensor() && !matches!(node.op.as_str(), "Concat" | "Shape" | "Size") {
        return Err(node.unsupported("a float tensor without elements"));
    }
    match ops::find::<E>(&node.op) {
        // Large float results of host operands (masks, mostly) are used on the device.
        Some(run) => Ok(run(&mut call)?.into_iter().map(|v| settle(v, device)).collect()),
        None => Err(node.unsupported("an unknown operator")),
    }
}

fn settle<E: Engine>(value: Value<E>, device: &Device<E>) -> Value<E> {
    match value {
        Value::Host(host) => place(host, device),
        float => float,
    }
}

/// Puts large float tensors on the device.
fn place<E: Engine>(host: Host, device: &Device<E>) -> Value<E> {
    match host.data {
        HostData::Float(values) if values.len() > HOST_ELEMENTS => {
            Value::Float(Tensor::from_values(values, &host.shape, device))
        }
        _ => Value::Host(host),
    }
}
