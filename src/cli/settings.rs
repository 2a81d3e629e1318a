//! `audit.toml` on the command line: where it is found, and what options take from it.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::config::{Config, FILE};
use forget_audit::data::file_sha256;
use forget_audit::report::Report;
use forget_audit::{Error, Result};

/// The option that names the file.
#[derive(Args)]
pub struct ConfigArguments {
    /// Where keys not given here are read [default: ./audit.toml where there is one]
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
}

impl ConfigArguments {
    /// The configuration; empty where there is no file.
    pub fn read(&self, quiet: bool) -> Result<Config> {
        Ok(config(self.config.as_deref(), quiet)?.unwrap_or_default())
    }

    /// The words that name a file which nobody named, for a command to be run again anywhere.
    pub fn found(&self, config: &Config) -> Option<[String; 2]> {
        let path = &config.path;
        let found = self.config.is_none() && !path.as_os_str().is_empty();
        found.then(|| ["--config".to_owned(), path.display().to_string()])
    }
}

/// Reads the file that was named, or the one in the working directory. A file that nobody named is
/// told of on stderr: it changes what the command does.
pub fn config(named: Option<&Path>, quiet: bool) -> Result<Option<Config>> {
    let path = match named {
        Some(path) => path,
        None if Path::new(FILE).is_file() => Path::new(FILE),
        None => return Ok(None),
    };
    let config = Config::read(path)?;
    if named.is_none() && !quiet {
        eprintln!("note: keys and policy from {FILE}");
    }
    Ok(Some(config))
}

/// The two models, from the command line or else from the file.
pub fn models(
    original: Option<&PathBuf>,
    unlearned: Option<&PathBuf>,
    config: &Config,
) -> Result<(PathBuf, PathBuf)> {
    // One of each would compare what nobody meant to compare.
    if original.is_some() && unlearned.is_none() {
        return Err(missing("unlearned", config));
    }
    let unlearned = unlearned.or(config.models.unlearned.as_ref()).cloned();
    Ok((self::original(original, config)?, unlearned.ok_or_else(|| missing("unlearned", config))?))
}

/// The model before unlearning, from the command line or else from the file.
pub fn original(given: Option<&PathBuf>, config: &Config) -> Result<PathBuf> {
    let found = given.or(config.models.original.as_ref()).cloned();
    found.ok_or_else(|| missing("original", config))
}

/// The reference, from the command line or else from the file. A model that is its own reference
/// would be excused whatever it knows.
pub fn reference(
    given: Option<&PathBuf>,
    config: &Config,
    unlearned: &Path,
) -> Result<Option<PathBuf>> {
    let Some(reference) = given.or(config.models.reference.as_ref()) else { return Ok(None) };
    // Files that can't be read are told of when they are loaded.
    let size = |path: &Path| std::fs::metadata(path).map(|m| m.len()).ok();
    let digest = |path: &Path| file_sha256(path).ok();
    let same = size(reference).is_some_and(|size_of| Some(size_of) == size(unlearned))
        && digest(reference).is_some_and(|digest_of| Some(digest_of) == digest(unlearned));
    if same {
        return Err(Error::file(
            reference,
            "the reference is the unlearned model itself, which would excuse whatever it knows",
            "give a model trained from fresh weights without the forget set, or no --reference",
        ));
    }
    Ok(Some(reference.clone()))
}

fn missing(which: &str, config: &Config) -> Error {
    let place = match config.path.as_os_str().is_empty() {
        true => "the command line".to_owned(),
        false => config.path.display().to_string(),
    };
    Error::input(
        place,
        format!("the {which} model is not named"),
        "give it as an argument, or set it in [models] of audit.toml (`audit init`)",
    )
}

/// Says on stderr which overrides of the policy match nothing.
pub fn warn_unused(report: &Report) {
    for unused in report.policy.iter().flat_map(|p| &p.unused) {
        eprintln!("warning: {}", forget_audit::report::clean(unused));
    }
}
