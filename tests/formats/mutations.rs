//! A small set in every format, its files cut, flipped and spliced: reading ends with samples or an
//! error that names a file, never with a panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use forget_audit::data::{Data, InputSpec, LoadOptions, load};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::common::mutate::mutate;
use super::writers::{
    Set, arrays, digits, folder, idx_files, image_folder, npz, packed, parquet_folder, safetensors,
};

/// A path of several formats below `root`, with how often its files are mutated.
fn seeds(root: &Path) -> Vec<(PathBuf, usize)> {
    let path = |name: &str| root.join(name);
    // Two images of each class.
    let sets = digits().map(|set| {
        let class = |c: u8| set.labels.iter().position(|&l| l == c).unwrap();
        let rows: Vec<usize> = (0..10).flat_map(|c| [class(c), class(c) + 1]).collect();
        Set {
            images: rows.iter().flat_map(|&r| set.images[r * 64..(r + 1) * 64].to_vec()).collect(),
            labels: rows.iter().map(|&r| set.labels[r]).collect(),
        }
    });
    folder(&path("npy"), &arrays(&sets, &[1, 8, 8]));
    npz(&path("d.npz"), &arrays(&sets, &[1, 8, 8]));
    safetensors(&path("d.safetensors"), &sets);
    folder(&path("idx"), &idx_files(&sets));
    folder(&path("gz"), &idx_files(&sets).into_iter().map(packed).collect::<Vec<_>>());
    image_folder(&path("images"), &sets, false);
    image_folder(&path("table"), &sets, true);
    parquet_folder(&path("hub"), &sets);
    let records: Vec<u8> = (0..20).flat_map(|i| [&[i % 10][..], &[i; 3072]].concat()).collect();
    let mut cifar: Vec<_> =
        (1..=5).map(|i| (format!("data_batch_{i}.bin"), records.clone())).collect();
    cifar.push(("test_batch.bin".into(), records));
    cifar.push(("batches.meta.txt".into(), b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n".into()));
    folder(&path("cifar"), &cifar);
    let counts = [
        ("npy", 1000),
        ("d.npz", 500),
        ("d.safetensors", 1000),
        ("idx", 1000),
        ("gz", 1000),
        ("images", 1000),
        ("table", 1500),
        ("hub", 3000),
        ("cifar", 200),
    ];
    counts.map(|(name, count)| (path(name), count)).into()
}

fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let mut entries: Vec<PathBuf> =
        fs::read_dir(place).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    entries.iter().flat_map(|entry| files(entry)).collect()
}

/// Loads and feeds everything, once as is and once with unreadable images left out.
fn read(place: &Path) -> Result<(), String> {
    let mut first = Ok(());
    for skip in [false, true] {
        let options = LoadOptions { skip_unreadable: skip, ..LoadOptions::default() };
        let outcome = load(place, &["input"], &options).and_then(|data| feed(&data));
        if !skip {
            first = outcome.map_err(|error| error.to_string());
        }
    }
    first
}

fn feed(data: &Data) -> forget_audit::Result<()> {
    let spec = InputSpec { name: "input".into(), dims: vec![None; 4] };
    for set in [Some(&data.train), data.test.as_ref()].into_iter().flatten() {
        let rows: Vec<usize> = (0..set.len().min(64)).collect();
        set.batch(&rows, &spec, &Default::default())?;
    }
    Ok(())
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    for (place, count) in seeds(dir.path()) {
        let name = place.file_name().unwrap().to_string_lossy().into_owned();
        read(&place).unwrap_or_else(|error| panic!("{name} as it was written: {error}"));
        let files = files(&place);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut refused = 0;
        for round in 0..count {
            let file = &files[rng.random_range(0..files.len())];
            let other = fs::read(&files[rng.random_range(0..files.len())]).unwrap();
            let sound = fs::read(file).unwrap();
            let mut bytes = sound.clone();
            for _ in 0..rng.random_range(1..=3) {
                mutate(&mut rng, &mut bytes, &other);
            }
            fs::write(file, &bytes).unwrap();
            match catch_unwind(AssertUnwindSafe(|| read(&place))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    refused += 1;
                    let place = place.display().to_string();
                    assert!(error.contains(&place), "{name}, round {round}: {error}");
                }
                Err(_) => {
                    let kept = std::env::temp_dir().join(format!("mutated-{name}-{round}"));
                    fs::write(&kept, &bytes).unwrap();
                    panic!("{} as {} in round {round}", file.display(), kept.display());
                }
            }
            fs::write(file, &sound).unwrap();
        }
        // Mutations that a reader never sees would test nothing.
        assert!(refused > count / 5, "{name}: {refused} of {count} refused");
    }
}
