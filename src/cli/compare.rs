//! `audit compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::compare::{Request, compare};
use forget_audit::report::{Report, remedy};
use forget_audit::train::check_device;
use forget_audit::unlearn::{AUDIT_EVERY, Ec, Method, Remediation, Unlearning, repair};
use forget_audit::verdict::Label;
use forget_audit::{Error, Result};

use super::data::DataArguments;
use super::exit::Exit;
use super::formats::{Format, FormatArguments, render};
use super::gate::{baseline_of, compare_with};
use super::inputs::Inputs;
use super::options::{DisplayArguments, RuntimeArguments, layers, size};
use super::output::{Destination, print};
use super::progress::Bars;
use super::settings::{self, ConfigArguments};
use super::training::TrainingBars;
use super::words::words;

#[derive(Args)]
pub struct Arguments {
    /// The model before unlearning (ONNX) [default: from audit.toml]
    original: Option<PathBuf>,
    /// The model after unlearning (ONNX) [default: from audit.toml]
    unlearned: Option<PathBuf>,
    /// A model retrained from fresh weights without the forget set: the gold reference
    #[arg(long, value_name = "MODEL")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Layers to tap: names and globs, separated by commas [default: chosen from the graph]
    #[arg(long, value_delimiter = ',', value_name = "NAMES", help_heading = "Measuring")]
    layers: Vec<String>,
    /// Samples run at once; a model with a fixed batch size keeps its own [default: 64, fewer for
    /// large images]
    #[arg(long, value_parser = size, help_heading = "Measuring")]
    batch_size: Option<usize>,
    /// Seed of every random draw [default: 0]
    #[arg(long, help_heading = "Measuring")]
    seed: Option<u64>,
    #[command(flatten)]
    config: ConfigArguments,
    /// An earlier report: what became worse since by more than the policy allows fails
    #[arg(long, value_name = "REPORT", help_heading = "Configuration")]
    baseline: Option<PathBuf>,
    #[command(flatten)]
    runtime: RuntimeArguments,
    #[command(flatten)]
    files: FileArguments,
    /// Where the verdict is superficial, and only there: repair the model with EC, write it here
    /// and audit it; `audit remediate` has the options
    #[arg(long, value_name = "FILE")]
    remediate: Option<PathBuf>,
    #[command(flatten)]
    formats: FormatArguments,
    /// Exit with 0 whatever the policy finds (errors still exit with 2 or 3)
    #[arg(long, help_heading = "Output")]
    exit_zero: bool,
    #[command(flatten)]
    display: DisplayArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Output")]
struct FileArguments {
    /// Where the JSON report goes [default: OUTPUT_DIR/NAME.json, NAME that of the unlearned model]
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Where the HTML report goes [default: OUTPUT_DIR/NAME.html]
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Where an in-toto statement over the unlearned model, with verdict and report digest, goes
    #[arg(long, value_name = "PATH")]
    attest: Option<PathBuf>,
    /// Folder of the reports [default: reports]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let config = arguments.config.read(arguments.display.quiet)?;
    let named = (arguments.original.as_ref(), arguments.unlearned.as_ref());
    let (original, unlearned) = settings::models(named.0, named.1, &config)?;
    let patterns = match arguments.layers.as_slice() {
        [] => &config.measure.layers,
        patterns => patterns,
    };
    let request = Request {
        reference: settings::reference(arguments.reference.as_ref(), &config, &unlearned)?,
        original,
        unlearned,
        samples: arguments.data.samples(&config.data)?,
        selection: layers(patterns),
        batch_size: arguments.batch_size.or(config.measure.batch_size),
        seed: arguments.seed.or(config.measure.seed).unwrap_or(0),
        runtime: arguments.runtime.options_or(&config.runtime),
        policy: config.policy.clone(),
    };
    let baseline = arguments.baseline.as_deref().or(baseline_of(&config));
    let inputs = Inputs::of(&request, &arguments.data, &config).others(baseline);
    if let Some(output) = &arguments.remediate {
        if request.samples.is_none() {
            return Err(Error::input(
                "--remediate",
                "a repair needs samples",
                "give --data and the forget set",
            ));
        }
        Destination::prepare(output, &inputs)?;
        check_device(request.runtime.device)?;
    }
    let (given, set) = (&arguments.files, &config.output);
    let folder = given.output_dir.as_deref().or(set.dir.as_deref());
    let files = Files::prepare(
        given.json.as_deref().or(set.json.as_deref()),
        given.html.as_deref().or(set.html.as_deref()),
        folder.unwrap_or(Path::new("reports")),
        &request.unlearned,
        &inputs,
    )?;
    let attest = arguments.files.attest.as_deref().or(set.attest.as_deref());
    let taken: Vec<&Path> =
        files.paths().into_iter().chain(arguments.remediate.as_deref()).collect();
    let renderings = arguments.formats.prepare(&set.formats, attest, &taken, &inputs)?;
    let mut report = compare(&request, &Bars::new(arguments.display.quiet))?;
    report.command = words();
    report.command.extend(arguments.config.found(&config).into_iter().flatten());
    if let Some(baseline) = baseline {
        compare_with(&mut report, &request.policy, baseline)?;
    }
    files.write(&report)?;
    renderings.write(&report, arguments.display.color)?;
    if !arguments.display.quiet {
        tell(&report, &files);
    }
    let mut passes = report.passes();
    if let Some(output) = &arguments.remediate
        && report.verdict.label == Label::Superficial
    {
        passes = repaired(request, report, output, baseline, &arguments.display)?;
    }
    Ok(if passes || arguments.exit_zero { Exit::Passed } else { Exit::Failed })
}

/// Repairs a superficially unlearned model and says whether what it led to passes.
fn repaired(
    request: Request,
    before: Report,
    output: &Path,
    baseline: Option<&Path>,
    display: &DisplayArguments,
) -> Result<bool> {
    forget_audit::memory::keep_blocks();
    let supervised = Ec { selection: request.selection.clone(), ..Ec::default() };
    let remediation = Remediation {
        request,
        output: output.to_owned(),
        from_original: false,
        unlearning: Unlearning { method: Method::Ec(supervised), ..Unlearning::default() },
        audit_every: AUDIT_EVERY,
    };
    let (observer, progress) = (Bars::new(display.quiet), TrainingBars::new(display.quiet)?);
    let mut remedied = repair(&remediation, before, &observer, &progress)?;
    if let Some(baseline) = baseline {
        compare_with(&mut remedied.after, &remediation.request.policy, baseline)?;
    }
    print(&format!("\nRepair with EC:\n\n{}", remedy(&remedied.before, &remedied.after)))?;
    if !display.quiet {
        eprintln!("repaired: {}", output.display());
    }
    Ok(remedied.after.passes())
}

/// Where a comparison's reports go.
pub struct Files {
    json: Destination,
    html: Destination,
}

impl Files {
    /// Decides and tries the paths before any work is done.
    pub fn prepare(
        json: Option<&Path>,
        html: Option<&Path>,
        folder: &Path,
        unlearned: &Path,
        inputs: &Inputs,
    ) -> Result<Self> {
        let name = unlearned.file_stem().unwrap_or(std::ffi::OsStr::new("audit"));
        let path = |given: Option<&Path>, extension: &str| match given {
            Some(path) => path.to_owned(),
            None => {
                let mut name = name.to_owned();
                name.push(".");
                name.push(extension);
                folder.join(name)
            }
        };
        Ok(Self {
            json: Destination::prepare(&path(json, "json"), inputs)?,
            html: Destination::prepare(&path(html, "html"), inputs)?,
        })
    }

    /// Writes both.
    pub fn write(&self, report: &Report) -> Result<()> {
        self.json.write(&render(report, Format::Json, None)?)?;
        self.html.write(&render(report, Format::Html, None)?)
    }

    /// Both paths.
    pub fn paths(&self) -> [&Path; 2] {
        [self.json.path(), self.html.path()]
    }

    /// Where the page lies.
    pub fn html(&self) -> &Path {
        self.html.path()
    }
}

/// Says on stderr what a reader of stdout alone would miss.
fn tell(report: &Report, files: &Files) {
    if let Some(provider) = &report.provider
        && provider.requested == "auto"
        && provider.used == "cpu"
    {
        eprintln!("note: running on the CPU ({})", provider.reason);
    }
    settings::warn_unused(report);
    eprintln!("report: {}", files.html.path().display());
    eprintln!("        {}", files.json.path().display());
}
