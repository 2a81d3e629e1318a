use safetensors::tensor::TensorView;

use super::*;
use crate::data::Values;

/// A file with any header.
fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn from_bytes(bytes: &[u8], small: u64) -> Result<Data> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.safetensors");
    std::fs::write(&path, bytes).unwrap();
    read(&path, &[], small)
}

/// The file as the crate's own writer lays it down.
fn written(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn values(data: &Data) -> Values {
    data.train.inputs().next().unwrap().1.values().clone()
}

#[test]
fn arrays_of_the_crates_writer_read_back() {
    let y: Vec<u8> = [1i32, 0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let read = |dtype, x: &[u8]| {
        let file = written(&[("x", dtype, &[2, 1], x), ("y", Dtype::I32, &[2], &y)]);
        let data = from_bytes(&file, SMALL).unwrap();
        assert_eq!(data.train.labels(), [1, 0]);
        assert!(matches!(values(&from_bytes(&file, 0).unwrap()), Values::Stored(_)));
        values(&data)
    };
    assert_eq!(read(Dtype::U8, &[7, 255]), Values::U8(vec![7, 255]));
    assert_eq!(read(Dtype::BOOL, &[0, 1]), Values::I64(vec![0, 1]));
    assert_eq!(read(Dtype::I8, &[0xff, 1]), Values::I64(vec![-1, 1]));
    let wide = |values: [i64; 2]| values.map(i64::to_le_bytes).concat();
    assert_eq!(read(Dtype::I64, &wide([-5, 9])), Values::I64(vec![-5, 9]));
    // 1.5 and -2 by the layout of each type.
    assert_eq!(read(Dtype::F16, &[0x00, 0x3e, 0x00, 0xc0]), Values::F32(vec![1.5, -2.0]));
    assert_eq!(read(Dtype::BF16, &[0xc0, 0x3f, 0x00, 0xc0]), Values::F32(vec![1.5, -2.0]));
    let floats = [1.5f32, -2.0].map(f32::to_le_bytes).concat();
    assert_eq!(read(Dtype::F32, &floats), Values::F32(vec![1.5, -2.0]));
    let doubles = [1.5f64, -2.0].map(f64::to_le_bytes).concat();
    assert_eq!(read(Dtype::F64, &doubles), Values::F32(vec![1.5, -2.0]));
}

#[test]
fn unsound_files_are_refused() {
    let whole = written(&[("x", Dtype::U8, &[2, 1], &[1, 2]), ("y", Dtype::U8, &[2], &[0, 1])]);
    assert!(from_bytes(&whole, 0).is_ok());
    let y = r#""y":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}"#;
    let x = |dtype: &str, shape: &str, end: u64| {
        let x = format!(r#""x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[2,{end}]}}"#);
        with_header(&format!("{{{y},{x}}}"), &[0; 4])
    };
    assert!(from_bytes(&x("U8", "[2]", 4), 0).is_ok());
    let long = with_header(&" ".repeat(2 << 20), &[]);
    for (bytes, expected) in [
        (vec![], "the file is empty"),
        (vec![1, 2, 3], "3 bytes are too few"),
        (
            whole[..whole.len() - 1].to_vec(),
            "the header promises 4 bytes of values, but there are 3",
        ),
        ([&whole[..], &[0]].concat(), "but there are 5"),
        (whole[..20].to_vec(), "the header claims"),
        (u64::MAX.to_le_bytes().to_vec(), "the header claims 18446744073709551615 bytes"),
        (long, "unreasonably long"),
        (with_header("{", &[]), "the header is damaged"),
        (with_header(&"[".repeat(100_000), &[]), "the header is damaged"),
        (with_header("{}", &[]), "arrays `x_train`"),
        (x("U8", "[3]", 4), "the header is damaged"),
        (x("U8", "[18446744073709551615, 2]", 4), "the header is damaged"),
        (x("U8", "[2]", 1), "the header is damaged"),
        (x("U8", "[2]", u64::MAX), "the header is damaged"),
        (x("STRING", "[2]", 4), "the header is damaged"),
        (x("F8_E4M3", "[2]", 4), "x: type F8_E4M3 is not supported"),
        (x("U8", "[1, 2]", 4), "x: 1 samples, but"),
        (x("F16", "[1]", 4), "x: 1 samples, but"),
        (x("U8", "[]", 3), "the header promises 3 bytes"),
    ] {
        for small in [0, SMALL] {
            let error = from_bytes(&bytes, small).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
