//! Forgotten samples by what a column of the data says of them.

use std::collections::BTreeSet;

use super::suggest;
use crate::data::Data;
use crate::{Error, Result};

const OPTION: &str = "--forget-column";

/// Training rows that `NAME` or `NAME=VALUE` chooses, ascending.
pub(super) fn resolve(text: &str, data: &Data) -> Result<Vec<usize>> {
    let columns = &data.columns;
    if columns.is_empty() {
        return Err(Error::input(
            OPTION,
            format!("{} has no columns beside images and labels", data.source),
            "name the forgotten samples with --forget-classes or --forget-indices",
        ));
    }
    // A column may have an equals sign in its name.
    let (name, value) = match text.split_once('=') {
        Some((name, value)) if !columns.contains_key(text) => (name.trim(), Some(value.trim())),
        _ => (text.trim(), None),
    };
    let values = columns.get(name).ok_or_else(|| {
        Error::input(
            OPTION,
            format!("{} has no column `{name}`", data.source),
            suggest::remedy(name, columns.keys().map(String::as_str)),
        )
    })?;
    let rows = match value {
        Some(value) => (0..).zip(values).filter(|(_, v)| *v == value).map(|(i, _)| i).collect(),
        None => marked(name, values)?,
    };
    if rows.is_empty() {
        let there: BTreeSet<&str> = values.iter().map(String::as_str).collect();
        return Err(match value {
            Some(value) => Error::input(
                OPTION,
                format!("no training sample has `{value}` in the column `{name}`"),
                suggest::remedy(value, there.iter().copied()),
            ),
            None => Error::nothing(
                format!("the column `{name}` says no of every training sample"),
                "mark the forgotten samples with true, 1 or yes",
            ),
        });
    }
    Ok(rows)
}

/// Rows where the column says yes; every value must say yes or no.
fn marked(name: &str, values: &[String]) -> Result<Vec<usize>> {
    let mut rows = Vec::new();
    for (row, value) in values.iter().enumerate() {
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => rows.push(row),
            "false" | "0" | "no" | "" => {}
            _ => {
                let shown: String = value.chars().take(40).collect();
                return Err(Error::input(
                    OPTION,
                    format!("`{name}` of row {row} is `{shown}`, neither true nor false"),
                    format!("choose rows by a value: {OPTION} {name}=VALUE"),
                ));
            }
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::labelled;

    fn data(columns: &[(&str, &[&str])]) -> Data {
        let mut data = labelled(&[0, 1, 0, 1], None);
        for (name, values) in columns {
            let values = values.iter().map(|&v| v.to_owned()).collect();
            data.columns.insert((*name).to_owned(), values);
        }
        data
    }

    #[test]
    fn rows_are_marked_or_chosen_by_value() {
        let data = data(&[
            ("forget", &["true", "No", "1", "YES"]),
            ("person", &["ann", "bob", "ann", "cy"]),
            ("a=b", &["0", "1", "0", ""]),
        ]);
        assert_eq!(resolve("forget", &data).unwrap(), [0, 2, 3]);
        assert_eq!(resolve("person=ann", &data).unwrap(), [0, 2]);
        assert_eq!(resolve("a=b", &data).unwrap(), [1]);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let data = data(&[("person", &["ann", "bob", "ann", "cy"]), ("flag", &["0"; 4])]);
        for (text, problem, remedy) in [
            ("persn=ann", "no column `persn`", "did you mean `person`?"),
            ("person=anna", "no training sample has `anna`", "did you mean `ann`?"),
            ("person", "`person` of row 0 is `ann`", "--forget-column person=VALUE"),
            ("flag", "says no of every", "mark the forgotten"),
        ] {
            let error = resolve(text, &data).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
            assert!(error.remedy().contains(remedy), "{}", error.remedy());
        }
        let none = labelled(&[0, 1], None);
        assert!(resolve("x", &none).unwrap_err().to_string().contains("has no columns"));
    }
}
