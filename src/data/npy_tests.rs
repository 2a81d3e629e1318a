use npyz::WriterBuilder;
use proptest::prelude::*;

use super::*;
use crate::data::Values;
use crate::data::testing::{floats, npy, npy_with_header};

fn parse(bytes: &[u8], purpose: Purpose) -> Result<Array> {
    let size = bytes.len() as u64;
    read(&mut &bytes[..], size, size, "d.npz: x_train", purpose)
}

fn problem(bytes: &[u8]) -> String {
    parse(bytes, Purpose::Input).unwrap_err().to_string()
}

/// The array as npyz, an independent implementation, writes it.
fn written<T: npyz::AutoSerialize + Copy>(values: &[T], order: npyz::Order) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .order(order)
        .shape(&[2, 2])
        .writer(&mut bytes)
        .begin_nd()
        .unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn arrays_of_an_independent_writer_read_back() {
    let c = npyz::Order::C;
    let values = |bytes: Vec<u8>| parse(&bytes, Purpose::Input).unwrap().values().clone();
    assert_eq!(values(written(&[1u8, 2, 3, 255], c)), Values::U8(vec![1, 2, 3, 255]));
    assert_eq!(values(written(&[1.5f32, -2.0, 0.0, 9.0], c)), Values::F32(vec![1.5, -2., 0., 9.]));
    assert_eq!(values(written(&[1.5f64, -2.0, 0.0, 9.0], c)), Values::F32(vec![1.5, -2., 0., 9.]));
    assert_eq!(values(written(&[-1i64, 2, 3, i64::MIN], c)), Values::I64(vec![-1, 2, 3, i64::MIN]));
    assert_eq!(values(written(&[-1i8, 2, 3, 4], c)), Values::I64(vec![-1, 2, 3, 4]));
    assert_eq!(values(written(&[65535u16, 2, 3, 4], c)), Values::I64(vec![65535, 2, 3, 4]));
    assert_eq!(values(written(&[true, false, true, true], c)), Values::I64(vec![1, 0, 1, 1]));
    let array = parse(&written(&[1u8, 2, 3, 4], c), Purpose::Input).unwrap();
    assert_eq!(array.shape(), [2, 2]);
}

#[test]
fn big_endian_and_later_format_versions_are_read() {
    let array = parse(&npy(">f4", &[1], &1.5f32.to_be_bytes()), Purpose::Input).unwrap();
    assert_eq!(array.values(), &Values::F32(vec![1.5]));
    let header = "{\"shape\": (1L,), \"descr\": \"|u1\", \"fortran_order\": False}";
    let mut bytes = b"\x93NUMPY\x03\x00".to_vec();
    bytes.extend(u32::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.push(42);
    assert_eq!(parse(&bytes, Purpose::Input).unwrap().values(), &Values::U8(vec![42]));
}

#[test]
fn labels_keep_the_precision_of_doubles() {
    let bytes = npy("<f8", &[1], &2.000_000_000_1f64.to_le_bytes());
    let array = parse(&bytes, Purpose::Labels).unwrap();
    assert!(array.to_whole_numbers("label").unwrap_err().to_string().contains("not whole"));
}

#[test]
fn a_shape_of_terabytes_is_refused_before_anything_is_reserved() {
    for shape in [vec![1 << 40, 3, 32, 32], vec![usize::MAX], vec![usize::MAX, usize::MAX]] {
        let problem = problem(&npy("<f4", &shape, &[0; 16]));
        assert!(problem.contains("promises shape") || problem.contains("overflows"), "{problem}");
    }
    // A product of zero hides nothing: the data must be empty then.
    assert!(problem(&npy("<f4", &[usize::MAX, 0], &[0; 4])).contains("promises"));
}

#[test]
fn a_declared_size_does_not_reserve_memory() {
    // Header and declaration agree on 4 TiB; only 16 bytes are there.
    let shape = [1usize << 40];
    let bytes = npy("<f4", &shape, &[0; 16]);
    let declared = (bytes.len() as u64 - 16) + (4u64 << 40);
    let error = read(&mut &bytes[..], declared, 64, "d.npz: x", Purpose::Input).unwrap_err();
    assert!(error.to_string().contains("do not fit into memory"), "{error}");
    // The same with 8 GiB, which may be held once they are there.
    let bytes = npy("<f4", &[2 << 30], &[0; 16]);
    let declared = (bytes.len() as u64 - 16) + (8u64 << 30);
    let error = read(&mut &bytes[..], declared, 64, "d.npz: x", Purpose::Input).unwrap_err();
    assert!(error.to_string().contains("ends early"), "{error}");
}

#[test]
fn too_few_and_too_many_values_are_told_with_both_sizes() {
    for data in [&[0u8; 11][..], &[0; 13]] {
        let problem = problem(&npy("<f4", &[3], data));
        assert!(problem.contains("the header promises shape (3,) in"), "{problem}");
    }
}

#[test]
fn types_that_are_no_numbers_are_refused() {
    for (descr, expected) in [
        ("|O", "pickled Python objects, which are never loaded"),
        ("<U5", "type `<U5` is not a number"),
        ("<c8", "type `<c8` is not a number"),
        ("<M8[ns]", "is not a number"),
        ("", "is not a number"),
        ("é4", "is not a number"),
    ] {
        let problem = problem(&npy(descr, &[1], &[0; 8]));
        assert!(problem.contains(expected), "{problem}");
    }
    let header = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}";
    assert!(problem(&npy_with_header(header, &[0; 4])).contains("structured"));
}

#[test]
fn fortran_order_is_refused_unless_it_makes_no_difference() {
    let bytes = written(&[1u8, 2, 3, 4], npyz::Order::Fortran);
    let error = parse(&bytes, Purpose::Input).unwrap_err();
    assert!(error.to_string().contains("Fortran order"));
    assert!(error.remedy().contains("ascontiguousarray"));
    let flat = "{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}";
    assert!(parse(&npy_with_header(flat, &[1, 2]), Purpose::Input).is_ok());
}

#[test]
fn nan_and_infinity_are_told_with_their_index() {
    let mut values = vec![0.5; 2 * 3 * 2 * 2];
    values[12 + 4 + 3] = f32::NAN;
    let problem_at = problem(&npy("<f4", &[2, 3, 2, 2], &floats(&values)));
    assert!(problem_at.starts_with("d.npz: x_train[1, 1, 1, 1]: "), "{problem_at}");
    // Finite as a double, infinite as a float.
    assert!(problem(&npy("<f8", &[1], &1e300f64.to_le_bytes())).contains("x_train[0]"));
    assert!(problem(&npy("<f2", &[1], &0x7c00u16.to_le_bytes())).contains("x_train[0]"));
}

#[test]
fn integers_beyond_64_signed_bits_are_told_with_their_index() {
    let bytes = [1u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
    let problem = problem(&npy("<u8", &[2], &bytes));
    assert!(problem.contains("x_train[1]: 18446744073709551615 is larger"), "{problem}");
}

#[test]
fn damaged_headers_are_refused() {
    for header in [
        "",
        "{",
        "}",
        "{}",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1e3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}x",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} more",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
    ] {
        assert!(parse(&npy_with_header(header, &[0; 4]), Purpose::Input).is_err(), "{header}");
    }
    // Brackets without end and dimensions without end.
    for text in ["(".repeat(60_000), "{'shape': (".to_owned() + &"1,".repeat(20_000) + ")}"] {
        assert!(parse(&npy_with_header(&text, &[]), Purpose::Input).is_err());
    }
    assert!(problem(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").contains("unreasonably long"));
    assert!(problem(b"\x93NUMPY\x09\x00\x01\x00{").contains("version 9"));
    assert!(problem(b"\x93NUMPX\x01\x00\x01\x00{").contains("not a NumPy array"));
    assert!(problem(b"\x93NUMPY\x01\x00\x02\x00\xff\xff").contains("not text"));
}

proptest! {
    #[test]
    fn random_headers_never_panic(header in "[{}'a-z:(),0-9L \\[]{0,80}", data: [u8; 8]) {
        let _ = parse(&npy_with_header(&header, &data), Purpose::Input);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = parse(&bytes, Purpose::Labels);
    }
}
