//! New values in a model file, written over the old ones: everything else stays byte for byte.
//!
//! Weights move, the graph doesn't: names, operator set, metadata, fields that this crate doesn't
//! know, the order of fields and the encoding of numbers are the original file's. A value that reads
//! as the one given keeps its bytes, so a patch with a model's own values is the file itself.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use protobuf::{Enum, Message};
use sha2::{Digest, Sha256};

use super::external::{Place, entry, is_external, place};
use super::model::{Model, read_file};
use super::proto::onnx::TensorProto;
use super::proto::onnx::tensor_proto::DataType;
use super::stored::{self, DATA_LOCATION, DOUBLE_DATA, FLOAT_DATA, INT32_DATA, Stored, Values};
use super::wire::{Broken, Edits, Field, Kind, Within, encoded, fields, varint};
use crate::hex::hex;
use crate::staged::folder_of;
use crate::{Error, Result};

const REREAD: &str = "leave the model as it is until the run has ended, and start again";

/// A model file with new values, not yet written; [`Patched::write`] writes it.
pub struct Patched {
    pub(super) model: PathBuf,
    /// The `.onnx` file.
    pub(super) file: Vec<u8>,
    /// The files of external data by the name that the model gives them.
    pub(super) data: BTreeMap<String, DataFile>,
    /// Other models in use.
    pub(super) kept: Vec<PathBuf>,
}

/// A file of external data and what changes in it.
pub(super) struct DataFile {
    pub(super) path: PathBuf,
    /// New bytes by offset.
    pub(super) changes: Vec<(u64, Vec<u8>)>,
}

/// The file of `model` with `values` in the place of what it holds: by the name of an initializer of
/// the main graph, or of a `Constant` node's output. Values are in row-major order and rounded to the
/// type that the tensor is stored in.
///
/// # Errors
/// When the file changed since it was opened; when a name is unknown or not of floating point; when
/// the number of values differs; when a new value is not finite or too large for the stored type.
pub fn patched(model: &Model, values: &BTreeMap<String, Vec<f32>>) -> Result<Patched> {
    let path = model.path();
    let file = read_file(path)?;
    if hex(&Sha256::digest(&file)) != model.sha256() {
        return Err(Error::file(path, "changed while it was in use", REREAD));
    }
    let mut edits = Edits::default();
    let tensors = stored::tensors(&file, &mut edits).map_err(|p| broken(path, p))?;
    let externals = externals(path, &file, &tensors)?;
    let mut patch = Patch { path, file, edits, data: BTreeMap::new(), externals };
    for External { place, .. } in &patch.externals {
        let file = DataFile { path: place.path.clone(), changes: Vec::new() };
        patch.data.entry(place.location.clone()).or_insert(file);
    }
    let mut by_name: HashMap<&str, Vec<&Stored>> = HashMap::new();
    for tensor in &tensors {
        if let Some(name) = &tensor.name {
            by_name.entry(name).or_default().push(tensor);
        }
    }
    for (name, values) in values {
        match by_name.get(name.as_str()).map(Vec::as_slice) {
            Some([tensor]) => patch.tensor(name, tensor, values)?,
            Some(_) => return Err(patch.refuse(name, "is in the file twice", "export it again")),
            None => {
                let remedy = "`audit inspect` lists the parameters of a model";
                return Err(patch.refuse(
                    name,
                    "is no initializer or Constant of the graph",
                    remedy,
                ));
            }
        }
    }
    let Patch { file, edits, data, .. } = patch;
    Ok(Patched { model: path.to_owned(), file: edits.applied(file), data, kept: Vec::new() })
}

pub(super) fn broken(path: &Path, problem: Broken) -> Error {
    Error::file(path, format!("not an ONNX file (it {problem})"), "export the model again")
}

/// A tensor whose values lie in another file.
pub(super) struct External {
    /// Where its message begins, by which it is known.
    start: usize,
    message: TensorProto,
    place: Place,
}

/// Those of `tensors` whose values lie in other files.
fn externals(model: &Path, file: &[u8], tensors: &[Stored]) -> Result<Vec<External>> {
    let mut found = Vec::new();
    for tensor in tensors {
        // Parsing copies a tensor's values; only those that say where they lie are parsed.
        if !fields(file, tensor.message.clone()).flatten().any(|f| f.number == DATA_LOCATION) {
            continue;
        }
        let message = TensorProto::parse_from_bytes(&file[tensor.message.clone()]);
        let message = message.map_err(|_| broken(model, "holds a broken tensor"))?;
        if is_external(&message) {
            let folder = folder_of(model).canonicalize().map_err(|e| {
                Error::file(model, format!("can't open its folder ({e})"), "check the path")
            })?;
            let place = place(&message, &folder, model)?;
            found.push(External { start: tensor.message.start, message, place });
        }
    }
    Ok(found)
}

/// The files of external data that the model at `model` names, as far as it can be read; who loads
/// the model tells what is wrong with it.
#[must_use]
pub fn data_files(model: &Path) -> Vec<PathBuf> {
    let Ok(file) = read_file(model) else { return Vec::new() };
    let Ok(tensors) = stored::tensors(&file, &mut Edits::default()) else { return Vec::new() };
    let found = externals(model, &file, &tensors).unwrap_or_default();
    let mut paths: Vec<PathBuf> = found.into_iter().map(|external| external.place.path).collect();
    paths.sort();
    paths.dedup();
    paths
}

struct Patch<'a> {
    path: &'a Path,
    file: Vec<u8>,
    /// What can't be overwritten in place.
    edits: Edits,
    data: BTreeMap<String, DataFile>,
    externals: Vec<External>,
}

impl Patch<'_> {
    fn refuse(&self, name: &str, problem: &str, remedy: &str) -> Error {
        Error::file(self.path, format!("\"{name}\" {problem}"), remedy)
    }

    fn tensor(&mut self, name: &str, tensor: &Stored, values: &[f32]) -> Result<()> {
        let stored = Values::find(&self.file, tensor.message.clone());
        let stored = stored.map_err(|p| broken(self.path, p))?;
        let Some(format) = DataType::from_i32(stored.data_type).and_then(Format::of) else {
            let remedy = "only weights of floating point can be given new values";
            return Err(self.refuse(name, "is not of floating point", remedy));
        };
        let mut values = Given { values, next: 0, format };
        let external = self.externals.iter().position(|e| e.start == tensor.message.start);
        let written = match (external, &stored.raw, format) {
            (Some(index), _, _) => self.external(name, index, &mut values)?,
            (None, Some(raw), _) => self.fixed(std::slice::from_ref(raw), &mut values),
            (None, None, Format::Single) => self.fixed(&places(&stored, FLOAT_DATA), &mut values),
            (None, None, Format::Double) => self.fixed(&places(&stored, DOUBLE_DATA), &mut values),
            (None, None, Format::Half | Format::Brain) => {
                let fields = stored.numbers.iter().filter(|f| f.number == INT32_DATA);
                fields.cloned().try_for_each(|f| self.varints(&f, tensor.within, &mut values))
            }
        };
        written.and_then(|()| values.finish()).map_err(|problem| {
            let remedy = match problem {
                Problem::Stored(_) => "export the model again",
                Problem::Count { .. } => "give as many values as the tensor holds",
                Problem::NotFinite(_) => "the training diverged: lower the learning rate",
                Problem::TooLarge(..) => "lower the learning rate, or export the model as float32",
            };
            self.refuse(name, &problem.to_string(), remedy)
        })
    }

    /// Numbers of fixed size, in one place or several, overwritten at once: no lengths change.
    fn fixed(&mut self, places: &[Range<usize>], values: &mut Given) -> Result<(), Problem> {
        places.iter().try_for_each(|p| values.overwrite(&mut self.file[p.clone()]).map(drop))
    }

    /// The bits of numbers of 16 bits, written as numbers of varying length: packed, or one a field.
    fn varints(
        &mut self,
        field: &Field,
        within: Within,
        values: &mut Given,
    ) -> Result<(), Problem> {
        let mut bytes = Vec::with_capacity(field.value.len());
        let mut changed = false;
        let mut at = field.value.start;
        while at < field.value.end {
            let (number, next) = varint(&self.file, at).map_err(Problem::Stored)?;
            let mut half = (number as u16).to_le_bytes();
            if values.overwrite(&mut half)? {
                changed = true;
                bytes.extend(encoded(u16::from_le_bytes(half).into()));
            } else {
                bytes.extend_from_slice(&self.file[at..next]);
            }
            at = next;
        }
        if changed {
            let packed = field.kind == Kind::Delimited;
            let within = if packed { self.edits.enter(field, within) } else { within };
            self.edits.replace(field.value.clone(), bytes, within);
        }
        Ok(())
    }

    /// Numbers in a file beside the model. The outer error is not about the values.
    fn external(
        &mut self,
        name: &str,
        index: usize,
        values: &mut Given,
    ) -> Result<Result<(), Problem>> {
        let External { place, message, .. } = &self.externals[index];
        let wanted = (values.values.len() * values.format.size()) as u64;
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&place.path).and_then(|mut f| {
            f.seek(SeekFrom::Start(place.offset))?;
            f.take(place.length.unwrap_or(wanted)).read_to_end(&mut bytes)
        });
        if let Err(e) = read {
            let problem = format!("can't be read from \"{}\" ({e})", place.location);
            return Err(self.refuse(name, &problem, "check the path"));
        }
        match values.overwrite(&mut bytes) {
            Ok(true) => {}
            other => return Ok(other.map(drop)),
        }
        if entry(message, "checksum").is_some() {
            let problem = "carries a checksum of its data file, which new values would break";
            return Err(self.refuse(name, problem, "export the model without checksums"));
        }
        let end = |p: &Place| p.length.map_or(u64::MAX, |l| p.offset.saturating_add(l));
        let shared = self.externals.iter().enumerate().find(|(i, other)| {
            *i != index
                && other.place.path == place.path
                && other.place.offset < place.offset.saturating_add(bytes.len() as u64)
                && place.offset < end(&other.place)
        });
        if let Some((_, other)) = shared {
            let problem = format!("shares its bytes with \"{}\"", other.message.name());
            return Err(self.refuse(name, &problem, "export the model with one place a tensor"));
        }
        // One file may go by several names: "weights.bin" and "./weights.bin".
        for file in self.data.values_mut().filter(|f| f.path == place.path) {
            file.changes.push((place.offset, bytes.clone()));
        }
        Ok(Ok(()))
    }
}

fn places(stored: &Values, number: u64) -> Vec<Range<usize>> {
    stored.numbers.iter().filter(|f| f.number == number).map(|f| f.value.clone()).collect()
}

/// New values, consumed in order.
struct Given<'a> {
    values: &'a [f32],
    next: usize,
    format: Format,
}

impl Given<'_> {
    /// Writes the next values over `stored`, those that differ; whether any did.
    fn overwrite(&mut self, stored: &mut [u8]) -> Result<bool, Problem> {
        let mut changed = false;
        for old in stored.chunks_exact_mut(self.format.size()) {
            let index = self.next;
            self.next += 1;
            // The number of values is checked once all have been counted.
            let Some(&new) = self.values.get(index) else { continue };
            let same = self.format.read(old);
            if same.to_bits() == new.to_bits() || (same.is_nan() && new.is_nan()) {
                continue;
            }
            if !new.is_finite() {
                return Err(Problem::NotFinite(index));
            }
            self.format.write(new, old);
            if !self.format.read(old).is_finite() {
                return Err(Problem::TooLarge(index, new, self.format));
            }
            changed = true;
        }
        Ok(changed)
    }

    fn finish(&self) -> Result<(), Problem> {
        let (stored, given) = (self.next, self.values.len());
        if stored == given { Ok(()) } else { Err(Problem::Count { stored, given }) }
    }
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Stored(Broken),
    #[error("holds {stored} values, but {given} were given")]
    Count { stored: usize, given: usize },
    #[error("would hold a value that is not finite, at {0}")]
    NotFinite(usize),
    #[error("would hold {1:e} at {0}, more than {2} can")]
    TooLarge(usize, f32, Format),
}

/// A floating-point type as it is stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Single,
    Double,
    Half,
    Brain,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Single => "float32",
            Self::Double => "float64",
            Self::Half => "float16",
            Self::Brain => "bfloat16",
        })
    }
}

impl Format {
    fn of(data_type: DataType) -> Option<Self> {
        Some(match data_type {
            DataType::FLOAT => Self::Single,
            DataType::DOUBLE => Self::Double,
            DataType::FLOAT16 => Self::Half,
            DataType::BFLOAT16 => Self::Brain,
            _ => return None,
        })
    }

    fn size(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Double => 8,
            Self::Half | Self::Brain => 2,
        }
    }

    /// The number in `bytes`, which has the format's size.
    fn read(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Single, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (Self::Double, &[a, b, c, d, e, f, g, h]) => {
                f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32
            }
            (Self::Half, &[a, b]) => half::f16::from_le_bytes([a, b]).to_f32(),
            (Self::Brain, &[a, b]) => half::bf16::from_le_bytes([a, b]).to_f32(),
            _ => f32::NAN,
        }
    }

    fn write(self, value: f32, to: &mut [u8]) {
        match self {
            Self::Single => to.copy_from_slice(&value.to_le_bytes()),
            Self::Double => to.copy_from_slice(&f64::from(value).to_le_bytes()),
            Self::Half => to.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
            Self::Brain => to.copy_from_slice(&half::bf16::from_f32(value).to_le_bytes()),
        }
    }
}
