use std::path::{Path, PathBuf};

use super::*;
use crate::data::{Feed, InputSpec, Normalization, Preprocess};

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn array(path: &Path, kind: Kind, offset: u64, shape: &[usize], small: u64) -> Result<Array> {
    let (rows, width) = rows_and_width(shape);
    let segment = Segment { file: Positioned::open(path).unwrap(), offset, rows };
    let encoding = Encoding { kind, big_endian: false };
    let stored = Stored::new(vec![segment], encoding, width, None)?;
    stored.into_array("x", shape.to_vec(), Purpose::Input, small)
}

fn spec(dims: &[Option<usize>]) -> InputSpec {
    InputSpec { name: "input".into(), dims: dims.to_vec() }
}

/// Read at once or left in the file, an array feeds the same, in any order of rows and threads.
#[test]
fn values_left_in_the_file_feed_as_those_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (n, c, h, w) = (7, 3, 4, 5);
    let count = n * c * h * w;
    let bytes: Vec<u8> = (0..count).map(|i| (i * 37 % 251) as u8).collect();
    let floats: Vec<f32> = bytes.iter().map(|&b| f32::from(b) / 7.0).collect();
    let doubles: Vec<u8> = floats.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect();
    let halves: Vec<u8> =
        floats.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect();
    let norm: Preprocess = Normalization::new(vec![0.1, 0.2, 0.3], vec![0.5]).unwrap().into();
    for (kind, content) in [(Kind::U8, bytes), (Kind::F64, doubles), (Kind::Bf16, halves)] {
        let path = file(dir.path(), "x", &[b"head".as_slice(), &content].concat());
        for shape in [[n, c, h, w], [n, h, w, c]] {
            let memory = array(&path, kind, 4, &shape, u64::MAX).unwrap();
            let stored = array(&path, kind, 4, &shape, 0).unwrap();
            assert!(matches!(stored.values(), Values::Stored(_)));
            assert!(!matches!(memory.values(), Values::Stored(_)));
            let dims = [None, Some(c), None, None];
            let feeds = [&memory, &stored].map(|a| Feed::new(a, &spec(&dims), &norm).unwrap());
            let fed = |feed: &Feed, rows: &[usize]| {
                let mut out = Vec::new();
                (feed.fill_f32(rows, &mut out).unwrap(), out)
            };
            let [memory, stored] = &feeds;
            std::thread::scope(|scope| {
                for rows in [[6, 0, 3, 3], [1, 2, 5, 4]] {
                    scope.spawn(move || assert_eq!(fed(memory, &rows), fed(stored, &rows)));
                }
            });
            let error = stored.fill_f32(&[n], &mut Vec::new());
            assert!(matches!(error, Err(Error::Internal { .. })));
        }
    }
}

#[test]
fn integers_left_in_the_file_feed_integer_inputs() {
    let dir = tempfile::tempdir().unwrap();
    let ids: Vec<u8> = [5i32, 6, 7, -8].iter().flat_map(|v| v.to_le_bytes()).collect();
    let stored = array(&file(dir.path(), "ids", &ids), Kind::I32, 0, &[2, 2], 0).unwrap();
    let feed = Feed::new(&stored, &spec(&[None, None]), &Preprocess::default()).unwrap();
    let mut out = Vec::new();
    assert_eq!(feed.fill_i64(&[1, 0], &mut out).unwrap(), [2, 2]);
    assert_eq!(out, [7, -8, 5, 6]);
    assert!(feed.fill_f32(&[0], &mut Vec::new()).is_err());
}

#[test]
fn rows_lie_apart_and_in_several_files() {
    let dir = tempfile::tempdir().unwrap();
    // Records of a label and three pixels.
    let one = file(dir.path(), "1", &[9, 1, 2, 3, 8, 4, 5, 6]);
    let two = file(dir.path(), "2", &[7, 10, 11, 12]);
    let segment =
        |path: &PathBuf, rows| Segment { file: Positioned::open(path).unwrap(), offset: 1, rows };
    let encoding = Encoding { kind: Kind::U8, big_endian: false };
    let segments = vec![segment(&one, 2), segment(&two, 1)];
    let stored = Stored::new(segments.clone(), encoding, 3, Some(4)).unwrap();
    let (mut bytes, mut row) = (Vec::new(), Vec::<u8>::new());
    for (i, expected) in [[1, 2, 3], [4, 5, 6], [10, 11, 12]].iter().enumerate() {
        stored.read_row(i, &mut bytes, &mut row).unwrap();
        assert_eq!(row, expected);
    }
    let memory = stored.into_array("x", vec![3, 3], Purpose::Input, u64::MAX).unwrap();
    assert_eq!(memory.values(), &Values::U8(vec![1, 2, 3, 4, 5, 6, 10, 11, 12]));
    // One row more than there is.
    let beyond = vec![segment(&one, 3)];
    let error = Stored::new(beyond, encoding, 3, Some(4)).unwrap_err().to_string();
    assert!(error.contains("3 rows of 3 values do not fit"), "{error}");
}

#[test]
fn values_no_model_can_use_are_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for small in [0, u64::MAX] {
        let mut values = [0f32; 12];
        values[7] = f32::NAN;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let path = file(dir.path(), "nan", &bytes);
        let error = array(&path, Kind::F32, 0, &[4, 3], small).unwrap_err().to_string();
        assert!(error.starts_with("x[2, 1]: the value is NaN"), "{error}");
        let path = file(dir.path(), "wide", &[[0; 8], [0xff; 8]].concat());
        let error = array(&path, Kind::U64, 0, &[2, 1], small).unwrap_err().to_string();
        assert!(error.starts_with("x[1, 0]: 18446744073709551615 is larger"), "{error}");
    }
}

#[test]
fn a_file_that_shrinks_is_an_error_not_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "x", &[1; 100]);
    let stored = array(&path, Kind::U8, 0, &[10, 10], 0).unwrap();
    std::fs::write(&path, [1; 50]).unwrap();
    let feed = Feed::new(&stored, &spec(&[None, None]), &Preprocess::default()).unwrap();
    assert!(feed.fill_f32(&[4], &mut Vec::new()).is_ok());
    let error = feed.fill_f32(&[5], &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("the file ends early"), "{error}");
}

#[test]
fn shapes_that_promise_the_impossible_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "x", &[1; 8]);
    for shape in [&[usize::MAX, usize::MAX][..], &[3, 3], &[1, usize::MAX], &[usize::MAX]] {
        assert!(array(&path, Kind::I64, 0, shape, 0).is_err(), "{shape:?}");
    }
    assert!(array(&path, Kind::U8, u64::MAX, &[1, 1], 0).is_err());
}

/// Longer than what is looked at together, and not a multiple of it.
#[test]
fn long_arrays_are_gone_through_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    let count = BLOCK / 4 * 2 + 5;
    let mut bytes = vec![0u8; count * 4];
    let path = file(dir.path(), "x", &bytes);
    assert!(array(&path, Kind::F32, 0, &[1, count], 0).is_ok());
    bytes[(count - 1) * 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let path = file(dir.path(), "x", &bytes);
    let error = array(&path, Kind::F32, 0, &[1, count], 0).unwrap_err().to_string();
    assert!(error.starts_with(&format!("x[0, {}]", count - 1)), "{error}");
}
