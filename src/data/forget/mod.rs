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
        /// Rows of the training arrays (or of the only set) as the source counts them, unreadable
        /// ones included; ascending and distinct.
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
        /// Rows of the training set (or of the only set) as it was read; ascending and distinct.
        rows: Vec<usize>,
        /// How many more were named, but left out because they could not be read.
        skipped: usize,
    },
}

impl ForgetSpec {
    /// Parses `--forget-classes`: class numbers and names separated by commas, `id:` or `name:`
    /// before one that could be either, `@FILE` for a list with one a line.
    ///
    /// # Errors
    /// An empty list, an empty item, a file that can't be read.
    pub fn parse_classes(text: &str) -> Result<Self> {
        Ok(Self::Classes(classes::parse(classes::split(text))?))
    }

    /// The same where the classes stand one by one, so that a name may hold a comma.
    ///
    /// # Errors
    /// See [`Self::parse_classes`].
    pub fn class_list(items: &[String]) -> Result<Self> {
        Ok(Self::Classes(classes::parse(items.iter().map(String::as_str))?))
    }

    /// The file that an item of a list of classes stands for: `@FILE`.
    pub fn list_file(item: &str) -> Option<&str> {
        item.trim().strip_prefix('@')
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

    /// What the spec means for these data. Rows that are all samples of some classes and no others mean
    /// the classes.
    ///
    /// # Errors
    /// Classes, columns or values that aren't there, with near ones; a class that a text could
    /// name in two ways; a folder none of whose images is a training image; an index beyond the
    /// training samples;
    /// [`crate::Error::NothingToCompare`] where none of the samples can be read.
    pub fn resolve(&self, data: &Data) -> Result<Forget> {
        match self {
            Self::Classes(items) => {
                classes::resolve(items, data.class_names.as_deref()).map(Forget::Classes)
            }
            Self::Samples { source, rows } => {
                check_numbering(source, data)?;
                left(source, rows, data)
            }
            Self::Folder(folder) => {
                let rows = folder::resolve(folder, &data.source, data.train.images())?;
                left(&format!("--forget-folder {}", folder.display()), &rows, data)
            }
            Self::Column(text) => {
                let rows = column::resolve(text, data)?;
                left(&format!("--forget-column {text}"), &rows, data)
            }
        }
    }
}

/// The samples of these rows of the source that are left in the training set; where they are whole
/// classes and nothing else, the classes.
fn left(source: &str, stored: &[usize], data: &Data) -> Result<Forget> {
    let count = data.train.stored_len();
    if let Some(row) = stored.iter().find(|&&row| row >= count) {
        return Err(Error::input(
            source,
            format!("index {row} is beyond the {count} training samples of {}", data.source),
            format!("give indices from 0 to {}", count.saturating_sub(1)),
        ));
    }
    let rows = data.train.rows_of(stored);
    let skipped = stored.len().saturating_sub(rows.len());
    if rows.is_empty() && skipped > 0 {
        return Err(Error::nothing(
            format!("{source}: none of the {skipped} forgotten samples can be read"),
            "repair them; without --skip-unreadable the first that can't be read is told",
        ));
    }
    let mut shares = data.train.shares(&rows);
    shares.retain(|_, (named, _)| *named > 0);
    if shares.values().all(|(named, all)| named == all) {
        return Ok(Forget::Classes(shares.into_keys().collect()));
    }
    Ok(Forget::Samples { source: source.to_owned(), rows, skipped })
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
    /// A note on samples that were to be forgotten but could not be read.
    pub fn note(&self) -> Option<String> {
        let Self::Samples { source, rows, skipped: skipped @ 1.. } = self else { return None };
        let all = rows.len().saturating_add(*skipped);
        let was = if *skipped == 1 { "was" } else { "were" };
        Some(format!(
            "{skipped} of the {all} samples to be forgotten ({source}) could not be read and {was} \
             left out"
        ))
    }

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
    use crate::data::LoadOptions;
    use crate::data::testing::labelled;

    #[test]
    fn what_is_meant_depends_on_the_data() {
        let mut data = labelled(&[0, 1, 0, 0, 1], None);
        let spec = ForgetSpec::parse_classes("dog").unwrap();
        assert!(spec.resolve(&data).is_err());
        data.class_names = Some(vec!["cat".to_owned(), "dog".to_owned()]);
        let forget = spec.resolve(&data).unwrap();
        assert_eq!(forget, Forget::Classes(vec![1]));
        assert_eq!(forget.class_names(&data), ["dog"]);

        data.columns.insert("f".to_owned(), ["1", "0", "1", "0", "0"].map(str::to_owned).into());
        let forget = ForgetSpec::Column("f".to_owned()).resolve(&data).unwrap();
        let source = "--forget-column f".to_owned();
        assert_eq!(forget, Forget::Samples { source, rows: vec![0, 2], skipped: 0 });
        assert!(forget.class_names(&data).is_empty());
        let spec = ForgetSpec::Samples { source: "i.txt".to_owned(), rows: vec![1] };
        assert!(spec.resolve(&data).is_ok());
        data.numbered_otherwise = Some(PathBuf::from("d/train/a/1.GIF"));
        let error = spec.resolve(&data).unwrap_err().to_string();
        assert!(error.contains("i.txt: row numbers") && error.contains("passes over d"), "{error}");
        let folder = ForgetSpec::Folder(PathBuf::from("."));
        assert!(folder.resolve(&data).unwrap_err().to_string().contains("arrays"));
    }

    /// Rows 0, 2 and 3 are class 0, all of it.
    #[test]
    fn rows_of_whole_classes_are_classes() {
        let data = labelled(&[0, 1, 0, 0, 1], None);
        let resolved = |rows: &[usize]| {
            let spec = ForgetSpec::Samples { source: "f.txt".to_owned(), rows: rows.to_vec() };
            spec.resolve(&data)
        };
        assert_eq!(resolved(&[0, 2, 3]).unwrap(), Forget::Classes(vec![0]));
        assert_eq!(resolved(&[0, 1, 2, 3, 4]).unwrap(), Forget::Classes(vec![0, 1]));
        assert!(matches!(resolved(&[0, 1, 2]).unwrap(), Forget::Samples { .. }));
        // Class 0 and a single sample of class 1.
        assert!(matches!(resolved(&[0, 1, 2, 3]).unwrap(), Forget::Samples { .. }));
    }

    #[test]
    fn indices_beyond_the_training_set_are_refused() {
        let data = labelled(&[0, 1, 0], Some(&[0]));
        let spec = ForgetSpec::Samples { source: "f.txt".to_owned(), rows: vec![1, 3] };
        let error = spec.resolve(&data).unwrap_err();
        assert_eq!(error.to_string(), "f.txt: index 3 is beyond the 3 training samples of d.npz");
        assert_eq!(error.remedy(), "give indices from 0 to 2");
    }

    /// Six images a class, of which rows 1 and 7 are no images; the table marks every even row
    /// and row 1.
    fn partly_unreadable(root: &Path) -> Data {
        let mut image = std::io::Cursor::new(Vec::new());
        let png = image::ImageFormat::Png;
        image::DynamicImage::new_luma8(2, 2).write_to(&mut image, png).unwrap();
        let mut table = "file_name,label,forget\n".to_owned();
        for row in 0..12usize {
            let broken = [1, 7].contains(&row);
            // A text after the end makes the contents differ.
            let text = format!("{row}").into_bytes();
            let content = if broken { text } else { [image.get_ref().clone(), text].concat() };
            std::fs::write(root.join(format!("{row:02}.png")), content).unwrap();
            table += &format!("{row:02}.png,{},{}\n", row / 6, row % 2 == 0 || row == 1);
        }
        std::fs::write(root.join("metadata.csv"), table).unwrap();
        let options = LoadOptions { skip_unreadable: true, ..LoadOptions::default() };
        crate::data::load(root, &["x"], &options).unwrap()
    }

    /// Rows 0 1 2 ... 11 of the source are 0 - 1 2 3 4 5 - 6 7 8 9 of what is left.
    #[test]
    fn rows_are_those_of_the_source_where_some_were_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("images");
        std::fs::create_dir(&root).unwrap();
        let data = partly_unreadable(&root);
        assert_eq!(data.train.len(), 10);
        let indices = |rows: &[usize]| {
            let spec = ForgetSpec::Samples { source: "f.txt".to_owned(), rows: rows.to_vec() };
            spec.resolve(&data)
        };
        let found = |spec: Result<Forget>| match spec.unwrap() {
            Forget::Samples { rows, skipped, .. } => (rows, skipped),
            classes => panic!("{classes:?}"),
        };
        assert_eq!(found(indices(&[0, 2, 8, 11])), (vec![0, 1, 6, 9], 0));
        assert_eq!(found(indices(&[0, 1, 7, 11])), (vec![0, 9], 2));
        let note = indices(&[0, 1, 7, 11]).unwrap().note().unwrap();
        assert!(note.starts_with("2 of the 4 samples to be forgotten (f.txt)"), "{note}");
        assert_eq!(indices(&[0]).unwrap().note(), None);
        let error = indices(&[12]).unwrap_err().to_string();
        assert!(error.contains("index 12 is beyond the 12 training samples"), "{error}");
        let error = indices(&[1, 7]).unwrap_err();
        assert!(matches!(error, Error::NothingToCompare { .. }), "{error}");
        assert!(error.to_string().contains("none of the 2 forgotten samples"), "{error}");

        let column = ForgetSpec::Column("forget".to_owned()).resolve(&data);
        assert_eq!(found(column), (vec![0, 1, 3, 5, 6, 8], 1));
        let copies = dir.path().join("copies");
        std::fs::create_dir(&copies).unwrap();
        for row in ["01", "02"] {
            let name = format!("{row}.png");
            std::fs::copy(root.join(&name), copies.join(&name)).unwrap();
        }
        assert_eq!(found(ForgetSpec::Folder(copies).resolve(&data)), (vec![1], 1));
        let all = ForgetSpec::Folder(root).resolve(&data);
        assert_eq!(all.unwrap(), Forget::Classes(vec![0, 1]));
    }
}
