//! Graph surgery: taps that pool inside the graph, so that only `n x d` leaves the runtime.

use protobuf::{EnumOrUnknown, MessageField};

use super::model::Model;
use super::proto::onnx::attribute_proto::AttributeType;
use super::proto::onnx::tensor_proto::DataType;
use super::proto::onnx::{AttributeProto, NodeProto, TensorProto, ValueInfoProto};

/// How a tensor becomes one vector a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// `n x d` as it is.
    None,
    /// `n x d x ...`: mean over space.
    MapMean,
    /// `n x h x w x d`: mean over space, channels last.
    ChannelsLastMean,
    /// `n x tokens x d`: mean over tokens.
    TokenMean,
    /// `n x tokens x d`: the token with this index.
    Token(i64),
}

/// A tensor and how it is pooled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TappedLayer {
    /// Name in the graph.
    pub tensor: String,
    /// How it becomes a vector.
    pub pooling: Pooling,
}

/// `model` returning the raw `tensors` too; those that it returns already stay one.
pub fn with_outputs(mut model: Model, tensors: &[String]) -> Model {
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        for tensor in tensors {
            if !graph.output.iter().any(|o| o.name() == tensor) {
                graph.output.push(named(tensor));
            }
        }
    }
    model
}

/// `model` returning the raw `tensors`, nothing else.
pub fn only_outputs(mut model: Model, tensors: &[String]) -> Model {
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        graph.output = tensors.iter().map(|tensor| named(tensor)).collect();
    }
    model
}

/// `model` returning the shapes of `tensors` as `f32`, nothing else. Returns the names of the
/// outputs beside it.
pub fn with_shapes(mut model: Model, tensors: &[String]) -> (Model, Vec<String>) {
    let mut names = Vec::with_capacity(tensors.len());
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        for (index, tensor) in tensors.iter().enumerate() {
            let name = format!("forget-audit:shape:{index}");
            let integers = format!("{name}:integers");
            graph.node.push(node("Shape", &[tensor], &integers, vec![]));
            let to = int("to", DataType::FLOAT as i64);
            graph.node.push(node("Cast", &[&integers], &name, vec![to]));
            names.push(name);
        }
    }
    (only_outputs(model, &names), names)
}

/// `model` returning `scores` and the pooled taps as `f32`, nothing else.
///
/// Returns the names of the taps' outputs beside it.
pub fn with_pooled_outputs(
    mut model: Model,
    scores: &str,
    layers: &[TappedLayer],
) -> (Model, Vec<String>) {
    let opset = model.opset();
    let mut names = Vec::with_capacity(layers.len());
    if let Some(graph) = model.proto_mut().graph.as_mut() {
        graph.output.retain(|o| o.name() == scores);
        for (index, layer) in layers.iter().enumerate() {
            let name = format!("forget-audit:tap:{index}");
            graph.node.extend(pool(layer, &name, opset));
            graph.output.push(named(&name));
            names.push(name);
        }
    }
    (model, names)
}

/// An output without a type: the runtime infers it.
pub(super) fn named(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..Default::default() }
}

pub(super) fn pool(layer: &TappedLayer, output: &str, opset: i64) -> Vec<NodeProto> {
    let mut nodes = Vec::new();
    let float = format!("{output}:float");
    // Half precision would lose digits in the mean: convert first.
    nodes.push(node("Cast", &[&layer.tensor], &float, vec![int("to", DataType::FLOAT as i64)]));
    match layer.pooling {
        Pooling::None => {
            nodes.push(node("Flatten", &[&float], output, vec![int("axis", 1)]));
        }
        Pooling::MapMean => {
            let pooled = format!("{output}:pooled");
            nodes.push(node("GlobalAveragePool", &[&float], &pooled, vec![]));
            nodes.push(node("Flatten", &[&pooled], output, vec![int("axis", 1)]));
        }
        Pooling::ChannelsLastMean => nodes.extend(mean(&float, output, &[1, 2], opset)),
        Pooling::TokenMean => nodes.extend(mean(&float, output, &[1], opset)),
        Pooling::Token(index) => {
            let constant = format!("{output}:index");
            nodes.push(integers(&constant, &[], &[index]));
            nodes.push(node("Gather", &[&float, &constant], output, vec![int("axis", 1)]));
        }
    }
    nodes
}

/// `ReduceMean`, whose axes moved from an attribute to an input with opset 18.
fn mean(input: &str, output: &str, axes: &[i64], opset: i64) -> Vec<NodeProto> {
    let keep = int("keepdims", 0);
    if opset < 18 {
        return vec![node("ReduceMean", &[input], output, vec![keep, ints("axes", axes)])];
    }
    let constant = format!("{output}:axes");
    vec![
        integers(&constant, &[axes.len() as i64], axes),
        node("ReduceMean", &[input, &constant], output, vec![keep]),
    ]
}

/// A `Constant` node: unlike an initializer it needs no graph input in old files.
fn integers(name: &str, dims: &[i64], values: &[i64]) -> NodeProto {
    let tensor = TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DataType::INT64 as i32),
        int64_data: values.to_vec(),
        ..Default::default()
    };
    let value = AttributeProto {
        name: Some("value".into()),
        type_: Some(EnumOrUnknown::new(AttributeType::TENSOR)),
        t: MessageField::some(tensor),
        ..Default::default()
    };
    node("Constant", &[], name, vec![value])
}

pub(super) fn node(
    op: &str,
    inputs: &[&str],
    output: &str,
    attributes: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("{output}:{op}")),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes,
        ..Default::default()
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        type_: Some(EnumOrUnknown::new(AttributeType::INT)),
        i: Some(value),
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        type_: Some(EnumOrUnknown::new(AttributeType::INTS)),
        ints: values.to_vec(),
        ..Default::default()
    }
}
