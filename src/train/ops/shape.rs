//! Operators that give the same elements another shape.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{HostData, broadcast};
use crate::train::value::Value;

/// `Identity`.
pub fn identity<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    Ok(vec![call.value(0)?])
}

/// `Dropout` as in inference, whatever its training mode: nothing is dropped.
pub fn dropout<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let shape = x.shape();
    let kept = HostData::Bool(vec![true; shape.iter().product()]);
    let mask = call.one_host(shape, kept)?;
    Ok([x].into_iter().chain(mask).take(call.node.outputs.len()).collect())
}

/// `Shape`, from `start` to `end` since opset 15.
pub fn shape<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let shape = call.value(0)?.shape();
    let rank = shape.len() as i64;
    let bound =
        |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
    let start = bound(call.node.int("start", 0));
    let end = bound(call.node.int("end", rank)).max(start);
    let lengths: Vec<i64> = shape[start..end].iter().map(|&n| n as i64).collect();
    call.one_host(vec![lengths.len()], HostData::Int(lengths))
}

/// `Size`.
pub fn size<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let count: usize = call.value(0)?.shape().iter().product();
    call.one_host(Vec::new(), HostData::Int(vec![count as i64]))
}

/// `Reshape`.
pub fn reshape<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let wanted = call.ints(1)?;
    let shape = x.shape();
    let fault = || {
        let zeros = call.node.int("allowzero", 0);
        call.node.invalid(format!("shape {shape:?} as {wanted:?} (allowzero {zeros})"))
    };
    let copies_zeros = call.node.int("allowzero", 0) == 0;
    let mut target = Vec::with_capacity(wanted.len());
    let mut inferred = None;
    for (i, &length) in wanted.iter().enumerate() {
        target.push(match length {
            -1 if inferred.replace(i).is_some() => return Err(fault()),
            -1 => 1,
            0 if copies_zeros => *shape.get(i).ok_or_else(fault)?,
            length => usize::try_from(length).map_err(|_| fault())?,
        });
    }
    let total: usize = shape.iter().product();
    let known = target.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(fault)?;
    if let Some(i) = inferred {
        target[i] = total.checked_div(known).ok_or_else(fault)?;
    }
    if target.iter().product::<usize>() != total {
        return Err(fault());
    }
    Ok(vec![x.reshape(&target)])
}

/// `Flatten` to a matrix.
pub fn flatten<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let shape = x.shape();
    // `axis` may equal the rank: a matrix of one column.
    let axis = match call.node.int("axis", 1) {
        axis if axis == shape.len() as i64 => shape.len(),
        axis => call.node.axis(axis, shape.len())?,
    };
    let (rows, columns) = shape.split_at(axis);
    Ok(vec![x.reshape(&[rows.iter().product(), columns.iter().product()])])
}

/// `Squeeze`: without axes, every dimension of length one goes.
pub fn squeeze<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let shape = x.shape();
    let gone = match axes_of(call)? {
        Some(axes) => call.node.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&i| shape[i] == 1).collect(),
    };
    if let Some(&axis) = gone.iter().find(|&&axis| shape[axis] != 1) {
        let problem = format!("dimension {axis} of shape {shape:?} is not of length one");
        return Err(call.node.invalid(problem));
    }
    let kept = (0..shape.len()).filter(|i| !gone.contains(i)).map(|i| shape[i]);
    let target: Vec<usize> = kept.collect();
    Ok(vec![x.reshape(&target)])
}

/// `Unsqueeze`: `axes` count in the output's dimensions.
pub fn unsqueeze<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let axes = axes_of(call)?.ok_or_else(|| call.node.invalid("axes are missing"))?;
    let shape = x.shape();
    let rank = shape.len() + axes.len();
    let new = call.node.axes(&axes, rank)?;
    if (1..new.len()).any(|i| new[..i].contains(&new[i])) {
        return Err(call.node.invalid(format!("axes {axes:?} name a dimension twice")));
    }
    let mut old = shape.into_iter();
    let target: Vec<usize> =
        (0..rank).filter_map(|i| if new.contains(&i) { Some(1) } else { old.next() }).collect();
    Ok(vec![x.reshape(&target)])
}

/// Axes: an attribute before opset 13, an input since.
fn axes_of<E: Engine>(call: &mut Call<E>) -> Result<Option<Vec<i64>>> {
    Ok(call.optional_ints(1)?.or_else(|| call.node.ints("axes")))
}

/// `Transpose`: without `perm`, dimensions in reverse.
pub fn transpose<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let rank = x.shape().len();
    let order: Vec<usize> = match call.node.ints("perm") {
        Some(order) => call.node.axes(&order, rank)?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        let problem = format!("{order:?} is no order of {rank} dimensions");
        return Err(call.node.invalid(problem));
    }
    Ok(vec![x.permute(&order)])
}

/// `Expand`: broadcast both ways, so the result may be larger than the shape asked for.
pub fn expand<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let wanted = call.ints(1)?;
    let (shape, node) = (x.shape(), call.node);
    let target = broadcast(&shape, &node.shape(&wanted)?)
        .ok_or_else(|| node.invalid(format!("shape {shape:?} does not fit {wanted:?}")))?;
    let target = node.shape(&target.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
    Ok(vec![x.expand(&target)])
}

/// `DepthToSpace`: channels become blocks of pixels.
pub fn depth_to_space<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let (shape, block) = (x.shape(), block_size(call)?);
    let [n, c, h, w] = image(call, &shape)?;
    if c % (block * block) != 0 {
        let problem = format!("{c} channels make no blocks of {block} x {block}");
        return Err(call.node.invalid(problem));
    }
    let depth = c / (block * block);
    let blocks = match call.node.text("mode", "DCR") {
        "DCR" => x.reshape(&[n, block, block, depth, h, w]).permute(&[0, 3, 4, 1, 5, 2]),
        "CRD" => x.reshape(&[n, depth, block, block, h, w]).permute(&[0, 1, 4, 2, 5, 3]),
        mode => return Err(call.node.unsupported(format!("mode {mode}"))),
    };
    Ok(vec![blocks.reshape(&[n, depth, h * block, w * block])])
}

/// `SpaceToDepth`: blocks of pixels become channels.
pub fn space_to_depth<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let (shape, block) = (x.shape(), block_size(call)?);
    let [n, c, h, w] = image(call, &shape)?;
    if h % block != 0 || w % block != 0 {
        let problem = format!("{h} x {w} pixels make no blocks of {block} x {block}");
        return Err(call.node.invalid(problem));
    }
    let (h, w) = (h / block, w / block);
    let blocks = x.reshape(&[n, c, h, block, w, block]).permute(&[0, 3, 5, 1, 2, 4]);
    Ok(vec![blocks.reshape(&[n, c * block * block, h, w])])
}

fn block_size<E: Engine>(call: &Call<E>) -> Result<usize> {
    let size = call.node.int("blocksize", 0);
    usize::try_from(size)
        .ok()
        // Its square fits, and no image has such blocks.
        .filter(|n| (1..1 << 16).contains(n))
        .ok_or_else(|| call.node.invalid(format!("blocksize {size}")))
}

/// Batch, channels, height and width.
fn image<E: Engine>(call: &Call<E>, shape: &[usize]) -> Result<[usize; 4]> {
    let fault = || call.node.invalid(format!("input 0 has shape {shape:?}, 4 dimensions needed"));
    shape.try_into().map_err(|_| fault())
}
