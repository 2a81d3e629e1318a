//! Options that say how samples become a model's input.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forget_audit::config::DataConfig;
use forget_audit::data::{
    Filter, LoadOptions, MAX_EDGE, Normalization, Preprocess, Resize, Size, read_class_names,
};
use forget_audit::{Error, Result};

#[derive(Args)]
#[command(next_help_heading = "Images")]
pub struct ImageArguments {
    /// The model's preprocessing: preprocessor_config.json (transformers) or config.json (timm);
    /// the options below go before it
    #[arg(long, value_name = "FILE")]
    preprocess: Option<PathBuf>,
    /// Resize images: the shorter edge to N pixels, or height x width
    #[arg(long, value_name = "N|HxW", value_parser = resize)]
    resize: Option<Resize>,
    /// Then cut out the centre
    #[arg(long, value_name = "N|HxW", value_parser = crop)]
    crop: Option<Size>,
    /// How images are resized, antialiased [default: bilinear]
    #[arg(long, value_enum)]
    interpolation: Option<Interpolation>,
    /// Subtracted after scaling to [0, 1]: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// Divided by after that: one value or one a channel
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    std: Vec<f32>,
    /// The classes' names in the order of the model's outputs: .txt with one a line, .json with a
    /// list or id2label [default: what the data say, or the folders' names, sorted]
    #[arg(long, value_name = "FILE")]
    class_names: Option<PathBuf>,
    /// Leave out images that can't be read and list them in the report
    #[arg(long)]
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
    /// The first option that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.preprocess.is_some(), "--preprocess"),
            (self.resize.is_some(), "--resize"),
            (self.crop.is_some(), "--crop"),
            (self.interpolation.is_some(), "--interpolation"),
            (!self.mean.is_empty(), "--mean"),
            (!self.std.is_empty(), "--std"),
            (self.class_names.is_some(), "--class-names"),
            (self.skip_unreadable, "--skip-unreadable"),
        ];
        given.into_iter().find_map(|(given, option)| given.then_some(option))
    }

    /// The files that are read.
    pub fn files(&self, config: &DataConfig) -> impl Iterator<Item = PathBuf> {
        let preprocess = self.preprocess.clone().or_else(|| config.preprocess.clone());
        let names = self.class_names.clone().or_else(|| config.class_names.clone());
        preprocess.into_iter().chain(names)
    }

    /// As the library takes them. An option goes before the key of the same name in `config`, and
    /// both before what the preprocessing file says; a file given as an option goes before the keys.
    pub fn options(&self, config: &DataConfig) -> Result<LoadOptions> {
        // A file on the command line speaks for all of these keys.
        let config = &match self.preprocess {
            Some(_) => DataConfig {
                class_names: config.class_names.clone(),
                skip_unreadable: config.skip_unreadable,
                ..DataConfig::default()
            },
            None => config.clone(),
        };
        let key = |name: &str, problem: String| {
            Error::input(format!("data.{name} of audit.toml"), problem, "mend the value")
        };
        let resized = match (self.resize, &config.resize) {
            (Some(given), _) => Some(given),
            (None, Some(text)) => Some(resize(text).map_err(|e| key("resize", e))?),
            (None, None) => None,
        };
        let cut = match (self.crop, &config.crop) {
            (Some(given), _) => Some(given),
            (None, Some(text)) => Some(crop(text).map_err(|e| key("crop", e))?),
            (None, None) => None,
        };
        let interpolation = match (self.interpolation, &config.interpolation) {
            (Some(given), _) => Some(given),
            (None, Some(text)) => Some(
                Interpolation::from_str(text, false)
                    .map_err(|_| key("interpolation", format!("there is no filter \"{text}\"")))?,
            ),
            (None, None) => None,
        };
        let file = self.preprocess.as_ref().or(config.preprocess.as_ref());
        let mut preprocess = match file {
            Some(path) => Preprocess::from_file(path)?,
            None => Preprocess::default(),
        };
        preprocess.resize = resized.or(preprocess.resize);
        preprocess.crop = cut.or(preprocess.crop);
        preprocess.filter = match interpolation {
            Some(Interpolation::Bilinear) => Filter::Bilinear,
            Some(Interpolation::Bicubic) => Filter::Bicubic,
            None => preprocess.filter,
        };
        if interpolation.is_some() && preprocess.resize.is_none() {
            return Err(Error::input(
                "--interpolation",
                "nothing is resized",
                "give --resize or a --preprocess file that says to which size",
            ));
        }
        let or = |given: &[f32], set: &[f32], file: &[f32]| match (given, set) {
            ([], []) => file.to_vec(),
            ([], set) => set.to_vec(),
            (given, _) => given.to_vec(),
        };
        let file = &preprocess.normalization;
        preprocess.normalization = Normalization::new(
            or(&self.mean, &config.mean, file.mean()),
            or(&self.std, &config.std, file.std()),
        )?;
        let names = self.class_names.as_deref().or(config.class_names.as_deref());
        Ok(LoadOptions {
            preprocess,
            class_names: names.map(read_class_names).transpose()?,
            skip_unreadable: self.skip_unreadable || config.skip_unreadable,
        })
    }
}
