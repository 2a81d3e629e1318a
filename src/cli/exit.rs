//! Exit codes.

use std::process::ExitCode;

use forget_audit::Error;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The policy passed, or there was nothing to judge and nothing failed.
    Passed = 0,
    /// The policy failed.
    Failed = 1,
    /// Usage, configuration, input or internal error: nothing was decided.
    Error = 2,
    /// Valid inputs that leave nothing to compare.
    Nothing = 3,
    /// The user interrupted the run; the shell's code for it.
    Interrupted = 130,
}

impl Exit {
    /// The code for an error.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::NothingToCompare { .. } => Self::Nothing,
            Error::Interrupted => Self::Interrupted,
            _ => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
