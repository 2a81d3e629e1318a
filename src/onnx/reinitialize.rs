//! The same graph with fresh weights: the floor that probes are judged against.

use std::collections::HashMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::graph::Graph;
use super::model::Model;
use super::proto::onnx::TensorProto;
use super::proto::onnx::tensor_proto::DataType;
use super::random::normal;
use super::role::{Role, role_of_input};
use super::tensor::Tensor;
use crate::Result;

/// How the values of a tensor are drawn.
enum Draw {
    /// A weight with this many inputs per output: normal, variance `2 / fan_in` (He et al. 2015).
    Weight(usize),
    /// Normal with standard deviation .02, as transformers start their embeddings.
    Embedding,
    Zero,
    One,
}

/// A copy of `model` with newly drawn weights; biases 0, normalisation scales 1. Deterministic.
///
/// # Errors
/// When the graph can't be indexed.
pub fn reinitialized(model: &Model, seed: u64) -> Result<Model> {
    let graph = Graph::new(model)?;
    let mut draws: HashMap<String, Draw> = HashMap::new();
    for &index in graph.order() {
        let node = graph.node(index);
        for (slot, input) in node.input.iter().enumerate() {
            let Some(constant) = graph.constant(input) else { continue };
            if let Some(draw) = draw(node.op_type(), slot, constant.tensor) {
                draws.entry(constant.name.to_owned()).or_insert(draw);
            }
        }
    }
    let mut fresh = model.clone();
    if let Some(proto) = fresh.proto_mut().graph.as_mut() {
        for (index, tensor) in proto.initializer.iter_mut().enumerate() {
            if let Some(draw) = draws.get(tensor.name()) {
                // One stream a tensor: adding a tensor leaves the others as they were.
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(index as u64);
                redraw(tensor, draw, &mut rng);
            }
        }
    }
    Ok(fresh)
}

fn draw(op: &str, slot: usize, tensor: Tensor) -> Option<Draw> {
    let dims = tensor.dims();
    let product = |d: &[i64]| d.iter().product::<i64>().max(1) as usize;
    if !tensor.is_float() || tensor.len().is_none_or(|n| n < 2) {
        return None;
    }
    match (op, role_of_input(op, slot)) {
        ("Conv", Some(Role::Weight)) => Some(Draw::Weight(product(&dims[1.min(dims.len())..]))),
        ("ConvTranspose", Some(Role::Weight)) => {
            Some(Draw::Weight(product(dims) / product(&dims[..2.min(dims.len())])))
        }
        // Either orientation is close enough for a floor; square in most layers.
        ("Gemm" | "MatMul", Some(Role::Weight)) if slot == 1 => {
            Some(Draw::Weight(dims.iter().copied().min().unwrap_or(1) as usize))
        }
        (_, Some(Role::Bias | Role::NormShift | Role::RunningMean)) => Some(Draw::Zero),
        (_, Some(Role::NormScale | Role::RunningVariance)) => Some(Draw::One),
        ("Add", _) if dims.len() == 1 => Some(Draw::Zero),
        ("Add" | "Concat" | "Expand", _) => Some(Draw::Embedding),
        _ => None,
    }
}

fn redraw(tensor: &mut TensorProto, draw: &Draw, rng: &mut ChaCha8Rng) {
    let Some(len) = Tensor::new(tensor).len() else { return };
    let values: Vec<f64> = (0..len)
        .map(|_| match draw {
            Draw::Weight(fan_in) => normal(rng, (2.0 / (*fan_in).max(1) as f64).sqrt()),
            Draw::Embedding => normal(rng, 0.02),
            Draw::Zero => 0.0,
            Draw::One => 1.0,
        })
        .collect();
    let raw = match Tensor::new(tensor).data_type() {
        DataType::DOUBLE => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DataType::FLOAT16 => {
            values.iter().flat_map(|v| half::f16::from_f64(*v).to_le_bytes()).collect()
        }
        DataType::BFLOAT16 => {
            values.iter().flat_map(|v| half::bf16::from_f64(*v).to_le_bytes()).collect()
        }
        _ => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
    };
    tensor.raw_data = Some(raw);
    tensor.float_data.clear();
    tensor.double_data.clear();
    tensor.int32_data.clear();
}
