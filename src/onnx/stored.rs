//! Where the tensors of a model lie in the bytes of its file. Field numbers are those of
//! `proto/onnx.proto`.

use std::ops::Range;

use super::wire::{Broken, Edits, Field, Kind, Within, fields, varint};

/// A tensor in the file.
#[derive(Debug)]
pub(super) struct Stored {
    /// What the main graph calls it: an initializer's name or the output of a `Constant` node.
    /// `None` for tensors that the main graph has no name for (in subgraphs, in sparse tensors).
    pub name: Option<String>,
    /// Its message.
    pub message: Range<usize>,
    /// The messages around its fields.
    pub within: Within,
}

/// Messages in which tensors lie at some depth.
#[derive(Clone, Copy, PartialEq)]
enum Message {
    Model,
    MainGraph,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Function,
    Training,
}

impl Message {
    /// What the delimited field `number` holds, if tensors may lie there.
    fn child(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) => Self::MainGraph,
            (Self::Model, 20) => Self::Training,
            (Self::Model, 25) => Self::Function,
            (Self::MainGraph | Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::MainGraph | Self::Graph, 5) => Self::Tensor,
            (Self::MainGraph | Self::Graph, 15) => Self::SparseTensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::SparseTensor, 1 | 2) => Self::Tensor,
            (Self::Training, 1 | 2) => Self::Graph,
            _ => return None,
        })
    }
}

/// All tensors of the model in `file`, in file order. `edits` learns of the messages around them.
pub(super) fn tensors(file: &[u8], edits: &mut Edits) -> Result<Vec<Stored>, Broken> {
    let mut walk = Walk { file, edits, found: Vec::new() };
    walk.message(Message::Model, 0..file.len(), None, None)?;
    Ok(walk.found)
}

struct Walk<'a> {
    file: &'a [u8],
    edits: &'a mut Edits,
    found: Vec<Stored>,
}

impl Walk<'_> {
    /// `constant` is the name of the main graph's `Constant` node that the message belongs to.
    fn message(
        &mut self,
        message: Message,
        range: Range<usize>,
        within: Within,
        constant: Option<&str>,
    ) -> Result<(), Broken> {
        for field in fields(self.file, range) {
            let field = field?;
            let child = message.child(field.number).filter(|_| field.kind == Kind::Delimited);
            let Some(child) = child else { continue };
            let around = self.edits.enter(&field, within);
            let inner = field.value.clone();
            match (message, child) {
                (Message::MainGraph, Message::Tensor) => {
                    let name = self.text(&inner, 8)?;
                    self.found.push(Stored { name: Some(name), message: inner, within: around });
                }
                (_, Message::Tensor) => {
                    // An attribute `value` of type tensor: field 5.
                    let name = constant.filter(|_| field.number == 5).map(str::to_owned);
                    self.found.push(Stored { name, message: inner, within: around });
                }
                (Message::MainGraph, Message::Node) => {
                    let output = match self.text(&inner, 4)?.as_str() {
                        "Constant" => Some(self.first(&inner, 2)?),
                        _ => None,
                    };
                    self.message(child, inner, around, output.as_deref())?;
                }
                (Message::Node, Message::Attribute) => {
                    let value = self.text(&inner, 1)? == "value";
                    self.message(child, inner, around, constant.filter(|_| value))?;
                }
                _ => self.message(child, inner, around, None)?,
            }
        }
        Ok(())
    }

    /// The string in field `number` of the message; of several the last counts.
    fn text(&self, message: &Range<usize>, number: u64) -> Result<String, Broken> {
        Ok(self.texts(message, number)?.pop().unwrap_or_default())
    }

    fn first(&self, message: &Range<usize>, number: u64) -> Result<String, Broken> {
        Ok(self.texts(message, number)?.into_iter().next().unwrap_or_default())
    }

    fn texts(&self, message: &Range<usize>, number: u64) -> Result<Vec<String>, Broken> {
        let mut texts = Vec::new();
        for field in fields(self.file, message.clone()) {
            let field = field?;
            if field.number == number && field.kind == Kind::Delimited {
                texts.push(String::from_utf8_lossy(&self.file[field.value]).into_owned());
            }
        }
        Ok(texts)
    }
}

/// Where a tensor's values lie.
pub(super) struct Values {
    /// The number of its `DataType`.
    pub data_type: i32,
    /// `raw_data`; of several the last counts.
    pub raw: Option<Range<usize>>,
    /// Fields of numbers: `float_data`, `int32_data` and `double_data`, by their field numbers.
    pub numbers: Vec<Field>,
}

pub(super) const FLOAT_DATA: u64 = 4;
pub(super) const INT32_DATA: u64 = 5;
pub(super) const DOUBLE_DATA: u64 = 10;
pub(super) const EXTERNAL_DATA: u64 = 13;
pub(super) const DATA_LOCATION: u64 = 14;

impl Values {
    /// Looks through the tensor `message`.
    pub fn find(file: &[u8], message: Range<usize>) -> Result<Self, Broken> {
        let mut values = Self { data_type: 0, raw: None, numbers: Vec::new() };
        for field in fields(file, message) {
            let field = field?;
            match (field.number, field.kind) {
                (2, Kind::Varint) => values.data_type = varint(file, field.value.start)?.0 as i32,
                (9, Kind::Delimited) => values.raw = Some(field.value),
                // Packed numbers are delimited, others have a field each.
                (FLOAT_DATA, Kind::Fixed32 | Kind::Delimited)
                | (INT32_DATA, Kind::Varint | Kind::Delimited)
                | (DOUBLE_DATA, Kind::Fixed64 | Kind::Delimited) => values.numbers.push(field),
                _ => {}
            }
        }
        Ok(values)
    }
}
