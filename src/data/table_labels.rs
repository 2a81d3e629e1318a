//! Whether the labels of tables are names of classes or their numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::numbering::whole;
use crate::{Error, Result};

/// How the labels of all tables of a folder are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    Names,
    Numbers,
}

/// A label and where it stands.
pub(crate) type Placed<'a> = (&'a str, &'a str);

/// Decides for `labels`, in the tables' order, by the user's names and those of class `folders`
/// beside the tables. Whole numbers are numbers unless they only make sense as names.
///
/// # Errors
/// Whole numbers among other texts; numbers that mean one class as a name and another as a number;
/// numbers beside class folders whose order they don't follow.
pub(crate) fn reading<'a>(
    labels: impl Iterator<Item = Placed<'a>>,
    given: Option<&[String]>,
    folders: &BTreeSet<&str>,
) -> Result<Reading> {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (label, place) in labels.filter(|(label, _)| seen.insert(*label)) {
        match whole(label) {
            Some(number) => numbers.push((label, place, number)),
            None => texts.push((label, place)),
        }
    }
    let names = given.unwrap_or_default().iter().enumerate();
    let names: BTreeMap<&str, usize> = names.map(|(class, name)| (name.as_str(), class)).collect();
    match (numbers.first(), texts.first()) {
        (None, _) => Ok(Reading::Names),
        (Some(_), Some(_)) if texts.iter().any(|(label, _)| names.contains_key(label)) => {
            Ok(Reading::Names)
        }
        (Some((label, at, _)), Some((text, place))) => Err(Error::input(
            place,
            format!("label \"{text}\" is no whole number, but {label} is one ({at})"),
            "give every image its class's number, or every image its class's name; where a number \
             is a name, list all names with --class-names",
        )),
        (Some(_), None) if given.is_some() => by_list(&numbers, &names),
        (Some(_), None) if folders.is_empty() => Ok(Reading::Numbers),
        (Some((label, place, _)), None) => {
            // Folders are numbered in the order of their names; here that must be the numbers'.
            let texts: Vec<String> =
                numbers.iter().map(|(.., number)| number.to_string()).collect();
            let names: BTreeSet<&str> =
                folders.iter().copied().chain(texts.iter().map(String::as_str)).collect();
            if names.into_iter().enumerate().all(|(class, name)| name == class.to_string()) {
                return Ok(Reading::Names);
            }
            Err(Error::input(
                place,
                format!("label {label} is a number, but the other set has folders of classes"),
                "give both sets a table or both folders of classes, or name the classes in the \
                 order of their numbers with --class-names",
            ))
        }
    }
}

/// Reads whole numbers where the user named the classes.
fn by_list(numbers: &[(&str, &str, usize)], names: &BTreeMap<&str, usize>) -> Result<Reading> {
    let named = |label: &str, number: usize| {
        names.get(label).or_else(|| names.get(number.to_string().as_str()))
    };
    let all_names = numbers.iter().all(|(label, _, number)| named(label, *number).is_some());
    if all_names && numbers.iter().any(|(.., number)| *number >= names.len()) {
        return Ok(Reading::Names);
    }
    for (label, place, number) in numbers {
        if let Some(class) = named(label, *number).filter(|class| *class != number) {
            return Err(Error::input(
                place,
                format!("label {label} is the name of class {class} as well as a class number"),
                "where it is the number, leave --class-names out; where it is the name, write it \
                 in table and list so that it is no number: \"class 3\"",
            ));
        }
    }
    Ok(Reading::Numbers)
}

/// The name that a table's label stands for: as it is written where that is a `known` name, else
/// without a `.0`.
pub(crate) fn name(label: &str, known: impl Fn(&str) -> bool) -> String {
    match whole(label) {
        Some(number) if !known(label) => number.to_string(),
        _ => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(labels: &[&str], given: Option<&[&str]>, folders: &[&str]) -> Result<Reading> {
        let places: Vec<String> =
            (2..).take(labels.len()).map(|i| format!("t: line {i}")).collect();
        let labels = labels.iter().copied().zip(places.iter().map(String::as_str));
        let given: Option<Vec<String>> =
            given.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        reading(labels, given.as_deref(), &folders.iter().copied().collect())
    }

    #[test]
    fn labels_are_names_or_numbers_as_a_whole() {
        let cats = ["cat", "dog"];
        for (labels, given, folders, expected) in [
            (&["cat", "dog"][..], None, &[][..], Reading::Names),
            (&["1", "0.0", "10.0"], None, &[], Reading::Numbers),
            (&["1", "0"], Some(&cats[..]), &[], Reading::Numbers),
            (&["0", "1"], Some(&["0", "1"]), &[], Reading::Numbers),
            // 2 is no number of two classes.
            (&["1", "2"], Some(&["1", "2"]), &[], Reading::Names),
            (&["1.0", "2.0"], Some(&["1", "2"]), &[], Reading::Names),
            (&["cat", "2"], Some(&["2", "cat"]), &[], Reading::Names),
            (&["0", "1"], None, &["0", "1", "2"], Reading::Names),
            (&["0", "1"], Some(&cats), &["cat", "dog"], Reading::Numbers),
        ] {
            assert_eq!(read(labels, given, folders).unwrap(), expected, "{labels:?} {given:?}");
        }
    }

    #[test]
    fn labels_of_two_meanings_are_refused_with_their_line() {
        for (labels, given, folders, problem) in [
            (
                &["0", "1", "-1"][..],
                None,
                &[][..],
                "line 4: label \"-1\" is no whole number, but 0",
            ),
            (&["cat", "1"], None, &[], "line 2: label \"cat\" is no whole number, but 1 is one"),
            (&["0", "3.5"], Some(&["a", "b"][..]), &[], "line 3: label \"3.5\""),
            (&["0", "1"], Some(&["1", "0"]), &[], "line 2: label 0 is the name of class 1"),
            (&["0", "1"], Some(&["1", "x"]), &[], "line 3: label 1 is the name of class 0"),
            (&["0", "1"], None, &["cat", "dog"], "label 0 is a number, but the other set"),
            (&["2", "10"], None, &["2", "10"], "is a number, but the other set"),
        ] {
            let error = read(labels, given, folders).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_label_is_a_name_with_or_without_its_fraction() {
        let known = |name: &str| ["1.0", "cat", "007"].contains(&name);
        let names = ["1.0", "2.0", "cat", "007", "08"].map(|label| name(label, known));
        assert_eq!(names, ["1.0", "2", "cat", "007", "8"]);
    }
}
