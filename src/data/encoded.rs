//! Images that stay encoded until a batch needs them.

use std::fmt;

use crate::Result;

/// The encoded images of one set, read one at a time and from several threads.
pub trait Encoded: fmt::Debug + Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// File, or file and row, as messages name it.
    fn name(&self, row: usize) -> String;
    /// Replaces the content of `out` by the bytes of image `row`.
    ///
    /// # Errors
    /// When the bytes can't be read.
    fn read(&self, row: usize, out: &mut Vec<u8>) -> Result<()>;
    /// Whether an orientation in the images' EXIF data is applied, as the library does that reads
    /// such data sets for training.
    fn upright(&self) -> bool {
        false
    }
}
