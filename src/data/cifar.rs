//! CIFAR-10 and CIFAR-100 as their authors' binary version lays them down: records of the label's
//! byte (CIFAR-100: coarse and fine label) and 3 x 32 x 32 bytes of red, green and blue.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::decode::{Encoding, Kind, Purpose};
use super::positioned::Positioned;
use super::stored::{SMALL, Segment, Stored};
use super::{Data, Dataset};
use crate::{Error, Result};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: u64 = 3 * 32 * 32;
const BYTES: Encoding = Encoding { kind: Kind::U8, big_endian: false };

/// One of the two sets.
struct Layout {
    train: &'static [&'static str],
    test: &'static str,
    names: &'static str,
    /// Bytes before the pixels; the last of them is the label.
    label_bytes: u64,
    classes: usize,
}

const CIFAR10: Layout = Layout {
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
    names: "batches.meta.txt",
    label_bytes: 1,
    classes: 10,
};

const CIFAR100: Layout = Layout {
    train: &["train.bin"],
    test: "test.bin",
    names: "fine_label_names.txt",
    label_bytes: 2,
    classes: 100,
};

/// Whether the folder is one of the two; one missing file is told by [`load`].
pub(crate) fn recognise(folder: &Path) -> bool {
    [CIFAR10, CIFAR100].iter().flat_map(names).any(|name| folder.join(name).is_file())
}

/// The files that hold the records.
fn names(layout: &Layout) -> impl Iterator<Item = &'static str> + use<> {
    layout.train.iter().copied().chain([layout.test])
}

/// Reads the folder; labels of CIFAR-100 are the fine ones.
///
/// # Errors
/// Files of both; a missing file, a file that is no whole number of records, a label that is no
/// class, a list of names of another length.
pub(crate) fn load(folder: &Path) -> Result<Data> {
    read(folder, SMALL)
}

fn read(folder: &Path, small: u64) -> Result<Data> {
    let of =
        |layout: &Layout| names(layout).map(|name| folder.join(name)).find(|path| path.is_file());
    let layout = match (of(&CIFAR10), of(&CIFAR100)) {
        (Some(ten), Some(hundred)) => {
            return Err(Error::file(
                &hundred,
                format!("a file of CIFAR-100 beside CIFAR-10's {}", ten.display()),
                "put each data set into a folder of its own",
            ));
        }
        (Some(_), None) => &CIFAR10,
        _ => &CIFAR100,
    };
    let train = set(folder, layout, layout.train, small)?;
    let test = set(folder, layout, &[layout.test], small)?;
    let files: Vec<PathBuf> = names(layout).map(|name| folder.join(name)).collect();
    let mut data = Data::new(&folder.display().to_string(), train, Some(test)).with_files(files);
    data.class_names = class_names(&folder.join(layout.names), layout.classes)?;
    Ok(data)
}

fn set(folder: &Path, layout: &Layout, names: &[&str], small: u64) -> Result<Dataset> {
    let record = layout.label_bytes.saturating_add(PIXELS);
    let mut files: Vec<(Arc<Positioned>, usize)> = Vec::new();
    for name in names {
        let file = Positioned::open(&folder.join(name))?;
        let rows = usize::try_from(file.len() / record).unwrap_or(usize::MAX);
        if rows == 0 || file.len() % record != 0 {
            return Err(Error::input(
                file.subject(),
                format!("{} bytes are no whole number of {record}-byte records", file.len()),
                "unpack the binary version of CIFAR again; a partly copied file is cut off",
            ));
        }
        files.push((file, rows));
    }
    let rows = files.iter().map(|(_, rows)| rows).sum();
    let stored = |offset: u64, width: usize| {
        let segment = |(file, rows): &(Arc<Positioned>, usize)| Segment {
            file: Arc::clone(file),
            offset,
            rows: *rows,
        };
        Stored::new(files.iter().map(segment).collect(), BYTES, width, Some(record))
    };
    let subject = match names {
        [only] => folder.join(only).display().to_string(),
        _ => folder.display().to_string(),
    };
    let labels = stored(layout.label_bytes.saturating_sub(1), 1)?;
    let labels = labels.into_array(&subject, vec![rows], Purpose::Labels, small)?;
    check_labels(&labels.to_whole_numbers("label")?, &files, layout.classes)?;
    let [c, h, w] = SHAPE;
    let width = c.saturating_mul(h).saturating_mul(w);
    let shape = vec![rows, c, h, w];
    let images = stored(layout.label_bytes, width)?;
    let images = images.into_array(&subject, shape, Purpose::Input, small)?;
    Dataset::new(vec![(super::dataset::POSITIONAL.to_owned(), images)], &labels)
}

/// A label that is no class shows that the records are of another kind.
fn check_labels(
    labels: &[usize],
    files: &[(Arc<Positioned>, usize)],
    classes: usize,
) -> Result<()> {
    let Some(bad) = labels.iter().position(|&label| label >= classes) else { return Ok(()) };
    let mut record = bad;
    for (file, rows) in files {
        match record.checked_sub(*rows) {
            Some(rest) => record = rest,
            None => {
                let label = labels.get(bad).copied().unwrap_or_default();
                return Err(Error::input(
                    file.subject(),
                    format!("record {record} has label {label}, but there are {classes} classes"),
                    "unpack the binary version of CIFAR again",
                ));
            }
        }
    }
    Err(Error::internal("a label lies behind the last file"))
}

/// The names of the classes, one a line; `None` where the file isn't there.
fn class_names(path: &Path, classes: usize) -> Result<Option<Vec<String>>> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = super::text_file::read(path)?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.len() != classes {
        return Err(Error::file(
            path,
            format!("{} names for {classes} classes", names.len()),
            "write one name a line, or remove the file",
        ));
    }
    Ok(Some(names))
}

#[cfg(test)]
#[path = "cifar_tests.rs"]
mod tests;
