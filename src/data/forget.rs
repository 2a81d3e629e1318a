//! What was to be forgotten: classes, or single training samples.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::npy::{self, Purpose};
use crate::{Error, Result};

/// Largest index file that is read; a hundred million indices fit.
const MAX_FILE: u64 = 1 << 30;

/// The forget set as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForgetSpec {
    /// All samples of these classes; ascending and distinct.
    Classes(Vec<usize>),
    /// Single samples.
    Samples {
        /// The index file, for messages.
        source: String,
        /// Rows of the training arrays (or of the only set); ascending and distinct.
        rows: Vec<usize>,
    },
}

impl ForgetSpec {
    /// Parses `--forget-classes 4,11`.
    ///
    /// # Errors
    /// An empty list, an item that is no class number, a class named twice.
    pub fn parse_classes(text: &str) -> Result<Self> {
        const OPTION: &str = "--forget-classes";
        const REMEDY: &str = "give class numbers separated by commas: --forget-classes 4,11";
        if text.trim().is_empty() {
            return Err(Error::input(OPTION, "no class given", REMEDY));
        }
        let mut classes = Vec::new();
        for item in text.split(',') {
            classes.push(whole(item).map_err(|problem| Error::input(OPTION, problem, REMEDY))?);
        }
        Self::classes(classes)
    }

    /// The same for class numbers from a configuration file.
    ///
    /// # Errors
    /// A class named twice; [`Error::NothingToCompare`] for none.
    pub fn classes(classes: Vec<usize>) -> Result<Self> {
        let mut distinct = BTreeSet::new();
        if let Some(twice) = classes.iter().find(|class| !distinct.insert(**class)) {
            return Err(Error::input(
                "--forget-classes",
                format!("class {twice} is named twice"),
                "name each class once",
            ));
        }
        if distinct.is_empty() {
            return Err(Error::nothing(
                "no class is to be forgotten",
                "name the forgotten classes with --forget-classes",
            ));
        }
        Ok(Self::Classes(distinct.into_iter().collect()))
    }

    /// Reads `--forget-indices FILE`: an `.npy` of whole numbers, or text with one index a line
    /// (empty lines and what follows a `#` are skipped).
    ///
    /// # Errors
    /// A file that is missing, a folder, unreadable or of another kind; an index that is no whole
    /// number, negative or named twice, told with its line or position;
    /// [`Error::NothingToCompare`] where there is none.
    pub fn from_index_file(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let mut file = super::npz::open(path)?;
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let rows = match ending.as_deref() {
            Some("npy") => read_npy(&mut file, &source)?,
            Some("txt") => read_text(&mut file, &source)?,
            _ => {
                return Err(Error::file(
                    path,
                    "not a supported index file",
                    "give an .npy array of integers, or a .txt file with one index a line",
                ));
            }
        };
        let mut distinct = BTreeSet::new();
        for (place, row) in &rows {
            if !distinct.insert(*row) {
                return Err(Error::input(
                    place,
                    format!("index {row} is named twice"),
                    "name each sample once",
                ));
            }
        }
        if distinct.is_empty() {
            return Err(Error::nothing(
                format!("{source} names no sample"),
                "list the forgotten training samples, one index a line",
            ));
        }
        Ok(Self::Samples { source, rows: distinct.into_iter().collect() })
    }
}

/// Indices, each with its place in the file.
type Placed = Vec<(String, usize)>;

fn read_npy(file: &mut File, source: &str) -> Result<Placed> {
    let size = file.metadata().map_err(|error| super::archive::unreadable(source, &error))?.len();
    let array = npy::read(file, size, size, source, Purpose::Labels)?;
    let rows = array.to_whole_numbers("index")?;
    Ok(rows.into_iter().enumerate().map(|(i, row)| (format!("{source}[{i}]"), row)).collect())
}

fn read_text(file: &mut File, source: &str) -> Result<Placed> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| super::archive::unreadable(source, &error))?;
    let remedy = "write one index a line, counted from 0 in the training arrays";
    if u64::try_from(bytes.len()).is_ok_and(|n| n > MAX_FILE) {
        return Err(Error::input(source, "the file is larger than 1 GiB", remedy));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::input(source, format!("byte {at} is not text"), remedy)
    })?;
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let item = line.split('#').next().unwrap_or_default();
        if item.trim().is_empty() {
            continue;
        }
        let place = format!("{source}: line {}", i.saturating_add(1));
        let row = whole(item).map_err(|problem| Error::input(&place, problem, remedy))?;
        rows.push((place, row));
    }
    Ok(rows)
}

/// A whole number from 0 on, or what is wrong with it.
fn whole(item: &str) -> Result<usize, String> {
    let item = item.trim();
    item.parse::<usize>().map_err(|_| {
        let shown: String = item.chars().take(40).collect();
        match item.strip_prefix('-') {
            _ if item.is_empty() => "an item is empty".to_owned(),
            Some(digits) if digits.parse::<u64>().is_ok() => format!("`{shown}` is negative"),
            _ => format!("`{shown}` is not a whole number"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::npy;

    #[test]
    fn classes_are_sorted_numbers() {
        let spec = ForgetSpec::parse_classes(" 11, 4").unwrap();
        assert_eq!(spec, ForgetSpec::Classes(vec![4, 11]));
    }

    #[test]
    fn class_lists_that_mean_nothing_are_refused() {
        for (text, expected) in [
            ("", "no class given"),
            ("  ", "no class given"),
            ("4,", "an item is empty"),
            ("4,cat", "`cat` is not a whole number"),
            ("1.5", "`1.5` is not a whole number"),
            ("4,-1", "`-1` is negative"),
            ("4,11,4", "class 4 is named twice"),
            ("99999999999999999999999", "is not a whole number"),
        ] {
            let error = ForgetSpec::parse_classes(text).unwrap_err().to_string();
            assert!(error.starts_with("--forget-classes: "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        let nothing = ForgetSpec::classes(vec![]).unwrap_err();
        assert!(matches!(nothing, Error::NothingToCompare { .. }));
    }

    fn from_file(name: &str, content: impl AsRef<[u8]>) -> Result<ForgetSpec> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        ForgetSpec::from_index_file(&path)
    }

    fn rows(spec: Result<ForgetSpec>) -> Vec<usize> {
        match spec.unwrap() {
            ForgetSpec::Samples { rows, .. } => rows,
            ForgetSpec::Classes(_) => panic!("classes from an index file"),
        }
    }

    #[test]
    fn index_files_are_text_or_arrays() {
        assert_eq!(rows(from_file("f.txt", "# forgotten\n7\n\n 3 # a cat\r\n0")), [0, 3, 7]);
        let array = npy("<i4", &[2], &[9, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(rows(from_file("f.npy", array)), [2, 9]);
    }

    #[test]
    fn index_files_that_name_no_rows_are_refused_with_the_place() {
        for (name, content, expected) in [
            ("f.txt", b"1\n-2\n".to_vec(), "f.txt: line 2: `-2` is negative"),
            ("f.txt", b"1\nx\n".to_vec(), "f.txt: line 2: `x` is not a whole number"),
            ("f.txt", b"5\n1\n5\n".to_vec(), "f.txt: line 3: index 5 is named twice"),
            ("f.txt", b"1\n\xff\n".to_vec(), "f.txt: byte 2 is not text"),
            ("f.csv", b"1\n".to_vec(), "not a supported index file"),
            ("f.npy", npy("|i1", &[2], &[3, 0xff]), "f.npy[1]: index -1 is negative"),
            ("f.npy", npy("|u1", &[2], &[3, 3]), "f.npy[1]: index 3 is named twice"),
            ("f.npy", b"".to_vec(), "ends early"),
            ("f.npy", npy("<i8", &[1 << 40], &[]), "the header promises"),
        ] {
            let error = from_file(name, content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for (name, content) in [("f.txt", b"# none\n".to_vec()), ("f.npy", npy("<i8", &[0], &[]))] {
            let error = from_file(name, content).unwrap_err();
            assert!(matches!(error, Error::NothingToCompare { .. }), "{error}");
        }
    }
}
