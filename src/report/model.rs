//! `audit-report/1`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::runtime::Provider;
use crate::verdict::{
    DataEvidence, Evidence, Finding, Gate, HeadEvidence, Label, LayerEvidence, Outcome,
    OutputAccuracy, PerModel, UnmatchedLayer, Verdict, WeightEvidence, rules,
};

/// The version of the format. Within it no field is renamed or removed.
pub const SCHEMA: &str = "audit-report/1";

/// Raised whenever a measure may give another figure for the same input.
pub const ESTIMATORS: u32 = 1;

/// What `audit compare` found, measured and concluded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What wrote the report.
    pub tool: Tool,
    /// When, RFC 3339 in UTC; the one field that differs where the same command is run again.
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
    /// The policy that was applied; `null` in reports of early versions.
    #[serde(default)]
    pub policy: Option<PolicySummary>,
    /// Whether it passes; `null` in reports of early versions.
    #[serde(default)]
    pub gate: Option<Gate>,
    /// The report this one was compared with.
    #[serde(default)]
    pub baseline: Option<BaselineSummary>,
    /// The words of the command that measured; empty where none did, and in early reports.
    #[serde(default)]
    pub command: Vec<String>,
}

impl Report {
    /// Whether the policy passes; a report of an early version passes with its verdict. Where a
    /// finding blocks, nothing does.
    pub fn passes(&self) -> bool {
        self.gate.as_ref().map_or(self.verdict.label.passes(), |gate| gate.passed)
            && !self.findings.iter().any(Finding::blocks)
    }

    /// Where gate, label and findings contradict each other, in words: nobody judged that. `None`
    /// where they don't, and in reports of early versions.
    pub fn contradiction(&self) -> Option<String> {
        let gate = self.gate.as_ref()?;
        let blocking = self.findings.iter().filter(|f| f.blocks()).count();
        let warning = self.findings.iter().filter(|f| f.warns()).count();
        if gate.passed != (blocking == 0) {
            let verb = if gate.passed { "passes" } else { "does not pass" };
            return Some(format!(
                "its gate says that the policy {verb}, and {blocking} of its findings stand against it"
            ));
        }
        if (gate.failed, gate.warned) != (blocking, warning) {
            return Some(format!(
                "its gate counts {} failures and {} warnings, its findings are {blocking} and {warning}",
                gate.failed, gate.warned
            ));
        }
        // A demand of the policy may fail for an erased model; what the verdict rests on may not.
        let denies = |f: &&Finding| {
            f.blocks()
                && (f.outcome == Outcome::Undecided
                    || rules::find(&f.rule).is_some_and(|r| r.pinned))
        };
        let denied = self.findings.iter().find(denies).filter(|_| self.verdict.label.passes())?;
        Some(format!("its verdict is \"erased\", and its finding of {} denies it", denied.rule))
    }

    /// The part that a verdict is drawn from.
    pub fn evidence(&self) -> Evidence<'_> {
        Evidence {
            data: self.data.as_ref(),
            weights: &self.weights,
            outputs: self.outputs.as_ref(),
            layers: &self.layers,
            unmatched: &self.unmatched_layers,
            head: self.head.as_ref(),
            reference: self.models.reference.is_some(),
            provider: self.provider.as_ref(),
        }
    }
}

/// Which policy was applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySummary {
    /// The policy file; `null` where only defaults were applied.
    pub path: Option<String>,
    /// The preset that its keys change.
    pub preset: String,
    /// SHA-256 of every level and limit in force.
    pub sha256: String,
    /// Overrides, or limits of theirs, that count at no layer, each with its place.
    #[serde(default)]
    pub unused: Vec<String>,
}

/// The report that findings were compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineSummary {
    /// The file.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// When it was written.
    pub created: String,
    /// Its verdict.
    pub label: Label,
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
    /// Version of the measures: figures of equal versions can be compared. 0 in early reports.
    #[serde(default)]
    pub estimators: u32,
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
