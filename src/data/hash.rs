//! SHA-256 in hexadecimal, for the report to say which data it speaks of.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

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

/// SHA-256 of several files: that of the lines `HASH  NAME` for each, ordered by path, as
/// `sha256sum NAME...` prints them. That of a single file is the file's own.
///
/// # Errors
/// As [`file_sha256`].
pub fn files_sha256(files: &[PathBuf]) -> Result<String> {
    if let [only] = files {
        return file_sha256(only);
    }
    let mut hash = Sha256::new();
    let distinct: BTreeSet<&PathBuf> = files.iter().collect();
    for file in distinct {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        hash.update(format!("{}  {name}\n", file_sha256(file)?));
    }
    Ok(hex(&hash.finalize()))
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
        assert_eq!(files_sha256(std::slice::from_ref(&path)).unwrap(), expected);
        // printf abc > a; printf abc > abc; sha256sum a abc | sha256sum
        let other = dir.path().join("a");
        std::fs::write(&other, "abc").unwrap();
        let lines = format!("{expected}  a\n{expected}  abc\n");
        let both = hex(&Sha256::digest(lines));
        assert_eq!(files_sha256(&[path, other]).unwrap(), both);
        assert!(file_sha256(dir.path()).is_err());
        assert!(file_sha256(&dir.path().join("none")).is_err());
    }
}
