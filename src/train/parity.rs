//! Does the trainer compute what ONNX Runtime computes?

use std::collections::{HashMap, HashSet};

use burn_backend::tensor::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::call::BatchNorm;
use super::engine::Base;
use super::node::MOST_ELEMENTS;
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
    /// The largest absolute difference; infinite where one side is finite and the other not, or
    /// of another sign.
    pub absolute: f64,
    /// The same divided by the largest magnitude that ONNX Runtime gives; that of a mask, [`BEYOND`]
    /// times all others or more, counts for the mask alone.
    pub relative: f64,
    /// How many values are infinite or no numbers in ONNX Runtime.
    pub not_finite: usize,
}

/// A magnitude of this size and above, as many times larger than all that are smaller, is a mask's:
/// -1e9 or so for what softmax shall not see. How exact the others are is not measured by it.
const BEYOND: f64 = 1e4;

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
        deviations.push(deviation(name, theirs.shape, &ours, &theirs.values));
    }
    Ok(deviations)
}

fn deviation(output: String, shape: Vec<usize>, ours: &[f32], theirs: &[f32]) -> Deviation {
    let pairs = || ours.iter().zip(theirs).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let usual = usual_magnitude(theirs);
    let (mut absolute, mut relative) = (0.0f64, 0.0f64);
    for (a, b) in pairs() {
        // The same infinity or NaN on both sides is agreement.
        if a == b || (a.is_nan() && b.is_nan()) {
            continue;
        }
        let difference = (a - b).abs();
        let difference = if difference.is_nan() { f64::INFINITY } else { difference };
        absolute = absolute.max(difference);
        let size = if b.is_finite() { usual.max(b.abs()) } else { usual };
        relative = relative.max(difference / size.max(f64::MIN_POSITIVE));
    }
    let not_finite = pairs().filter(|(_, b)| !b.is_finite()).count();
    Deviation { output, shape, absolute, relative, not_finite }
}

/// The largest finite magnitude of `values` that is no mask's, see [`BEYOND`].
fn usual_magnitude(values: &[f32]) -> f64 {
    let finite = values.iter().filter(|v| v.is_finite());
    let mut sizes: Vec<f64> = finite.map(|v| f64::from(v.abs())).filter(|&v| v > 0.0).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let masks = |pair: &&[f64]| pair[1] >= BEYOND && pair[1] >= BEYOND * pair[0];
    let largest = sizes.last().copied().unwrap_or(0.0);
    sizes.windows(2).find(masks).map_or(largest, |pair| pair[0])
}

/// A batch of `samples` random samples: normal floats, integers within the tables they index, ones
/// and zeros for masks. `sizes` gives the shapes of inputs by name; other open dimensions get
/// `open`.
///
/// # Errors
/// When an input would have more values than fit in memory.
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
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let Some(count) = count.filter(|&n| n <= MOST_ELEMENTS) else {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            return Err(Error::input(
                format!("the input \"{}\"", spec.name),
                format!("the shape {} has more than {MOST_ELEMENTS} values", shape.join("x")),
                "give a smaller one with --input NAME=SHAPE, or a smaller --batch-size",
            ));
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ours: &[f32], theirs: &[f32]) -> Deviation {
        deviation("y".into(), vec![theirs.len()], ours, theirs)
    }

    #[test]
    fn deviations_are_relative_to_the_largest_value() {
        let d = found(&[1.0, 2.5, -4.0], &[1.0, 2.0, -4.0]);
        assert_eq!((d.absolute, d.relative, d.not_finite), (0.5, 0.125, 0));
    }

    #[test]
    fn what_is_not_finite_hides_nothing() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let d = found(&[-inf, nan, 1.5], &[-inf, nan, 1.0]);
        assert_eq!((d.relative, d.not_finite), (0.5, 2));
        // Another place, another sign, another kind.
        for ours in [[1.0, inf], [-inf, 1.0], [nan, 1.0]] {
            assert_eq!(found(&ours, &[inf, 1.0]).relative, f64::INFINITY, "{ours:?}");
        }
        assert_eq!(found(&[inf], &[1.0]).relative, f64::INFINITY);
        assert_eq!(found(&[nan], &[0.0]).relative, f64::INFINITY);
    }

    #[test]
    fn a_mask_is_no_measure_of_the_others() {
        // f32 has a step of 64 at 1e9: the mask itself agrees.
        let d = found(&[-1e9 + 64.0, 0.5, 0.0, 2.0], &[-1e9, 0.0, 0.0, 2.0]);
        assert_eq!((d.absolute, d.relative), (64.0, 0.25));
        // Large and small values alone make no mask: 1e-9 is what softmax leaves.
        let d = found(&[1e-3, 1.0], &[1e-9, 1.0]);
        assert!((d.relative - 1e-3).abs() < 1e-6, "{d:?}");
        let d = found(&[5.5e3, 1.0], &[5e3, 1.0]);
        assert_eq!(d.relative, 0.1);
    }

    #[test]
    fn shapes_that_no_memory_holds_are_refused() {
        let model =
            Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/conv-original.onnx"));
        let model = model.expect("a model");
        let input = InputSpec { name: "input".into(), dims: vec![None; 2] };
        for shape in [vec![1 << 32, 1 << 32], vec![99_999_999_999, 256]] {
            let sizes = HashMap::from([("input".to_owned(), shape)]);
            let batch =
                random_batch(&model, std::slice::from_ref(&input), |_| false, &sizes, 1, 1, 0);
            let error = batch.map(drop).expect_err("too large").to_string();
            assert!(error.contains("input") && error.contains("values"), "{error}");
        }
    }
}
