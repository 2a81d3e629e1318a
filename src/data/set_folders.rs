//! Which folders hold the training set and the set that is measured on, by their names.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::walk;
use crate::{Error, Result};

/// Names of the training set's folder.
const TRAIN: [&str; 2] = ["train", "training"];

/// Names of the folder that is measured on, in the order in which they are looked for.
const EVALUATION: [&str; 8] =
    ["test", "testing", "val", "valid", "validation", "eval", "evaluation", "dev"];

/// Folders by name.
type Folders = BTreeMap<OsString, PathBuf>;

/// The folders of both sets, where they are there.
#[derive(Debug)]
pub(crate) struct SetFolders<'a> {
    pub train: Option<&'a Path>,
    pub evaluation: Option<&'a Path>,
}

/// Finds the folders of the sets, whatever the case of their names.
///
/// # Errors
/// Two training sets; two folders whose names differ by case alone.
pub(crate) fn find(folders: &Folders) -> Result<SetFolders<'_>> {
    let train = called(folders, &TRAIN);
    let evaluation = EVALUATION.map(|name| called(folders, &[name]));
    let evaluation = evaluation.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    for found in [&train, &evaluation] {
        if let [one, other, ..] = found.as_slice() {
            return Err(Error::file(
                one,
                format!("by its name the same set as {}", other.display()),
                "leave the folder of one of them here",
            ));
        }
    }
    Ok(SetFolders { train: train.first().copied(), evaluation: evaluation.first().copied() })
}

/// Whether one of the folders is called like a training set.
pub(crate) fn has_train(folders: &Folders) -> bool {
    !called(folders, &TRAIN[..1]).is_empty()
}

/// Refuses `folders` as classes where one is called like a set and holds folders, as a set does,
/// and no images.
///
/// # Errors
/// Such a folder; a folder that can't be read.
pub(crate) fn refuse_as_classes(folders: &Folders) -> Result<()> {
    for path in called(folders, &TRAIN).into_iter().chain(called(folders, &EVALUATION)) {
        let inside = walk::list(path)?;
        if !inside.folders.is_empty() && !inside.files.values().any(|file| walk::is_image(file)) {
            let others: Vec<String> = folders
                .iter()
                .filter(|(_, other)| *other != path)
                .map(|(name, _)| name.display().to_string())
                .take(5)
                .collect();
            return Err(Error::file(
                path,
                format!(
                    "called like a set and holds folders, so it is no class; {}",
                    match others.is_empty() {
                        true => "nothing lies beside it".to_owned(),
                        false => format!("beside it lie {}", others.join(", ")),
                    }
                ),
                "call the folders of the two sets train and test (or val); for one set that is to \
                 be divided give its folder as --data; where it is a class, rename it",
            ));
        }
    }
    Ok(())
}

/// The folders of these names in any case, in the order of `names`.
fn called<'a>(folders: &'a Folders, names: &[&str]) -> Vec<&'a Path> {
    let mut found = Vec::new();
    for wanted in names {
        let named = folders.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.extend(named.map(|(_, path)| path.as_path()));
    }
    found
}
