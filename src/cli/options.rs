//! Options that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forget_audit::config::RuntimeConfig;
use forget_audit::onnx::Selection;
use forget_audit::runtime::{Device, RuntimeOptions};

/// How ONNX Runtime is used.
#[derive(Args, Clone)]
#[command(next_help_heading = "Runtime")]
pub struct RuntimeArguments {
    /// The ONNX Runtime library, before ORT_DYLIB_PATH, .runtime/ and the system's path
    #[arg(long, value_name = "PATH")]
    onnxruntime: Option<PathBuf>,
    /// Where models run: auto, cpu, cuda or cuda:N. auto falls back to the CPU and says so
    /// [default: auto]
    #[arg(long)]
    device: Option<Device>,
    /// Threads for one operator [default: ONNX Runtime's choice]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

impl RuntimeArguments {
    /// As the library takes them.
    pub fn options(&self) -> RuntimeOptions {
        self.options_or(&RuntimeConfig::default())
    }

    /// As the library takes them, with what the command line leaves open from a file.
    pub fn options_or(&self, config: &RuntimeConfig) -> RuntimeOptions {
        RuntimeOptions {
            library: self.onnxruntime.clone().or_else(|| config.onnxruntime.clone()),
            device: self.device.or(config.device).unwrap_or_default(),
            threads: self.threads.or(config.threads).map(usize::from),
        }
    }
}

/// A number of samples from 1 to 65536.
pub fn size(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a batch holds at least one sample".into()),
        Ok(n) if n <= 1 << 16 => Ok(n),
        _ => Err("expected a whole number from 1 to 65536".into()),
    }
}

/// A number above 0.
pub fn positive(text: &str) -> std::result::Result<f64, String> {
    number(text, "a number above 0", |n| n > 0.0)
}

/// A number of 0 or more.
pub fn not_negative(text: &str) -> std::result::Result<f64, String> {
    number(text, "a number of 0 or more", |n| n >= 0.0)
}

/// A number from 0 to 1.
pub fn share(text: &str) -> std::result::Result<f64, String> {
    number(text, "a number from 0 to 1", |n| (0.0..=1.0).contains(&n))
}

/// A number from 0 to below 1.
pub fn decay_rate(text: &str) -> std::result::Result<f64, String> {
    number(text, "a number from 0 to below 1", |n| (0.0..1.0).contains(&n))
}

fn number(
    text: &str,
    expected: &str,
    fits: impl Fn(f64) -> bool,
) -> std::result::Result<f64, String> {
    let parsed = text.parse().ok().filter(|&n: &f64| n.is_finite() && fits(n));
    parsed.ok_or_else(|| format!("expected {expected}"))
}

/// Layers by name, or chosen from the graph where none is named.
pub fn layers(patterns: &[String]) -> Selection {
    match patterns {
        [] => Selection::Automatic,
        patterns => Selection::Patterns(patterns.to_vec()),
    }
}

/// What is shown and how.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub struct DisplayArguments {
    /// No progress and no notes on stderr
    #[arg(long, short)]
    pub quiet: bool,
    /// Colours: auto, always or never; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to stdout.
    pub fn on_stdout(self) -> bool {
        use std::io::IsTerminal;
        let silenced = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => !silenced && std::io::stdout().is_terminal(),
        }
    }
}
