//! The protobuf wire format: where each field of a message lies, and replacing parts of a message
//! without touching the rest.
//!
//! A parser and writer of messages would lose what is not in its schema's order: field order, how
//! lengths are encoded, whether numbers are packed. Here bytes that nobody replaces stay as they are.
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

/// Why bytes are no protobuf message: the rest of a sentence.
pub(super) type Broken = &'static str;

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Varint,
    Fixed64,
    /// Bytes, strings, messages and packed numbers: a length, then so many bytes.
    Delimited,
    Fixed32,
    /// Deprecated, read only to be passed over.
    Group,
}

/// One field of a message, by its places in the file.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub number: u64,
    pub kind: Kind,
    /// Where the length is written; empty unless `Delimited`.
    pub length: Range<usize>,
    /// Where the value is written, without its length.
    pub value: Range<usize>,
}

/// The fields of the message in `bytes[range]`, in file order; ends after the first error.
pub(super) fn fields(bytes: &[u8], range: Range<usize>) -> Fields<'_> {
    Fields { bytes, at: range.start, end: range.end }
}

pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Iterator for Fields<'_> {
    type Item = Result<Field, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let field = field(&self.bytes[..self.end], self.at);
        self.at = field.as_ref().map_or(self.end, |(_, next)| *next);
        Some(field.map(|(field, _)| field))
    }
}

/// The field that begins at `at`, and where the next one begins.
fn field(bytes: &[u8], at: usize) -> Result<(Field, usize), Broken> {
    let (number, wire_type, at) = tag(bytes, at)?;
    let empty = at..at;
    let fixed = |kind, size: usize| {
        let end =
            at.checked_add(size).filter(|&e| e <= bytes.len()).ok_or("ends within a number")?;
        Ok((Field { number, kind, length: empty.clone(), value: at..end }, end))
    };
    match wire_type {
        0 => {
            let (_, end) = varint(bytes, at)?;
            Ok((Field { number, kind: Kind::Varint, length: empty, value: at..end }, end))
        }
        1 => fixed(Kind::Fixed64, 8),
        5 => fixed(Kind::Fixed32, 4),
        2 => {
            let (size, start) = varint(bytes, at)?;
            let end = usize::try_from(size).ok().and_then(|s| start.checked_add(s));
            let end = end.filter(|&e| e <= bytes.len()).ok_or("ends within a field")?;
            let (length, value) = (at..start, start..end);
            Ok((Field { number, kind: Kind::Delimited, length, value }, end))
        }
        3 => {
            let end = group_end(bytes, at, number)?;
            Ok((Field { number, kind: Kind::Group, length: empty, value: at..end }, end))
        }
        _ => Err("holds a field of an unknown wire type"),
    }
}

fn tag(bytes: &[u8], at: usize) -> Result<(u64, u64, usize), Broken> {
    let (tag, next) = varint(bytes, at)?;
    Ok((tag >> 3, tag & 7, next))
}

/// Where the group `number`, whose content begins at `at`, is over. A loop, not a recursion: a file
/// may open as many groups as it has bytes.
fn group_end(bytes: &[u8], at: usize, number: u64) -> Result<usize, Broken> {
    let mut open = vec![number];
    let mut at = at;
    while let Some(&innermost) = open.last() {
        let (number, wire_type, next) = tag(bytes, at)?;
        at = match wire_type {
            3 => {
                open.push(number);
                next
            }
            4 if number == innermost => {
                open.pop();
                next
            }
            4 => return Err("closes a group that is not open"),
            _ => field(bytes, at)?.1,
        };
    }
    Ok(at)
}

/// The number that begins at `at`, and where the next one begins.
pub(super) fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Broken> {
    let mut number = 0u64;
    for (i, &byte) in bytes.get(at..).unwrap_or_default().iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((number, at + i + 1));
        }
    }
    Err("ends within a number")
}

/// `number` in as few bytes as it needs.
pub(super) fn encoded(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// The messages around a place in the file: an index into [`Edits`], `None` for the whole file.
pub(super) type Within = Option<usize>;

/// Replacements of parts of a file, with the lengths of all messages around them set right.
#[derive(Default)]
pub(super) struct Edits {
    /// Delimited fields that hold edits; one comes after those that it lies in.
    around: Vec<Around>,
    edits: Vec<Edit>,
}

struct Around {
    length: Range<usize>,
    value: Range<usize>,
    within: Within,
}

struct Edit {
    at: Range<usize>,
    bytes: Vec<u8>,
    within: Within,
}

impl Edits {
    /// Says that the value of `field` lies in `within` and may be edited; returns its own index.
    pub fn enter(&mut self, field: &Field, within: Within) -> Within {
        let (length, value) = (field.length.clone(), field.value.clone());
        self.around.push(Around { length, value, within });
        Some(self.around.len() - 1)
    }

    /// Puts `bytes` in the place of what lies `at` in the file. Edits don't overlap.
    pub fn replace(&mut self, at: Range<usize>, bytes: Vec<u8>, within: Within) {
        self.edits.push(Edit { at, bytes, within });
    }

    /// The file with all edits made; in place where no length changes.
    pub fn applied(mut self, mut file: Vec<u8>) -> Vec<u8> {
        self.adjust_lengths();
        if self.edits.iter().all(|e| e.at.len() == e.bytes.len()) {
            for edit in self.edits {
                file[edit.at].copy_from_slice(&edit.bytes);
            }
            return file;
        }
        self.edits.sort_by_key(|e| e.at.start);
        let mut out = Vec::with_capacity(file.len());
        let mut at = 0;
        for edit in &self.edits {
            out.extend_from_slice(&file[at..edit.at.start]);
            out.extend_from_slice(&edit.bytes);
            at = edit.at.end;
        }
        out.extend_from_slice(&file[at..]);
        out
    }

    /// Adds an edit for each length that others change. A message that keeps its length keeps the
    /// bytes of its length, which need not be the shortest.
    fn adjust_lengths(&mut self) {
        let grown = |edit: &Edit| edit.bytes.len() as i64 - edit.at.len() as i64;
        let mut growth = vec![0i64; self.around.len()];
        for edit in &self.edits {
            if let Some(i) = edit.within {
                growth[i] += grown(edit);
            }
        }
        for (i, around) in self.around.iter().enumerate().rev() {
            if growth[i] == 0 {
                continue;
            }
            let length = (around.value.len() as i64 + growth[i]) as u64;
            let (at, within) = (around.length.clone(), around.within);
            let edit = Edit { at, bytes: encoded(length), within };
            if let Some(outer) = within {
                growth[outer] += growth[i] + grown(&edit);
            }
            self.edits.push(edit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delimited(number: u64, value: &[u8]) -> Vec<u8> {
        let mut bytes = encoded(number << 3 | 2);
        bytes.extend(encoded(value.len() as u64));
        bytes.extend(value);
        bytes
    }

    #[test]
    fn fields_are_found_in_order_and_groups_passed_over() {
        // 1: 300, 2: "ab", 3: a group with a group in it, 4: fixed32, 5: fixed64. The number 300 is
        // the example of the encoding guide: AC 02.
        let mut bytes = vec![0x08, 0xac, 0x02, 0x12, 2, b'a', b'b'];
        bytes.extend([0x1b, 0x2b, 0x08, 1, 0x2c, 0x1c]);
        bytes.extend([0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8]);
        let found: Vec<Field> =
            fields(&bytes, 0..bytes.len()).map(|f| f.expect("a field")).collect();
        let numbers: Vec<u64> = found.iter().map(|f| f.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        assert_eq!(varint(&bytes, found[0].value.start), Ok((300, 3)));
        assert_eq!(&bytes[found[1].value.clone()], b"ab");
        assert_eq!(found[2].kind, Kind::Group);
        assert_eq!((found[3].value.len(), found[4].value.len()), (4, 8));
    }

    #[test]
    fn broken_bytes_are_errors() {
        let broken: [&[u8]; 7] =
            [&[0x08], &[0x12, 5, 1], &[0x25, 1], &[0x1b], &[0x1b, 0x24], &[0x0e], &[0xff; 11]];
        for bytes in broken {
            let last = fields(bytes, 0..bytes.len()).last().expect("an item");
            assert!(last.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_of_all_messages_around_an_edit_follow() {
        // 120 bytes grow to 140: the two lengths around them need a second byte each.
        let inner = delimited(3, &[7; 120]);
        let file = delimited(2, &delimited(1, &inner));
        let mut edits = Edits::default();
        let mut range = 0..file.len();
        let mut within = None;
        for _ in 0..3 {
            let field = fields(&file, range).next().expect("a field").expect("whole");
            within = edits.enter(&field, within);
            range = field.value;
        }
        edits.replace(range, vec![9; 140], within);
        let expected = delimited(2, &delimited(1, &delimited(3, &[9; 140])));
        assert_eq!(edits.applied(file), expected);
    }

    #[test]
    fn a_length_that_stays_keeps_its_bytes() {
        // The length 1 written in two bytes.
        let file = vec![0x12, 0x81, 0x00, 5];
        let field = fields(&file, 0..4).next().expect("a field").expect("whole");
        let mut edits = Edits::default();
        let within = edits.enter(&field, None);
        edits.replace(field.value, vec![6], within);
        assert_eq!(edits.applied(file), [0x12, 0x81, 0x00, 6]);
    }
}
