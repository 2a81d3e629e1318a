//! Folders of samples: which kind a folder is follows from what is in it.

use std::path::Path;

use super::{Data, LoadOptions, image_folder};
use crate::{Error, Result};

/// Reads a folder if it is of this kind, `None` if it is not; also told the names of the model's
/// inputs.
type Recogniser = fn(&Path, &[&str], &LoadOptions) -> Result<Option<Data>>;

/// The kinds in the order in which they are tried; a folder of images is told by least.
const KINDS: [Recogniser; 1] = [image_folder::load];

/// Reads a folder as the first kind that it is.
///
/// # Errors
/// All that the kind's reader refuses; a folder of no kind.
pub(crate) fn load(path: &Path, model_inputs: &[&str], options: &LoadOptions) -> Result<Data> {
    for kind in KINDS {
        if let Some(data) = kind(path, model_inputs, options)? {
            return Ok(data);
        }
    }
    Err(Error::file(
        path,
        "no images and no other samples in this folder",
        "give a folder of the form train/CLASS/IMAGE and test/CLASS/IMAGE, or CLASS/IMAGE",
    ))
}
