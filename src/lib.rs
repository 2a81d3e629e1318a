//! Audits machine unlearning below the output layer: does a network still hold what it was
//! told to forget?

#![warn(missing_docs)]

mod error;
pub mod measures;
pub mod onnx;

pub use error::{Error, Result};
