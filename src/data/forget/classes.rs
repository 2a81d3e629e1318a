//! Forgotten classes by number or name.

use std::collections::BTreeSet;
use std::path::Path;

use super::{ForgetSpec, suggest};
use crate::data::text_file;
use crate::{Error, Result};

const OPTION: &str = "--forget-classes";
const REMEDY: &str = "give class numbers or names separated by commas: --forget-classes 4,11";

/// One class as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassItem {
    /// A number, `id:4` or from a program.
    Id(usize),
    /// A name, `name:10`.
    Name(String),
    /// Number or name, whichever there is.
    Text(String),
}

/// The items of a list with commas between them.
pub(super) fn split(list: &str) -> impl Iterator<Item = &str> {
    let given = Some(list).filter(|list| !list.trim().is_empty());
    given.into_iter().flat_map(|list| list.split(','))
}

/// The classes that texts name, each a class or `@` and a file with one a line.
pub(super) fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<ClassItem>> {
    let mut items = Vec::new();
    for item in texts.into_iter().map(str::trim) {
        match ForgetSpec::list_file(item) {
            Some(path) => from_file(Path::new(path), &mut items)?,
            None => items.push(parse_item(item, OPTION)?),
        }
    }
    if items.is_empty() {
        return Err(Error::input(OPTION, "no class given", REMEDY));
    }
    Ok(items)
}

fn from_file(path: &Path, items: &mut Vec<ClassItem>) -> Result<()> {
    let before = items.len();
    for (i, line) in text_file::read(path)?.lines().enumerate() {
        // `C#` is a name; a comment has space before it.
        let line = if line.starts_with('#') { "" } else { line };
        let item = line.split(" #").next().unwrap_or_default().trim();
        if !item.is_empty() {
            let place = format!("{}: line {}", path.display(), i.saturating_add(1));
            items.push(parse_item(item, &place)?);
        }
    }
    if items.len() == before {
        return Err(Error::file(path, "no class given", "write one class a line"));
    }
    Ok(())
}

fn parse_item(item: &str, place: &str) -> Result<ClassItem> {
    let whole = |text: &str| -> Result<usize> {
        text.trim().parse().map_err(|_| {
            let problem = format!("`{}` is not a whole number", shown(text));
            Error::input(place, problem, "write id:4 for class number 4")
        })
    };
    match item.split_once(':') {
        _ if item.is_empty() => Err(Error::input(place, "an item is empty", REMEDY)),
        Some(("id", number)) => whole(number).map(ClassItem::Id),
        Some(("name", name)) => Ok(ClassItem::Name(name.trim().to_owned())),
        _ => Ok(ClassItem::Text(item.to_owned())),
    }
}

/// Class numbers, ascending; `names` are those that the data give their classes.
pub(super) fn resolve(items: &[ClassItem], names: Option<&[String]>) -> Result<Vec<usize>> {
    let ids = items.iter().map(|item| match item {
        ClassItem::Id(id) => Ok(*id),
        ClassItem::Name(name) => {
            let names = names.ok_or_else(|| {
                Error::input(
                    OPTION,
                    format!("the data do not name their classes, so none is `{}`", shown(name)),
                    "give class numbers: --forget-classes 4,11",
                )
            })?;
            by_name(name, names)?.ok_or_else(|| unknown(name, names))
        }
        ClassItem::Text(text) => by_text(text, names),
    });
    distinct(ids.collect::<Result<_>>()?)
}

fn by_text(text: &str, names: Option<&[String]>) -> Result<usize> {
    let number = text.parse::<usize>().ok();
    let named = names.map_or(Ok(None), |names| by_name(text, names))?;
    match (number, named) {
        (Some(number), Some(class)) if number != class => Err(Error::input(
            OPTION,
            format!("`{text}` is the name of class {class} as well as a class number"),
            format!("write id:{text} for the number or name:{text} for the name"),
        )),
        (_, Some(class)) => Ok(class),
        (Some(number), None) => Ok(number),
        (None, None) => Err(match names {
            Some(names) => unknown(text, names),
            None if text.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok()) => {
                Error::input(OPTION, format!("`{}` is negative", shown(text)), REMEDY)
            }
            None if text.contains(',') => Error::input(
                OPTION,
                format!("`{}` is one item, with a comma in it", shown(text)),
                "write the items of a list apart: forget-classes = [3, 8]",
            ),
            None => Error::input(
                OPTION,
                format!(
                    "`{}` is not a whole number, and the data do not name their classes",
                    shown(text)
                ),
                "give class numbers separated by commas: --forget-classes 4,11",
            ),
        }),
    }
}

/// The class of this name, `None` where there is none.
fn by_name(name: &str, names: &[String]) -> Result<Option<usize>> {
    let mut found = names.iter().enumerate().filter(|(_, n)| *n == name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => Err(Error::input(
            OPTION,
            format!("classes {one} and {other} are both named `{name}`"),
            format!("write id:{one} or id:{other}"),
        )),
        (class, _) => Ok(class),
    }
}

fn unknown(name: &str, names: &[String]) -> Error {
    let mut remedy = suggest::remedy(name, names.iter().map(String::as_str));
    if names.iter().any(|name| name.contains(',')) {
        remedy.push_str(
            "; a name with a comma stands on a line of a file (@FILE), or in the list of audit.toml",
        );
    }
    Error::input(OPTION, format!("no class is named `{}`", shown(name)), remedy)
}

/// Ascending; a class that is there twice is told, as is that there is none.
pub(super) fn distinct(classes: Vec<usize>) -> Result<Vec<usize>> {
    let mut distinct = BTreeSet::new();
    if let Some(twice) = classes.iter().find(|class| !distinct.insert(**class)) {
        return Err(Error::input(
            OPTION,
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
    Ok(distinct.into_iter().collect())
}

/// As much of a text as fits into a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    fn classes(list: &str, names: Option<&[String]>) -> Result<Vec<usize>> {
        resolve(&parse(split(list))?, names)
    }

    #[test]
    fn numbers_and_names_mix() {
        let pets = names(&["cat", "dog", "guinea pig"]);
        assert_eq!(classes(" 11, 4", None).unwrap(), [4, 11]);
        assert_eq!(classes("guinea pig,0", Some(&pets)).unwrap(), [0, 2]);
        assert_eq!(classes("id:1,name:cat", Some(&pets)).unwrap(), [0, 1]);
        // A number beyond the names is for the labels to refuse.
        assert_eq!(classes("7", Some(&pets)).unwrap(), [7]);
    }

    #[test]
    fn a_name_that_is_also_a_number_must_be_told_apart() {
        let digits = names(&["10", "1", "two", "crane", "crane"]);
        assert_eq!(classes("1", Some(&digits)).unwrap(), [1]);
        let error = classes("10", Some(&digits)).unwrap_err();
        assert!(error.to_string().contains("the name of class 0 as well"), "{error}");
        assert!(error.remedy().contains("id:10") && error.remedy().contains("name:10"));
        assert_eq!(classes("name:10,id:10", Some(&digits)).unwrap(), [0, 10]);
        let error = classes("crane", Some(&digits)).unwrap_err();
        assert!(error.remedy().contains("id:3 or id:4"), "{}", error.remedy());
    }

    #[test]
    fn a_name_may_hold_a_comma() {
        let fish = names(&["goldfish", "tench, Tinca tinca"]);
        assert_eq!(resolve(&parse(["tench, Tinca tinca"]).unwrap(), Some(&fish)).unwrap(), [1]);
        let error = resolve(&parse(["3,8"]).unwrap(), None).unwrap_err();
        assert!(error.remedy().contains("[3, 8]"), "{}", error.remedy());
        let error = classes("tench, Tinca tinca", Some(&fish)).unwrap_err();
        assert!(error.remedy().contains("a name with a comma"), "{}", error.remedy());
    }

    #[test]
    fn a_list_comes_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("classes.txt");
        std::fs::write(&path, "# forgotten\ntench, Tinca tinca\n\n 3 # by number\nC#\n").unwrap();
        let there = names(&["C#", "tench, Tinca tinca"]);
        let list = format!("@{}", path.display());
        assert_eq!(classes(&list, Some(&there)).unwrap(), [0, 1, 3]);
        std::fs::write(&path, "# none\n").unwrap();
        assert!(classes(&list, None).unwrap_err().to_string().contains("no class given"));
        std::fs::write(&path, "1\nid:x\n").unwrap();
        let error = classes(&list, None).unwrap_err().to_string();
        assert!(error.contains("classes.txt: line 2: `x` is not a whole number"), "{error}");
    }

    #[test]
    fn lists_that_mean_nothing_are_refused() {
        for (text, expected) in [
            ("", "no class given"),
            ("  ", "no class given"),
            ("4,", "an item is empty"),
            ("4,cat", "`cat` is not a whole number"),
            ("1.5", "`1.5` is not a whole number"),
            ("4,-1", "`-1` is negative"),
            ("4,11,4", "class 4 is named twice"),
            ("99999999999999999999999", "is not a whole number"),
            ("name:cat", "do not name their classes"),
        ] {
            let error = classes(text, None).unwrap_err().to_string();
            assert!(error.starts_with("--forget-classes: "), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        assert!(matches!(distinct(vec![]), Err(Error::NothingToCompare { .. })));
        assert!(parse(["@/nowhere/at all"]).unwrap_err().to_string().contains("no such file"));
    }

    #[test]
    fn an_unknown_name_brings_the_near_ones() {
        let pets = names(&["cat", "dog", "guinea pig"]);
        let error = classes("Guinea-Pig", Some(&pets)).unwrap_err();
        assert_eq!(error.to_string(), "--forget-classes: no class is named `Guinea-Pig`");
        assert!(error.remedy().starts_with("did you mean `guinea pig`?"), "{}", error.remedy());
        let error = classes("xylophone", Some(&pets)).unwrap_err();
        assert!(error.remedy().contains("cat, dog, guinea pig"), "{}", error.remedy());
        let error = classes("cat,0", Some(&pets)).unwrap_err();
        assert!(error.to_string().contains("class 0 is named twice"), "{error}");
    }
}
