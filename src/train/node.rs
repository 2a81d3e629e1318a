//! A node of the graph, its attributes and the errors that name it.

use std::fmt::Display;

use crate::onnx::proto::onnx::{AttributeProto, NodeProto, TensorProto};
use crate::{Error, Result};

/// More elements than any tensor of a step that fits in memory: four GiB.
pub const MOST_ELEMENTS: usize = 1 << 30;

/// An operator applied to named tensors.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name, or its first output's where it has none.
    pub name: String,
    /// The operator, e.g. `Conv`.
    pub op: String,
    /// The version of the operator set that the model imports.
    pub opset: i64,
    /// Names of what it reads; empty where an optional input is left out.
    pub inputs: Vec<String>,
    /// Names of what it writes.
    pub outputs: Vec<String>,
    attributes: Vec<AttributeProto>,
}

impl Node {
    /// The node of a model that imports `opset`.
    pub fn new(proto: &NodeProto, opset: i64) -> Self {
        let first = proto.output.iter().find(|o| !o.is_empty());
        let name = match proto.name() {
            "" => first.map_or("", String::as_str),
            name => name,
        };
        Self {
            name: name.to_owned(),
            op: proto.op_type().to_owned(),
            opset,
            inputs: proto.input.clone(),
            outputs: proto.output.clone(),
            attributes: proto.attribute.clone(),
        }
    }

    /// This node's place taken by another operator, of `inputs`, without attributes.
    pub fn replaced(self, op: &str, inputs: Vec<String>) -> Self {
        Self { op: op.to_owned(), inputs, attributes: Vec::new(), ..self }
    }

    /// An error about this node.
    pub fn error(&self, problem: impl Display, remedy: impl Display) -> Error {
        let subject = format!("node \"{}\" ({}, opset {})", self.name, self.op, self.opset);
        Error::input(subject, problem, remedy)
    }

    /// An error about something the trainer can't do.
    pub fn unsupported(&self, what: impl Display) -> Error {
        self.error(
            format!("{what}, which the trainer does not support"),
            "docs/operators.md lists what is supported; export the model without it",
        )
    }

    /// An error about inputs that ONNX forbids.
    pub fn invalid(&self, problem: impl Display) -> Error {
        self.error(problem, "export the model again; onnx.checker names the fault")
    }

    fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|a| a.name() == name)
    }

    /// Whether the attribute is given.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// An integer attribute.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i())
    }

    /// A float attribute.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f())
    }

    /// A list of integers.
    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|a| a.ints.clone())
    }

    /// A list of floats.
    pub fn floats(&self, name: &str) -> Option<Vec<f32>> {
        self.attribute(name).map(|a| a.floats.clone())
    }

    /// A text attribute.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        self.attribute(name).and_then(|a| std::str::from_utf8(a.s()).ok()).unwrap_or(default)
    }

    /// A tensor attribute.
    pub fn tensor(&self, name: &str) -> Option<&TensorProto> {
        self.attribute(name).and_then(|a| a.t.as_ref())
    }

    /// `axis` counted from the front; negative ones count from the end of `rank` dimensions.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let counted = if axis < 0 { axis + rank as i64 } else { axis };
        match usize::try_from(counted) {
            Ok(axis) if axis < rank => Ok(axis),
            _ => Err(self.invalid(format!("axis {axis} of a tensor of {rank} dimensions"))),
        }
    }

    /// `lengths` as a shape that fits in memory.
    pub fn shape(&self, lengths: &[i64]) -> Result<Vec<usize>> {
        let count = |shape: &Vec<usize>| shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d));
        lengths
            .iter()
            .map(|&n| usize::try_from(n).ok())
            .collect::<Option<Vec<_>>>()
            .filter(|shape| count(shape).is_some_and(|n| n <= MOST_ELEMENTS))
            .ok_or_else(|| self.invalid(format!("no shape, or too large a one: {lengths:?}")))
    }

    /// Several axes, see [`Node::axis`].
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        axes.iter().map(|&a| self.axis(a, rank)).collect()
    }
}
