//! Element types as files store them, and their conversion into those that are kept.

use super::Values;

/// The type of one stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    Bf16,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a value in the file.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::Bf16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Bytes that a value is held in, at most.
    pub fn held(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::Bf16 | Self::F32 => 4,
            _ => 8,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }
}

/// What the values are for, which decides what they are held as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Model input: `u8` stays, floats become `f32`, other integers become `i64`.
    Input,
    /// Labels and indices: floats become `f64`, so that 2.0000001 isn't taken for 2.
    Labels,
}

/// How values are laid down in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub kind: Kind,
    pub big_endian: bool,
}

/// An integer beyond `i64`, with its index among the values converted.
#[derive(Debug)]
pub(crate) struct TooLarge {
    pub index: usize,
    pub value: u64,
}

/// A type that values are kept in.
pub(crate) trait Kept: Copy {
    /// Appends the values in `bytes`; bytes behind the last whole value are left out, as is
    /// everything of an element type that is never kept as this one.
    fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), TooLarge>;
}

impl Kept for u8 {
    fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), TooLarge> {
        if encoding.kind == Kind::U8 {
            out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl Kept for f32 {
    fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), TooLarge> {
        let big = encoding.big_endian;
        match encoding.kind {
            Kind::F16 => each(bytes, big, out, half),
            Kind::Bf16 => each(bytes, big, out, brain),
            Kind::F32 => each(bytes, big, out, f32::from_le_bytes),
            // Rounding is what is wanted; what overflows becomes infinite and is refused after.
            Kind::F64 => each(bytes, big, out, |b| f64::from_le_bytes(b) as f32),
            _ => {}
        }
        Ok(())
    }
}

impl Kept for f64 {
    fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), TooLarge> {
        let big = encoding.big_endian;
        match encoding.kind {
            Kind::F16 => each(bytes, big, out, |b| f64::from(half(b))),
            Kind::Bf16 => each(bytes, big, out, |b| f64::from(brain(b))),
            Kind::F32 => each(bytes, big, out, |b| f64::from(f32::from_le_bytes(b))),
            Kind::F64 => each(bytes, big, out, f64::from_le_bytes),
            _ => {}
        }
        Ok(())
    }
}

impl Kept for i64 {
    fn decode(encoding: Encoding, bytes: &[u8], out: &mut Vec<Self>) -> Result<(), TooLarge> {
        let big = encoding.big_endian;
        match encoding.kind {
            Kind::Bool => each(bytes, big, out, |[b]: [u8; 1]| i64::from(b != 0)),
            Kind::I8 => each(bytes, big, out, |b| i64::from(i8::from_le_bytes(b))),
            Kind::I16 => each(bytes, big, out, |b| i64::from(i16::from_le_bytes(b))),
            Kind::I32 => each(bytes, big, out, |b| i64::from(i32::from_le_bytes(b))),
            Kind::I64 => each(bytes, big, out, i64::from_le_bytes),
            Kind::U16 => each(bytes, big, out, |b| i64::from(u16::from_le_bytes(b))),
            Kind::U32 => each(bytes, big, out, |b| i64::from(u32::from_le_bytes(b))),
            Kind::U64 => {
                let start = out.len();
                each(bytes, big, out, i64::from_le_bytes);
                // The upper half of the range has become negative.
                let wrapped = out.iter().skip(start).position(|&v| v < 0);
                if let Some(index) = wrapped {
                    let value = out.get(start.saturating_add(index)).copied().unwrap_or_default();
                    return Err(TooLarge { index, value: value.cast_unsigned() });
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Values {
    /// No values yet, of the type that `kind` is kept in.
    pub(crate) fn none(kind: Kind, purpose: Purpose) -> Self {
        match (kind, purpose) {
            (Kind::U8, _) => Self::U8(Vec::new()),
            (kind, Purpose::Input) if kind.is_float() => Self::F32(Vec::new()),
            (kind, Purpose::Labels) if kind.is_float() => Self::F64(Vec::new()),
            _ => Self::I64(Vec::new()),
        }
    }

    /// Makes room for `count` more values; `false` where there is none.
    pub(crate) fn try_reserve(&mut self, count: usize) -> bool {
        match self {
            Self::U8(v) => v.try_reserve(count).is_ok(),
            Self::F32(v) => v.try_reserve(count).is_ok(),
            Self::I64(v) => v.try_reserve(count).is_ok(),
            Self::F64(v) => v.try_reserve(count).is_ok(),
            Self::Stored(_) => false,
        }
    }

    /// Gives back what was reserved in vain.
    pub(crate) fn shrink_to_fit(&mut self) {
        match self {
            Self::U8(v) => v.shrink_to_fit(),
            Self::F32(v) => v.shrink_to_fit(),
            Self::I64(v) => v.shrink_to_fit(),
            Self::F64(v) => v.shrink_to_fit(),
            Self::Stored(_) => {}
        }
    }

    /// Converts `bytes` and appends them; values that stay in their file can't be added to.
    pub(crate) fn append(&mut self, encoding: Encoding, bytes: &[u8]) -> Result<(), TooLarge> {
        match self {
            Self::U8(v) => u8::decode(encoding, bytes, v),
            Self::F32(v) => f32::decode(encoding, bytes, v),
            Self::I64(v) => i64::decode(encoding, bytes, v),
            Self::F64(v) => f64::decode(encoding, bytes, v),
            Self::Stored(_) => Ok(()),
        }
    }
}

fn each<const N: usize, T>(
    bytes: &[u8],
    big_endian: bool,
    out: &mut Vec<T>,
    convert: impl Fn([u8; N]) -> T,
) {
    let (values, _) = bytes.as_chunks::<N>();
    if big_endian {
        out.extend(values.iter().map(|&value| {
            let mut value = value;
            value.reverse();
            convert(value)
        }));
    } else {
        out.extend(values.iter().map(|&value| convert(value)));
    }
}

/// IEEE 754 half precision, exactly.
fn half(bytes: [u8; 2]) -> f32 {
    half::f16::from_le_bytes(bytes).to_f32()
}

/// The upper half of a 32-bit float.
fn brain(bytes: [u8; 2]) -> f32 {
    half::bf16::from_le_bytes(bytes).to_f32()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(kind: Kind, big_endian: bool, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        f32::decode(Encoding { kind, big_endian }, bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn floats_of_any_width_become_32_bit() {
        // 1.5 is 0x3e00 as half, 0x3fc0 as bfloat16, by the layout of exponent and fraction.
        assert_eq!(floats(Kind::F16, false, &[0x00, 0x3e]), [1.5]);
        assert_eq!(floats(Kind::F16, true, &[0x3e, 0x00]), [1.5]);
        assert_eq!(floats(Kind::Bf16, false, &[0xc0, 0x3f]), [1.5]);
        assert_eq!(floats(Kind::F64, true, &1.5f64.to_be_bytes()), [1.5]);
        assert_eq!(floats(Kind::F64, false, &1e300f64.to_le_bytes()), [f32::INFINITY]);
        // Half a value is none.
        assert_eq!(floats(Kind::F32, false, &[0; 7]), [0.0]);
    }

    #[test]
    fn integers_beyond_64_bits_signed_are_told_with_their_place() {
        let bytes = [1u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        let encoding = Encoding { kind: Kind::U64, big_endian: false };
        let error = i64::decode(encoding, &bytes, &mut vec![7]).unwrap_err();
        assert_eq!((error.index, error.value), (1, u64::MAX));
    }

    #[test]
    fn half_precision_is_exact() {
        // IEEE 754: one, -2, the largest, the smallest normal, the smallest subnormal, 1/3 rounded.
        for (bits, value) in [
            (0x3c00u16, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 2f32.powi(-14)),
            (0x0001, 2f32.powi(-24)),
            (0x3555, 0.333_251_95),
            (0x8000, 0.0),
        ] {
            assert_eq!(half(bits.to_le_bytes()), value);
        }
        assert!(half(0x7c00u16.to_le_bytes()).is_infinite());
        assert!(half(0x7c01u16.to_le_bytes()).is_nan());
    }
}
