//! One parquet file: its footer, checked, and the values of its columns.

use std::path::Path;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;

use super::guard::{Chunks, damaged, guarded};
use super::pages;
use crate::data::positioned::Positioned;
use crate::{Error, Result};

/// Longest footer that is read; thousands of row groups fit.
const MAX_FOOTER: u32 = 32 << 20;

/// More rows than any image data set has; labels of so many still fit into memory.
const MAX_ROWS: usize = 1 << 27;

/// Rows of a column read at a time.
const BATCH: usize = 4096;

/// A file whose footer has been read.
pub(super) struct Shard {
    reader: SerializedFileReader<Chunks>,
    pub subject: String,
    /// The leaf with the images' bytes.
    pub image: usize,
    pub groups: Vec<Group>,
    pub rows: usize,
}

/// A row group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its first row in the file.
    pub first: usize,
    pub rows: usize,
    /// Bytes of an image on average, by what the footer says.
    pub image_bytes: usize,
}

/// One value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cell<'a> {
    /// Nothing, defined down to this level of nesting.
    Null(i16),
    Integer(i64),
    Boolean(bool),
    Bytes(&'a [u8]),
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("subject", &self.subject).field("rows", &self.rows).finish()
    }
}

impl Shard {
    /// Reads the footer and finds the images.
    ///
    /// # Errors
    /// A file that is no whole parquet file, contradicts itself, or has no column of images.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Positioned::open(path)?;
        let subject = file.subject().to_owned();
        let footer = check_frame(&file)?;
        let reader = guarded(&subject, || {
            SerializedFileReader::new(Chunks { file: file.clone(), footer })
                .map_err(|e| damaged(&subject, e))
        })?;
        let image =
            find_images(&subject, reader.metadata().file_metadata().schema_descr().columns())?;
        let mut groups = Vec::new();
        let mut rows = 0usize;
        for (i, group) in reader.metadata().row_groups().iter().enumerate() {
            let found = check_group(group, image, footer)
                .ok_or_else(|| damaged(&subject, format!("row group {i} lies outside the file")))?;
            check_sizes(group, &format!("{subject}: row group {i}"))?;
            groups.push(Group { first: rows, ..found });
            rows = rows.saturating_add(found.rows);
            if rows > MAX_ROWS {
                return Err(Error::input(
                    &subject,
                    format!("more than {MAX_ROWS} rows"),
                    "audit a sample of the data: a few thousand images decide a verdict",
                ));
            }
        }
        if rows == 0 {
            return Err(Error::input(&subject, "no rows", "give a file with samples"));
        }
        Ok(Self { reader, subject, image, groups, rows })
    }

    /// The leaves, as the schema lists them.
    pub fn columns(&self) -> &[ColumnDescPtr] {
        self.reader.metadata().file_metadata().schema_descr().columns()
    }

    /// The leaf of a column that isn't nested.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|c| c.max_rep_level() == 0 && c.path().parts() == [name])
    }

    /// Where a row and a column are, for messages.
    pub fn place(&self, row: usize) -> String {
        format!("{}: row {row}", self.subject)
    }

    /// The footer's text under a key.
    pub fn note(&self, key: &str) -> Option<&str> {
        let notes = self.reader.metadata().file_metadata().key_value_metadata()?;
        notes.iter().find(|note| note.key == key)?.value.as_deref()
    }

    /// Hands over a whole column, value by value with its row.
    ///
    /// # Errors
    /// As `take`; a column that can't be read or ends early.
    pub fn each(&self, leaf: usize, mut take: impl FnMut(usize, Cell) -> Result<()>) -> Result<()> {
        for (i, group) in self.groups.iter().enumerate() {
            self.range(i, leaf, 0, group.rows, &mut |row, cell| {
                take(group.first.saturating_add(row), cell)
            })?;
        }
        Ok(())
    }

    /// Hands over `count` values of a column from row `first` of a row group on, each with its row
    /// in the group.
    ///
    /// # Errors
    /// As `take`; a column that can't be read or ends early.
    pub fn range(
        &self,
        group: usize,
        leaf: usize,
        first: usize,
        count: usize,
        take: &mut dyn FnMut(usize, Cell) -> Result<()>,
    ) -> Result<()> {
        guarded(&self.subject, || {
            let told = |error| damaged(&self.subject, error);
            let group = self.reader.get_row_group(group).map_err(told)?;
            let max_level = match self.columns().get(leaf) {
                Some(column) => column.max_def_level(),
                None => return Err(Error::internal(format!("no column {leaf}"))),
            };
            let mut span = Span { subject: &self.subject, max_level, first, count, take };
            match group.get_column_reader(leaf).map_err(told)? {
                ColumnReader::BoolColumnReader(r) => span.read(r, |&v| Cell::Boolean(v)),
                ColumnReader::Int32ColumnReader(r) => {
                    span.read(r, |&v| Cell::Integer(i64::from(v)))
                }
                ColumnReader::Int64ColumnReader(r) => span.read(r, |&v| Cell::Integer(v)),
                ColumnReader::ByteArrayColumnReader(r) => {
                    span.read(r, |v: &ByteArray| Cell::Bytes(v.data()))
                }
                _ => Err(Error::internal("a column of another type was chosen")),
            }
        })
    }
}

/// Rows of one column of a row group, on their way to `take`.
struct Span<'a> {
    subject: &'a str,
    max_level: i16,
    first: usize,
    count: usize,
    take: &'a mut dyn FnMut(usize, Cell) -> Result<()>,
}

impl Span<'_> {
    fn read<T: DataType>(
        &mut self,
        mut reader: ColumnReaderImpl<T>,
        cell: impl Fn(&T::T) -> Cell<'_>,
    ) -> Result<()> {
        let told = |error| damaged(self.subject, error);
        let short = || damaged(self.subject, "a column ends before its row group does");
        if reader.skip_records(self.first).map_err(told)? != self.first {
            return Err(short());
        }
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut done = 0usize;
        while done < self.count {
            values.clear();
            levels.clear();
            let wanted = self.count.saturating_sub(done).min(BATCH);
            let levels_out = (self.max_level > 0).then_some(&mut levels);
            let (read, _, _) =
                reader.read_records(wanted, levels_out, None, &mut values).map_err(told)?;
            if read == 0 {
                return Err(short());
            }
            let mut present = values.iter();
            for i in 0..read {
                let level = if self.max_level > 0 { levels.get(i).copied() } else { Some(0) };
                let value = match level {
                    Some(level) if level < self.max_level => Cell::Null(level),
                    _ => cell(present.next().ok_or_else(short)?),
                };
                (self.take)(self.first.saturating_add(done).saturating_add(i), value)?;
            }
            done = done.saturating_add(read);
        }
        Ok(())
    }
}

/// The magic bytes at either end, and a footer that fits between them; returns where it begins.
fn check_frame(file: &Positioned) -> Result<u64> {
    let subject = file.subject();
    if file.len() == 0 {
        return Err(damaged(subject, "the file is empty"));
    }
    let mut head = [0u8; 4];
    let mut tail = [0u8; 8];
    if file.len() < 12 {
        return Err(damaged(subject, format!("{} bytes are no parquet file", file.len())));
    }
    file.read_at(0, &mut head)?;
    file.read_at(file.len().saturating_sub(8), &mut tail)?;
    if &head != b"PAR1" {
        return Err(Error::input(
            subject,
            "not a parquet file",
            "give a .parquet file; of a git-lfs pointer download the file itself",
        ));
    }
    let [a, b, c, d, magic @ ..] = tail;
    if &magic != b"PAR1" {
        return Err(damaged(subject, "the footer is missing, so the file is cut off"));
    }
    let footer = u32::from_le_bytes([a, b, c, d]);
    if u64::from(footer).saturating_add(12) > file.len() {
        return Err(damaged(subject, format!("a footer of {footer} bytes does not fit into it")));
    }
    if footer > MAX_FOOTER {
        return Err(damaged(subject, format!("a footer of {footer} bytes is unreasonably long")));
    }
    Ok(file.len().saturating_sub(u64::from(footer).saturating_add(8)))
}

/// A row group, where every column chunk lies before the footer.
fn check_group(group: &RowGroupMetaData, image: usize, footer: u64) -> Option<Group> {
    let rows = usize::try_from(group.num_rows()).ok()?;
    for column in group.columns() {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let start = u64::try_from(start).ok()?;
        let size = u64::try_from(column.compressed_size()).ok()?;
        u64::try_from(column.num_values()).ok()?;
        start.checked_add(size).filter(|&end| end <= footer)?;
    }
    let bytes = usize::try_from(group.columns().get(image)?.uncompressed_size()).ok()?;
    Some(Group { first: 0, rows, image_bytes: bytes.checked_div(rows).unwrap_or(0) })
}

/// Refuses columns that unpack to too much, by what the footer says.
fn check_sizes(group: &RowGroupMetaData, subject: &str) -> Result<()> {
    for column in group.columns() {
        let size = |bytes: i64| u64::try_from(bytes).unwrap_or_default();
        let (packed, unpacked) = (size(column.compressed_size()), size(column.uncompressed_size()));
        if let Some(problem) = pages::bomb(packed, unpacked) {
            return Err(Error::input(
                format!("{subject}, column {}", column.column_path().string()),
                problem,
                "write the data set again with encoded images, in row groups of a thousand at most",
            ));
        }
    }
    Ok(())
}

/// The leaf `bytes` of the struct that holds the images.
fn find_images(subject: &str, columns: &[ColumnDescPtr]) -> Result<usize> {
    let found: Vec<(usize, &str)> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| c.physical_type() == Type::BYTE_ARRAY && c.max_rep_level() == 0)
        .filter_map(|(leaf, c)| match c.path().parts() {
            [column, bytes] if bytes == "bytes" => Some((leaf, column.as_str())),
            _ => None,
        })
        .collect();
    let preferred = ["image", "img"].iter().find_map(|name| found.iter().find(|f| f.1 == *name));
    match (preferred, found.as_slice()) {
        (Some((leaf, _)), _) | (None, [(leaf, _)]) => Ok(*leaf),
        (None, []) => {
            let names: Vec<String> = columns.iter().map(|c| c.path().string()).collect();
            Err(Error::input(
                subject,
                format!("no column of images (bytes and path); there are {}", names.join(", ")),
                "give a data set whose images are embedded, as datasets' push_to_hub writes it",
            ))
        }
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|f| f.1).collect();
            Err(Error::input(
                subject,
                format!("several columns of images: {}", names.join(", ")),
                "name the one to use `image`",
            ))
        }
    }
}
