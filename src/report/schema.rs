//! The JSON schema of `audit-report/1`.

use super::model::Report;
use crate::{Error, Result};

/// The schema, as `docs/audit-report-1.schema.json` holds it.
///
/// # Errors
/// None that input can cause.
pub fn schema() -> Result<String> {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".into(), "audit-report/1".into());
    let mut text = serde_json::to_string_pretty(&schema).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}
