//! Reductions over some dimensions.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{Host, HostData};
use crate::train::tensor::Tensor;
use crate::train::value::Value;

/// `ReduceSum`.
pub fn sum<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::Sum)
}

/// `ReduceMean`.
pub fn mean<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::Mean)
}

/// `ReduceMax`.
pub fn max<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::Max)
}

/// `ReduceMin`.
pub fn min<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::Min)
}

/// `ReduceProd`.
pub fn prod<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::Prod)
}

/// `ReduceL1`.
pub fn l1<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::L1)
}

/// `ReduceL2`.
pub fn l2<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::L2)
}

/// `ReduceSumSquare`.
pub fn sum_square<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::SumSquare)
}

/// `ReduceLogSumExp`.
pub fn log_sum_exp<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    reduce(call, Reduction::LogSumExp)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
    L1,
    L2,
    SumSquare,
    LogSumExp,
}

fn reduce<E: Engine>(call: &mut Call<E>, reduction: Reduction) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let node = call.node;
    // An input since opset 13 for ReduceSum and 18 for the others, an attribute before.
    let given = call.optional_ints(1)?.or_else(|| node.ints("axes"));
    let shape = x.shape();
    let rank = shape.len();
    let axes: Vec<usize> = match given.filter(|axes| !axes.is_empty()) {
        Some(axes) => node.axes(&axes, rank)?,
        None if node.int("noop_with_empty_axes", 0) != 0 => {
            use Reduction::{L1, L2, LogSumExp, SumSquare};
            // Versions of ONNX differ on whether the formula then applies to each element.
            return match reduction {
                L1 | L2 | SumSquare | LogSumExp => {
                    Err(node.unsupported("noop_with_empty_axes without axes"))
                }
                _ => Ok(vec![x]),
            };
        }
        None => (0..rank).collect(),
    };
    let is_reduced = |i: &usize| axes.contains(i);
    let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..rank).partition(is_reduced);
    let length = |axes: &[usize]| -> usize { axes.iter().map(|&a| shape[a]).product() };
    let target: Vec<usize> = match node.int("keepdims", 1) {
        0 => kept.iter().map(|&i| shape[i]).collect(),
        _ => (0..rank).map(|i| if is_reduced(&i) { 1 } else { shape[i] }).collect(),
    };
    if length(&reduced) == 0 {
        return Err(node.unsupported(format!("a reduction of no elements (shape {shape:?})")));
    }
    // One dimension to reduce: neighbours merge without a copy, scattered ones go to the end.
    let neighbours = reduced.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let (outer, inner) = match (neighbours, reduced.first(), reduced.last()) {
        (true, Some(&first), Some(&last)) => {
            (shape[..first].iter().product(), shape[last + 1..].iter().product())
        }
        _ => (length(&kept), 1),
    };
    let ordered = if neighbours { x } else { x.permute(&[kept.as_slice(), &reduced].concat()) };
    let result = match ordered {
        Value::Float(tensor) => {
            // Without the trailing one, rows are contiguous.
            let blocks = [outer, length(&reduced), inner];
            let merged = tensor.reshape(if inner == 1 { &blocks[..2] } else { &blocks });
            Value::Float(on_device(merged, reduction))
        }
        Value::Host(host) => {
            Value::Host(on_host(&host, [outer, length(&reduced), inner], reduction))
        }
    };
    Ok(vec![result.reshape(&target)])
}

/// Reduces dimension 1.
fn on_device<E: Engine>(x: Tensor<E>, reduction: Reduction) -> Tensor<E> {
    match reduction {
        Reduction::Sum => x.sum(&[1]),
        Reduction::Mean => x.mean(&[1]),
        Reduction::Max => x.max(1),
        Reduction::Min => x.mul_scalar(-1.0).max(1).mul_scalar(-1.0),
        Reduction::Prod => product(x),
        Reduction::L1 => x.map(E::float_abs).sum(&[1]),
        // The smallest float keeps the root's gradient finite where all elements are 0.
        Reduction::L2 => {
            let squares = x.clone().times(x).sum(&[1]);
            squares.add_scalar(f32::MIN_POSITIVE.into()).map(E::float_sqrt)
        }
        Reduction::SumSquare => x.clone().times(x).sum(&[1]),
        Reduction::LogSumExp => {
            // Finite also where all elements are infinite; the gradient does not depend on it.
            let (least, largest) = (f64::from(f32::MIN), f64::from(f32::MAX));
            let shift = x
                .clone()
                .max(1)
                .map(|t| E::float_clamp(E::float_detach(t), least.into(), largest.into()));
            let sum = x.minus(shift.clone()).map(E::float_exp).sum(&[1]);
            sum.map(E::float_log).plus(shift)
        }
    }
}

/// Product over dimension 1, by halves: exact gradients where factors are 0.
fn product<E: Engine>(mut x: Tensor<E>) -> Tensor<E> {
    loop {
        let length = x.shape()[1];
        if length == 1 {
            return x;
        }
        let half = length / 2;
        let pairs = x.clone().narrow(1, 0, half).times(x.clone().narrow(1, half, 2 * half));
        x = match length % 2 {
            0 => pairs,
            _ => Tensor::concat(vec![pairs, x.narrow(1, length - 1, length)], 1),
        };
    }
}

/// Reduces the middle one of three dimensions; integers stay exact and wrap as in ONNX
/// Runtime.
fn on_host(host: &Host, [outer, length, inner]: [usize; 3], reduction: Reduction) -> Host {
    let groups = (0..outer).flat_map(|o| (0..inner).map(move |i| o * length * inner + i));
    let group = |start: usize| (0..length).map(move |k| start + k * inner);
    let data = match &host.data {
        HostData::Float(values) => HostData::Float(
            groups
                .map(|start| floats(group(start).map(|p| f64::from(values[p])), reduction) as f32)
                .collect(),
        ),
        _ => {
            let values = host.to_ints();
            HostData::Int(
                groups.map(|start| integers(group(start).map(|p| values[p]), reduction)).collect(),
            )
        }
    };
    Host { shape: vec![outer, inner], data }
}

fn floats(values: impl ExactSizeIterator<Item = f64> + Clone, reduction: Reduction) -> f64 {
    let count = values.len() as f64;
    match reduction {
        Reduction::Sum => values.sum(),
        Reduction::Mean => values.sum::<f64>() / count,
        Reduction::Max => values.fold(f64::NEG_INFINITY, f64::max),
        Reduction::Min => values.fold(f64::INFINITY, f64::min),
        Reduction::Prod => values.product(),
        Reduction::L1 => values.map(f64::abs).sum(),
        Reduction::L2 => values.map(|v| v * v).sum::<f64>().sqrt(),
        Reduction::SumSquare => values.map(|v| v * v).sum(),
        Reduction::LogSumExp => {
            let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
            let shift = if largest.is_finite() { largest } else { 0.0 };
            values.map(|v| (v - shift).exp()).sum::<f64>().ln() + shift
        }
    }
}

fn integers(values: impl ExactSizeIterator<Item = i64> + Clone, reduction: Reduction) -> i64 {
    let count = values.len() as i64;
    match reduction {
        Reduction::Sum => values.fold(0, i64::wrapping_add),
        Reduction::Mean => values.fold(0, i64::wrapping_add) / count,
        Reduction::Max => values.max().unwrap_or(0),
        Reduction::Min => values.min().unwrap_or(0),
        Reduction::Prod => values.fold(1, i64::wrapping_mul),
        Reduction::L1 => values.map(i64::wrapping_abs).fold(0, i64::wrapping_add),
        Reduction::SumSquare => values.map(|v| v.wrapping_mul(v)).fold(0, i64::wrapping_add),
        // Rounded like a cast, as ONNX Runtime does.
        Reduction::L2 | Reduction::LogSumExp => {
            let values: Vec<f64> = values.map(|v| v as f64).collect();
            floats(values.into_iter(), reduction) as i64
        }
    }
}
