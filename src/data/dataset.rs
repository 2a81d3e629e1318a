//! Samples with labels, and the one or two sets of them that a file holds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::array::Array;
use super::{Feed, InputSpec, Normalization};
use crate::{Error, Result};

/// Name under which an image array is kept; it feeds whatever the model's only input is called.
pub(crate) const POSITIONAL: &str = "x";

/// Model inputs in the file's order, and one label for each sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    inputs: Vec<(String, Array)>,
    labels: Vec<usize>,
    labels_subject: String,
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
        Ok(Self { inputs, labels, labels_subject })
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

    /// Names and arrays of the model inputs; a single `x` stands for the model's only input.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.inputs.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// Makes the samples ready for the model input `spec`.
    ///
    /// # Errors
    /// No array for this input; samples that don't fit it; a normalisation that doesn't fit them.
    pub fn feed(&self, spec: &InputSpec, normalization: &Normalization) -> Result<Feed<'_>> {
        let named = self.inputs.iter().find(|(name, _)| *name == spec.name);
        let found = named.or(match self.inputs.as_slice() {
            [only] if only.0 == POSITIONAL => Some(only),
            _ => None,
        });
        let (_, array) = found.ok_or_else(|| {
            let names: Vec<&str> = self.inputs.iter().map(|(name, _)| name.as_str()).collect();
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
        Feed::new(array, spec, normalization)
    }

    /// One batch for one input; [`Self::feed`] serves many without repeating the checks.
    ///
    /// # Errors
    /// As [`Self::feed`] and [`Feed::fill_f32`].
    pub fn batch(
        &self,
        rows: &[usize],
        spec: &InputSpec,
        normalization: &Normalization,
    ) -> Result<(Vec<usize>, Vec<f32>)> {
        let mut values = Vec::new();
        let shape = self.feed(spec, normalization)?.fill_f32(rows, &mut values)?;
        Ok((shape, values))
    }

    fn validate_labels(&self, classes: usize) -> Result<()> {
        match self.labels.iter().position(|&label| label >= classes) {
            None => Ok(()),
            Some(i) => Err(Error::input(
                format!("{}[{i}]", self.labels_subject),
                format!(
                    "label {} is outside the model's {classes} classes",
                    self.labels.get(i).copied().unwrap_or_default()
                ),
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

/// What a data file holds: training and test set, or one set that is still to be split.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// The file's name for messages.
    pub source: String,
    /// The training set, or the only set.
    pub train: Dataset,
    /// The test set, where there is one.
    pub test: Option<Dataset>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// The name of each class, where the data tell it.
    pub class_names: Option<Vec<String>>,
    /// What else is known of each training sample: columns of text by their names.
    pub columns: BTreeMap<String, Vec<String>>,
}

impl Data {
    /// Sets of which nothing else is known.
    pub(crate) fn new(source: &str, train: Dataset, test: Option<Dataset>) -> Self {
        Self {
            source: source.to_owned(),
            train,
            test,
            files: Vec::new(),
            class_names: None,
            columns: BTreeMap::new(),
        }
    }

    /// The same, read from these files.
    pub(crate) fn with_files(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        self.files = files.into_iter().collect();
        self
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
