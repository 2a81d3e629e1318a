//! What kind of data set a folder is.

use std::path::Path;

use super::{Data, LoadOptions, cifar, idx, image_folder, npy_folder, parquet};
use crate::{Error, Result};

/// A kind of folder: its name, how it is told, how it is read.
struct Kind {
    name: &'static str,
    recognise: fn(&Path) -> bool,
    load: fn(&Path, &[&str], &LoadOptions) -> Result<Data>,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "NumPy arrays",
        recognise: npy_folder::recognise,
        load: |path, inputs, _| npy_folder::load(path, inputs),
    },
    Kind { name: "CIFAR", recognise: cifar::recognise, load: |path, _, _| cifar::load(path) },
    Kind { name: "IDX", recognise: idx::recognise, load: |path, _, _| idx::load(path) },
    Kind {
        name: "parquet",
        recognise: parquet::recognise,
        load: |path, _, options| parquet::load(path, options.class_names.as_deref()),
    },
];

/// Whether a folder shows at a glance that it holds samples.
pub(crate) fn recognise(path: &Path) -> bool {
    KINDS.iter().any(|kind| (kind.recognise)(path)) || image_folder::recognise(path)
}

/// Reads a folder; `model_inputs` as in [`super::load`].
///
/// # Errors
/// A folder of no known kind or of two, and all that the kind's reader refuses.
pub(crate) fn load(path: &Path, model_inputs: &[&str], options: &LoadOptions) -> Result<Data> {
    let found: Vec<&Kind> = KINDS.iter().filter(|kind| (kind.recognise)(path)).collect();
    match found.as_slice() {
        [kind] => (kind.load)(path, model_inputs, options),
        // A folder of images is told by least: any folder with folders might be one.
        [] => image_folder::load(path, options)?.ok_or_else(|| {
            Error::file(
                path,
                "no images and no other samples in this folder",
                "give a folder of the form train/CLASS/IMAGE and test/CLASS/IMAGE, or CLASS/IMAGE; \
                 docs/usage.md lists all formats",
            )
        }),
        [one, other, ..] => Err(Error::file(
            path,
            format!("the folder holds two data sets: {} and {}", one.name, other.name),
            "put each data set into a folder of its own",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_recognised_by_names_alone() {
        let dir = tempfile::tempdir().unwrap();
        let recognised = |files: &[&str]| {
            let root = tempfile::tempdir_in(dir.path()).unwrap();
            for file in files {
                let path = root.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "").unwrap();
            }
            recognise(root.path())
        };
        assert!(recognised(&["train/cat/1.png", "test/cat/2.png"]));
        assert!(recognised(&["cat/1.png", "dog/2.jpeg"]));
        assert!(recognised(&["metadata.jsonl", "1.png"]));
        assert!(recognised(&["data/train-00000-of-00001.parquet"]));
        assert!(recognised(&["x_train.npy", "y_train.npy"]));
        assert!(recognised(&["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]));
        assert!(recognised(&["data_batch_1.bin"]));
        // A report with its pictures, a folder of code.
        assert!(!recognised(&["page.html", "img/1.png"]));
        assert!(!recognised(&["src/main.py", "notes.txt"]));
        assert!(!recognised(&[]));
    }
}
