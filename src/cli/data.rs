//! Options that name the samples and the forget set.

use std::path::PathBuf;

use clap::Args;
use forget_audit::compare::Samples;
use forget_audit::data::{ForgetSpec, Normalization};
use forget_audit::{Error, Result};

#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Samples: .npz or .safetensors with x_train, y_train, x_test, y_test (or x, y), or a folder of
    /// .npy, CIFAR or IDX files. Without it only the weights are compared
    #[arg(long, value_name = "PATH", requires = "forget")]
    data: Option<PathBuf>,
    /// The classes that were to be forgotten, by number or name, e.g. 4,11 or cat,dog or @FILE with
    /// one a line
    #[arg(
        long,
        value_name = "CLASSES",
        group = "forget",
        requires = "data",
        allow_hyphen_values = true
    )]
    forget_classes: Option<String>,
    /// The training samples that were to be forgotten: .npy, .txt, .csv or .json with their row
    /// numbers
    #[arg(long, value_name = "FILE", group = "forget", requires = "data")]
    forget_indices: Option<PathBuf>,
    /// The folder of the training images that were to be forgotten, or of copies of them
    #[arg(long, value_name = "DIR", group = "forget", requires = "data")]
    forget_folder: Option<PathBuf>,
    /// The training samples that a column of the data marks: NAME where it says true, 1 or yes, or
    /// NAME=VALUE
    #[arg(long, value_name = "NAME[=VALUE]", group = "forget", requires = "data")]
    forget_column: Option<String>,
    /// Subtracted after scaling to [0, 1]: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "data")]
    mean: Vec<f32>,
    /// Divided by after that: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "data")]
    std: Vec<f32>,
}

impl DataArguments {
    /// Where the samples are, for commands that need them.
    pub fn required(&self) -> Result<Samples> {
        self.samples()?.ok_or_else(|| {
            Error::input(
                "--data",
                "training needs samples",
                "give --data FILE.npz with --forget-classes or another --forget option",
            )
        })
    }

    /// Where the samples are; `None` without `--data`.
    pub fn samples(&self) -> Result<Option<Samples>> {
        let Some(path) = self.data.clone() else { return Ok(None) };
        let forget = self.forget()?;
        let or = |values: &[f32], default: f32| match values {
            [] => vec![default],
            values => values.to_vec(),
        };
        let normalization = Normalization::new(or(&self.mean, 0.0), or(&self.std, 1.0))?;
        Ok(Some(Samples { path, forget, normalization }))
    }
    fn forget(&self) -> Result<ForgetSpec> {
        if let Some(classes) = &self.forget_classes {
            ForgetSpec::parse_classes(classes)
        } else if let Some(file) = &self.forget_indices {
            ForgetSpec::from_index_file(file)
        } else if let Some(folder) = &self.forget_folder {
            Ok(ForgetSpec::Folder(folder.clone()))
        } else if let Some(column) = &self.forget_column {
            Ok(ForgetSpec::Column(column.clone()))
        } else {
            Err(Error::input(
                "--data",
                "the forget set is not named",
                "give --forget-classes, --forget-indices, --forget-folder or --forget-column",
            ))
        }
    }
}
