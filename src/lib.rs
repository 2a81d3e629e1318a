//! Audits machine unlearning below the output layer: does a network still hold what it was
//! told to forget?

#![warn(missing_docs)]

pub mod data;
mod error;
pub mod onnx;

pub use error::{Error, Result};
