//! What was to be forgotten: classes, or single training samples.

mod classes;
mod column;
mod folder;
mod indices;
mod suggest;

use std::path::{Path, PathBuf};

pub use classes::ClassItem;

use super::Data;
use crate::{Error, Result};

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
                check_numbering(source, data)?;
                Ok(Forget::Samples { source: source.clone(), rows: rows.clone() })
            }
            Self::Folder(folder) => Ok(Forget::Samples {
                source: format!("--forget-folder {}", folder.display()),
                rows: folder::resolve(folder, &data.source, data.train.encoded())?,
            }),
            Self::Column(text) => Ok(Forget::Samples {
                source: format!("--forget-column {text}"),
                rows: column::resolve(text, data)?,
            }),
        }
    }
}

/// Refuses row numbers where those of the program that wrote them may be others.
fn check_numbering(source: &str, data: &Data) -> Result<()> {
    let Some(file) = &data.numbered_otherwise else { return Ok(()) };
    Err(Error::input(
        source,
        format!(
            "row numbers are ambiguous: torchvision's ImageFolder {} {}",
            match file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gif")) {
                true => "passes over",
                false => "takes the hidden",
            },
            file.display()
        ),
        "move GIFs and hidden images elsewhere, or name the samples with --forget-folder or \
         --forget-column",
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::labelled;

    #[test]
    fn what_is_meant_depends_on_the_data() {
        let mut data = labelled(&[0, 1, 0], None);
        let spec = ForgetSpec::parse_classes("dog").unwrap();
        assert!(spec.resolve(&data).is_err());
        data.class_names = Some(vec!["cat".to_owned(), "dog".to_owned()]);
        let forget = spec.resolve(&data).unwrap();
        assert_eq!(forget, Forget::Classes(vec![1]));
        assert_eq!(forget.class_names(&data), ["dog"]);

        data.columns.insert("f".to_owned(), ["1", "0", "1"].map(str::to_owned).into());
        let forget = ForgetSpec::Column("f".to_owned()).resolve(&data).unwrap();
        let source = "--forget-column f".to_owned();
        assert_eq!(forget, Forget::Samples { source, rows: vec![0, 2] });
        assert!(forget.class_names(&data).is_empty());
        let spec = ForgetSpec::Samples { source: "i.txt".to_owned(), rows: vec![1] };
        assert!(spec.resolve(&data).is_ok());
        data.numbered_otherwise = Some(PathBuf::from("d/train/a/1.GIF"));
        let error = spec.resolve(&data).unwrap_err().to_string();
        assert!(error.contains("i.txt: row numbers") && error.contains("passes over d"), "{error}");
        let folder = ForgetSpec::Folder(PathBuf::from("."));
        assert!(folder.resolve(&data).unwrap_err().to_string().contains("arrays"));
    }
}
