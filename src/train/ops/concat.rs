//! Operators that put tensors together or extend one.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{Host, HostData};
use crate::train::value::Value;

/// `Concat`.
pub fn concat<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let values = call.all();
    let node = call.node;
    let shapes: Vec<Vec<usize>> = values.iter().map(Value::shape).collect();
    let first = shapes.first().ok_or_else(|| node.invalid("no inputs"))?;
    let axis = node.axis(node.int("axis", 0), first.len())?;
    let alike = |shape: &Vec<usize>| {
        let mut shape = shape.clone();
        if let Some(length) = shape.get_mut(axis) {
            *length = first[axis];
        }
        shape == *first
    };
    if !shapes.iter().all(alike) {
        return Err(node.invalid(format!("shapes {shapes:?} differ outside of axis {axis}")));
    }
    Ok(vec![joined(call, values, axis)?])
}

fn joined<E: Engine>(call: &Call<E>, values: Vec<Value<E>>, axis: usize) -> Result<Value<E>> {
    Value::concat(values, axis, call.device)
        .ok_or_else(|| call.node.invalid("the inputs are of different types"))
}

/// `Tile`.
pub fn tile<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let repeats = call.ints(1)?;
    let shape = x.shape();
    let counts = call.node.shape(&repeats)?;
    if counts.len() != shape.len() {
        return Err(call.node.invalid(format!("repeats {repeats:?} of shape {shape:?}")));
    }
    let lengths = shape.iter().zip(&repeats).map(|(&n, &count)| (n as i64).saturating_mul(count));
    let target = call.node.shape(&lengths.collect::<Vec<_>>())?;
    // A dimension of its own for the repeats, in front of each dimension that is repeated.
    let (mut apart, mut repeated) = (Vec::new(), Vec::new());
    for (&length, &count) in shape.iter().zip(&counts) {
        if count != 1 {
            apart.push(1);
            repeated.push(count);
        }
        apart.push(length);
        repeated.push(length);
    }
    Ok(vec![x.reshape(&apart).expand(&repeated).reshape(&target)])
}

/// How `Pad` fills.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// `Pad`; negative amounts crop.
pub fn pad<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let mut x = call.value(0)?;
    let node = call.node;
    let rank = x.shape().len();
    let fill = match node.text("mode", "constant") {
        "constant" => Fill::Constant,
        "reflect" => Fill::Reflect,
        "edge" => Fill::Edge,
        "wrap" => Fill::Wrap,
        mode => return Err(node.unsupported(format!("mode {mode}"))),
    };
    // Attributes before opset 11, inputs since; axes since 18.
    let given = call.optional_ints(1)?.or_else(|| node.ints("pads"));
    let amounts = given.ok_or_else(|| node.invalid("pads are missing"))?;
    let value = match call.optional(2) {
        Some(value) => value.into_host()?,
        None if x.is_float() => Host::scalar(HostData::Float(vec![node.float("value", 0.0)])),
        None => Host::scalar(match &x {
            Value::Host(Host { data: HostData::Bool(_), .. }) => HostData::Bool(vec![false]),
            _ => HostData::Int(vec![0]),
        }),
    };
    let axes = match call.optional_ints(3)? {
        Some(axes) => node.axes(&axes, rank)?,
        None => (0..rank).collect(),
    };
    if amounts.len() != 2 * axes.len() || value.len() != 1 {
        let problem = format!(
            "{} pads for {} axes, a value of {} elements",
            amounts.len(),
            axes.len(),
            value.len()
        );
        return Err(node.invalid(problem));
    }
    for (i, &axis) in axes.iter().enumerate() {
        let (before, after) = (amounts[i], amounts[i + axes.len()]);
        x = padded(call, x, axis, [before, after], fill, &value)?;
    }
    Ok(vec![x])
}

/// `x` with `before` and `after` entries more along `axis`.
fn padded<E: Engine>(
    call: &Call<E>,
    x: Value<E>,
    axis: usize,
    [before, after]: [i64; 2],
    fill: Fill,
    value: &Host,
) -> Result<Value<E>> {
    if before == 0 && after == 0 {
        return Ok(x);
    }
    let mut shape = x.shape();
    let length = shape[axis] as i64;
    let range = (before.checked_neg()).zip(length.checked_add(after));
    let fault = || call.node.invalid(format!("pads {before} and {after} of {length} entries"));
    let (start, end) = range.filter(|(start, end)| start <= end).ok_or_else(fault)?;
    let mut lengths: Vec<i64> = shape.iter().map(|&n| n as i64).collect();
    lengths[axis] = end.saturating_sub(start);
    call.node.shape(&lengths)?;
    if fill != Fill::Constant {
        // Only edges repeat without end.
        let least = if fill == Fill::Reflect { 1 } else { 0 };
        let reach = if fill == Fill::Edge { i64::MAX } else { length - least };
        if length == 0 || before > reach || after > reach {
            return Err(fault());
        }
        let source = |at: i64| match fill {
            Fill::Reflect if at < 0 => -at,
            Fill::Reflect if at >= length => 2 * (length - 1) - at,
            Fill::Wrap => at.rem_euclid(length),
            _ => at.clamp(0, length - 1),
        };
        let positions: Vec<usize> = (start..end).map(|at| source(at) as usize).collect();
        return Ok(x.select(axis, &positions));
    }
    let inside: Vec<usize> = (start.max(0)..end.min(length)).map(|at| at as usize).collect();
    let mut constant = |count: i64| {
        shape[axis] = count.max(0) as usize;
        Value::Host(value.clone().reshape(&[]).expand(&shape))
    };
    let mut parts = vec![constant(before), x.select(axis, &inside), constant(after)];
    parts.retain(|part| part.shape()[axis] > 0 || !matches!(part, Value::Host(_)));
    joined(call, parts, axis)
}
