//! One operator with its operands and attributes, and the one-node model that holds it.

use forget_audit::onnx::Model;
use forget_audit::onnx::proto::onnx::attribute_proto::AttributeType;
use forget_audit::onnx::proto::onnx::tensor_proto::DataType;
use forget_audit::onnx::proto::onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use protobuf::{Enum, EnumOrUnknown, Message, MessageField};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The elements of an operand.
#[derive(Clone, Debug)]
pub enum Data {
    Float(Vec<f32>),
    Int(Vec<i64>),
    Bool(Vec<bool>),
}

/// How an operand reaches the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A graph input whose gradient is compared.
    Checked,
    /// A graph input.
    Fed,
    /// An initializer.
    Stored,
}

/// A tensor that the node reads.
#[derive(Clone, Debug)]
pub struct Operand {
    pub shape: Vec<usize>,
    pub data: Data,
    pub role: Role,
}

/// An operator applied once.
#[derive(Clone, Debug)]
pub struct Case {
    pub op: &'static str,
    pub opset: i64,
    /// `None` where an optional input is left out.
    pub operands: Vec<Option<Operand>>,
    attributes: Vec<AttributeProto>,
    outputs: usize,
    apart: bool,
}

/// A case of the operator `op` at `opset` (ONNX Runtime runs 7 and later), to be filled.
pub fn case(op: &'static str, opset: i64) -> Case {
    Case { op, opset, operands: Vec::new(), attributes: Vec::new(), outputs: 1, apart: false }
}

/// Every value of an operand whose gradient is compared and that the table does not give itself.
const SPREAD: f32 = 1.5;
/// Least distance of values from each other and half of it from 0, for operators with kinks: the
/// numeric gradient steps up to 1/64 aside.
const APART: f32 = 0.05;

impl Case {
    fn with(mut self, shape: &[usize], data: Data, role: Role) -> Self {
        self.operands.push(Some(Operand { shape: shape.to_vec(), data, role }));
        self
    }

    /// A float input whose gradient is compared; values of all such inputs are distinct.
    pub fn x(self, shape: &[usize]) -> Self {
        self.with(shape, Data::Float(Vec::new()), Role::Checked)
    }

    /// Keeps those values [`APART`].
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// A float input of given values whose gradient is compared.
    pub fn values(self, shape: &[usize], values: &[f32]) -> Self {
        self.with(shape, Data::Float(values.to_vec()), Role::Checked)
    }

    /// A float input whose gradient is compared, from 0.3 to 1.8.
    pub fn positive(self, shape: &[usize]) -> Self {
        let count: usize = shape.iter().product();
        let mut values: Vec<f32> =
            (0..count).map(|i| 0.3 + SPREAD * i as f32 / count as f32).collect();
        values.shuffle(&mut ChaCha8Rng::seed_from_u64(count as u64));
        self.with(shape, Data::Float(values), Role::Checked)
    }

    /// A graph input of floats without gradient.
    pub fn fed(self, shape: &[usize], values: &[f32]) -> Self {
        self.with(shape, Data::Float(values.to_vec()), Role::Fed)
    }

    /// A graph input of integers.
    pub fn fed_ints(self, shape: &[usize], values: &[i64]) -> Self {
        self.with(shape, Data::Int(values.to_vec()), Role::Fed)
    }

    /// An initializer of integers.
    pub fn ints(self, shape: &[usize], values: &[i64]) -> Self {
        self.with(shape, Data::Int(values.to_vec()), Role::Stored)
    }

    /// An initializer that is a vector of integers.
    pub fn list(self, values: &[i64]) -> Self {
        self.ints(&[values.len()], values)
    }

    /// An initializer of floats.
    pub fn floats(self, shape: &[usize], values: &[f32]) -> Self {
        self.with(shape, Data::Float(values.to_vec()), Role::Stored)
    }

    /// An initializer of truth values.
    pub fn bools(self, shape: &[usize], values: &[bool]) -> Self {
        self.with(shape, Data::Bool(values.to_vec()), Role::Stored)
    }

    /// An optional input that is left out.
    pub fn none(mut self) -> Self {
        self.operands.push(None);
        self
    }

    fn attribute(mut self, name: &str, kind: AttributeType, mut proto: AttributeProto) -> Self {
        proto.name = Some(name.to_owned());
        proto.type_ = Some(EnumOrUnknown::new(kind));
        self.attributes.push(proto);
        self
    }

    /// An integer attribute.
    pub fn int(self, name: &str, value: i64) -> Self {
        let proto = AttributeProto { i: Some(value), ..Default::default() };
        self.attribute(name, AttributeType::INT, proto)
    }

    /// A float attribute.
    pub fn float(self, name: &str, value: f32) -> Self {
        let proto = AttributeProto { f: Some(value), ..Default::default() };
        self.attribute(name, AttributeType::FLOAT, proto)
    }

    /// A text attribute.
    pub fn text(self, name: &str, value: &str) -> Self {
        let proto = AttributeProto { s: Some(value.into()), ..Default::default() };
        self.attribute(name, AttributeType::STRING, proto)
    }

    /// An attribute that is a list of integers.
    pub fn int_list(self, name: &str, values: &[i64]) -> Self {
        let proto = AttributeProto { ints: values.to_vec(), ..Default::default() };
        self.attribute(name, AttributeType::INTS, proto)
    }

    /// An attribute that is a list of floats.
    pub fn float_list(self, name: &str, values: &[f32]) -> Self {
        let proto = AttributeProto { floats: values.to_vec(), ..Default::default() };
        self.attribute(name, AttributeType::FLOATS, proto)
    }

    /// A tensor attribute.
    pub fn tensor(self, name: &str, shape: &[usize], data: Data) -> Self {
        let t = MessageField::some(stored("", shape, &data));
        self.attribute(name, AttributeType::TENSOR, AttributeProto { t, ..Default::default() })
    }

    /// The number of outputs, one unless said.
    pub fn outputs(mut self, count: usize) -> Self {
        self.outputs = count;
        self
    }

    /// Fills the operands that [`Case::x`] left open: equally spaced values around 0, shuffled.
    pub fn filled(mut self) -> Self {
        let open = |o: &&mut Operand| matches!(&o.data, Data::Float(values) if values.is_empty());
        let size = |o: &Operand| o.shape.iter().product::<usize>();
        let total: usize = self.operands.iter_mut().flatten().filter(open).map(|o| size(o)).sum();
        let even = 2.0 * SPREAD / total.max(1) as f32;
        let step = if self.apart { even.max(APART) } else { even };
        let centre = (total / 2) as f32 - 0.5;
        let mut values: Vec<f32> = (0..total).map(|i| (i as f32 - centre) * step).collect();
        values.shuffle(&mut ChaCha8Rng::seed_from_u64(total as u64));
        for operand in self.operands.iter_mut().flatten().filter(open) {
            let rest = values.split_off(size(operand));
            operand.data = Data::Float(std::mem::replace(&mut values, rest));
        }
        self
    }

    /// The operands with their names in the graph.
    pub fn named(&self) -> impl Iterator<Item = (String, &Operand)> {
        let named = self.operands.iter().enumerate();
        named.filter_map(|(i, operand)| Some((format!("in{i}"), operand.as_ref()?)))
    }

    /// Copies with one number of one attribute replaced by each of `numbers`, or one list cut.
    pub fn with_other_attributes(&self, numbers: &[i64]) -> Vec<Self> {
        let mut all = Vec::new();
        for (index, attribute) in self.attributes.iter().enumerate() {
            let mut push = |other: AttributeProto| {
                let mut case = self.clone();
                case.attributes[index] = other;
                all.push(case);
            };
            for &number in numbers {
                if attribute.i.is_some() {
                    push(AttributeProto { i: Some(number), ..attribute.clone() });
                }
                for i in 0..attribute.ints.len() {
                    let mut other = attribute.clone();
                    other.ints[i] = number;
                    push(other);
                }
            }
            if !attribute.ints.is_empty() {
                let mut other = attribute.clone();
                other.ints.pop();
                push(other);
            }
        }
        all
    }

    /// Names of the outputs.
    pub fn output_names(&self) -> Vec<String> {
        (0..self.outputs).map(|i| format!("out{i}")).collect()
    }

    /// The model of this one node.
    pub fn model(&self) -> Model {
        self.typed_model(&vec![DataType::FLOAT; self.outputs])
    }

    /// The model with outputs declared as of `types`; ONNX Runtime refuses wrong ones.
    pub fn typed_model(&self, types: &[DataType]) -> Model {
        self.build(vec![self.node()], types)
    }

    /// The model with every output cast to float, as sessions give floats only.
    pub fn float_model(&self) -> Model {
        let mut node = self.node();
        let mut nodes = Vec::new();
        for name in &mut node.output {
            let own = format!("{name}_own");
            let to = AttributeProto {
                name: Some("to".into()),
                type_: Some(EnumOrUnknown::new(AttributeType::INT)),
                i: Some(DataType::FLOAT.value().into()),
                ..Default::default()
            };
            nodes.push(NodeProto {
                op_type: Some("Cast".into()),
                input: vec![own.clone()],
                output: vec![std::mem::replace(name, own)],
                attribute: vec![to],
                ..Default::default()
            });
        }
        nodes.insert(0, node);
        self.build(nodes, &vec![DataType::FLOAT; self.outputs])
    }

    fn node(&self) -> NodeProto {
        let name = |(i, o): (usize, &Option<Operand>)| {
            o.as_ref().map_or_else(String::new, |_| format!("in{i}"))
        };
        NodeProto {
            name: Some("the_node".into()),
            op_type: Some(self.op.into()),
            input: self.operands.iter().enumerate().map(name).collect(),
            output: self.output_names(),
            attribute: self.attributes.clone(),
            ..Default::default()
        }
    }

    fn build(&self, node: Vec<NodeProto>, types: &[DataType]) -> Model {
        let (stored_ones, fed): (Vec<_>, Vec<_>) =
            self.named().partition(|(_, operand)| operand.role == Role::Stored);
        let graph = GraphProto {
            name: Some("one node".into()),
            node,
            initializer: stored_ones.iter().map(|(n, o)| stored(n, &o.shape, &o.data)).collect(),
            input: fed.iter().map(|(n, o)| declared(n, Some(&o.shape), element(&o.data))).collect(),
            output: self
                .output_names()
                .iter()
                .zip(types)
                .map(|(name, &kind)| declared(name, None, kind))
                .collect(),
            ..Default::default()
        };
        let import = OperatorSetIdProto { version: Some(self.opset), ..Default::default() };
        let model = ModelProto {
            ir_version: Some(if self.opset > 20 { 10 } else { 8 }),
            opset_import: vec![import],
            graph: MessageField::some(graph),
            ..Default::default()
        };
        let bytes = model.write_to_bytes().expect("a message");
        Model::from_bytes(&bytes).expect("a model")
    }
}

fn element(data: &Data) -> DataType {
    match data {
        Data::Float(_) => DataType::FLOAT,
        Data::Int(_) => DataType::INT64,
        Data::Bool(_) => DataType::BOOL,
    }
}

fn stored(name: &str, shape: &[usize], data: &Data) -> TensorProto {
    let mut proto = TensorProto {
        name: Some(name.into()),
        dims: shape.iter().map(|&n| n as i64).collect(),
        data_type: Some(element(data).value()),
        ..Default::default()
    };
    match data {
        Data::Float(values) => proto.float_data = values.clone(),
        Data::Int(values) => proto.int64_data = values.clone(),
        Data::Bool(values) => proto.int32_data = values.iter().map(|&v| v.into()).collect(),
    }
    proto
}

fn declared(name: &str, shape: Option<&[usize]>, kind: DataType) -> ValueInfoProto {
    let dimension = |&n: &usize| {
        let value = tensor_shape_proto::dimension::Value::DimValue(n as i64);
        tensor_shape_proto::Dimension { value: Some(value), ..Default::default() }
    };
    let shape = shape.map(|shape| TensorShapeProto {
        dim: shape.iter().map(dimension).collect(),
        ..Default::default()
    });
    let tensor = type_proto::Tensor {
        elem_type: Some(kind.value()),
        shape: shape.into(),
        ..Default::default()
    };
    let type_ =
        TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto {
        name: Some(name.into()),
        type_: MessageField::some(type_),
        ..Default::default()
    }
}
