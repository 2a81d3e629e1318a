//! Transposition of matrices, between channel planes and channel blocks.

use super::simd::{Kernel, LANES, Vector, dispatch};
use std::mem::MaybeUninit;

/// A matrix of `rows` by `columns` to be transposed.
pub struct Transpose<'a> {
    /// The elements, `pitch` from row to row.
    pub from: &'a [f32],
    /// Elements from one row to the next.
    pub pitch: usize,
    /// Rows, columns of the result.
    pub rows: usize,
    /// Columns, rows of the result.
    pub columns: usize,
    /// Elements from one row of the result to the next.
    pub pitch_out: usize,
    /// What to add to each column.
    pub bias: Option<&'a [f32]>,
}

/// Writes the `columns` by `rows` result.
pub fn transpose(work: &Transpose<'_>, out: &mut [f32]) {
    // SAFETY: the kernel writes values, never uninitialised memory.
    let out = unsafe { &mut *(std::ptr::from_mut(out) as *mut [MaybeUninit<f32>]) };
    transpose_to_uninit(work, out);
}

/// Writes the `columns` by `rows` result.
pub fn transpose_to_uninit(work: &Transpose<'_>, out: &mut [MaybeUninit<f32>]) {
    if work.rows == 0 || work.columns == 0 {
        return;
    }
    assert!((work.rows - 1) * work.pitch + work.columns <= work.from.len());
    assert!((work.columns - 1) * work.pitch_out + work.rows <= out.len());
    assert!(work.bias.is_none_or(|b| b.len() == work.columns));
    // SAFETY: the asserts bound every address the loops form.
    unsafe { dispatch(work, out.as_mut_ptr().cast()) }
}

impl Kernel for Transpose<'_> {
    fn lanes(&self) -> usize {
        LANES
    }

    #[inline(always)]
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, _: usize, out: *mut f32) {
        if self.columns == 1 && self.bias.is_none() {
            // One value a vector is no use.
            for row in 0..self.rows {
                unsafe { *out.add(row) = *self.from.as_ptr().add(row * self.pitch) }
            }
            return;
        }
        for column in (0..self.columns).step_by(LANES) {
            let width = LANES.min(self.columns - column);
            let bias = match self.bias {
                Some(bias) => unsafe { V::load_part(bias[column..].as_ptr(), width) },
                None => unsafe { V::splat(0.0) },
            };
            for row in (0..self.rows).step_by(LANES) {
                let height = LANES.min(self.rows - row);
                unsafe {
                    let from = self.from.as_ptr().add(row * self.pitch + column);
                    let out = out.add(column * self.pitch_out + row);
                    let mut tile = [V::splat(0.0); LANES];
                    if width == LANES && height == LANES {
                        for (i, vector) in tile.iter_mut().enumerate() {
                            *vector = V::load(from.add(i * self.pitch));
                        }
                    } else {
                        for (i, vector) in tile[..height].iter_mut().enumerate() {
                            *vector = V::load_part(from.add(i * self.pitch), width);
                        }
                    }
                    if self.bias.is_some() {
                        for vector in &mut tile {
                            *vector = vector.add_product(V::splat(1.0), bias);
                        }
                    }
                    let tile = V::transpose(tile);
                    if width == LANES && height == LANES {
                        for (i, vector) in tile.iter().enumerate() {
                            vector.store(out.add(i * self.pitch_out));
                        }
                    } else {
                        for (i, vector) in tile[..width].iter().enumerate() {
                            vector.store_part(out.add(i * self.pitch_out), height);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sizes_and_offsets() {
        for (rows, columns) in [(2, 1), (16, 16), (5, 40), (33, 17), (16, 3), (48, 32)] {
            let (pitch, pitch_out) = (columns + 2, rows + 3);
            let from: Vec<f32> = (0..rows * pitch).map(|i| i as f32).collect();
            let bias: Vec<f32> = (0..columns).map(|i| 0.5 * i as f32).collect();
            let work =
                Transpose { from: &from, pitch, rows, columns, pitch_out, bias: Some(&bias) };
            // SAFETY: the length is as `transpose` asserts.
            unsafe { super::super::simd::assert_sets_agree(&work, columns * pitch_out) };
            let mut out = vec![MaybeUninit::new(-1.0); columns * pitch_out];
            transpose_to_uninit(&work, &mut out);
            for (i, out) in out.iter().enumerate() {
                let (column, row) = (i / pitch_out, i % pitch_out);
                let want =
                    if row < rows { from[row * pitch + column] + bias[column] } else { -1.0 };
                // SAFETY: all were initialised.
                assert_eq!(unsafe { out.assume_init() }, want);
            }
        }
    }
}
