//! From tensor names to taps: a look at real shapes decides how each tensor is pooled.

use crate::data::InputSpec;
use crate::onnx::{Graph, Head, Pooling, TappedLayer, with_outputs};
use crate::runtime::{Batch, Output, Runtime, Session};
use crate::{Error, Result};

/// A tensor that can be tapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    /// What is tapped and how it is pooled.
    pub layer: TappedLayer,
    /// Length of the pooled vector.
    pub width: usize,
}

/// Samples in the trial batch: a number that no other dimension is likely to have.
const TRIAL: usize = 3;

/// The batch size that the model takes: its own where that is fixed.
///
/// # Errors
/// When two inputs are fixed to different batch sizes, or one to 0.
pub fn batch_size(session: &Session, wanted: usize) -> Result<usize> {
    let mut fixed: Option<usize> = None;
    for spec in session.inputs() {
        let Some(Some(first)) = spec.dims.first().copied() else { continue };
        if first == 0 || fixed.is_some_and(|f| f != first) {
            return Err(Error::file(
                session.path(),
                format!("the input \"{}\" fixes a batch of {first}", spec.name),
                "export the model with a dynamic batch dimension",
            ));
        }
        fixed = Some(first);
    }
    Ok(fixed.unwrap_or(wanted))
}

/// Makes a batch of so many samples for the given inputs.
pub type Trial<'a> = &'a dyn Fn(&[InputSpec], usize) -> Result<Vec<Batch>>;

/// Looks at the shapes of `tensors` on a few samples and decides how each is pooled.
///
/// The inner error says why a tensor can't be tapped.
///
/// # Errors
/// When the model can't be run on the data at all.
pub fn find_taps(
    runtime: &Runtime,
    graph: &Graph,
    head: &Head,
    tensors: &[String],
    trial: Trial,
) -> Result<Vec<std::result::Result<Tap, String>>> {
    let model = graph.model();
    let mut session = runtime.plain_session(with_outputs(model.clone(), tensors))?;
    let batch = batch_size(&session, TRIAL)?;
    let feeds = trial(&session.inputs(), batch)?;
    let outputs = session.run(feeds, tensors)?;
    Ok(tensors.iter().zip(outputs).map(|(t, o)| tap(graph, head, t, &o, batch)).collect())
}

fn tap(
    graph: &Graph,
    head: &Head,
    tensor: &str,
    output: &Output,
    batch: usize,
) -> std::result::Result<Tap, String> {
    let shape = output.shape.as_slice();
    if shape.first() != Some(&batch) || shape.len() < 2 || shape.contains(&0) {
        return Err(format!("its shape {shape:?} is not one entry a sample for {batch} samples"));
    }
    let last = shape[shape.len() - 1];
    let channels_last = shape.len() >= 3 && channels_last(graph, tensor);
    let (pooling, width) = match shape.len() {
        2 => (Pooling::None, last),
        3 if channels_last => match head.class_token {
            Some(index) if !in_range(index, shape[1]) => {
                return Err(format!(
                    "the head reads token {index}, but it has only {} tokens",
                    shape[1]
                ));
            }
            Some(index) => (Pooling::Token(index), last),
            None => (Pooling::TokenMean, last),
        },
        4 if channels_last => (Pooling::ChannelsLastMean, last),
        _ => (Pooling::MapMean, shape[1]),
    };
    Ok(Tap { layer: TappedLayer { tensor: tensor.to_owned(), pooling }, width })
}

/// Whether `index`, which may count from the end, is one of `tokens`.
fn in_range(index: i64, tokens: usize) -> bool {
    i64::try_from(tokens).is_ok_and(|n| (-n..n).contains(&index))
}

/// Whether the features of `tensor` lie along its last axis: told by the nearest operator that
/// works along one axis, readers first, then makers.
fn channels_last(graph: &Graph, tensor: &str) -> bool {
    let along_last = |op: &str| match op {
        "LayerNormalization" | "MatMul" | "Gemm" | "Softmax" | "RMSNormalization" => Some(true),
        "Conv"
        | "ConvTranspose"
        | "BatchNormalization"
        | "InstanceNormalization"
        | "GroupNormalization"
        | "MaxPool"
        | "AveragePool"
        | "GlobalAveragePool"
        | "GlobalMaxPool"
        | "PRelu"
        | "LRN" => Some(false),
        _ => None,
    };
    let read_by = graph.consumers(tensor).find_map(|n| along_last(n.op_type()));
    let made_by =
        || graph.ancestors(tensor).iter().rev().find_map(|&i| along_last(graph.node(i).op_type()));
    read_by.or_else(made_by).unwrap_or(false)
}
