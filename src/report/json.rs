//! The report as JSON.

use super::clean::clean;
use super::model::{Report, SCHEMA};
use crate::lfs::refuse_pointer;
use crate::{Error, Result};

/// Two-space indented JSON with a newline at the end.
///
/// # Errors
/// None that input can cause: every number in a report is finite or absent.
pub fn to_json(report: &Report) -> Result<String> {
    let mut text = serde_json::to_string_pretty(report).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}

/// Reads a report; `subject` names it in errors.
///
/// # Errors
/// When the text is no JSON, or no `audit-report/1`, or its gate and verdict are not what its
/// findings say.
pub fn from_json(text: &str, subject: &str) -> Result<Report> {
    refuse_pointer(subject, text.as_bytes())?;
    #[derive(serde::Deserialize)]
    struct Versioned {
        schema: String,
    }
    let remedy = "give a report that `audit compare --json PATH` wrote";
    let unreadable =
        |e: serde_json::Error| Error::input(subject, format!("not an audit report ({e})"), remedy);
    let versioned: Versioned = serde_json::from_str(text).map_err(unreadable)?;
    if versioned.schema != SCHEMA {
        return Err(Error::input(
            subject,
            format!("its schema is \"{}\", this version reads \"{SCHEMA}\"", versioned.schema),
            "render it with the version of audit that wrote it",
        ));
    }
    let report: Report = serde_json::from_str(text).map_err(unreadable)?;
    match report.contradiction() {
        None => Ok(report),
        Some(problem) => Err(Error::input(
            subject,
            format!("contradicts itself: {}", clean(&problem)),
            "it was edited since it was written: measure again with `audit compare`",
        )),
    }
}
