//! Forgotten samples by row, from a file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::data::decode::Purpose;
use crate::data::positioned::Positioned;
use crate::data::{npy, text_file};
use crate::{Error, Result};

/// Columns of a `.csv` that hold indices.
const COLUMNS: [&str; 3] = ["index", "idx", "forget_idx"];

/// Keys of a `.json` object that hold indices.
const KEYS: [&str; 7] =
    ["forget", "indices", "idx", "index", "forget_indices", "forget_idx", "rows"];

/// Largest `.json` that is read; as a tree of values it takes some sixteen times the memory.
const MAX_JSON: usize = 64 << 20;

const REMEDY: &str = "write one index a line, counted from 0 in the training arrays";

/// Indices, each with its place in the file.
type Placed = Vec<(String, usize)>;

/// The file's name, and its indices in ascending order.
pub(super) fn read(path: &Path) -> Result<(String, Vec<usize>)> {
    let source = path.display().to_string();
    // A missing file or a folder is told as such, whatever its name ends in.
    crate::data::npz::open(path)?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let rows = match ending.as_deref() {
        Some("npy") => from_npy(path, &source)?,
        Some("txt") => from_text(&text_file::read(path)?, &source)?,
        Some("csv") => from_csv(&text_file::read(path)?, &source)?,
        Some("json") => from_json(&text_file::read(path)?, &source)?,
        _ => {
            return Err(Error::file(
                path,
                "not a supported index file",
                "give an .npy array of integers, a .txt file with one index a line, a .csv or a \
                 .json",
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
    Ok((source, distinct.into_iter().collect()))
}

fn from_npy(path: &Path, source: &str) -> Result<Placed> {
    let array = npy::from_file(&Positioned::open(path)?, source, Purpose::Labels, 0)?;
    let rows = array.to_whole_numbers("index")?;
    Ok(rows.into_iter().enumerate().map(|(i, row)| (format!("{source}[{i}]"), row)).collect())
}

fn from_text(text: &str, source: &str) -> Result<Placed> {
    let mut rows = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let item = line.split('#').next().unwrap_or_default();
        if item.trim().is_empty() {
            continue;
        }
        let place = format!("{source}: line {}", i.saturating_add(1));
        let row = whole(item).map_err(|problem| Error::input(&place, problem, REMEDY))?;
        rows.push((place, row));
    }
    Ok(rows)
}

fn from_csv(text: &str, source: &str) -> Result<Placed> {
    let damaged = |error: csv::Error| {
        let remedy = "write one row a line with commas between the columns";
        Error::input(source, format!("not a table: {error}"), remedy)
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = reader.records();
    let Some(first) = records.next().transpose().map_err(damaged)? else {
        return Ok(Vec::new());
    };
    let is_index = |field: &str| COLUMNS.contains(&field.to_ascii_lowercase().as_str());
    let named: Vec<(usize, &str)> =
        first.iter().enumerate().filter(|(_, field)| is_index(field)).collect();
    let column = match named.as_slice() {
        [(column, _)] => *column,
        [] if first.len() == 1 => 0,
        // One of them may be pandas' running number.
        [_, _, ..] => {
            let names = named.iter().map(|(_, name)| *name);
            return Err(Error::input(
                source,
                format!("several columns of row numbers: {}", super::suggest::list(names)),
                "leave the one that names the forgotten samples and remove the others",
            ));
        }
        [] => {
            return Err(Error::input(
                source,
                format!(
                    "none of the columns ({}) is named index, idx or forget_idx",
                    super::suggest::list(first.iter())
                ),
                "name the column of row numbers `index` in the first line",
            ));
        }
    };
    // A single column may do without a header; what is no name is a row number with a slip in it.
    let header =
        first.get(column).is_some_and(|field| field.starts_with(|c: char| c.is_alphabetic()));
    let body = (!header).then_some(Ok(first)).into_iter().chain(records);
    let mut rows = Vec::new();
    for record in body {
        let record = record.map_err(damaged)?;
        let line = record.position().map_or(0, csv::Position::line);
        let place = format!("{source}: line {line}");
        let field = record.get(column).unwrap_or_default();
        let row = whole(field).map_err(|problem| Error::input(&place, problem, REMEDY))?;
        rows.push((place, row));
    }
    Ok(rows)
}

fn from_json(text: &str, source: &str) -> Result<Placed> {
    const SHAPE: &str = "write a list of row numbers: [3, 17, 42]";
    if text.len() > MAX_JSON {
        return Err(Error::input(source, "the file is larger than 64 MiB", "save an .npy instead"));
    }
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Error::input(source, format!("not JSON: {error}"), SHAPE))?;
    let (name, value) = match &value {
        serde_json::Value::Object(entries) => {
            let (key, value) = entry(entries, source)?;
            (format!("{source}: {key}"), value)
        }
        value => (source.to_owned(), value),
    };
    let Some(list) = value.as_array() else {
        return Err(Error::input(&name, "not a list", SHAPE));
    };
    let row = |(i, value): (usize, &serde_json::Value)| {
        let place = format!("{name}[{i}]");
        match whole(&value.to_string()) {
            Ok(row) => Ok((place, row)),
            Err(problem) => Err(Error::input(&place, problem, SHAPE)),
        }
    };
    list.iter().enumerate().map(row).collect()
}

/// The one entry of an object that holds indices; another list may be of rows to retain, or of
/// classes.
fn entry<'a>(
    entries: &'a serde_json::Map<String, serde_json::Value>,
    source: &str,
) -> Result<(&'a str, &'a serde_json::Value)> {
    let is_index = |key: &str| KEYS.contains(&key.to_ascii_lowercase().as_str());
    let named: Vec<(&str, &serde_json::Value)> =
        entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let found: Vec<_> = named.iter().filter(|(key, _)| is_index(key)).collect();
    let names = |of: &mut dyn Iterator<Item = &'a str>| {
        super::suggest::list(of.collect::<Vec<_>>().into_iter())
    };
    match found.as_slice() {
        [(key, value)] => Ok((key, value)),
        [] => Err(Error::input(
            source,
            format!(
                "none of the keys ({}) names row numbers",
                names(&mut named.iter().map(|e| e.0))
            ),
            format!("name the list of row numbers `forget`; also read: {}", KEYS[1..].join(", ")),
        )),
        _ => Err(Error::input(
            source,
            format!("several lists of row numbers: {}", names(&mut found.iter().map(|e| e.0))),
            "leave the one that names the forgotten samples and remove the others",
        )),
    }
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

    fn from_file(name: &str, content: impl AsRef<[u8]>) -> Result<Vec<usize>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        read(&path).map(|(_, rows)| rows)
    }

    #[test]
    fn index_files_are_text_arrays_tables_or_json() {
        let array = npy("<i4", &[2], &[9, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(from_file("f.npy", array).unwrap(), [2, 9]);
        for (name, content) in [
            ("f.txt", "# forgotten\n7\n\n 3 # a cat\r\n0"),
            ("f.csv", "7\n3\n0\n"),
            ("f.csv", "\u{feff}sample\r\n7\r\n3\r\n0"),
            ("f.CSV", "name, Forget_Idx\n\"a, b\", 7\nb,3\nc, 0\n"),
            ("f.json", "[7, 3, 0]"),
            ("f.json", r#"{"seed": 1, "forget": [0, 7, 3]}"#),
            ("f.json", r#"{"Forget_Idx": [0, 7, 3], "retain": [1, 2]}"#),
        ] {
            assert_eq!(from_file(name, content).unwrap(), [0, 3, 7], "{content}");
        }
    }

    #[test]
    fn index_files_that_name_no_rows_are_refused_with_the_place() {
        for (name, content, expected) in [
            ("f.txt", b"1\n-2\n".to_vec(), "f.txt: line 2: `-2` is negative"),
            ("f.txt", b"1\nx\n".to_vec(), "f.txt: line 2: `x` is not a whole number"),
            ("f.txt", b"5\n1\n5\n".to_vec(), "f.txt: line 3: index 5 is named twice"),
            ("f.txt", b"1\n\xff\n".to_vec(), "f.txt: byte 2 is not text"),
            ("f.pt", b"1\n".to_vec(), "not a supported index file"),
            ("f.npy", npy("|i1", &[2], &[3, 0xff]), "f.npy[1]: index -1 is negative"),
            ("f.npy", npy("|u1", &[2], &[3, 3]), "f.npy[1]: index 3 is named twice"),
            ("f.npy", b"".to_vec(), "ends early"),
            ("f.npy", npy("<i8", &[1 << 40], &[]), "the header promises"),
            ("f.csv", b"index\n1\nx\n".to_vec(), "f.csv: line 3: `x` is not a whole number"),
            ("f.csv", b"a,b\n1,2\n".to_vec(), "none of the columns (a, b)"),
            ("f.csv", b"index,b\n1,2\n3\n".to_vec(), "not a table"),
            (
                "f.csv",
                b"index,forget_idx\n0,9\n1,13\n".to_vec(),
                "several columns of row numbers: index, forget_idx",
            ),
            ("f.csv", b"1 # first\n5\n9\n".to_vec(), "f.csv: line 1: `1 # first` is not a whole"),
            ("f.csv", b"-1\n5\n".to_vec(), "f.csv: line 1: `-1` is negative"),
            ("f.csv", b"4\n4\n".to_vec(), "f.csv: line 2: index 4 is named twice"),
            ("f.json", b"[1, -2]".to_vec(), "f.json[1]: `-2` is negative"),
            ("f.json", b"[1, 2.5]".to_vec(), "f.json[1]: `2.5` is not a whole number"),
            ("f.json", br#"{"rows": [1, "2"]}"#.to_vec(), "f.json: rows[1]: `\"2\"` is not"),
            ("f.json", br#"{"a": [1], "b": [2]}"#.to_vec(), "none of the keys (a, b) names"),
            ("f.json", br#"{"forget_classes": [1]}"#.to_vec(), "none of the keys (forget_classes)"),
            ("f.json", b"{}".to_vec(), "none of the keys ()"),
            (
                "f.json",
                br#"{"forget": {"idx": [1, 5]}, "retain": [0, 2]}"#.to_vec(),
                "f.json: forget: not a list",
            ),
            (
                "f.json",
                br#"{"idx": [1], "forget": [2]}"#.to_vec(),
                "several lists of row numbers: forget, idx",
            ),
            ("f.json", b"7".to_vec(), "f.json: not a list"),
            ("f.json", b"[1, 2".to_vec(), "not JSON"),
            ("f.json", [b'['; 100_000].to_vec(), "not JSON"),
        ] {
            let error = from_file(name, content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for (name, content) in [
            ("f.txt", b"# none\n".to_vec()),
            ("f.npy", npy("<i8", &[0], &[])),
            ("f.csv", b"index\n".to_vec()),
            ("f.csv", b"".to_vec()),
            ("f.json", b"[]".to_vec()),
        ] {
            let error = from_file(name, content).unwrap_err();
            assert!(matches!(error, Error::NothingToCompare { .. }), "{name}: {error}");
        }
    }
}
