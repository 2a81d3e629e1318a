//! `.safetensors` files: arrays under the keys of an `.npz`.
//!
//! The header is parsed by the `safetensors` crate: it checks every multiplication, that the
//! tensors lie side by side without a gap, and that each has the bytes of its shape. What it
//! doesn't bound is the header's length (100 MB of JSON take gigabytes while they are parsed), and
//! it wants the whole file in memory; so length and end are checked here.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::Data;
use super::array::Array;
use super::decode::{Encoding, Kind, Purpose};
use super::keys::Keys;
use super::positioned::{Positioned, Tail};
use super::stored::{SMALL, Segment, Stored, rows_and_width};
use crate::{Error, Result};

/// Longest header that is read; thousands of arrays fit.
const MAX_HEADER: u64 = 1 << 20;

const REWRITE: &str = "write the file again with safetensors.numpy.save_file and copy it whole";

/// Reads a file; the keys are those of [`super::npz::from_path`].
///
/// # Errors
/// A damaged header, arrays that are missing, of types that are no numbers here, or unsound.
pub(crate) fn load(path: &Path, model_inputs: &[&str]) -> Result<Data> {
    read(path, model_inputs, SMALL)
}

fn read(path: &Path, model_inputs: &[&str], small: u64) -> Result<Data> {
    let file = Positioned::open(path)?;
    let subject = file.subject();
    let (start, header) = read_header(&file)?;
    let tensors = header.tensors();
    let there: BTreeSet<String> = tensors.keys().cloned().collect();
    let keys = Keys::find(subject, &there, model_inputs)?;
    let (train, test) = keys.sets(|key, purpose| {
        let info =
            tensors.get(key).ok_or_else(|| Error::internal("a missing array was not noticed"))?;
        array(&file, start, &format!("{subject}: {key}"), info, purpose, small)
    })?;
    Ok(Data::new(subject, train, test).with_files([path.to_owned()]))
}

/// The header, and where the tensors' bytes start.
fn read_header(file: &Arc<Positioned>) -> Result<(u64, Metadata)> {
    let broken = |problem: String| Error::input(file.subject(), problem, REWRITE);
    if file.len() < 8 {
        return Err(broken(match file.len() {
            0 => "the file is empty".to_owned(),
            n => format!("{n} bytes are too few for a .safetensors file"),
        }));
    }
    let mut length = [0u8; 8];
    file.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    let start = length.checked_add(8).filter(|&start| start <= file.len()).ok_or_else(|| {
        broken(format!("the header claims {length} bytes, but the file has {}", file.len()))
    })?;
    if length > MAX_HEADER {
        return Err(broken(format!("a header of {length} bytes is unreasonably long")));
    }
    let mut text = Vec::new();
    Tail::new(file, 8)
        .take(length)
        .read_to_end(&mut text)
        .map_err(|error| super::archive::unreadable(file.subject(), &error))?;
    let header: Metadata = serde_json::from_slice(&text)
        .map_err(|error| broken(format!("the header is damaged: {error}")))?;
    let end = u64::try_from(header.data_len()).ok().and_then(|n| n.checked_add(start));
    if end != Some(file.len()) {
        return Err(broken(format!(
            "the header promises {} bytes of values, but there are {}",
            header.data_len(),
            file.len().saturating_sub(start)
        )));
    }
    Ok((start, header))
}

fn array(
    file: &Arc<Positioned>,
    start: u64,
    subject: &str,
    info: &TensorInfo,
    purpose: Purpose,
    small: u64,
) -> Result<Array> {
    let kind = kind(info.dtype).ok_or_else(|| {
        Error::input(
            subject,
            format!("type {} is not supported", info.dtype),
            "save it as uint8 or float32, labels as int64",
        )
    })?;
    let offset = u64::try_from(info.data_offsets.0).ok().and_then(|at| at.checked_add(start));
    let offset = offset.ok_or_else(|| Error::internal("a checked offset overflows"))?;
    let (rows, width) = rows_and_width(&info.shape);
    let segment = Segment { file: Arc::clone(file), offset, rows };
    let encoding = Encoding { kind, big_endian: false };
    let stored = Stored::new(vec![segment], encoding, width, None)?;
    stored.into_array(subject, info.shape.clone(), purpose, small)
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::U8,
        Dtype::I8 => Kind::I8,
        Dtype::I16 => Kind::I16,
        Dtype::U16 => Kind::U16,
        Dtype::I32 => Kind::I32,
        Dtype::U32 => Kind::U32,
        Dtype::I64 => Kind::I64,
        Dtype::U64 => Kind::U64,
        Dtype::F16 => Kind::F16,
        Dtype::BF16 => Kind::Bf16,
        Dtype::F32 => Kind::F32,
        Dtype::F64 => Kind::F64,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "safetensors_tests.rs"]
mod tests;
