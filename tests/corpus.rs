//! The fuzz seeds and thousands of mutations of them, through the readers, on stable Rust: whatever
//! a file holds, reading it ends with a value or an error.

use std::fs;
use std::path::{Path, PathBuf};

use forget_audit::data::npz;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Name and bytes of each seed, in a fixed order.
fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(kind);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}

/// Flips bits, overwrites a number with an extreme one, cuts, or splices in a piece of another seed.
fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
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

/// Runs `read` on every seed and on `count` mutations, each of one to three steps.
fn run(kind: &str, count: usize, read: impl Fn(&[u8])) {
    let seeds = corpus(kind);
    assert!(!seeds.is_empty());
    for (_, bytes) in &seeds {
        read(bytes);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for i in 0..count {
        let mut bytes = seeds[i % seeds.len()].1.clone();
        for _ in 0..rng.random_range(1..=3) {
            let other = &seeds[rng.random_range(0..seeds.len())].1;
            mutate(&mut rng, &mut bytes, other);
        }
        read(&bytes);
    }
}

#[test]
fn no_npz_makes_the_reader_panic() {
    run("npz", 6000, |bytes| {
        for inputs in [&[][..], &["ids", "mask"]] {
            if let Ok(data) = npz::from_bytes(bytes, inputs) {
                let _ = data.validate_labels(2);
            }
        }
    });
}

#[test]
fn the_npz_seeds_are_read_or_refused_as_their_names_say() {
    for (name, bytes) in corpus("npz") {
        let inputs: &[&str] = if name == "named_inputs" { &["ids", "mask"] } else { &["input"] };
        let expected = match name.as_str() {
            // A million zeros are no bomb, only too many rows.
            "zip_bomb" => "2097152 samples",
            "contract" | "contract_deflated" | "named_inputs" | "single_set" => {
                if let Err(error) = npz::from_bytes(&bytes, inputs) {
                    panic!("{name}: {error}");
                }
                continue;
            }
            "zip64_claims" => {
                assert!(npz::from_bytes(&bytes, inputs).is_ok());
                continue;
            }
            "truncated" | "without_directory" => "the zip directory is missing",
            "empty" => "the file is empty",
            "a_single_npy" => "a single .npy array",
            "terabytes" => "the header promises shape",
            "overflowing_shape" => "overflows",
            "header_bomb" => "unreasonably long",
            "nested_brackets" => "the header is damaged",
            "pickle" => "pickled Python objects",
            "fortran" => "Fortran order",
            "not_a_number" => "x_test[1, 0]",
            "bad_labels" => "y_test[0]: label 0.5 is not whole",
            "duplicate_names" => "two members are named",
            other => panic!("seed {other} has no expectation"),
        };
        let error = npz::from_bytes(&bytes, inputs).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}
