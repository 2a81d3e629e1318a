//! The classes' names in the order of the model's outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::text_file;
use crate::{Error, Result};

/// Reads a list of class names: a text with a name a line, a JSON list, or a JSON object with
/// `id2label` as transformers write it into `config.json`.
///
/// # Errors
/// A file that can't be read or is none of these; no names; numbers that leave a gap.
pub fn read_class_names(path: &Path) -> Result<Vec<String>> {
    let text = text_file::read(path)?;
    let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let names = match json {
        false => text.lines().map(|line| line.trim_end().to_owned()).collect(),
        true => from_json(path, &text_file::json(path, &text)?)?,
    };
    // An empty last line is the end of the text, one before it a class without a name.
    let names: Vec<String> = names;
    let used = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    let names: Vec<String> = names.into_iter().take(used).collect();
    if names.is_empty() {
        return Err(Error::file(path, "no class names", "write one name a line"));
    }
    if let Some(line) = names.iter().position(String::is_empty) {
        return Err(Error::file(
            path,
            format!("class {line} has no name"),
            "name every output of the model, in order",
        ));
    }
    Ok(names)
}

fn from_json(path: &Path, value: &Value) -> Result<Vec<String>> {
    let wrong = |problem: &str| {
        Error::file(path, problem, "give a list of names, or {\"id2label\": {\"0\": \"name\"}}")
    };
    let name = |value: &Value| value.as_str().map(str::to_owned);
    match value {
        Value::Array(values) => {
            let names: Option<Vec<String>> = values.iter().map(name).collect();
            names.ok_or_else(|| wrong("a class name that is no text"))
        }
        Value::Object(map) => {
            let Some(Value::Object(labels)) = map.get("id2label") else {
                return Err(wrong("no `id2label`"));
            };
            let mut numbered = BTreeMap::new();
            for (id, label) in labels {
                let id: usize = id.parse().map_err(|_| wrong("an id that is no number"))?;
                let label = name(label).ok_or_else(|| wrong("a class name that is no text"))?;
                numbered.insert(id, label);
            }
            if numbered.keys().copied().ne(0..numbered.len()) {
                return Err(wrong("the ids do not run from 0 without a gap"));
            }
            Ok(numbered.into_values().collect())
        }
        _ => Err(wrong("neither a list nor an object")),
    }
}

/// The numbers of names.
#[derive(Debug)]
pub(crate) struct Classes {
    names: Vec<String>,
    numbers: BTreeMap<String, usize>,
    /// Names that stand for several outputs.
    ambiguous: BTreeSet<String>,
}

impl Classes {
    /// The user's names, or else `found` in the order of their bytes.
    pub fn new(given: Option<&[String]>, found: impl IntoIterator<Item = String>) -> Self {
        let names = match given {
            Some(names) => names.to_vec(),
            None => found.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
        };
        let (mut numbers, mut ambiguous) = (BTreeMap::new(), BTreeSet::new());
        for (number, name) in names.iter().enumerate() {
            if numbers.insert(name.clone(), number).is_some() {
                ambiguous.insert(name.clone());
            }
        }
        Self { names, numbers, ambiguous }
    }

    pub fn into_names(self) -> Vec<String> {
        self.names
    }

    /// The number of `name`; `place` is where it was found.
    ///
    /// # Errors
    /// A name that is not among them or stands for several.
    pub fn number(&self, name: &str, place: &str) -> Result<usize> {
        if self.ambiguous.contains(name) {
            return Err(Error::input(
                place,
                format!("\"{name}\" is the name of several classes in --class-names"),
                "tell them apart in the list and in the data",
            ));
        }
        self.numbers.get(name).copied().ok_or_else(|| {
            let near = self.nearest(name);
            let near = near.map(|near| format!("; the nearest is \"{near}\"")).unwrap_or_default();
            Error::input(
                place,
                format!("\"{name}\" is not among the {} class names{near}", self.names.len()),
                "name the class as in --class-names, or leave its images out",
            )
        })
    }

    /// Whether `name` is among them.
    pub fn has(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// The name most like `name`.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let likeness = |other: &str| strsim::jaro(other, name);
        let near = self.names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        near.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_class_names(&path)
    }

    #[test]
    fn three_ways_to_write_names() {
        for (file, text) in [
            ("a.txt", "cat\r\nsea lion\ndog\n\n"),
            ("a.json", r#"["cat", "sea lion", "dog"]"#),
            ("config.json", r#"{"id2label": {"1": "sea lion", "0": "cat", "2": "dog"}, "x": 1}"#),
        ] {
            assert_eq!(read(file, text).unwrap(), ["cat", "sea lion", "dog"]);
        }
    }

    #[test]
    fn lists_with_gaps_are_refused() {
        for (file, text, problem) in [
            ("a.txt", "", "no class names"),
            ("a.txt", "cat\n\ndog", "class 1 has no name"),
            ("a.json", "[1]", "no text"),
            ("a.json", "{}", "id2label"),
            ("a.json", "3", "neither"),
            ("a.json", r#"{"id2label": {"0": "a", "2": "b"}}"#, "gap"),
            ("a.json", r#"{"id2label": {"x": "a"}}"#, "no number"),
            ("a.json", "[", "not JSON"),
        ] {
            let error = read(file, text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_name_twice_only_matters_where_it_is_used() {
        let list = ["crane", "crane", "tench"].map(str::to_owned);
        let classes = Classes::new(Some(&list), []);
        assert_eq!(classes.number("tench", "d").unwrap(), 2);
        assert!(classes.number("crane", "d").unwrap_err().to_string().contains("several"));
        let error = classes.number("tenhc", "d/tenhc").unwrap_err().to_string();
        assert!(error.contains("d/tenhc") && error.contains("nearest is \"tench\""), "{error}");
        let sorted = Classes::new(None, ["b", "B", "a", "b"].map(str::to_owned));
        assert_eq!(sorted.into_names(), ["B", "a", "b"]);
    }
}
