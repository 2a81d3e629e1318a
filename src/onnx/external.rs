//! External data: weights that live in files beside the model.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::proto::onnx::tensor_proto::DataLocation;
use super::proto::onnx::{GraphProto, ModelProto, TensorProto};
use crate::lfs::{head, refuse_pointer};
use crate::{Error, Result};

/// Weights that are loaded into one message must fit it.
const MAX_TOTAL: u64 = (1 << 31) - (1 << 24);

/// The name of the first tensor with external data, if any.
pub(super) fn first_name(proto: &ModelProto) -> Option<&str> {
    fn visit(graph: &GraphProto) -> Option<&str> {
        let own = graph.initializer.iter().find(|t| is_external(t)).map(|t| t.name());
        own.or_else(|| {
            let attributes = graph.node.iter().flat_map(|n| &n.attribute);
            attributes.flat_map(|a| a.g.iter().chain(&a.graphs)).find_map(visit)
        })
    }
    visit(&proto.graph)
}

pub(super) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location() == DataLocation::EXTERNAL
}

/// Replaces each external tensor of `proto` by its values, read from files inside `folder`.
pub(super) fn load(proto: &mut ModelProto, folder: &Path, model: &Path) -> Result<()> {
    if first_name(proto).is_none() {
        return Ok(());
    }
    let folder = folder.canonicalize().map_err(|e| {
        Error::file(model, format!("can't open its folder ({e})"), "check the path")
    })?;
    let mut loader = Loader { folder, model, total: 0, files: HashMap::new() };
    match proto.graph.as_mut() {
        Some(graph) => loader.graph(graph),
        None => Ok(()),
    }
}

struct Loader<'a> {
    folder: PathBuf,
    model: &'a Path,
    total: u64,
    files: HashMap<PathBuf, (std::fs::File, u64)>,
}

impl Loader<'_> {
    fn graph(&mut self, graph: &mut GraphProto) -> Result<()> {
        for tensor in graph.initializer.iter_mut().filter(|t| is_external(t)) {
            self.tensor(tensor)?;
        }
        for attribute in graph.node.iter_mut().flat_map(|n| &mut n.attribute) {
            if let Some(inner) = attribute.g.as_mut() {
                self.graph(inner)?;
            }
            for inner in &mut attribute.graphs {
                self.graph(inner)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &mut TensorProto) -> Result<()> {
        let model = self.model;
        let fail = |problem: String, remedy: &str| Err(failure(model, tensor, &problem, remedy));
        let Place { location, path, offset, length } = place(tensor, &self.folder, model)?;
        let (file, size) = match self.files.entry(path) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => {
                let opened = std::fs::File::open(e.key())
                    .and_then(|mut f| Ok((head(&mut f)?, f.metadata()?.len(), f)));
                match opened {
                    Ok((head, size, file)) => {
                        let subject = format!("{}: external data \"{location}\"", model.display());
                        refuse_pointer(&subject, &head)?;
                        e.insert((file, size))
                    }
                    Err(error) => {
                        return fail(
                            format!("can't be read from \"{location}\" ({error})"),
                            "copy the complete export",
                        );
                    }
                }
            }
        };
        let length = length.unwrap_or(size.saturating_sub(offset));
        if offset.checked_add(length).is_none_or(|end| end > *size) {
            return fail(
                format!(
                    "ends at {} in \"{location}\", which has {size} bytes",
                    offset.saturating_add(length)
                ),
                "copy the complete export",
            );
        }
        self.total = self.total.saturating_add(length);
        if self.total > MAX_TOTAL {
            return fail("exceeds 2 GiB in all".into(), "models of this size are not supported");
        }
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.take(length).read_to_end(&mut bytes));
        if let Err(error) = read {
            return fail(format!("can't be read from \"{location}\" ({error})"), "check the disk");
        }
        tensor.raw_data = Some(bytes);
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }
}

/// Where a tensor's bytes lie.
pub(super) struct Place {
    /// The file's name as the model writes it.
    pub location: String,
    /// Its real path, inside the model's folder.
    pub path: PathBuf,
    /// Where in the file the bytes begin.
    pub offset: u64,
    /// How many there are; `None` for all to the end.
    pub length: Option<u64>,
}

/// The place that `tensor` names. `folder` is canonical.
pub(super) fn place(tensor: &TensorProto, folder: &Path, model: &Path) -> Result<Place> {
    let fail = |problem: String, remedy: &str| Err(failure(model, tensor, &problem, remedy));
    let location = entry(tensor, "location").unwrap_or_default().to_owned();
    let path = match resolve(&location, folder) {
        Ok(path) => path,
        Err(problem) => {
            return fail(
                format!("points to \"{location}\", {problem}"),
                "external data must lie in the model's own folder; copy the complete export",
            );
        }
    };
    let number = |key: &'static str| match entry(tensor, key) {
        None => Ok(None),
        Some(text) => text.trim().parse::<u64>().map(Some).map_err(|_| (key, text)),
    };
    match (number("offset"), number("length")) {
        (Ok(offset), Ok(length)) => {
            Ok(Place { location, path, offset: offset.unwrap_or(0), length })
        }
        (Err((key, text)), _) | (_, Err((key, text))) => {
            fail(format!("has the {key} \"{text}\""), "export the model again")
        }
    }
}

/// The value that `tensor` gives for `key` about its external data.
pub(super) fn entry<'a>(tensor: &'a TensorProto, key: &str) -> Option<&'a str> {
    tensor.external_data.iter().find(|e| e.key() == key).map(|e| e.value())
}

fn failure(model: &Path, tensor: &TensorProto, problem: &str, remedy: &str) -> Error {
    Error::file(model, format!("external data of \"{}\" {problem}", tensor.name()), remedy)
}

/// The real path of `location`, which must not leave the model's folder.
fn resolve(location: &str, folder: &Path) -> std::result::Result<PathBuf, String> {
    let relative = Path::new(location);
    let inside =
        relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if location.is_empty() || !inside {
        return Err("which is outside the model's folder".into());
    }
    let real =
        folder.join(relative).canonicalize().map_err(|e| format!("which can't be opened ({e})"))?;
    // A symbolic link may still lead outside.
    if real.starts_with(folder) {
        Ok(real)
    } else {
        Err("which leads outside the model's folder".into())
    }
}
