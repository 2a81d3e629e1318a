//! `audit.toml`: models, data, how to measure, and the policy.

mod document;
mod policy;
mod template;

use std::path::{Path, PathBuf};

use document::{Section, Source};
pub use template::{Template, template};

use crate::Result;
use crate::data::ForgetSpec;
use crate::runtime::Device;
use crate::verdict::Policy;

/// The file that commands look for in the working directory.
pub const FILE: &str = "audit.toml";

/// What a configuration file says; `None` and empty lists where it says nothing. Paths are as in
/// the file, put behind the file's folder.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file itself.
    pub path: PathBuf,
    /// `[models]`
    pub models: ModelsConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[measure]`
    pub measure: MeasureConfig,
    /// `[runtime]`
    pub runtime: RuntimeConfig,
    /// `[output]`
    pub output: OutputConfig,
    /// `[policy]`
    pub policy: Policy,
}

/// The models.
#[derive(Clone, Debug, Default)]
pub struct ModelsConfig {
    /// Before unlearning.
    pub original: Option<PathBuf>,
    /// After unlearning.
    pub unlearned: Option<PathBuf>,
    /// Retrained without the forget set.
    pub reference: Option<PathBuf>,
}

/// The samples and the forget set, as the options of the same names take them.
#[derive(Clone, Debug, Default)]
pub struct DataConfig {
    /// File or folder.
    pub path: Option<PathBuf>,
    /// Classes to forget, each by number or name, or `@` and a file of them.
    pub forget_classes: Option<Vec<String>>,
    /// A file of row numbers.
    pub forget_indices: Option<PathBuf>,
    /// A folder of samples.
    pub forget_folder: Option<PathBuf>,
    /// A column of the metadata.
    pub forget_column: Option<String>,
    /// A file of class names.
    pub class_names: Option<PathBuf>,
    /// A preprocessing configuration.
    pub preprocess: Option<PathBuf>,
    /// Size after resizing.
    pub resize: Option<String>,
    /// Size after cropping.
    pub crop: Option<String>,
    /// The resizing filter.
    pub interpolation: Option<String>,
    /// Subtracted from each channel.
    pub mean: Vec<f32>,
    /// Divides each channel.
    pub std: Vec<f32>,
    /// Leave unreadable images out.
    pub skip_unreadable: bool,
}

/// How to measure.
#[derive(Clone, Debug, Default)]
pub struct MeasureConfig {
    /// Layers to tap.
    pub layers: Vec<String>,
    /// Samples run at once.
    pub batch_size: Option<usize>,
    /// Seed of every random draw.
    pub seed: Option<u64>,
}

/// How ONNX Runtime is used.
#[derive(Clone, Debug, Default)]
pub struct RuntimeConfig {
    /// `auto`, `cpu`, `cuda` or `cuda:N`.
    pub device: Option<Device>,
    /// Threads for one operator.
    pub threads: Option<u16>,
    /// The library.
    pub onnxruntime: Option<PathBuf>,
}

/// Where results go.
#[derive(Clone, Debug, Default)]
pub struct OutputConfig {
    /// Folder of the reports.
    pub dir: Option<PathBuf>,
    /// The JSON report.
    pub json: Option<PathBuf>,
    /// The HTML report.
    pub html: Option<PathBuf>,
    /// Formats, each with its path where it doesn't go to stdout.
    pub formats: Vec<String>,
    /// The attestation.
    pub attest: Option<PathBuf>,
    /// An earlier report.
    pub baseline: Option<PathBuf>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, is no TOML, or holds a key, value or limit that makes no sense; the
    /// first problem, with file, line and column.
    pub fn read(path: &Path) -> Result<Self> {
        let mut config = Self::of(&Source::read(path)?)?;
        config.path = path.to_owned();
        config.resolve(path.parent().unwrap_or(Path::new("")));
        Ok(config)
    }

    /// Like [`Self::read`], from text; paths stay as they are. `name` is the file's for messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        Self::of(&Source::new(name, text.to_owned()))
    }

    fn of(source: &Source) -> Result<Self> {
        let document = source.parse()?;
        let root = Section::root(source, &document);
        let mut config = Self::default();
        if let Some(section) = root.section("models") {
            config.models = models(&section);
        }
        if let Some(section) = root.section("data") {
            config.data = data(&section);
        }
        if let Some(section) = root.section("measure") {
            config.measure = measure(&section);
        }
        if let Some(section) = root.section("runtime") {
            config.runtime = runtime(&section);
        }
        if let Some(section) = root.section("output") {
            config.output = output(&section);
        }
        config.policy = policy::policy(root.section("policy").as_ref());
        config.policy.path = Some(source.path().to_owned());
        root.finish(&["models", "data", "measure", "runtime", "output", "policy"]);
        source.check()?;
        Ok(config)
    }

    /// Relative paths are relative to the file, wherever the command is run.
    fn resolve(&mut self, folder: &Path) {
        let Self { models, data, runtime, output, .. } = self;
        let paths = [
            &mut models.original,
            &mut models.unlearned,
            &mut models.reference,
            &mut data.path,
            &mut data.forget_indices,
            &mut data.forget_folder,
            &mut data.class_names,
            &mut data.preprocess,
            &mut runtime.onnxruntime,
            &mut output.dir,
            &mut output.json,
            &mut output.html,
            &mut output.attest,
            &mut output.baseline,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        for class in data.forget_classes.iter_mut().flatten() {
            if let Some(file) = ForgetSpec::list_file(class) {
                *class = format!("@{}", folder.join(file).display());
            }
        }
        for format in &mut output.formats {
            if let Some((name, path)) = format.split_once('=').filter(|(_, path)| !path.is_empty())
            {
                *format = format!("{name}={}", folder.join(path).display());
            }
        }
    }
}

fn path(section: &Section, key: &str) -> Option<PathBuf> {
    section.string(key).map(|text| PathBuf::from(text.value))
}

fn text(section: &Section, key: &str) -> Option<String> {
    section.string(key).map(|text| text.value)
}

fn models(section: &Section) -> ModelsConfig {
    let models = ModelsConfig {
        original: path(section, "original"),
        unlearned: path(section, "unlearned"),
        reference: path(section, "reference"),
    };
    section.finish(&["original", "unlearned", "reference"]);
    models
}

fn data(section: &Section) -> DataConfig {
    let float = |key: &str| {
        let numbers = section.numbers(key).map(|n| n.value).unwrap_or_default();
        numbers.into_iter().map(|n| n as f32).collect()
    };
    // A class is a number or a name; a size one number or two.
    let item = |value: &toml_edit::Value| match value.as_integer() {
        Some(n) => Some(n.to_string()),
        None => value.as_str().map(str::to_owned),
    };
    let items = |key: &str, wanted: &str| section.list(key, wanted, item).map(|list| list.value);
    let size = |key: &str| {
        items(key, "a number of pixels, or [height, width]").map(|sides| sides.join("x"))
    };
    let data = DataConfig {
        path: path(section, "path"),
        forget_classes: items("forget-classes", "a list of class numbers or names"),
        forget_indices: path(section, "forget-indices"),
        forget_folder: path(section, "forget-folder"),
        forget_column: text(section, "forget-column"),
        class_names: path(section, "class-names"),
        preprocess: path(section, "preprocess"),
        resize: size("resize"),
        crop: size("crop"),
        interpolation: text(section, "interpolation"),
        mean: float("mean"),
        std: float("std"),
        skip_unreadable: section.boolean("skip-unreadable").is_some_and(|b| b.value),
    };
    section.finish(&[
        "path",
        "forget-classes",
        "forget-indices",
        "forget-folder",
        "forget-column",
        "class-names",
        "preprocess",
        "resize",
        "crop",
        "interpolation",
        "mean",
        "std",
        "skip-unreadable",
    ]);
    let named = ["forget-classes", "forget-indices", "forget-folder", "forget-column"];
    let mut given = section.keys().filter(|k| named.contains(&k.value));
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        let problem = format!("{} and {} both name the forget set", first.value, second.value);
        section.source().problem(second.at, problem, "keep one of them");
    }
    data
}

fn measure(section: &Section) -> MeasureConfig {
    let measure = MeasureConfig {
        layers: section.strings("layers").map(|l| l.value).unwrap_or_default(),
        batch_size: section
            .whole("batch-size", 1..=1 << 16)
            .and_then(|n| usize::try_from(n.value).ok()),
        // TOML's whole numbers have 63 bits.
        seed: section.whole("seed", 0..=i64::MAX as u64).map(|n| n.value),
    };
    section.finish(&["layers", "batch-size", "seed"]);
    measure
}

fn runtime(section: &Section) -> RuntimeConfig {
    let device = section.string("device").and_then(|device| {
        let known = device.value.parse::<Device>();
        if known.is_err() {
            let problem = format!("there is no device \"{}\"", device.value);
            section.source().problem(device.at, problem, "give auto, cpu, cuda or cuda:N");
        }
        known.ok()
    });
    let runtime = RuntimeConfig {
        device,
        threads: section
            .whole("threads", 1..=u64::from(u16::MAX))
            .and_then(|n| u16::try_from(n.value).ok()),
        onnxruntime: path(section, "onnxruntime"),
    };
    section.finish(&["device", "threads", "onnxruntime"]);
    runtime
}

fn output(section: &Section) -> OutputConfig {
    let output = OutputConfig {
        dir: path(section, "dir"),
        json: path(section, "json"),
        html: path(section, "html"),
        formats: section.strings("format").map(|f| f.value).unwrap_or_default(),
        attest: path(section, "attest"),
        baseline: path(section, "baseline"),
    };
    section.finish(&["dir", "json", "html", "format", "attest", "baseline"]);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_relative_to_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("audit.toml");
        let text = "[data]\nforget-classes = [\"@l.txt\", 3, \"04\"]\n\
                    [output]\nformat = [\"text\", \"junit=out/a.xml\", \"sarif=/b\", \"json=\"]\n";
        std::fs::write(&file, text).expect("a file");
        let config = Config::read(&file).expect("valid");
        let list = folder.path().join("l.txt").display().to_string();
        let classes = [format!("@{list}"), "3".into(), "04".into()];
        assert_eq!(config.data.forget_classes.as_deref(), Some(&classes[..]));
        let junit = format!("junit={}", folder.path().join("out/a.xml").display());
        assert_eq!(config.output.formats, ["text", &junit, "sarif=/b", "json="]);
    }
}
