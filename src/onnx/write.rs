//! Writing a patched model, with the files of its external data.
//!
//! A model with external data names its files relative to its own folder. In another folder the copy
//! keeps those names, so that the `.onnx` file stays as it is but for what was patched in it. Where
//! one of these names is taken, always so in the original's own folder, the copies are called
//! `OUT.onnx.data` (then `OUT.onnx.2.data` and so on) and the new names are written into the copy of
//! the model. Every data file is copied whole: tensors that were not patched are found there too.

use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::patch::{DataFile, Patched, broken};
use super::stored::{self, EXTERNAL_DATA};
use super::wire::{Broken, Edits, Kind, fields};
use crate::staged::{Staged, folder_of};
use crate::{Error, Result};

impl Patched {
    /// Writes the model to `path` and its external data beside it, in the place of files that have
    /// these names. Each file appears complete or not at all, the model last.
    ///
    /// # Errors
    /// When a file can't be written, or would take the place of the original model or its data.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed = |e: std::io::Error| {
            Error::file(path, format!("can't be written ({e})"), "check space and permissions")
        };
        std::fs::create_dir_all(folder_of(path)).map_err(failed)?;
        let names = self.data_names(path)?;
        let targets: Vec<(PathBuf, &DataFile)> =
            self.data.iter().map(|(n, d)| (folder_of(path).join(&names[n]), d)).collect();
        self.keep_original(path, targets.iter().map(|(target, _)| target.as_path()))?;

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
    fn data_names(&self, path: &Path) -> Result<BTreeMap<String, String>> {
        let folder = folder_of(path);
        let taken = |name: &String| folder.join(name).symlink_metadata().is_ok();
        if !self.data.keys().any(taken) {
            return Ok(self.data.keys().map(|n| (n.clone(), n.clone())).collect());
        }
        let Some(stem) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::file(path, "the name is no text", "give a name in UTF-8"));
        };
        let number = |i: usize| if i == 0 { String::new() } else { format!(".{}", i + 1) };
        let new = (0..).map(|i| format!("{stem}{}.data", number(i)));
        Ok(self.data.keys().cloned().zip(new).collect())
    }

    /// Fails when one of the files to be written is one that was read.
    fn keep_original<'a>(
        &self,
        path: &'a Path,
        data: impl Iterator<Item = &'a Path>,
    ) -> Result<()> {
        let folder = folder_of(&self.model);
        let named = self.data.keys().map(|n| folder.join(n));
        let real = self.data.values().map(|d| d.path.clone());
        let read: Vec<PathBuf> =
            std::iter::once(self.model.clone()).chain(named).chain(real).collect();
        for target in std::iter::once(path).chain(data) {
            if read.iter().any(|r| same_file(r, target)) {
                return Err(Error::file(
                    target,
                    "is a file of the original model",
                    "give another path for the new model",
                ));
            }
        }
        Ok(())
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
