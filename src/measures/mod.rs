//! stub
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
/// Whether a measure could be computed, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// The value stands.
    Ok,
    /// Fewer samples than the measure needs.
    TooFewSamples,
    /// Fewer classes than the measure needs.
    TooFewClasses,
    /// The features have no variance left beyond rounding.
    Degenerate,
    /// The features hold an infinity or a NaN.
    NonFinite,
    /// The value's denominator is not clearly different from zero.
    Undefined,
    /// not converged
    NotConverged,
}
impl Status {
    /// The status as it is written in reports.
    pub fn as_str(self) -> &'static str {
        "stub"
    }
}
