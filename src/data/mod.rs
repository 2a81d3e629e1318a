//! Sets of samples: reading them, splitting them, and feeding them to a model.

mod archive;
mod array;
mod cifar;
mod class_names;
mod dataset;
mod decode;
mod encoded;
mod feed;
mod folder;
mod forget;
mod hash;
mod idx;
mod image_folder;
mod images;
mod keys;
mod layout;
mod metadata;
mod normalization;
mod notes;
mod npy;
mod npy_folder;
pub mod npz;
mod numbering;
mod options;
mod parquet;
mod picture;
mod positioned;
mod preprocess;
mod preprocess_file;
mod resize;
mod safetensors;
mod set_folders;
mod split;
mod stored;
mod stream;
mod table_labels;
#[cfg(test)]
mod testing;
mod text_file;
mod walk;

use std::path::Path;

pub use array::{Array, Values};
pub use class_names::read_class_names;
pub use dataset::{Data, Dataset, Part, Skipped};
pub use encoded::Encoded;
pub use feed::{Element, Feed};
pub use forget::{ClassItem, Forget, ForgetSpec};
pub use hash::{file_sha256, source_sha256};
pub use layout::InputSpec;
pub use normalization::Normalization;
pub use notes::notes;
pub use options::LoadOptions;
pub use preprocess::{Centre, Filter, Preprocess, Resize, Size};
pub use preprocess_file::MAX_EDGE;
pub use split::{Rows, Side, Splits};
pub use stored::Stored;

use crate::{Error, Result};

/// Reads a data file or folder; the format of a file follows from its name's ending, that of a
/// folder from what is in it. `model_inputs` are the names of the model's inputs, by which arrays
/// of a model not fed images are found.
///
/// # Errors
/// An ending that is no supported format, all that the format's reader refuses, class names that
/// don't go with the labels, and images that can't be read or don't go with the options.
pub fn load(path: &Path, model_inputs: &[&str], options: &LoadOptions) -> Result<Data> {
    let data = if path.is_dir() {
        folder::load(path, model_inputs, options)?
    } else {
        load_file(path, model_inputs, options)?
    };
    let data = match &options.class_names {
        Some(given) => numbering::by_names(data, given)?,
        None => data,
    };
    data.inspect(options)
}

/// Whether a path shows by its name, or a folder by the names in it, that it holds samples: a hint
/// for whoever looks for data; [`load`] decides.
#[must_use]
pub fn recognise(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match path.is_dir() {
        true => folder::recognise(path),
        false => matches!(ending.as_deref(), Some("npz" | "parquet" | "safetensors")),
    }
}

fn load_file(path: &Path, model_inputs: &[&str], options: &LoadOptions) -> Result<Data> {
    // A missing file is told as such, whatever its name ends in.
    npz::open(path)?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("npz") => npz::from_path(path, model_inputs),
        Some("parquet") => parquet::load(path, options.class_names.as_deref()),
        Some("safetensors") => safetensors::load(path, model_inputs),
        _ => Err(Error::file(
            path,
            "not a supported data format",
            "give a .npz or .safetensors file with x_train, y_train, x_test and y_test, a .parquet \
             file, or a folder; docs/usage.md lists all formats",
        )),
    }
}
