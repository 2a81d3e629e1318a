//! Fresh weights for training from the start.
//!
//! Exporters fold batch normalisation into the convolutions before it, so what is trained here often
//! has no normalisation left that would mend a bad start: the variance of activations must neither
//! vanish nor explode over the depth by the weights alone.

use std::collections::{BTreeMap, HashSet, VecDeque};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::graph::{Graph, attribute, integer};
use super::head::Head;
use super::layers::is_residual;
use super::proto::onnx::NodeProto;
use super::random::normal;
use super::role::Role;
use super::shape::shape;
use super::trainable::{Reader, Trainable, multiplied, rearranges, source, trainable};
use crate::Result;

/// Embeddings and tokens start as those of transformers do (Devlin et al. 2019).
const EMBEDDING_DEVIATION: f64 = 0.02;

/// Layer scale at the end of a residual branch: the value of Touvron et al. 2021 (CaiT) for networks
/// up to 18 blocks. Their 1e-5 and the 1e-6 of ConvNeXt need hundreds of epochs to let branches in.
const LAYER_SCALE: f64 = 0.1;

/// Variance of a logit whose features have variance 1: the loss starts near `ln(classes)`, and the
/// encoder still gets a gradient.
const LOGIT_VARIANCE: f64 = 0.1;

/// Gains of nonlinearities that are no scaled ReLU.
mod gains {
    pub const ELU: f64 = 1.633;
    pub const GELU: f64 = 2.155;
    pub const HARD_SWISH: f64 = 2.456;
    pub const MISH: f64 = 2.107;
    pub const SILU: f64 = 2.430;
}

/// The slope that PReLU starts from (He et al. 2015).
const SLOPE: f64 = 0.25;

/// New values for all [`trainable`] tensors of a classifier, running statistics among them, by name.
/// Deterministic; each tensor's values depend on `seed` and its own name alone.
///
/// - Weights: normal, variance `gain / fan_in`. The gain keeps the mean square of activations from
///   one nonlinearity `f` to the next: `E[f(sqrt(gain) z)^2] = 1` for a normal `z`. That is 2 for
///   ReLU (He et al. 2015), `2 / (1 + a^2)` with slope `a` below zero, somewhat more for GELU, SiLU
///   and their kind, 1 without a nonlinearity (LeCun et al. 1998). Behind a gate (squeeze and
///   excitation), which starts half open, it is four times that. The head's gain is 0.1.
/// - The last weight of each of the `L` residual branches: deviation divided by `sqrt(L)`, so that
///   `L` sums grow the variance by at most `(1 + 1/L)^L < e` (after Zhang et al. 2019, Fixup, and De
///   and Smith 2020, SkipInit). A layer scale there, 0.1, takes its place.
/// - A weight that the graph multiplies by other constants: divided by their root mean square, that
///   the product has the variance above; the constants, where they are trained, as they are stored.
/// - Normalisations: scale 1, shift 0, running mean 0 and variance 1; other factors 1, biases 0,
///   PReLU slopes 0.25; embeddings, positions and class tokens: normal, deviation 0.02.
///
/// # Errors
/// When the graph has no classifier head.
pub fn fresh(graph: &Graph, seed: u64) -> Result<BTreeMap<String, Vec<f32>>> {
    let head = Head::find(graph)?;
    let tensors = trainable(graph);
    let branches = Branches::find(graph, &tensors);
    let draw = |t: &Trainable| {
        let len = t.len();
        let constant = |value: f32| vec![value; len];
        let values = match t.role {
            Role::Bias | Role::NormShift | Role::RunningMean => constant(0.0),
            Role::NormScale | Role::RunningVariance => constant(1.0),
            Role::Slope => constant(SLOPE as f32),
            Role::Multiplier if t.reader.factor => t.values(),
            Role::Multiplier if branches.scales.contains(t.reader.output()) => {
                constant(LAYER_SCALE as f32)
            }
            Role::Multiplier => constant(1.0),
            Role::Embedding => normals(seed, t.name, len, EMBEDDING_DEVIATION),
            Role::Weight => {
                let is_head = t.name == head.weight_name;
                let gain = if is_head { LOGIT_VARIANCE } else { gain(graph, t.reader.output()) };
                let gain = gain * 4f64.powi(gates_before(graph, t.reader.node));
                let deviation = (gain / fan_in(graph, t)).sqrt() / size_of_factors(graph, t.reader)
                    * branches.factor(t.reader.output());
                normals(seed, t.name, len, deviation)
            }
        };
        (t.name.to_owned(), values)
    };
    Ok(tensors.iter().map(draw).collect())
}

fn normals(seed: u64, name: &str, len: usize, deviation: f64) -> Vec<f32> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name);
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    (0..len).map(|_| normal(&mut rng, deviation) as f32).collect()
}

/// How many products are summed up for one output of the weight's reader.
fn fan_in(graph: &Graph, weight: &Trainable) -> f64 {
    let Reader { node, slot, .. } = weight.reader;
    let dims = shape(graph, weight.reader.input());
    let dims = dims.unwrap_or_else(|| weight.tensor.dims().to_vec());
    let dims: Vec<f64> = dims.into_iter().map(|d| d as f64).collect();
    let from_end = |i: usize| dims.len().checked_sub(i).and_then(|i| dims.get(i)).copied();
    // Of the last two dimensions the one that is summed over.
    let summed = |last: bool| from_end(if last || dims.len() == 1 { 1 } else { 2 }).unwrap_or(1.0);
    let fan_in = match (node.op_type(), slot) {
        // out x in / group x kernel: right for depthwise kernels too.
        ("Conv", _) => dims.iter().skip(1).product(),
        // in x out / group x kernel, of which a stride leaves each output a part.
        ("ConvTranspose", _) => {
            let strides = attribute(node, "strides").map_or(1, |a| a.ints.iter().product::<i64>());
            let others = dims.iter().skip(2).product::<f64>() / strides.max(1) as f64;
            dims.first().unwrap_or(&1.0) / integer(node, "group", 1).max(1) as f64 * others
        }
        ("Gemm", 0) => summed(integer(node, "transA", 0) == 0),
        ("Gemm", _) => summed(integer(node, "transB", 0) != 0),
        ("Einsum", _) => contracted(node, slot, &dims),
        (_, slot) => summed(slot == 0),
    };
    fan_in.max(1.0)
}

/// The root mean square of the constants that a weight is multiplied by on the way to its reader.
fn size_of_factors(graph: &Graph, reader: Reader) -> f64 {
    let mut size = 1.0;
    let mut name = reader.input();
    while let Some(node) = graph.producer_node(name) {
        let slot = match (node.op_type(), multiplied(graph, node)) {
            ("Mul", Some(slot)) => {
                let other = node.input.get(1 - slot).and_then(|n| source(graph, n)?.floats());
                let values = other.unwrap_or_default();
                let squares: f64 = values.iter().map(|v| v * v).sum();
                let found = (squares / values.len().max(1) as f64).sqrt();
                if found > 0.0 && found.is_finite() {
                    size *= found;
                }
                slot
            }
            (op, _) if rearranges(op) => 0,
            _ => break,
        };
        let Some(next) = node.input.get(slot) else { break };
        name = next;
    }
    size
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
        "Relu" | "Clip" | "ThresholdedRelu" => rectified(0.0),
        "LeakyRelu" => rectified(attribute(node, "alpha").map_or(0.01, |a| a.f().into())),
        "PRelu" => rectified(SLOPE),
        "Elu" | "Celu" => After::Gain(gains::ELU),
        "HardSwish" => After::Gain(gains::HARD_SWISH),
        "Swish" => After::Gain(gains::SILU),
        // Mish written out begins with a softplus.
        "Mish" | "Softplus" => After::Gain(gains::MISH),
        // GELU written out begins with an error function, or with a cube in its other form.
        "Gelu" | "Erf" => After::Gain(gains::GELU),
        "Pow" => {
            let exponent = node.input.get(1).and_then(|n| graph.constant(n)?.tensor.floats());
            if exponent == Some(vec![3.0]) { After::Gain(gains::GELU) } else { After::End }
        }
        // x sigmoid(x) is SiLU; a sigmoid by itself is a gate.
        "Sigmoid" | "HardSigmoid" => {
            let multiplied = |n: &NodeProto| {
                n.op_type() == "Mul" && n.input.iter().any(|i| seen.contains(i.as_str()))
            };
            match graph.consumers(&node.output[0]).any(multiplied) {
                true if node.op_type() == "Sigmoid" => After::Gain(gains::SILU),
                true => After::Gain(gains::HARD_SWISH),
                false => After::End,
            }
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
    fn find(graph: &Graph<'a>, tensors: &[Trainable<'a>]) -> Self {
        let multipliers = tensors.iter().filter(|t| t.role == Role::Multiplier && !t.reader.factor);
        let multiplied: HashSet<&str> = multipliers.map(|t| t.reader.output()).collect();
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
                if multiplied.contains(name) {
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

/// How many gates lie between the last nonlinearity and what `reader` multiplies by its weight.
fn gates_before(graph: &Graph, reader: &NodeProto) -> i32 {
    let mut gates = 0;
    let mut tensor = graph.data_inputs(reader).first().copied();
    while let Some(node) = tensor.and_then(|t| graph.producer_node(t)) {
        tensor = if let Some(passed) = gated(graph, node) {
            gates += 1;
            Some(passed)
        } else if rearranges(node.op_type()) || node.op_type().ends_with("Pool") {
            graph.data_inputs(node).first().copied()
        } else {
            None
        };
    }
    gates
}

/// What `node` lets through a gate: the factor of a product whose other factor is a sigmoid of
/// something else (squeeze and excitation, not SiLU).
fn gated<'a>(graph: &Graph<'a>, node: &'a NodeProto) -> Option<&'a str> {
    let &[a, b] = graph.data_inputs(node).as_slice() else { return None };
    let opened_by = |gate: &str, passed: &str| {
        let node = graph.producer_node(gate)?;
        if !matches!(node.op_type(), "Sigmoid" | "HardSigmoid") {
            return None;
        }
        // A factor before the sigmoid makes no gate of it: x sigmoid(1.702 x).
        let from = node.input.first()?.as_str();
        let scales = |n: &&NodeProto| n.op_type() == "Mul" && graph.data_inputs(n) == [passed];
        Some(from != passed && graph.producer_node(from).filter(scales).is_none())
    };
    match node.op_type() {
        "Mul" if opened_by(b, a) == Some(true) => Some(a),
        "Mul" if opened_by(a, b) == Some(true) => Some(b),
        _ => None,
    }
}

/// The one input of `node` that its output is a scaled or bent version of.
fn carried<'a>(graph: &Graph<'a>, node: &'a NodeProto) -> Option<&'a str> {
    match graph.data_inputs(node).as_slice() {
        [only] => Some(only),
        _ => gated(graph, node),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Network;
    use super::*;

    fn drawn(network: Network) -> BTreeMap<String, Vec<f32>> {
        let model = network.model();
        fresh(&Graph::new(&model).expect("a graph"), 7).expect("values")
    }

    /// The sum of squares of `n` normal numbers over their variance is chi-square with mean `n` and
    /// variance `2n`.
    fn has_variance(values: &[f32], variance: f64) {
        let n = values.len() as f64;
        let sum: f64 = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / variance;
        assert!((sum - n).abs() < 5.0 * (2.0 * n).sqrt(), "{} for {variance}", sum / n * variance);
    }

    /// Ends a network in a head that reads `tensor`, `n x d`.
    fn headed(network: Network, tensor: &str, d: i64) -> Network {
        network.weight("head", &[d, 10]).op("MatMul", &[tensor, "head"], "logits")
    }

    #[test]
    fn variances_are_gain_over_fan_in() {
        let network = Network::new()
            .weight("rectified", &[64, 32, 3, 3])
            .weight("depthwise", &[64, 1, 5, 5])
            .weight("linear", &[48, 64, 1, 1])
            .weight("up", &[48, 40, 4, 4])
            .weight("rows", &[80, 40])
            .weight("columns", &[80, 50])
            .op("Conv", &["x", "rectified"], "a")
            .op("Relu", &["a"], "b")
            .op_with("Conv", &["b", "depthwise"], "c", &[("group", &[64])])
            .op("LeakyRelu", &["c"], "d")
            .op("Conv", &["d", "linear"], "e")
            .op_with("ConvTranspose", &["e", "up"], "f", &[("strides", &[2, 2])])
            .op("Tanh", &["f"], "g")
            .op("GlobalAveragePool", &["g"], "h")
            .op("Flatten", &["h"], "i")
            .op_with("Gemm", &["i", "rows"], "j", &[("transB", &[1])])
            .op("Sigmoid", &["j"], "k")
            .op("Mul", &["j", "k"], "silu")
            .op("MatMul", &["silu", "columns"], "l")
            .op("Relu", &["l"], "m");
        let values = drawn(headed(network, "m", 50));
        has_variance(&values["rectified"], 2.0 / (32.0 * 9.0));
        // The slope that ONNX gives LeakyRelu is 0.01.
        has_variance(&values["depthwise"], 2.0 / 1.0001 / 25.0);
        has_variance(&values["linear"], 1.0 / 64.0);
        // Each output of a transposed convolution with stride 2 meets a quarter of the kernel.
        has_variance(&values["up"], 1.0 / (48.0 * 16.0 / 4.0));
        has_variance(&values["rows"], gains::SILU / 40.0);
        has_variance(&values["columns"], 2.0 / 80.0);
        has_variance(&values["head"], 0.1 / 50.0);
    }

    #[test]
    fn gains_keep_the_mean_square() {
        // E[f(sqrt(g) z)^2] by the trapezoidal rule; an approximation of erf is good to 1.5e-7
        // (Abramowitz and Stegun 7.1.26).
        let erf = |x: f64| {
            let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
            let series =
                [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
            let sum = series.iter().rev().fold(0.0, |s, c| (s + c) * t);
            (1.0 - sum * (-x * x).exp()).copysign(x)
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let cases: [(f64, &dyn Fn(f64) -> f64); 6] = [
            (2.0, &|x| x.max(0.0)),
            (gains::ELU, &|x| if x > 0.0 { x } else { x.exp_m1() }),
            (gains::GELU, &|x| 0.5 * x * (1.0 + erf(x / 2f64.sqrt()))),
            (gains::HARD_SWISH, &|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            (gains::MISH, &|x| x * x.exp().ln_1p().tanh()),
            (gains::SILU, &|x| x * sigmoid(x)),
        ];
        for (gain, f) in cases {
            let step = 1e-3;
            let points = (-10_000..=10_000).map(|i| f64::from(i) * step);
            let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
            let mean: f64 = points.map(|z| f(gain.sqrt() * z).powi(2) * density(z) * step).sum();
            assert!((mean - 1.0).abs() < 1e-3, "{gain}: {mean}");
        }
    }

    #[test]
    fn values_depend_on_seed_and_name_alone() {
        let network = |extra: bool| {
            let start = Network::new();
            let start = if extra { start.weight("first", &[8, 8]) } else { start };
            let network = start.weight("w", &[8, 8]).op("MatMul", &["x", "w"], "h");
            if !extra {
                return headed(network, "h", 8).model();
            }
            headed(network.op("MatMul", &["h", "first"], "i"), "i", 8).model()
        };
        let (small, large) = (network(false), network(true));
        let graphs = [Graph::new(&small).expect("a graph"), Graph::new(&large).expect("a graph")];
        let [a, b] = graphs.each_ref().map(|g| fresh(g, 1).expect("values"));
        assert_eq!(a["w"], b["w"]);
        assert_ne!(b["w"], b["first"]);
        assert_eq!(b, fresh(&graphs[1], 1).expect("values"));
        assert_ne!(a["w"], fresh(&graphs[0], 2).expect("values")["w"]);
    }

    #[test]
    fn residual_branches_end_small() {
        // Three branches: two that end in a weight, one that ends in a layer scale.
        let network = Network::new()
            .weight("stem", &[64, 64])
            .weight("a1", &[64, 64])
            .weight("a2", &[64, 64])
            .weight("b", &[64, 64])
            .weight("b.bias", &[64])
            .weight("c", &[64, 64])
            .weight("scale", &[64])
            .op("MatMul", &["x", "stem"], "s")
            .op("MatMul", &["s", "a1"], "a1o")
            .op("Relu", &["a1o"], "a1r")
            .op("MatMul", &["a1r", "a2"], "a2o")
            .op("Add", &["s", "a2o"], "t")
            .op("MatMul", &["t", "b"], "bo")
            .op("Add", &["b.bias", "bo"], "bb")
            .op("Add", &["bb", "t"], "u")
            .op("MatMul", &["u", "c"], "co")
            .op("Mul", &["co", "scale"], "cs")
            .op("Add", &["u", "cs"], "v");
        let values = drawn(headed(network, "v", 64));
        has_variance(&values["a1"], 2.0 / 64.0);
        has_variance(&values["a2"], 1.0 / 64.0 / 3.0);
        has_variance(&values["b"], 1.0 / 64.0 / 3.0);
        has_variance(&values["c"], 1.0 / 64.0);
        assert_eq!(values["scale"], [0.1; 64]);
        assert_eq!(values["b.bias"], [0.0; 64]);
    }

    #[test]
    fn what_the_graph_turns_or_multiplies_has_the_variance_that_its_reader_sees() {
        let network = Network::new()
            .weight("turned", &[3, 3, 32, 64])
            .weight("pruned", &[64, 64, 3, 3])
            .values("mask", &[64, 64, 3, 3], &[1.0, 0.0, 0.0, 0.0].repeat(64 * 16 * 9))
            .weight("scaled", &[48, 64, 1, 1])
            .values("scale", &[48, 1, 1, 1], &[0.125; 48])
            .weight("rows", &[40, 48])
            .op_with("Transpose", &["turned"], "a", &[("perm", &[3, 2, 0, 1])])
            .op("Conv", &["x", "a"], "b")
            .op("Mul", &["pruned", "mask"], "c")
            .op("Conv", &["b", "c"], "d")
            .op("Mul", &["scale", "scaled"], "e")
            .op("Conv", &["d", "e"], "f")
            .op("GlobalAveragePool", &["f"], "g")
            .op("Flatten", &["g"], "h")
            .op("Transpose", &["rows"], "columns")
            .op("MatMul", &["h", "columns"], "i");
        let values = drawn(headed(network, "i", 40));
        has_variance(&values["turned"], 1.0 / (32.0 * 9.0));
        // A quarter of the products is left.
        has_variance(&values["pruned"], 1.0 / (64.0 * 9.0 / 4.0));
        has_variance(&values["scaled"], 64.0 / 64.0);
        has_variance(&values["rows"], 1.0 / 48.0);
        assert_eq!(values["scale"], [0.125; 48]);
        assert!(!values.contains_key("mask"));
    }

    #[test]
    fn a_gate_that_starts_half_open_is_made_up_for() {
        let network = Network::new()
            .weight("squeeze", &[64, 64, 1, 1])
            .weight("after", &[64, 64, 1, 1])
            .op("Relu", &["x"], "a")
            .op("GlobalAveragePool", &["a"], "p")
            .op("Conv", &["p", "squeeze"], "s")
            .op("Sigmoid", &["s"], "gate")
            .op("Mul", &["gate", "a"], "g")
            .op("Conv", &["g", "after"], "c")
            .op("GlobalAveragePool", &["c"], "q")
            .op("Flatten", &["q"], "f");
        let values = drawn(headed(network, "f", 64));
        has_variance(&values["squeeze"], 1.0 / 64.0);
        has_variance(&values["after"], 4.0 / 64.0);
    }

    #[test]
    fn constants_and_embeddings() {
        let network = Network::new()
            .weight("scale", &[8])
            .weight("shift", &[8])
            .weight("mean", &[8])
            .weight("var", &[8])
            .weight("slope", &[8])
            .weight("table", &[500, 8])
            .weight("factor", &[8])
            .op("Gather", &["table", "x"], "e")
            .op("BatchNormalization", &["e", "scale", "shift", "mean", "var"], "n")
            .op("PRelu", &["n", "slope"], "a")
            .op("Mul", &["a", "factor"], "m");
        let values = drawn(headed(network, "m", 8));
        has_variance(&values["table"], 4e-4);
        for (name, value) in [
            ("scale", 1.0),
            ("shift", 0.0),
            ("mean", 0.0),
            ("var", 1.0),
            ("slope", 0.25),
            ("factor", 1.0),
        ] {
            assert_eq!(values[name], [value; 8], "{name}");
        }
    }

    #[test]
    fn einsum_sums_over_labels_that_its_output_lacks() {
        use super::super::testing::node;
        let mut einsum = node("Einsum", &["x", "w"], "y");
        einsum.attribute.push(super::super::proto::onnx::AttributeProto {
            name: Some("equation".into()),
            s: Some(b"bthd, hde -> bte".to_vec()),
            ..Default::default()
        });
        assert_eq!(contracted(&einsum, 1, &[4.0, 16.0, 64.0]), 64.0);
    }
}
