//! Files for the tests of this module, sound and hostile, written byte by byte.

use std::io::{Cursor, Write};

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::{Data, Dataset};

/// An `.npy` file with any header text.
pub fn npy_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// An `.npy` file as NumPy would write it.
pub fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let dims: String = shape.iter().map(|d| format!("{d},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}\n");
    npy_with_header(&header, data)
}

/// An `.npz` of these members, stored or deflated.
pub fn npz_with(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in members {
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// An uncompressed `.npz`.
pub fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    npz_with(members, CompressionMethod::Stored)
}

/// `values` as little-endian floats.
pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The four arrays of the contract: 4 training and 2 test images of 3 x 2 x 2, two classes.
pub fn contract() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("x_train", npy("|u1", &[4, 3, 2, 2], &(0..48).collect::<Vec<u8>>())),
        ("y_train", npy("|u1", &[4], &[0, 1, 0, 1])),
        ("x_test", npy("|u1", &[2, 3, 2, 2], &(0..24).collect::<Vec<u8>>())),
        ("y_test", npy("|u1", &[2], &[0, 1])),
    ]
}

/// The contract's arrays with one replaced.
pub fn contract_with(name: &'static str, content: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    let mut members = contract();
    members.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, c)| *c = content.clone());
    members
}

/// Data of these labels, with one value as each sample.
pub fn labelled(train: &[usize], test: Option<&[usize]>) -> Data {
    let set = |name: &str, labels: &[usize]| {
        let array = |key: &str, values: Vec<i64>| {
            let subject = format!("d.npz: {key}_{name}");
            super::Array::new(&subject, vec![labels.len()], super::Values::I64(values))
        };
        let values: Vec<i64> = labels.iter().map(|&l| i64::try_from(l).unwrap()).collect();
        let inputs = vec![("x".to_owned(), array("x", values.clone()))];
        Dataset::new(inputs, &array("y", values)).unwrap()
    };
    Data::new("d.npz", set("train", train), test.map(|labels| set("test", labels)))
}
