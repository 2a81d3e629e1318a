//! Which tensors of a model were trained, and so may be trained again.
//!
//! ONNX doesn't say: an initializer may be a weight, the mean of the training set, an attention mask
//! or a number in a formula. What reads it tells them apart.

use std::collections::HashSet;

use super::graph::{Constant, Graph, attribute};
use super::proto::onnx::NodeProto;
use super::role::{Role, role_of_input};
use super::shape::shape;
use super::tensor::Tensor;

/// A tensor of floating point that was trained: an initializer of the main graph or the value of a
/// `Constant` node.
#[derive(Clone, Copy)]
pub struct Trainable<'a> {
    /// The initializer's name, or that of the `Constant` node's output; one a tensor, however many
    /// nodes read it.
    pub name: &'a str,
    /// What it is to its reader; to the first one, where several read it.
    pub role: Role,
    /// Shape, type (half precision too) and values.
    pub tensor: Tensor<'a>,
    /// The reader that gives it its role.
    pub(super) reader: Reader<'a>,
}

impl Trainable<'_> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.tensor.len().unwrap_or(0)
    }

    /// Whether it holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in row-major order, rounded from `f64` where they are stored as such.
    pub fn values(&self) -> Vec<f32> {
        let values = self.tensor.floats().unwrap_or_default();
        values.into_iter().map(|v| v as f32).collect()
    }
}

/// A node that reads a constant, directly or through nodes that only rearrange it.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub node: &'a NodeProto,
    /// The number of the input.
    pub slot: usize,
    /// Whether what is read is another constant multiplied by this one: a scale or a mask of it.
    pub factor: bool,
}

impl<'a> Reader<'a> {
    /// What the node writes.
    pub fn output(&self) -> &'a str {
        &self.node.output[0]
    }

    /// What the node reads there.
    pub fn input(&self) -> &'a str {
        &self.node.input[self.slot]
    }
}

/// The trained tensors of the main graph: initializers in file order, then `Constant` nodes.
///
/// These are what weighted operators, normalisations, PReLU and embedding look-ups read as weights,
/// and tensors of two values and more that are added to, multiplied with or joined to activations.
/// Of the latter those are left out that meet the input before any layer (a normalisation of the
/// input, part of the graph), that hold infinities or look like a mask, and divisors that are whole
/// numbers (the counts of an average pooling). Of a product of constants one factor is the weight;
/// the others are masks of zeros and ones, which are left out, or multipliers. Running statistics
/// are listed with a role of their own, also where a file keeps one tensor for them and for
/// something that is trained by gradient.
///
/// What is behind quantisation, integers and what only subgraphs read is not listed.
pub fn trainable<'a>(graph: &Graph<'a>) -> Vec<Trainable<'a>> {
    let constants = graph.float_constants();
    let readers: Vec<Vec<Reader>> = constants.iter().map(|c| readers(graph, c.name)).collect();
    let trained = behind_layers(graph, readers.iter().flatten());
    let mut found = Vec::new();
    for (constant, readers) in constants.iter().zip(readers) {
        let roles: Vec<(Role, Reader)> = readers
            .into_iter()
            .filter_map(|r| Some((role(graph, &trained, constant, &r)?, r)))
            .collect();
        // A gradient may make a variance negative: what serves as one is not trained as a scale.
        let statistic =
            roles.iter().find(|(r, _)| matches!(r, Role::RunningMean | Role::RunningVariance));
        if let Some(&(role, reader)) = statistic.or(roles.first()) {
            found.push(Trainable { name: constant.name, role, tensor: constant.tensor, reader });
        }
    }
    found
}

/// The outputs of `Constant` nodes that hold lists of numbers (`value_floats`), not all equal, where
/// weights belong. They were trained, but no new values can be written to them.
pub fn lists<'a>(graph: &Graph<'a>) -> Vec<&'a str> {
    let constants = graph.float_constants();
    let all: Vec<Reader> = constants.iter().flat_map(|c| readers(graph, c.name)).collect();
    let trained = behind_layers(graph, all.iter());
    let weighs = |r: &Reader| {
        let op = r.node.op_type();
        let meets_layers = || r.node.input.iter().any(|n| trained.contains(n.as_str()));
        role_of_input(op, r.slot).is_some()
            || is_arithmetic(op) && graph.is_data(r.output()) && meets_layers()
    };
    let nodes = graph.order().iter().map(|&i| graph.node(i));
    let learned = |n: &&NodeProto| {
        let list = attribute(n, "value_floats").map_or(&[][..], |a| &a.floats);
        n.op_type() == "Constant" && list.iter().any(|v| *v != list[0])
    };
    let found = nodes.filter(learned);
    let outputs = found.filter_map(|n| n.output.first()).map(String::as_str);
    outputs.filter(|name| readers(graph, name).iter().any(weighs)).collect()
}

/// All that read `name`, through nodes that rearrange it and through arithmetic among constants.
fn readers<'a>(graph: &Graph<'a>, name: &'a str) -> Vec<Reader<'a>> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([name]);
    let mut stack = vec![(name, false)];
    while let Some((tensor, factor)) = stack.pop() {
        let mut nodes: Vec<&NodeProto> = graph.consumers(tensor).collect();
        // A node that reads the tensor twice is listed twice.
        nodes.dedup_by(|a, b| std::ptr::eq(*a, *b));
        for node in nodes {
            for (slot, _) in node.input.iter().enumerate().filter(|(_, n)| *n == tensor) {
                let output = node.output[0].as_str();
                let passes = rearranges(node.op_type()) && slot == 0
                    || is_arithmetic(node.op_type()) && !graph.is_data(output);
                if !passes {
                    found.push(Reader { node, slot, factor });
                } else if seen.insert(output) {
                    stack.push((
                        output,
                        factor || multiplied(graph, node).is_some_and(|m| m != slot),
                    ));
                }
            }
        }
    }
    found
}

/// Operators whose first input comes out with its values as they were. The older PyTorch exporter
/// shares equal initializers through `Identity`.
pub(super) fn rearranges(op: &str) -> bool {
    matches!(
        op,
        "Identity"
            | "Reshape"
            | "Transpose"
            | "Unsqueeze"
            | "Squeeze"
            | "Expand"
            | "Cast"
            | "Flatten"
            | "Slice"
    )
}

/// Operators that take weights in any place, and constants of formulas too.
fn is_arithmetic(op: &str) -> bool {
    matches!(op, "Add" | "Sub" | "Mul" | "Div" | "Sum" | "Concat")
}

/// Which input of `node`, a product of constants, is multiplied by the other one: the larger, if it
/// is no mask, or else the first. `None` where `node` is no product.
pub(super) fn multiplied(graph: &Graph, node: &NodeProto) -> Option<usize> {
    let weight = |slot: usize| {
        let name = node.input.get(slot)?;
        let masks = source(graph, name).is_some_and(|t| !t.is_float() || is_zeros_and_ones(t));
        let len = shape(graph, name)
            .map_or(0, |dims| dims.iter().fold(1, |n: i64, d| n.saturating_mul(*d)));
        Some((!masks, len))
    };
    match node.op_type() {
        "Mul" => Some(usize::from(weight(1)? > weight(0)?)),
        "Div" => Some(0),
        _ => None,
    }
}

/// The constant that `name` is, or that was rearranged to it.
pub(super) fn source<'a>(graph: &Graph<'a>, mut name: &'a str) -> Option<Tensor<'a>> {
    loop {
        if let Some(tensor) = graph.stored(name) {
            return Some(tensor);
        }
        let node = graph.producer_node(name).filter(|n| rearranges(n.op_type()))?;
        name = node.input.first()?;
    }
}

fn is_zeros_and_ones(tensor: Tensor) -> bool {
    tensor.floats().is_some_and(|values| values.iter().all(|&v| v == 0.0 || v == 1.0))
}

/// What the layers among `readers` write and all that is made from it.
fn behind_layers<'a: 'r, 'r>(
    graph: &Graph<'a>,
    readers: impl Iterator<Item = &'r Reader<'a>>,
) -> HashSet<&'a str> {
    let layers = readers.filter(|r| role_of_input(r.node.op_type(), r.slot).is_some());
    let mut tensors: HashSet<&str> = layers.map(Reader::output).collect();
    for &index in graph.order() {
        let node = graph.node(index);
        if node.input.iter().any(|n| tensors.contains(n.as_str())) {
            tensors.extend(node.output.iter().map(String::as_str));
        }
    }
    tensors
}

/// What `constant` is to `reader`; `None` where it was not trained. `trained` is what layers gave.
fn role(
    graph: &Graph,
    trained: &HashSet<&str>,
    constant: &Constant,
    reader: &Reader,
) -> Option<Role> {
    let role = own_role(graph, trained, constant, reader)?;
    match role {
        _ if !reader.factor => Some(role),
        Role::RunningMean | Role::RunningVariance => None,
        _ => (!is_zeros_and_ones(constant.tensor)).then_some(Role::Multiplier),
    }
}

/// What all that `reader` reads there is to it, whether `constant` is all of it or a factor.
fn own_role(
    graph: &Graph,
    trained: &HashSet<&str>,
    constant: &Constant,
    reader: &Reader,
) -> Option<Role> {
    let (node, slot, tensor) = (reader.node, reader.slot, constant.tensor);
    let len = tensor.len()?;
    // A single number is a weight only where its place says so, and where it has a shape.
    if tensor.dims().is_empty() || len < if constant.is_node { 2 } else { 1 } {
        return None;
    }
    let Some(role) = role_of_input(node.op_type(), slot) else {
        let usable = is_arithmetic(node.op_type()) && len >= 2 && graph.is_data(reader.output());
        return if usable { arithmetic_role(graph, trained, tensor, reader) } else { None };
    };
    let trained = match (node.op_type(), role) {
        // A list of numbers is looked up in formulas; a table has rows.
        (_, Role::Embedding) => tensor.dims().len() >= 2,
        // A product of constants is a formula: the angles of rotary positions, say.
        (_, Role::Weight) => graph.is_data(reader.output()),
        // Group normalisation written out: ones and zeros here, the weights in Mul and Add behind.
        ("InstanceNormalization", _) => {
            graph.producer_node(&node.input[0]).is_none_or(|n| n.op_type() != "Reshape")
        }
        _ => true,
    };
    trained.then_some(role)
}

fn arithmetic_role(
    graph: &Graph,
    trained: &HashSet<&str>,
    tensor: Tensor,
    reader: &Reader,
) -> Option<Role> {
    let node = reader.node;
    let meets_layers = node.input.iter().any(|n| trained.contains(n.as_str()) && graph.is_data(n));
    if !meets_layers {
        return None;
    }
    let values = tensor.floats()?;
    if values.iter().any(|v| !v.is_finite()) || is_mask(&values) {
        return None;
    }
    match node.op_type() {
        "Concat" => Some(Role::Embedding),
        // A layer scale may start as ones, and a dead one be all zeros.
        "Mul" if is_zeros_and_ones(tensor) && values.iter().any(|&v| v != values[0]) => None,
        "Mul" => Some(multiplier(graph, node)),
        "Div" if reader.slot == 1 && values.iter().any(|v| v.fract() != 0.0) => {
            Some(Role::Multiplier)
        }
        "Div" => None,
        // One value a channel is a bias; a position embedding differs along two axes.
        _ if tensor.dims().iter().filter(|&&d| d != 1).count() <= 1 => Some(Role::Bias),
        _ => Some(Role::Embedding),
    }
}

/// Two distinct values, one of them 0, the other so low that softmax makes nothing of it.
fn is_mask(values: &[f64]) -> bool {
    let other = values.iter().copied().find(|&v| v != 0.0);
    let zeros = values.contains(&0.0);
    zeros && other.is_some_and(|o| o <= -10.0 && values.iter().all(|&v| v == 0.0 || v == o))
}

/// The role of the constant that `node`, a `Mul`, multiplies by.
fn multiplier(graph: &Graph, node: &NodeProto) -> Role {
    let normalised = graph.data_inputs(node).iter().any(|n| is_normalised(graph, n));
    if normalised { Role::NormScale } else { Role::Multiplier }
}

/// Whether `tensor` comes from a normalisation without a scale, or one written out: division by a
/// root, or multiplication by the reciprocal of one.
fn is_normalised(graph: &Graph, tensor: &str) -> bool {
    let Some(node) = graph.producer_node(tensor) else { return false };
    let made_by = |slot: usize, ops: &[&str]| {
        let input = node.input.get(slot).and_then(|n| graph.producer_node(n));
        input.is_some_and(|n| ops.contains(&n.op_type()))
    };
    match node.op_type() {
        "LayerNormalization" | "InstanceNormalization" | "GroupNormalization" => true,
        "Div" => made_by(1, &["Sqrt"]),
        "Mul" => (0..2).any(|slot| made_by(slot, &["Reciprocal"])),
        op => rearranges(op) && is_normalised(graph, &node.input[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Network, constant, node};
    use super::*;

    fn found(network: Network) -> Vec<(String, Role)> {
        let model = network.model();
        let graph = Graph::new(&model).expect("a graph");
        trainable(&graph).iter().map(|t| (t.name.to_owned(), t.role)).collect()
    }

    fn is(found: &[(String, Role)], expected: &[(&str, Role)]) {
        let found: Vec<(&str, Role)> = found.iter().map(|(n, r)| (n.as_str(), *r)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn layers_give_their_inputs_roles() {
        let network = Network::new()
            .weight("conv.w", &[4, 3, 3, 3])
            .weight("conv.b", &[4])
            .weight("scale", &[4])
            .weight("shift", &[4])
            .weight("mean", &[4])
            .weight("var", &[4])
            .weight("slope", &[1])
            .weight("head.w", &[2, 4])
            .weight("head.b", &[2])
            .op("Conv", &["x", "conv.w", "conv.b"], "c")
            .op("BatchNormalization", &["c", "scale", "shift", "mean", "var"], "n")
            .op("PRelu", &["n", "slope"], "a")
            .op("GlobalAveragePool", &["a"], "p")
            .op("Flatten", &["p"], "f")
            .op("Gemm", &["f", "head.w", "head.b"], "y");
        is(
            &found(network),
            &[
                ("conv.w", Role::Weight),
                ("conv.b", Role::Bias),
                ("scale", Role::NormScale),
                ("shift", Role::NormShift),
                ("mean", Role::RunningMean),
                ("var", Role::RunningVariance),
                ("slope", Role::Slope),
                ("head.w", Role::Weight),
                ("head.b", Role::Bias),
            ],
        );
    }

    #[test]
    fn a_shared_tensor_is_listed_once_and_a_variance_stays_one() {
        let network = Network::new()
            .weight("w", &[4, 4, 1, 1])
            .weight("b", &[4])
            .weight("ones", &[4])
            .op("Identity", &["b"], "b2")
            .op("Identity", &["b2"], "b3")
            .op("Conv", &["x", "w", "b"], "c")
            .op("Conv", &["c", "w", "b3"], "d")
            .op("BatchNormalization", &["d", "ones", "b2", "b2", "ones"], "y");
        let expected =
            [("w", Role::Weight), ("b", Role::RunningMean), ("ones", Role::RunningVariance)];
        is(&found(network), &expected);
    }

    #[test]
    fn what_normalises_the_input_is_not_trained() {
        let network = Network::new()
            .weight("mean", &[1, 3, 1, 1])
            .weight("std", &[1, 3, 1, 1])
            .weight("w", &[4, 3, 3, 3])
            .op("Sub", &["x", "mean"], "s")
            .op("Div", &["s", "std"], "n")
            .op("Conv", &["n", "w"], "y");
        is(&found(network), &[("w", Role::Weight)]);
    }

    #[test]
    fn positions_after_an_embedding_are_trained() {
        let network = Network::new()
            .weight("table", &[100, 8])
            .weight("positions", &[1, 16, 8])
            .weight("w", &[8, 2])
            .weight("b", &[2])
            .op("Gather", &["table", "x"], "e")
            .op("Add", &["e", "positions"], "p")
            .op("MatMul", &["p", "w"], "m")
            .op("Add", &["b", "m"], "y");
        is(
            &found(network),
            &[
                ("table", Role::Embedding),
                ("positions", Role::Embedding),
                ("w", Role::Weight),
                ("b", Role::Bias),
            ],
        );
    }

    #[test]
    fn masks_counts_and_single_numbers_are_not_trained() {
        let network = Network::new()
            .weight("w", &[4, 4])
            .values("mask", &[2, 2], &[0.0, -100.0, 0.0, -100.0])
            .values("infinite", &[2, 2], &[0.0, f32::NEG_INFINITY, 0.0, 0.0])
            .values("counts", &[2, 2], &[4.0, 6.0, 6.0, 9.0])
            .values("zeros", &[2, 2], &[0.0; 4])
            .values("root", &[1], &[0.125])
            .values("half", &[], &[0.5])
            .op("MatMul", &["x", "w"], "s0")
            .op("Add", &["s0", "mask"], "s1")
            .op("Add", &["s1", "infinite"], "s2")
            .op("Div", &["s2", "counts"], "s3")
            .op("Add", &["s3", "zeros"], "s4")
            .op("Mul", &["s4", "root"], "s5")
            .op("Gemm", &["s5", "half", "half"], "y");
        is(&found(network), &[("w", Role::Weight), ("zeros", Role::Embedding)]);
    }

    #[test]
    fn a_class_token_is_found_behind_what_rearranges_it() {
        // CLIP adds zeros of the batch's shape; torchvision expands.
        let network = Network::new()
            .weight("w", &[8, 3, 4, 4])
            .weight("token", &[8])
            .integers("shape", &[1, 1, 8])
            .op("Conv", &["x", "w"], "c")
            .op("ConstantOfShape", &["shape"], "zeros")
            .op("Add", &["token", "zeros"], "added")
            .op("Expand", &["added", "shape"], "expanded")
            .op("Concat", &["expanded", "c"], "y");
        is(&found(network), &[("w", Role::Weight), ("token", Role::Embedding)]);
    }

    #[test]
    fn normalisations_written_out_are_recognised() {
        let network = Network::new()
            .weight("w", &[4, 4])
            .weight("layer.scale", &[4])
            .weight("layer.shift", &[4])
            .values("ones", &[2], &[1.0; 2])
            .values("noughts", &[2], &[0.0; 2])
            .weight("group.scale", &[4, 1, 1])
            .weight("gamma", &[4])
            .integers("shape", &[0, 2, -1])
            .op("MatMul", &["x", "w"], "h")
            .op("ReduceMean", &["h"], "v")
            .op("Sqrt", &["v"], "s")
            .op("Div", &["h", "s"], "d")
            .op("Mul", &["d", "layer.scale"], "m")
            .op("Add", &["m", "layer.shift"], "l")
            .op("Reshape", &["l", "shape"], "r")
            .op("InstanceNormalization", &["r", "ones", "noughts"], "i")
            .op("Reshape", &["i", "shape"], "j")
            .op("Mul", &["j", "group.scale"], "g")
            .op("Relu", &["g"], "a")
            .op("Mul", &["a", "gamma"], "y");
        is(
            &found(network),
            &[
                ("w", Role::Weight),
                ("layer.scale", Role::NormScale),
                ("layer.shift", Role::Bias),
                ("group.scale", Role::NormScale),
                ("gamma", Role::Multiplier),
            ],
        );
    }

    #[test]
    fn constant_nodes_count_from_two_values_and_quantised_weights_do_not() {
        let network = Network::new()
            .weight("hidden", &[4, 4])
            .weight("step", &[4])
            .node(constant("w", &[4, 4], &[0.5; 16]))
            .node(constant("b", &[1], &[0.5]))
            .op("Gemm", &["x", "w", "b"], "h")
            .op("QuantizeLinear", &["hidden", "step"], "q")
            .op("DequantizeLinear", &["q", "step"], "r")
            .op("MatMul", &["h", "r"], "y");
        is(&found(network), &[("w", Role::Weight)]);
    }

    #[test]
    fn of_a_product_of_constants_one_factor_is_the_weight() {
        let network = Network::new()
            .weight("pruned", &[4, 4])
            .values("mask", &[4, 4], &[0.0, 1.0, 1.0, 1.0].repeat(4))
            .weight("direction", &[4, 4])
            .values("length", &[4, 1], &[0.5, 1.0, 1.5, 2.0])
            .values("untouched", &[4, 4], &[1.0; 16])
            .weight("last", &[4, 4])
            .values("channels", &[4], &[1.0, 0.0, 1.0, 1.0])
            .op("Mul", &["mask", "pruned"], "first")
            .op("Identity", &["length"], "l")
            .op("ReduceL2", &["direction"], "norm")
            .op("Div", &["direction", "norm"], "unit")
            .op("Mul", &["l", "unit"], "second")
            .op("Mul", &["untouched", "last"], "third")
            .op("MatMul", &["x", "first"], "a")
            .op("MatMul", &["a", "second"], "b")
            .op("Mul", &["b", "channels"], "c")
            .op("MatMul", &["c", "third"], "y");
        is(
            &found(network),
            &[
                ("pruned", Role::Weight),
                ("direction", Role::Weight),
                ("length", Role::Multiplier),
                ("last", Role::Weight),
            ],
        );
    }

    #[test]
    fn lists_of_numbers_in_the_place_of_weights_are_found() {
        let listed = |output: &str, values: &[f32]| {
            let list = super::super::proto::onnx::AttributeProto {
                name: Some("value_floats".into()),
                floats: values.to_vec(),
                ..Default::default()
            };
            NodeProto { attribute: vec![list], ..node("Constant", &[], output) }
        };
        let model = Network::new()
            .weight("w", &[4, 4])
            .weight("head", &[4, 2])
            .node(listed("mean", &[0.5, 0.4, 0.3, 0.2]))
            .node(listed("bias", &[0.1, 0.2, 0.3, 0.4]))
            .node(listed("ones", &[1.0; 4]))
            .node(listed("offset", &[0.1, -0.1]))
            .node(listed("sizes", &[1.0, 2.0]))
            .op("Sub", &["x", "mean"], "s")
            .op("MatMul", &["s", "w"], "h")
            .op("InstanceNormalization", &["h", "ones", "bias"], "i")
            .op("Resize", &["i", "", "sizes"], "j")
            .op("Gemm", &["j", "head", "offset"], "y")
            .model();
        assert_eq!(lists(&Graph::new(&model).expect("a graph")), ["bias", "offset"]);
    }

    #[test]
    fn products_of_constants_are_formulas() {
        // The angles of rotary positions: frequencies times positions.
        let network = Network::new()
            .weight("w", &[4, 4])
            .weight("frequencies", &[4, 1])
            .weight("positions", &[1, 4])
            .op("MatMul", &["frequencies", "positions"], "angles")
            .op("Cos", &["angles"], "cos")
            .op("MatMul", &["x", "w"], "h")
            .op("Mul", &["h", "cos"], "y");
        is(&found(network), &[("w", Role::Weight)]);
    }
}
