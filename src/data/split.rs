//! Who is forgotten and who retained, and on which samples is fitted and on which measured.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::{Data, Forget, Part};
use crate::{Error, Result};

/// Some rows of one of the file's sets, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The set that the rows are of.
    pub part: Part,
    /// Row numbers, ascending.
    pub rows: Vec<usize>,
}

impl Rows {
    fn new(part: Part, mut rows: Vec<usize>) -> Self {
        rows.sort_unstable();
        Self { part, rows }
    }
}

/// The two groups that every measure is taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Samples to be forgotten.
    pub forget: Rows,
    /// Samples to be kept.
    pub retain: Rows,
}

/// Probes and class means are fitted on `fit`, everything is measured on `eval`; no row is in two
/// groups and none of the four is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splits {
    /// The split that probes and class means are fitted on.
    pub fit: Side,
    /// The split that everything is measured on.
    pub eval: Side,
    /// Classes of which no retained sample is measured, ascending: no model could be asked to know
    /// them, since most of their training samples are to be forgotten, or they have none.
    pub left_out: Vec<usize>,
}

impl Splits {
    /// Divides `data` by what was to be forgotten.
    ///
    /// - Classes, two sets: training rows are fitted on, test rows measured on.
    /// - Classes, one set: each class is halved by `seed`.
    /// - Samples: the listed rows are halved, class by class; of the others, training rows are
    ///   fitted on and test rows measured on, or, with one set, each class is halved as well.
    ///
    /// Retained samples of a class are measured on unless it has no training samples, or keeps less
    /// than half the share of them that is kept of all: they are no measure of what should have been
    /// kept.
    ///
    /// # Errors
    /// A class without a sample, nothing retained, or a group without samples; the last as
    /// [`Error::NothingToCompare`] where it is a forget group. [`Error::Internal`] for a row that
    /// isn't there.
    pub fn resolve(data: &Data, forget: &Forget, seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut splits = match forget {
            Forget::Classes(classes) => by_class(data, classes, &mut rng)?,
            Forget::Samples { source, rows, .. } => by_row(data, source, rows, &mut rng)?,
        };
        splits.leave_out(data, forget)?;
        splits.check_sides(data, forget)?;
        Ok(splits)
    }

    /// Takes the classes out of the measured retain samples that are hardly trained on.
    fn leave_out(&mut self, data: &Data, forget: &Forget) -> Result<()> {
        let listed: &[usize] = match forget {
            Forget::Classes(_) => &[],
            Forget::Samples { rows, .. } => rows,
        };
        let shares = data.train.shares(listed);
        let all_kept = data.train.len().saturating_sub(listed.len());
        let labels = data.part(self.eval.retain.part)?.labels();
        let label = |row: &usize| labels.get(*row).copied().unwrap_or_default();
        // kept / all < (all_kept / train) / 2, in integers.
        let hardly_trained = |row: &usize| {
            shares.get(&label(row)).is_none_or(|&(listed, all)| {
                all.saturating_sub(listed) as u128 * data.train.len() as u128 * 2
                    < all as u128 * all_kept as u128
            })
        };
        let (out, kept): (Vec<usize>, Vec<usize>) =
            self.eval.retain.rows.iter().copied().partition(hardly_trained);
        self.left_out = out.iter().map(label).collect::<BTreeSet<_>>().into_iter().collect();
        self.eval.retain.rows = kept;
        Ok(())
    }

    /// A note on classes that nothing is measured on.
    pub fn note(&self) -> Option<String> {
        let (classes, of) = match self.left_out.as_slice() {
            [] => return None,
            [one] => (format!("class {one}"), "its"),
            many => (format!("classes {}", list(many)), "their"),
        };
        Some(format!(
            "{classes}: most of {of} training samples are to be forgotten or missing, so {of} other \
             samples are not measured as retained"
        ))
    }

    fn check_sides(&self, data: &Data, forget: &Forget) -> Result<()> {
        for (split, side) in [("fit", &self.fit), ("eval", &self.eval)] {
            let set = match (side.forget.part, &data.test) {
                (_, None) => "the only set",
                (Part::Train, _) => "the training set",
                (Part::Test, _) => "the test set",
            };
            if side.forget.rows.is_empty() {
                return Err(match forget {
                    Forget::Classes(classes) => Error::nothing(
                        format!(
                            "{}: {set} leaves no sample of class {} for the {split} split",
                            data.source,
                            list(classes)
                        ),
                        "add samples of the forgotten classes; both splits need some",
                    ),
                    Forget::Samples { source, .. } => Error::nothing(
                        format!("{source}: too few samples to put any into the {split} split"),
                        "list two or more forgotten samples; half are fitted on, half measured on",
                    ),
                });
            }
            if side.retain.rows.is_empty() {
                return Err(Error::input(
                    &data.source,
                    format!("no retained sample is left for the {split} split"),
                    "add samples that were not to be forgotten; both splits need some",
                ));
            }
        }
        Ok(())
    }

    /// The four groups in a fixed order: fit forget, fit retain, eval forget, eval retain.
    pub fn groups(&self) -> [(&'static str, &Rows); 4] {
        [
            ("fit.forget", &self.fit.forget),
            ("fit.retain", &self.fit.retain),
            ("eval.forget", &self.eval.forget),
            ("eval.retain", &self.eval.retain),
        ]
    }

    /// SHA-256 over which rows, with which labels, are in which group.
    ///
    /// The serialisation, version 1: the text `forget-audit/split/1` and a line feed, then for each
    /// of [`Self::groups`] its name, a space, `train` or `test`, a line feed, the number of rows,
    /// and row and label of each, as 64-bit little-endian integers.
    ///
    /// # Errors
    /// [`Error::Internal`] where `data` is not what was split.
    pub fn sha256(&self, data: &Data) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update("forget-audit/split/1\n");
        for (name, group) in self.groups() {
            let part = match group.part {
                Part::Train => "train",
                Part::Test => "test",
            };
            hash.update(format!("{name} {part}\n"));
            let labels = data.part(group.part)?.labels();
            hash.update(number(group.rows.len())?);
            for &row in &group.rows {
                let label = labels
                    .get(row)
                    .ok_or_else(|| Error::internal(format!("{} has no row {row}", data.source)))?;
                hash.update(number(row)?);
                hash.update(number(*label)?);
            }
        }
        Ok(crate::hex::hex(&hash.finalize()))
    }
}

fn number(n: usize) -> Result<[u8; 8]> {
    u64::try_from(n)
        .map(u64::to_le_bytes)
        .map_err(|_| Error::internal(format!("{n} exceeds 64 bits")))
}

fn by_class(data: &Data, classes: &[usize], rng: &mut ChaCha8Rng) -> Result<Splits> {
    let there = data.classes();
    if let Some(unknown) = classes.iter().find(|class| !there.contains(class)) {
        return Err(Error::input(
            "--forget-classes",
            format!("no sample in {} is of class {unknown}", data.source),
            format!("choose from the classes there are: {}", ranges(&there)),
        ));
    }
    let forgotten: BTreeSet<usize> = classes.iter().copied().collect();
    if there.is_subset(&forgotten) {
        return Err(Error::input(
            "--forget-classes",
            format!("all classes in {} are to be forgotten, so none is retained", data.source),
            "leave at least one class out, or add samples of the retained classes",
        ));
    }
    let side = |part: Part, rows: Vec<usize>| -> Result<Side> {
        let labels = data.part(part)?.labels();
        let (forget, retain) = rows
            .into_iter()
            .partition(|&row| labels.get(row).is_some_and(|l| forgotten.contains(l)));
        Ok(Side { forget: Rows::new(part, forget), retain: Rows::new(part, retain) })
    };
    let train = (0..data.train.len()).collect();
    if let Some(test) = &data.test {
        let test = (0..test.len()).collect();
        return Ok(Splits {
            fit: side(Part::Train, train)?,
            eval: side(Part::Test, test)?,
            left_out: Vec::new(),
        });
    }
    let (fit, eval) = halve(train, data.train.labels(), rng);
    Ok(Splits {
        fit: side(Part::Train, fit)?,
        eval: side(Part::Train, eval)?,
        left_out: Vec::new(),
    })
}

fn by_row(data: &Data, source: &str, rows: &[usize], rng: &mut ChaCha8Rng) -> Result<Splits> {
    let count = data.train.len();
    if let Some(row) = rows.iter().find(|&&row| row >= count) {
        return Err(Error::internal(format!("{} has no row {row}", data.source)));
    }
    let listed: BTreeSet<usize> = rows.iter().copied().collect();
    let rest: Vec<usize> = (0..count).filter(|row| !listed.contains(row)).collect();
    if rest.is_empty() {
        return Err(Error::input(
            source,
            format!("all {count} training samples are to be forgotten, so none is retained"),
            "list only the forgotten samples",
        ));
    }
    let labels = data.train.labels();
    let (fit_forget, eval_forget) = halve(rows.to_vec(), labels, rng);
    let (fit_retain, eval_retain) = match &data.test {
        Some(test) => (rest, Rows::new(Part::Test, (0..test.len()).collect())),
        None => {
            let (fit, eval) = halve(rest, labels, rng);
            (fit, Rows::new(Part::Train, eval))
        }
    };
    Ok(Splits {
        fit: Side {
            forget: Rows::new(Part::Train, fit_forget),
            retain: Rows::new(Part::Train, fit_retain),
        },
        eval: Side { forget: Rows::new(Part::Train, eval_forget), retain: eval_retain },
        left_out: Vec::new(),
    })
}

/// Shuffles and halves each class; the odd samples of the classes go to either half in turn.
fn halve(rows: Vec<usize>, labels: &[usize], rng: &mut ChaCha8Rng) -> (Vec<usize>, Vec<usize>) {
    let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for row in rows {
        classes.entry(labels.get(row).copied().unwrap_or_default()).or_default().push(row);
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut odd_to_first = true;
    for (_, mut members) in classes {
        members.shuffle(rng);
        let half = if odd_to_first { members.len().div_ceil(2) } else { members.len() / 2 };
        odd_to_first ^= members.len() % 2 == 1;
        second.extend(members.split_off(half));
        first.extend(members);
    }
    (first, second)
}

fn list(classes: &[usize]) -> String {
    classes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `0-9, 12`: runs of classes, so that a thousand of them fit into a message.
fn ranges(classes: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &class in classes {
        match runs.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(class) => *end = class,
            _ => runs.push((class, class)),
        }
    }
    let shown = runs.iter().take(20).map(|&(start, end)| match start == end {
        true => start.to_string(),
        false => format!("{start}-{end}"),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if runs.len() > 20 {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
