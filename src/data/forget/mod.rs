//! What was to be forgotten: classes, or single training samples.

mod classes;
mod column;
mod folder;
mod indices;
mod suggest;

use std::path::{Path, PathBuf};

pub use classes::ClassItem;

use super::Data;
use crate::Result;

/// The forget set as the user named it; what it means the data tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForgetSpec {
    /// All samples of these classes.
    Classes(Vec<ClassItem>),
    /// Single samples by their rows.
    Samples {
        /// The index file, for messages.
        source: String,
        /// Rows of the training arrays (or of the only set); ascending and distinct.
        rows: Vec<usize>,
    },
    /// The training images in a folder, or those of which it holds copies.
    Folder(PathBuf),
    /// The training samples that a column of the data marks: `NAME` where it says yes, or
    /// `NAME=VALUE`.
    Column(String),
}

/// The forget set once the data are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forget {
    /// All samples of these classes; ascending and distinct.
    Classes(Vec<usize>),
    /// Single samples.
    Samples {
        /// Who named them, for messages.
        source: String,
        /// Rows of the training arrays (or of the only set); ascending and distinct.
        rows: Vec<usize>,
    },
}

impl ForgetSpec {
    /// Parses `--forget-classes`: class numbers and names separated by commas, `id:` or `name:`
    /// before one that could be either, `@FILE` for a list with one a line.
    ///
    /// # Errors
    /// An empty list, an empty item, a file that can't be read.
    pub fn parse_classes(text: &str) -> Result<Self> {
        Ok(Self::Classes(classes::parse(text)?))
    }

    /// The same for class numbers.
    ///
    /// # Errors
    /// A class named twice; [`crate::Error::NothingToCompare`] for none.
    pub fn classes(classes: Vec<usize>) -> Result<Self> {
        let distinct = classes::distinct(classes)?;
        Ok(Self::Classes(distinct.into_iter().map(ClassItem::Id).collect()))
    }

    /// Reads `--forget-indices FILE`: an `.npy` of whole numbers, `.txt` with one index a line
    /// (empty lines and what follows a `#` are skipped), `.csv` with a column `index`, `idx` or
    /// `forget_idx` or a single one, `.json` with a list of numbers, alone or in an object.
    ///
    /// # Errors
    /// A file that is missing, a folder, unreadable or of another kind; an index that is no whole
    /// number, negative or named twice, told with its line or position;
    /// [`crate::Error::NothingToCompare`] where there is none.
    pub fn from_index_file(path: &Path) -> Result<Self> {
        let (source, rows) = indices::read(path)?;
        Ok(Self::Samples { source, rows })
    }

    /// What the spec means for these data.
    ///
    /// # Errors
    /// Classes, columns or values that aren't there, with near ones; a class that a text could
    /// name in two ways; a folder none of whose images is a training image.
    pub fn resolve(&self, data: &Data) -> Result<Forget> {
        match self {
            Self::Classes(items) => {
                classes::resolve(items, data.class_names.as_deref()).map(Forget::Classes)
            }
            Self::Samples { source, rows } => {
                Ok(Forget::Samples { source: source.clone(), rows: rows.clone() })
            }
            Self::Folder(folder) => Ok(Forget::Samples {
                source: format!("--forget-folder {}", folder.display()),
                rows: folder::resolve(folder, &data.source, None)?,
            }),
            Self::Column(text) => Ok(Forget::Samples {
                source: format!("--forget-column {text}"),
                rows: column::resolve(text, data)?,
            }),
        }
    }
}

impl Forget {
    /// The forgotten classes' names, where classes are forgotten and the data name them.
    pub fn class_names(&self, data: &Data) -> Vec<String> {
        let (Self::Classes(classes), Some(names)) = (self, &data.class_names) else {
            return Vec::new();
        };
        classes.iter().filter_map(|&class| names.get(class).cloned()).collect()
    }
}
