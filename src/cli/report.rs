//! `audit report`.

use std::path::PathBuf;

use clap::Args;
use forget_audit::Result;

use super::exit::Exit;
use super::options::{Color, Format};
use super::output::{Destination, print, render};
use super::stored;

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
    let report = stored::read(&arguments.report)?;
    match &arguments.output {
        None => print(&render(&report, arguments.format, arguments.color)?)?,
        Some(output) => {
            let destination = Destination::prepare(output)?;
            destination.write(&render(&report, arguments.format, Color::Never)?)?;
        }
    }
    Ok(Exit::Passed)
}
