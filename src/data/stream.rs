//! Values read from a stream, from which nothing can be fetched later.

use std::io::{self, Read};

use super::Values;
use super::archive::unreadable;
use super::array::index_text;
use super::decode::{Encoding, Purpose, TooLarge};
use crate::Error;

/// Bytes converted at a time, a multiple of every element size.
const CHUNK: usize = 256 << 10;

/// Memory that one array may take; small integers widen eightfold.
const MAX_HELD: usize = 16 << 30;

/// Why no values came.
pub(crate) enum Fault {
    Io(io::Error),
    Memory,
    TooLarge(usize, TooLarge),
}

impl Fault {
    /// The error for an array of `shape`, in which `count` values were wanted.
    pub fn told(&self, subject: &str, shape: &[usize], count: usize) -> Error {
        match self {
            Self::Io(error) => unreadable(subject, error),
            Self::Memory => too_large(subject, count),
            Self::TooLarge(first, fault) => beyond(subject, shape, *first, fault),
        }
    }
}

/// Reads `count` values; `reserve` bytes of the file are believed to be there.
pub(crate) fn read_values(
    reader: &mut dyn Read,
    encoding: Encoding,
    count: usize,
    reserve: u64,
    purpose: Purpose,
) -> Result<Values, Fault> {
    let kind = encoding.kind;
    if !fits(encoding, count) {
        return Err(Fault::Memory);
    }
    let mut values = Values::none(kind, purpose);
    let reserve = usize::try_from(reserve).unwrap_or(usize::MAX) / kind.size();
    if !values.try_reserve(count.min(reserve)) {
        return Err(Fault::Memory);
    }
    let per_chunk = CHUNK / kind.size();
    let mut buffer = vec![0u8; per_chunk.min(count).saturating_mul(kind.size())];
    let mut left = count;
    while left > 0 {
        let n = left.min(per_chunk);
        let Some(chunk) = buffer.get_mut(..n.saturating_mul(kind.size())) else { break };
        reader.read_exact(chunk).map_err(Fault::Io)?;
        if !values.try_reserve(n) {
            return Err(Fault::Memory);
        }
        let first = count.saturating_sub(left);
        values.append(encoding, chunk).map_err(|fault| Fault::TooLarge(first, fault))?;
        left = left.saturating_sub(n);
    }
    values.shrink_to_fit();
    Ok(values)
}

/// Whether so many values may be held in memory.
pub(crate) fn fits(encoding: Encoding, count: usize) -> bool {
    count.checked_mul(encoding.kind.held()).is_some_and(|held| held <= MAX_HELD)
}

pub(crate) fn too_large(subject: &str, count: usize) -> Error {
    Error::input(
        subject,
        format!("{count} values do not fit into memory"),
        "audit a sample of the data: a few thousand images decide a verdict",
    )
}

/// Error for an integer that no `i64` holds; `first` is the index of the first value converted.
pub(crate) fn beyond(subject: &str, shape: &[usize], first: usize, fault: &TooLarge) -> Error {
    let at = index_text(first.saturating_add(fault.index), shape);
    Error::input(
        format!("{subject}{at}"),
        format!("{} is larger than a signed 64-bit integer", fault.value),
        "save the array with a smaller integer type",
    )
}
