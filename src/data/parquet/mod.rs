//! Image data sets as the Hugging Face Hub stores them: one `.parquet` file, or a folder of
//! shards `train-*.parquet` and `test-*.parquet` (or `validation-*.parquet`).

mod cache;
mod class_names;
mod guard;
mod images;
mod labels;
mod metadata;
mod pages;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::unreadable;
use super::{Data, Dataset, Encoded};
use crate::{Error, Result};
use images::Images;
use labels::Labels;
use shard::Shard;

/// Samples of a set: encoded images and, for each, its class.
#[derive(Debug)]
pub(crate) struct ParquetSet {
    pub store: Arc<dyn Encoded>,
    pub labels: Vec<usize>,
}

/// What the files hold.
#[derive(Debug)]
pub(crate) struct ParquetSets {
    pub train: ParquetSet,
    pub test: Option<ParquetSet>,
    /// Names in the order of the classes' numbers; labels that are texts are numbered by it.
    pub class_names: Option<Vec<String>>,
    /// Other columns of text, whole numbers and booleans of the training set; those of more than
    /// 64 MiB (captions) are left out.
    pub columns: BTreeMap<String, Vec<String>>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

/// Whether the folder, or its `data`, holds shards of a training set.
pub(crate) fn recognise(folder: &Path) -> bool {
    shards_folder(folder).is_some()
}

/// Reads one file, which is then the only set, or a folder of shards; labels that are texts are
/// numbered as `class_names`, where they are given.
///
/// # Errors
/// As [`open`].
pub(crate) fn load(path: &Path, class_names: Option<&[String]>) -> Result<Data> {
    let sets = open(path, class_names)?;
    let source = path.display().to_string();
    let dataset = |set: ParquetSet| Dataset::of_images(set.store, set.labels, &source);
    let test = sets.test.map(dataset).transpose()?;
    let mut data = Data::new(&source, dataset(sets.train)?, test).with_files(sets.files);
    (data.class_names, data.columns) = (sets.class_names, sets.columns);
    Ok(data)
}

/// Opens one file, which is then the only set, or a folder of shards; `given` as in [`load`].
///
/// # Errors
/// Files that are damaged or lack an image or label column, shards that are missing, samples
/// without a label; every message names the file and the row. Images are looked at when they are
/// read.
pub(crate) fn open(path: &Path, given: Option<&[String]>) -> Result<ParquetSets> {
    let (train, test) = if path.is_dir() {
        let folder = shards_folder(path).ok_or_else(|| {
            Error::file(path, "no train-*.parquet is there", "give the folder of the shards")
        })?;
        let test = match shards(&folder, "test")? {
            none if none.is_empty() => shards(&folder, "validation")?,
            test => test,
        };
        (shards(&folder, "train")?, test)
    } else {
        (vec![path.to_owned()], Vec::new())
    };
    let files = train.iter().chain(&test).cloned().collect();
    let train = open_all(&train)?;
    let test = open_all(&test)?;
    let class_names = class_names::told(train.iter().chain(&test))?;
    let train_labels = Labels::read(&train, class_names.as_deref())?;
    let test_labels = Labels::read(&test, class_names.as_deref())?;
    let labels = Labels::number(train_labels, test_labels, given, &path.display().to_string())?;
    let columns = metadata::read(&train)?;
    let set = |shards: Vec<Shard>, labels| -> ParquetSet {
        ParquetSet { store: Arc::new(Images::new(shards)), labels }
    };
    Ok(ParquetSets {
        test: (!test.is_empty()).then(|| set(test, labels.test)),
        train: set(train, labels.train),
        class_names: labels.names.or(class_names),
        columns,
        files,
    })
}

fn open_all(paths: &[PathBuf]) -> Result<Vec<Shard>> {
    paths.iter().map(|path| Shard::open(path)).collect()
}

fn shards_folder(folder: &Path) -> Option<PathBuf> {
    let candidates = [folder.to_owned(), folder.join("data")];
    candidates.into_iter().find(|candidate| {
        // Where some shards are missing, the others are the data set all the same.
        candidate.is_dir() && shards(candidate, "train").map_or(true, |found| !found.is_empty())
    })
}

/// `SPLIT.parquet` and `SPLIT-*.parquet`, in order.
fn shards(folder: &Path, split: &str) -> Result<Vec<PathBuf>> {
    let subject = folder.display().to_string();
    let mut found = Vec::new();
    let mut announced: Option<usize> = None;
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&subject, &error))? {
        let path = entry.map_err(|error| unreadable(&subject, &error))?.path();
        let Some(rest) = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".parquet")?.strip_prefix(split))
        else {
            continue;
        };
        if rest.is_empty() || rest.starts_with('-') {
            announced = rest.split_once("-of-").and_then(|(_, n)| n.parse().ok()).or(announced);
            found.push(path);
        }
    }
    found.sort();
    match announced {
        Some(total) if total != found.len() => Err(Error::file(
            folder,
            format!("{} of {total} files {split}-*.parquet are there", found.len()),
            "download the others; a part of the shards holds a part of the classes at best",
        )),
        _ => Ok(found),
    }
}
