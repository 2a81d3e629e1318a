//! Rows brought to mean 0 and variance 1: what layer, group, instance and batch normalisation share.

use rayon::prelude::*;

/// Rows a thread takes at a time, so that short rows are worth a task.
fn rows_per_task(columns: usize) -> usize {
    (16384 / columns.max(1)).max(1)
}

/// `x` (rows of `columns`) normalised, and one over the deviation of each row.
pub fn forward(x: &[f32], columns: usize, epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let rows = x.len() / columns.max(1);
    let (mut y, mut inverse) = (vec![0.0; x.len()], vec![0.0; rows]);
    let chunk = rows_per_task(columns);
    let tasks = y.par_chunks_mut(chunk * columns).zip(inverse.par_chunks_mut(chunk));
    tasks.zip(x.par_chunks(chunk * columns)).for_each(|((y, inverse), x)| {
        let rows = y.chunks_exact_mut(columns).zip(x.chunks_exact(columns));
        for ((y, x), inverse) in rows.zip(inverse) {
            let mean = sum(x, |v| v) / columns as f32;
            let variance = sum(x, |v| (v - mean) * (v - mean)) / columns as f32;
            *inverse = 1.0 / (variance + epsilon).sqrt();
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - mean) * *inverse;
            }
        }
    });
    (y, inverse)
}

/// The gradient for the output `y` of [`forward`], see [`super::Kernels::normalize_input`].
pub fn backward(y: &[f32], inverse: &[f32], gradient: &[f32], columns: usize) -> Vec<f32> {
    let mut result = vec![0.0; y.len()];
    let chunk = rows_per_task(columns);
    let tasks = result.par_chunks_mut(chunk * columns).zip(y.par_chunks(chunk * columns));
    let given = gradient.par_chunks(chunk * columns).zip(inverse.par_chunks(chunk));
    tasks.zip(given).for_each(|((result, y), (gradient, inverse))| {
        let rows = result.chunks_exact_mut(columns).zip(y.chunks_exact(columns));
        let given = gradient.chunks_exact(columns).zip(inverse);
        for ((result, y), (g, inverse)) in rows.zip(given) {
            let mean = sum(g, |v| v) / columns as f32;
            let along = dot(g, y) / columns as f32;
            for ((result, &y), &g) in result.iter_mut().zip(y).zip(g) {
                *result = inverse * (g - mean - y * along);
            }
        }
    });
    result
}

/// Sixteen running sums: short chains keep rounding small and let the compiler use wide registers.
const LANES: usize = 16;

/// The sum of `f` of all elements.
#[inline(always)]
pub fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(s, &v)| *s += f(v));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|&v| f(v)).sum::<f32>()
}

/// The sum of all products.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((blocks, rest), (other, last)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0f32; LANES];
    for (a, b) in blocks.iter().zip(other) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(s, (&a, &b))| *s += a * b);
    }
    sums.iter().sum::<f32>() + rest.iter().zip(last).map(|(a, b)| a * b).sum::<f32>()
}
