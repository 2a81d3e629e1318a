//! `audit report`.

use std::path::PathBuf;

use clap::Args;
use forget_audit::report::from_json;
use forget_audit::{Error, Result};

use super::exit::Exit;
use super::options::{Color, Format};
use super::output::{Destination, print, render};

/// A report with every layer of a large model stays far below this.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Args)]
pub struct Arguments {
    /// A report that `audit compare` wrote
    report: PathBuf,
    /// The format to render
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Where it goes [default: stdout]
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Colours: auto, always or never; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let path = &arguments.report;
    let unreadable =
        |e: std::io::Error| Error::file(path, format!("can't be read ({e})"), "check the path");
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(Error::file(
            path,
            "no report file",
            "give a report that `audit compare --json PATH` wrote",
        ));
    }
    let content = std::fs::read_to_string(path).map_err(unreadable)?;
    let report = from_json(&content, &path.display().to_string())?;
    match &arguments.output {
        None => print(&render(&report, arguments.format, arguments.color)?)?,
        Some(output) => {
            let destination = Destination::prepare(output)?;
            destination.write(&render(&report, arguments.format, Color::Never)?)?;
        }
    }
    Ok(Exit::Passed)
}
