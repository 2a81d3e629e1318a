//! Text files beside the samples: JSON, tables, lists of names and of row numbers.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::archive::unreadable;
use crate::{Error, Result};

/// Largest file that is read; lists of a hundred million rows fit.
const MAX_FILE: u64 = 1 << 30;

/// The text of a file, without the byte order mark that some editors put first.
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
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(source, format!("byte {at} is not text"), "save the file as UTF-8 text")
    })?;
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
