//! Batch normalisation behind convolutions that have none, for training, and its folding back.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::Graph;
use super::model::Model;
use super::proto::onnx::tensor_proto::DataType;
use super::proto::onnx::{NodeProto, TensorProto};
use super::tensor::Tensor;

/// ONNX's default, and PyTorch's.
const EPSILON: f64 = 1e-5;

/// A convolution that a normalisation was put behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalized {
    /// Name of the convolution's weight.
    pub weight: String,
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

/// `model` with a BatchNormalization behind each convolution of at least two channels whose weight
/// and bias serve it alone, as the network had before an exporter folded them. A graph that has any
/// normalisation left is returned as it is: it was not folded.
pub fn with_batch_norm(mut model: Model) -> (Model, Vec<Normalized>) {
    let found = candidates(&model);
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
    let nodes: Vec<&NodeProto> = graph.order().iter().map(|&i| graph.node(i)).collect();
    // The operator that is put in is known in this form from opset 9 on.
    if model.opset() < 9 || nodes.iter().any(|n| n.op_type().ends_with("Normalization")) {
        return Vec::new();
    }
    let mut used = BTreeSet::new();
    let mut shared = BTreeSet::new();
    for name in nodes.iter().flat_map(|n| &n.input) {
        if let Some(constant) = graph.constant(name)
            && !used.insert((constant.tensor.name(), name.as_str()))
        {
            shared.insert(constant.tensor.name());
        }
    }
    let alone = |name: &str| -> Option<Tensor<'_>> {
        let tensor = graph.constant(name)?.tensor;
        let readers = used.iter().filter(|(stored, _)| *stored == tensor.name()).count();
        (readers == 1 && !shared.contains(tensor.name()) && tensor.is_float()).then_some(tensor)
    };
    let candidate = |node: &&NodeProto| {
        if node.op_type() != "Conv" {
            return None;
        }
        let (weight, bias) = (alone(node.input.get(1)?)?, alone(node.input.get(2)?)?);
        let channels = bias.len().filter(|&c| c >= 2)?;
        let output = node.output.first()?.clone();
        let part = |name: &str| format!("{output}:forget-audit:{name}");
        let parts = [part("scale"), part("shift"), part("mean"), part("variance")];
        let (weight, bias) = (weight.name().to_owned(), bias.name().to_owned());
        Some(Candidate { output, channels, normalized: Normalized { weight, bias, parts } })
    };
    nodes.iter().filter_map(candidate).collect()
}

/// Takes the added normalisations out of `values`: a channel's weight becomes
/// `w scale / sqrt(variance + epsilon)`, its bias `(b - mean) scale / sqrt(variance + epsilon) + shift`.
pub fn fold(values: &mut BTreeMap<String, Vec<f32>>, normalized: &[Normalized]) {
    for layer in normalized {
        let parts = layer.parts.each_ref().map(|name| values.remove(name).unwrap_or_default());
        let [scale, shift, mean, variance] = parts;
        let factor: Vec<f64> = scale
            .iter()
            .zip(&variance)
            .map(|(&s, &v)| f64::from(s) / (f64::from(v) + EPSILON).sqrt())
            .collect();
        if let Some(weight) = values.get_mut(&layer.weight) {
            let size = weight.len() / factor.len().max(1);
            for (row, &factor) in weight.chunks_mut(size.max(1)).zip(&factor) {
                row.iter_mut().for_each(|w| *w = (f64::from(*w) * factor) as f32);
            }
        }
        if let Some(bias) = values.get_mut(&layer.bias) {
            for (c, b) in bias.iter_mut().enumerate() {
                let centred = f64::from(*b) - f64::from(mean[c]);
                *b = (centred * factor[c] + f64::from(shift[c])) as f32;
            }
        }
    }
}
