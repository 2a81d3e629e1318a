//! SHA-256 in hexadecimal, for the report to say which data it speaks of.

use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::Data;
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

/// SHA-256 of what `data` were read from: of the file, or, for a folder, of the text that
/// `sha256sum` prints for the used files, sorted by the bytes of their paths from the folder.
///
/// # Errors
/// A file that has gone or can't be read.
pub fn source_sha256(path: &Path, data: &Data) -> Result<String> {
    if data.files.is_empty() { file_sha256(path) } else { folder_sha256(path, &data.files) }
}

fn folder_sha256(root: &Path, files: &[PathBuf]) -> Result<String> {
    let line = |file: &PathBuf| -> Result<(Vec<u8>, Vec<u8>)> {
        let parts: Vec<&[u8]> = file.iter().map(std::ffi::OsStr::as_encoded_bytes).collect();
        let name = parts.join(&b'/');
        let hash = file_sha256(&root.join(file))?;
        Ok((name.clone(), printed(&hash, &name)))
    };
    let mut lines = files.par_iter().map(line).collect::<Result<Vec<_>>>()?;
    lines.sort_unstable();
    let mut hash = Sha256::new();
    lines.iter().for_each(|(_, line)| hash.update(line));
    Ok(hex(&hash.finalize()))
}

/// `HEX  path`; a name with a backslash or a line end is escaped and marked as `sha256sum` does.
fn printed(hash: &str, name: &[u8]) -> Vec<u8> {
    let escaped = name.iter().any(|byte| b"\\\n\r".contains(byte));
    let mut line = if escaped { b"\\".to_vec() } else { Vec::new() };
    line.extend(hash.bytes());
    line.extend(b"  ");
    for &byte in name {
        match byte {
            b'\\' => line.extend(b"\\\\"),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            byte => line.push(byte),
        }
    }
    line.push(b'\n');
    line
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

    /// `cd FOLDER && find * -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum`.
    #[test]
    fn the_hash_of_a_folder_is_what_sha256sum_prints() {
        let dir = tempfile::tempdir().unwrap();
        let files = ["a/2", "a-b/1", "a/10"];
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let hash = folder_sha256(dir.path(), &files.map(PathBuf::from)).unwrap();
        assert_eq!(hash, "7d38b56c67ed304000bde87713df2d126fe137110e175273c20ab2d1cc8d5dd3");
        assert_eq!(printed("ff", b"a\\b\n"), b"\\ff  a\\\\b\\n\n");
    }
}
