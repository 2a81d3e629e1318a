//! Execution providers: what was asked for, what is used, and why.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// `--device auto|cpu|cuda[:N]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA where it is there, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device with this number, or an error.
    Cuda(i32),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .filter(|n| *n >= 0)
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda or cuda:N".into()),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
        }
    }
}

/// The outcome of choosing an execution provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Provider {
    /// What `--device` said.
    pub requested: String,
    /// `cpu` or `cuda:N`.
    pub used: String,
    /// Why that one.
    pub reason: String,
}

impl Provider {
    /// Decides between the CPU and CUDA; `probe` tries a CUDA device and says why it fails.
    ///
    /// # Errors
    /// When CUDA was asked for and is not there.
    pub fn choose(
        device: Device,
        probe: impl FnOnce(i32) -> std::result::Result<(), String>,
    ) -> Result<(Self, Option<i32>)> {
        let outcome =
            |used: String, reason: String| Self { requested: device.to_string(), used, reason };
        match device {
            Device::Cpu => Ok((outcome("cpu".into(), "as requested".into()), None)),
            Device::Cuda(n) => match probe(n) {
                Ok(()) => Ok((outcome(format!("cuda:{n}"), "as requested".into()), Some(n))),
                Err(why) => Err(Error::input(
                    format!("--device cuda:{n}"),
                    why,
                    "install onnxruntime-gpu with its CUDA and cuDNN libraries, or use --device cpu",
                )),
            },
            Device::Auto => match probe(0) {
                Ok(()) => Ok((outcome("cuda:0".into(), "CUDA is available".into()), Some(0))),
                Err(why) => Ok((outcome("cpu".into(), why), None)),
            },
        }
    }
}
