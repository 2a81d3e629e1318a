use super::*;
use crate::data::testing::labelled;

fn classes(list: &[usize]) -> Forget {
    Forget::Classes(list.to_vec())
}

fn samples(rows: &[usize]) -> Forget {
    Forget::Samples { source: "f.txt".to_owned(), rows: rows.to_vec(), skipped: 0 }
}

fn rows(splits: &Splits) -> [&[usize]; 4] {
    splits.groups().map(|(_, group)| group.rows.as_slice())
}

/// No row is in two groups.
fn assert_disjoint(splits: &Splits) {
    let mut seen = BTreeSet::new();
    for (name, group) in splits.groups() {
        for &row in &group.rows {
            assert!(seen.insert((group.part, row)), "{name} repeats {:?} {row}", group.part);
        }
    }
}

#[test]
fn two_sets_are_divided_by_class() {
    let data = labelled(&[0, 1, 2, 1], Some(&[2, 1, 0]));
    let splits = Splits::resolve(&data, &classes(&[1]), 0).unwrap();
    assert_eq!(rows(&splits), [&[1, 3][..], &[0, 2], &[1], &[0, 2]]);
    assert_eq!(splits.fit.retain.part, Part::Train);
    assert_eq!(splits.eval.forget.part, Part::Test);
}

#[test]
fn one_set_is_halved_class_by_class() {
    let labels: Vec<usize> = (0..103).map(|i| i % 5).collect();
    let data = labelled(&labels, None);
    let splits = Splits::resolve(&data, &classes(&[2, 4]), 7).unwrap();
    assert_disjoint(&splits);
    assert_eq!(rows(&splits).iter().map(|r| r.len()).sum::<usize>(), 103);
    for class in 0..5 {
        let count = |side: &Side| {
            let all = side.forget.rows.iter().chain(&side.retain.rows);
            all.filter(|&&row| labels[row] == class).count()
        };
        assert!(count(&splits.fit).abs_diff(count(&splits.eval)) <= 1);
    }
    // The odd samples of three classes don't all fall to one half.
    let fit = splits.fit.forget.rows.len() + splits.fit.retain.rows.len();
    assert!((51..=52).contains(&fit));
    assert!(splits.fit.forget.rows.iter().all(|&row| [2, 4].contains(&labels[row])));
}

#[test]
fn listed_samples_are_halved_and_the_rest_retained() {
    let data = labelled(&[0, 0, 0, 0, 1, 1, 1, 1, 0, 1], Some(&[0, 1, 1]));
    let splits = Splits::resolve(&data, &samples(&[0, 1, 4, 5]), 3).unwrap();
    assert_disjoint(&splits);
    let [fit_forget, fit_retain, eval_forget, eval_retain] = rows(&splits);
    // One of each class in either half.
    assert_eq!((fit_forget.len(), eval_forget.len()), (2, 2));
    assert_eq!(fit_forget.iter().filter(|&&row| row < 4).count(), 1);
    assert_eq!(fit_retain, [2, 3, 6, 7, 8, 9]);
    assert_eq!(eval_retain, [0, 1, 2]);
    assert_eq!(splits.eval.forget.part, Part::Train);
    assert_eq!(splits.eval.retain.part, Part::Test);

    let single = labelled(&[0, 0, 0, 0, 1, 1, 1, 1], None);
    let splits = Splits::resolve(&single, &samples(&[0, 7]), 3).unwrap();
    assert_disjoint(&splits);
    assert_eq!(rows(&splits).map(|r| r.len()), [1, 3, 1, 3]);
}

#[test]
fn the_seed_decides_the_split_and_its_hash() {
    let labels: Vec<usize> = (0..40).map(|i| i % 4).collect();
    let data = labelled(&labels, None);
    let hash = |seed| {
        let splits = Splits::resolve(&data, &classes(&[1]), seed).unwrap();
        splits.sha256(&data).unwrap()
    };
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
    assert_eq!(hash(1).len(), 64);
}

/// The serialisation is a promise of the report, so it is written out here byte by byte.
#[test]
fn the_hash_is_over_the_documented_bytes() {
    let data = labelled(&[0, 1], Some(&[1, 0]));
    let splits = Splits::resolve(&data, &classes(&[1]), 0).unwrap();
    let mut bytes = b"forget-audit/split/1\n".to_vec();
    for (name, row, label) in [
        ("fit.forget train\n", 1u64, 1u64),
        ("fit.retain train\n", 0, 0),
        ("eval.forget test\n", 0, 1),
        ("eval.retain test\n", 1, 0),
    ] {
        bytes.extend(name.as_bytes());
        for n in [1, row, label] {
            bytes.extend(n.to_le_bytes());
        }
    }
    assert_eq!(splits.sha256(&data).unwrap(), crate::hex::hex(&Sha256::digest(bytes)));
}

#[test]
fn a_label_changes_the_hash() {
    let a = labelled(&[0, 1, 2], Some(&[0, 1, 2]));
    let b = labelled(&[2, 1, 0], Some(&[0, 1, 2]));
    let hash =
        |data: &Data| Splits::resolve(data, &classes(&[1]), 0).unwrap().sha256(data).unwrap();
    assert_ne!(hash(&a), hash(&b));
}

fn problem(data: &Data, forget: &Forget) -> Error {
    Splits::resolve(data, forget, 0).unwrap_err()
}

#[test]
fn unknown_classes_are_told_with_those_there_are() {
    let data = labelled(&[0, 1, 2, 3, 7], Some(&[0, 9]));
    let error = problem(&data, &classes(&[5]));
    assert_eq!(error.to_string(), "--forget-classes: no sample in d.npz is of class 5");
    assert_eq!(error.remedy(), "choose from the classes there are: 0-3, 7, 9");
    let sparse: Vec<usize> = (0..100).map(|i| i * 2).collect();
    let error = problem(&labelled(&sparse, None), &classes(&[5]));
    assert!(error.remedy().ends_with("36, 38, …"), "{}", error.remedy());
}

#[test]
fn forgetting_everything_is_refused() {
    let data = labelled(&[0, 1], Some(&[0, 1]));
    assert!(problem(&data, &classes(&[0, 1])).to_string().contains("none is retained"));
    assert!(problem(&data, &samples(&[0, 1])).to_string().contains("none is retained"));
}

#[test]
fn an_empty_forget_group_leaves_nothing_to_compare() {
    for (data, forget, expected) in [
        (labelled(&[0, 1], Some(&[0, 0])), classes(&[1]), "the test set leaves no sample"),
        (labelled(&[0, 0], Some(&[0, 1])), classes(&[1]), "the training set leaves no sample"),
        (labelled(&[0, 0, 1], None), classes(&[1]), "the only set leaves no sample"),
        (labelled(&[0, 0, 1], Some(&[0])), samples(&[1]), "any into the eval split"),
        (labelled(&[0, 0, 1], Some(&[0])), samples(&[]), "any into the fit split"),
    ] {
        let error = problem(&data, &forget);
        assert!(matches!(error, Error::NothingToCompare { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = problem(&labelled(&[0, 1], Some(&[0, 0])), &classes(&[1]));
    assert_eq!(
        error.to_string(),
        "nothing to compare: d.npz: the test set leaves no sample of class 1 for the eval split"
    );
}

#[test]
fn an_empty_retain_group_is_named() {
    let data = labelled(&[0, 1], Some(&[1]));
    let error = problem(&data, &classes(&[1])).to_string();
    assert_eq!(error, "d.npz: no retained sample is left for the eval split");
}

#[test]
fn rows_beyond_the_training_set_are_refused() {
    let data = labelled(&[0, 1, 0], Some(&[0]));
    assert!(matches!(problem(&data, &samples(&[1, 3])), Error::Internal { .. }));
}

/// Of class 0 one of five training samples is left, of all eleven of fifteen: less than half as large
/// a share. Half of every class is no such loss, whatever the share.
#[test]
fn a_class_that_is_hardly_trained_on_is_no_measure_of_what_was_kept() {
    let train: Vec<usize> = (0..15).map(|row| row / 5).collect();
    let test = [0, 1, 2, 3, 0, 1, 2];
    let data = labelled(&train, Some(&test));
    let splits = Splits::resolve(&data, &samples(&[0, 1, 2, 3]), 0).unwrap();
    // Class 3 has no training sample at all.
    assert_eq!(splits.left_out, [0, 3]);
    assert_eq!(splits.eval.retain.rows, [1, 2, 5, 6]);
    assert!(splits.fit.retain.rows.contains(&4), "it is trained on");
    assert!(splits.note().unwrap().starts_with("classes 0, 3: most of their training samples"));

    let one_set = labelled(&train, None);
    let half = samples(&[0, 1, 5, 6, 10, 11]);
    let splits = Splits::resolve(&one_set, &half, 0).unwrap();
    assert_eq!((splits.left_out.len(), splits.note()), (0, None));

    let by_class = Splits::resolve(&data, &classes(&[1]), 0).unwrap();
    assert_eq!((by_class.left_out, by_class.eval.retain.rows), (vec![3], vec![0, 2, 4, 6]));
}
