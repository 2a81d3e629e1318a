//! `audit gate`.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::config::Config;
use forget_audit::data::file_sha256;
use forget_audit::gate::{Baseline, against, apply};
use forget_audit::report::{Judged, Report};
use forget_audit::verdict::Policy;
use forget_audit::{Error, Result};

use super::exit::Exit;
use super::formats::FormatArguments;
use super::inputs::Inputs;
use super::options::DisplayArguments;
use super::{settings, stored};

#[derive(Args)]
pub struct Arguments {
    /// A report that `audit compare` wrote
    report: PathBuf,
    /// The policy file [default: ./audit.toml where there is one, else the defaults]
    #[arg(long, alias = "config", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// An earlier report: what became worse since by more than the policy allows fails
    #[arg(long, value_name = "REPORT")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    formats: FormatArguments,
    /// Where an in-toto statement over the model, with verdict and report digest, goes
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    attest: Option<PathBuf>,
    /// Exit with 0 whatever the policy finds (errors still exit with 2 or 3)
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    display: DisplayArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let quiet = arguments.display.quiet;
    let config = settings::config(arguments.policy.as_deref(), quiet)?;
    let policy = config.as_ref().map_or_else(Policy::default, |c| c.policy.clone());
    let set = config.as_ref().map(|c| &c.output);
    let attest = arguments.attest.as_deref().or(set.and_then(|o| o.attest.as_deref()));
    let formats = set.map(|o| o.formats.as_slice()).unwrap_or_default();
    let baseline = arguments.baseline.as_deref().or(config.as_ref().and_then(baseline_of));
    let path = &arguments.report;
    let mut report = stored::read(path)?;
    let read = [Some(path.as_path()), baseline];
    let mut inputs = Inputs::default().others(read.into_iter().flatten()).report(&report);
    if let Some(config) = &config {
        inputs = inputs.config(config);
    }
    let renderings = arguments.formats.prepare(formats, attest, &[], &inputs)?;
    let judged = Judged { path: path.display().to_string(), sha256: file_sha256(path)? };
    let renderings = renderings.of_stored(judged);
    apply(&mut report, &policy);
    if let Some(baseline) = baseline {
        compare_with(&mut report, &policy, baseline)?;
    }
    renderings.write(&report, arguments.display.color)?;
    if !quiet {
        settings::warn_unused(&report);
    }
    Ok(if report.passes() || arguments.exit_zero { Exit::Passed } else { Exit::Failed })
}

/// The baseline that a configuration file names.
pub fn baseline_of(config: &Config) -> Option<&Path> {
    config.output.baseline.as_deref()
}

/// Adds what changed against the report at `path`.
pub fn compare_with(report: &mut Report, policy: &Policy, path: &Path) -> Result<()> {
    let earlier = stored::read(path).map_err(|e| match e {
        Error::Input { subject, problem, .. } => Error::input(
            subject,
            problem,
            "give a report that `audit compare --json PATH` wrote as --baseline",
        ),
        other => other,
    })?;
    let sha256 = file_sha256(path)?;
    let name = path.display().to_string();
    against(report, policy, &Baseline { report: &earlier, path: &name, sha256: &sha256 })
}
