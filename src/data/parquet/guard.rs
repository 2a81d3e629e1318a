//! Calls into the `parquet` crate, which may panic on hostile files.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use super::pages;
use crate::data::positioned::{Positioned, Tail};
use crate::{Error, Result};

const REWRITE: &str = "download or write the file again and copy it whole";

/// Error for a file that the crate can't make sense of.
pub(super) fn damaged(subject: &str, problem: impl std::fmt::Display) -> Error {
    Error::input(subject, format!("damaged: {problem}"), REWRITE)
}

thread_local! {
    static CALLING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`, in which the crate reads a file. Its offsets and sizes come from the file; most are
/// checked there, some by assertion or slicing, so a panic is the file's fault and told as that.
pub(super) fn guarded<T>(subject: &str, call: impl FnOnce() -> Result<T>) -> Result<T> {
    // Such a panic is an answer; the trace that is printed for others would be noise.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |info| {
            if !CALLING.get() {
                others(info);
            }
        }));
    });
    CALLING.set(true);
    // Nothing that `call` works on is used again after a panic.
    let outcome = catch_unwind(AssertUnwindSafe(call));
    CALLING.set(false);
    outcome.unwrap_or_else(|_| Err(damaged(subject, "its parts contradict each other")))
}

/// A file as the crate reads it: no two readers share a place, no more is asked for than the file
/// has, and no page that unpacks to too much.
pub(super) struct Chunks {
    pub file: Arc<Positioned>,
    /// Where the footer begins, before which pages lie.
    pub footer: u64,
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Tail>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let mut reader = BufReader::new(Tail::new(&self.file, start));
        // Only headers of pages are read in this way, and the footer.
        if start < self.footer {
            let buffered = reader.fill_buf()?;
            pages::check(buffered.get(..pages::HEAD).unwrap_or(buffered))?;
        }
        Ok(reader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = u64::try_from(length).ok().and_then(|length| start.checked_add(length));
        if end.is_none_or(|end| end > self.file.len()) {
            let problem = format!("{length} bytes at {start} lie behind the end of the file");
            return Err(ParquetError::EOF(problem));
        }
        let mut bytes = vec![0u8; length];
        self.file
            .read_at(start, &mut bytes)
            .map_err(|error| ParquetError::General(error.to_string()))?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_files_error() {
        let error = guarded::<()>("d.parquet", || panic!("offset")).unwrap_err().to_string();
        assert_eq!(error, "d.parquet: damaged: its parts contradict each other");
        assert_eq!(guarded("d.parquet", || Ok(7)).unwrap(), 7);
    }
}
