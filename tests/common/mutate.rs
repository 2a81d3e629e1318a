//! Mutations of bytes, for tests that feed readers what no writer wrote.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Flips bits, overwrites a number with an extreme one, cuts, or splices in a piece of another seed.
pub fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend_from_slice(other);
        return;
    }
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..5) {
        0 => {
            for _ in 0..rng.random_range(1..8) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        }
        1 => {
            let extreme = [u64::MAX, 0, 1 << 63, 1 << 40, u64::from(u32::MAX)];
            let number = extreme[rng.random_range(0..extreme.len())].to_le_bytes();
            let n = [1, 2, 4, 8][rng.random_range(0..4)].min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&number[..n]);
        }
        2 => bytes.truncate(at),
        3 => {
            let end = rng.random_range(at..=bytes.len());
            bytes.drain(at..end);
        }
        _ if other.is_empty() => bytes.clear(),
        _ => {
            let from = rng.random_range(0..other.len());
            let to = rng.random_range(from..=other.len());
            let end = rng.random_range(at..=bytes.len());
            bytes.splice(at..end, other[from..to].iter().copied());
        }
    }
}
