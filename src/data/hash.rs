//! SHA-256 in hexadecimal, for the report to say which data it speaks of.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::archive::unreadable;
use crate::Result;
use crate::hex::hex;

/// SHA-256 of a file's bytes, read in pieces.
///
/// # Errors
/// A file that is missing, a folder or unreadable.
pub fn file_sha256(path: &Path) -> Result<String> {
    let mut file = super::npz::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let n = file
            .read(&mut buffer)
            .map_err(|error| unreadable(&path.display().to_string(), &error))?;
        match buffer.get(..n) {
            Some(bytes) if n > 0 => hash.update(bytes),
            _ => return Ok(hex(&hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_file_is_the_published_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(file_sha256(&path).unwrap(), expected);
        assert!(file_sha256(dir.path()).is_err());
        assert!(file_sha256(&dir.path().join("none")).is_err());
    }
}
