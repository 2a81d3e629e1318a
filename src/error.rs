//! The one error type of the library: the thing, what is wrong with it, and the remedy.

use std::fmt::Display;
use std::path::Path;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kept an audit from being decided.
///
/// Messages are lower-case fragments; `remedy` is one sentence that says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, array, option or environment that can't be used as it is.
    #[error("{subject}: {problem}")]
    Input {
        /// The thing: a path, an option, an array or a tensor.
        subject: String,
        /// What is wrong with it, with the place (index, offset) where known.
        problem: String,
        /// What would mend it.
        remedy: String,
    },
    /// The inputs are valid but leave nothing to compare (no common layer, empty forget set).
    #[error("nothing to compare: {problem}")]
    NothingToCompare {
        /// What is missing.
        problem: String,
        /// What would mend it.
        remedy: String,
    },
    /// ONNX Runtime refused a model or a run.
    #[error("{subject}: ONNX Runtime: {problem}")]
    Runtime {
        /// The model or library concerned.
        subject: String,
        /// The runtime's own message.
        problem: String,
        /// What would mend it.
        remedy: String,
    },
    /// The user asked to stop.
    #[error("interrupted: no model was written")]
    Interrupted,
    /// A fault of this program, not of its input.
    #[error("internal error: {problem}")]
    Internal {
        /// What was violated.
        problem: String,
    },
}

impl Error {
    /// An unusable input. `subject` names the thing, `remedy` the way out.
    pub fn input(subject: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        Self::Input {
            subject: subject.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// An unusable file.
    pub fn file(path: &Path, problem: impl Display, remedy: impl Display) -> Self {
        Self::input(path.display(), problem, remedy)
    }

    /// Valid inputs that leave nothing to compare.
    pub fn nothing(problem: impl Display, remedy: impl Display) -> Self {
        Self::NothingToCompare { problem: problem.to_string(), remedy: remedy.to_string() }
    }

    /// A refusal by ONNX Runtime.
    pub fn runtime(subject: impl Display, problem: impl Display, remedy: impl Display) -> Self {
        Self::Runtime {
            subject: subject.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// A broken invariant of this program.
    pub fn internal(problem: impl Display) -> Self {
        Self::Internal { problem: problem.to_string() }
    }

    /// What would mend it.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Input { remedy, .. }
            | Self::NothingToCompare { remedy, .. }
            | Self::Runtime { remedy, .. } => remedy,
            Self::Interrupted => "start again when you like",
            Self::Internal { .. } => "please report it with the command line that led here",
        }
    }
}
