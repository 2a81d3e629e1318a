//! Forgotten samples by row, from a file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::data::decode::Purpose;
use crate::data::positioned::Positioned;
use crate::data::{npy, text_file};
use crate::{Error, Result};

/// Columns of a `.csv` that hold indices.
const COLUMNS: [&str; 3] = ["index", "idx", "forget_idx"];

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
    let column = match first.iter().position(is_index) {
        Some(column) => column,
        None if first.len() == 1 => 0,
        None => {
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
    // A single column may do without a header.
    let header = first.get(column).is_some_and(|field| whole(field).is_err());
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
    let lists: Vec<(String, &Vec<serde_json::Value>)> = match &value {
        serde_json::Value::Array(list) => vec![(source.to_owned(), list)],
        serde_json::Value::Object(entries) => entries
            .iter()
            .filter_map(|(key, value)| Some((format!("{source}: {key}"), value.as_array()?)))
            .collect(),
        _ => Vec::new(),
    };
    let [(name, list)] = lists.as_slice() else {
        return Err(Error::input(source, format!("{} lists, not one", lists.len()), SHAPE));
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
            ("f.csv", b"4\n4\n".to_vec(), "f.csv: line 2: index 4 is named twice"),
            ("f.json", b"[1, -2]".to_vec(), "f.json[1]: `-2` is negative"),
            ("f.json", b"[1, 2.5]".to_vec(), "f.json[1]: `2.5` is not a whole number"),
            ("f.json", br#"{"rows": [1, "2"]}"#.to_vec(), "f.json: rows[1]: `\"2\"` is not"),
            ("f.json", br#"{"a": [1], "b": [2]}"#.to_vec(), "2 lists, not one"),
            ("f.json", b"7".to_vec(), "0 lists, not one"),
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
