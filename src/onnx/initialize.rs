//! Fresh weights for training from the start.
//!
//! Exporters fold batch normalisation into the convolutions before it, so what is trained here often
//! has no normalisation left that would mend a bad start: the variance of activations must neither
//! vanish nor explode over the depth by the weights alone.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::graph::{Graph, attribute, integer};
use super::head::Head;
use super::layers::is_residual;
use super::proto::onnx::NodeProto;
use super::random::normal;
use super::role::Role;
use super::trainable::{Reader, Trainable, rearranges, trainable};
use crate::Result;

/// Embeddings and tokens start as those of transformers do (Devlin et al. 2019).
const EMBEDDING_DEVIATION: f64 = 0.02;

/// Layer scale at the end of a residual branch: the value of Touvron et al. 2021 (CaiT) for networks
/// up to 18 blocks. Their 1e-5 and the 1e-6 of ConvNeXt need hundreds of epochs to let branches in.
const LAYER_SCALE: f64 = 0.1;

/// Variance of a logit whose features have variance 1: the loss starts near `ln(classes)`, and the
/// encoder still gets a gradient.
const LOGIT_VARIANCE: f64 = 0.1;

/// The slope that PReLU starts from (He et al. 2015).
const SLOPE: f64 = 0.25;

/// New values for all [`trainable`] tensors of a classifier, running statistics among them, by name.
/// Deterministic; each tensor's values depend on `seed` and its own name alone.
///
/// - Weights: normal, variance `gain / fan_in`. The gain is 2 where the next nonlinearity is like a
///   ReLU (He et al. 2015; `2 / (1 + a^2)` with slope `a` below zero), else 1 (LeCun et al. 1998).
///   The head's variance is `0.1 / fan_in`.
/// - The last weight of each of the `L` residual branches: deviation divided by `sqrt(L)`, so that
///   `L` sums grow the variance by at most `(1 + 1/L)^L < e` (after Zhang et al. 2019, Fixup, and De
///   and Smith 2020, SkipInit). A layer scale there, 0.1, takes its place.
/// - Normalisations: scale 1, shift 0, running mean 0 and variance 1; other factors 1, biases 0,
///   PReLU slopes 0.25; embeddings, positions and class tokens: normal, deviation 0.02.
///
/// # Errors
/// When the graph has no classifier head.
pub fn fresh(graph: &Graph, seed: u64) -> Result<BTreeMap<String, Vec<f32>>> {
    let head = Head::find(graph)?;
    let branches = Branches::find(graph);
    let draw = |t: &Trainable| {
        let len = t.len();
        let constant = |value: f32| vec![value; len];
        let values = match t.role {
            Role::Bias | Role::NormShift | Role::RunningMean => constant(0.0),
            Role::NormScale | Role::RunningVariance => constant(1.0),
            Role::Slope => constant(SLOPE as f32),
            Role::Multiplier if branches.scales.contains(t.reader.output()) => {
                constant(LAYER_SCALE as f32)
            }
            Role::Multiplier => constant(1.0),
            Role::Embedding => normals(seed, t.name, len, EMBEDDING_DEVIATION),
            Role::Weight => {
                let is_head = t.name == head.weight_name;
                let gain = if is_head { LOGIT_VARIANCE } else { gain(graph, t.reader.output()) };
                let deviation = (gain / fan_in(t)).sqrt() * branches.factor(t.reader.output());
                normals(seed, t.name, len, deviation)
            }
        };
        (t.name.to_owned(), values)
    };
    Ok(trainable(graph).iter().map(draw).collect())
}

fn normals(seed: u64, name: &str, len: usize, deviation: f64) -> Vec<f32> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name);
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    (0..len).map(|_| normal(&mut rng, deviation) as f32).collect()
}

/// How many products are summed up for one output of the weight's reader.
fn fan_in(weight: &Trainable) -> f64 {
    let Reader { node, slot, transposed } = weight.reader;
    let dims: Vec<f64> = weight.tensor.dims().iter().map(|&d| d as f64).collect();
    let from_end = |i: usize| dims.len().checked_sub(i).and_then(|i| dims.get(i)).copied();
    // Of the last two dimensions the one that is summed over.
    let summed = |last: bool| {
        let last = last != transposed || dims.len() == 1;
        from_end(if last { 1 } else { 2 }).unwrap_or(1.0)
    };
    let fan_in = match (node.op_type(), slot) {
        // out x in / group x kernel: right for depthwise kernels too.
        ("Conv", _) => dims.iter().skip(1).product(),
        // in x out / group x kernel, of which a stride leaves each output a part.
        ("ConvTranspose", _) => {
            let strides = attribute(node, "strides").map_or(1, |a| a.ints.iter().product::<i64>());
            let others = dims.iter().skip(2).product::<f64>() / strides.max(1) as f64;
            dims[0] / integer(node, "group", 1).max(1) as f64 * others
        }
        ("Gemm", 0) => summed(integer(node, "transA", 0) == 0),
        ("Gemm", _) => summed(integer(node, "transB", 0) != 0),
        ("Einsum", _) => contracted(node, slot, &dims),
        (_, slot) => summed(slot == 0),
    };
    fan_in.max(1.0)
}

/// The product of the dimensions that an `Einsum` sums over: those whose label its output lacks.
fn contracted(node: &NodeProto, slot: usize, dims: &[f64]) -> f64 {
    let equation = attribute(node, "equation").map_or(&[][..], |a| a.s());
    let equation: String =
        String::from_utf8_lossy(equation).chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = equation.split_once("->").unwrap_or((&equation, ""));
    let labels = inputs.split(',').nth(slot).unwrap_or_default();
    let summed = labels.chars().zip(dims).filter(|(label, _)| !output.contains(*label));
    summed.map(|(_, &d)| d).product()
}

/// The factor that keeps the variance of `tensor` through the first nonlinearities behind it.
fn gain(graph: &Graph, tensor: &str) -> f64 {
    let mut gain = 1f64;
    let mut seen = HashSet::from([tensor]);
    let mut queue = VecDeque::from([tensor]);
    while let Some(tensor) = queue.pop_front() {
        for node in graph.consumers(tensor) {
            match after(graph, node, &seen) {
                After::Gain(found) => gain = gain.max(found),
                After::Linear => {
                    queue.extend(node.output.iter().map(String::as_str).filter(|o| seen.insert(o)))
                }
                After::End => {}
            }
        }
    }
    gain
}

/// What a node does to the variance of what it reads.
enum After {
    /// A nonlinearity that asks for this gain.
    Gain(f64),
    /// Nothing of importance: look behind it.
    Linear,
    /// A normalisation or another weight, which make any scale do, or a nonlinearity that is steepest
    /// at zero.
    End,
}

fn after(graph: &Graph, node: &NodeProto, seen: &HashSet<&str>) -> After {
    let rectified = |slope: f64| After::Gain(2.0 / (1.0 + slope * slope));
    match node.op_type() {
        "Relu" | "Clip" | "Elu" | "Celu" | "ThresholdedRelu" | "Softplus" | "Gelu" | "Mish"
        | "HardSwish" | "Swish" => rectified(0.0),
        "LeakyRelu" => rectified(attribute(node, "alpha").map_or(0.01, |a| a.f().into())),
        "PRelu" => rectified(SLOPE),
        // GELU written out begins with an error function, or with a cube in its other form.
        "Erf" => rectified(0.0),
        "Pow" => {
            let exponent = node.input.get(1).and_then(|n| graph.constant(n)?.tensor.floats());
            if exponent == Some(vec![3.0]) { rectified(0.0) } else { After::End }
        }
        // x sigmoid(x) is SiLU; a sigmoid by itself is a gate.
        "Sigmoid" | "HardSigmoid" => {
            let multiplied = |n: &NodeProto| {
                n.op_type() == "Mul" && n.input.iter().any(|i| seen.contains(i.as_str()))
            };
            let is_silu = graph.consumers(&node.output[0]).any(multiplied);
            if is_silu { rectified(0.0) } else { After::End }
        }
        "Mul" | "Div" if graph.data_inputs(node).len() == 1 => After::Linear,
        "Add" | "Sub" | "Sum" | "Concat" | "Split" | "BatchNormalization" | "Dropout" | "Pad"
        | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" | "ReduceMean"
        | "Gather" | "Resize" | "DepthToSpace" | "SpaceToDepth" => After::Linear,
        op if rearranges(op) => After::Linear,
        _ => After::End,
    }
}

/// The ends of the residual branches, by what is written there.
struct Branches<'a> {
    /// Outputs of the last weighted nodes of branches that end in no layer scale.
    weights: HashSet<&'a str>,
    /// Outputs of layer scales.
    scales: HashSet<&'a str>,
}

impl<'a> Branches<'a> {
    fn find(graph: &Graph<'a>) -> Self {
        let multipliers: HashMap<&str, Role> = trainable(graph)
            .iter()
            .map(|t| (t.reader.output(), t.role))
            .filter(|(_, role)| *role == Role::Multiplier)
            .collect();
        let mut branches = Self { weights: HashSet::new(), scales: HashSet::new() };
        for &index in graph.order() {
            let node = graph.node(index);
            if !is_residual(graph, node) {
                continue;
            }
            // The shortcut passes fewer weights, a convolution at most.
            let inputs = graph.data_inputs(node);
            let mut tensor = inputs.into_iter().max_by_key(|n| graph.weighted_depth(n));
            while let Some((name, node)) = tensor.and_then(|t| Some((t, graph.producer_node(t)?))) {
                if graph.is_weighted(node) {
                    branches.weights.insert(name);
                    break;
                }
                if multipliers.contains_key(name) {
                    branches.scales.insert(name);
                    break;
                }
                tensor = carried(graph, node);
            }
        }
        branches
    }

    /// What the deviation of the weight is multiplied by whose reader writes `output`.
    fn factor(&self, output: &str) -> f64 {
        let branches = self.weights.len() + self.scales.len();
        if self.weights.contains(output) { 1.0 / (branches as f64).sqrt() } else { 1.0 }
    }
}

/// The one input of `node` that its output is a scaled or bent version of.
fn carried<'a>(graph: &Graph<'a>, node: &'a NodeProto) -> Option<&'a str> {
    let gates = |name: &&str| {
        let made_by = graph.producer_node(name).map_or("", |n| n.op_type());
        matches!(made_by, "Sigmoid" | "HardSigmoid" | "Clip")
    };
    match graph.data_inputs(node).as_slice() {
        [only] => Some(only),
        // What a gate lets through: squeeze and excitation.
        [a, b] if node.op_type() == "Mul" => match (gates(a), gates(b)) {
            (true, false) => Some(b),
            (false, true) => Some(a),
            _ => None,
        },
        _ => None,
    }
}
