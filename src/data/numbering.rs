//! The labels of a data set by the user's list of class names, which says what the model's outputs
//! stand for.

use std::collections::BTreeMap;

use super::Data;
use super::class_names::Classes;
use crate::{Error, Result};

/// Numbers the classes as `given` does. Data that name their classes are followed name by name;
/// of others the numbers are taken as they are.
///
/// # Errors
/// A label beyond the names; a class in use whose name is not in the list, or not for it alone.
pub(crate) fn by_names(mut data: Data, given: &[String]) -> Result<Data> {
    let own = data.class_names.take();
    let named = own.as_deref().unwrap_or(given).len();
    let sets = [Some(&data.train), data.test.as_ref()];
    if let Some((place, label)) = sets.into_iter().flatten().find_map(|set| set.beyond(named)) {
        return Err(Error::input(
            place,
            format!("label {label}, but only {named} classes are named"),
            "name every output of the model in --class-names, in order from 0",
        ));
    }
    if let Some(own) = own {
        let order = order(&data, &own, given)?;
        data.train.renumber(&order);
        data.test.iter_mut().for_each(|set| set.renumber(&order));
    }
    data.class_names = Some(given.to_vec());
    Ok(data)
}

/// A label that is a whole number, also one that went through floats: `3.0`.
pub(crate) fn whole(label: &str) -> Option<usize> {
    let digits = match label.split_once('.') {
        Some((digits, fraction)) if fraction.bytes().all(|byte| byte == b'0') => digits,
        Some(_) => return None,
        None => label,
    };
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The number in `given` of each class in use, which `own` names.
fn order(data: &Data, own: &[String], given: &[String]) -> Result<BTreeMap<usize, usize>> {
    let used: Vec<(usize, &String)> =
        data.classes().into_iter().filter_map(|class| Some((class, own.get(class)?))).collect();
    // Where both lists agree, names that stand for several classes do no harm.
    if used.iter().all(|&(class, name)| given.get(class) == Some(name)) {
        return Ok(used.into_iter().map(|(class, _)| (class, class)).collect());
    }
    let classes = Classes::new(Some(given), []);
    let mut order = BTreeMap::new();
    let mut seen = BTreeMap::new();
    for (class, name) in used {
        if !classes.has(name) {
            return Err(differ(&data.source, class, name, own, given, &classes));
        }
        if let Some(other) = seen.insert(name, class) {
            return Err(Error::input(
                &data.source,
                format!("classes {other} and {class} are both named \"{name}\" in the data"),
                "tell them apart in the data and in --class-names",
            ));
        }
        order.insert(class, classes.number(name, &data.source)?);
    }
    Ok(order)
}

/// The first name that only the data have, and the first that only the list has.
fn differ(
    source: &str,
    class: usize,
    name: &str,
    own: &[String],
    given: &[String],
    classes: &Classes,
) -> Error {
    let near = classes.nearest(name).map(|near| format!("; the nearest is \"{near}\""));
    let other = given.iter().find(|name| !own.contains(name));
    let other = other.map(|other| format!("; \"{other}\" of the list is no class of the data"));
    Error::input(
        source,
        format!(
            "\"{name}\", class {class} of the data, is not among the {} class names{}{}",
            given.len(),
            near.unwrap_or_default(),
            other.unwrap_or_default(),
        ),
        "name the classes in --class-names as the data do; where the data's own order is that of \
         the model's outputs, leave the list out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::labelled;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn numbered(own: Option<&[&str]>, given: &[&str]) -> Result<Data> {
        let mut data = labelled(&[0, 2, 1, 0], Some(&[2]));
        data.class_names = own.map(list);
        by_names(data, &list(given))
    }

    fn labels(data: &Data) -> (&[usize], &[usize]) {
        (data.train.labels(), data.test.as_ref().unwrap().labels())
    }

    #[test]
    fn names_go_before_the_data_s_own_order() {
        let data = numbered(Some(&["ape", "bird", "cat"]), &["cat", "dog", "ape", "bird"]).unwrap();
        assert_eq!(labels(&data), (&[2, 0, 3, 2][..], &[0][..]));
        assert_eq!(data.class_names.unwrap(), ["cat", "dog", "ape", "bird"]);
        // A class without samples need not be an output.
        let own = ["ape", "bird", "cat", "emu"];
        assert_eq!(labels(&numbered(Some(&own), &own[..3]).unwrap()).0, [0, 2, 1, 0]);
        assert_eq!(labels(&numbered(None, &["x", "y", "z"]).unwrap()).0, [0, 2, 1, 0]);
    }

    #[test]
    fn whole_numbers_may_have_gone_through_floats() {
        let read = ["7", "007", "3.0", "3.", "10.00", "", ".0", "+3", "-1", "3.5", "1e3", "nan"];
        let read = read.map(whole);
        let numbers = [Some(7), Some(7), Some(3), Some(3), Some(10)];
        assert_eq!((&read[..5], &read[5..]), (&numbers[..], &[None; 7][..]));
        assert_eq!(whole("99999999999999999999999"), None);
    }

    #[test]
    fn lists_that_do_not_match_are_refused() {
        let own = ["ape", "bird", "cat"];
        let error = numbered(Some(&own), &["cat", "burd", "ape"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "d.npz: \"bird\", class 1 of the data, is not among the 3 class names; the nearest is \
             \"burd\"; \"burd\" of the list is no class of the data"
        );
        assert!(error.remedy().contains("leave the list out"), "{}", error.remedy());
        for (own, given, problem) in [
            (None, &["a", "b"][..], "y_train[1]: label 2, but only 2 classes are named"),
            (Some(&["a", "b"][..]), &["a", "b"], "only 2 classes are named"),
            (Some(&["a", "a", "b"]), &["b", "a", "c"], "classes 0 and 1 are both named \"a\""),
            (Some(&["a", "c", "b"]), &["b", "a", "a", "c"], "name of several classes"),
        ] {
            let error = numbered(own, given).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        // Two cranes in both lists, as in ImageNet.
        let cranes = ["crane", "tench", "crane"];
        assert_eq!(labels(&numbered(Some(&cranes), &cranes).unwrap()).0, [0, 2, 1, 0]);
    }
}
