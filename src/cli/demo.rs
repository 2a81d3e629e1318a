//! `audit demo`.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::compare::{Request, Samples, compare};
use forget_audit::data::{ForgetSpec, LoadOptions};
use forget_audit::onnx::Selection;
use forget_audit::verdict::{Label, Policy};
use forget_audit::{Error, Result};

use super::compare::Files;
use super::exit::Exit;
use super::formats::{Format, render};
use super::inputs::Inputs;
use super::options::{DisplayArguments, RuntimeArguments};
use super::output::print;
use super::progress::Bars;

/// Shipped inside the binary, so that the demo needs neither network nor checkout.
const FIXTURES: [(&str, &[u8]); 4] = [
    ("original.onnx", include_bytes!("../../fixtures/conv-original.onnx")),
    ("head-flip.onnx", include_bytes!("../../fixtures/conv-head-flip.onnx")),
    ("retrained.onnx", include_bytes!("../../fixtures/conv-retrained.onnx")),
    ("digits.npz", include_bytes!("../../fixtures/digits.npz")),
];

/// What the models were to forget.
const FORGET: [usize; 2] = [3, 8];

#[derive(Args)]
pub struct Arguments {
    /// Folder of the demo's models, data and reports
    #[arg(long, value_name = "DIR", default_value = "reports/demo")]
    output_dir: PathBuf,
    #[command(flatten)]
    runtime: RuntimeArguments,
    #[command(flatten)]
    display: DisplayArguments,
}

/// One act of the story.
struct Act {
    title: &'static str,
    unlearned: &'static str,
    reference: Option<&'static str>,
    expected: Label,
}

const ACTS: [Act; 2] = [
    Act {
        title: "1. A digit classifier \"forgets\" 3 and 8: two rows of its last layer were reversed.\n   \
                Its outputs never say 3 or 8 again. Are they gone?",
        unlearned: "head-flip.onnx",
        reference: Some("retrained.onnx"),
        expected: Label::Superficial,
    },
    Act {
        title: "2. The same classifier, trained again without ever seeing a 3 or an 8.",
        unlearned: "retrained.onnx",
        reference: None,
        expected: Label::Erased,
    },
];

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let folder = &arguments.output_dir;
    for (name, bytes) in FIXTURES {
        let path = folder.join(name);
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes)).map_err(
            |e| Error::file(&path, format!("can't be written ({e})"), "give another --output-dir"),
        )?;
    }
    let mut page = None;
    for act in &ACTS {
        let (label, html) = play(act, folder, arguments)?;
        if label != act.expected {
            return Err(Error::internal(format!(
                "{} was judged {}, not {}",
                act.unlearned,
                label.as_str(),
                act.expected.as_str()
            )));
        }
        page.get_or_insert(html);
    }
    let page = page.unwrap_or_default();
    print(&format!("\nThe first case as a page: {}\n", page.display()))?;
    Ok(Exit::Passed)
}

fn play(act: &Act, folder: &Path, arguments: &Arguments) -> Result<(Label, PathBuf)> {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut command = vec!["audit".into(), "compare".into()];
    command.extend([path("original.onnx"), path(act.unlearned)]);
    command.extend(act.reference.into_iter().flat_map(|r| ["--reference".into(), path(r)]));
    let listed = FORGET.map(|class| class.to_string()).join(",");
    command.extend(["--data".into(), path("digits.npz"), "--forget-classes".into(), listed]);
    print(&format!("\n{}\n\n$ {}\n\n", act.title, command.join(" ")))?;
    let request = Request {
        original: folder.join("original.onnx"),
        unlearned: folder.join(act.unlearned),
        reference: act.reference.map(|r| folder.join(r)),
        samples: Some(Samples {
            path: folder.join("digits.npz"),
            forget: ForgetSpec::classes(FORGET.to_vec())?,
            options: LoadOptions::default(),
        }),
        selection: Selection::Automatic,
        batch_size: None,
        seed: 0,
        runtime: arguments.runtime.options(),
        policy: Policy::default(),
    };
    let files = Files::prepare(None, None, folder, Path::new(act.unlearned), &Inputs::default())?;
    let mut report = compare(&request, &Bars::new(arguments.display.quiet))?;
    report.command = command;
    files.write(&report)?;
    print(&render(&report, Format::Text, Some(arguments.display.color))?)?;
    Ok((report.verdict.label, files.html().to_owned()))
}
