//! ONNX Runtime: finding and loading it, execution providers, sessions.

mod locate;
mod provider;
mod session;

pub use locate::{Found, locate};
pub use provider::{Device, Provider};
pub use session::{Batch, BatchValues, Output, Runtime, RuntimeOptions, Session};
