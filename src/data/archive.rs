//! The zip container of an `.npz`: its directory, and members read as a checked stream.
//!
//! The `zip` crate is not used for reading because three of its habits can't be switched off: it
//! reserves memory for as many members as a zip64 record claims, it tries every byte sequence that
//! looks like a directory (quadratic on a crafted file), and it keeps the last of two members of
//! one name without a word. An `.npz` needs only a strict subset: one directory that ends the file,
//! members stored or deflated.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::{Error, Result};

/// Remedy for everything that says the container itself is broken.
const REWRITE: &str = "write the file again with numpy.savez and copy it whole";

/// Longest directory that is read; ten thousands of arrays fit.
const MAX_DIRECTORY: u64 = 16 << 20;

const EOCD: &[u8] = b"PK\x05\x06";
const EOCD_LEN: usize = 22;
const ZIP64_LOCATOR: &[u8] = b"PK\x06\x07";
const ZIP64_LOCATOR_LEN: usize = 20;
const ZIP64_EOCD: &[u8] = b"PK\x06\x06";
const ZIP64_EOCD_LEN: u64 = 56;
/// Room for locator, end record and the longest comment.
const LONGEST_END: u64 = 20 + 22 + 0xffff;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: u64 = 30;

/// How much a reader is willing to unpack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes that all members read together may unpack to.
    pub total: u64,
    /// Unpacked bytes per packed byte beyond which a large member counts as a zip bomb.
    pub ratio: u64,
    /// Members that unpack to no more than this are never taken for bombs.
    pub ratio_floor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: 16 << 30, ratio: 1000, ratio_floor: 64 << 20 }
    }
}

/// One member as the directory describes it. Every number is a claim of the file.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub name: String,
    pub unpacked: u64,
    packed: u64,
    crc: u32,
    flags: u16,
    method: u16,
    offset: u64,
}

/// A zip file whose directory has been read and checked.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    reader: R,
    subject: String,
    len: u64,
    members: Vec<Member>,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory. `subject` is the file's name for messages.
    ///
    /// # Errors
    /// Anything that is not a whole zip file with one directory at its end and distinct names.
    pub fn new(mut reader: R, subject: &str) -> Result<Self> {
        let len = reader.seek(SeekFrom::End(0)).map_err(|e| unreadable(subject, &e))?;
        let broken = |problem: &str| Error::input(subject, problem, REWRITE);
        if len == 0 {
            return Err(broken("the file is empty"));
        }
        let head = read_at(&mut reader, 0, len.min(6)).map_err(|e| unreadable(subject, &e))?;
        if head == b"\x93NUMPY" {
            return Err(Error::input(
                subject,
                "a single .npy array, not an .npz archive",
                "save the arrays together: numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)",
            ));
        }
        if !head.starts_with(LOCAL) && !head.starts_with(EOCD) {
            return Err(Error::input(
                subject,
                "not a zip archive, so not an .npz file",
                "give a file written by numpy.savez or numpy.savez_compressed",
            ));
        }
        let (offset, size) = find_directory(&mut reader, len)
            .map_err(|e| unreadable(subject, &e))?
            .ok_or_else(|| broken("the zip directory is missing, so the file is truncated"))?;
        if offset.checked_add(size).is_none_or(|end| end > len) {
            return Err(broken("the zip directory lies outside the file"));
        }
        if size > MAX_DIRECTORY {
            return Err(broken("the zip directory is unreasonably large"));
        }
        let directory = read_at(&mut reader, offset, size).map_err(|e| unreadable(subject, &e))?;
        let members =
            parse_directory(&directory).ok_or_else(|| broken("the zip directory is damaged"))?;
        let mut names = BTreeSet::new();
        if let Some(twice) = members.iter().find(|m| !names.insert(m.name.as_str())) {
            return Err(Error::input(
                subject,
                format!("two members are named `{}`", twice.name),
                "write the file again with one array for each name",
            ));
        }
        Ok(Self { reader, subject: subject.to_owned(), len, members })
    }

    /// The members in the directory's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Refuses what would unpack beyond `limits`, judged by the directory's claims.
    ///
    /// Reading enforces the same claims, so a file that lies here fails there.
    pub fn check_limits<'m>(
        &self,
        members: impl IntoIterator<Item = &'m Member>,
        limits: Limits,
    ) -> Result<()> {
        let mut total = 0u64;
        for member in members {
            let subject = format!("{}: {}", self.subject, member.name);
            total = total.saturating_add(member.unpacked);
            if total > limits.total {
                return Err(Error::input(
                    subject,
                    format!("the arrays unpack to more than {} bytes", limits.total),
                    "audit a sample of the data: a few thousand images decide a verdict",
                ));
            }
            if member.unpacked > limits.ratio_floor
                && member.unpacked > member.packed.saturating_mul(limits.ratio)
            {
                return Err(Error::input(
                    subject,
                    format!(
                        "{} bytes would unpack to {}, which looks like a zip bomb",
                        member.packed, member.unpacked
                    ),
                    "if the array really is that uniform, save it uncompressed with numpy.savez",
                ));
            }
        }
        Ok(())
    }

    /// A stream of `member`'s unpacked bytes.
    pub fn open(&mut self, member: &Member) -> Result<Stream<'_>> {
        let subject = format!("{}: {}", self.subject, member.name);
        if member.flags & 1 != 0 {
            return Err(Error::input(
                subject,
                "the member is encrypted",
                "write the file again without a password",
            ));
        }
        let broken = |problem: &str| Error::input(&subject, problem, REWRITE);
        let header = match member.offset.checked_add(LOCAL_LEN) {
            Some(end) if end <= self.len => read_at(&mut self.reader, member.offset, LOCAL_LEN)
                .map_err(|e| unreadable(&subject, &e))?,
            _ => return Err(broken("the member starts behind the end of the file")),
        };
        let start = local_data_offset(&header, member.offset)
            .ok_or_else(|| broken("no member starts where the directory says"))?;
        if start.checked_add(member.packed).is_none_or(|end| end > self.len) {
            return Err(broken("the member ends behind the end of the file"));
        }
        self.reader.seek(SeekFrom::Start(start)).map_err(|e| unreadable(&subject, &e))?;
        let packed = (&mut self.reader).take(member.packed);
        let (inner, reserve): (Box<dyn Read + '_>, u64) = match member.method {
            // Stored bytes are there already, so their number may be believed.
            0 => (Box::new(packed), member.packed),
            8 => {
                let input = BufReader::with_capacity(1 << 16, packed);
                (Box::new(DeflateDecoder::new(input)), member.packed.saturating_mul(4))
            }
            other => {
                return Err(Error::input(
                    subject,
                    format!("compression method {other} is not one that NumPy writes"),
                    "write the file again with numpy.savez or numpy.savez_compressed",
                ));
            }
        };
        // One byte more than promised, to see that nothing follows.
        let limit = member.unpacked.saturating_add(1);
        Ok(Stream {
            inner: inner.take(limit),
            crc: Crc::new(),
            expected_crc: member.crc,
            size: member.unpacked,
            reserve: reserve.min(member.unpacked),
            subject,
        })
    }
}

/// The unpacked bytes of one member, never more than one beyond its declared size.
pub(crate) struct Stream<'a> {
    inner: io::Take<Box<dyn Read + 'a>>,
    crc: Crc,
    expected_crc: u32,
    /// Unpacked size as declared.
    pub size: u64,
    /// Bytes worth reserving at once: what the packed bytes make plausible.
    pub reserve: u64,
    subject: String,
}

impl Stream<'_> {
    /// To be called when the content has been read: nothing may follow and the checksum must hold.
    pub fn finish(mut self) -> Result<()> {
        let mut rest = [0u8; 1];
        let more = self.read(&mut rest).map_err(|e| unreadable(&self.subject, &e))?;
        if more != 0 {
            return Err(Error::input(
                &self.subject,
                "the member is longer than the directory says",
                REWRITE,
            ));
        }
        if self.crc.sum() != self.expected_crc {
            return Err(Error::input(
                &self.subject,
                "the checksum does not match, so the content is damaged",
                REWRITE,
            ));
        }
        Ok(())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if let Some(bytes) = buffer.get(..n) {
            self.crc.update(bytes);
        }
        Ok(n)
    }
}

/// Error for a failed read, with the remedy that fits its cause.
pub(crate) fn unreadable(subject: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Error::input(subject, error, "allow this user to read the file")
        }
        io::ErrorKind::UnexpectedEof => Error::input(subject, "the content ends early", REWRITE),
        _ => Error::input(subject, format!("can't be read: {error}"), REWRITE),
    }
}

/// Exactly `len` bytes at `offset`; callers bound `len`.
fn read_at(reader: &mut (impl Read + Seek), offset: u64, len: u64) -> io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    reader.take(len).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n == len) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Offset and size of the directory, from the record that ends the file.
fn find_directory(reader: &mut (impl Read + Seek), len: u64) -> io::Result<Option<(u64, u64)>> {
    let tail_offset = len.saturating_sub(LONGEST_END);
    let tail = read_at(reader, tail_offset, len.saturating_sub(tail_offset))?;
    // The last record whose comment reaches exactly to the end; most files have no comment.
    let found = tail.windows(EOCD_LEN).enumerate().rev().find(|(at, record)| {
        record.starts_with(EOCD)
            && u16_at(record, 20).is_some_and(|comment| {
                at.saturating_add(EOCD_LEN).saturating_add(usize::from(comment)) == tail.len()
            })
    });
    let Some((at, record)) = found else { return Ok(None) };
    let locator = at.checked_sub(ZIP64_LOCATOR_LEN).and_then(|start| tail.get(start..at));
    if let Some(locator) = locator.filter(|l| l.starts_with(ZIP64_LOCATOR)) {
        let Some(offset) = u64_at(locator, 8) else { return Ok(None) };
        if offset.checked_add(ZIP64_EOCD_LEN).is_none_or(|end| end > len) {
            return Ok(None);
        }
        let record = read_at(reader, offset, ZIP64_EOCD_LEN)?;
        if !record.starts_with(ZIP64_EOCD) {
            return Ok(None);
        }
        return Ok(u64_at(&record, 48).zip(u64_at(&record, 40)));
    }
    Ok(u32_at(record, 16).map(u64::from).zip(u32_at(record, 12).map(u64::from)))
}

/// All entries of a directory, or `None` where it is not one from its first to its last byte.
fn parse_directory(mut bytes: &[u8]) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    while !bytes.is_empty() {
        let entry = bytes.get(..ENTRY_LEN).filter(|e| e.starts_with(ENTRY))?;
        let rest = bytes.get(ENTRY_LEN..)?;
        let (name, rest) = rest.split_at_checked(usize::from(u16_at(entry, 28)?))?;
        let (extra, rest) = rest.split_at_checked(usize::from(u16_at(entry, 30)?))?;
        let (_comment, rest) = rest.split_at_checked(usize::from(u16_at(entry, 32)?))?;
        bytes = rest;
        // A saturated field is found in the zip64 extra field, in this order.
        let mut wide = zip64_extra(extra).chunks_exact(8);
        let mut field = |at: usize| -> Option<u64> {
            match u32_at(entry, at)? {
                u32::MAX => u64_at(wide.next()?, 0),
                value => Some(u64::from(value)),
            }
        };
        members.push(Member {
            unpacked: field(24)?,
            packed: field(20)?,
            offset: field(42)?,
            name: String::from_utf8_lossy(name).into_owned(),
            crc: u32_at(entry, 16)?,
            flags: u16_at(entry, 8)?,
            method: u16_at(entry, 10)?,
        });
    }
    Some(members)
}

/// The content of the zip64 extra field, empty where there is none.
fn zip64_extra(mut extra: &[u8]) -> &[u8] {
    while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some((field, rest)) =
            extra.get(4..).and_then(|rest| rest.split_at_checked(usize::from(len)))
        else {
            break;
        };
        if id == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// Where the data of the member at `offset` starts, given its local header.
fn local_data_offset(header: &[u8], offset: u64) -> Option<u64> {
    if !header.starts_with(LOCAL) {
        return None;
    }
    let name = u64::from(u16_at(header, 26)?);
    let extra = u64::from(u16_at(header, 28)?);
    offset.checked_add(LOCAL_LEN)?.checked_add(name)?.checked_add(extra)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
