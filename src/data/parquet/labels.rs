//! The class of each row: a whole number, or a text that names it.

use std::collections::{BTreeMap, BTreeSet};

use parquet::basic::Type;

use super::shard::{Cell, Shard};
use crate::data::class_names::Classes;
use crate::data::numbering::whole;
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

    /// The sets' labels as class numbers; texts are numbered as the `given` names, or else in the
    /// order of their bytes. `subject` names the data.
    ///
    /// # Errors
    /// Numbers in one set and texts in another; a text that is not among the names; whole numbers
    /// as texts whose order is not that of the numbers.
    pub fn number(
        train: Self,
        test: Self,
        given: Option<&[String]>,
        subject: &str,
    ) -> Result<Numbered> {
        let mut all: BTreeSet<String> = BTreeSet::new();
        let mut numbers = false;
        for set in [&train, &test] {
            match set {
                Self::Texts(_, texts) => all.extend(texts.keys().cloned()),
                Self::Numbers(labels) => numbers |= !labels.is_empty(),
            }
        }
        if numbers && !all.is_empty() {
            return Err(mixed("the test set"));
        }
        if all.is_empty() {
            let none = BTreeMap::new();
            return Ok(Numbered { train: train.by(&none), test: test.by(&none), names: None });
        }
        if given.is_none() {
            check_order(&all, subject)?;
        }
        let classes = Classes::new(given, all.iter().cloned());
        let number = |text: String| Ok((classes.number(&text, subject)?, text));
        let numbers = all.into_iter().map(number).collect::<Result<Vec<(usize, String)>>>()?;
        let numbers = numbers.into_iter().map(|(number, text)| (text, number)).collect();
        let (train, test) = (train.by(&numbers), test.by(&numbers));
        Ok(Numbered { train, test, names: Some(classes.into_names()) })
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

/// Refuses texts that are all whole numbers where it matters whether they are read as such.
fn check_order(texts: &BTreeSet<String>, subject: &str) -> Result<()> {
    let numbers: Option<Vec<usize>> = texts.iter().map(|text| whole(text)).collect();
    let odd = numbers.and_then(|numbers| {
        let mut numbers = numbers.into_iter().enumerate().zip(texts);
        numbers.find(|((class, number), _)| class != number)
    });
    match odd {
        None => Ok(()),
        Some(((class, number), text)) => Err(Error::input(
            subject,
            format!(
                "label \"{text}\" is a number written as text: class {number} by its value, class \
                 {class} in the order of texts"
            ),
            "write the labels as int64, or give --class-names in the order of the model's outputs",
        )),
    }
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
