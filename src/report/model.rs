//! `audit-report/1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::Provider;
use crate::verdict::{
    DataEvidence, Evidence, Finding, HeadEvidence, LayerEvidence, OutputAccuracy, PerModel,
    UnmatchedLayer, Verdict, WeightEvidence,
};

/// The version of the format. Within it no field is renamed or removed.
pub const SCHEMA: &str = "audit-report/1";

/// What `audit compare` found, measured and concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What wrote the report.
    pub tool: Tool,
    /// When, RFC 3339 in UTC; the one field that differs between equal runs.
    pub created: String,
    /// Seed of every random draw.
    pub seed: u64,
    /// The execution provider; `null` when no model was run.
    pub provider: Option<Provider>,
    /// The files.
    pub models: Models,
    /// The samples; `null` when none were given.
    pub data: Option<DataEvidence>,
    /// What changed in the weights.
    pub weights: WeightEvidence,
    /// Accuracy of the outputs.
    pub outputs: Option<PerModel<OutputAccuracy>>,
    /// One entry a tapped layer, shallow to deep; the last is the head's input.
    pub layers: Vec<LayerEvidence>,
    /// Layers that would have been compared but were not.
    pub unmatched_layers: Vec<UnmatchedLayer>,
    /// Features against classifier.
    pub head: Option<HeadEvidence>,
    /// Choices the program made that a reader should know: layers left out, fallbacks.
    pub notes: Vec<String>,
    /// Every rule that was applied.
    pub findings: Vec<Finding>,
    /// The conclusion.
    pub verdict: Verdict,
}

impl Report {
    /// The part that a verdict is drawn from.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            data: self.data.as_ref(),
            weights: &self.weights,
            outputs: self.outputs.as_ref(),
            layers: &self.layers,
            unmatched: &self.unmatched_layers,
        }
    }
}

/// Program and runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `audit`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Version of ONNX Runtime; `null` when no model was run.
    pub onnxruntime: Option<String>,
}

/// The models compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Models {
    /// Before unlearning.
    pub original: ModelSummary,
    /// After unlearning.
    pub unlearned: ModelSummary,
    /// Retrained without the forget set.
    pub reference: Option<ModelSummary>,
}

/// One model file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSummary {
    /// As given on the command line.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Number of float parameters.
    pub parameters: u64,
    /// Version of the standard operator set.
    pub opset: i64,
    /// What exported it.
    pub producer: String,
}
