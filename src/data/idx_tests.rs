use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::data::Values;

fn idx(code: u8, dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn images() -> Vec<u8> {
    idx(8, &[3, 2, 2], &(0..12).collect::<Vec<u8>>())
}

fn labels() -> Vec<u8> {
    idx(8, &[3], &[2, 0, 1])
}

#[test]
fn plain_and_packed_files_of_either_spelling_read_the_same() {
    let plain = folder(&[
        ("train-images-idx3-ubyte", images()),
        ("train-labels-idx1-ubyte", labels()),
        ("t10k-images-idx3-ubyte", images()),
        ("t10k-labels-idx1-ubyte", labels()),
    ]);
    let packed = folder(&[
        ("train-images.idx3-ubyte", images()),
        ("train-labels.idx1-ubyte.gz", gz(&labels())),
        ("t10k-images-idx3-ubyte.gz", gz(&images())),
        ("t10k-labels.idx1-ubyte", labels()),
    ]);
    for dir in [&plain, &packed] {
        assert!(recognise(dir.path()));
        let data = load(dir.path()).unwrap();
        for set in [&data.train, data.test.as_ref().unwrap()] {
            assert_eq!(set.labels(), [2, 0, 1]);
            let array = set.inputs().next().unwrap().1;
            assert_eq!(array.shape(), [3, 2, 2]);
            assert_eq!(array.values(), &Values::U8((0..12).collect()));
        }
        assert_eq!(data.files.len(), 4);
    }
    let data = read(plain.path(), 0).unwrap();
    assert!(matches!(data.train.inputs().next().unwrap().1.values(), Values::Stored(_)));
}

#[test]
fn other_types_are_big_endian() {
    let floats: Vec<u8> = [1.5f32, -2.0, 0.25].iter().flat_map(|v| v.to_be_bytes()).collect();
    let numbers: Vec<u8> = [2i32, 0, 1].iter().flat_map(|v| v.to_be_bytes()).collect();
    for pack in [|bytes: &[u8]| (bytes.to_vec(), ""), |bytes: &[u8]| (gz(bytes), ".gz")] {
        let (x, end) = pack(&idx(0x0d, &[3, 1, 1], &floats));
        let (y, _) = pack(&idx(0x0c, &[3], &numbers));
        let dir = folder(&[
            (&format!("train-images-idx3-ubyte{end}"), x),
            (&format!("train-labels-idx1-ubyte{end}"), y),
        ]);
        let data = load(dir.path()).unwrap();
        assert!(data.test.is_none());
        assert_eq!(data.train.labels(), [2, 0, 1]);
        let array = data.train.inputs().next().unwrap().1;
        assert_eq!(array.values(), &Values::F32(vec![1.5, -2.0, 0.25]));
    }
}

#[test]
fn damaged_files_are_refused() {
    let bomb = idx(8, &[1 << 28, 1, 1], &vec![0; 1 << 20]);
    let short = &images()[..20];
    let mut sum = gz(&images());
    let end = sum.len() - 8;
    sum[end] ^= 1;
    for (name, content, expected) in [
        ("train-images-idx3-ubyte", vec![], "ends within its header"),
        ("train-images-idx3-ubyte", vec![0, 0, 8, 3, 0], "ends within its header"),
        ("train-images-idx3-ubyte", b"<html>".to_vec(), "not the start of an IDX file"),
        ("train-images-idx3-ubyte", idx(8, &[], &[]), "not the start of an IDX file"),
        ("train-images-idx3-ubyte", idx(7, &[3, 1, 1], &[0; 3]), "0x07 is no element type"),
        ("train-images-idx3-ubyte", short.to_vec(), "in 28 bytes, but there are 20"),
        ("train-images-idx3-ubyte", [images(), vec![0]].concat(), "but there are 29"),
        ("train-images-idx3-ubyte", idx(8, &[u32::MAX; 3], &[]), "overflows"),
        ("train-images-idx3-ubyte", idx(8, &[u32::MAX, 1, 1], &[]), "but there are 16"),
        ("train-images-idx3-ubyte", idx(8, &[2, 2, 2], &[0; 8]), "2 samples, but"),
        ("train-images-idx3-ubyte.gz", vec![], "gzip stream ends early"),
        ("train-images-idx3-ubyte.gz", gz(&[]), "the file is empty"),
        ("train-images-idx3-ubyte.gz", images(), "the gzip stream is damaged"),
        ("train-images-idx3-ubyte.gz", gz(&images())[..20].to_vec(), "ends"),
        ("train-images-idx3-ubyte.gz", gz(short), "ends early"),
        ("train-images-idx3-ubyte.gz", sum, "the gzip stream is damaged"),
        ("train-images-idx3-ubyte.gz", gz(&[images(), vec![0]].concat()), "holds more than shape"),
        ("train-images-idx3-ubyte.gz", gz(&bomb), "gzip bomb"),
        ("train-images-idx3-ubyte.gz", gz(&idx(8, &[u32::MAX; 3], &[])), "overflows"),
    ] {
        let dir = folder(&[(name, content), ("train-labels-idx1-ubyte", labels())]);
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(!error.contains("numpy"), "{error}");
    }
}

#[test]
fn images_without_labels_are_refused() {
    let dir = folder(&[("train-images-idx3-ubyte", images())]);
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no train-labels-idx1-ubyte"), "{error}");
    let dir = folder(&[
        ("train-images-idx3-ubyte", images()),
        ("train-labels-idx1-ubyte", labels()),
        ("t10k-labels-idx1-ubyte", labels()),
    ]);
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no t10k-images-idx3-ubyte"), "{error}");
}
