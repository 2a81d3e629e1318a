//! `audit report`.

use std::path::PathBuf;

use clap::Args;
use forget_audit::Result;

use super::exit::Exit;
use super::formats::FormatArguments;
use super::inputs::Inputs;
use super::options::Color;
use super::stored;

#[derive(Args)]
pub struct Arguments {
    /// A report that `audit compare` wrote
    report: PathBuf,
    #[command(flatten)]
    formats: FormatArguments,
    /// Colours: auto, always or never; NO_COLOR is honoured
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let report = stored::read(&arguments.report)?;
    let inputs = Inputs::default().others([&arguments.report]).report(&report);
    let renderings = arguments.formats.prepare(&[], None, &[], &inputs)?;
    renderings.write(&report, arguments.color)?;
    Ok(Exit::Passed)
}
