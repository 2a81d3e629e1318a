//! How much a file may unpack to, by its footer and by the header of each page.

use parquet::errors::{ParquetError, Result};

/// Unpacked bytes per packed byte beyond which a large part counts as a bomb; encoded images
/// hardly shrink.
const RATIO: u64 = 100;

/// Parts that unpack to no more than this are never taken for bombs.
const FLOOR: u64 = 64 << 20;

/// Bytes from which on the columns of a row group are not believed.
const MAX_CHUNK: u64 = 16 << 30;

/// Bytes of a page's header that hold its first three fields.
pub(super) const HEAD: usize = 48;

/// Why a column of a row group, or a page, unpacks to too much; `None` where it doesn't.
pub(super) fn bomb(packed: u64, unpacked: u64) -> Option<String> {
    let burst = unpacked > FLOOR && unpacked > packed.saturating_mul(RATIO);
    (burst || unpacked > MAX_CHUNK).then(|| {
        format!("{packed} bytes would unpack to {unpacked}, which looks like a decompression bomb")
    })
}

/// Checks the page whose header begins with `head`; the crate would reserve what it claims.
///
/// # Errors
/// A page that unpacks to too much; a header that does not begin with type and sizes.
pub(super) fn check(head: &[u8]) -> Result<()> {
    let (unpacked, packed) = sizes(head)
        .ok_or_else(|| ParquetError::General("no page begins where one should".to_owned()))?;
    match bomb(packed, unpacked) {
        Some(problem) => Err(ParquetError::General(format!("a page of {problem}"))),
        None => Ok(()),
    }
}

/// Unpacked and packed bytes of a page, fields 2 and 3 of its header. In Thrift's compact protocol
/// a field is the step from the last field's number and its type (5 is i32) in one byte, then the
/// value as a zigzag varint.
fn sizes(head: &[u8]) -> Option<(u64, u64)> {
    let mut bytes = head.iter().copied();
    let mut field = || -> Option<u64> {
        if bytes.next()? != 0x15 {
            return None;
        }
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = bytes.next()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // A negative size is odd and of no account here.
                return (value & 1 == 0).then_some(value >> 1);
            }
        }
        None
    };
    let (_kind, unpacked, packed) = (field()?, field()?, field()?);
    Some((unpacked, packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 0 (a data page), 300 MiB out of 18,000 bytes; worked out by hand: 2 x 314,572,800 in
    /// groups of seven bits, the lowest first.
    const BOMB: [u8; 12] = [0x15, 0x00, 0x15, 0x80, 0x80, 0x80, 0xac, 0x02, 0x15, 0xa0, 0x99, 0x02];

    #[test]
    fn sizes_stand_at_the_head_of_a_page() {
        assert_eq!(sizes(&BOMB), Some((300 << 20, 18_000)));
        let error = check(&BOMB).unwrap_err().to_string();
        assert!(error.contains("18000 bytes would unpack to 314572800"), "{error}");
        assert_eq!(sizes(&[0x15, 0, 0x15, 8, 0x15, 6, 0x2c]), Some((4, 3)));
        for end in 0..BOMB.len() {
            assert!(check(&BOMB[..end]).is_err());
        }
        for head in [&b"PAR1"[..], &[0x15, 0, 0x15, 7, 0x15, 6], &[0x15; 48], &[0x15, 0, 0x25, 8]] {
            assert!(check(head).is_err(), "{head:?}");
        }
    }

    #[test]
    fn only_large_parts_are_bombs() {
        assert_eq!(bomb(1, FLOOR), None);
        assert_eq!(bomb(FLOOR, FLOOR * RATIO), None);
        assert!(bomb(1 << 20, (1 << 20) * RATIO + 1).is_some());
        assert!(bomb(MAX_CHUNK, MAX_CHUNK + 1).is_some());
    }
}
