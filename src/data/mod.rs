//! Sets of samples: reading them, splitting them, and feeding them to a model.

mod archive;
mod array;
mod dataset;
mod feed;
mod forget;
mod hash;
mod layout;
mod normalization;
mod npy;
pub mod npz;
mod split;
#[cfg(test)]
mod testing;

use std::path::Path;

pub use array::{Array, Values};
pub use dataset::{Data, Dataset, Part};
pub use feed::{Element, Feed};
pub use forget::ForgetSpec;
pub use hash::file_sha256;
pub use layout::InputSpec;
pub use normalization::Normalization;
pub use split::{Rows, Side, Splits};

use crate::{Error, Result};

/// Reads a data file; the format follows from the name's ending. `model_inputs` are the names of
/// the model's inputs, by which arrays of a model not fed images are found.
///
/// # Errors
/// An ending that is no supported format, and all that the format's reader refuses.
pub fn load(path: &Path, model_inputs: &[&str]) -> Result<Data> {
    // A missing file or a folder is told as such, whatever its name ends in.
    npz::open(path)?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("npz") => npz::from_path(path, model_inputs),
        _ => Err(Error::file(
            path,
            "not a supported data format",
            "give an .npz file with x_train, y_train, x_test and y_test",
        )),
    }
}
