//! A TOML file read key by key: every problem has its line and column, and keys that nobody asked
//! for are problems too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use crate::verdict::Position;
use crate::{Error, Result};

/// Larger than any configuration anyone writes.
const MAX_BYTES: u64 = 1 << 20;

/// The text of a file and the problems found in it.
pub(super) struct Source {
    path: String,
    text: String,
    problems: RefCell<Vec<Problem>>,
}

struct Problem {
    at: Position,
    problem: String,
    remedy: String,
}

impl Source {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable = |problem: String| Error::file(path, problem, "check the path");
        let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                Error::file(path, "no such file", "write one with `audit init`")
            }
            _ => unreadable(format!("can't be read ({e})")),
        })?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            let problem = if metadata.is_file() { "larger than 1 MiB" } else { "not a file" };
            return Err(Error::file(path, problem, "give a TOML file as `audit init` writes it"));
        }
        let bytes = std::fs::read(path).map_err(|e| unreadable(format!("can't be read ({e})")))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Error::file(path, format!("byte {at} is not UTF-8 text"), "save the file as UTF-8")
        })?;
        Ok(Self::new(&path.display().to_string(), text))
    }

    /// The text of a file named `path`.
    pub fn new(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), text, problems: RefCell::new(Vec::new()) }
    }

    /// The file's name for messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parsed file.
    pub fn parse(&self) -> Result<Document<&str>> {
        Document::parse(self.text.as_str()).map_err(|e| {
            let at = self.position(&e.span().unwrap_or_default());
            let problem = e.message().trim().replace('\n', ", ");
            self.error(at, problem, "mend the TOML syntax")
        })
    }

    /// Line and column, from 1, of a byte range's start.
    pub fn position(&self, span: &Range<usize>) -> Position {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: narrow(line), column: narrow(column) }
    }

    /// Notes a problem; reading goes on, so that unknown keys further up are seen too.
    pub fn problem(&self, at: Position, problem: impl Into<String>, remedy: impl Into<String>) {
        let problem = Problem { at, problem: problem.into(), remedy: remedy.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// The first problem in the file's order, if there was any.
    pub fn check(&self) -> Result<()> {
        let mut problems = self.problems.borrow_mut();
        problems.sort_by_key(|p| p.at);
        let more = problems.len().saturating_sub(1);
        let Some(first) = problems.first() else { return Ok(()) };
        let more = match more {
            0 => String::new(),
            1 => " (one more problem follows)".into(),
            n => format!(" ({n} more problems follow)"),
        };
        Err(self.error(first.at, format!("{}{more}", first.problem), &first.remedy))
    }

    fn error(
        &self,
        at: Position,
        problem: impl std::fmt::Display,
        remedy: impl std::fmt::Display,
    ) -> Error {
        let place = format!("{}:{}:{}", self.path, at.line, at.column);
        Error::input(place, problem, remedy)
    }
}

/// One table of the file.
pub(super) struct Section<'a> {
    source: &'a Source,
    table: &'a dyn TableLike,
    /// `policy.rules.samples`; empty for the file itself.
    name: String,
    /// Where the table begins.
    pub at: Position,
    asked: RefCell<BTreeSet<&'a str>>,
}

/// A value and where it stands.
pub(super) struct Placed<T> {
    pub value: T,
    pub at: Position,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub fn root(source: &'a Source, document: &'a Document<&str>) -> Self {
        Self::of(source, document.as_table(), String::new(), Position { line: 1, column: 1 })
    }

    fn of(source: &'a Source, table: &'a dyn TableLike, name: String, at: Position) -> Self {
        Self { source, table, name, at, asked: RefCell::default() }
    }

    /// The file.
    pub fn source(&self) -> &'a Source {
        self.source
    }

    /// `policy.rules` for messages, or the key of a table within.
    pub fn path_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.into() } else { format!("{}.{key}", self.name) }
    }

    /// The table's keys, in the file's order.
    pub fn keys(&self) -> impl Iterator<Item = Placed<&'a str>> {
        let keys: Vec<&'a str> = self.table.iter().map(|(key, _)| key).collect();
        keys.into_iter().map(|key| Placed { value: key, at: self.key_position(key) })
    }

    /// Where a key stands; the table's place for one that isn't there.
    pub fn key_position(&self, key: &str) -> Position {
        let (key, item) = match self.table.get_key_value(key) {
            Some(found) => found,
            None => return self.at,
        };
        let span = key.span().or_else(|| item.span());
        span.map_or(self.at, |span| self.source.position(&span))
    }

    fn item(&self, key: &str) -> Option<(&'a Item, Position)> {
        let (name, item) = self.table.get_key_value(key).filter(|(_, item)| !item.is_none())?;
        self.asked.borrow_mut().insert(name.get());
        Some((item, self.key_position(key)))
    }

    fn wrong(&self, key: &str, item: &Item, at: Position, wanted: &str) {
        let found = match item {
            Item::Value(value) => value.type_name(),
            Item::ArrayOfTables(_) => "an array of tables",
            _ => "a table",
        };
        let problem = format!("{} is of type {found}", self.path_of(key));
        self.source.problem(at, problem, format!("give {wanted}"));
    }

    fn value<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<Placed<T>> {
        let (item, at) = self.item(key)?;
        match item.as_value().and_then(take) {
            Some(value) => Some(Placed { value, at }),
            None => {
                self.wrong(key, item, at, wanted);
                None
            }
        }
    }

    /// Text that is not empty.
    pub fn string(&self, key: &str) -> Option<Placed<String>> {
        let text = self.value(key, "text in quotes", Value::as_str)?;
        if text.value.trim().is_empty() {
            let problem = format!("{} is empty", self.path_of(key));
            self.source.problem(text.at, problem, "give a value, or leave the key out");
            return None;
        }
        Some(Placed { value: text.value.to_owned(), at: text.at })
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Option<Placed<bool>> {
        self.value(key, "true or false", Value::as_bool)
    }

    /// A whole number within `range`.
    pub fn whole(&self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<Placed<u64>> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let found = self.value(key, &wanted, Value::as_integer)?;
        match u64::try_from(found.value).ok().filter(|n| range.contains(n)) {
            Some(value) => Some(Placed { value, at: found.at }),
            None => {
                let problem = format!("{} is {}", self.path_of(key), found.value);
                self.source.problem(found.at, problem, format!("give {wanted}"));
                None
            }
        }
    }

    /// A finite number within `(low, high)`, both included.
    pub fn number(&self, key: &str, (low, high): (f64, f64)) -> Option<Placed<f64>> {
        let wanted = format!("a number from {low} to {high}");
        let found = self.value(key, &wanted, number)?;
        if found.value.is_finite() && (low..=high).contains(&found.value) {
            return Some(found);
        }
        let problem = format!("{} is {}", self.path_of(key), found.value);
        self.source.problem(found.at, problem, format!("give {wanted}"));
        None
    }

    /// A list whose items `take` accepts; a single item stands for a list of one.
    pub fn list<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<Placed<Vec<T>>> {
        self.value(key, wanted, |value| match value.as_array() {
            Some(array) => array.iter().map(&take).collect(),
            None => take(value).map(|one| vec![one]),
        })
    }

    /// A list of texts.
    pub fn strings(&self, key: &str) -> Option<Placed<Vec<String>>> {
        self.list(key, "a list of texts in quotes", |v| Some(v.as_str()?.to_owned()))
    }

    /// A list of finite numbers.
    pub fn numbers(&self, key: &str) -> Option<Placed<Vec<f64>>> {
        self.list(key, "a list of numbers", |v| number(v).filter(|n| n.is_finite()))
    }

    /// A table within this one.
    pub fn section(&self, key: &str) -> Option<Section<'a>> {
        let (item, at) = self.item(key)?;
        match item.as_table_like() {
            Some(table) => Some(Self::of(self.source, table, self.path_of(key), at)),
            None => {
                self.wrong(key, item, at, &format!("a table: [{}]", self.path_of(key)));
                None
            }
        }
    }

    /// The tables of `[[key]]`, or of an array of inline tables.
    pub fn sections(&self, key: &str) -> Vec<Section<'a>> {
        let Some((item, at)) = self.item(key) else { return Vec::new() };
        let place = |span: Option<Range<usize>>| span.map_or(at, |s| self.source.position(&s));
        let name = self.path_of(key);
        let of = |table: &'a dyn TableLike, span| {
            Self::of(self.source, table, name.clone(), place(span))
        };
        let found: Option<Vec<Section>> = match item {
            Item::ArrayOfTables(tables) => Some(tables.iter().map(|t| of(t, t.span())).collect()),
            Item::Value(Value::Array(array)) => {
                array.iter().map(|v| v.as_inline_table().map(|t| of(t, v.span()))).collect()
            }
            _ => None,
        };
        found.unwrap_or_else(|| {
            self.wrong(key, item, at, &format!("tables: [[{name}]]"));
            Vec::new()
        })
    }

    /// Makes a problem of every key that was not asked for; `known` are those that could be.
    pub fn finish(&self, known: &[&str]) {
        let asked = self.asked.borrow();
        for key in self.keys().filter(|k| !asked.contains(k.value)) {
            let near = known
                .iter()
                .map(|k| (strsim::jaro_winkler(k, key.value), *k))
                .filter(|(likeness, _)| *likeness > 0.8)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let remedy = match near {
                Some((_, near)) => format!("did you mean `{near}`?"),
                None if known.is_empty() => "leave it out: there are no keys here".into(),
                None => format!("there are: {}", known.join(", ")),
            };
            let place = if self.name.is_empty() { "the file" } else { &self.name };
            self.source.problem(key.at, format!("unknown key `{}` in {place}", key.value), remedy);
        }
    }
}

/// A float, or a whole number as one.
fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}
