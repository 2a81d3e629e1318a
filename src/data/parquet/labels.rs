//! The class of each row: a whole number, or a text that names it.

use std::collections::BTreeMap;

use parquet::basic::Type;

use super::shard::{Cell, Shard};
use crate::{Error, Result};

/// Names of the label column, in the order in which they are looked for.
const COLUMNS: [&str; 3] = ["label", "labels", "fine_label"];

/// Labels of one set as they are stored.
#[derive(Debug)]
pub(super) enum Labels {
    Numbers(Vec<usize>),
    /// For each row the number of its text, in the order of first appearance, and the texts.
    Texts(Vec<usize>, BTreeMap<String, usize>),
}

/// Name and leaf of the label column.
///
/// # Errors
/// No such column, or one of another type.
pub(super) fn column(shard: &Shard) -> Result<(&'static str, usize)> {
    let found = COLUMNS.iter().find_map(|&name| Some((name, shard.column(name)?)));
    let (name, leaf) = found.ok_or_else(|| {
        let names: Vec<String> = shard.columns().iter().map(|c| c.path().string()).collect();
        Error::input(
            &shard.subject,
            format!("no label column; there are {}", names.join(", ")),
            "name the column of classes `label`",
        )
    })?;
    match shard.columns().get(leaf).map(|c| c.physical_type()) {
        Some(Type::INT32 | Type::INT64 | Type::BOOLEAN | Type::BYTE_ARRAY) => Ok((name, leaf)),
        other => Err(Error::input(
            &shard.subject,
            format!(
                "the column `{name}` has type {}",
                other.map_or("none".into(), |t| t.to_string())
            ),
            "write class numbers as int64, or class names",
        )),
    }
}

impl Labels {
    /// Reads the labels of all rows; numbers must be among `names`, where there are any.
    ///
    /// # Errors
    /// A row without a label or with one that is no class, numbers in one shard and texts in
    /// another.
    pub fn read(shards: &[Shard], names: Option<&[String]>) -> Result<Self> {
        let mut numbers = Vec::new();
        let mut texts: BTreeMap<String, usize> = BTreeMap::new();
        let mut kinds = (false, false);
        for shard in shards {
            let (name, leaf) = column(shard)?;
            shard.each(leaf, |row, cell| {
                let class = match cell {
                    Cell::Integer(value) => {
                        kinds.0 = true;
                        number(value, names).map_err(|problem| problem.told(shard, name, row))?
                    }
                    Cell::Boolean(value) => {
                        kinds.0 = true;
                        usize::from(value)
                    }
                    Cell::Bytes(bytes) => {
                        kinds.1 = true;
                        let text = std::str::from_utf8(bytes)
                            .map_err(|_| Problem::NotText.told(shard, name, row))?;
                        let next = texts.len();
                        match texts.get(text) {
                            Some(&class) => class,
                            None => *texts.entry(text.to_owned()).or_insert(next),
                        }
                    }
                    Cell::Null(_) => return Err(Problem::Missing.told(shard, name, row)),
                };
                numbers.push(class);
                Ok(())
            })?;
            if kinds == (true, true) {
                return Err(mixed(&shard.subject));
            }
        }
        Ok(if kinds.1 { Self::Texts(numbers, texts) } else { Self::Numbers(numbers) })
    }

    /// The sets' labels as class numbers; texts are numbered in their order.
    ///
    /// # Errors
    /// Numbers in one set and texts in another.
    pub fn number(train: Self, test: Self) -> Result<Numbered> {
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        let mut numbers = false;
        for set in [&train, &test] {
            match set {
                Self::Texts(_, texts) => all.extend(texts.keys().map(|text| (text.clone(), 0))),
                Self::Numbers(labels) => numbers |= !labels.is_empty(),
            }
        }
        if numbers && !all.is_empty() {
            return Err(mixed("the test set"));
        }
        all.values_mut().enumerate().for_each(|(class, number)| *number = class);
        let (train, test) = (train.by(&all), test.by(&all));
        let names = (!all.is_empty()).then(|| all.into_keys().collect());
        Ok(Numbered { train, test, names })
    }

    /// Class numbers, where `classes` are those of the texts.
    fn by(self, classes: &BTreeMap<String, usize>) -> Vec<usize> {
        let (labels, texts) = match self {
            Self::Numbers(labels) => return labels,
            Self::Texts(labels, texts) => (labels, texts),
        };
        let mut order = vec![0; texts.len()];
        for (text, &first) in &texts {
            if let (Some(to), Some(&class)) = (order.get_mut(first), classes.get(text)) {
                *to = class;
            }
        }
        labels.into_iter().filter_map(|label| order.get(label).copied()).collect()
    }
}

/// Class numbers of both sets, and names where the labels were texts.
pub(super) struct Numbered {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
    pub names: Option<Vec<String>>,
}

fn mixed(subject: &str) -> Error {
    Error::input(
        subject,
        "labels are numbers in one part of the data and texts in another",
        "give shards of one data set",
    )
}

/// Why a value is no label.
enum Problem {
    Missing,
    Negative(i64),
    Beyond(i64, usize),
    NotText,
}

fn number(value: i64, names: Option<&[String]>) -> Result<usize, Problem> {
    let class = usize::try_from(value).map_err(|_| Problem::Negative(value))?;
    match names {
        Some(names) if class >= names.len() => Err(Problem::Beyond(value, names.len())),
        _ => Ok(class),
    }
}

impl Problem {
    fn told(self, shard: &Shard, column: &str, row: usize) -> Error {
        let problem = match self {
            Self::Missing => "the row has no label".to_owned(),
            Self::Negative(value) => format!("label {value} is negative, so the row is unlabelled"),
            Self::Beyond(value, names) => format!("label {value}, but {names} classes are named"),
            Self::NotText => "the label is neither number nor text".to_owned(),
        };
        Error::input(
            format!("{} of column `{column}`", shard.place(row)),
            problem,
            "remove unlabelled rows; where the test shards have no labels, remove them, and the \
             validation shards are read",
        )
    }
}
