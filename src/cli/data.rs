//! Options that name the samples and the forget set.

use std::path::{Path, PathBuf};

use clap::Args;
use forget_audit::compare::Samples;
use forget_audit::config::DataConfig;
use forget_audit::data::ForgetSpec;
use forget_audit::{Error, Result};

use super::images::ImageArguments;

#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Samples: a file .npz, .safetensors or .parquet, or a folder: images in train/CLASS/ and
    /// test/CLASS/ (or CLASS/), .npy, .parquet, CIFAR or IDX files. Without it only the weights are
    /// compared
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The classes that were to be forgotten, by number or name, e.g. 4,11 or cat,dog or @FILE with
    /// one a line
    #[arg(long, value_name = "CLASSES", group = "forget", allow_hyphen_values = true)]
    forget_classes: Option<String>,
    /// The training samples that were to be forgotten: .npy, .txt, .csv or .json with their row
    /// numbers
    #[arg(long, value_name = "FILE", group = "forget")]
    forget_indices: Option<PathBuf>,
    /// The folder of the training images that were to be forgotten, or of copies of them
    #[arg(long, value_name = "DIR", group = "forget")]
    forget_folder: Option<PathBuf>,
    /// The training samples that a column of the data marks: NAME where it says true, 1 or yes, or
    /// NAME=VALUE
    #[arg(long, value_name = "NAME[=VALUE]", group = "forget")]
    forget_column: Option<String>,
    #[command(flatten)]
    images: ImageArguments,
}

impl DataArguments {
    /// Where the samples are, for commands that need them.
    pub fn required(&self, config: &DataConfig) -> Result<Samples> {
        self.samples(config)?.ok_or_else(|| {
            Error::input(
                "--data",
                "training needs samples",
                "give --data PATH with --forget-classes or another --forget option",
            )
        })
    }

    /// Where the samples are; what the command line leaves open is as `config` says. `None` where
    /// neither names any.
    pub fn samples(&self, config: &DataConfig) -> Result<Option<Samples>> {
        let Some(path) = self.data.clone().or_else(|| config.path.clone()) else {
            return match self.without_data() {
                None => Ok(None),
                Some(option) => Err(Error::input(
                    option,
                    "says how samples are read, but no samples are named",
                    "give --data PATH, or leave the option out",
                )),
            };
        };
        let options = self.images.options(config)?;
        let forget = match self.forget()? {
            Some(forget) => forget,
            None => configured(config)?.ok_or_else(|| {
                Error::input(
                    "--data",
                    "the forget set is not named",
                    "give --forget-classes, --forget-indices, --forget-folder or --forget-column, \
                     or set one of the same name in [data] of audit.toml",
                )
            })?,
        };
        Ok(Some(Samples { path, forget, options }))
    }

    /// All files and folders that are read: the samples and whatever names the forget set, the
    /// classes and the preprocessing.
    pub fn files(&self, config: &DataConfig) -> Vec<PathBuf> {
        let data = self.data.clone().or_else(|| config.path.clone());
        let classes: Vec<&str> = match &self.forget_classes {
            Some(list) => list.split(',').collect(),
            None => config.forget_classes.iter().flatten().map(String::as_str).collect(),
        };
        let lists = classes.into_iter().filter_map(ForgetSpec::list_file);
        let lists: Vec<PathBuf> = lists.map(PathBuf::from).collect();
        let rows = self.forget_indices.clone().or_else(|| config.forget_indices.clone());
        let folder = self.forget_folder.clone().or_else(|| config.forget_folder.clone());
        let all = [data, rows, folder].into_iter().flatten().chain(lists);
        all.chain(self.images.files(config)).collect()
    }

    fn forget(&self) -> Result<Option<ForgetSpec>> {
        let classes = self.forget_classes.as_deref().map(ForgetSpec::parse_classes);
        let others = [&self.forget_indices, &self.forget_folder].map(Option::as_deref);
        named(classes, others, self.forget_column.as_deref())
    }

    /// An option that means nothing without samples.
    fn without_data(&self) -> Option<&'static str> {
        let given = [
            (self.forget_classes.is_some(), "--forget-classes"),
            (self.forget_indices.is_some(), "--forget-indices"),
            (self.forget_folder.is_some(), "--forget-folder"),
            (self.forget_column.is_some(), "--forget-column"),
        ];
        let forget = given.into_iter().find_map(|(given, option)| given.then_some(option));
        forget.or_else(|| self.images.given())
    }
}

/// The forget set of the file.
fn configured(config: &DataConfig) -> Result<Option<ForgetSpec>> {
    let classes = config.forget_classes.as_deref().map(ForgetSpec::class_list);
    let others = [&config.forget_indices, &config.forget_folder].map(Option::as_deref);
    named(classes, others, config.forget_column.as_deref())
}

/// The forget set by whichever of the four names it.
fn named(
    classes: Option<Result<ForgetSpec>>,
    [indices, folder]: [Option<&Path>; 2],
    column: Option<&str>,
) -> Result<Option<ForgetSpec>> {
    match (classes, indices, folder, column) {
        (Some(classes), ..) => classes.map(Some),
        (_, Some(file), ..) => ForgetSpec::from_index_file(file).map(Some),
        (_, _, Some(folder), _) => Ok(Some(ForgetSpec::Folder(folder.to_owned()))),
        (_, _, _, Some(column)) => Ok(Some(ForgetSpec::Column(column.to_owned()))),
        _ => Ok(None),
    }
}
