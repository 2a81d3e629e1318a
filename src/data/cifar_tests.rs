use super::*;
use crate::data::{InputSpec, Preprocess, Values};

/// `rows` records, the label by `label`, the pixels counting up from the row.
fn records(rows: usize, coarse: &[u8], label: impl Fn(usize) -> u8) -> Vec<u8> {
    (0..rows)
        .flat_map(|row| {
            let pixels = (0..3072).map(move |i| ((row + i) % 256) as u8);
            coarse.iter().copied().chain([label(row)]).chain(pixels).collect::<Vec<u8>>()
        })
        .collect()
}

fn cifar10() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (i, name) in CIFAR10.train.iter().enumerate() {
        std::fs::write(dir.path().join(name), records(i + 1, &[], |row| row as u8)).unwrap();
    }
    std::fs::write(dir.path().join("test_batch.bin"), records(2, &[], |_| 9)).unwrap();
    dir
}

fn problem(dir: &tempfile::TempDir) -> String {
    load(dir.path()).unwrap_err().to_string()
}

#[test]
fn five_batches_make_one_set() {
    let dir = cifar10();
    assert!(recognise(dir.path()));
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    std::fs::write(dir.path().join("batches.meta.txt"), names).unwrap();
    for small in [0, SMALL] {
        let data = read(dir.path(), small).unwrap();
        assert_eq!(data.train.len(), 15);
        assert_eq!(&data.train.labels()[..7], [0, 0, 1, 0, 1, 2, 0]);
        assert_eq!(data.test.as_ref().unwrap().labels(), [9, 9]);
        assert_eq!(data.class_names.as_ref().unwrap()[9], "truck");
        let array = data.train.inputs().next().unwrap().1;
        assert_eq!(array.shape(), [15, 3, 32, 32]);
        assert_eq!(matches!(array.values(), Values::Stored(_)), small == 0);
        let spec = InputSpec { name: "x".into(), dims: vec![None; 4] };
        let (_, batch) = data.train.batch(&[5, 2], &spec, &Preprocess::default()).unwrap();
        // Row 5 is the third record of the third batch, row 2 the second of the second.
        assert_eq!(batch[..2], [2.0 / 255.0, 3.0 / 255.0]);
        assert_eq!(batch[3072..3074], [1.0 / 255.0, 2.0 / 255.0]);
    }
}

#[test]
fn the_fine_label_of_cifar100_counts() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("train.bin"), records(3, &[19], |row| 97 + row as u8)).unwrap();
    std::fs::write(dir.path().join("test.bin"), records(1, &[0], |_| 42)).unwrap();
    let data = load(dir.path()).unwrap();
    assert_eq!(data.train.labels(), [97, 98, 99]);
    assert_eq!(data.test.unwrap().labels(), [42]);
    assert_eq!(data.class_names, None);
    std::fs::write(dir.path().join("fine_label_names.txt"), "apple\n").unwrap();
    assert!(problem(&dir).contains("1 names for 100 classes"));
}

#[test]
fn a_folder_of_both_is_refused() {
    let dir = cifar10();
    std::fs::write(dir.path().join("test.bin"), records(1, &[0], |_| 42)).unwrap();
    let error = problem(&dir);
    assert!(error.contains("test.bin: a file of CIFAR-100 beside CIFAR-10's"), "{error}");
}

#[test]
fn given_names_go_before_the_order_of_the_records() {
    let dir = cifar10();
    let names = ["j", "i", "h", "g", "f", "e", "d", "c", "b", "a"].map(str::to_owned);
    std::fs::write(dir.path().join("batches.meta.txt"), names.join("\n")).unwrap();
    let mut given = names.to_vec();
    given.sort();
    let options = crate::data::LoadOptions { class_names: Some(given), ..Default::default() };
    let data = crate::data::load(dir.path(), &["x"], &options).unwrap();
    assert_eq!(&data.train.labels()[..7], [9, 9, 8, 9, 8, 7, 9]);
    assert_eq!(data.test.unwrap().labels(), [0, 0]);
}

#[test]
fn damaged_folders_are_refused_with_the_file() {
    let dir = cifar10();
    let path = dir.path().join("data_batch_3.bin");
    let whole = std::fs::read(&path).unwrap();
    for (content, expected) in [
        (vec![], "data_batch_3.bin: 0 bytes are no whole number of 3073-byte records"),
        (whole[..whole.len() - 1].to_vec(), "data_batch_3.bin: 9218 bytes"),
        ([&whole[..], &[0]].concat(), "data_batch_3.bin: 9220 bytes"),
        (records(3, &[], |row| 8 + row as u8), "data_batch_3.bin: record 2 has label 10"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = problem(&dir);
        assert!(error.contains(expected), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(problem(&dir).contains("data_batch_3.bin: no such file"));
    std::fs::write(&path, whole).unwrap();
    std::fs::write(dir.path().join("batches.meta.txt"), b"\xff").unwrap();
    assert!(problem(&dir).contains("byte 0 is not text"));
}
