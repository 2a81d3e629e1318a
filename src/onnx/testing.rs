//! Small networks for tests, written node by node.

use protobuf::{EnumOrUnknown, Message, MessageField};

use super::model::Model;
use super::proto::onnx::attribute_proto::AttributeType;
use super::proto::onnx::tensor_proto::DataType;
use super::proto::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto,
};

/// A graph in the making, with the input `x`.
pub(super) struct Network {
    graph: GraphProto,
}

impl Network {
    pub fn new() -> Self {
        let mut graph = GraphProto::default();
        graph.input.push(ValueInfoProto { name: Some("x".into()), ..Default::default() });
        Self { graph }
    }

    /// An initializer with values that are neither whole nor equal.
    pub fn weight(self, name: &str, dims: &[i64]) -> Self {
        let len = dims.iter().product::<i64>();
        let values: Vec<f32> = (0..len).map(|i| 0.3 + i as f32 / 7.0).collect();
        self.values(name, dims, &values)
    }

    pub fn values(mut self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let named = TensorProto { name: Some(name.into()), ..tensor(dims, values) };
        self.graph.initializer.push(named);
        self
    }

    pub fn integers(mut self, name: &str, values: &[i64]) -> Self {
        self.graph.initializer.push(TensorProto {
            name: Some(name.into()),
            dims: vec![values.len() as i64],
            data_type: Some(DataType::INT64 as i32),
            int64_data: values.to_vec(),
            ..Default::default()
        });
        self
    }

    pub fn node(mut self, node: NodeProto) -> Self {
        self.graph.node.push(node);
        self
    }

    pub fn op(self, op: &str, inputs: &[&str], output: &str) -> Self {
        self.node(node(op, inputs, output))
    }

    /// With integer attributes: one number, or a list.
    pub fn op_with(
        self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, &[i64])],
    ) -> Self {
        let mut node = node(op, inputs, output);
        for (name, values) in attributes {
            node.attribute.push(AttributeProto {
                name: Some((*name).into()),
                i: values.first().copied(),
                ints: values.to_vec(),
                ..Default::default()
            });
        }
        self.node(node)
    }

    /// The model; the last node's output is the graph's.
    pub fn model(mut self) -> Model {
        let output = self.graph.node.last().and_then(|n| n.output.first()).cloned();
        self.graph.output.push(ValueInfoProto { name: output, ..Default::default() });
        let opset = OperatorSetIdProto { version: Some(17), ..Default::default() };
        let proto = ModelProto {
            opset_import: vec![opset],
            graph: MessageField::some(self.graph),
            ..Default::default()
        };
        Model::from_bytes(&proto.write_to_bytes().expect("bytes")).expect("a model")
    }
}

pub(super) fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        input: inputs.iter().map(|s| (*s).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

/// A `Constant` node, whose tensor has no name.
pub(super) fn constant(output: &str, dims: &[i64], values: &[f32]) -> NodeProto {
    let value = AttributeProto {
        name: Some("value".into()),
        type_: Some(EnumOrUnknown::new(AttributeType::TENSOR)),
        t: MessageField::some(tensor(dims, values)),
        ..Default::default()
    };
    NodeProto { attribute: vec![value], ..node("Constant", &[], output) }
}

fn tensor(dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        dims: dims.to_vec(),
        data_type: Some(DataType::FLOAT as i32),
        float_data: values.to_vec(),
        ..Default::default()
    }
}
