//! `audit init`.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::config::{FILE, Template, template};
use forget_audit::data::{ForgetSpec, recognise};
use forget_audit::{Error, Result};

use super::exit::Exit;
use super::inputs::Inputs;
use super::output::{Destination, print};

#[derive(Args)]
pub struct Arguments {
    /// The model before unlearning [default: found by its name in the working directory]
    original: Option<PathBuf>,
    /// The model after unlearning [default: found by its name]
    unlearned: Option<PathBuf>,
    /// The model retrained without the forget set [default: found by its name]
    #[arg(long, value_name = "MODEL")]
    reference: Option<PathBuf>,
    /// Samples: a folder or file [default: the only one found]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The classes that were to be forgotten, by number or name
    #[arg(long, value_delimiter = ',', value_name = "CLASSES")]
    forget_classes: Vec<String>,
    /// The file to write
    #[arg(long, short, value_name = "FILE", default_value = FILE)]
    output: PathBuf,
}

/// Parts of a model's name that tell which of the models it is.
const ORIGINAL: [&str; 4] = ["original", "before", "base", "pretrained"];
const UNLEARNED: [&str; 5] = ["unlearn", "forgot", "forget", "after", "scrub"];
const REFERENCE: [&str; 3] = ["retrain", "reference", "gold"];

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let output = &arguments.output;
    if output.exists() {
        return Err(Error::file(
            output,
            "exists already",
            "remove it first, or write another file with --output",
        ));
    }
    let folder = std::fs::read_dir(".").map_err(|e| {
        Error::input("the working directory", format!("can't be read ({e})"), "change into another")
    })?;
    let mut names: Vec<PathBuf> =
        folder.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name()))).collect();
    names.sort();
    let given = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
    let reference = given(&arguments.reference).or_else(|| model(&names, &REFERENCE, &[]));
    let mut known = Template {
        original: given(&arguments.original).or_else(|| model(&names, &ORIGINAL, &[&REFERENCE])),
        unlearned: given(&arguments.unlearned)
            .or_else(|| model(&names, &UNLEARNED, &[&REFERENCE, &ORIGINAL])),
        reference,
        data: given(&arguments.data).or_else(|| data(&names)),
        forget_classes: arguments.forget_classes.iter().map(|c| c.trim().to_owned()).collect(),
    };
    let folder = output.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() && folder != Path::new(".") {
        let Template { original, unlearned, reference, data, forget_classes } = &mut known;
        let paths = [original, unlearned, reference, data].into_iter().flatten();
        paths.for_each(|path| *path = absolute(path));
        for class in forget_classes {
            if let Some(file) = ForgetSpec::list_file(class) {
                *class = format!("@{}", absolute(file));
            }
        }
    }
    Destination::prepare(output, &Inputs::default())?.write(&template(&known))?;
    print(&summary(output, &known))?;
    Ok(Exit::Passed)
}

/// A path of the working directory as a file in another folder must write it.
fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// The only ONNX file whose name holds one of `words` and none of the others.
fn model(names: &[PathBuf], words: &[&str], others: &[&[&str]]) -> Option<String> {
    let holds = |name: &str, words: &[&str]| words.iter().any(|w| name.contains(w));
    let mut found = names.iter().filter(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        path.extension().is_some_and(|e| e == "onnx")
            && holds(&name, words)
            && !others.iter().any(|other| holds(&name, other))
    });
    let only = found.next()?;
    found.next().is_none().then(|| only.display().to_string())
}

/// The only folder or file of samples.
fn data(names: &[PathBuf]) -> Option<String> {
    let hidden = |path: &Path| path.to_string_lossy().starts_with('.');
    let mut found = names.iter().filter(|path| !hidden(path) && recognise(path));
    let only = found.next()?;
    found.next().is_none().then(|| only.display().to_string())
}

/// What was found, what is still to be said, and the next command.
fn summary(output: &Path, known: &Template) -> String {
    let line = |what: &str, found: &Option<String>| match found {
        Some(found) => format!("  {what:<11}{found}\n"),
        None => format!("  {what:<11}not found: name it in the file\n"),
    };
    let mut text = format!("wrote {}\n", output.display());
    text.push_str(&line("original", &known.original));
    text.push_str(&line("unlearned", &known.unlearned));
    match &known.reference {
        Some(_) => text.push_str(&line("reference", &known.reference)),
        None => text.push_str("  reference  none: `audit retrain` makes one\n"),
    }
    text.push_str(&line("data", &known.data));
    let classes = known.forget_classes.join(", ");
    match classes.is_empty() {
        true => text.push_str("  forget     not named: set forget-classes in the file\n"),
        false => text.push_str(&format!("  forget     {classes}\n")),
    }
    text.push_str(&format!("\nNext: {}\n", next(output, known)));
    text
}

/// What is to be done before `audit compare` can run, or that it can.
fn next(output: &Path, known: &Template) -> String {
    let gone = [&known.original, &known.unlearned, &known.reference, &known.data];
    let gone = gone.into_iter().flatten().find(|path| !Path::new(path).exists());
    let mut missing = Vec::new();
    missing.extend(known.original.is_none().then_some("original"));
    missing.extend(known.unlearned.is_none().then_some("unlearned"));
    let forget = known.data.is_some() && known.forget_classes.is_empty();
    missing.extend(forget.then_some("forget-classes"));
    let run = match output == Path::new(FILE) {
        true => "audit compare".to_owned(),
        false => format!("audit compare --config {}", output.display()),
    };
    match (gone, missing.as_slice()) {
        (Some(path), _) => format!("there is no {path}: mend the file, then {run}"),
        (None, []) => run,
        (None, missing) => {
            format!("set {} in {}, then {run}", missing.join(", "), output.display())
        }
    }
}
