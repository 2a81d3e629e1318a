//! `metadata.csv` and `metadata.jsonl`, which say what is known of the images beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value};

use super::text_file;
use super::walk::Listing;
use crate::{Error, Result};

const FILE_NAME: &str = "file_name";
const LABEL: &str = "label";

/// A table of images.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// The file it was read from.
    pub path: PathBuf,
    pub rows: Vec<Row>,
    /// The other columns, a text a row.
    pub columns: BTreeMap<String, Vec<String>>,
}

/// One image of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// File and line, for messages.
    pub place: String,
    /// The image, relative to the table's folder.
    pub file: PathBuf,
    /// Name or number of its class.
    pub label: String,
}

/// Reads the table of a folder, if there is one.
///
/// # Errors
/// Both kinds at once; a table that can't be read; a column `file_name` or `label` that is
/// missing; a file named twice, or outside of the folder.
pub(crate) fn read(listing: &Listing) -> Result<Option<Metadata>> {
    let find = |name: &str| listing.files.get(std::ffi::OsStr::new(name));
    let (path, table) = match (find("metadata.csv"), find("metadata.jsonl")) {
        (None, None) => return Ok(None),
        (Some(path), None) => (path, csv(path, &text_file::read(path)?)?),
        (None, Some(path)) => (path, jsonl(path, &text_file::read(path)?)?),
        (Some(path), Some(_)) => {
            return Err(Error::file(
                path,
                "a metadata.jsonl lies beside it",
                "keep one of the two",
            ));
        }
    };
    table.finish(path).map(Some)
}

/// Columns and the line of each row.
#[derive(Default)]
struct Table {
    columns: BTreeMap<String, Vec<String>>,
    lines: Vec<u64>,
}

impl Table {
    fn finish(mut self, path: &Path) -> Result<Metadata> {
        let there: Vec<String> = self.columns.keys().map(|name| format!("`{name}`")).collect();
        let mut take = |name: &str| {
            self.columns.remove(name).ok_or_else(|| {
                Error::file(
                    path,
                    format!("no column `{name}`; there are {}", there.join(", ")),
                    "give file_name, the image's path from here, and label, its class",
                )
            })
        };
        let (files, labels) = (take(FILE_NAME)?, take(LABEL)?);
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for ((file, label), line) in files.into_iter().zip(labels).zip(&self.lines) {
            let place = format!("{}: line {line}", path.display());
            // The components put together again, so that `./a//b` is the same file as `a/b`.
            let parts = Path::new(&file).components().filter(|part| *part != Component::CurDir);
            let path: PathBuf = parts.collect();
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            if !plain || path.as_os_str().is_empty() {
                return Err(Error::input(
                    place,
                    format!("\"{file}\" is no path below this folder"),
                    "give file_name relative to the table's folder, without ..",
                ));
            }
            let label = label.trim();
            if label.is_empty() {
                return Err(Error::input(place, "no label", "name the image's class"));
            }
            if !seen.insert(path.clone()) {
                let problem = format!("{} is named twice", path.display());
                return Err(Error::input(place, problem, "name each image once"));
            }
            rows.push(Row { place, file: path, label: label.to_owned() });
        }
        Ok(Metadata { path: path.to_owned(), rows, columns: self.columns })
    }
}

fn csv(path: &Path, text: &str) -> Result<Table> {
    let fail = |error: ::csv::Error| {
        Error::file(path, format!("not a CSV: {error}"), "save it with one header line and commas")
    };
    // Some write a space after each comma.
    let mut reader =
        ::csv::ReaderBuilder::new().trim(::csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().map_err(fail)?.iter().map(str::to_owned).collect();
    let mut columns = vec![Vec::new(); names.len()];
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(fail)?;
        lines.push(record.position().map_or(0, ::csv::Position::line));
        columns.iter_mut().zip(&record).for_each(|(column, cell)| column.push(cell.to_owned()));
    }
    let mut table = Table { lines, ..Table::default() };
    for (name, column) in names.into_iter().zip(columns) {
        if table.columns.contains_key(&name) {
            let problem = format!("two columns are called `{name}`");
            return Err(Error::file(path, problem, "name each column once"));
        }
        table.columns.insert(name, column);
    }
    Ok(table)
}

fn jsonl(path: &Path, text: &str) -> Result<Table> {
    let mut records: Vec<Map<String, Value>> = Vec::new();
    let mut table = Table::default();
    for (line, text) in (1u64..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        let record = serde_json::from_str(text).map_err(|error| {
            Error::input(
                format!("{}: line {line}", path.display()),
                format!("not a JSON object: {error}"),
                "write one JSON object a line",
            )
        })?;
        records.push(record);
        table.lines.push(line);
    }
    let names: BTreeSet<String> =
        records.iter().flat_map(|record| record.keys().cloned()).collect();
    for name in names {
        // What a line does not say stays empty, as in a CSV.
        let cell = |record: &Map<String, Value>| match record.get(&name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let column = records.iter().map(cell).collect();
        table.columns.insert(name, column);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::walk::list;

    fn read_as(name: &str, text: &str) -> Result<Metadata> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(name), text).unwrap();
        read(&list(dir.path()).unwrap()).map(Option::unwrap)
    }

    #[test]
    fn both_kinds_of_table_say_the_same() {
        let csv = "file_name,label,user\na/1.png,cat,\"x, y\"\n2.png,dog,\n";
        let jsonl = "{\"file_name\": \"a/1.png\", \"label\": \"cat\", \"user\": \"x, y\"}\n\n\
                     {\"label\": \"dog\", \"file_name\": \"2.png\"}\n";
        for (name, text) in [("metadata.csv", csv), ("metadata.jsonl", jsonl)] {
            let table = read_as(name, text).unwrap();
            let rows: Vec<_> =
                table.rows.iter().map(|r| (r.file.to_str().unwrap(), r.label.as_str())).collect();
            assert_eq!(rows, [("a/1.png", "cat"), ("2.png", "dog")]);
            assert_eq!(table.columns["user"], ["x, y", ""]);
            assert_eq!(table.columns.len(), 1);
        }
        let numbers = read_as("metadata.jsonl", r#"{"file_name": "a.png", "label": 3}"#).unwrap();
        assert_eq!(numbers.rows[0].label, "3");
    }

    #[test]
    fn spaces_around_cells_and_a_dot_before_a_path_say_nothing() {
        let csv = "file_name, label, user\n./a/1.png, 3 ,  ann\n 2.png,\t4,bob b\n";
        let jsonl = "{\"file_name\": \"./a/1.png\", \"label\": \" 3\", \"user\": \"ann\"}\n\
                     {\"file_name\": \"2.png\", \"label\": 4, \"user\": \"bob b\"}\n";
        for (name, text) in [("metadata.csv", csv), ("metadata.jsonl", jsonl)] {
            let table = read_as(name, text).unwrap();
            let rows: Vec<_> =
                table.rows.iter().map(|r| (r.file.to_str().unwrap(), r.label.as_str())).collect();
            assert_eq!(rows, [("a/1.png", "3"), ("2.png", "4")]);
            assert_eq!(table.columns["user"], ["ann", "bob b"]);
        }
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (name, text, problem) in [
            ("metadata.csv", "file_name,class\na.png,1\n", "no column `label`"),
            ("metadata.csv", "image,label\na.png,1\n", "there are `image`, `label`"),
            (
                "metadata.csv",
                "file_name,label\na.png,1\nb.png,2\na.png,1\n",
                "line 4: a.png is named twice",
            ),
            ("metadata.csv", "file_name,label\n../a.png,1\n", "line 2: \"../a.png\" is no path"),
            ("metadata.csv", "file_name,label\n/etc/passwd,1\n", "no path below"),
            ("metadata.csv", "file_name,label\n./../a.png,1\n", "\"./../a.png\" is no path"),
            ("metadata.csv", "file_name,label\n.,1\n", "no path below"),
            ("metadata.csv", "file_name,label\na.png,1\n./a.png,1\n", "a.png is named twice"),
            ("metadata.csv", "file_name,label\na.png,\n", "line 2: no label"),
            ("metadata.csv", "file_name,label\na.png\n", "not a CSV"),
            ("metadata.csv", "label,label\na,b\n", "two columns"),
            ("metadata.csv", "", "no column"),
            (
                "metadata.jsonl",
                "{\"file_name\": \"a\", \"label\": 1}\n[2]",
                "line 2: not a JSON object",
            ),
        ] {
            let error = read_as(name, text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
