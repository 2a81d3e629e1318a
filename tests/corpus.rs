//! The fuzz seeds and thousands of mutations of them, through the readers, on stable Rust: whatever
//! a file holds, reading it ends with a value or an error.

#[path = "common/mutate.rs"]
mod mutate;

use std::fs;
use std::path::{Path, PathBuf};

use forget_audit::data::npz;
use forget_audit::onnx::{
    Graph, Head, Model, Selection, choose_layers, compare_weights, reinitialized,
};
use mutate::mutate;
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

/// Everything that looks at a file before ONNX Runtime does.
fn read_onnx(bytes: &[u8]) {
    let _ = Model::from_bytes(bytes).and_then(|model| {
        let graph = Graph::new(&model)?;
        let head = Head::find(&graph)?;
        choose_layers(&graph, &head, &Selection::Automatic)?;
        compare_weights(&graph, &head, &graph, &head);
        reinitialized(&model, 0)
    });
}

#[test]
fn no_onnx_file_makes_the_reader_panic() {
    run("onnx", 20_000, read_onnx);
}

#[test]
fn no_mutation_of_a_real_model_makes_the_reader_panic() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/odd/subgraph.onnx");
    let bytes = fs::read(path).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut mutated = bytes.clone();
        mutate(&mut rng, &mut mutated, &bytes);
        read_onnx(&mutated);
    }
}
