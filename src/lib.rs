//! Audits machine unlearning below the output layer: does a network still hold what it was
//! told to forget?

#![warn(missing_docs)]

pub mod activations;
pub mod compare;
pub mod config;
pub mod data;
mod error;
pub mod gate;
mod hex;
mod lfs;
pub mod measures;
pub mod memory;
pub mod onnx;
pub mod report;
pub mod runtime;
pub mod staged;
pub mod train;
pub mod unlearn;
pub mod verdict;

pub use error::{Error, Result};

#[doc = include_str!("../docs/rules.md")]
pub mod rules {}

#[doc = include_str!("../docs/attestation.md")]
pub mod attestation {}
