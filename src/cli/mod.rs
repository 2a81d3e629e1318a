//! The command line: one file a subcommand; parse, call the library, print.

mod compare;
mod data;
mod demo;
mod doctor;
mod exit;
mod formats;
mod gate;
mod images;
mod init;
mod inputs;
mod inspect;
mod options;
mod output;
mod parity;
mod progress;
mod remediate;
mod report;
mod retrain;
mod settings;
mod stored;
mod training;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

/// Finds out whether machine unlearning reached the features or only the outputs.
#[derive(Parser)]
#[command(name = "audit", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 passed; 1 the policy failed; 2 usage, configuration, input \
                        or internal error, nothing decided; 3 nothing to compare; 130 interrupted.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The whole story on shipped models: a superficial and an erased case.
    Demo(demo::Arguments),
    /// Write a commented audit.toml: models, data, policy.
    Init(init::Arguments),
    /// The layers that would be tapped, their widths, the head, the parameters.
    Inspect(inspect::Arguments),
    /// Measure, judge and report; the exit code says pass or fail.
    Compare(Box<compare::Arguments>),
    /// Judge a stored report again, under another policy or against a baseline.
    Gate(gate::Arguments),
    /// Unlearn in the features too, write the repaired model, and audit it.
    Remediate(Box<remediate::Arguments>),
    /// Train the reference: the same graph, fresh weights, retain samples only.
    Retrain(Box<retrain::Arguments>),
    /// Does the trainer compute what ONNX Runtime computes? Exit code 1 where it does not.
    Parity(parity::Arguments),
    /// Render a stored report again.
    Report(report::Arguments),
    /// Which ONNX Runtime, version and providers are used; what is missing.
    Doctor(doctor::Arguments),
}

/// Parses the arguments, runs the command and turns the outcome into an exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    forget_audit::memory::return_large_blocks();
    let outcome = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => match arguments.command {
            Command::Demo(a) => demo::run(&a),
            Command::Init(a) => init::run(&a),
            Command::Inspect(a) => inspect::run(&a),
            Command::Compare(a) => compare::run(&a),
            Command::Gate(a) => gate::run(&a),
            Command::Remediate(a) => remediate::run(&a),
            Command::Retrain(a) => retrain::run(&a),
            Command::Parity(a) => parity::run(&a),
            Command::Report(a) => report::run(&a),
            Command::Doctor(a) => doctor::run(&a),
        },
        Err(error) => {
            // Help and version are answers, all else is a usage error.
            let exit = if error.use_stderr() { Exit::Error } else { Exit::Passed };
            let _ = error.print();
            return exit.into();
        }
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::print_error(&error);
            Exit::of_error(&error).into()
        }
    }
}
