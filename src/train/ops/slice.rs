//! Operators that cut tensors apart.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::value::Value;

/// `Slice`: attributes before opset 10, inputs since.
pub fn slice<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let mut x = call.value(0)?;
    let (starts, ends, axes, steps) = bounds(call)?;
    let rank = x.shape().len();
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        let problem = format!(
            "{} starts, {} ends, {} axes and {} steps",
            starts.len(),
            ends.len(),
            axes.len(),
            steps.len()
        );
        return Err(call.node.invalid(problem));
    }
    for (i, axis) in call.node.axes(&axes, rank)?.into_iter().enumerate() {
        let length = x.shape()[axis];
        let kept = kept(starts[i], ends[i], steps[i], length)
            .ok_or_else(|| call.node.invalid("a step is 0"))?;
        if !kept.iter().copied().eq(0..length) {
            x = x.select(axis, &kept);
        }
    }
    Ok(vec![x])
}

/// Starts and ends, and axes and steps where they are given.
type Bounds = (Vec<i64>, Vec<i64>, Option<Vec<i64>>, Option<Vec<i64>>);

fn bounds<E: Engine>(call: &mut Call<E>) -> Result<Bounds> {
    if call.node.opset >= 10 {
        return Ok((call.ints(1)?, call.ints(2)?, call.optional_ints(3)?, call.optional_ints(4)?));
    }
    let node = call.node;
    let required = |name: &str| {
        node.ints(name).ok_or_else(|| node.invalid(format!("the attribute {name} is missing")))
    };
    Ok((required("starts")?, required("ends")?, node.ints("axes"), None))
}

/// The indices that a slice keeps of `length`; `None` for a step of 0.
fn kept(start: i64, end: i64, step: i64, length: usize) -> Option<Vec<usize>> {
    let length = length as i64;
    // Exporters write the extremes of 64 bits for "to the end", hence saturating.
    let counted = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let (start, end) = (counted(start), counted(end));
    let (start, count) = match step {
        0 => return None,
        1.. => {
            let (start, end) = (start.clamp(0, length), end.clamp(0, length));
            (start, (end - start).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
        _ => {
            let (start, end) = (start.clamp(-1, length - 1), end.clamp(-1, length - 1));
            (start, (start - end).max(0).unsigned_abs().div_ceil(step.unsigned_abs()))
        }
    };
    Some((0..count as i64).map(|i| (start + i * step) as usize).collect())
}

/// `Split` into given sizes, into `num_outputs` chunks (since opset 18), or evenly.
pub fn split<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let given = call.optional_ints(1)?.or_else(|| call.node.ints("split"));
    let node = call.node;
    let shape = x.shape();
    let axis = node.axis(node.int("axis", 0), shape.len())?;
    let (length, outputs) = (shape[axis], node.outputs.len());
    let sizes: Vec<usize> = match given {
        Some(sizes) => {
            let valid = sizes.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>();
            valid.ok_or_else(|| node.invalid(format!("sizes {sizes:?}")))?
        }
        None => {
            let chunks = node.int("num_outputs", outputs as i64);
            let uneven = !node.has("num_outputs") && length % outputs.max(1) != 0;
            if chunks != outputs as i64 || uneven {
                let problem = format!("{length} entries in {chunks} parts for {outputs} outputs");
                return Err(node.invalid(problem));
            }
            // The last chunk may be smaller.
            let chunk = length.div_ceil(outputs.max(1));
            (0..outputs).map(|i| length.min((i + 1) * chunk) - length.min(i * chunk)).collect()
        }
    };
    if sizes.iter().try_fold(0usize, |n, &d| n.checked_add(d)) != Some(length)
        || sizes.len() != outputs
    {
        let problem = format!("{length} entries in {outputs} outputs as {sizes:?}");
        return Err(node.invalid(problem));
    }
    let mut start = 0;
    Ok(sizes
        .into_iter()
        .map(|size| {
            let kept: Vec<usize> = (start..start + size).collect();
            start += size;
            x.clone().select(axis, &kept)
        })
        .collect())
}
