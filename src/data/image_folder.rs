//! Folders of images: `train/CLASS/IMAGE` and `test/CLASS/IMAGE`, `CLASS/IMAGE`, or either with a
//! table (`metadata.csv`, `metadata.jsonl`) in place of class folders.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::unreadable;
use super::class_names::Classes;
use super::metadata::{self, Metadata};
use super::table_labels::{self, Reading};
use super::walk::{self, Listing};
use super::{Data, Dataset, Encoded, LoadOptions, numbering, set_folders};
use crate::{Error, Result};

const LAYOUT: &str =
    "put images into train/CLASS/ and test/CLASS/, or into CLASS/ to have one set split";

/// Image files below a folder.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// Relative to the root.
    files: Vec<PathBuf>,
}

impl Encoded for Files {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, row: usize) -> String {
        let file = self.files.get(row).map(|file| self.root.join(file));
        file.unwrap_or_else(|| self.root.clone()).display().to_string()
    }

    fn read(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let path = self.files.get(row).map(|file| self.root.join(file));
        let path = path.ok_or_else(|| Error::internal(format!("there is no image {row}")))?;
        out.clear();
        File::open(&path)
            .and_then(|mut file| file.read_to_end(out))
            .map_err(|error| unreadable(&path.display().to_string(), &error))?;
        Ok(())
    }
}

/// One image with the name of its class, or its number as a table gives it.
struct Sample {
    /// Relative to the data folder.
    file: PathBuf,
    label: String,
    /// For messages.
    place: String,
}

/// One of the sets.
#[derive(Default)]
struct Set {
    /// Its folder or table, for messages.
    subject: String,
    samples: Vec<Sample>,
    /// Classes that have a folder, with images or without.
    classes: Vec<String>,
    columns: BTreeMap<String, Vec<String>>,
    /// A file by which torchvision numbers the rows otherwise.
    odd: Option<PathBuf>,
    /// The table that it was read from, relative to the data folder.
    table: Option<PathBuf>,
}

/// Whether the first look at a folder shows images in sets, by a table, or in folders of classes.
pub(crate) fn recognise(root: &Path) -> bool {
    let Ok(listing) = walk::list(root) else { return false };
    let tables = ["metadata.csv", "metadata.jsonl"];
    let holds_images = |folder: &PathBuf| {
        walk::list(folder).is_ok_and(|own| own.files.values().any(|file| walk::is_image(file)))
    };
    set_folders::has_train(&listing.folders)
        || tables.iter().any(|name| listing.files.contains_key(OsStr::new(name)))
        || listing.folders.values().filter(|folder| holds_images(folder)).nth(1).is_some()
}

/// Reads a folder of images; `None` where there are neither images nor a table of them.
///
/// # Errors
/// Folders and links that can't be read; images outside of class folders; tables that can't be
/// used; class names that are not in the given list.
pub(crate) fn load(root: &Path, options: &LoadOptions) -> Result<Option<Data>> {
    let listing = walk::list(root)?;
    let table = metadata::read(&listing)?;
    let found = set_folders::find(&listing.folders)?;
    // A lone `train` is one set; beside other folders it is a class like them.
    let alone = listing.folders.len() == 1;
    let parts: Vec<&Path> = match (found.train, found.evaluation) {
        (Some(train), Some(evaluation)) => vec![train, evaluation],
        (Some(train), None) if alone && table.is_none() => vec![train],
        _ => Vec::new(),
    };
    let mut sets = Vec::new();
    if parts.is_empty() {
        sets.push(match &table {
            Some(table) => from_table(root, root, table, |_| true)?,
            None => {
                set_folders::refuse_as_classes(&listing.folders)?;
                from_classes(root, root, &listing)?
            }
        });
    }
    for path in parts {
        let own = walk::list(path)?;
        sets.push(match (&table, metadata::read(&own)?) {
            (_, Some(own)) => from_table(root, path, &own, |_| true)?,
            (Some(table), None) => {
                let inside = |file: &Path| root.join(file).starts_with(path);
                from_table(root, root, table, inside)?
            }
            (None, None) => from_classes(root, path, &own)?,
        });
    }
    if sets.iter().all(|set| set.samples.is_empty() && set.table.is_none()) {
        return Ok(None);
    }
    assemble(root, sets, options).map(Some)
}

/// Images in class folders, nested ones included.
fn from_classes(root: &Path, folder: &Path, listing: &Listing) -> Result<Set> {
    let mut set = Set { subject: folder.display().to_string(), ..Set::default() };
    set.odd = walk::hidden_image(listing);
    for (name, path) in &listing.folders {
        let class = text(name, path)?;
        let images = walk::images(path)?;
        set.odd = set.odd.take().or(images.odd);
        for image in images.files {
            let place = image.display().to_string();
            let file = relative(root, &image)?;
            set.samples.push(Sample { file, label: class.clone(), place });
        }
        set.classes.push(class);
    }
    let stray = listing.files.values().find(|path| walk::is_image(path));
    match stray {
        Some(stray) if set.samples.is_empty() => Err(Error::file(
            stray,
            "an image outside of any class folder, and no metadata.csv or metadata.jsonl",
            LAYOUT,
        )),
        Some(stray) => Err(Error::file(
            stray,
            format!("an image beside the class folders of {}", folder.display()),
            "move it into the folder of its class, or elsewhere",
        )),
        None => Ok(set),
    }
}

/// The images of a table that are `wanted`, in its order; others on the disk are left alone.
fn from_table(
    root: &Path,
    folder: &Path,
    table: &Metadata,
    wanted: impl Fn(&Path) -> bool,
) -> Result<Set> {
    let mut set = Set {
        subject: table.path.display().to_string(),
        table: Some(relative(root, &table.path)?),
        ..Set::default()
    };
    let rows: Vec<bool> = table.rows.iter().map(|row| wanted(&row.file)).collect();
    for row in table.rows.iter().zip(&rows).filter_map(|(row, &wanted)| wanted.then_some(row)) {
        let path = folder.join(&row.file);
        if !path.is_file() {
            return Err(Error::input(
                &row.place,
                format!("there is no file {}", path.display()),
                "give file_name relative to the table's folder",
            ));
        }
        let (label, place) = (row.label.clone(), row.place.clone());
        set.samples.push(Sample { file: relative(root, &path)?, label, place });
    }
    for (name, column) in &table.columns {
        let kept = column.iter().zip(&rows).filter_map(|(cell, &wanted)| wanted.then_some(cell));
        set.columns.insert(name.clone(), kept.cloned().collect());
    }
    Ok(set)
}

fn assemble(root: &Path, sets: Vec<Set>, options: &LoadOptions) -> Result<Data> {
    let given = options.class_names.as_deref();
    let tables = || sets.iter().filter(|set| set.table.is_some()).flat_map(|set| &set.samples);
    let folders: BTreeSet<&str> =
        sets.iter().flat_map(|set| &set.classes).map(String::as_str).collect();
    // A table may give class numbers; folders are always names.
    let placed = tables().map(|sample| (sample.label.as_str(), sample.place.as_str()));
    let reading = table_labels::reading(placed, given, &folders)?;
    let known: BTreeSet<&str> =
        folders.iter().copied().chain(given.into_iter().flatten().map(String::as_str)).collect();
    let name = |sample: &Sample| table_labels::name(&sample.label, |name| known.contains(name));
    let found = tables().map(name).chain(folders.iter().map(|&folder| folder.to_owned()));
    let unnamed = folders.is_empty() && reading == Reading::Numbers;
    let classes = (!unnamed).then(|| Classes::new(given, found));
    let number = |sample: &Sample, of_table: bool| match (&classes, numbering::whole(&sample.label))
    {
        (_, Some(number)) if of_table && reading == Reading::Numbers => Ok(number),
        (Some(classes), _) if of_table => classes.number(&name(sample), &sample.place),
        (Some(classes), _) => classes.number(&sample.label, &sample.place),
        (None, _) => Err(Error::internal(format!("{}: a label was lost", sample.place))),
    };
    let mut files: Vec<PathBuf> = Vec::new();
    let mut datasets = Vec::new();
    for set in &sets {
        let of_table = set.table.is_some();
        let labels = set.samples.iter().map(|sample| number(sample, of_table));
        let labels = labels.collect::<Result<Vec<usize>>>()?;
        let own: Vec<PathBuf> = set.samples.iter().map(|sample| sample.file.clone()).collect();
        files.extend(own.iter().chain(&set.table).cloned());
        let store = Files { root: root.to_owned(), files: own };
        datasets.push(Dataset::of_images(Arc::new(store), labels, &set.subject)?);
    }
    let mut datasets = datasets.into_iter();
    let train = datasets.next().ok_or_else(|| Error::internal("no set was read"))?;
    let mut data = Data::new(&root.display().to_string(), train, datasets.next());
    data.class_names = classes.map(Classes::into_names);
    if given.is_none() {
        data.notes.extend(text_order(&folders));
    }
    if let Some(train) = sets.into_iter().next() {
        (data.columns, data.numbered_otherwise) = (train.columns, train.odd);
    }
    // One table may have been read for both sets.
    files.sort();
    files.dedup();
    data.files = files;
    Ok(data)
}

/// A word on class folders that are called 0, 1, 10, 2, ...
fn text_order(folders: &BTreeSet<&str>) -> Option<String> {
    let numbers: Vec<usize> =
        folders.iter().map(|name| numbering::whole(name)).collect::<Option<_>>()?;
    if numbers.is_sorted() {
        return None;
    }
    let (class, number) =
        numbers.into_iter().enumerate().find(|(class, number)| class != number)?;
    Some(format!(
        "class folders are numbered in the order of their names as texts, as torchvision does it: \
         folder {number} is class {class}; --class-names gives another order"
    ))
}

fn relative(root: &Path, path: &Path) -> Result<PathBuf> {
    let relative = path.strip_prefix(root).map(Path::to_owned);
    relative.map_err(|_| Error::internal(format!("{} lies elsewhere", path.display())))
}

fn text(name: &OsString, path: &Path) -> Result<String> {
    let text = name.to_str().map(str::to_owned);
    text.ok_or_else(|| Error::file(path, "the class's name is not UTF-8", "rename the folder"))
}

#[cfg(test)]
#[path = "image_folder_tests.rs"]
mod tests;
