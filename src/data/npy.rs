//! One `.npy` array: header and values.
//!
//! The header is parsed here rather than by `npyz`, which multiplies the claimed shape unchecked,
//! reserves whatever header length is claimed and descends into nested brackets without a bound.
//! What NumPy writes for a plain array is a dictionary of three fixed keys.

use std::io::{self, Read};

use super::archive::unreadable;
use super::array::{Array, Values, shape_text};
use crate::{Error, Result};

/// NumPy's own default bound on a header is 10 000 bytes.
const MAX_HEADER: u32 = 64 << 10;
/// More dimensions than NumPy itself allows.
const MAX_RANK: usize = 64;
/// Bytes converted at a time, a multiple of every element size.
const CHUNK: usize = 256 << 10;
/// Memory that one array may take; small integers widen eightfold.
const MAX_HELD: usize = 16 << 30;

/// What the values are for, which decides what they are held as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Model input: `u8` stays, floats become `f32`, other integers become `i64`.
    Input,
    /// Labels and indices: floats become `f64`, so that 2.0000001 isn't taken for 2.
    Labels,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
    F32,
    F64,
}

impl Kind {
    fn size(self) -> u64 {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 => 8,
        }
    }

    /// Bytes that a value is held in, at most.
    fn held(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::F32 => 4,
            _ => 8,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Header {
    kind: Kind,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
    /// Bytes before the first value.
    len: u64,
}

/// Reads a whole array from `reader`, whose content is `size` bytes by declaration.
///
/// `reserve` bounds the memory reserved up front, in bytes of the file; beyond it the array grows
/// only as bytes really arrive. `subject` names file and array in messages.
///
/// # Errors
/// A damaged header, a shape that doesn't account for `size` exactly, pickled objects, Fortran
/// order, a type that is no number, NaN or infinite inputs, integers beyond `i64`.
pub(crate) fn read(
    reader: &mut dyn Read,
    size: u64,
    reserve: u64,
    subject: &str,
    purpose: Purpose,
) -> Result<Array> {
    let header = read_header(reader, subject)?;
    let shape = header.shape;
    let remedy = "write the array again with numpy.save or numpy.savez";
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(|| {
        Error::input(subject, format!("the shape {} overflows", shape_text(&shape)), remedy)
    })?;
    let promised = u64::try_from(count)
        .ok()
        .and_then(|n| n.checked_mul(header.kind.size()))
        .and_then(|n| n.checked_add(header.len));
    if promised != Some(size) {
        return Err(Error::input(
            subject,
            format!(
                "the header promises shape {} in {} bytes, but there are {size}",
                shape_text(&shape),
                promised.map_or("more than 2^64".to_owned(), |n| n.to_string()),
            ),
            remedy,
        ));
    }
    if header.fortran && shape.len() > 1 {
        return Err(Error::input(
            subject,
            "the array is in Fortran order",
            "save numpy.ascontiguousarray(array) instead",
        ));
    }
    if count.checked_mul(header.kind.held()).is_none_or(|held| held > MAX_HELD) {
        return Err(too_large(subject, count));
    }
    let reserve = usize::try_from(reserve / header.kind.size()).unwrap_or(usize::MAX);
    let mut source = Source { reader, count, reserve, big_endian: header.big_endian };
    let values = read_values(&mut source, header.kind, purpose).map_err(|fault| match fault {
        Fault::Io(error) => unreadable(subject, &error),
        Fault::Memory => too_large(subject, count),
        Fault::TooLarge(flat, value) => Error::input(
            format!("{subject}{}", super::array::index_text(flat, &shape)),
            format!("{value} is larger than a signed 64-bit integer"),
            "save the array with a smaller integer type",
        ),
    })?;
    let array = Array::new(subject, shape, values);
    array.check_finite()?;
    Ok(array)
}

fn too_large(subject: &str, count: usize) -> Error {
    Error::input(
        subject,
        format!("{count} values do not fit into memory"),
        "audit a sample of the data: a few thousand images decide a verdict",
    )
}

fn read_header(reader: &mut dyn Read, subject: &str) -> Result<Header> {
    let io = |e: io::Error| unreadable(subject, &e);
    let broken = |problem: String| {
        Error::input(subject, problem, "write the array again with numpy.save or numpy.savez")
    };
    let mut magic = [0u8; 8];
    reader.read_exact(&mut magic).map_err(io)?;
    let [b'\x93', b'N', b'U', b'M', b'P', b'Y', major, _] = magic else {
        return Err(broken("not a NumPy array".to_owned()));
    };
    let (text_len, before) = match major {
        1 => {
            let mut bytes = [0u8; 2];
            reader.read_exact(&mut bytes).map_err(io)?;
            (u32::from(u16::from_le_bytes(bytes)), 10u64)
        }
        2 | 3 => {
            let mut bytes = [0u8; 4];
            reader.read_exact(&mut bytes).map_err(io)?;
            (u32::from_le_bytes(bytes), 12)
        }
        other => return Err(broken(format!("version {other} of the .npy format is unknown"))),
    };
    if text_len > MAX_HEADER {
        return Err(broken(format!("a header of {text_len} bytes is unreasonably long")));
    }
    let mut text = Vec::new();
    reader.take(u64::from(text_len)).read_to_end(&mut text).map_err(io)?;
    if u32::try_from(text.len()) != Ok(text_len) {
        return Err(io(io::ErrorKind::UnexpectedEof.into()));
    }
    let text = String::from_utf8(text).map_err(|_| broken("the header is not text".to_owned()))?;
    let fields =
        Fields::parse(&text).map_err(|(problem, remedy)| Error::input(subject, problem, remedy))?;
    let (kind, big_endian) = parse_type(&fields.descr).ok_or_else(|| {
        let descr = &fields.descr;
        let object = descr.contains('O');
        Error::input(
            subject,
            if object {
                "the array holds pickled Python objects, which are never loaded".to_owned()
            } else {
                format!("type `{descr}` is not a number")
            },
            "save it as uint8 or float32, labels as int64, all rows of one shape",
        )
    })?;
    let len = u64::from(text_len).saturating_add(before);
    Ok(Header { kind, big_endian, fortran: fields.fortran, shape: fields.shape, len })
}

/// Type and byte order of a `descr` such as `<f4`.
fn parse_type(descr: &str) -> Option<(Kind, bool)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let big_endian = match order {
        "<" | "|" => false,
        ">" => true,
        "=" => cfg!(target_endian = "big"),
        _ => return None,
    };
    let kind = match kind {
        "b1" => Kind::Bool,
        "i1" => Kind::I8,
        "i2" => Kind::I16,
        "i4" => Kind::I32,
        "i8" => Kind::I64,
        "u1" => Kind::U8,
        "u2" => Kind::U16,
        "u4" => Kind::U32,
        "u8" => Kind::U64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => return None,
    };
    Some((kind, big_endian))
}

/// The three entries of the header's dictionary.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Fields {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`; the error is problem
    /// and remedy.
    fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let damaged = || {
            (
                "the header is damaged".to_owned(),
                "write the array again with numpy.save or numpy.savez",
            )
        };
        let mut cursor = Cursor(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        cursor.eat("{").ok_or_else(damaged)?;
        while cursor.eat("}").is_none() {
            let key = cursor.string().ok_or_else(damaged)?;
            cursor.eat(":").ok_or_else(damaged)?;
            match key {
                "descr" if cursor.eat("[").is_some() => {
                    return Err((
                        "the array has a structured type".to_owned(),
                        "save one plain array for each field",
                    ));
                }
                "descr" => descr = Some(cursor.string().ok_or_else(damaged)?.to_owned()),
                "fortran_order" => fortran = Some(cursor.boolean().ok_or_else(damaged)?),
                "shape" => shape = Some(cursor.tuple().ok_or_else(damaged)?),
                _ => return Err(damaged()),
            }
            if cursor.eat(",").is_none() {
                cursor.eat("}").ok_or_else(damaged)?;
                break;
            }
        }
        if !cursor.0.trim_ascii().is_empty() {
            return Err(damaged());
        }
        match (descr, fortran, shape) {
            (Some(descr), Some(fortran), Some(shape)) => Ok(Self { descr, fortran, shape }),
            _ => Err(damaged()),
        }
    }
}

/// What is left of a header's text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn eat(&mut self, token: &str) -> Option<()> {
        self.0 = self.0.trim_ascii_start().strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        let text = self.0.trim_ascii_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (content, rest) = text.get(1..)?.split_once(quote)?;
        self.0 = rest;
        Some(content)
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.eat("True").is_some() { Some(true) } else { self.eat("False").map(|()| false) }
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.eat("(")?;
        let (content, rest) = self.0.split_once(')')?;
        self.0 = rest;
        let content = content.trim_ascii();
        let content = content.strip_suffix(',').unwrap_or(content);
        if content.is_empty() {
            return Some(Vec::new());
        }
        let mut shape = Vec::new();
        for item in content.split(',') {
            // Python 2 wrote long integers with a suffix.
            let item = item.trim_ascii();
            shape.push(item.strip_suffix('L').unwrap_or(item).parse().ok()?);
            if shape.len() > MAX_RANK {
                return None;
            }
        }
        Some(shape)
    }
}

enum Fault {
    Io(io::Error),
    Memory,
    TooLarge(usize, u64),
}

struct Source<'a> {
    reader: &'a mut dyn Read,
    count: usize,
    reserve: usize,
    big_endian: bool,
}

impl Source<'_> {
    /// All elements of `N` bytes each, converted from little-endian bytes by `convert`.
    fn elements<const N: usize, T>(
        &mut self,
        convert: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Fault> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.count.min(self.reserve)).map_err(|_| Fault::Memory)?;
        let mut buffer = vec![[0u8; N]; CHUNK.min(self.count.saturating_mul(N)).div_ceil(N)];
        let mut left = self.count;
        while left > 0 {
            let n = left.min(buffer.len());
            let Some(chunk) = buffer.get_mut(..n) else { break };
            self.reader.read_exact(chunk.as_flattened_mut()).map_err(Fault::Io)?;
            if self.big_endian {
                chunk.iter_mut().for_each(|bytes| bytes.reverse());
            }
            values.try_reserve(n).map_err(|_| Fault::Memory)?;
            values.extend(chunk.iter().map(|&bytes| convert(bytes)));
            left = left.saturating_sub(n);
        }
        values.shrink_to_fit();
        Ok(values)
    }
}

fn read_values(source: &mut Source, kind: Kind, purpose: Purpose) -> Result<Values, Fault> {
    use Purpose::{Input, Labels};
    Ok(match (kind, purpose) {
        (Kind::U8, _) => Values::U8(source.elements(|[byte]| byte)?),
        (Kind::Bool, _) => Values::I64(source.elements(|[byte]| i64::from(byte != 0))?),
        (Kind::I8, _) => Values::I64(source.elements(|b| i64::from(i8::from_le_bytes(b)))?),
        (Kind::I16, _) => Values::I64(source.elements(|b| i64::from(i16::from_le_bytes(b)))?),
        (Kind::I32, _) => Values::I64(source.elements(|b| i64::from(i32::from_le_bytes(b)))?),
        (Kind::I64, _) => Values::I64(source.elements(i64::from_le_bytes)?),
        (Kind::U16, _) => Values::I64(source.elements(|b| i64::from(u16::from_le_bytes(b)))?),
        (Kind::U32, _) => Values::I64(source.elements(|b| i64::from(u32::from_le_bytes(b)))?),
        (Kind::U64, _) => {
            let wide = source.elements(u64::from_le_bytes)?;
            let narrow: Result<Vec<i64>, Fault> = wide
                .into_iter()
                .enumerate()
                .map(|(i, v)| i64::try_from(v).map_err(|_| Fault::TooLarge(i, v)))
                .collect();
            Values::I64(narrow?)
        }
        (Kind::F16, Input) => Values::F32(source.elements(half)?),
        (Kind::F32, Input) => Values::F32(source.elements(f32::from_le_bytes)?),
        // Rounding is what is wanted; what overflows becomes infinite and is refused after.
        (Kind::F64, Input) => Values::F32(source.elements(|b| f64::from_le_bytes(b) as f32)?),
        (Kind::F16, Labels) => Values::F64(source.elements(|b| f64::from(half(b)))?),
        (Kind::F32, Labels) => Values::F64(source.elements(|b| f64::from(f32::from_le_bytes(b)))?),
        (Kind::F64, Labels) => Values::F64(source.elements(f64::from_le_bytes)?),
    })
}

/// IEEE 754 half precision, exactly.
fn half(bytes: [u8; 2]) -> f32 {
    let bits = u16::from_le_bytes(bytes);
    let fraction = f32::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => f32::INFINITY,
        0x1f => f32::NAN,
        exponent => (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
