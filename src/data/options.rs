//! How samples are read, beside where they are.

use super::Preprocess;

/// What the user says of the samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// What is done to images between decoding and the model.
    pub preprocess: Preprocess,
    /// The classes in the order of the model's outputs; without them, classes that have names are
    /// numbered as the data do it, folders and texts in the order of their names.
    pub class_names: Option<Vec<String>>,
    /// Whether images that can't be read are left out and listed.
    pub skip_unreadable: bool,
}
