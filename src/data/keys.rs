//! Which arrays of a file make up the sets: `x_train y_train x_test y_test`, one set `x y`, or
//! keys named for model inputs.

use std::collections::BTreeSet;

use super::Dataset;
use super::array::Array;
use super::dataset::POSITIONAL;
use super::decode::Purpose;
use crate::{Error, Result};

/// The keys found: for each suffix one array for each name, and labels.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    names: Vec<&'a str>,
    suffixes: &'static [&'static str],
}

impl<'a> Keys<'a> {
    /// Chooses among the keys that are `there`. Each of `model_inputs`, the graph's input names,
    /// is looked for with `_train` and `_test` or, beside a `y`, without; only where there are no
    /// such keys and the model has one input does `x` stand for it.
    ///
    /// # Errors
    /// Arrays that are missing; the message lists those there are.
    pub fn find(subject: &str, there: &BTreeSet<String>, model_inputs: &[&'a str]) -> Result<Self> {
        let has = |key: &str| there.contains(key);
        let two_sets = has("y_train") || !has("y");
        let (first, suffixes): (&str, &'static [&'static str]) =
            if two_sets { ("_train", &["_train", "_test"]) } else { ("", &[""]) };
        let all_named = !model_inputs.is_empty()
            && model_inputs.iter().all(|name| has(&format!("{name}{first}")));
        let names = match model_inputs {
            inputs if all_named || inputs.len() > 1 => inputs.to_vec(),
            _ => vec![POSITIONAL],
        };
        let keys = Self { names, suffixes };
        let wanted = keys.wanted();
        let missing: Vec<&String> = wanted.iter().filter(|key| !has(key)).collect();
        if missing.is_empty() { Ok(keys) } else { Err(keys.missing(subject, &missing, there)) }
    }

    /// All keys, set by set.
    pub fn wanted(&self) -> Vec<String> {
        let set = |suffix: &str| {
            let names = self.names.iter().copied().chain(["y"]);
            names.map(|name| format!("{name}{suffix}")).collect::<Vec<_>>()
        };
        self.suffixes.iter().flat_map(|suffix| set(suffix)).collect()
    }

    /// The sets, training or only set first, of the arrays that `read` gives for keys.
    ///
    /// # Errors
    /// As `read`; labels that are no whole numbers, arrays of different lengths.
    pub fn sets(
        &self,
        mut read: impl FnMut(&str, Purpose) -> Result<Array>,
    ) -> Result<(Dataset, Option<Dataset>)> {
        let mut sets = Vec::new();
        for suffix in self.suffixes {
            let labels = read(&format!("y{suffix}"), Purpose::Labels)?;
            let mut inputs = Vec::new();
            for name in &self.names {
                let array = read(&format!("{name}{suffix}"), Purpose::Input)?;
                inputs.push(((*name).to_owned(), array));
            }
            sets.push(Dataset::new(inputs, &labels)?);
        }
        let mut sets = sets.into_iter();
        let train = sets.next().ok_or_else(|| Error::internal("no set was read"))?;
        Ok((train, sets.next()))
    }

    fn missing(&self, subject: &str, missing: &[&String], there: &BTreeSet<String>) -> Error {
        let list = |keys: &mut dyn Iterator<Item = &String>| -> String {
            keys.map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        };
        let held = match there.len() {
            0 => "it holds no arrays".to_owned(),
            n if n > 20 => format!("it holds {n} other arrays"),
            _ => format!("it holds {}", list(&mut there.iter())),
        };
        let remedy = if self.names == [POSITIONAL] {
            "name the arrays x_train, y_train, x_test, y_test, or x and y to have one set split"
                .to_owned()
        } else {
            format!(
                "name the arrays for the model's inputs ({}) with _train and _test, beside \
                 y_train and y_test",
                self.names.join(", ")
            )
        };
        let noun = if missing.len() == 1 { "array" } else { "arrays" };
        Error::input(
            subject,
            format!("{noun} {} missing; {held}", list(&mut missing.iter().copied())),
            remedy,
        )
    }
}
