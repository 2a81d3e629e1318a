//! Copies of permuted and cut tensors, and the way back.

use super::gather::collect_chunks;
use super::parallel::{PIECE, copied};
use super::transpose::{Transpose, transpose_to_uninit};

/// The elements of a tensor of `shape` in row-major order; element 0 lies at `offset` of `from`,
/// neighbours along each dimension `strides` apart. `None` for orders that have no kernel here.
pub fn in_order(
    from: &[f32],
    offset: usize,
    shape: &[usize],
    strides: &[isize],
) -> Option<Vec<f32>> {
    let strides: Vec<usize> =
        strides.iter().map(|&s| usize::try_from(s).ok()).collect::<Option<_>>()?;
    let (shape, strides) = merged(shape, &strides);
    let len: usize = shape.iter().product();
    let last = shape.len().checked_sub(1)?;
    if len == 0 {
        return Some(Vec::new());
    }
    let start = |mut index: usize, outer: usize| {
        let mut at = offset;
        for (length, stride) in shape[..outer].iter().zip(&strides).rev() {
            at += index % length * stride;
            index /= length;
        }
        at
    };
    let columns = shape[last];
    if strides[last] == 1 {
        let rows = PIECE.div_ceil(columns);
        return Some(collect_chunks(len, rows * columns, |i, out| {
            for (row, out) in out.chunks_exact_mut(columns).enumerate() {
                let at = start(i * rows + row, last);
                copied(out, &from[at..][..columns]);
            }
        }));
    }
    let before = last.checked_sub(1)?;
    if strides[before] != 1 {
        return None;
    }
    // Matrices that lie transposed; one alone is cut into stripes.
    let lines = shape[before];
    let stripe = if len == lines * columns { PIECE.div_ceil(columns).min(lines) } else { lines };
    Some(collect_chunks(len, stripe * columns, |i, out| {
        let per_matrix = lines.div_ceil(stripe);
        let at = start(i / per_matrix, before) + i % per_matrix * stripe;
        let work = Transpose {
            from: &from[at..],
            pitch: strides[last],
            rows: columns,
            columns: out.len() / columns,
            pitch_out: columns,
            bias: None,
        };
        transpose_to_uninit(&work, out);
    }))
}

/// Shape and strides without dimensions of length one, neighbours merged where they lie as one.
fn merged(shape: &[usize], strides: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut lengths, mut steps): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for (&length, &step) in shape.iter().zip(strides).filter(|(n, _)| **n != 1) {
        match (lengths.last_mut(), steps.last_mut()) {
            (Some(last), Some(stride)) if *stride == step * length => {
                (*last, *stride) = (*last * length, step);
            }
            _ => {
                lengths.push(length);
                steps.push(step);
            }
        }
    }
    (lengths, steps)
}

/// Zeros of `outer x length x inner`, with `part` at `start` of the middle dimension.
pub fn embedded(part: &[f32], [outer, length, inner]: [usize; 3], start: usize) -> Vec<f32> {
    let total = outer * length * inner;
    let block = length * inner;
    let kept = part.len() / outer.max(1);
    collect_chunks(total, PIECE, |i, out| {
        let first = i * PIECE;
        let zeros = out.len();
        // SAFETY: zero bytes are 0.0.
        let out = unsafe {
            std::ptr::write_bytes(out.as_mut_ptr(), 0, zeros);
            &mut *(std::ptr::from_mut(out) as *mut [f32])
        };
        for o in first / block..(first + zeros).div_ceil(block) {
            let begin = (o * block + start * inner).max(first);
            let end = (o * block + start * inner + kept).min(first + zeros);
            if begin < end {
                let from = o * kept + begin - (o * block + start * inner);
                out[begin - first..end - first].copy_from_slice(&part[from..][..end - begin]);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuted_tensors_are_put_in_order() {
        let from: Vec<f32> = (0..5 * 40 * 33 * 20).map(|i| i as f32).collect();
        let strides = [40 * 33 * 20, 33 * 20, 20, 1];
        let shape = [5, 40, 33, 20];
        for order in [[0, 1, 2, 3], [2, 0, 1, 3], [0, 2, 1, 3], [0, 1, 3, 2], [3, 0, 1, 2]] {
            let lengths = order.map(|a: usize| shape[a]);
            let steps = order.map(|a: usize| strides[a] as isize);
            let found = in_order(&from, 0, &lengths, &steps).expect("a kernel");
            for (i, &found) in found.iter().enumerate() {
                let (mut rest, mut at) = (i, 0);
                for (length, step) in lengths.iter().zip(steps).rev() {
                    at += rest % length * step as usize;
                    rest /= length;
                }
                assert_eq!(found, at as f32, "{order:?} at {i}");
            }
        }
        assert!(in_order(&from, 19, &[20], &[-1]).is_none());
        assert_eq!(in_order(&from, 3, &[2, 1], &[20, 7]), None);
    }

    #[test]
    fn a_part_is_put_among_zeros() {
        for [outer, length, inner] in [[1, 3, 20_000], [7, 5, 3000], [40_000, 4, 1]] {
            let kept = outer * 2 * inner;
            let part: Vec<f32> = (1..=kept).map(|i| i as f32).collect();
            let whole = embedded(&part, [outer, length, inner], 1);
            let mut part = part.into_iter();
            for (i, value) in whole.into_iter().enumerate() {
                let inside = (1..3).contains(&(i / inner % length));
                assert_eq!(value, if inside { part.next().expect("an element") } else { 0.0 });
            }
        }
    }
}
