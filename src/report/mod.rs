//! The report: its type, and one renderer per file.

mod clean;
mod format;
mod gaps;
mod html;
mod json;
mod model;
mod remedy;
mod standing;
mod text;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use clean::clean;
pub use html::html;
pub use json::{from_json, to_json};
pub use model::{
    BaselineSummary, ESTIMATORS, ModelSummary, Models, PolicySummary, Report, SCHEMA, Tool,
};
pub use remedy::remedy;
pub use text::{TextOptions, text};
