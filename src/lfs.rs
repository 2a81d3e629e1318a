//! Pointers that Git LFS leaves in the place of files that were not fetched.

use std::fs::File;
use std::io::{self, Read, Seek};

use crate::{Error, Result};

/// The first bytes of a file, enough to tell a pointer; the file is at its beginning afterwards.
///
/// # Errors
/// What reading gives.
pub(crate) fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(32).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

/// Fails where `head`, the first bytes of `subject`, is such a pointer: a checkout without
/// `git lfs pull` is a usual slip in CI, and no broken file.
pub(crate) fn refuse_pointer(subject: &str, head: &[u8]) -> Result<()> {
    match head.starts_with(b"version https://git-lfs") {
        true => Err(Error::input(
            subject,
            "a Git LFS pointer, not the file itself",
            "fetch it with `git lfs pull` (in GitHub Actions: actions/checkout with lfs: true)",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>.
    #[test]
    fn a_pointer_is_told_from_a_file() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        let error = refuse_pointer("m.onnx", pointer).expect_err("a pointer");
        assert!(error.to_string().starts_with("m.onnx: a Git LFS pointer"), "{error}");
        assert!(refuse_pointer("m.onnx", b"\x08\x08\x12\x07pytorch").is_ok());
    }
}
