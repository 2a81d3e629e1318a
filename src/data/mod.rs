//! Sets of samples: reading them, splitting them, and feeding them to a model.

mod archive;
mod array;
mod cifar;
mod dataset;
mod decode;
mod encoded;
mod feed;
mod folder;
mod forget;
mod hash;
mod idx;
mod keys;
mod layout;
mod normalization;
mod npy;
mod npy_folder;
pub mod npz;
// Opened once encoded images can be fed.
#[cfg_attr(not(test), expect(dead_code))]
mod parquet;
mod positioned;
mod safetensors;
mod split;
mod stored;
mod stream;
#[cfg(test)]
mod testing;
mod text;

use std::path::Path;

pub use array::{Array, Values};
pub use dataset::{Data, Dataset, Part};
pub use encoded::Encoded;
pub use feed::{Element, Feed};
pub use forget::{ClassItem, Forget, ForgetSpec};
pub use hash::{file_sha256, files_sha256};
pub use layout::InputSpec;
pub use normalization::Normalization;
pub use split::{Rows, Side, Splits};
pub use stored::Stored;

use crate::{Error, Result};

/// Reads a data file or folder; a file's format follows from the name's ending, a folder's from
/// what is in it. `model_inputs` are the names of the model's inputs, by which arrays of a model
/// not fed images are found.
///
/// # Errors
/// What is no supported format, and all that the format's reader refuses.
pub fn load(path: &Path, model_inputs: &[&str]) -> Result<Data> {
    if path.is_dir() {
        return folder::load(path, model_inputs);
    }
    // A missing file is told as such, whatever its name ends in.
    npz::open(path)?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("npz") => npz::from_path(path, model_inputs),
        Some("safetensors") => safetensors::load(path, model_inputs),
        _ => Err(Error::file(
            path,
            "not a supported data format",
            "give an .npz or .safetensors file with x_train, y_train, x_test and y_test, or a \
             folder; docs/usage.md lists all formats",
        )),
    }
}
