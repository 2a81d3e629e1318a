//! Files read at any place from several threads at once.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::archive::unreadable;
use crate::{Error, Result};

/// An open regular file; reads name their place, so that none disturbs another.
#[derive(Debug)]
pub(crate) struct Positioned {
    #[cfg(unix)]
    file: File,
    #[cfg(not(unix))]
    file: std::sync::Mutex<File>,
    subject: String,
    len: u64,
}

impl Positioned {
    /// Opens a regular file.
    ///
    /// # Errors
    /// A file that is missing, a folder, no regular file or unreadable.
    pub fn open(path: &Path) -> Result<Arc<Self>> {
        let file = super::npz::open(path)?;
        let subject = path.display().to_string();
        let len = file.metadata().map_err(|error| unreadable(&subject, &error))?.len();
        #[cfg(not(unix))]
        let file = std::sync::Mutex::new(file);
        Ok(Arc::new(Self { file, subject, len }))
    }

    /// The path, as messages give it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Bytes in the file when it was opened.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// A file that ends before, or can't be read.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.read_exact_at(offset, bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::input(
                &self.subject,
                "the file ends early",
                "copy the file again, whole, and leave it alone while it is read",
            ),
            _ => unreadable(&self.subject, &error),
        })
    }

    #[cfg(unix)]
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        use std::io::{Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }
}

/// The file as a stream from some place on, up to the length it had when it was opened.
#[derive(Debug)]
pub(crate) struct Tail {
    file: Arc<Positioned>,
    offset: u64,
}

impl Tail {
    pub fn new(file: &Arc<Positioned>, offset: u64) -> Self {
        Self { file: Arc::clone(file), offset }
    }
}

impl Read for Tail {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.file.len.saturating_sub(self.offset);
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(bytes) = buffer.get_mut(..n) else { return Ok(0) };
        self.file.read_exact_at(self.offset, bytes)?;
        self.offset = self.offset.saturating_add(u64::try_from(n).map_err(io::Error::other)?);
        Ok(n)
    }
}
