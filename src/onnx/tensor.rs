//! Values of a `TensorProto`.

use super::proto::onnx::TensorProto;
use super::proto::onnx::tensor_proto::{DataLocation, DataType};

/// A constant of the graph with its values.
#[derive(Clone, Copy)]
pub struct Tensor<'a> {
    proto: &'a TensorProto,
}

impl<'a> Tensor<'a> {
    /// Wraps the message.
    pub fn new(proto: &'a TensorProto) -> Self {
        Self { proto }
    }

    /// The tensor's name.
    pub fn name(&self) -> &'a str {
        self.proto.name()
    }

    /// The shape as written in the file.
    pub fn dims(&self) -> &'a [i64] {
        &self.proto.dims
    }

    /// Number of values; `None` when the shape is negative or overflows.
    pub fn len(&self) -> Option<usize> {
        self.proto.dims.iter().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
    }

    /// Whether the tensor holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The element type, `UNDEFINED` when unknown.
    pub fn data_type(&self) -> DataType {
        use protobuf::Enum;
        DataType::from_i32(self.proto.data_type()).unwrap_or(DataType::UNDEFINED)
    }

    /// Whether the values are floating-point numbers that this crate can read.
    pub fn is_float(&self) -> bool {
        matches!(
            self.data_type(),
            DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16
        )
    }

    /// Bytes per value, for the types whose raw layout has whole bytes.
    fn item_size(&self) -> Option<usize> {
        Some(match self.data_type() {
            DataType::FLOAT | DataType::INT32 | DataType::UINT32 => 4,
            DataType::DOUBLE | DataType::INT64 | DataType::UINT64 | DataType::COMPLEX64 => 8,
            DataType::FLOAT16 | DataType::BFLOAT16 | DataType::INT16 | DataType::UINT16 => 2,
            DataType::INT8 | DataType::UINT8 | DataType::BOOL => 1,
            DataType::COMPLEX128 => 16,
            _ => return None,
        })
    }

    /// Checks that the data fit the shape; the error is the rest of a sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(len) = self.len() else {
            return Err(format!("has the impossible shape {:?}", self.dims()));
        };
        if self.proto.data_location() == DataLocation::EXTERNAL {
            return Ok(());
        }
        if let (Some(raw), Some(size)) = (&self.proto.raw_data, self.item_size()) {
            if len.checked_mul(size) != Some(raw.len()) {
                return Err(format!("has shape {:?} but {} bytes", self.dims(), raw.len()));
            }
        } else if self.is_float() && self.typed_len() != len {
            return Err(format!("has shape {:?} but {} values", self.dims(), self.typed_len()));
        }
        Ok(())
    }

    fn typed_len(&self) -> usize {
        match self.data_type() {
            DataType::FLOAT => self.proto.float_data.len(),
            DataType::DOUBLE => self.proto.double_data.len(),
            _ => self.proto.int32_data.len(),
        }
    }

    /// The values in row-major order as `f64`; `None` when they are not floating point.
    pub fn floats(&self) -> Option<Vec<f64>> {
        let raw = self.proto.raw_data.as_deref();
        Some(match (self.data_type(), raw) {
            (DataType::FLOAT, Some(raw)) => {
                chunks(raw).map(|b| f64::from(f32::from_le_bytes(b))).collect()
            }
            (DataType::DOUBLE, Some(raw)) => chunks(raw).map(f64::from_le_bytes).collect(),
            (DataType::FLOAT16, Some(raw)) => {
                chunks(raw).map(|b| half::f16::from_le_bytes(b).to_f64()).collect()
            }
            (DataType::BFLOAT16, Some(raw)) => {
                chunks(raw).map(|b| half::bf16::from_le_bytes(b).to_f64()).collect()
            }
            (DataType::FLOAT, None) => self.proto.float_data.iter().map(|&v| v.into()).collect(),
            (DataType::DOUBLE, None) => self.proto.double_data.clone(),
            // Half-precision values without raw data sit in the low bits of int32_data.
            (DataType::FLOAT16, None) => {
                let bits = self.proto.int32_data.iter();
                bits.map(|&v| half::f16::from_bits(v as u16).to_f64()).collect()
            }
            (DataType::BFLOAT16, None) => {
                let bits = self.proto.int32_data.iter();
                bits.map(|&v| half::bf16::from_bits(v as u16).to_f64()).collect()
            }
            _ => return None,
        })
    }

    /// The values of an integer tensor, e.g. the index of a `Gather`.
    pub fn integers(&self) -> Option<Vec<i64>> {
        let raw = self.proto.raw_data.as_deref();
        Some(match (self.data_type(), raw) {
            (DataType::INT64, Some(raw)) => chunks(raw).map(i64::from_le_bytes).collect(),
            (DataType::INT32, Some(raw)) => {
                chunks(raw).map(|b| i32::from_le_bytes(b).into()).collect()
            }
            (DataType::INT8, Some(raw)) => raw.iter().map(|&b| (b as i8).into()).collect(),
            (DataType::UINT8, Some(raw)) => raw.iter().map(|&b| b.into()).collect(),
            (DataType::INT64, None) => self.proto.int64_data.clone(),
            (DataType::INT32 | DataType::INT8 | DataType::UINT8, None) => {
                self.proto.int32_data.iter().map(|&v| v.into()).collect()
            }
            _ => return None,
        })
    }

    /// The values of a tensor of truth values.
    pub fn bools(&self) -> Option<Vec<bool>> {
        Some(match (self.data_type(), self.proto.raw_data.as_deref()) {
            (DataType::BOOL, Some(raw)) => raw.iter().map(|&b| b != 0).collect(),
            (DataType::BOOL, None) => self.proto.int32_data.iter().map(|&v| v != 0).collect(),
            _ => return None,
        })
    }
}

fn chunks<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    raw.as_chunks::<N>().0.iter().copied()
}
