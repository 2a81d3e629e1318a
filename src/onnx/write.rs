//! Writing a patched model, with the files of its external data.
//!
//! A model with external data names its files relative to its own folder. In another folder the copy
//! keeps those names, so that the `.onnx` file stays as it is but for what was patched in it. Where
//! one of these names is taken by anything but an older `OUT.onnx`, always so in the original's own
//! folder, the copies are called `OUT.onnx.data` (then `OUT.onnx.2.data` and so on) and the new names
//! are written into the copy of the model. Every data file is copied whole: tensors that were not patched are found there too.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::patch::{DataFile, Patched, broken, data_files};
use super::stored::{self, EXTERNAL_DATA};
use super::wire::{Broken, Edits, Kind, fields};
use crate::staged::{Staged, folder_of};
use crate::{Error, Result};

impl Patched {
    /// Leaves these models and their data alone, too, wherever it is written.
    #[must_use]
    pub fn keeping<'a>(mut self, models: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        self.kept.extend(models.into_iter().cloned());
        self
    }

    /// Writes the model to `path` and its external data beside it, in the place of files that have
    /// these names. Each file appears complete or not at all, the model last.
    ///
    /// # Errors
    /// When a file can't be written, or would take the place of the original model, of one that is
    /// kept, or of their data.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |e: std::io::Error| {
            Error::file(path, format!("can't be written ({e})"), "check space and permissions")
        };
        std::fs::create_dir_all(folder_of(path)).map_err(failed)?;
        let read = self.read();
        let names = self.data_names(path, &read)?;
        let targets: Vec<(PathBuf, &DataFile)> =
            self.data.iter().map(|(n, d)| (folder_of(path).join(&names[n]), d)).collect();
        let written =
            std::iter::once(path).chain(targets.iter().map(|(target, _)| target.as_path()));
        for target in written {
            if read.iter().any(|r| same_file(r, target)) {
                return Err(Error::file(
                    target,
                    "is a file of a model that is read",
                    "give another path for the new model",
                ));
            }
        }

        let renamed = names.iter().any(|(old, new)| old != new);
        let mut model = Staged::beside(path).map_err(failed)?;
        let file = if renamed { &self.with_data_names(&names)? } else { &self.file };
        model.file().write_all(file).map_err(failed)?;
        let mut staged = Vec::with_capacity(targets.len());
        for (target, data) in &targets {
            staged.push(copied(target, data).map_err(failed)?);
        }
        if !staged.is_empty() && path.exists() {
            // An older model must not be left with newer data.
            std::fs::remove_file(path).map_err(failed)?;
        }
        for data in staged {
            data.publish().map_err(failed)?;
        }
        model.publish().map_err(failed)
    }

    /// The name of each data file of the copy at `path`, by its name in the original.
    fn data_names(&self, path: &Path, read: &[PathBuf]) -> Result<BTreeMap<String, String>> {
        let folder = folder_of(path);
        // The data of an older model at `path` go with it, unless a model in use shares them.
        let replaced = data_files(path);
        let is_in = |files: &[PathBuf], file: &Path| files.iter().any(|f| same_file(f, file));
        let free = |name: &String| {
            let file = folder.join(name);
            file.symlink_metadata().is_err() || is_in(&replaced, &file) && !is_in(read, &file)
        };
        if self.data.keys().all(free) {
            return Ok(self.data.keys().map(|n| (n.clone(), n.clone())).collect());
        }
        let Some(stem) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::file(path, "the name is no text", "give a name in UTF-8"));
        };
        let number = |i: usize| if i == 0 { String::new() } else { format!(".{}", i + 1) };
        let new = (0..).map(|i| format!("{stem}{}.data", number(i))).filter(free);
        Ok(self.data.keys().cloned().zip(new).collect())
    }

    /// All files that are read: of the original and of the models that are kept.
    fn read(&self) -> Vec<PathBuf> {
        let folder = folder_of(&self.model);
        let named = self.data.keys().map(|n| folder.join(n));
        let real = self.data.values().map(|d| d.path.clone());
        let kept = self.kept.iter().flat_map(|m| data_files(m).into_iter().chain([m.clone()]));
        std::iter::once(self.model.clone()).chain(named).chain(real).chain(kept).collect()
    }

    /// The model's bytes with other names for the files of its external data.
    fn with_data_names(&self, names: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        renamed(&self.file, names).map_err(|p| broken(&self.model, p))
    }
}

/// Whether both paths are one entry of one folder, or lead to one file.
fn same_file(a: &Path, b: &Path) -> bool {
    let entry = |p: &Path| Some((folder_of(p).canonicalize().ok()?, p.file_name()?.to_owned()));
    let real = |p: &Path| p.canonicalize().ok();
    let equal = |a: Option<_>, b: Option<_>| a.is_some() && a == b;
    entry(a).is_some_and(|a| Some(a) == entry(b)) || equal(real(a), real(b))
}

/// A copy of the data file with its changes, under a temporary name beside `target`.
fn copied(target: &Path, data: &DataFile) -> std::io::Result<Staged> {
    std::fs::create_dir_all(folder_of(target))?;
    let mut staged = Staged::beside(target)?;
    let file = staged.file();
    std::io::copy(&mut std::fs::File::open(&data.path)?, file)?;
    for (offset, bytes) in &data.changes {
        file.seek(SeekFrom::Start(*offset))?;
        file.write_all(bytes)?;
    }
    Ok(staged)
}

fn renamed(file: &[u8], names: &BTreeMap<String, String>) -> std::result::Result<Vec<u8>, Broken> {
    let mut edits = Edits::default();
    for tensor in stored::tensors(file, &mut edits)? {
        for entry in fields(file, tensor.message) {
            let entry = entry?;
            if entry.number != EXTERNAL_DATA || entry.kind != Kind::Delimited {
                continue;
            }
            let parts: Vec<_> = fields(file, entry.value.clone()).collect::<Result<_, _>>()?;
            let part = |number| parts.iter().rfind(|f| f.number == number);
            let (Some(key), Some(value)) = (part(1), part(2)) else { continue };
            let new =
                std::str::from_utf8(&file[value.value.clone()]).ok().and_then(|n| names.get(n));
            if let (b"location", Some(new)) = (&file[key.value.clone()], new) {
                let within = edits.enter(&entry, tensor.within);
                let within = edits.enter(value, within);
                edits.replace(value.value.clone(), new.clone().into_bytes(), within);
            }
        }
    }
    Ok(edits.applied(file.to_vec()))
}
