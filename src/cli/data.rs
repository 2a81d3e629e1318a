//! Options that name the samples and the forget set.

use std::path::PathBuf;

use clap::Args;
use forget_audit::compare::Samples;
use forget_audit::data::ForgetSpec;
use forget_audit::{Error, Result};

use super::images::ImageArguments;

#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Samples: .npz with x_train, y_train, x_test, y_test (or x, y), or a folder of images,
    /// train/CLASS/ and test/CLASS/ (or CLASS/). Without it only the weights are compared
    #[arg(long, value_name = "PATH", requires = "forget")]
    data: Option<PathBuf>,
    /// The classes that were to be forgotten, e.g. 4,11
    #[arg(
        long,
        value_name = "CLASSES",
        group = "forget",
        requires = "data",
        allow_hyphen_values = true
    )]
    forget_classes: Option<String>,
    /// The training samples that were to be forgotten: .npy or .txt with their row numbers
    #[arg(long, value_name = "FILE", group = "forget", requires = "data")]
    forget_indices: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArguments,
}

impl DataArguments {
    /// Where the samples are, for commands that need them.
    pub fn required(&self) -> Result<Samples> {
        self.samples()?.ok_or_else(|| {
            Error::input(
                "--data",
                "training needs samples",
                "give --data PATH with --forget-classes or --forget-indices",
            )
        })
    }

    /// Where the samples are; `None` without `--data`.
    pub fn samples(&self) -> Result<Option<Samples>> {
        let Some(path) = self.data.clone() else { return Ok(None) };
        let forget = match (&self.forget_classes, &self.forget_indices) {
            (Some(classes), _) => ForgetSpec::parse_classes(classes)?,
            (None, Some(file)) => ForgetSpec::from_index_file(file)?,
            (None, None) => {
                return Err(Error::input(
                    "--data",
                    "the forget set is not named",
                    "give --forget-classes or --forget-indices",
                ));
            }
        };
        Ok(Some(Samples { path, forget, options: self.images.options()? }))
    }
}
