//! The IDX files of MNIST and its relatives: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`
//! and the same with `t10k`, plain or gzipped.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use super::archive::{Limits, unreadable};
use super::array::{Array, shape_text};
use super::dataset::POSITIONAL;
use super::decode::{Encoding, Kind, Purpose};
use super::positioned::{Positioned, Tail};
use super::stored::{SMALL, Segment, Stored, count, rows_and_width};
use super::stream::{Fault, read_values};
use super::{Data, Dataset};
use crate::{Error, Result};

const REWRITE: &str = "download the file again and copy it whole";

/// Paths of one set's images and labels.
type Pair = (Option<PathBuf>, Option<PathBuf>);

/// Whether the folder holds training images or labels in this format.
pub(crate) fn recognise(folder: &Path) -> bool {
    let (images, labels) = pair(folder, "train");
    images.is_some() || labels.is_some()
}

/// Reads the folder; without `t10k` files the training set is the only one.
///
/// # Errors
/// Images without labels or the other way round; files that are damaged, cut off or unpack beyond
/// bounds; images and labels of different numbers.
pub(crate) fn load(folder: &Path) -> Result<Data> {
    read(folder, SMALL)
}

fn read(folder: &Path, small: u64) -> Result<Data> {
    let mut files = Vec::new();
    let mut set = |name: &str, pair: Pair| -> Result<Dataset> {
        let (Some(images), Some(labels)) = pair else {
            let (there, missing) = if pair.0.is_some() {
                ("images", "labels-idx1-ubyte")
            } else {
                ("labels", "images-idx3-ubyte")
            };
            return Err(Error::file(
                folder,
                format!("{name}-{there} are there, but no {name}-{missing}"),
                "put images and labels into the folder, gzipped (.gz) or plain",
            ));
        };
        let y = array(&labels, Purpose::Labels, small)?;
        let x = array(&images, Purpose::Input, small)?;
        files.extend([images, labels]);
        Dataset::new(vec![(POSITIONAL.to_owned(), x)], &y)
    };
    let train = set("train", pair(folder, "train"))?;
    let test = match pair(folder, "t10k") {
        (None, None) => None,
        pair => Some(set("t10k", pair)?),
    };
    Ok(Data::new(&folder.display().to_string(), train, test).with_files(files))
}

/// Where a set's files are; the plain one where there is a gzipped one too.
fn pair(folder: &Path, set: &str) -> Pair {
    let find = |what: &str, rank: u8| {
        ["", ".gz"].iter().flat_map(|end| ['-', '.'].map(|dot| (dot, end))).find_map(
            |(dot, end)| {
                let path = folder.join(format!("{set}-{what}{dot}idx{rank}-ubyte{end}"));
                path.is_file().then_some(path)
            },
        )
    };
    (find("images", 3), find("labels", 1))
}

fn array(path: &Path, purpose: Purpose, small: u64) -> Result<Array> {
    let file = Positioned::open(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        return unpacked(&file, purpose);
    }
    let subject = file.subject();
    let header = Header::read(&mut Tail::new(&file, 0), subject)?;
    let promised = header.total(subject)?;
    if promised != file.len() {
        return Err(Error::input(
            subject,
            format!(
                "the header promises shape {} in {promised} bytes, but there are {}",
                shape_text(&header.shape),
                file.len()
            ),
            REWRITE,
        ));
    }
    let (rows, width) = rows_and_width(&header.shape);
    let segment = Segment { file: Arc::clone(&file), offset: header.len, rows };
    let stored = Stored::new(vec![segment], header.encoding, width, None)?;
    stored.into_array(subject, header.shape, purpose, small)
}

/// The array of a gzipped file, which is held in memory.
fn unpacked(file: &Arc<Positioned>, purpose: Purpose) -> Result<Array> {
    let subject = file.subject();
    let damaged = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            Error::input(subject, format!("the gzip stream is damaged: {error}"), REWRITE)
        }
        std::io::ErrorKind::UnexpectedEof => {
            Error::input(subject, "the gzip stream ends early", REWRITE)
        }
        _ => unreadable(subject, error),
    };
    let mut reader = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, Tail::new(file, 0)));
    let mut start = [0u8; 1];
    // Tells a file that is no gzip from one whose content is damaged.
    if reader.read(&mut start).map_err(|error| damaged(&error))? == 0 {
        return Err(Error::input(subject, "the file is empty", REWRITE));
    }
    let mut reader = (&start[..]).chain(reader);
    let header = Header::read(&mut reader, subject)?;
    let promised = header.total(subject)?;
    let limits = Limits::default();
    if promised > limits.total
        || promised > limits.ratio_floor && promised > file.len().saturating_mul(limits.ratio)
    {
        return Err(Error::input(
            subject,
            format!(
                "{} bytes would unpack to {promised}, which looks like a gzip bomb",
                file.len()
            ),
            "if the array really is that large, unpack the file with gunzip",
        ));
    }
    let values = count(subject, &header.shape)?;
    let reserve = file.len().saturating_mul(4);
    let held =
        read_values(&mut reader, header.encoding, values, reserve, purpose).map_err(|fault| {
            match fault {
                Fault::Io(error) => damaged(&error),
                fault => fault.told(subject, &header.shape, values),
            }
        })?;
    // Reading to the end also checks the sum over the content.
    match reader.read(&mut [0u8; 1]).map_err(|error| damaged(&error))? {
        0 => {}
        _ => {
            return Err(Error::input(
                subject,
                format!("it holds more than shape {}", shape_text(&header.shape)),
                REWRITE,
            ));
        }
    }
    let array = Array::new(subject, header.shape, held);
    array.check_finite()?;
    Ok(array)
}

/// Two zero bytes, the type, the number of dimensions, and each dimension in 32 bits.
struct Header {
    encoding: Encoding,
    shape: Vec<usize>,
    /// Bytes before the first value.
    len: u64,
}

impl Header {
    fn read(reader: &mut dyn Read, subject: &str) -> Result<Self> {
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                Error::input(subject, "the file ends within its header", REWRITE)
            }
            _ => Error::input(subject, format!("can't be read: {error}"), REWRITE),
        };
        let mut magic = [0u8; 4];
        reader.read_exact(&mut magic).map_err(io)?;
        let [0, 0, code, rank @ 1..=4] = magic else {
            return Err(Error::input(
                subject,
                format!("{magic:02x?} is not the start of an IDX file"),
                REWRITE,
            ));
        };
        let kind = match code {
            0x08 => Kind::U8,
            0x09 => Kind::I8,
            0x0b => Kind::I16,
            0x0c => Kind::I32,
            0x0d => Kind::F32,
            0x0e => Kind::F64,
            _ => {
                return Err(Error::input(
                    subject,
                    format!("0x{code:02x} is no element type of the IDX format"),
                    REWRITE,
                ));
            }
        };
        let mut shape = Vec::new();
        for _ in 0..rank {
            let mut size = [0u8; 4];
            reader.read_exact(&mut size).map_err(io)?;
            shape.push(usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX));
        }
        let len = u64::from(rank).saturating_mul(4).saturating_add(4);
        Ok(Self { encoding: Encoding { kind, big_endian: true }, shape, len })
    }

    /// Bytes of the whole file by what the header says.
    fn total(&self, subject: &str) -> Result<u64> {
        let values = count(subject, &self.shape)?.checked_mul(self.encoding.kind.size());
        let total = values.and_then(|n| u64::try_from(n).ok()?.checked_add(self.len));
        total.ok_or_else(|| {
            let shape = shape_text(&self.shape);
            Error::input(subject, format!("the shape {shape} overflows"), REWRITE)
        })
    }
}

#[cfg(test)]
#[path = "idx_tests.rs"]
mod tests;
