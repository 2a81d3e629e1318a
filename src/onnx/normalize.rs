//! Batch normalisation behind convolutions that have none, for training, and its folding back.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, attribute, reads};
use super::head::Head;
use super::model::Model;
use super::proto::onnx::tensor_proto::DataType;
use super::proto::onnx::{NodeProto, TensorProto};
use crate::{Error, Result};

/// ONNX's default, and PyTorch's.
const EPSILON: f64 = 1e-5;

/// A convolution that a normalisation was put behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalized {
    /// Name of the convolution's weight.
    pub weight: String,
    /// Values of the stored weight from one output channel to the next: a kernel's, as ONNX stores
    /// it; 1 where channels come last and a `Transpose` turns it.
    pub stride: usize,
    /// Name of its bias.
    pub bias: String,
    /// Names of the added scale, shift, running mean and running variance.
    pub parts: [String; 4],
}

impl Normalized {
    /// Scale and shift, which gradients move.
    pub fn trained(&self) -> &[String] {
        &self.parts[..2]
    }
}

/// What the convolutions write that a normalisation may be put behind: those of at least two
/// channels whose weight and bias serve them alone, as the network had before an exporter folded
/// its normalisations, the head's own convolution left out. None in a graph that has any
/// normalisation left: it was not folded.
pub fn unnormalized(model: &Model) -> Vec<String> {
    candidates(model).into_iter().map(|c| c.output).collect()
}

/// `model` with a BatchNormalization behind each convolution that writes one of `outputs`, which
/// are some of [`unnormalized`].
pub fn with_batch_norm(mut model: Model, outputs: &[String]) -> (Model, Vec<Normalized>) {
    let mut found = candidates(&model);
    found.retain(|c| outputs.contains(&c.output));
    let outputs: BTreeMap<String, usize> =
        found.iter().enumerate().map(|(i, f)| (f.output.clone(), i)).collect();
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        let nodes = std::mem::take(&mut graph.node);
        for mut node in nodes {
            let index = node.output.first().and_then(|o| outputs.get(o)).copied();
            let Some(index) = index else {
                graph.node.push(node);
                continue;
            };
            let output = found[index].output.clone();
            let raw = format!("{output}:forget-audit:raw");
            node.output[0] = raw.clone();
            graph.node.push(node);
            let mut inputs = vec![raw];
            inputs.extend(found[index].normalized.parts.iter().cloned());
            graph.node.push(NodeProto {
                op_type: Some("BatchNormalization".into()),
                name: Some(format!("{output}:forget-audit:norm")),
                input: inputs,
                output: vec![output],
                ..Default::default()
            });
        }
        for candidate in &found {
            for (part, value) in candidate.normalized.parts.iter().zip([1.0, 0.0, 0.0, 1.0]) {
                graph.initializer.push(TensorProto {
                    name: Some(part.clone()),
                    dims: vec![candidate.channels as i64],
                    data_type: Some(DataType::FLOAT as i32),
                    float_data: vec![value; candidate.channels],
                    ..Default::default()
                });
            }
        }
    }
    (model, found.into_iter().map(|c| c.normalized).collect())
}

struct Candidate {
    output: String,
    channels: usize,
    normalized: Normalized,
}

fn candidates(model: &Model) -> Vec<Candidate> {
    let Ok(graph) = Graph::new(model) else { return Vec::new() };
    let needed: BTreeSet<usize> =
        graph.outputs().iter().flat_map(|output| graph.ancestors(output)).collect();
    let order = graph.order().iter().filter(|i| needed.contains(i));
    let nodes: Vec<&NodeProto> = order.map(|&i| graph.node(i)).collect();
    // The operator that is put in is known in this form from opset 9 on.
    if model.opset() < 9 || nodes.iter().any(|n| n.op_type().ends_with("Normalization")) {
        return Vec::new();
    }
    let head = Head::find(&graph).ok().map(|head| head.weight_name);
    let uses = uses(&graph);
    let candidate = |node: &&NodeProto| {
        if node.op_type() != "Conv" || !graph.is_data(node.output.first()?) {
            return None;
        }
        let (weight, bias) = (node.input.get(1)?, node.input.get(2)?);
        let (kernel, offsets) = (graph.constant(weight)?, graph.constant(bias)?);
        let alone = [kernel, offsets]
            .iter()
            .all(|c| c.tensor.is_float() && uses.get(c.name).is_some_and(|&count| count == 1));
        if !alone || head.as_deref() == Some(kernel.name) {
            return None;
        }
        let channels = offsets.tensor.len().filter(|&c| c >= 2)?;
        let axis = stored_axis(&graph, weight, kernel.tensor.dims().len())?;
        let dims = kernel.tensor.dims();
        if usize::try_from(dims[axis]) != Ok(channels) {
            return None;
        }
        let stride = dims[axis + 1..].iter().map(|&d| d as usize).product();
        let output = node.output.first()?.clone();
        let part = |name: &str| format!("{output}:forget-audit:{name}");
        let parts = [part("scale"), part("shift"), part("mean"), part("variance")];
        let (weight, bias) = (kernel.name.to_owned(), offsets.name.to_owned());
        Some(Candidate { output, channels, normalized: Normalized { weight, stride, bias, parts } })
    };
    nodes.iter().filter_map(candidate).collect()
}

/// How many inputs of nodes, and outputs of the graph, each constant is read by, nodes that
/// [`Graph::constant`] looks through not counted.
fn uses<'a>(graph: &Graph<'a>) -> BTreeMap<&'a str, usize> {
    let nodes = graph.order().iter().map(|&i| graph.node(i));
    let readers = nodes.filter(|n| !matches!(n.op_type(), "Identity" | "Cast" | "Transpose"));
    let mut uses = BTreeMap::new();
    for name in readers.flat_map(reads).chain(graph.outputs()) {
        if let Some(constant) = graph.constant(name) {
            *uses.entry(constant.name).or_default() += 1;
        }
    }
    uses
}

/// The dimension, of `rank`, in which the constant behind `weight` stores what the convolution takes
/// as its first, the output channels.
fn stored_axis(graph: &Graph, weight: &str, rank: usize) -> Option<usize> {
    let (mut axis, mut name) = (0, weight);
    while let Some(node) = graph.producer_node(name).filter(|n| n.op_type() != "Constant") {
        if node.op_type() == "Transpose" {
            axis = match attribute(node, "perm") {
                Some(order) => usize::try_from(*order.ints.get(axis)?).ok()?,
                None => rank.checked_sub(axis + 1)?,
            };
        }
        name = node.input.first()?;
    }
    (axis < rank).then_some(axis)
}

/// Takes the added normalisations out of `values`: a channel's weight becomes
/// `w scale / sqrt(variance + epsilon)`, its bias `(b - mean) scale / sqrt(variance + epsilon) + shift`.
///
/// # Errors
/// [`Error::Internal`] where a weight, a bias or a part of a normalisation is not among `values`.
pub fn fold(values: &mut BTreeMap<String, Vec<f32>>, normalized: &[Normalized]) -> Result<()> {
    for layer in normalized {
        let missing = |name: &str| Error::internal(format!("nothing to fold into \"{name}\""));
        let channels = values.get(&layer.bias).ok_or_else(|| missing(&layer.bias))?.len();
        let mut parts = Vec::new();
        for name in &layer.parts {
            let part = values.remove(name).filter(|p| p.len() == channels);
            parts.push(part.ok_or_else(|| missing(name))?);
        }
        let factor: Vec<f64> = (parts[0].iter().zip(&parts[3]))
            .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + EPSILON).sqrt())
            .collect();
        let weight = values.get_mut(&layer.weight).ok_or_else(|| missing(&layer.weight))?;
        for (i, w) in weight.iter_mut().enumerate() {
            *w = (f64::from(*w) * factor[i / layer.stride.max(1) % channels]) as f32;
        }
        let bias = values.get_mut(&layer.bias).ok_or_else(|| missing(&layer.bias))?;
        for (c, b) in bias.iter_mut().enumerate() {
            let centred = f64::from(*b) - f64::from(parts[2][c]);
            *b = (centred * factor[c] + f64::from(parts[1][c])) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Network, constant};
    use super::*;

    fn found(network: Network) -> Vec<Normalized> {
        let model = network.model();
        let outputs = unnormalized(&model);
        with_batch_norm(model, &outputs).1
    }

    /// A network of one convolution, of eight channels, whose kernel is called `kernel`.
    fn headed(network: Network, kernel: &str) -> Network {
        network
            .weight("bias", &[8])
            .weight("head", &[8, 3])
            .op("Conv", &["x", kernel, "bias"], "c")
            .op("Relu", &["c"], "r")
            .op("GlobalAveragePool", &["r"], "p")
            .op("Flatten", &["p"], "f")
            .op("MatMul", &["f", "head"], "y")
    }

    fn names(found: &[Normalized]) -> Vec<(&str, &str, usize)> {
        found.iter().map(|n| (n.weight.as_str(), n.bias.as_str(), n.stride)).collect()
    }

    #[test]
    fn weights_in_constant_nodes_are_known_by_what_the_node_writes() {
        let network = Network::new().node(constant("kernel", &[8, 2, 3, 3], &[0.5; 144]));
        assert_eq!(names(&found(headed(network, "kernel"))), [("kernel", "bias", 18)]);
    }

    #[test]
    fn a_turned_kernel_is_scaled_along_its_own_channels() {
        let order: (&str, &[i64]) = ("perm", &[3, 2, 0, 1]);
        let network = Network::new().weight("kernel", &[3, 3, 2, 8]);
        let network = network.op_with("Transpose", &["kernel"], "turned", &[order]);
        let found = found(headed(network, "turned"));
        assert_eq!(names(&found), [("kernel", "bias", 1)]);

        let vector = |value: f32| (0..8).map(|c| value + c as f32).collect::<Vec<f32>>();
        let mut values: BTreeMap<String, Vec<f32>> =
            BTreeMap::from([("kernel".into(), vec![1.0; 144]), ("bias".into(), vec![0.0; 8])]);
        for (part, value) in found[0].parts.iter().zip([vector(2.0), vec![0.0; 8], vec![0.0; 8]]) {
            values.insert(part.clone(), value);
        }
        values.insert(found[0].parts[3].clone(), vec![1.0 - EPSILON as f32; 8]);
        fold(&mut values, &found).expect("folded");
        for (i, w) in values["kernel"].iter().enumerate() {
            assert!((w - (2 + i % 8) as f32).abs() < 1e-5, "{i}: {w}");
        }
    }

    #[test]
    fn a_kernel_of_two_convolutions_and_the_head_are_left() {
        let network = Network::new()
            .weight("kernel", &[8, 8, 3, 3])
            .weight("first", &[8])
            .weight("second", &[8])
            .weight("head", &[3, 8, 1, 1])
            .weight("scores", &[3])
            .op("Conv", &["x", "kernel", "first"], "c")
            .op("Identity", &["kernel"], "again")
            .op("Conv", &["c", "again", "second"], "d")
            .op("Conv", &["d", "head", "scores"], "e")
            .op("GlobalAveragePool", &["e"], "y");
        assert_eq!(names(&found(network)), []);
    }

    #[test]
    fn nothing_is_folded_into_what_is_missing() {
        let layer = Normalized {
            weight: "w".into(),
            stride: 1,
            bias: "b".into(),
            parts: ["s", "t", "m", "v"].map(String::from),
        };
        let all = ["w", "b", "s", "t", "m", "v"].map(|n| (n.to_owned(), vec![1.0f32; 2]));
        for missing in 0..all.len() {
            let mut values: BTreeMap<String, Vec<f32>> = all.iter().cloned().collect();
            values.remove(&all[missing].0);
            assert!(fold(&mut values, std::slice::from_ref(&layer)).is_err(), "{missing}");
        }
    }
}
