//! Auxiliary modules on intermediate layers, written into a copy of the graph: a projection to one
//! common width and a linear classifier on it, for deep supervision.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::graph::Graph;
use super::head::Head;
use super::model::Model;
use super::proto::onnx::tensor_proto::DataType;
use super::proto::onnx::{AttributeProto, NodeProto, TensorProto};
use super::surgery::{Pooling, TappedLayer, int, ints, named, node, pool};

/// A point of the network that is supervised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The tensor and how it becomes one vector a sample.
    pub layer: TappedLayer,
    /// Length of that vector.
    pub width: usize,
}

/// What a supervised point offers in the extended graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// The point's tensor in the model.
    pub layer: String,
    /// Name of the features, `n x D` (at the head's input `n x d`).
    pub features: String,
    /// Name of the class scores, `n x K`.
    pub scores: String,
    /// Names of the initializers that were added; empty at the head's input.
    pub parameters: Vec<String>,
}

/// The tensor that holds the class scores before a final Softmax.
pub fn logits(graph: &Graph, head: &Head) -> String {
    let mut name = head.output.as_str();
    while let Some(node) = graph.producer_node(name) {
        let ends = matches!(node.op_type(), "Softmax" | "LogSoftmax" | "Identity" | "Cast");
        match node.input.first() {
            Some(input) if ends => name = input,
            _ => break,
        }
    }
    name.to_owned()
}

/// `model` with an auxiliary module on each of `points` but the last, which is the head's input and
/// has the network's own classifier, `scores`. The graph returns features and scores of every
/// point, and nothing else.
///
/// Maps pass a depthwise 3 x 3 and a 1 x 1 convolution with a ReLU between, then the mean over
/// space; token sequences a linear layer on their pooled token, plus one on the mean of all where
/// the head reads a single one. Both end in `dimension` features and a linear classifier of
/// `classes` rows. New weights are drawn after He et al. 2015.
pub fn with_supervision(
    mut model: Model,
    points: &[Point],
    scores: &str,
    dimension: usize,
    classes: usize,
    seed: u64,
) -> (Model, Vec<Supervision>) {
    let opset = model.opset();
    let mut build = Builder { opset, nodes: Vec::new(), weights: Vec::new(), seed };
    let last = points.len().saturating_sub(1);
    let supervised: Vec<Supervision> = points
        .iter()
        .enumerate()
        .map(|(index, point)| match index == last {
            true => build.head(point, index, scores),
            false => build.auxiliary(point, index, dimension, classes),
        })
        .collect();
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        graph.node.extend(build.nodes);
        graph.initializer.extend(build.weights);
        let names = supervised.iter().flat_map(|s| [&s.features, &s.scores]);
        graph.output = names.map(|name| named(name)).collect();
    }
    (model, supervised)
}

struct Builder {
    opset: i64,
    nodes: Vec<NodeProto>,
    weights: Vec<TensorProto>,
    seed: u64,
}

impl Builder {
    fn head(&mut self, point: &Point, index: usize, scores: &str) -> Supervision {
        let features = format!("forget-audit:point:{index}");
        self.nodes.extend(pool(&point.layer, &features, self.opset));
        Supervision {
            layer: point.layer.tensor.clone(),
            features,
            scores: scores.to_owned(),
            parameters: Vec::new(),
        }
    }

    fn auxiliary(
        &mut self,
        point: &Point,
        index: usize,
        dimension: usize,
        classes: usize,
    ) -> Supervision {
        let before = self.weights.len();
        let name = |part: &str| format!("forget-audit:point:{index}:{part}");
        let (input, width) = (&point.layer.tensor, point.width);
        let features = name("features");
        match point.layer.pooling {
            Pooling::MapMean => {
                let depthwise = self.weight(name("depthwise"), &[width, 1, 3, 3], 9);
                let pointwise = self.weight(name("pointwise"), &[dimension, width, 1, 1], width);
                let (local, active, mixed) = (name("local"), name("active"), name("mixed"));
                self.conv(input, &depthwise, &local, width);
                self.nodes.push(node("Relu", &[&local], &active, vec![]));
                self.conv(&active, &pointwise, &mixed, 1);
                let pooled = TappedLayer { tensor: mixed, pooling: Pooling::MapMean };
                self.nodes.extend(pool(&pooled, &features, self.opset));
            }
            Pooling::Token(_) => {
                let (own, all) = (name("token"), name("tokens"));
                self.linear_pooled(&point.layer, &own, width, dimension);
                let mean = TappedLayer { tensor: input.clone(), pooling: Pooling::TokenMean };
                self.linear_pooled(&mean, &all, width, dimension);
                self.nodes.push(node("Add", &[&own, &all], &features, vec![]));
            }
            _ => self.linear_pooled(&point.layer, &features, width, dimension),
        }
        let scores = name("scores");
        self.linear(&features, &scores, dimension, classes);
        let added = &self.weights[before..];
        let parameters = added.iter().map(|w| w.name().to_owned()).collect();
        Supervision { layer: input.clone(), features, scores, parameters }
    }

    /// A linear layer on a pooled tensor.
    fn linear_pooled(&mut self, layer: &TappedLayer, output: &str, from: usize, to: usize) {
        let pooled = format!("{output}:vector");
        self.nodes.extend(pool(layer, &pooled, self.opset));
        self.linear(&pooled, output, from, to);
    }

    fn linear(&mut self, input: &str, output: &str, from: usize, to: usize) {
        let weight = self.weight(format!("{output}:weight"), &[from, to], from);
        let bias = self.zeros(format!("{output}:bias"), to);
        self.nodes.push(node("Gemm", &[input, &weight, &bias], output, vec![]));
    }

    fn conv(&mut self, input: &str, weight: &str, output: &str, groups: usize) {
        let kernel = self.weights.iter().find(|w| w.name() == weight).map_or(1, |w| w.dims[2]);
        let attributes: Vec<AttributeProto> = vec![
            int("group", groups as i64),
            ints("kernel_shape", &[kernel, kernel]),
            ints("pads", &[kernel / 2; 4]),
        ];
        self.nodes.push(node("Conv", &[input, weight], output, attributes));
    }

    /// Normal values of variance `2 / fan_in`; each tensor has a stream of its own.
    fn weight(&mut self, name: String, shape: &[usize], fan_in: usize) -> String {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.weights.len() as u64);
        let deviation = (2.0 / fan_in.max(1) as f64).sqrt();
        let count = shape.iter().product();
        let values = (0..count).map(|_| {
            // Box and Muller; 1 - u keeps the logarithm finite.
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            (deviation * normal) as f32
        });
        self.push(name, shape, values.collect())
    }

    fn zeros(&mut self, name: String, length: usize) -> String {
        self.push(name, &[length], vec![0.0; length])
    }

    fn push(&mut self, name: String, shape: &[usize], values: Vec<f32>) -> String {
        self.weights.push(TensorProto {
            name: Some(name.clone()),
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: Some(DataType::FLOAT as i32),
            float_data: values,
            ..Default::default()
        });
        name
    }
}
