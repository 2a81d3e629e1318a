//! Small text files beside the samples: JSON and lists of names.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::archive::unreadable;
use crate::{Error, Result};

/// Largest file that is read.
const MAX_FILE: u64 = 1 << 26;

/// The text of a file.
///
/// # Errors
/// A file that is missing, a folder, unreadable, larger than 64 MiB or not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String> {
    let file = super::npz::open(path)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&path.display().to_string(), &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > MAX_FILE) {
        return Err(Error::file(path, "larger than 64 MiB", "give a text file"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::file(path, "not a text in UTF-8", "save it as UTF-8"))?;
    // Some editors put a byte order mark first.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Parses a text as a JSON value.
///
/// # Errors
/// Text that is no JSON, with line and column.
pub(crate) fn json(path: &Path, text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Error::file(path, format!("not JSON: {error}"), "save the file as JSON"))
}

/// Parses a text as a JSON object.
///
/// # Errors
/// As [`json`]; another value.
pub(crate) fn object(path: &Path, text: &str) -> Result<Map<String, Value>> {
    match json(path, text)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::file(path, "not a JSON object", "give a file that begins with {")),
    }
}
