//! `audit compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::Result;
use forget_audit::compare::{Request, compare};
use forget_audit::report::{Report, remedy};
use forget_audit::train::check_device;
use forget_audit::unlearn::{AUDIT_EVERY, Ec, Method, Remediation, Unlearning, repair};
use forget_audit::verdict::{Label, Policy};

use super::data::DataArguments;
use super::exit::Exit;
use super::options::{Color, DisplayArguments, Format, RuntimeArguments, layers, size};
use super::output::{Destination, print, render};
use super::progress::Bars;
use super::training::{TrainingBars, check_output};

#[derive(Args)]
pub struct Arguments {
    /// The model before unlearning (ONNX)
    original: PathBuf,
    /// The model after unlearning (ONNX)
    unlearned: PathBuf,
    /// A model retrained from fresh weights without the forget set: the gold reference
    #[arg(long, value_name = "MODEL")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    data: DataArguments,
    /// Layers to tap: names and globs, separated by commas [default: chosen from the graph]
    #[arg(long, value_delimiter = ',', value_name = "NAMES", help_heading = "Measuring")]
    layers: Vec<String>,
    /// Samples run at once; a model with a fixed batch size keeps its own
    #[arg(long, default_value_t = 64, value_parser = size, help_heading = "Measuring")]
    batch_size: usize,
    /// Seed of every random draw
    #[arg(long, default_value_t = 0, help_heading = "Measuring")]
    seed: u64,
    #[command(flatten)]
    runtime: RuntimeArguments,
    #[command(flatten)]
    files: FileArguments,
    /// Where the verdict is superficial, and only there: repair the model with EC, write it here
    /// and audit it; `audit remediate` has the options
    #[arg(long, value_name = "FILE", requires = "data")]
    remediate: Option<PathBuf>,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 0 whatever the verdict (errors still exit with 2 or 3)
    #[arg(long)]
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
    /// Folder of the reports
    #[arg(long, value_name = "DIR", default_value = "reports")]
    output_dir: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let request = Request {
        original: arguments.original.clone(),
        unlearned: arguments.unlearned.clone(),
        reference: arguments.reference.clone(),
        samples: arguments.data.samples()?,
        selection: layers(&arguments.layers),
        batch_size: arguments.batch_size,
        seed: arguments.seed,
        runtime: arguments.runtime.options(),
        policy: Policy::default(),
    };
    if let Some(output) = &arguments.remediate {
        let models =
            [Some(&request.original), Some(&request.unlearned), request.reference.as_ref()];
        let models: Vec<&Path> = models.into_iter().flatten().map(PathBuf::as_path).collect();
        check_output(output, &models)?;
        check_device(request.runtime.device)?;
    }
    let files = Files::prepare(
        arguments.files.json.as_deref(),
        arguments.files.html.as_deref(),
        &arguments.files.output_dir,
        &arguments.unlearned,
    )?;
    let report = compare(&request, &Bars::new(arguments.display.quiet))?;
    files.write(&report)?;
    print(&render(&report, arguments.format, arguments.display.color)?)?;
    if !arguments.display.quiet {
        tell(&report, &files);
    }
    let mut verdict = report.verdict.label;
    if let Some(output) = &arguments.remediate
        && verdict == Label::Superficial
    {
        verdict = repaired(request, report, output, &arguments.display)?;
    }
    Ok(if verdict.passes() || arguments.exit_zero { Exit::Passed } else { Exit::Failed })
}

/// Repairs a superficially unlearned model and says what it led to.
fn repaired(
    request: Request,
    before: Report,
    output: &Path,
    display: &DisplayArguments,
) -> Result<Label> {
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
    let remedied = repair(&remediation, before, &observer, &progress)?;
    print(&format!("\nRepair with EC:\n\n{}", remedy(&remedied.before, &remedied.after)))?;
    if !display.quiet {
        eprintln!("repaired: {}", output.display());
    }
    Ok(remedied.after.verdict.label)
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
            json: Destination::prepare(&path(json, "json"))?,
            html: Destination::prepare(&path(html, "html"))?,
        })
    }

    /// Writes both.
    pub fn write(&self, report: &Report) -> Result<()> {
        self.json.write(&render(report, Format::Json, Color::Never)?)?;
        self.html.write(&render(report, Format::Html, Color::Never)?)
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
    eprintln!("report: {}", files.html.path().display());
    eprintln!("        {}", files.json.path().display());
}
