//! Max and average pooling over contiguous planes, and their gradients.
//!
//! Each output row is built window position by window position, a loop over
//! the row that vectorises, with the bounds of the padding taken out of it.

use rayon::prelude::*;
use std::ops::Range;

/// Shape of a pooling of `planes` (batch times channels) maps.
///
/// The output size is given, since it is rounded up or down by choice. With
/// rounding up the last windows reach beyond the padding; nothing there counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Batch times channels.
    pub planes: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Output height and width.
    pub output: [usize; 2],
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Step inside the window.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad_begin: [usize; 2],
    /// Padding below and to the right, without what rounding up adds.
    pub pad_end: [usize; 2],
}

/// Index of the maximum of a window that holds no input.
const NOTHING: u32 = u32::MAX;

impl Pool {
    fn pixels_in(&self) -> usize {
        self.input[0] * self.input[1]
    }

    fn pixels_out(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The outputs on `axis` whose window position `k` reads an input.
    fn readers(&self, axis: usize, k: usize) -> Range<usize> {
        let (stride, shift) = (self.stride[axis], k * self.dilation[axis]);
        let first = self.pad_begin[axis].saturating_sub(shift).div_ceil(stride);
        let end = (self.input[axis] + self.pad_begin[axis])
            .saturating_sub(shift)
            .div_ceil(stride)
            .min(self.output[axis]);
        first.min(end)..end
    }

    /// The input that output `o` reads at window position `k`, one of its
    /// readers.
    fn source(&self, axis: usize, o: usize, k: usize) -> usize {
        o * self.stride[axis] + k * self.dilation[axis] - self.pad_begin[axis]
    }

    /// Calls `each(outputs, first input)` for every run of outputs of row
    /// `row` that read inputs, a stride apart, at one window position.
    fn runs(&self, row: usize, mut each: impl FnMut(Range<usize>, usize)) {
        for ky in 0..self.kernel[0] {
            if !self.readers(0, ky).contains(&row) {
                continue;
            }
            let start = self.source(0, row, ky) * self.input[1];
            for kx in 0..self.kernel[1] {
                let outputs = self.readers(1, kx);
                if !outputs.is_empty() {
                    let first = start + self.source(1, outputs.start, kx);
                    each(outputs, first);
                }
            }
        }
    }

    /// For each pixel of an output plane, one over the number of elements its
    /// window averages.
    fn weights(&self, count_include_pad: bool) -> Vec<f32> {
        let counts = [0, 1].map(|a| -> Vec<usize> {
            let counts = |o: usize, k: usize| {
                if count_include_pad {
                    let end = self.pad_begin[a] + self.input[a] + self.pad_end[a];
                    o * self.stride[a] + k * self.dilation[a] < end
                } else {
                    self.readers(a, k).contains(&o)
                }
            };
            (0..self.output[a])
                .map(|o| (0..self.kernel[a]).filter(|&k| counts(o, k)).count())
                .collect()
        });
        counts[0]
            .iter()
            .flat_map(|y| counts[1].iter().map(move |x| 1.0 / (x * y).max(1) as f32))
            .collect()
    }
}

/// Maxima `[planes, output]` of `x [planes, input]`, and where in its plane
/// each was found. Of equal values the first is taken; a NaN is a maximum.
#[must_use]
pub fn max_forward(p: &Pool, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    assert_eq!(x.len(), p.planes * p.pixels_in());
    let mut y = vec![f32::NEG_INFINITY; p.planes * p.pixels_out()];
    let mut indices = vec![NOTHING; y.len()];
    y.par_chunks_exact_mut(p.pixels_out())
        .zip(indices.par_chunks_exact_mut(p.pixels_out()))
        .zip(x.par_chunks_exact(p.pixels_in()))
        .for_each(|((y, indices), x)| {
            let rows = y.chunks_exact_mut(p.output[1]);
            let rows = rows.zip(indices.chunks_exact_mut(p.output[1]));
            for (row, (y, indices)) in rows.enumerate() {
                p.runs(row, |outputs, first| {
                    let outputs = y[outputs.clone()].iter_mut().zip(&mut indices[outputs]);
                    let inputs = x[first..].iter().zip(first as u32..).step_by(p.stride[1]);
                    for ((best, index), (&value, at)) in outputs.zip(inputs) {
                        if value > *best || value.is_nan() || *index == NOTHING {
                            (*best, *index) = (value, at);
                        }
                    }
                });
            }
        });
    (y, indices)
}

/// Gradient by `x` of [`max_forward`] from its indices and `dy`.
#[must_use]
pub fn max_backward(p: &Pool, indices: &[u32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), p.planes * p.pixels_out());
    assert_eq!(indices.len(), dy.len());
    let mut dx = vec![0.0; p.planes * p.pixels_in()];
    dx.par_chunks_exact_mut(p.pixels_in())
        .zip(dy.par_chunks_exact(p.pixels_out()))
        .zip(indices.par_chunks_exact(p.pixels_out()))
        .for_each(|((dx, dy), indices)| {
            for (dy, &index) in dy.iter().zip(indices) {
                if index != NOTHING {
                    dx[index as usize] += dy;
                }
            }
        });
    dx
}

/// Means `[planes, output]` of `x [planes, input]`, over the window's inputs
/// or, with `count_include_pad`, over its inputs and padding.
#[must_use]
pub fn average_forward(p: &Pool, count_include_pad: bool, x: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), p.planes * p.pixels_in());
    let weights = p.weights(count_include_pad);
    let mut y = vec![0.0; p.planes * p.pixels_out()];
    y.par_chunks_exact_mut(p.pixels_out()).zip(x.par_chunks_exact(p.pixels_in())).for_each(
        |(y, x)| {
            for (row, y) in y.chunks_exact_mut(p.output[1]).enumerate() {
                p.runs(row, |outputs, first| {
                    let inputs = x[first..].iter().step_by(p.stride[1]);
                    for (y, x) in y[outputs].iter_mut().zip(inputs) {
                        *y += x;
                    }
                });
            }
            for (y, weight) in y.iter_mut().zip(&weights) {
                *y *= weight;
            }
        },
    );
    y
}

/// Gradient by `x` of [`average_forward`] from `dy`.
#[must_use]
pub fn average_backward(p: &Pool, count_include_pad: bool, dy: &[f32]) -> Vec<f32> {
    assert_eq!(dy.len(), p.planes * p.pixels_out());
    let weights = p.weights(count_include_pad);
    let mut dx = vec![0.0; p.planes * p.pixels_in()];
    dx.par_chunks_exact_mut(p.pixels_in()).zip(dy.par_chunks_exact(p.pixels_out())).for_each(
        |(dx, dy)| {
            let share: Vec<f32> = dy.iter().zip(&weights).map(|(d, w)| d * w).collect();
            for (row, share) in share.chunks_exact(p.output[1]).enumerate() {
                p.runs(row, |outputs, first| {
                    let inputs = dx[first..].iter_mut().step_by(p.stride[1]);
                    for (share, dx) in share[outputs].iter().zip(inputs) {
                        *dx += share;
                    }
                });
            }
        },
    );
    dx
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools() -> Vec<Pool> {
        let plain = Pool {
            planes: 3,
            input: [6, 7],
            output: [3, 3],
            kernel: [2, 2],
            stride: [2, 2],
            dilation: [1, 1],
            pad_begin: [0, 0],
            pad_end: [0, 0],
        };
        vec![
            plain.clone(),
            // Rounded up: the last column's window leaves the input.
            Pool { output: [3, 4], ..plain.clone() },
            Pool {
                output: [3, 4],
                kernel: [3, 3],
                pad_begin: [1, 1],
                pad_end: [1, 1],
                ..plain.clone()
            },
            Pool {
                output: [6, 5],
                stride: [1, 1],
                dilation: [2, 3],
                pad_begin: [2, 0],
                pad_end: [0, 1],
                ..plain.clone()
            },
            // Stride beyond the window, a window of padding only, 1-d, global.
            Pool { output: [2, 3], stride: [4, 3], ..plain.clone() },
            Pool { output: [5, 4], pad_begin: [2, 1], pad_end: [2, 0], ..plain.clone() },
            Pool {
                input: [1, 42],
                output: [1, 14],
                kernel: [1, 3],
                stride: [1, 3],
                ..plain.clone()
            },
            Pool { output: [1, 1], kernel: [6, 7], ..plain },
        ]
    }

    /// Few distinct values, so that windows hold equal maxima.
    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i * 7 % 11) as f32 - 5.0).collect()
    }

    /// For each output, the inputs of its window in order, and how many
    /// elements it has with padding.
    fn windows(p: &Pool) -> Vec<(Vec<usize>, usize)> {
        let mut windows = Vec::new();
        for i in 0..p.planes * p.pixels_out() {
            let (plane, at) = (i / p.pixels_out(), i % p.pixels_out());
            let o = [at / p.output[1], at % p.output[1]];
            let (mut inputs, mut padded) = (Vec::new(), 0);
            for tap in 0..p.kernel[0] * p.kernel[1] {
                let k = [tap / p.kernel[1], tap % p.kernel[1]];
                let at = [0, 1].map(|a| {
                    (o[a] * p.stride[a] + k[a] * p.dilation[a]) as isize - p.pad_begin[a] as isize
                });
                let inside =
                    |extra: [usize; 2]| (0..2).all(|a| at[a] < (p.input[a] + extra[a]) as isize);
                padded += usize::from(inside(p.pad_end));
                if inside([0, 0]) && at[0] >= 0 && at[1] >= 0 {
                    let pixel = at[0] as usize * p.input[1] + at[1] as usize;
                    inputs.push(plane * p.pixels_in() + pixel);
                }
            }
            windows.push((inputs, padded));
        }
        windows
    }

    #[test]
    fn maxima_and_their_gradient() {
        for p in pools() {
            let x = values(p.planes * p.pixels_in());
            let dy = values(p.planes * p.pixels_out());
            let (y, indices) = max_forward(&p, &x);
            let mut dx = vec![0.0; x.len()];
            for (o, (inputs, _)) in windows(&p).iter().enumerate() {
                let first = inputs.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a });
                assert_eq!(y[o], first.map_or(f32::NEG_INFINITY, |i| x[i]), "{p:?}");
                let index = first.map_or(NOTHING, |i| (i % p.pixels_in()) as u32);
                assert_eq!(indices[o], index, "{p:?}");
                if let Some(i) = first {
                    dx[i] += dy[o];
                }
            }
            // Small integers: exact in any order.
            assert_eq!(max_backward(&p, &indices, &dy), dx, "{p:?}");
        }
    }

    #[test]
    fn nan_and_infinity_are_maxima() {
        let p = Pool {
            planes: 1,
            input: [1, 4],
            output: [1, 2],
            kernel: [1, 2],
            stride: [1, 2],
            dilation: [1, 1],
            pad_begin: [0, 0],
            pad_end: [0, 0],
        };
        let (y, indices) = max_forward(&p, &[f32::NAN, 3.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
        assert!(y[0].is_nan() && y[1] == f32::NEG_INFINITY);
        assert_eq!(indices, [0, 2]);
    }

    /// Sums of small integers are exact; scaling by a reciprocal rounds at
    /// most a few times, each by 2^-24 of values below 64.
    #[test]
    fn means_and_their_gradient() {
        for (p, count_include_pad) in pools().iter().flat_map(|p| [(p, false), (p, true)]) {
            let x = values(p.planes * p.pixels_in());
            let dy = values(p.planes * p.pixels_out());
            let y = average_forward(p, count_include_pad, &x);
            let mut dx = vec![0.0; x.len()];
            for (o, (inputs, padded)) in windows(p).iter().enumerate() {
                let count = if count_include_pad { *padded } else { inputs.len() };
                let sum: f32 = inputs.iter().map(|&i| x[i]).sum();
                assert!((y[o] - sum / count.max(1) as f32).abs() < 1e-5, "{p:?}");
                for &i in inputs {
                    dx[i] += dy[o] / count as f32;
                }
            }
            let got = average_backward(p, count_include_pad, &dy);
            for (got, want) in got.iter().zip(&dx) {
                assert!((got - want).abs() < 1e-5, "{p:?}");
            }
        }
    }
}
