//! Small text files: lists of names and of row numbers.

use std::io::Read;
use std::path::Path;

use super::archive::unreadable;
use crate::{Error, Result};

/// Largest list that is read; a hundred million indices fit.
const MAX_FILE: u64 = 1 << 30;

/// The whole of a text file.
///
/// # Errors
/// A file that is missing, a folder, unreadable, larger than 1 GiB, or not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String> {
    let source = path.display().to_string();
    let mut bytes = Vec::new();
    super::npz::open(path)?
        .take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&source, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > MAX_FILE) {
        return Err(Error::input(source, "the file is larger than 1 GiB", "list fewer rows"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(source, format!("byte {at} is not text"), "save the list as UTF-8 text")
    })
}
