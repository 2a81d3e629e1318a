//! An ONNX file in memory.

use std::io::Read;
use std::path::{Path, PathBuf};

use protobuf::Message;
use sha2::{Digest, Sha256};

use super::external;
use super::proto::onnx::{GraphProto, ModelProto};
use super::tensor::Tensor;
use crate::hex::hex;
use crate::lfs::refuse_pointer;
use crate::{Error, Result};

/// The largest file that is read: protobuf messages end at 2 GiB.
const MAX_BYTES: u64 = (1 << 31) - 1;

const NOT_ONNX: &str = "export the model again, or check that the download is complete";

/// A parsed and checked ONNX model; external data is loaded into the message.
#[derive(Clone)]
pub struct Model {
    path: PathBuf,
    sha256: String,
    proto: ModelProto,
}

impl Model {
    /// Reads and checks the file at `path`, with the external data beside it.
    ///
    /// # Errors
    /// When the file is missing, not a file, larger than 2 GiB, not ONNX, has no graph, nodes or
    /// outputs, or holds tensors whose data don't fit their shapes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_file(path)?;
        let mut model = Self::parse(&bytes, path)?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        external::load(&mut model.proto, folder.unwrap_or(Path::new(".")), path)?;
        model.check()?;
        Ok(model)
    }

    /// Parses and checks a model held in memory. External data is refused: there is no folder to
    /// look in.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let model = Self::parse(bytes, Path::new("<memory>"))?;
        if let Some(name) = external::first_name(&model.proto) {
            return Err(Error::file(
                &model.path,
                format!("tensor \"{name}\" keeps its data in another file"),
                "open the model by its path",
            ));
        }
        model.check()?;
        Ok(model)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::file(path, "the file is empty", NOT_ONNX));
        }
        let proto = ModelProto::parse_from_bytes(bytes)
            .map_err(|e| Error::file(path, format!("not an ONNX file ({e})"), NOT_ONNX))?;
        if proto.graph.is_none() {
            return Err(Error::file(path, "not an ONNX file (it holds no graph)", NOT_ONNX));
        }
        Ok(Self { path: path.to_owned(), sha256: hex(&Sha256::digest(bytes)), proto })
    }

    fn check(&self) -> Result<()> {
        let graph = self.graph_proto();
        if graph.node.is_empty() {
            return Err(Error::file(&self.path, "the graph has no nodes", NOT_ONNX));
        }
        if graph.output.is_empty() {
            return Err(Error::file(&self.path, "the graph has no outputs", NOT_ONNX));
        }
        if self.opset() == 0 {
            return Err(Error::file(
                &self.path,
                "the file imports no version of the standard operator set",
                NOT_ONNX,
            ));
        }
        for tensor in &graph.initializer {
            Tensor::new(tensor).check().map_err(|problem| {
                Error::file(
                    &self.path,
                    format!("initializer \"{}\" {problem}", tensor.name()),
                    NOT_ONNX,
                )
            })?;
        }
        Ok(())
    }

    /// Where the model came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hex SHA-256 of the file's bytes (without external data).
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The message as parsed.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    pub(super) fn proto_mut(&mut self) -> &mut ModelProto {
        &mut self.proto
    }

    /// The main graph.
    pub fn graph_proto(&self) -> &GraphProto {
        &self.proto.graph
    }

    /// The imported version of the standard operator set; 0 when there is none.
    pub fn opset(&self) -> i64 {
        self.proto
            .opset_import
            .iter()
            .filter(|o| matches!(o.domain(), "" | "ai.onnx"))
            .map(|o| o.version())
            .max()
            .unwrap_or(0)
            .max(0)
    }

    /// What wrote the file, e.g. `pytorch 2.15.0`.
    pub fn producer(&self) -> String {
        format!("{} {}", self.proto.producer_name(), self.proto.producer_version())
            .trim()
            .to_owned()
    }

    /// Number of values in the graph's floating-point initializers.
    pub fn parameter_count(&self) -> u64 {
        self.graph_proto()
            .initializer
            .iter()
            .map(Tensor::new)
            .filter(Tensor::is_float)
            .filter_map(|t| t.len())
            .map(|n| n as u64)
            .sum()
    }

    /// The message as bytes, ready for ONNX Runtime.
    ///
    /// # Errors
    /// When the message outgrew what protobuf can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.proto.write_to_bytes().map_err(|e| {
            Error::file(
                &self.path,
                format!("the model can't be held in one message ({e})"),
                "models with more than 2 GiB of weights are not supported",
            )
        })
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let cannot = |e: std::io::Error| {
        Error::file(path, format!("can't read the model ({e})"), "check the path")
    };
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return Err(Error::file(path, "not a regular file", "give the path of an .onnx file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(Error::file(
            path,
            format!("{} bytes are more than an ONNX message can hold", metadata.len()),
            "store the weights as external data",
        ));
    }
    let mut bytes = Vec::new();
    // `take`: a file that grows while it is read stays within the limit.
    std::fs::File::open(path)
        .and_then(|f| f.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(cannot)?;
    refuse_pointer(&path.display().to_string(), &bytes)?;
    Ok(bytes)
}
