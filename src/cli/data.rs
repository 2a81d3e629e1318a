//! Options that name the samples and the forget set.

use std::path::PathBuf;

use clap::Args;
use forget_audit::compare::Samples;
use forget_audit::data::{ForgetSpec, Normalization};
use forget_audit::{Error, Result};

#[derive(Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Samples: .npz with x_train, y_train, x_test, y_test (or x, y). Without it only the weights
    /// are compared
    #[arg(long, value_name = "FILE", requires = "forget")]
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
                "give --data FILE.npz with --forget-classes or --forget-indices",
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
        let or = |values: &[f32], default: f32| match values {
            [] => vec![default],
            values => values.to_vec(),
        };
        let normalization = Normalization::new(or(&self.mean, 0.0), or(&self.std, 1.0))?;
        Ok(Some(Samples { path, forget, normalization }))
    }
}
