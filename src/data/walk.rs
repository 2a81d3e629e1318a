//! Image files below a folder, in the order in which torchvision lists them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::unreadable;
use crate::{Error, Result};

/// Endings of image files, in lower case.
const ENDINGS: [&str; 8] = ["png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"];

/// Endings of images that torchvision lists and this program doesn't read.
const NOT_READ: [&str; 2] = ["ppm", "pgm"];

/// An ending of images that this program reads and torchvision doesn't list.
const NOT_LISTED: &str = "gif";

/// How deep folders may lie in one another.
const MAX_DEPTH: usize = 64;

/// What a folder holds, by name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub folders: BTreeMap<OsString, PathBuf>,
    pub files: BTreeMap<OsString, PathBuf>,
    /// Entries whose names begin with a dot, which are left out.
    pub hidden: Vec<PathBuf>,
}

/// Images below a folder.
#[derive(Debug, Default)]
pub(crate) struct Images {
    pub files: Vec<PathBuf>,
    /// A file by which torchvision's list is another: one that it passes over, or a hidden one
    /// that it takes.
    pub odd: Option<PathBuf>,
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
            listing.hidden.push(path);
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
    ends_in(path, &ENDINGS)
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

/// A hidden image of a folder, or one in a hidden folder: torchvision takes both.
pub(crate) fn hidden_image(listing: &Listing) -> Option<PathBuf> {
    let taken = |path: &Path| is_image(path) && !ends_in(path, &[NOT_LISTED]);
    let below = |path: &PathBuf| list(path).ok()?.files.into_values().find(|file| taken(file));
    listing.hidden.iter().find_map(|path| match path.is_dir() {
        true => below(path),
        false => taken(path).then(|| path.clone()),
    })
}

/// All image files below `folder`: its own, then those of its subfolders, each in the order of
/// their names' bytes.
///
/// # Errors
/// What can't be read, images of kinds that aren't supported among it; links that lead round in a
/// circle.
pub(crate) fn images(folder: &Path) -> Result<Images> {
    let mut found = Images::default();
    descend(folder, &mut Vec::new(), &mut found)?;
    // torchvision sorts folders by their whole paths, then the files in each.
    found.files.sort_by(|a, b| {
        let key = |path: &Path| {
            let bytes = |text: &std::ffi::OsStr| text.as_encoded_bytes().to_vec();
            let folder = path.parent().map(|p| bytes(p.as_os_str()));
            (folder, path.file_name().map(bytes))
        };
        key(a).cmp(&key(b))
    });
    Ok(found)
}

fn descend(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Images) -> Result<()> {
    let real =
        folder.canonicalize().map_err(|error| unreadable(&folder.display().to_string(), &error))?;
    if above.contains(&real) || above.len() >= MAX_DEPTH {
        return Err(Error::file(
            folder,
            "links lead round in a circle, or folders lie too deep in one another",
            "remove the link",
        ));
    }
    let listing = list(folder)?;
    if let Some(path) = listing.files.values().find(|path| ends_in(path, &NOT_READ)) {
        return Err(Error::file(
            path,
            "images of this kind (PPM, PGM) are not read",
            "convert it to PNG, or move it elsewhere if the models were trained without it",
        ));
    }
    let passed_over = || listing.files.values().find(|path| ends_in(path, &[NOT_LISTED])).cloned();
    found.odd = found.odd.take().or_else(passed_over).or_else(|| hidden_image(&listing));
    found.files.extend(listing.files.into_values().filter(|path| is_image(path)));
    above.push(real);
    for path in listing.folders.into_values() {
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
        let names: Vec<_> =
            found.files.iter().map(|p| p.strip_prefix(dir.path()).unwrap()).collect();
        let expected = ["a.gif", "z.bmp", "b/10.JPG", "b/2.png", "b-c/1.tif", "b/c/1.png"];
        assert_eq!(names, expected.map(Path::new));
    }

    /// What `torchvision.datasets.folder.IMG_EXTENSIONS` has, and that it knows no hidden files.
    #[test]
    fn it_is_told_where_torchvision_lists_others() {
        let odd = |names: &[&str]| {
            let dir = tempfile::tempdir().unwrap();
            names.iter().for_each(|name| touch(dir.path().join(name)));
            let odd = images(dir.path()).map(|found| found.odd);
            odd.map(|path| path.map(|path| path.strip_prefix(dir.path()).unwrap().to_owned()))
        };
        for (names, expected) in [
            (&["1.png", ".DS_Store", ".cache/notes.txt", "a.pbm"][..], None),
            (&["1.png", "a/2.GIF"], Some("a/2.GIF")),
            (&["1.png", "a/.2.jpg"], Some("a/.2.jpg")),
            (&["a/1.png", "a/.ipynb_checkpoints/1.png"], Some("a/.ipynb_checkpoints/1.png")),
        ] {
            assert_eq!(odd(names).unwrap(), expected.map(PathBuf::from), "{names:?}");
        }
        for name in ["2.ppm", "a/2.PGM"] {
            let error = odd(&["1.png", name]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("are not read"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path().join("real/1.png"));
        touch(dir.path().join("set/0.png"));
        symlink(dir.path().join("real"), dir.path().join("set/link")).unwrap();
        assert_eq!(images(&dir.path().join("set")).unwrap().files.len(), 2);
        symlink(dir.path().join("set"), dir.path().join("real/back")).unwrap();
        let error = images(&dir.path().join("set")).unwrap_err().to_string();
        assert!(error.contains("circle") && error.contains("back"), "{error}");
        symlink("nowhere", dir.path().join("real/gone.png")).unwrap();
        let error = list(&dir.path().join("real")).unwrap_err().to_string();
        assert!(error.contains("gone.png: a link that leads nowhere"), "{error}");
    }
}
