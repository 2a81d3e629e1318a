//! One `.npy` array: header and values.
//!
//! The header is parsed here rather than by `npyz`, which multiplies the claimed shape unchecked,
//! reserves whatever header length is claimed and descends into nested brackets without a bound.
//! What NumPy writes for a plain array is a dictionary of three fixed keys.

use std::io::{self, Read};
use std::sync::Arc;

use super::archive::unreadable;
use super::array::{Array, shape_text};
use super::decode::{Encoding, Kind, Purpose};
use super::positioned::{Positioned, Tail};
use super::stored::{self, Segment, Stored};
use super::stream::read_values;
use crate::{Error, Result};

/// NumPy's own default bound on a header is 10 000 bytes.
const MAX_HEADER: u32 = 64 << 10;
/// More dimensions than NumPy itself allows.
const MAX_RANK: usize = 64;

#[derive(Debug, PartialEq, Eq)]
struct Header {
    encoding: Encoding,
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
    let count = header.check(size, subject)?;
    let values = read_values(reader, header.encoding, count, reserve, purpose)
        .map_err(|fault| fault.told(subject, &header.shape, count))?;
    let array = Array::new(subject, header.shape, values);
    array.check_finite()?;
    Ok(array)
}

/// The array of an `.npy` file; inputs of more than `small` bytes stay in it.
///
/// # Errors
/// As [`read`].
pub(crate) fn from_file(
    file: &Arc<Positioned>,
    subject: &str,
    purpose: Purpose,
    small: u64,
) -> Result<Array> {
    let header = read_header(&mut Tail::new(file, 0), subject)?;
    header.check(file.len(), subject)?;
    let (rows, width) = stored::rows_and_width(&header.shape);
    let segment = Segment { file: Arc::clone(file), offset: header.len, rows };
    let stored = Stored::new(vec![segment], header.encoding, width, None)?;
    stored.into_array(subject, header.shape, purpose, small)
}

impl Header {
    /// The number of values, once the shape is seen to account for all of `size` bytes.
    fn check(&self, size: u64, subject: &str) -> Result<usize> {
        let count = stored::count(subject, &self.shape)?;
        let promised = count
            .checked_mul(self.encoding.kind.size())
            .and_then(|n| u64::try_from(n).ok())
            .and_then(|n| n.checked_add(self.len));
        if promised != Some(size) {
            return Err(Error::input(
                subject,
                format!(
                    "the header promises shape {} in {} bytes, but there are {size}",
                    shape_text(&self.shape),
                    promised.map_or("more than 2^64".to_owned(), |n| n.to_string()),
                ),
                "write the array again with numpy.save or numpy.savez",
            ));
        }
        if self.fortran && self.shape.len() > 1 {
            return Err(Error::input(
                subject,
                "the array is in Fortran order",
                "save numpy.ascontiguousarray(array) instead",
            ));
        }
        Ok(count)
    }
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
    let encoding = parse_type(&fields.descr).ok_or_else(|| {
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
    Ok(Header { encoding, fortran: fields.fortran, shape: fields.shape, len })
}

/// Type and byte order of a `descr` such as `<f4`.
fn parse_type(descr: &str) -> Option<Encoding> {
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
    Some(Encoding { kind, big_endian })
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

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
