//! Parameters in an exporter-independent order, and what changed between two models.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::graph::{Graph, integer};
use super::head::Head;
use super::proto::onnx::{GraphProto, NodeProto};
use super::tensor::Tensor;

/// A float constant of at least two values that a node reads.
#[derive(Clone)]
pub struct Parameter<'a> {
    /// The initializer's name, or that of a `Constant` node's output.
    pub name: &'a str,
    /// Whether it lies upstream of the point where the encoder ends.
    pub in_encoder: bool,
    tensor: Tensor<'a>,
    /// A 2-D weight stored as `in x out`, against `out x in`.
    flipped: bool,
}

impl Parameter<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.tensor.len().unwrap_or(0)
    }

    /// Whether it holds no values; never true of a parameter found in a graph.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape in canonical orientation.
    fn shape(&self) -> Vec<i64> {
        let mut dims = self.tensor.dims().to_vec();
        if self.flipped {
            dims.reverse();
        }
        dims
    }

    /// Values in canonical orientation, row-major.
    fn values(&self) -> Vec<f64> {
        let values = self.tensor.floats().unwrap_or_default();
        match (self.flipped, self.tensor.dims()) {
            (true, &[rows, columns]) => {
                let (rows, columns) = (rows as usize, columns as usize);
                (0..columns)
                    .flat_map(|c| (0..rows).map(move |r| (r, c)))
                    .filter_map(|(r, c)| values.get(r * columns + c).copied())
                    .collect()
            }
            _ => values,
        }
    }

    /// Equal exactly when shape and values are.
    fn fingerprint(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for dim in self.shape() {
            hash.update(dim.to_le_bytes());
        }
        hash.update(b"|");
        for value in self.values() {
            hash.update(value.to_le_bytes());
        }
        hash.finalize().into()
    }
}

/// The parameters behind the head's output, depth first along inputs: two exports of one network
/// list them in the same order whatever their names.
pub fn parameters<'a>(graph: &Graph<'a>, head: &Head) -> Vec<Parameter<'a>> {
    let encoder: HashSet<usize> = graph.ancestors(&head.features).into_iter().collect();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for index in depth_first(graph, &head.output) {
        let node = graph.node(index);
        let in_encoder = encoder.contains(&index);
        for (slot, input) in node.input.iter().enumerate() {
            let Some(constant) = graph.constant(input) else { continue };
            let flipped = stored_in_by_out(node, slot) != constant.transposed;
            add(&mut found, &mut seen, constant.name, constant.tensor, in_encoder, flipped);
        }
        for attribute in &node.attribute {
            for inner in attribute.g.iter().chain(&attribute.graphs) {
                add_subgraph(&mut found, &mut seen, inner, in_encoder);
            }
        }
    }
    found
}

fn add<'a>(
    found: &mut Vec<Parameter<'a>>,
    seen: &mut HashSet<&'a str>,
    name: &'a str,
    tensor: Tensor<'a>,
    in_encoder: bool,
    flipped: bool,
) {
    // Single values are constants of formulas (epsilon, 1/sqrt(d)), not parameters.
    if tensor.is_float() && tensor.len().is_some_and(|n| n >= 2) && seen.insert(name) {
        found.push(Parameter { name, in_encoder, tensor, flipped });
    }
}

fn add_subgraph<'a>(
    found: &mut Vec<Parameter<'a>>,
    seen: &mut HashSet<&'a str>,
    graph: &'a GraphProto,
    in_encoder: bool,
) {
    for tensor in &graph.initializer {
        add(found, seen, tensor.name(), Tensor::new(tensor), in_encoder, false);
    }
    for attribute in graph.node.iter().flat_map(|n| &n.attribute) {
        for inner in attribute.g.iter().chain(&attribute.graphs) {
            add_subgraph(found, seen, inner, in_encoder);
        }
    }
}

fn stored_in_by_out(node: &NodeProto, slot: usize) -> bool {
    match (node.op_type(), slot) {
        ("MatMul", 1) => true,
        ("Gemm", 1) => integer(node, "transB", 0) == 0,
        _ => false,
    }
}

/// Nodes behind `tensor` in post-order, inputs first to last.
fn depth_first(graph: &Graph, tensor: &str) -> Vec<usize> {
    let mut order = Vec::new();
    let mut entered = HashSet::new();
    let mut stack: Vec<(usize, bool)> =
        graph.producer(tensor).map(|i| (i, false)).into_iter().collect();
    while let Some((index, done)) = stack.pop() {
        if done {
            order.push(index);
        } else if entered.insert(index) {
            stack.push((index, true));
            let inputs = super::graph::reads(graph.node(index));
            stack.extend(inputs.iter().rev().filter_map(|n| graph.producer(n)).map(|i| (i, false)));
        }
    }
    order
}

/// How one parameter changed.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightChange {
    /// Name in the original.
    pub name: String,
    /// Whether it belongs to the encoder.
    pub in_encoder: bool,
    /// `|unlearned - original| / |original|` (Frobenius); `None` without a counterpart, or when
    /// the original is all zeros and the unlearned is not.
    pub relative_change: Option<f64>,
}

/// Relative change that another export alone may cause: exporters fold batch normalisation into
/// convolutions in `f32`, each in its own order. No training step stays below it in every tensor.
pub const REEXPORT: f64 = 1e-5;

/// What changed between two models' parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightComparison {
    /// Every encoder parameter of the original stands unchanged in the unlearned model, bit for bit
    /// or up to [`REEXPORT`]. False when the original has no encoder parameters.
    pub encoder_identical: bool,
    /// The same for the head.
    pub head_identical: bool,
    /// One entry a parameter of the original.
    pub changes: Vec<WeightChange>,
}

/// Compares the parameters of two models, paired by name and shape, else by order and shape.
pub fn compare_weights(
    graph: &Graph,
    head: &Head,
    other: &Graph,
    other_head: &Head,
) -> WeightComparison {
    let own = parameters(graph, head);
    let theirs = parameters(other, other_head);
    let present: HashSet<[u8; 32]> = theirs.iter().map(Parameter::fingerprint).collect();
    let kept: Vec<bool> = own.iter().map(|p| present.contains(&p.fingerprint())).collect();
    let partners = pair(&own, &theirs);
    let changes: Vec<WeightChange> = own
        .iter()
        .zip(&kept)
        .zip(partners)
        .map(|((parameter, &kept), partner)| WeightChange {
            name: parameter.name.to_owned(),
            in_encoder: parameter.in_encoder,
            relative_change: match partner {
                _ if kept => Some(0.0),
                Some(p) => relative_change(parameter, &theirs[p]),
                // Exporters drop a bias of zeros, which adds nothing.
                None => parameter.values().iter().all(|&v| v == 0.0).then_some(0.0),
            },
        })
        .collect();
    let unchanged = |encoder: bool| {
        let mut part = changes.iter().filter(|c| c.in_encoder == encoder).peekable();
        part.peek().is_some() && part.all(|c| c.relative_change.is_some_and(|r| r <= REEXPORT))
    };
    WeightComparison {
        encoder_identical: unchanged(true),
        head_identical: unchanged(false),
        changes,
    }
}

/// For each of `own` the index of its partner in `theirs`.
fn pair(own: &[Parameter], theirs: &[Parameter]) -> Vec<Option<usize>> {
    let by_name: HashMap<&str, usize> =
        theirs.iter().enumerate().map(|(i, p)| (p.name, i)).collect();
    let named: Vec<Option<usize>> = own
        .iter()
        .map(|p| by_name.get(p.name).copied().filter(|&i| theirs[i].shape() == p.shape()))
        .collect();
    let mut used: HashSet<usize> = named.iter().flatten().copied().collect();
    let mut next = 0;
    let mut pairs = named.clone();
    for (slot, parameter) in pairs.iter_mut().zip(own) {
        if slot.is_some() {
            continue;
        }
        let free = (next..theirs.len())
            .find(|i| !used.contains(i) && theirs[*i].shape() == parameter.shape());
        if let Some(i) = free {
            used.insert(i);
            next = i + 1;
            *slot = Some(i);
        }
    }
    pairs
}

fn relative_change(before: &Parameter, after: &Parameter) -> Option<f64> {
    let (before, after) = (before.values(), after.values());
    let squared = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let moved = squared(&mut before.iter().zip(&after).map(|(b, a)| a - b)).sqrt();
    let size = squared(&mut before.iter().copied()).sqrt();
    if moved == 0.0 {
        return Some(0.0);
    }
    let ratio = moved / size;
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Network, constant};
    use super::*;

    #[test]
    fn weights_in_constant_nodes_are_told_apart() {
        // Their tensors need no names: that of the node's output is what tells them apart.
        let model = |second: f32| {
            Network::new()
                .node(constant("w1", &[3, 4], &[0.5; 12]))
                .node(constant("w2", &[4, 2], &[second; 8]))
                .op("MatMul", &["x", "w1"], "h")
                .op("MatMul", &["h", "w2"], "y")
                .model()
        };
        let (before, after) = (model(0.25), model(0.75));
        let (graph, other) = (Graph::new(&before).unwrap(), Graph::new(&after).unwrap());
        let (head, other_head) = (Head::find(&graph).unwrap(), Head::find(&other).unwrap());
        assert_eq!(head.weight_name, "w2");
        let names: Vec<&str> = parameters(&graph, &head).iter().map(|p| p.name).collect();
        assert_eq!(names, ["w1", "w2"]);
        assert!(!compare_weights(&graph, &head, &other, &other_head).head_identical);
    }
}
