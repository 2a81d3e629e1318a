//! Image files below a folder, in the order in which torchvision lists them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::unreadable;
use crate::{Error, Result};

/// Endings of image files, in lower case.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 64;

/// What a folder holds, by name; hidden entries are left out.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub folders: BTreeMap<OsString, PathBuf>,
    pub files: BTreeMap<OsString, PathBuf>,
}

/// Lists a folder; links are followed.
///
/// # Errors
/// A folder or an entry that can't be read, a link that leads nowhere among them.
pub(crate) fn list(folder: &Path) -> Result<Listing> {
    let fail = |path: &Path, error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::file(path, "a link that leads nowhere", "mend or remove the link")
        }
        io::ErrorKind::PermissionDenied => {
            Error::file(path, error, "allow this user to read the folder")
        }
        _ => unreadable(&path.display().to_string(), error),
    };
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(folder).map_err(|error| fail(folder, &error))? {
        let entry = entry.map_err(|error| fail(folder, &error))?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let mut kind = entry.file_type().map_err(|error| fail(&path, &error))?;
        if kind.is_symlink() {
            kind = std::fs::metadata(&path).map_err(|error| fail(&path, &error))?.file_type();
        }
        if kind.is_dir() {
            listing.folders.insert(name, path);
        } else if kind.is_file() {
            listing.files.insert(name, path);
        }
    }
    Ok(listing)
}

/// Whether a file's ending is an image's.
pub(crate) fn is_image(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// All image files below `folder`: its own, then those of its subfolders, each in the order of
/// their names' bytes.
///
/// # Errors
/// What can't be read; links that lead round in a circle.
pub(crate) fn images(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    descend(folder, &mut Vec::new(), &mut found)?;
    // torchvision sorts folders by their whole paths, then the files in each.
    found.sort_by(|a, b| {
        let key = |path: &Path| {
            let bytes = |text: &std::ffi::OsStr| text.as_encoded_bytes().to_vec();
            let folder = path.parent().map(|p| bytes(p.as_os_str()));
            (folder, path.file_name().map(bytes))
        };
        key(a).cmp(&key(b))
    });
    Ok(found)
}

fn descend(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let real =
        folder.canonicalize().map_err(|error| unreadable(&folder.display().to_string(), &error))?;
    if above.contains(&real) || above.len() >= MAX_DEPTH {
        return Err(Error::file(
            folder,
            "links lead round in a circle, or folders lie too deep in one another",
            "remove the link",
        ));
    }
    let Listing { folders, files } = list(folder)?;
    found.extend(files.into_values().filter(|path| is_image(path)));
    above.push(real);
    for path in folders.into_values() {
        descend(&path, above, found)?;
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: PathBuf) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    /// The order of `sorted(os.walk(folder))` with `sorted(files)`, by hand.
    #[test]
    fn files_come_in_torchvision_s_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.png", "b/10.JPG", "z.bmp", "a.gif", ".x.png", "b-c/1.tif", "b/c/1.png"] {
            touch(dir.path().join(name));
        }
        touch(dir.path().join("notes.txt"));
        touch(dir.path().join(".cache/1.png"));
        let found = images(dir.path()).unwrap();
        let names: Vec<_> = found.iter().map(|p| p.strip_prefix(dir.path()).unwrap()).collect();
        let expected = ["a.gif", "z.bmp", "b/10.JPG", "b/2.png", "b-c/1.tif", "b/c/1.png"];
        assert_eq!(names, expected.map(Path::new));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path().join("real/1.png"));
        touch(dir.path().join("set/0.png"));
        symlink(dir.path().join("real"), dir.path().join("set/link")).unwrap();
        assert_eq!(images(&dir.path().join("set")).unwrap().len(), 2);
        symlink(dir.path().join("set"), dir.path().join("real/back")).unwrap();
        let error = images(&dir.path().join("set")).unwrap_err().to_string();
        assert!(error.contains("circle") && error.contains("back"), "{error}");
        symlink("nowhere", dir.path().join("real/gone.png")).unwrap();
        let error = list(&dir.path().join("real")).unwrap_err().to_string();
        assert!(error.contains("gone.png: a link that leads nowhere"), "{error}");
    }
}
