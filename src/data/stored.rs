//! Values that stay in their files until a batch needs them.

use std::sync::Arc;

use super::Values;
use super::array::{Array, index_text, shape_text};
use super::decode::{Encoding, Kept, Kind, Purpose};
use super::positioned::Positioned;
use super::stream::{beyond, fits, too_large};
use crate::{Error, Result};

/// Arrays of no more bytes than this are read at once.
pub(crate) const SMALL: u64 = 64 << 20;

/// Bytes looked at together where a whole array is gone through.
const BLOCK: usize = 4 << 20;

/// Rows of one width in one or more files.
#[derive(Debug, Clone)]
pub struct Stored {
    segments: Vec<Segment>,
    encoding: Encoding,
    /// Values in a row.
    width: usize,
    /// Bytes from the start of a row to that of the next.
    stride: u64,
    rows: usize,
}

/// Rows that follow each other in one file.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub file: Arc<Positioned>,
    /// Where the first row starts.
    pub offset: u64,
    pub rows: usize,
}

impl PartialEq for Stored {
    /// Whether both are the same places of the same open files.
    fn eq(&self, other: &Self) -> bool {
        let place = |s: &Segment| (Arc::as_ptr(&s.file), s.offset, s.rows);
        self.segments.iter().map(place).eq(other.segments.iter().map(place))
            && (self.encoding, self.width, self.stride)
                == (other.encoding, other.width, other.stride)
    }
}

impl Stored {
    /// Rows of `width` values, `stride` bytes apart, or one right after the other.
    ///
    /// # Errors
    /// Rows that reach behind the end of their file.
    pub(crate) fn new(
        segments: Vec<Segment>,
        encoding: Encoding,
        width: usize,
        stride: Option<u64>,
    ) -> Result<Self> {
        let bytes = width.checked_mul(encoding.kind.size()).and_then(|n| u64::try_from(n).ok());
        for segment in &segments {
            let end = bytes.and_then(|bytes| {
                let before = u64::try_from(segment.rows.saturating_sub(1)).ok()?;
                let last = before.checked_mul(stride.unwrap_or(bytes))?;
                let last = last.checked_add(if segment.rows == 0 { 0 } else { bytes })?;
                segment.offset.checked_add(last)
            });
            if end.is_none_or(|end| end > segment.file.len()) {
                return Err(Error::input(
                    segment.file.subject(),
                    format!("{} rows of {width} values do not fit into the file", segment.rows),
                    "write the file again and copy it whole",
                ));
            }
        }
        let rows = segments.iter().map(|s| s.rows).try_fold(0usize, usize::checked_add);
        let rows = rows.ok_or_else(|| Error::internal("more rows than memory has bytes"))?;
        let stride = stride.or(bytes).unwrap_or_default();
        Ok(Self { segments, encoding, width, stride, rows })
    }

    /// How the values are laid down.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether a model is fed these as floats; other integers than bytes are ids and masks.
    pub(crate) fn is_image(&self) -> bool {
        self.encoding.kind == Kind::U8 || self.encoding.kind.is_float()
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.rows.saturating_mul(self.width)
    }

    /// Bytes that all values take in the files.
    fn bytes(&self) -> u64 {
        let bytes = self.len().saturating_mul(self.encoding.kind.size());
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Bytes of one row.
    fn row_bytes(&self) -> usize {
        self.width.saturating_mul(self.encoding.kind.size())
    }

    /// The array of these values: in memory where they are labels or take no more than `small`
    /// bytes, else left in the file, gone through once.
    ///
    /// # Errors
    /// NaN or infinite inputs, integers beyond `i64`, an array too large for memory, a file that
    /// can't be read.
    pub(crate) fn into_array(
        self,
        subject: &str,
        shape: Vec<usize>,
        purpose: Purpose,
        small: u64,
    ) -> Result<Array> {
        if purpose == Purpose::Input && self.bytes() > small {
            self.check(subject, &shape)?;
            return Ok(Array::new(subject, shape, Values::Stored(self)));
        }
        let mut values = Values::none(self.encoding.kind, purpose);
        if !fits(self.encoding, self.len()) || !values.try_reserve(self.len()) {
            return Err(too_large(subject, self.len()));
        }
        self.blocks(|first, bytes| {
            values
                .append(self.encoding, bytes)
                .map_err(|fault| beyond(subject, &shape, first, &fault))
        })?;
        let array = Array::new(subject, shape, values);
        array.check_finite()?;
        Ok(array)
    }

    /// Looks at every value once: floats must be finite, integers within `i64`.
    fn check(&self, subject: &str, shape: &[usize]) -> Result<()> {
        let kind = self.encoding.kind;
        if kind.is_float() {
            let mut values: Vec<f32> = Vec::new();
            return self.blocks(|first, bytes| {
                values.clear();
                let _ = f32::decode(self.encoding, bytes, &mut values);
                match values.iter().position(|v| !v.is_finite()) {
                    None => Ok(()),
                    Some(i) => {
                        let at = index_text(first.saturating_add(i), shape);
                        Err(super::array::not_finite(subject, &at))
                    }
                }
            });
        }
        if kind == Kind::U64 {
            let mut values: Vec<i64> = Vec::new();
            return self.blocks(|first, bytes| {
                values.clear();
                i64::decode(self.encoding, bytes, &mut values)
                    .map_err(|fault| beyond(subject, shape, first, &fault))
            });
        }
        Ok(())
    }

    /// Hands over all values' bytes in order, some at a time, with the index of the first.
    fn blocks(&self, mut take: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        let size = self.encoding.kind.size();
        let dense = u64::try_from(self.row_bytes()).is_ok_and(|bytes| bytes == self.stride);
        let mut buffer = Vec::new();
        let mut first = 0usize;
        for segment in &self.segments {
            // Rows right after each other are one long row.
            let (rows, width) = match dense {
                true => (1, segment.rows.saturating_mul(self.width)),
                false => (segment.rows, self.width),
            };
            for row in 0..rows {
                let mut offset = self.place(segment, row);
                let mut left = width;
                while left > 0 {
                    let n = left.min(BLOCK / size);
                    buffer.resize(n.saturating_mul(size), 0);
                    segment.file.read_at(offset, &mut buffer)?;
                    take(first, &buffer)?;
                    first = first.saturating_add(n);
                    left = left.saturating_sub(n);
                    offset = offset.saturating_add(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
                }
            }
        }
        Ok(())
    }

    /// Where a row of a segment starts; in the file, as [`Self::new`] has seen.
    fn place(&self, segment: &Segment, row: usize) -> u64 {
        let row = u64::try_from(row).unwrap_or(u64::MAX);
        segment.offset.saturating_add(row.saturating_mul(self.stride))
    }

    /// Replaces `values` by those of one row; `bytes` is room to work in.
    ///
    /// # Errors
    /// A row that doesn't exist, a file that can't be read any more.
    pub(crate) fn read_row<T: Kept>(
        &self,
        row: usize,
        bytes: &mut Vec<u8>,
        values: &mut Vec<T>,
    ) -> Result<()> {
        let mut left = row;
        let found = self.segments.iter().find(|segment| match left.checked_sub(segment.rows) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        });
        let segment = found.ok_or_else(|| Error::internal(format!("no row {row} is stored")))?;
        bytes.resize(self.row_bytes(), 0);
        segment.file.read_at(self.place(segment, left), bytes)?;
        values.clear();
        T::decode(self.encoding, bytes, values).map_err(|fault| {
            Error::input(
                segment.file.subject(),
                format!("row {left} now holds {}, beyond a signed 64-bit integer", fault.value),
                "leave the file alone while it is read",
            )
        })
    }
}

/// Elements in an array of `shape`.
///
/// # Errors
/// A shape that overflows.
pub(crate) fn count(subject: &str, shape: &[usize]) -> Result<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(|| {
        Error::input(
            subject,
            format!("the shape {} overflows", shape_text(shape)),
            "write the array again with numpy.save or numpy.savez",
        )
    })
}

/// Rows and values in a row of an array of `shape`; a single value is one row.
pub(crate) fn rows_and_width(shape: &[usize]) -> (usize, usize) {
    let (rows, sample) = shape.split_first().map_or((1, shape), |(&rows, sample)| (rows, sample));
    // Where a dimension is 0 the others may overflow.
    (rows, sample.iter().fold(1usize, |n, &d| n.saturating_mul(d)))
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
