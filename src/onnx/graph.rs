//! Questions about an ONNX graph: who makes a tensor, who reads it, what is it made from.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::model::Model;
use super::proto::onnx::{AttributeProto, GraphProto, NodeProto, TensorProto};
use super::tensor::Tensor;
use crate::{Error, Result};

/// An index over a model's main graph.
pub struct Graph<'a> {
    model: &'a Model,
    nodes: &'a [NodeProto],
    order: Vec<usize>,
    producer: HashMap<&'a str, usize>,
    consumers: HashMap<&'a str, Vec<usize>>,
    constants: HashMap<&'a str, &'a TensorProto>,
    data: HashSet<&'a str>,
    depths: Vec<usize>,
}

impl<'a> Graph<'a> {
    /// Indexes the main graph of `model`.
    ///
    /// # Errors
    /// When two nodes write the same tensor or the nodes form a cycle.
    pub fn new(model: &'a Model) -> Result<Self> {
        let graph = model.graph_proto();
        let nodes = graph.node.as_slice();
        let invalid = |problem: String| {
            Error::file(
                model.path(),
                problem,
                "export the model again; onnx.checker names the fault",
            )
        };
        let mut producer = HashMap::new();
        let mut consumers: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|t| (t.name(), t)).collect();
        for (i, node) in nodes.iter().enumerate() {
            if node.output.is_empty() {
                return Err(invalid(format!(
                    "a node of type \"{}\" has no output",
                    node.op_type()
                )));
            }
            for output in node.output.iter().filter(|o| !o.is_empty()) {
                if producer.insert(output.as_str(), i).is_some() {
                    return Err(invalid(format!("two nodes write the tensor \"{output}\"")));
                }
            }
            for input in reads(node) {
                consumers.entry(input).or_default().push(i);
            }
            if node.op_type() == "Constant"
                && let Some(value) = attribute(node, "value")
                && let Some(tensor) = value.t.as_ref()
                && let Some(output) = node.output.first()
            {
                constants.insert(output, tensor);
            }
        }
        let order = topological(nodes, &producer)
            .ok_or_else(|| invalid("the nodes of the graph form a cycle".into()))?;

        let initializers: HashSet<&str> = graph.initializer.iter().map(|t| t.name()).collect();
        let inputs = graph.input.iter().map(|i| i.name()).filter(|n| !initializers.contains(n));
        let mut data: HashSet<&str> = inputs.collect();
        for &i in &order {
            let node = &nodes[i];
            // A shape is known before any sample is seen.
            let forwards = !matches!(node.op_type(), "Shape" | "Size");
            if forwards && reads(node).iter().any(|n| data.contains(n)) {
                data.extend(node.output.iter().map(String::as_str));
            }
        }
        let mut graph =
            Self { model, nodes, order, producer, consumers, constants, data, depths: Vec::new() };
        graph.depths = graph.count_weighted();
        Ok(graph)
    }

    /// Per node, how many distinct weighted nodes it is made from, itself included.
    fn count_weighted(&self) -> Vec<usize> {
        let weighted: Vec<usize> =
            self.order.iter().copied().filter(|&i| self.is_weighted(self.node(i))).collect();
        let bit: HashMap<usize, usize> =
            weighted.iter().enumerate().map(|(b, &i)| (i, b)).collect();
        let words = weighted.len().div_ceil(64);
        let mut sets = vec![vec![0u64; words]; self.nodes.len()];
        for &i in &self.order {
            let mut own = vec![0u64; words];
            for from in reads(&self.nodes[i]).iter().filter_map(|n| self.producer(n)) {
                own.iter_mut().zip(&sets[from]).for_each(|(a, b)| *a |= b);
            }
            if let Some(b) = bit.get(&i) {
                own[b / 64] |= 1 << (b % 64);
            }
            sets[i] = own;
        }
        sets.iter().map(|s| s.iter().map(|w| w.count_ones() as usize).sum()).collect()
    }

    /// The model whose graph this is.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// Names of the inputs that a caller feeds (no initializers).
    pub fn inputs(&self) -> Vec<&'a str> {
        let graph = self.model.graph_proto();
        let fed = graph.input.iter().map(|i| i.name());
        fed.filter(|n| !graph.initializer.iter().any(|t| t.name() == *n)).collect()
    }

    /// Names of the graph's outputs.
    pub fn outputs(&self) -> Vec<&'a str> {
        self.model.graph_proto().output.iter().map(|o| o.name()).collect()
    }

    /// Node indices in topological order.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The node at `index`.
    pub fn node(&self, index: usize) -> &'a NodeProto {
        &self.nodes[index]
    }

    /// Index of the node that writes `tensor`.
    pub fn producer(&self, tensor: &str) -> Option<usize> {
        self.producer.get(tensor).copied()
    }

    /// The node that writes `tensor`.
    pub fn producer_node(&self, tensor: &str) -> Option<&'a NodeProto> {
        self.producer(tensor).map(|i| self.node(i))
    }

    /// The map whose mean over space is the vector `tensor`.
    pub fn pooled_from(&self, tensor: &str) -> Option<&'a str> {
        let mut node = self.producer_node(tensor)?;
        while matches!(node.op_type(), "Flatten" | "Reshape" | "Squeeze" | "Identity") {
            node = self.producer_node(node.input.first()?)?;
        }
        let pools = matches!(node.op_type(), "GlobalAveragePool" | "ReduceMean");
        pools.then(|| node.input.first().map(String::as_str)).flatten()
    }

    /// Nodes that read `tensor`.
    pub fn consumers(&self, tensor: &str) -> impl Iterator<Item = &'a NodeProto> + '_ {
        self.consumers.get(tensor).into_iter().flatten().map(|&i| self.node(i))
    }

    /// Whether `tensor` depends on the samples (not only on weights or shapes).
    pub fn is_data(&self, tensor: &str) -> bool {
        self.data.contains(tensor)
    }

    /// The node's inputs that depend on the samples.
    pub fn data_inputs(&self, node: &'a NodeProto) -> Vec<&'a str> {
        node.input.iter().map(String::as_str).filter(|n| self.is_data(n)).collect()
    }

    /// Names of all tensors that depend on the samples and are written by a node, in graph order.
    pub fn activations(&self) -> Vec<&'a str> {
        let outputs = self.order.iter().flat_map(|&i| &self.nodes[i].output);
        outputs.map(String::as_str).filter(|n| !n.is_empty() && self.is_data(n)).collect()
    }

    /// The initializer or `Constant` node's tensor called `name`.
    pub(super) fn stored(&self, name: &str) -> Option<Tensor<'a>> {
        self.constants.get(name).map(|tensor| Tensor::new(tensor))
    }

    /// The constant behind `name`, looking through `Identity`, `Cast` and 2-D `Transpose` nodes.
    pub fn constant(&self, name: &str) -> Option<Constant<'a>> {
        let mut name = name;
        let mut transposed = false;
        // A chain longer than this is no exporter's work.
        for _ in 0..8 {
            if let Some((&name, tensor)) = self.constants.get_key_value(name) {
                let is_node = self.producer.contains_key(name);
                return Some(Constant { name, tensor: Tensor::new(tensor), transposed, is_node });
            }
            let node = self.producer_node(name)?;
            match node.op_type() {
                "Identity" | "Cast" => {}
                "Transpose" => transposed = !transposed,
                _ => return None,
            }
            name = node.input.first()?;
        }
        None
    }

    /// Constants of floating point: initializers in file order, then `Constant` nodes in graph order.
    pub(super) fn float_constants(&self) -> Vec<Constant<'a>> {
        let initializers = self.model.graph_proto().initializer.iter().map(|t| t.name());
        let outputs = self.order.iter().filter_map(|&i| self.nodes[i].output.first());
        let names = initializers.chain(outputs.map(String::as_str));
        let constants = names.filter(|n| self.constants.contains_key(n));
        constants.filter_map(|n| self.constant(n)).filter(|c| c.tensor.is_float()).collect()
    }

    /// Indices of the nodes that `tensor` is made from, in topological order.
    pub fn ancestors(&self, tensor: &str) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let mut stack: Vec<usize> = self.producer(tensor).into_iter().collect();
        while let Some(i) = stack.pop() {
            if seen.insert(i) {
                stack.extend(reads(&self.nodes[i]).iter().filter_map(|n| self.producer(n)));
            }
        }
        self.order.iter().copied().filter(|i| seen.contains(i)).collect()
    }

    /// Whether the node multiplies data by constant weights (convolution or matrix product).
    pub fn is_weighted(&self, node: &NodeProto) -> bool {
        matches!(node.op_type(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul")
            && node.input.get(1).is_some_and(|w| self.constant(w).is_some())
    }

    /// How many weighted nodes `tensor` is made from: an exporter-independent depth.
    pub fn weighted_depth(&self, tensor: &str) -> usize {
        self.producer(tensor).map_or(0, |i| self.depths[i])
    }
}

/// A constant found behind a name.
#[derive(Clone, Copy)]
pub struct Constant<'a> {
    /// Its name in the graph: for a `Constant` node that of the output, as its tensor needs none.
    pub name: &'a str,
    /// The stored tensor.
    pub tensor: Tensor<'a>,
    /// Whether an odd number of `Transpose` nodes lies between it and the reader.
    pub transposed: bool,
    /// Whether a `Constant` node holds it, against an initializer.
    pub is_node: bool,
}

/// The node's attribute called `name`.
pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name() == name)
}

/// The node's integer attribute, or `default`.
pub(super) fn integer(node: &NodeProto, name: &str, default: i64) -> i64 {
    attribute(node, name).map_or(default, |a| a.i())
}

/// Everything the node reads: its inputs and what its subgraphs capture from outside.
pub(super) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> =
        node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    for attribute in &node.attribute {
        for graph in attribute.g.iter().chain(&attribute.graphs) {
            names.extend(captured(graph));
        }
    }
    names
}

fn captured(graph: &GraphProto) -> Vec<&str> {
    let own: HashSet<&str> = graph
        .input
        .iter()
        .map(|i| i.name())
        .chain(graph.initializer.iter().map(|t| t.name()))
        .chain(graph.node.iter().flat_map(|n| &n.output).map(String::as_str))
        .collect();
    let read = graph.node.iter().flat_map(reads);
    let result = graph.output.iter().map(|o| o.name());
    read.chain(result).filter(|n| !own.contains(n)).collect()
}

/// Kahn's algorithm, stable in file order; `None` on a cycle.
fn topological(nodes: &[NodeProto], producer: &HashMap<&str, usize>) -> Option<Vec<usize>> {
    let mut waiting = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        let from: BTreeSet<usize> =
            reads(node).iter().filter_map(|n| producer.get(n).copied()).collect();
        waiting[i] = from.len();
        for p in from {
            readers[p].push(i);
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waiting[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &r in &readers[i] {
            waiting[r] -= 1;
            if waiting[r] == 0 {
                ready.insert(r);
            }
        }
    }
    (order.len() == nodes.len()).then_some(order)
}
