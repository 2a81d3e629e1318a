//! Findings and the label they lead to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a rule weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Reported, does not decide.
    Warn,
    /// Decides.
    Error,
}

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The evidence meets the rule.
    Passed,
    /// The evidence breaks the rule.
    Failed,
    /// The evidence is missing or too weak to tell.
    Undecided,
}

/// One rule applied to the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Kebab-case id.
    pub rule: String,
    /// How much it weighs.
    pub level: Level,
    /// What came of it.
    pub outcome: Outcome,
    /// The layer concerned, where there is one.
    pub layer: Option<String>,
    /// One sentence.
    pub message: String,
    /// What the policy asks for.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// The figure that was judged; `null` where the rule judges none or it is missing.
    #[serde(default)]
    pub value: Option<f64>,
    /// The limit that it was judged by.
    #[serde(default)]
    pub limit: Option<f64>,
    /// Where the policy file sets the rule; `null` for a default.
    #[serde(default)]
    pub set_at: Option<Position>,
    /// Against the baseline; `null` without one.
    #[serde(default)]
    pub change: Option<Change>,
}

impl Finding {
    /// Whether this finding alone keeps the policy from passing.
    pub fn blocks(&self) -> bool {
        self.level == Level::Error && self.outcome != Outcome::Passed
    }

    /// Whether a reader is told, though the policy may pass.
    pub fn warns(&self) -> bool {
        self.level == Level::Warn && self.outcome != Outcome::Passed
    }
}

/// A place in a file, both counted from 1; columns count characters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

/// A finding against the same rule at the same layer in the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Did not pass, and did in the baseline or was not there.
    New,
    /// Did not pass in either, with about the same figure.
    Unchanged,
    /// Did not pass in either, and is further from its limit now.
    Worse,
    /// Passed, or came closer to its limit.
    Better,
}

/// Whether the policy passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gate {
    /// No finding of level `error` failed or was undecided.
    pub passed: bool,
    /// How many findings of level `error` failed or were undecided.
    pub failed: usize,
    /// How many findings of level `warn` failed or were undecided.
    pub warned: usize,
}

/// What the audit concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// Forgotten in the outputs and in the features, as far as was measured.
    Erased,
    /// The outputs are silent, the features still know.
    Superficial,
    /// The outputs still show it.
    NotForgotten,
    /// What was to be kept is lost.
    Damaged,
    /// The evidence does not decide.
    Inconclusive,
}

impl Label {
    /// The label as it is written in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Superficial => "superficial",
            Self::NotForgotten => "not-forgotten",
            Self::Damaged => "damaged",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether the policy passes: only what is shown to be erased does.
    pub fn passes(self) -> bool {
        self == Self::Erased
    }

    /// The conclusion in one sentence; without a reference it claims less, and without samples that
    /// were `measured` it speaks of the weights alone.
    pub fn sentence(self, has_reference: bool, measured: bool) -> &'static str {
        match self {
            Self::Superficial if !measured => {
                "The encoder is the original's: whatever it knew of the forget set, it still knows."
            }
            Self::Erased if has_reference => {
                "The forget set is gone from the outputs and from the features."
            }
            Self::Erased => {
                "No sign of the forget set is left in the outputs or at the end of the encoder \
                 (judged without a retrained reference)."
            }
            Self::Superficial => "The outputs are silent, the features still know.",
            Self::NotForgotten => "The outputs still show the forget set.",
            Self::Damaged => "The model lost what it was to keep.",
            Self::Inconclusive => "The evidence does not decide whether the forget set is gone.",
        }
    }
}

/// The label and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The label.
    pub label: Label,
    /// The conclusion in one sentence.
    pub sentence: String,
    /// Sentences; where nothing is decided they say what would settle it.
    pub reasons: Vec<String>,
}
