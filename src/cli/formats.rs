//! `--format FORMAT[=PATH]`: several renderings of one report.

use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use forget_audit::report::{
    COMMENT, Judged, Report, TextOptions, attest, github, html, junit, markdown, sarif, text,
    to_json,
};
use forget_audit::{Error, Result};

use super::inputs::Inputs;
use super::options::Color;
use super::output::{Destination, print};

/// GitHub drops a step summary that is larger than this, all of it.
const SUMMARY: usize = 1 << 20;

/// Formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for the terminal.
    Text,
    /// `audit-report/1`.
    Json,
    /// One self-contained page.
    Html,
    /// For a pull request's comment or a model card.
    Markdown,
    /// JUnit XML, a test case for each finding.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// GitHub's annotations; the summary goes to GITHUB_STEP_SUMMARY.
    Github,
}

/// A format and the file it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    format: Format,
    path: Option<PathBuf>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (format, path) = match text.split_once('=') {
            Some((_, "")) => return Err("the path behind `=` is empty".into()),
            Some((format, path)) => (format, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let all: Vec<String> = Format::value_variants()
            .iter()
            .filter_map(|f| Some(f.to_possible_value()?.get_name().to_owned()))
            .collect();
        let format = Format::from_str(format, false)
            .map_err(|_| format!("there is no format `{format}`; there are: {}", all.join(", ")))?;
        Ok(Self { format, path })
    }
}

/// Which renderings are made.
#[derive(Args, Clone)]
#[command(next_help_heading = "Output")]
pub struct FormatArguments {
    /// What goes to stdout, and with =PATH to files: text, json, html, markdown, junit, sarif or
    /// github; may be given several times [default: text]
    #[arg(long = "format", value_name = "FORMAT[=PATH]")]
    formats: Vec<Target>,
}

/// Renderings and where they go, tried before the work begins.
pub struct Renderings {
    stdout: Option<Format>,
    files: Vec<(Format, Destination)>,
    attestation: Option<Destination>,
    judged: Option<Judged>,
}

impl FormatArguments {
    /// Tries all files. What the command line leaves open is as `set`, from a configuration file.
    ///
    /// # Errors
    /// Two formats for stdout, two for one file, `taken` by another output or read as one of the
    /// `inputs`, or a file that can't be written.
    pub fn prepare(
        &self,
        set: &[String],
        attestation: Option<&Path>,
        taken: &[&Path],
        inputs: &Inputs,
    ) -> Result<Renderings> {
        let targets = match self.formats.as_slice() {
            [] => set
                .iter()
                .map(|text| {
                    text.parse().map_err(|e| {
                        Error::input("output.format", e, "mend the list in the configuration file")
                    })
                })
                .collect::<Result<Vec<Target>>>()?,
            given => given.to_vec(),
        };
        let mut paths: Vec<PathBuf> = taken.iter().map(|path| resolved(path)).collect();
        let mut renderings =
            Renderings { stdout: None, files: Vec::new(), attestation: None, judged: None };
        let named = targets.iter().filter_map(|t| t.path.as_deref());
        for path in named.chain(attestation) {
            let place = resolved(path);
            if paths.contains(&place) {
                return Err(Error::file(path, "is named twice", "give each output its own file"));
            }
            paths.push(place);
        }
        for target in &targets {
            match &target.path {
                Some(path) => {
                    renderings.files.push((target.format, Destination::prepare(path, inputs)?));
                }
                None if renderings.stdout.is_none() => renderings.stdout = Some(target.format),
                None => {
                    return Err(Error::input(
                        "--format",
                        "two formats can't both go to stdout",
                        "send one to a file: --format junit=audit.xml",
                    ));
                }
            }
        }
        // Who names only files has said where everything goes.
        if targets.is_empty() {
            renderings.stdout = Some(Format::Text);
        }
        renderings.attestation =
            attestation.map(|path| Destination::prepare(path, inputs)).transpose()?;
        Ok(renderings)
    }
}

impl Renderings {
    /// Names the stored report that was judged, for the attestation.
    pub fn of_stored(self, judged: Judged) -> Self {
        Self { judged: Some(judged), ..self }
    }

    /// Writes every file, then prints.
    pub fn write(&self, report: &Report, color: Color) -> Result<()> {
        for (format, destination) in &self.files {
            destination.write(&render(report, *format, None)?)?;
        }
        if let Some(destination) = &self.attestation {
            destination.write(&attest(report, &to_json(report)?, self.judged.as_ref())?)?;
        }
        let all = self.files.iter().map(|(format, _)| *format).chain(self.stdout);
        if all.into_iter().any(|format| format == Format::Github) {
            summarize(report)?;
        }
        match self.stdout {
            Some(format) => print(&render(report, format, Some(color))?),
            None => Ok(()),
        }
    }
}

/// Renders a report: for stdout with `color`, for a file without.
pub fn render(report: &Report, format: Format, color: Option<Color>) -> Result<String> {
    match format {
        Format::Json => to_json(report),
        Format::Html => html(report),
        Format::Markdown => Ok(markdown(report, COMMENT)),
        Format::Junit => junit(report),
        Format::Sarif => sarif(report),
        Format::Github => Ok(github(report)),
        Format::Text => {
            // A pipe or file has no width: nothing is left out there.
            let width = || terminal_size::terminal_size_of(std::io::stdout()).map(|(w, _)| w.0);
            let options = color.map_or_else(TextOptions::default, |color| TextOptions {
                color: color.on_stdout(),
                width: width(),
            });
            Ok(text(report, &options))
        }
    }
}

/// Appends the summary to the file that GitHub names for it, within what it takes.
fn summarize(report: &Report) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()) else {
        return Ok(());
    };
    let path = Path::new(&path);
    let there = std::fs::metadata(path).map_or(0, |m| m.len());
    // What is there may end without a line break, and would run into the heading.
    let gap = if there > 0 { "\n\n" } else { "" };
    let there = usize::try_from(there).unwrap_or(usize::MAX).saturating_add(gap.len());
    let text = markdown(report, SUMMARY.saturating_sub(there));
    if text.is_empty() {
        eprintln!("note: $GITHUB_STEP_SUMMARY has no room left for this report");
        return Ok(());
    }
    let text = format!("{gap}{text}");
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|e| {
        Error::file(path, format!("can't be written ({e})"), "check GITHUB_STEP_SUMMARY")
    })
}

/// The file that a path leads to, however it is spelled and whether it exists yet or not.
fn resolved(path: &Path) -> PathBuf {
    let mut above = path.to_owned();
    let mut below = Vec::new();
    loop {
        let tried = if above.as_os_str().is_empty() { Path::new(".") } else { above.as_path() };
        if let Ok(real) = tried.canonicalize() {
            // What does not exist yet holds no links: `..` is just the folder above.
            return below.iter().rev().fold(real, |mut place, part| {
                match part {
                    Component::ParentDir => drop(place.pop()),
                    Component::Normal(name) => place.push(name),
                    _ => {}
                }
                place
            });
        }
        let Some(last) = path.components().rev().nth(below.len()) else { return path.to_owned() };
        below.push(last);
        above = path.components().take(path.components().count() - below.len()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_format_with_or_without_a_path() {
        let target = |text: &str| text.parse::<Target>();
        let junit = Target { format: Format::Junit, path: Some("a=b.xml".into()) };
        assert_eq!(target("junit=a=b.xml"), Ok(junit));
        assert_eq!(target("text"), Ok(Target { format: Format::Text, path: None }));
        assert!(target("junit=").is_err_and(|e| e.contains("empty")));
        assert!(target("xml").is_err_and(|e| e.contains("there are: text, json, html, markdown")));
    }
}
