//! Options that say how samples become a model's input.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forget_audit::data::{
    Filter, LoadOptions, MAX_EDGE, Normalization, Preprocess, Resize, Size, read_class_names,
};
use forget_audit::{Error, Result};

#[derive(Args)]
#[command(next_help_heading = "Images")]
pub struct ImageArguments {
    /// The model's preprocessing: preprocessor_config.json (transformers) or config.json (timm);
    /// the options below go before it
    #[arg(long, value_name = "FILE", requires = "data")]
    preprocess: Option<PathBuf>,
    /// Resize images: the shorter edge to N pixels, or height x width
    #[arg(long, value_name = "N|HxW", value_parser = resize, requires = "data")]
    resize: Option<Resize>,
    /// Then cut out the centre
    #[arg(long, value_name = "N|HxW", value_parser = crop, requires = "data")]
    crop: Option<Size>,
    /// How images are resized, antialiased [default: bilinear]
    #[arg(long, value_enum, requires = "data")]
    interpolation: Option<Interpolation>,
    /// Subtracted after scaling to [0, 1]: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "data")]
    mean: Vec<f32>,
    /// Divided by after that: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true, requires = "data")]
    std: Vec<f32>,
    /// The classes' names in the order of the model's outputs: .txt with one a line, .json with a
    /// list or id2label [default: the folders' names, sorted]
    #[arg(long, value_name = "FILE", requires = "data")]
    class_names: Option<PathBuf>,
    /// Leave out images that can't be read and list them in the report
    #[arg(long, requires = "data")]
    skip_unreadable: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Interpolation {
    Bilinear,
    Bicubic,
}

/// Height and width, or one number.
fn edges(text: &str) -> std::result::Result<(u32, Option<u32>), String> {
    let edge = |text: &str| {
        let edge = text.parse().ok().filter(|edge| (1..=MAX_EDGE).contains(edge));
        edge.ok_or_else(|| format!("expected N or HEIGHTxWIDTH, each from 1 to {MAX_EDGE}"))
    };
    match text.split_once('x') {
        None => Ok((edge(text)?, None)),
        Some((height, width)) => Ok((edge(height)?, Some(edge(width)?))),
    }
}

fn resize(text: &str) -> std::result::Result<Resize, String> {
    Ok(match edges(text)? {
        (edge, None) => Resize::ShortestEdge(edge),
        (height, Some(width)) => Resize::Exact(Size { height, width }),
    })
}

fn crop(text: &str) -> std::result::Result<Size, String> {
    let (height, width) = edges(text)?;
    Ok(Size { height, width: width.unwrap_or(height) })
}

impl ImageArguments {
    /// As the library takes them; what the file says is replaced where an option says otherwise.
    pub fn options(&self) -> Result<LoadOptions> {
        let mut preprocess = match &self.preprocess {
            Some(path) => Preprocess::from_file(path)?,
            None => Preprocess::default(),
        };
        preprocess.resize = self.resize.or(preprocess.resize);
        preprocess.crop = self.crop.or(preprocess.crop);
        preprocess.filter = match self.interpolation {
            Some(Interpolation::Bilinear) => Filter::Bilinear,
            Some(Interpolation::Bicubic) => Filter::Bicubic,
            None => preprocess.filter,
        };
        if self.interpolation.is_some() && preprocess.resize.is_none() {
            return Err(Error::input(
                "--interpolation",
                "nothing is resized",
                "give --resize or a --preprocess file that says to which size",
            ));
        }
        let or = |values: &[f32], file: &[f32]| match values {
            [] => file.to_vec(),
            values => values.to_vec(),
        };
        let file = &preprocess.normalization;
        preprocess.normalization =
            Normalization::new(or(&self.mean, file.mean()), or(&self.std, file.std()))?;
        let class_names = self.class_names.as_deref().map(read_class_names).transpose()?;
        Ok(LoadOptions { preprocess, class_names, skip_unreadable: self.skip_unreadable })
    }
}
