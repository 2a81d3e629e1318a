use std::io::{Cursor, Read};

use zip::CompressionMethod::{Deflated, Stored};

use super::*;
use crate::data::testing::{npz, npz_with};

fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>> {
    Archive::new(Cursor::new(bytes), "d.npz")
}

fn content(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut archive = open(bytes)?;
    let member = archive.members()[0].clone();
    let mut stream = archive.open(&member)?;
    let mut content = Vec::new();
    let size = stream.size;
    (&mut stream).take(size).read_to_end(&mut content).map_err(|e| unreadable("d.npz", &e))?;
    stream.finish()?;
    Ok(content)
}

fn problem<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

/// The place of `needle`'s last occurrence.
fn last(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).rposition(|w| w == needle).unwrap()
}

#[test]
fn stored_and_deflated_members_read_back() {
    let data: Vec<u8> = (0..200_000u32).map(|i| (i / 300) as u8).collect();
    for method in [Stored, Deflated] {
        assert_eq!(content(&npz_with(&[("a", data.clone())], method)).unwrap(), data);
    }
}

#[test]
fn a_comment_behind_the_directory_is_allowed() {
    let mut bytes = npz(&[("a", vec![1, 2, 3])]);
    let end = bytes.len() - 2;
    bytes[end..].copy_from_slice(&5u16.to_le_bytes());
    bytes.extend(b"hello");
    assert_eq!(content(&bytes).unwrap(), [1, 2, 3]);
}

#[test]
fn files_that_are_no_archive_are_told_as_what_they_are() {
    for (bytes, expected) in [
        (vec![], "the file is empty"),
        (b"P".to_vec(), "not a zip archive"),
        (b"PK\x03\x04".to_vec(), "the zip directory is missing"),
        (b"\x93NUMPY\x01\x00".to_vec(), "a single .npy array"),
        (b"\x89PNG and so on".to_vec(), "not a zip archive"),
        (b"PK\x05\x06".to_vec(), "the zip directory is missing"),
    ] {
        let problem = problem(open(&bytes));
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let bytes = npz_with(&[("a", vec![7; 300]), ("b", vec![1, 2, 3])], Deflated);
    for len in 0..bytes.len() {
        assert!(content(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn a_flipped_bit_in_the_content_breaks_the_checksum() {
    let mut bytes = npz(&[("a", vec![7; 300])]);
    let at = last(&bytes, &[7; 300]);
    bytes[at + 100] ^= 1;
    assert!(problem(content(&bytes)).contains("checksum"));
}

/// Overwrites a field of the only directory entry.
fn patched(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    let entry = last(&bytes, ENTRY);
    bytes[entry + at..entry + at + value.len()].copy_from_slice(value);
    bytes
}

#[test]
fn a_directory_that_lies_is_caught() {
    let stored = || npz(&[("a", vec![7; 300])]);
    let deflated = || npz_with(&[("a", vec![7; 300])], Deflated);
    for (bytes, expected) in [
        (patched(stored(), 20, &900_000u32.to_le_bytes()), "ends behind the end"),
        (patched(stored(), 42, &900_000u32.to_le_bytes()), "starts behind the end"),
        (patched(stored(), 42, &3u32.to_le_bytes()), "no member starts"),
        // A saturated size without the zip64 field that would hold it.
        (patched(stored(), 24, &u32::MAX.to_le_bytes()), "directory is damaged"),
        (patched(stored(), 28, &u16::MAX.to_le_bytes()), "directory is damaged"),
        (patched(stored(), 8, &1u16.to_le_bytes()), "encrypted"),
        (patched(stored(), 10, &12u16.to_le_bytes()), "compression method 12"),
        // Unpacks to more than declared: never more than one byte of it is looked at.
        (patched(deflated(), 24, &100u32.to_le_bytes()), "longer than the directory says"),
    ] {
        let problem = problem(content(&bytes));
        assert!(problem.contains(expected), "{problem}");
    }
    let mut bytes = stored();
    let eocd = last(&bytes, EOCD);
    bytes[eocd + 16..eocd + 20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(problem(content(&bytes)).contains("lies outside the file"));
}

/// An archive that ends in zip64 records, as for more than 65 535 members.
fn zip64(entries: u64) -> Vec<u8> {
    let mut bytes = npz(&[("a", vec![1, 2, 3])]);
    let eocd = last(&bytes, EOCD);
    let size = u64::from(u32_at(&bytes, eocd + 12).unwrap());
    let offset = u64::from(u32_at(&bytes, eocd + 16).unwrap());
    let end = bytes.split_off(eocd);
    let mut record = ZIP64_EOCD.to_vec();
    record.extend(44u64.to_le_bytes());
    record.extend([0; 12]);
    for value in [entries, entries, size, offset] {
        record.extend(value.to_le_bytes());
    }
    bytes.extend(record);
    bytes.extend(ZIP64_LOCATOR);
    bytes.extend([0; 4]);
    bytes.extend(u64::try_from(eocd).unwrap().to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(end);
    bytes
}

#[test]
fn a_claimed_number_of_members_costs_nothing() {
    assert_eq!(content(&zip64(1)).unwrap(), [1, 2, 3]);
    assert_eq!(content(&zip64(u64::MAX)).unwrap(), [1, 2, 3]);
}

#[test]
fn two_members_of_one_name_are_refused() {
    // The writer refuses duplicates itself, so the second name is patched in.
    let mut bytes = npz(&[("aa", vec![1]), ("ab", vec![2])]);
    for _ in 0..2 {
        let at = last(&bytes, b"ab.npy");
        bytes[at + 1] = b'a';
    }
    assert!(problem(open(&bytes)).contains("two members are named `aa.npy`"));
}

#[test]
fn names_that_look_like_paths_are_only_names() {
    let bytes = npz(&[("../../etc/passwd", vec![1])]);
    assert_eq!(open(&bytes).unwrap().members()[0].name, "../../etc/passwd.npy");
    assert_eq!(content(&bytes).unwrap(), [1]);
}

#[test]
fn limits_refuse_bombs_and_floods_by_their_claims() {
    let bytes = npz_with(&[("a", vec![0; 1 << 20])], Deflated);
    let archive = open(&bytes).unwrap();
    let check = |limits| archive.check_limits(archive.members(), limits);
    assert!(check(Limits::default()).is_ok());
    let bomb = check(Limits { ratio: 100, ratio_floor: 1 << 10, ..Limits::default() });
    assert!(problem(bomb).contains("zip bomb"));
    let flood = check(Limits { total: 1 << 10, ..Limits::default() });
    assert!(problem(flood).contains("more than 1024 bytes"));
}
