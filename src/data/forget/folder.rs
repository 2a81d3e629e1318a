//! Forgotten samples by the folder that holds them, or copies of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::suggest;
use crate::data::archive::unreadable;
use crate::data::{Encoded, walk};
use crate::{Error, Result};

/// SHA-256 of an encoded image.
type Content = [u8; 32];

/// Training rows whose file lies under `folder`; where none does, those whose bytes are those of
/// an image in it, all of them where the training set repeats one.
pub(super) fn resolve(
    folder: &Path,
    source: &str,
    images: Option<&dyn Encoded>,
) -> Result<Vec<usize>> {
    if !folder.is_dir() {
        return Err(Error::file(folder, "not a folder", "give the folder of forgotten images"));
    }
    let images = images.ok_or_else(|| {
        Error::input(
            "--forget-folder",
            format!("{source} holds arrays, not image files"),
            "name the forgotten samples with --forget-classes or --forget-indices",
        )
    })?;
    let rows = lying_under(folder, images)?;
    if rows.is_empty() { copied(folder, images) } else { Ok(rows) }
}

/// Rows whose file lies under the folder, whichever way the paths are written.
fn lying_under(folder: &Path, images: &dyn Encoded) -> Result<Vec<usize>> {
    let there = |path: &Path| path.canonicalize().ok();
    let root = there(folder).ok_or_else(|| {
        Error::file(folder, "the folder can't be found", "give the folder of forgotten images")
    })?;
    // Many images share a folder.
    let mut parents: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in 0..images.len() {
        let name = images.name(row);
        let Some(parent) = Path::new(&name).parent() else { continue };
        let under = *parents
            .entry(parent.to_owned())
            .or_insert_with(|| there(parent).is_some_and(|parent| parent.starts_with(&root)));
        if under && Path::new(&name).is_file() {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Rows whose bytes are those of a file in the folder; every file must be one of them.
fn copied(folder: &Path, images: &dyn Encoded) -> Result<Vec<usize>> {
    let files = walk::images(folder)?.files;
    if files.is_empty() {
        return Err(Error::nothing(
            format!("{} holds no image", folder.display()),
            "give the folder of forgotten images",
        ));
    }
    let wanted: Vec<(Content, PathBuf)> = files
        .into_par_iter()
        .map(|path| {
            let subject = path.display().to_string();
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&subject, &error))?;
            Ok((Sha256::digest(&bytes).into(), path))
        })
        .collect::<Result<_>>()?;
    let contents: BTreeSet<Content> = wanted.iter().map(|(content, _)| *content).collect();
    let found: Vec<(usize, Content)> = (0..images.len())
        .into_par_iter()
        .map_init(Vec::new, |bytes, row| {
            images.read(row, bytes)?;
            let content: Content = Sha256::digest(&bytes).into();
            Ok(contents.contains(&content).then_some((row, content)))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_>>()?;
    let there: BTreeSet<&Content> = found.iter().map(|(_, content)| content).collect();
    let strange: Vec<String> = wanted
        .iter()
        .filter(|(content, _)| !there.contains(content))
        .map(|(_, path)| path.display().to_string())
        .collect();
    if !strange.is_empty() {
        return Err(Error::file(
            folder,
            format!(
                "{} of {} images have the content of no training image: {}",
                strange.len(),
                wanted.len(),
                suggest::list(strange.iter().map(String::as_str))
            ),
            "give the folder itself or byte-for-byte copies of training images, not re-encoded ones",
        ));
    }
    Ok(found.into_iter().map(|(row, _)| row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files, or bytes under names that are no files.
    #[derive(Debug)]
    struct Images(Vec<(String, Vec<u8>)>);

    impl Encoded for Images {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn name(&self, row: usize) -> String {
            self.0[row].0.clone()
        }

        fn read(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
            out.clone_from(&self.0[row].1);
            Ok(())
        }
    }

    fn write(folder: &Path, name: &str, content: &[u8]) -> String {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    #[test]
    fn rows_are_the_files_under_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let images: Vec<_> = ["a/1.png", "b/2.png", "b/c/3.png", "ab/4.png"]
            .map(|name| (write(dir.path(), name, b"same"), b"same".to_vec()))
            .into();
        let images = Images(images);
        let resolve = |folder: &str| resolve(&dir.path().join(folder), "d", Some(&images));
        assert_eq!(resolve("b").unwrap(), [1, 2]);
        assert_eq!(resolve("a").unwrap(), [0]);
        assert_eq!(resolve("b/../a/.").unwrap(), [0]);
    }

    #[test]
    fn copies_are_found_by_their_content() {
        let dir = tempfile::tempdir().unwrap();
        let row = |row: usize, bytes: &[u8]| (format!("t.parquet: row {row}"), bytes.to_vec());
        let images = Images(vec![row(0, b"x"), row(1, b"y"), row(2, b"x"), row(3, b"z")]);
        write(dir.path(), "copies/deep/first.PNG", b"x");
        write(dir.path(), "copies/z.jpg", b"z");
        write(dir.path(), "copies/notes.txt", b"not an image");
        write(dir.path(), "copies/.thumb.png", b"hidden");
        let folder = dir.path().join("copies");
        // Both rows of the repeated image.
        assert_eq!(resolve(&folder, "d", Some(&images)).unwrap(), [0, 2, 3]);
        write(dir.path(), "copies/w.jpg", b"re-encoded");
        let error = resolve(&folder, "d", Some(&images)).unwrap_err().to_string();
        assert!(error.contains("1 of 3 images") && error.contains("w.jpg"), "{error}");
    }

    #[test]
    fn folders_that_name_nothing_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let images = Images(vec![("a".to_owned(), b"x".to_vec())]);
        let error = resolve(dir.path(), "d", Some(&images)).unwrap_err();
        assert!(matches!(error, Error::NothingToCompare { .. }), "{error}");
        let error = resolve(&dir.path().join("none"), "d", Some(&images)).unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
        let error = resolve(dir.path(), "d.npz", None).unwrap_err().to_string();
        assert!(error.contains("d.npz holds arrays"), "{error}");
    }
}
