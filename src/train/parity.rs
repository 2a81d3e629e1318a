//! Does the trainer compute what ONNX Runtime computes?

use std::collections::{HashMap, HashSet};

use burn_backend::tensor::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::call::BatchNorm;
use super::engine::Base;
use super::program::{Bound, Program};
use super::value::Value;
use crate::data::InputSpec;
use crate::onnx::{Graph, Model};
use crate::runtime::{Batch, BatchValues, Runtime};
use crate::{Error, Result};

/// How far the trainer is from ONNX Runtime at one output.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Deviation {
    /// The output.
    pub output: String,
    /// Its shape in the run.
    pub shape: Vec<usize>,
    /// The largest absolute difference.
    pub absolute: f64,
    /// The same divided by the largest magnitude that ONNX Runtime gives.
    pub relative: f64,
}

/// Compares all outputs of `model` on one batch.
///
/// # Errors
/// When the trainer does not support the graph, either side refuses the batch, or the shapes of an
/// output differ.
pub fn parity<B: Base>(
    model: &Model,
    runtime: &Runtime,
    batch: impl Fn() -> Result<Vec<Batch>>,
    device: Device<B>,
) -> Result<Vec<Deviation>> {
    let program = Program::new(model)?;
    let outputs = program.outputs().to_vec();
    let bound = Bound::<B>::new(&program, &outputs, &HashSet::new(), device)?;
    let inputs: HashMap<String, Value<B>> =
        batch()?.into_iter().map(|b| super::trainer::feed(b, bound.device())).collect();
    let (ours, _) = bound.run(inputs, &Default::default(), BatchNorm::Frozen)?;
    let theirs = runtime.plain_session(model.clone())?.run(batch()?, &outputs)?;
    let mut deviations = Vec::new();
    for ((name, ours), theirs) in outputs.into_iter().zip(ours).zip(theirs) {
        if ours.shape() != theirs.shape {
            let problem = format!(
                "the output \"{name}\" has shape {:?} in the trainer and {:?} in ONNX Runtime",
                ours.shape(),
                theirs.shape
            );
            return Err(Error::file(model.path(), problem, "please report it with the model"));
        }
        let ours = ours.into_host()?.to_floats();
        let (mut absolute, mut largest) = (0.0f64, 0.0f64);
        for (&a, &b) in ours.iter().zip(&theirs.values) {
            // The same infinity or NaN on both sides is agreement.
            if a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) {
                largest = largest.max(f64::from(b.abs()).min(f64::MAX));
                continue;
            }
            let difference = (f64::from(a) - f64::from(b)).abs();
            absolute = absolute.max(if difference.is_nan() { f64::INFINITY } else { difference });
            largest = largest.max(f64::from(b.abs()));
        }
        let relative =
            if absolute == 0.0 { 0.0 } else { absolute / largest.max(f64::MIN_POSITIVE) };
        deviations.push(Deviation { output: name, shape: theirs.shape, absolute, relative });
    }
    Ok(deviations)
}

/// A batch of `samples` random samples: normal floats, integers within the tables they index, ones
/// and zeros for masks. `sizes` gives the shapes of inputs by name; other open dimensions get
/// `open`.
pub fn random_batch(
    model: &Model,
    inputs: &[InputSpec],
    integer: impl Fn(&str) -> bool,
    sizes: &HashMap<String, Vec<usize>>,
    samples: usize,
    open: usize,
    seed: u64,
) -> Result<Vec<Batch>> {
    let graph = Graph::new(model)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut batches = Vec::new();
    for spec in inputs {
        let shape: Vec<usize> = match sizes.get(&spec.name) {
            Some(shape) => shape.clone(),
            None => (spec.dims.iter().enumerate())
                .map(|(axis, d)| d.unwrap_or(if axis == 0 { samples } else { open }))
                .collect(),
        };
        let count: usize = shape.iter().product();
        let values = if integer(&spec.name) {
            let values = match table_rows(&graph, &spec.name) {
                Some(rows) => (0..count).map(|_| rng.random_range(0..rows.max(1))).collect(),
                // A mask: the first of each row stays, so that something is left to look at.
                None => {
                    let row = shape.last().copied().unwrap_or(1).max(1);
                    (0..count).map(|i| i64::from(i % row == 0 || rng.random_bool(0.7))).collect()
                }
            };
            BatchValues::Integer(values)
        } else {
            let normal = |rng: &mut ChaCha8Rng| {
                let (u, v): (f64, f64) = (rng.random(), rng.random());
                ((-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
            };
            BatchValues::Float((0..count).map(|_| normal(&mut rng)).collect())
        };
        batches.push(Batch { name: spec.name.clone(), shape, values });
    }
    Ok(batches)
}

/// The rows of the smallest table that the integers of `input` select from.
fn table_rows(graph: &Graph, input: &str) -> Option<i64> {
    let mut rows: Option<i64> = None;
    let mut seen = HashSet::new();
    let mut stack = vec![input.to_owned()];
    while let Some(tensor) = stack.pop() {
        if !seen.insert(tensor.clone()) {
            continue;
        }
        for node in graph.consumers(&tensor) {
            let carries = matches!(
                node.op_type(),
                "Identity"
                    | "Cast"
                    | "Reshape"
                    | "Squeeze"
                    | "Unsqueeze"
                    | "Slice"
                    | "Transpose"
                    | "Flatten"
                    | "Gather"
                    | "Split"
                    | "Concat"
            );
            let table = node.input.first().and_then(|t| graph.constant(t));
            match (node.op_type(), table) {
                ("Gather", Some(table)) if node.input.get(1) == Some(&tensor) => {
                    let length = table.tensor.dims().first().copied().unwrap_or(1);
                    rows = Some(rows.map_or(length, |r| r.min(length)));
                }
                _ if carries => stack.extend(node.output.iter().cloned()),
                _ => {}
            }
        }
    }
    rows
}
