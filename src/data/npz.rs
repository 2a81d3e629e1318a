//! `.npz` files: `x_train y_train x_test y_test`, one set `x y`, or keys named for model inputs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::archive::{Archive, Limits, Member, unreadable};
use super::array::Array;
use super::dataset::POSITIONAL;
use super::npy::{self, Purpose};
use super::{Data, Dataset};
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
    read(BufReader::new(file), &subject, model_inputs, Limits::default())
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
        std::io::ErrorKind::NotFound => Error::file(
            path,
            "no such file",
            "check the path; it is relative to the working directory",
        ),
        _ => unreadable(&subject, &error),
    })?;
    if metadata.is_dir() {
        return Err(Error::file(path, "a folder, not a file", "give the path of a file"));
    }
    if !metadata.is_file() {
        return Err(Error::file(path, "not a regular file", "copy the content into a file first"));
    }
    File::open(path).map_err(|error| unreadable(&subject, &error))
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
    let has = |key: &str| keys.contains_key(key);
    let two_sets = has("y_train") || !has("y");
    let (first, suffixes): (&str, &[&str]) =
        if two_sets { ("_train", &["_train", "_test"]) } else { ("", &[""]) };

    let all_named = !model_inputs.is_empty()
        && model_inputs.iter().all(|name| has(&format!("{name}{}", first)));
    let names: Vec<&str> = if all_named {
        model_inputs.to_vec()
    } else if model_inputs.len() <= 1 {
        vec![POSITIONAL]
    } else {
        model_inputs.to_vec()
    };

    let mut wanted = Vec::new();
    for suffix in suffixes {
        for name in names.iter().copied().chain(["y"]) {
            wanted.push(format!("{name}{suffix}"));
        }
    }
    let missing: Vec<&String> = wanted.iter().filter(|key| !has(key)).collect();
    if !missing.is_empty() {
        return Err(missing_arrays(subject, &missing, &keys, &names));
    }
    archive.check_limits(wanted.iter().filter_map(|key| keys.get(key)), limits)?;

    let mut sets = Vec::new();
    for suffix in suffixes {
        let mut array = |key: String, purpose: Purpose| -> Result<Array> {
            let member =
                keys.get(&key).ok_or_else(|| Error::internal("a missing array was not noticed"))?;
            let mut stream = archive.open(member)?;
            let (size, reserve) = (stream.size, stream.reserve);
            let array =
                npy::read(&mut stream, size, reserve, &format!("{subject}: {key}"), purpose)?;
            stream.finish()?;
            Ok(array)
        };
        let labels = array(format!("y{suffix}"), Purpose::Labels)?;
        let mut inputs = Vec::new();
        for name in &names {
            inputs.push(((*name).to_owned(), array(format!("{name}{suffix}"), Purpose::Input)?));
        }
        sets.push(Dataset::new(inputs, &labels)?);
    }
    let mut sets = sets.into_iter();
    let train = sets.next().ok_or_else(|| Error::internal("no set was read"))?;
    Ok(Data::new(subject, train, sets.next()))
}

fn missing_arrays(
    subject: &str,
    missing: &[&String],
    keys: &BTreeMap<String, Member>,
    names: &[&str],
) -> Error {
    let list = |keys: &mut dyn Iterator<Item = &String>| -> String {
        keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
    };
    let there = match keys.len() {
        0 => "it holds no arrays".to_owned(),
        n if n > 20 => format!("it holds {n} other arrays"),
        _ => format!("it holds {}", list(&mut keys.keys())),
    };
    let remedy = if names == [POSITIONAL] {
        "name the arrays x_train, y_train, x_test, y_test, or x and y to have one set split"
            .to_owned()
    } else {
        format!(
            "name the arrays for the model's inputs ({}) with _train and _test, beside y_train and y_test",
            names.join(", ")
        )
    };
    let noun = if missing.len() == 1 { "array" } else { "arrays" };
    Error::input(
        subject,
        format!("{noun} {} missing; {there}", list(&mut missing.iter().copied())),
        remedy,
    )
}

#[cfg(test)]
#[path = "npz_tests.rs"]
mod tests;
