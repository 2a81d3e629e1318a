//! Reports that were written before.

use std::path::Path;

use forget_audit::report::{Report, from_json};
use forget_audit::{Error, Result};

/// A report with every layer of a large model stays far below this.
const MAX_BYTES: u64 = 256 << 20;

/// Reads a report.
pub fn read(path: &Path) -> Result<Report> {
    let unreadable =
        |e: std::io::Error| Error::file(path, format!("can't be read ({e})"), "check the path");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(Error::file(
            path,
            "no report file",
            "give a report that `audit compare --json PATH` wrote",
        ));
    }
    let content = std::fs::read(path).map_err(unreadable)?;
    let content = String::from_utf8(content).map_err(|_| {
        Error::file(
            path,
            "not a report, nor any text",
            "give a report that `audit compare --json PATH` wrote",
        )
    })?;
    from_json(&content, &path.display().to_string())
}
