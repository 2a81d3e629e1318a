//! What kind of data set a folder is.

use std::path::Path;

use super::{Data, cifar, idx, npy_folder};
use crate::{Error, Result};

/// A kind of folder: its name, how it is told, how it is read.
struct Kind {
    name: &'static str,
    recognise: fn(&Path) -> bool,
    load: fn(&Path, &[&str]) -> Result<Data>,
}

const KINDS: [Kind; 3] = [
    Kind { name: "NumPy arrays", recognise: npy_folder::recognise, load: npy_folder::load },
    Kind { name: "CIFAR", recognise: cifar::recognise, load: |path, _| cifar::load(path) },
    Kind { name: "IDX", recognise: idx::recognise, load: |path, _| idx::load(path) },
];

/// Reads a folder; `model_inputs` as in [`super::load`].
///
/// # Errors
/// A folder of no known kind or of two, and all that the kind's reader refuses.
pub(crate) fn load(path: &Path, model_inputs: &[&str]) -> Result<Data> {
    let found: Vec<&Kind> = KINDS.iter().filter(|kind| (kind.recognise)(path)).collect();
    match found.as_slice() {
        [kind] => (kind.load)(path, model_inputs),
        [] => Err(Error::file(
            path,
            "not a folder of a supported kind",
            "give a folder of x_train.npy, y_train.npy, x_test.npy and y_test.npy, of CIFAR's .bin \
             files, or of IDX files (train-images-idx3-ubyte …); docs/usage.md lists all formats",
        )),
        [one, other, ..] => Err(Error::file(
            path,
            format!("the folder holds two data sets: {} and {}", one.name, other.name),
            "put each data set into a folder of its own",
        )),
    }
}
