//! Samples with labels, and the one or two sets of them that a file holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::array::Array;
use super::images::Images;
use super::{Encoded, Feed, InputSpec, LoadOptions, Preprocess};
use crate::{Error, Result};

/// Name under which an image array is kept; it feeds whatever the model's only input is called.
pub(crate) const POSITIONAL: &str = "x";

/// Samples, and one label for each.
#[derive(Debug, Clone)]
pub struct Dataset {
    samples: Samples,
    labels: Vec<usize>,
    labels_subject: String,
}

#[derive(Debug, Clone)]
enum Samples {
    /// Model inputs in the file's order.
    Arrays(Vec<(String, Array)>),
    /// Encoded images for the model's only input.
    Images(Images),
}

impl Dataset {
    /// Checks that everything has as many rows as there are labels, and that there are any.
    pub(crate) fn new(inputs: Vec<(String, Array)>, labels: &Array) -> Result<Self> {
        let labels_subject = labels.subject().to_owned();
        let labels = labels.to_whole_numbers("label")?;
        for (_, array) in &inputs {
            if array.rows() != labels.len() {
                return Err(Error::input(
                    array.subject(),
                    format!(
                        "{} samples, but {labels_subject} has {} labels",
                        array.rows(),
                        labels.len()
                    ),
                    "save samples and labels of the same rows",
                ));
            }
            if array.values().is_empty() {
                return Err(Error::input(
                    array.subject(),
                    format!("no values: the shape is {}", super::array::shape_text(array.shape())),
                    "save at least one sample of each class",
                ));
            }
        }
        if labels.is_empty() {
            return Err(Error::input(
                &labels_subject,
                "no labels",
                "save at least one sample of each class",
            ));
        }
        Ok(Self { samples: Samples::Arrays(inputs), labels, labels_subject })
    }

    /// Images that stay encoded until a batch needs them, with one label each; `subject` names
    /// the labels in messages.
    ///
    /// # Errors
    /// No images, or another number of labels.
    pub fn of_images(store: Arc<dyn Encoded>, labels: Vec<usize>, subject: &str) -> Result<Self> {
        if store.is_empty() {
            return Err(Error::input(subject, "no images", "add images of each class"));
        }
        if store.len() != labels.len() {
            return Err(Error::input(
                subject,
                format!("{} labels for {} images", labels.len(), store.len()),
                "give every image one label",
            ));
        }
        let samples = Samples::Images(Images::new(store));
        Ok(Self { samples, labels, labels_subject: subject.to_owned() })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; never true of a loaded set.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class of each sample.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many model inputs there are samples for.
    pub fn input_count(&self) -> usize {
        match &self.samples {
            Samples::Arrays(arrays) => arrays.len(),
            Samples::Images(_) => 1,
        }
    }

    /// Names and arrays of the model inputs, none for images; a single `x` stands for the model's
    /// only input.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Array)> {
        let arrays = match &self.samples {
            Samples::Arrays(arrays) => arrays.as_slice(),
            Samples::Images(_) => &[],
        };
        arrays.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// Makes the samples ready for the model input `spec`.
    ///
    /// # Errors
    /// No samples for this input; samples that don't fit it; preprocessing that doesn't fit them.
    pub fn feed<'a>(&'a self, spec: &InputSpec, preprocess: &'a Preprocess) -> Result<Feed<'a>> {
        let arrays = match &self.samples {
            Samples::Arrays(arrays) => arrays,
            Samples::Images(images) => return Feed::of_images(images, spec, preprocess),
        };
        let named = arrays.iter().find(|(name, _)| *name == spec.name);
        let found = named.or(match arrays.as_slice() {
            [only] if only.0 == POSITIONAL => Some(only),
            _ => None,
        });
        let (_, array) = found.ok_or_else(|| {
            let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
            Error::input(
                &self.labels_subject,
                format!(
                    "no samples for the model's input `{}`; there are samples for {}",
                    spec.name,
                    names.join(", ")
                ),
                format!("add `{0}_train` and `{0}_test` to the file", spec.name),
            )
        })?;
        Feed::new(array, spec, preprocess)
    }

    /// One batch for one input; [`Self::feed`] serves many without repeating the checks.
    ///
    /// # Errors
    /// As [`Self::feed`] and [`Feed::fill_f32`].
    pub fn batch(
        &self,
        rows: &[usize],
        spec: &InputSpec,
        preprocess: &Preprocess,
    ) -> Result<(Vec<usize>, Vec<f32>)> {
        let mut values = Vec::new();
        let shape = self.feed(spec, preprocess)?.fill_f32(rows, &mut values)?;
        Ok((shape, values))
    }

    /// Checks that all images come out of `preprocess` in the size that `spec` fixes or else in
    /// that of the first one; nothing to check of arrays.
    ///
    /// # Errors
    /// The first image of another size, with both sizes.
    pub fn check_sizes(&self, spec: &InputSpec, preprocess: &Preprocess) -> Result<()> {
        match &self.samples {
            Samples::Arrays(_) => Ok(()),
            Samples::Images(images) => images.check_sizes(spec, preprocess),
        }
    }

    /// The encoded images of a set of such.
    pub(crate) fn images(&self) -> Option<&Images> {
        match &self.samples {
            Samples::Images(images) => Some(images),
            Samples::Arrays(_) => None,
        }
    }

    /// Of each class how many of `rows` are of it, and how many samples it has in all.
    pub(crate) fn shares(&self, rows: &[usize]) -> BTreeMap<usize, (usize, usize)> {
        let mut shares: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        for label in &self.labels {
            let (_, all) = shares.entry(*label).or_default();
            *all = all.saturating_add(1);
        }
        for label in rows.iter().filter_map(|&row| self.labels.get(row)) {
            let (of_rows, _) = shares.entry(*label).or_default();
            *of_rows = of_rows.saturating_add(1);
        }
        shares
    }

    /// Number of samples in the source, those that were left out included.
    pub(crate) fn stored_len(&self) -> usize {
        self.images().map_or(self.len(), |images| images.stored().len())
    }

    /// The rows that these samples of the source have in the set; those left out have none.
    pub(crate) fn rows_of(&self, stored: &[usize]) -> Vec<usize> {
        match self.images() {
            Some(images) => {
                let row = |at| images.rows().binary_search(at).ok();
                stored.iter().filter_map(row).collect()
            }
            None => stored.to_vec(),
        }
    }

    /// Looks at all images as `options` say, and drops and returns the unreadable ones.
    fn inspect(&mut self, options: &LoadOptions) -> Result<Vec<Skipped>> {
        let Samples::Images(images) = &mut self.samples else { return Ok(Vec::new()) };
        let (kept, skipped) = images.inspect(options.skip_unreadable)?;
        if kept.is_empty() {
            return Err(Error::input(
                &self.labels_subject,
                format!("none of {} images can be read", self.labels.len()),
                "check one of them without --skip-unreadable",
            ));
        }
        self.labels = kept.iter().filter_map(|&row| self.labels.get(row).copied()).collect();
        Ok(skipped)
    }

    /// The first label that is not below `classes`, with its place.
    pub(crate) fn beyond(&self, classes: usize) -> Option<(String, usize)> {
        let (i, &label) = self.labels.iter().enumerate().find(|(_, label)| **label >= classes)?;
        Some((format!("{}[{i}]", self.labels_subject), label))
    }

    /// Gives each class the number that `order` has for it.
    pub(crate) fn renumber(&mut self, order: &BTreeMap<usize, usize>) {
        for label in &mut self.labels {
            *label = order.get(label).copied().unwrap_or(*label);
        }
    }

    fn validate_labels(&self, classes: usize) -> Result<()> {
        match self.beyond(classes) {
            None => Ok(()),
            Some((place, label)) => Err(Error::input(
                place,
                format!("label {label} is outside the model's {classes} classes"),
                format!("number the classes from 0 to {}", classes.saturating_sub(1)),
            )),
        }
    }
}

/// One of a file's sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The training arrays, or the only set.
    Train,
    /// The test arrays.
    Test,
}

/// A sample that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// File, or file and row.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What a data file or folder holds: training and test set, or one set that is still to be split.
#[derive(Debug, Clone)]
pub struct Data {
    /// The file's name for messages.
    pub source: String,
    /// The training set, or the only set.
    pub train: Dataset,
    /// The test set, where there is one.
    pub test: Option<Dataset>,
    /// The classes' names in the order of their numbers, where they have any.
    pub class_names: Option<Vec<String>>,
    /// What else is known of the training samples: for each column a text a row of the source,
    /// those left out included; empty where nothing is.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Samples that could not be read and were left out.
    pub skipped: Vec<Skipped>,
    /// A file by which torchvision's `ImageFolder` numbers the training rows otherwise.
    pub numbered_otherwise: Option<PathBuf>,
    /// What a reader of the report should know of how the data were read.
    pub notes: Vec<String>,
    /// The files of a folder that were used, relative to it; empty where the source is one file.
    pub files: Vec<PathBuf>,
}

impl Data {
    /// Sets of which nothing more is known.
    pub fn new(source: &str, train: Dataset, test: Option<Dataset>) -> Self {
        Self {
            source: source.to_owned(),
            train,
            test,
            class_names: None,
            columns: BTreeMap::new(),
            skipped: Vec::new(),
            numbered_otherwise: None,
            notes: Vec::new(),
            files: Vec::new(),
        }
    }

    /// The same, read from these files.
    pub(crate) fn with_files(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        // Relative to the folder; where the source is the only file, nothing is left of its path.
        let below = |file: PathBuf| {
            let rest = file.strip_prefix(&self.source).map(PathBuf::from).unwrap_or(file);
            (!rest.as_os_str().is_empty()).then_some(rest)
        };
        let mut files: Vec<PathBuf> = files.into_iter().filter_map(below).collect();
        files.sort();
        files.dedup();
        self.files = files;
        self
    }

    /// Looks at all encoded images: at their headers, or, to leave out what can't be read, at all
    /// of their bytes. Array data are only held against the options.
    pub(crate) fn inspect(mut self, options: &LoadOptions) -> Result<Self> {
        let arrays = matches!(self.train.samples, Samples::Arrays(_));
        if arrays && options.preprocess.changes_size() {
            return Err(Error::input(
                &self.source,
                "arrays are fed at the size they have, so nothing is resized or cropped",
                "resize before saving and give only --mean and --std, or give the images as a \
                 folder",
            ));
        }
        self.skipped.extend(self.train.inspect(options)?);
        if let Some(test) = &mut self.test {
            self.skipped.extend(test.inspect(options)?);
        }
        let root = PathBuf::from(&self.source);
        let dropped: BTreeSet<&str> = self.skipped.iter().map(|s| s.name.as_str()).collect();
        self.files.retain(|file| !dropped.contains(root.join(file).to_string_lossy().as_ref()));
        Ok(self)
    }

    /// The set `part`.
    ///
    /// # Errors
    /// [`Error::Internal`] for the test set of a file that has none.
    pub fn part(&self, part: Part) -> Result<&Dataset> {
        match part {
            Part::Train => Ok(&self.train),
            Part::Test => self
                .test
                .as_ref()
                .ok_or_else(|| Error::internal(format!("{} has no test set", self.source))),
        }
    }

    /// All classes among the labels.
    pub fn classes(&self) -> BTreeSet<usize> {
        let test = self.test.iter().flat_map(|set| &set.labels);
        self.train.labels.iter().chain(test).copied().collect()
    }

    /// Checks all labels against the model's number of outputs.
    ///
    /// # Errors
    /// The first label that is no class of the model, with array, index and number of classes.
    pub fn validate_labels(&self, classes: usize) -> Result<()> {
        self.train.validate_labels(classes)?;
        self.test.as_ref().map_or(Ok(()), |set| set.validate_labels(classes))
    }
}
