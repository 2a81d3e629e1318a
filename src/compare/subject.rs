//! One of the models compared.

use std::path::Path;

use crate::Result;
use crate::onnx::{Graph, Head, Model};
use crate::report::ModelSummary;

/// A model with its classifier head.
pub(super) struct Subject {
    pub model: Model,
    pub head: Head,
}

impl Subject {
    pub fn open(path: &Path) -> Result<Self> {
        let model = Model::open(path)?;
        let head = Head::find(&Graph::new(&model)?)?;
        Ok(Self { model, head })
    }

    pub fn graph(&self) -> Result<Graph<'_>> {
        Graph::new(&self.model)
    }

    pub fn summary(&self) -> ModelSummary {
        ModelSummary {
            path: self.model.path().display().to_string(),
            sha256: self.model.sha256().to_owned(),
            parameters: self.model.parameter_count(),
            opset: self.model.opset(),
            producer: self.model.producer(),
        }
    }
}
