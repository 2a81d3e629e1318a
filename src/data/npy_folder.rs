//! A folder of `.npy` files, each named for what an `.npz` would hold under its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Data;
use super::archive::unreadable;
use super::keys::Keys;
use super::npy;
use super::positioned::Positioned;
use super::stored::SMALL;
use crate::Result;

/// Whether the folder holds labels as NumPy saves them.
pub(crate) fn recognise(folder: &Path) -> bool {
    ["y_train.npy", "y.npy"].iter().any(|name| folder.join(name).is_file())
}

/// Reads the folder; the keys are those of [`super::npz::from_path`].
///
/// # Errors
/// Arrays that are missing or unsound; every message names the file.
pub(crate) fn load(folder: &Path, model_inputs: &[&str]) -> Result<Data> {
    read(folder, model_inputs, SMALL)
}

fn read(folder: &Path, model_inputs: &[&str], small: u64) -> Result<Data> {
    let subject = folder.display().to_string();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&subject, &error))? {
        let name = entry.map_err(|error| unreadable(&subject, &error))?.file_name();
        if let Some(key) = name.to_str().and_then(|name| name.strip_suffix(".npy")) {
            there.insert(key.to_owned());
        }
    }
    let keys = Keys::find(&subject, &there, model_inputs)?;
    let path = |key: &str| -> PathBuf { folder.join(format!("{key}.npy")) };
    let (train, test) = keys.sets(|key, purpose| {
        let file = Positioned::open(&path(key))?;
        npy::from_file(&file, file.subject(), purpose, small)
    })?;
    let files: Vec<PathBuf> = keys.wanted().iter().map(|key| path(key)).collect();
    Ok(Data::new(&subject, train, test).with_files(files))
}

#[cfg(test)]
#[path = "npy_folder_tests.rs"]
mod tests;
