//! The report: its type, and one renderer per file.

mod attest;
mod clean;
mod format;
mod gaps;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod model;
mod remedy;
mod sarif;
mod schema;
mod standing;
mod text;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use attest::{Judged, attest};
pub use clean::clean;
pub use github::github;
pub use html::html;
pub use json::{from_json, to_json};
pub use junit::junit;
pub use markdown::{COMMENT, markdown};
pub use model::{
    BaselineSummary, ESTIMATORS, ModelSummary, Models, PolicySummary, Report, SCHEMA, Tool,
};
pub use remedy::remedy;
pub use sarif::sarif;
pub use schema::schema;
pub use text::{TextOptions, text};
