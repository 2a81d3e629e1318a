//! Layer choice: which tensors are tapped, and which of them belong together in two models.

use std::collections::HashSet;

use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::graph::Graph;
use super::head::Head;
use crate::{Error, Result};

/// More layers than this are thinned evenly: neighbours in a deep stack tell the same story.
const MAX_LAYERS: usize = 32;

/// Why a tensor is tapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// The output of a residual block.
    Residual,
    /// An activation before a change of resolution or width.
    Activation,
    /// Where the encoder ends and a head of several layers begins.
    Features,
    /// What the last linear layer reads.
    HeadInput,
    /// Named by the user.
    Requested,
}

impl LayerKind {
    /// The kind as it is written in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Residual => "residual",
            Self::Activation => "activation",
            Self::Features => "features",
            Self::HeadInput => "head-input",
            Self::Requested => "requested",
        }
    }
}

/// A tapped tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name in its own graph.
    pub tensor: String,
    /// Why it was chosen.
    pub kind: LayerKind,
    /// Weighted nodes upstream.
    pub depth: usize,
}

/// How layers are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// Residual-block outputs, else activations before a change of resolution or width; always
    /// where the encoder ends and what the last linear layer reads.
    #[default]
    Automatic,
    /// Names and globs (`*` crosses `/`); the head's input is always added.
    Patterns(Vec<String>),
}

/// Chooses the layers of one model, shallow to deep; the last is the head's input.
///
/// # Errors
/// When a pattern is no valid glob or matches no activation; the message names the nearest ones.
pub fn choose_layers(graph: &Graph, head: &Head, selection: &Selection) -> Result<Vec<Layer>> {
    let mut chosen = match selection {
        Selection::Automatic => thinned(automatic(graph, head)),
        Selection::Patterns(patterns) => requested(graph, patterns)?,
    };
    if head.features != head.input {
        let tensor = head.features_source.as_ref().unwrap_or(&head.features);
        push(graph, &mut chosen, tensor, LayerKind::Features);
    }
    push(graph, &mut chosen, &head.input, LayerKind::HeadInput);
    Ok(chosen)
}

fn push(graph: &Graph, layers: &mut Vec<Layer>, tensor: &str, kind: LayerKind) {
    layers.retain(|l| l.tensor != tensor);
    layers.push(Layer { tensor: tensor.to_owned(), kind, depth: graph.weighted_depth(tensor) });
}

fn automatic(graph: &Graph, head: &Head) -> Vec<Layer> {
    let encoder: HashSet<usize> = graph.ancestors(&head.features).into_iter().collect();
    let in_encoder = |tensor: &&str| graph.producer(tensor).is_some_and(|i| encoder.contains(&i));
    let as_layers = |tensors: Vec<&str>, kind| -> Vec<Layer> {
        let mut seen = HashSet::new();
        tensors
            .into_iter()
            .filter(in_encoder)
            .filter(|t| seen.insert(t.to_string()))
            .map(|t| Layer { tensor: t.to_owned(), kind, depth: graph.weighted_depth(t) })
            .filter(|l| l.depth > 0)
            .collect()
    };
    let residual = as_layers(residual_outputs(graph), LayerKind::Residual);
    if residual.len() >= 2 {
        return residual;
    }
    for changes in [changes_resolution, changes_width] {
        let layers = as_layers(activations_before(graph, changes), LayerKind::Activation);
        if layers.len() >= 2 {
            return layers;
        }
    }
    as_layers(
        graph
            .activations()
            .into_iter()
            .filter(|t| graph.producer_node(t).is_some_and(|n| is_activation(n.op_type())))
            .collect(),
        LayerKind::Activation,
    )
}

/// Outputs of additions of two data tensors, moved behind the activation that follows alone.
fn residual_outputs<'a>(graph: &Graph<'a>) -> Vec<&'a str> {
    let mut outputs = Vec::new();
    for &i in graph.order() {
        let node = graph.node(i);
        if !is_residual(graph, node) {
            continue;
        }
        let sum = node.output[0].as_str();
        let mut readers = graph.consumers(sum);
        outputs.push(match (readers.next(), readers.next()) {
            (Some(only), None) if is_activation(only.op_type()) => only.output[0].as_str(),
            _ => sum,
        });
    }
    outputs
}

/// Whether the node adds up two data tensors of which one goes around weights.
pub(super) fn is_residual(graph: &Graph, node: &super::proto::onnx::NodeProto) -> bool {
    let inputs = graph.data_inputs(node);
    // A sum of pieces of one tensor (pooling written out, say) passes no weights on any path.
    let depth = graph.weighted_depth(&node.output[0]);
    let around_weights = inputs.iter().any(|i| graph.weighted_depth(i) < depth);
    matches!(node.op_type(), "Add" | "Sum") && inputs.len() >= 2 && around_weights
}

fn is_activation(op: &str) -> bool {
    matches!(
        op,
        "Relu"
            | "LeakyRelu"
            | "PRelu"
            | "Elu"
            | "Selu"
            | "Celu"
            | "Clip"
            | "Sigmoid"
            | "Tanh"
            | "HardSwish"
            | "HardSigmoid"
            | "Gelu"
            | "Mish"
            | "Softplus"
            | "Softsign"
    )
}

type Change = fn(&Graph, &super::proto::onnx::NodeProto) -> bool;

fn activations_before<'a>(graph: &Graph<'a>, changes: Change) -> Vec<&'a str> {
    let nodes = graph.order().iter().map(|&i| graph.node(i));
    let changing = nodes.filter(|n| changes(graph, n));
    changing.filter_map(|n| graph.data_inputs(n).first().copied()).collect()
}

fn changes_resolution(_: &Graph, node: &super::proto::onnx::NodeProto) -> bool {
    let strided =
        super::graph::attribute(node, "strides").is_some_and(|a| a.ints.iter().any(|&s| s > 1));
    match node.op_type() {
        "MaxPool" | "AveragePool" | "Conv" => strided,
        "GlobalAveragePool" | "GlobalMaxPool" => true,
        _ => false,
    }
}

fn changes_width(graph: &Graph, node: &super::proto::onnx::NodeProto) -> bool {
    let Some(constant) = node.input.get(1).and_then(|w| graph.constant(w)) else { return false };
    graph.is_weighted(node) && matches!(constant.tensor.dims(), [a, b, ..] if a != b)
}

fn thinned(layers: Vec<Layer>) -> Vec<Layer> {
    let n = layers.len();
    if n <= MAX_LAYERS {
        return layers;
    }
    // The deepest is always kept: spread MAX_LAYERS picks over 1..=n, counted from the end.
    let keep: HashSet<usize> = (1..=MAX_LAYERS).map(|i| i * n / MAX_LAYERS - 1).collect();
    layers.into_iter().enumerate().filter(|(i, _)| keep.contains(i)).map(|(_, l)| l).collect()
}

fn requested(graph: &Graph, patterns: &[String]) -> Result<Vec<Layer>> {
    let names = graph.activations();
    let mut wanted = HashSet::new();
    for pattern in patterns {
        // A tensor's exact name wins: names may hold characters that mean something in a glob.
        if names.contains(&pattern.as_str()) {
            wanted.insert(pattern.as_str());
            continue;
        }
        let matcher = glob(pattern)?;
        let before = wanted.len();
        wanted.extend(names.iter().filter(|n| matcher.is_match(n)));
        if wanted.len() == before {
            return Err(unknown(graph, pattern, &names));
        }
    }
    let tensors = names.into_iter().filter(|n| wanted.contains(n));
    let kind = LayerKind::Requested;
    Ok(tensors
        .map(|t| Layer { tensor: t.to_owned(), kind, depth: graph.weighted_depth(t) })
        .collect())
}

fn glob(pattern: &str) -> Result<GlobMatcher> {
    let built = GlobBuilder::new(pattern).literal_separator(false).build();
    built.map(|g| g.compile_matcher()).map_err(|e| {
        Error::input(format!("--layers {pattern}"), e.kind(), "`*` matches any part of a name")
    })
}

fn unknown(graph: &Graph, pattern: &str, names: &[&str]) -> Error {
    let mut near: Vec<(f64, &str)> =
        names.iter().map(|n| (strsim::jaro_winkler(pattern, n), *n)).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<String> = near.iter().take(3).map(|(_, n)| format!("\"{n}\"")).collect();
    Error::input(
        format!("--layers {pattern}"),
        format!("{} has no such activation", graph.model().path().display()),
        format!("the nearest are {}; `audit inspect` lists the layers", near.join(", ")),
    )
}

/// Finds the counterpart in `other` of each of `layers`: by name where the name stands for the same
/// place, else by structure. A place is the operator and the number of weighted nodes between it and
/// the end of the encoder: layers added in front don't shift what is deep.
///
/// Returns one entry a layer, `None` where there is no counterpart.
pub fn match_layers(
    layers: &[Layer],
    graph: &Graph,
    head: &Head,
    other: &Graph,
    other_head: &Head,
) -> Vec<Option<String>> {
    let automatic = choose_layers(other, other_head, &Selection::Automatic).unwrap_or_default();
    let activations = other.activations();
    let from_end = |g: &Graph, h: &Head, tensor: &str| {
        g.weighted_depth(&h.features) as i64 - g.weighted_depth(tensor) as i64
    };
    let operator =
        |g: &Graph, tensor: &str| g.producer_node(tensor).map(|n| n.op_type().to_owned());
    layers
        .iter()
        .map(|layer| {
            if layer.kind == LayerKind::Features {
                let source = other_head.features_source.as_ref();
                return Some(source.unwrap_or(&other_head.features).clone());
            }
            if layer.tensor == head.input {
                return Some(other_head.input.clone());
            }
            let place = from_end(graph, head, &layer.tensor);
            let op = operator(graph, &layer.tensor);
            let fits = |tensor: &str| {
                operator(other, tensor) == op && from_end(other, other_head, tensor) == place
            };
            let name = layer.tensor.as_str();
            if activations.contains(&name) && fits(name) {
                return Some(layer.tensor.clone());
            }
            let of_kind = automatic.iter().filter(|l| l.kind == layer.kind).map(|l| &l.tensor);
            only(of_kind.filter(|t| from_end(other, other_head, t) == place).cloned())
                .or_else(|| only(activations.iter().filter(|t| fits(t)).map(|t| (*t).to_owned())))
        })
        .collect()
}

/// The single item, if there is exactly one.
fn only(mut items: impl Iterator<Item = String>) -> Option<String> {
    items.next().filter(|_| items.next().is_none())
}
