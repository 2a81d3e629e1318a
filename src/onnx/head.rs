//! The classifier head: where it is, what it reads, and its rows.

use std::collections::HashSet;

use ndarray::{Array2, Axis, Ix2};

use super::graph::{Graph, attribute, integer};
use super::proto::onnx::NodeProto;
use crate::{Error, Result};

/// The last linear layer of a classifier and the vector-level layers before it.
#[derive(Clone, Debug)]
pub struct Head {
    /// The graph output that carries the class scores.
    pub output: String,
    /// Name of the weight initializer of the last linear layer.
    pub weight_name: String,
    /// Classifier rows, `K x d`.
    pub weight: Array2<f64>,
    /// The tensor that the last linear layer reads (`n x d`, or a map for a 1 x 1 convolution).
    pub input: String,
    /// Where the encoder ends: the vector that the whole head reads. Equal to `input` for a head
    /// of one layer. Everything upstream of it is the encoder.
    pub features: String,
    /// The tensor to pool when `features` is a flattened map or a token taken from a sequence.
    pub features_source: Option<String>,
    /// Number of linear layers in the head.
    pub layers: usize,
    /// Index of the token that the head reads from a sequence (`n x tokens x d`), if it reads one.
    pub class_token: Option<i64>,
}

impl Head {
    /// Finds the head by walking back from the graph's outputs to the nearest linear layer with
    /// constant weights, through softmax, masks and other operators that carry scores along.
    ///
    /// # Errors
    /// When no output leads back to a `Gemm`, `MatMul` or 1 x 1 `Conv` with constant weights.
    pub fn find(graph: &Graph) -> Result<Self> {
        let outputs = graph.outputs();
        // Of several outputs the deepest holds the scores: embeddings and auxiliary heads lie before.
        let candidates = outputs.iter().rev().filter_map(|output| {
            let node = linear_behind(graph, output)?;
            Some((*output, node, rows(graph, node)?))
        });
        let found = candidates.max_by_key(|(_, node, _)| graph.weighted_depth(&node.output[0]));
        let Some((output, node, weight)) = found else {
            return Err(Error::file(
                graph.model().path(),
                format!(
                    "no classifier head: nothing behind the output \"{}\" is a Gemm, MatMul or \
                     1 x 1 Conv with constant float weights",
                    outputs.first().unwrap_or(&"")
                ),
                "give a classifier whose last layer is linear, exported without quantisation",
            ));
        };
        let input = node.input[0].clone();
        let boundary = encoder_end(graph, &input);
        let (features, layers, boundary_node) = match boundary {
            Some(end) => (end.tensor.to_owned(), 1 + end.linear_layers, Some(end.node)),
            None => (input.clone(), 1, graph.producer_node(&input)),
        };
        Ok(Self {
            output: output.to_owned(),
            weight_name: weight.0,
            weight: weight.1,
            features_source: boundary_node.and_then(|n| flattened(graph, n)),
            class_token: boundary_node.and_then(|n| class_token(graph, n)),
            input,
            features,
            layers,
        })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.weight.nrows()
    }
}

/// The linear node that `tensor`'s scores come from, found depth first along data inputs. A product
/// with weights that are no constants ends the search: what lies behind it is not the head.
fn linear_behind<'a>(graph: &Graph<'a>, tensor: &str) -> Option<&'a NodeProto> {
    let mut seen = HashSet::new();
    let mut stack = vec![graph.producer(tensor)?];
    while let Some(index) = stack.pop() {
        if !seen.insert(index) {
            continue;
        }
        let node = graph.node(index);
        if matches!(node.op_type(), "Gemm" | "MatMul" | "Conv" | "ConvTranspose") {
            return rows(graph, node).is_some().then_some(node);
        }
        let mut inputs = graph.data_inputs(node);
        if node.op_type() == "Where" {
            // The condition decides, it does not carry the scores: look there last.
            let by_condition = inputs.len() > 1 && inputs[0] == node.input[0];
            inputs.rotate_left(usize::from(by_condition));
        }
        stack.extend(inputs.iter().rev().filter_map(|n| graph.producer(n)));
    }
    None
}

/// The node's weight as classifier rows `K x d`, with the initializer's name.
fn rows(graph: &Graph, node: &NodeProto) -> Option<(String, Array2<f64>)> {
    let constant = graph.constant(node.input.get(1)?)?;
    let dims: Vec<usize> =
        constant.tensor.dims().iter().map(|&d| usize::try_from(d).ok()).collect::<Option<_>>()?;
    let values = constant.tensor.floats()?;
    let array = ndarray::ArrayD::from_shape_vec(dims, values).ok()?;
    let array: Array2<f64> = match node.op_type() {
        "Conv" => {
            let pointwise = array.ndim() >= 3 && array.shape()[2..].iter().all(|&s| s == 1);
            if !pointwise || integer(node, "group", 1) != 1 {
                return None;
            }
            let (k, d) = (array.shape()[0], array.shape()[1]);
            array.into_shape_with_order((k, d)).ok()?
        }
        "Gemm" | "MatMul" => {
            let array = array.into_dimensionality::<Ix2>().ok()?;
            let stored_as_rows = (node.op_type() == "Gemm" && integer(node, "transB", 0) != 0)
                != constant.transposed;
            if stored_as_rows { array } else { array.reversed_axes() }
        }
        _ => return None,
    };
    let usable = array.len_of(Axis(0)) >= 2 && !array.is_empty();
    usable.then(|| (constant.name.to_owned(), array.as_standard_layout().into_owned()))
}

struct EncoderEnd<'a> {
    tensor: &'a str,
    node: &'a NodeProto,
    linear_layers: usize,
}

/// Operators that turn maps or sequences into one vector a sample: the encoder ends with them.
fn is_boundary(op: &str) -> bool {
    matches!(
        op,
        "GlobalAveragePool"
            | "GlobalMaxPool"
            | "AveragePool"
            | "MaxPool"
            | "ReduceMean"
            | "ReduceMax"
            | "ReduceSum"
            | "Flatten"
            | "Reshape"
            | "Squeeze"
            | "Gather"
            | "Slice"
            | "Concat"
            | "Split"
    )
}

/// Walks back from the last linear layer's input over vector-level layers to the one tensor that
/// all of them come from. `None` when there is no such single tensor (a plain MLP, say).
fn encoder_end<'a>(graph: &Graph<'a>, input: &'a str) -> Option<EncoderEnd<'a>> {
    let mut ends: Vec<(&str, &NodeProto)> = Vec::new();
    let mut linear_layers = 0;
    let mut seen = HashSet::new();
    let mut stack = vec![input];
    while let Some(tensor) = stack.pop() {
        if !seen.insert(tensor) {
            continue;
        }
        let node = graph.producer_node(tensor)?;
        if is_boundary(node.op_type()) {
            ends.push((tensor, node));
            continue;
        }
        if graph.is_weighted(node) {
            if !matches!(node.op_type(), "Gemm" | "MatMul") {
                // A convolution before any pooling: the "vector" is a map, the head one layer.
                return None;
            }
            linear_layers += 1;
        }
        stack.extend(graph.data_inputs(node));
    }
    match ends.as_slice() {
        // A plain MLP ends in its flattened input: its hidden layers are the encoder.
        [(tensor, _)] if graph.weighted_depth(tensor) == 0 => None,
        [(tensor, node)] => Some(EncoderEnd { tensor, node, linear_layers }),
        _ => None,
    }
}

/// For a flattened map: the map itself, so that it can be pooled instead of kept whole.
fn flattened(graph: &Graph, node: &NodeProto) -> Option<String> {
    let reshapes = matches!(node.op_type(), "Flatten" | "Reshape");
    let source = node.input.first()?;
    let made_by = graph.producer_node(source)?.op_type();
    let pooled = matches!(made_by, "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMean");
    (reshapes && !pooled).then(|| source.clone())
}

/// The index that the head takes out of a sequence `n x tokens x d`, as `Gather` or `Slice`.
fn class_token(graph: &Graph, node: &NodeProto) -> Option<i64> {
    let constant = |i: usize| graph.constant(node.input.get(i)?)?.tensor.integers();
    match node.op_type() {
        "Gather" if integer(node, "axis", 0) == 1 => match constant(1)?.as_slice() {
            [index] => Some(*index),
            _ => None,
        },
        "Slice" => {
            let listed = |i: usize, name: &str| {
                constant(i).or_else(|| attribute(node, name).map(|a| a.ints.clone()))
            };
            let (starts, ends) = (listed(1, "starts")?, listed(2, "ends")?);
            let axes = listed(3, "axes")?;
            match (starts.as_slice(), ends.as_slice(), axes.as_slice()) {
                ([start], [end], [1]) if end.checked_sub(*start) == Some(1) => Some(*start),
                _ => None,
            }
        }
        // A token taken as a slice of length one is squeezed or flattened afterwards.
        "Squeeze" | "Reshape" | "Flatten" => {
            let source = graph.producer_node(node.input.first()?)?;
            matches!(source.op_type(), "Gather" | "Slice").then(|| class_token(graph, source))?
        }
        _ => None,
    }
}
