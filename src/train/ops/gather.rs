//! Operators that read or replace elements at given indices.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::Host;
use crate::train::value::Value;

/// `Gather`: the entries `indices` of one dimension, which a scalar index drops.
pub fn gather<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let data = call.value(0)?;
    let indices = call.host(1)?;
    let shape = data.shape();
    let axis = call.node.axis(call.node.int("axis", 0), shape.len())?;
    let (before, after) = (&shape[..axis], &shape[axis + 1..]);
    let positions = indices
        .to_ints()
        .into_iter()
        .map(|i| position(call, i, shape[axis]))
        .collect::<Result<Vec<_>>>()?;
    let target = [before, &indices.shape, after].concat();
    if let [position] = positions[..] {
        // A part of the tensor as it lies, without a copy.
        return Ok(vec![data.select(axis, &[position]).reshape(&target)]);
    }
    let flat = data.reshape(&[before.iter().product(), shape[axis], after.iter().product()]);
    Ok(vec![flat.select(1, &positions).reshape(&target)])
}

/// `GatherND`: the last dimension of the indices counts through leading dimensions of the data.
pub fn gather_nd<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let data = call.value(0)?;
    let indices = call.host(1)?;
    let shape = data.shape();
    let batch = usize::try_from(call.node.int("batch_dims", 0)).unwrap_or(usize::MAX);
    let depth = indices.shape.last().copied().unwrap_or(0);
    let indexed = batch.saturating_add(depth);
    if depth == 0
        || indexed > shape.len()
        || batch >= indices.shape.len()
        || indices.shape[..batch] != shape[..batch]
    {
        let problem = format!(
            "indices of shape {:?} do not fit data of shape {shape:?} (batch_dims {batch})",
            indices.shape
        );
        return Err(call.node.invalid(problem));
    }
    let rest = &shape[indexed..];
    let tuples = &indices.shape[..indices.shape.len() - 1];
    let positions = rows(call, &indices, depth, &shape[batch..indexed])?;
    // Every batch entry has its own block of rows.
    let block: usize = shape[batch..indexed].iter().product();
    let tuples_per_block: usize = tuples[batch..].iter().product::<usize>().max(1);
    let positions: Vec<usize> =
        positions.into_iter().enumerate().map(|(i, p)| i / tuples_per_block * block + p).collect();
    let flat = data.reshape(&[shape[..indexed].iter().product(), rest.iter().product()]);
    Ok(vec![flat.select(0, &positions).reshape(&[tuples, rest].concat())])
}

/// `ScatterND`: `updates` replace slices of the data; where an index repeats, the last one counts.
pub fn scatter_nd<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let data = call.value(0)?;
    let indices = call.host(1)?;
    let updates = call.value(2)?;
    if call.node.text("reduction", "none") != "none" {
        let reduction = call.node.text("reduction", "none");
        return Err(call.node.unsupported(format!("reduction {reduction}")));
    }
    let shape = data.shape();
    let depth = indices.shape.last().copied().unwrap_or(0);
    let fits = depth > 0
        && depth <= shape.len()
        && updates.shape() == [&indices.shape[..indices.shape.len() - 1], &shape[depth..]].concat();
    if !fits {
        let problem = format!(
            "indices of shape {:?} and updates of shape {:?} do not fit data of shape {shape:?}",
            indices.shape,
            updates.shape()
        );
        return Err(call.node.invalid(problem));
    }
    let count: usize = shape[..depth].iter().product();
    let width: usize = shape[depth..].iter().product();
    let replaced = rows(call, &indices, depth, &shape[..depth])?;
    // Updates follow the data: choosing rows from both is differentiable in both.
    let mut chosen: Vec<usize> = (0..count).collect();
    for (i, &row) in replaced.iter().enumerate() {
        chosen[row] = count + i;
    }
    let parts = vec![data.reshape(&[count, width]), updates.reshape(&[replaced.len(), width])];
    let both = Value::concat(parts, 0, call.device)
        .ok_or_else(|| call.node.invalid("data and updates are of different types"))?;
    Ok(vec![both.select(0, &chosen).reshape(&shape)])
}

/// The position in `shape`, row-major, of every tuple of `depth` indices.
fn rows<E: Engine>(
    call: &Call<E>,
    indices: &Host,
    depth: usize,
    shape: &[usize],
) -> Result<Vec<usize>> {
    let row = |tuple: &[i64]| {
        tuple
            .iter()
            .zip(shape)
            .try_fold(0, |row, (&index, &length)| Ok(row * length + position(call, index, length)?))
    };
    indices.to_ints().chunks(depth).map(row).collect()
}

/// An index counted from the front; negative ones count from the end.
fn position<E: Engine>(call: &Call<E>, index: i64, length: usize) -> Result<usize> {
    let counted = if index < 0 { index.saturating_add(length as i64) } else { index };
    usize::try_from(counted)
        .ok()
        .filter(|&i| i < length)
        .ok_or_else(|| call.node.invalid(format!("index {index} into {length} entries")))
}
