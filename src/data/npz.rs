//! `.npz` files: `x_train y_train x_test y_test`, one set `x y`, or keys named for model inputs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::Data;
use super::archive::{Archive, Limits, Member, unreadable};
use super::keys::Keys;
use super::npy;
use crate::lfs::{head, refuse_pointer};
use crate::{Error, Result};

/// Reads a file. Each of `model_inputs`, the graph's input names, is looked for as a key, with
/// `_train` and `_test` or, beside a `y`, without; only where there are no such keys and the model
/// has one input does `x` stand for it.
///
/// # Errors
/// A file that is missing, a folder, unreadable or no sound `.npz`; arrays that are missing, no
/// numbers, or of different lengths; labels that are no whole numbers; NaN or infinite samples.
/// Every message names file, array and index.
pub fn from_path(path: &Path, model_inputs: &[&str]) -> Result<Data> {
    let subject = path.display().to_string();
    let file = open(path)?;
    let data = read(BufReader::new(file), &subject, model_inputs, Limits::default())?;
    Ok(data.with_files([path.to_owned()]))
}

/// Like [`from_path`], from memory.
///
/// # Errors
/// As [`from_path`].
pub fn from_bytes(bytes: &[u8], model_inputs: &[&str]) -> Result<Data> {
    read(Cursor::new(bytes), "the .npz", model_inputs, Limits::default())
}

/// A regular file, opened. Anything else (a folder, a pipe) could not be sought in.
pub(crate) fn open(path: &Path) -> Result<File> {
    let subject = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::file(path, "no such file", "check the path"),
        _ => unreadable(&subject, &error),
    })?;
    if metadata.is_dir() {
        return Err(Error::file(path, "a folder, not a file", "give the path of a file"));
    }
    if !metadata.is_file() {
        return Err(Error::file(path, "not a regular file", "copy the content into a file first"));
    }
    let opened = File::open(path).and_then(|mut file| Ok((head(&mut file)?, file)));
    let (head, file) = opened.map_err(|error| unreadable(&subject, &error))?;
    refuse_pointer(&subject, &head)?;
    Ok(file)
}

/// Only the arrays that are wanted are read; others may be of any type.
fn read<R: Read + Seek>(
    reader: R,
    subject: &str,
    model_inputs: &[&str],
    limits: Limits,
) -> Result<Data> {
    let mut archive = Archive::new(reader, subject)?;
    let keys: BTreeMap<String, Member> = archive
        .members()
        .iter()
        .filter_map(|m| Some((m.name.strip_suffix(".npy")?.to_owned(), m.clone())))
        .collect();
    let there: BTreeSet<String> = keys.keys().cloned().collect();
    let found = Keys::find(subject, &there, model_inputs)?;
    archive.check_limits(found.wanted().iter().filter_map(|key| keys.get(key)), limits)?;
    let (train, test) = found.sets(|key, purpose| {
        let member =
            keys.get(key).ok_or_else(|| Error::internal("a missing array was not noticed"))?;
        let mut stream = archive.open(member)?;
        let (size, reserve) = (stream.size, stream.reserve);
        let array = npy::read(&mut stream, size, reserve, &format!("{subject}: {key}"), purpose)?;
        stream.finish()?;
        Ok(array)
    })?;
    Ok(Data::new(subject, train, test))
}

#[cfg(test)]
#[path = "npz_tests.rs"]
mod tests;
