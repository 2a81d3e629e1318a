//! Register tiles: [`TILE`] rows by up to four vectors of accumulators.
//!
//! The two loops of dense convolutions: [`gather`] walks channels, every row
//! broadcasts from a pixel of its own and the vectors come from packed
//! weights; [`outer`] walks pixels, the rows are neighbouring values of one
//! pixel of `a` and the vectors a pixel of `b`. Their depthwise counterparts,
//! where every lane is a channel by itself, are [`lanewise`] and
//! [`lanewise_outer`].

use super::simd::{Kernel, LANES, Vector, dispatch};

/// Rows of a register tile.
pub const TILE: usize = 6;
/// Most channels of a block: four vectors.
pub const BLOCK: usize = 4 * LANES;

/// Asserts that all rows' pixels are among the first `count`.
fn check_pixels(rows: &[[u32; TILE]], count: usize) {
    let last = rows.iter().flatten().max();
    assert!(last.is_none_or(|&p| (p as usize) < count));
}

/// Loads `VECTORS` neighbouring vectors.
///
/// # Safety
/// `V` must be available and that many elements readable.
#[inline(always)]
unsafe fn load<V: Vector, const VECTORS: usize>(from: *const f32) -> [V; VECTORS] {
    unsafe {
        let mut vectors = [V::splat(0.0); VECTORS];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = V::load(from.add(v * LANES));
        }
        vectors
    }
}

/// What a [`gather`] call reads and writes besides its accumulators.
pub struct Gather<'a> {
    /// Blocked pixels, one slice per block to sum over.
    pub blocks: &'a [&'a [f32]],
    /// Channels in each of these blocks.
    pub channels: usize,
    /// Elements from one pixel of a block to the next.
    pub pitch: usize,
    /// For each tap, the source pixel of each row.
    pub taps: &'a [[u32; TILE]],
    /// `[block][tap][channel][lane]`.
    pub weights: &'a [f32],
    /// Channels of one destination pixel.
    pub lanes: usize,
    /// Destination pixel of each row.
    pub rows: [u32; TILE],
    /// Whether to add to the destination rather than overwrite it.
    pub accumulate: bool,
}

/// Sets each destination row, or adds to it, the sum over blocks, taps and
/// channels of `block[row's pixel][channel] * weights[..][lane]`.
pub fn gather(work: &Gather<'_>, out: &mut [f32]) {
    let steps = work.blocks.len() * work.taps.len() * work.channels;
    assert_eq!(work.weights.len(), steps * work.lanes);
    assert!(work.channels <= work.pitch);
    for block in work.blocks {
        check_pixels(work.taps, block.len() / work.pitch);
    }
    check_pixels(&[work.rows], out.len() / work.lanes);
    // SAFETY: the asserts bound every address the loops form.
    unsafe { dispatch(work, out.as_mut_ptr()) }
}

impl Kernel for Gather<'_> {
    fn lanes(&self) -> usize {
        self.lanes
    }

    #[inline(always)]
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, from: usize, out: *mut f32) {
        unsafe {
            let mut tile = [[V::splat(0.0); VECTORS]; TILE];
            let mut weights = self.weights.as_ptr().add(from);
            for block in self.blocks {
                for pixels in self.taps {
                    let rows = pixels.map(|p| block.as_ptr().add(p as usize * self.pitch));
                    for c in 0..self.channels {
                        let lanes: [V; VECTORS] = load(weights);
                        weights = weights.add(self.lanes);
                        for (row, acc) in rows.iter().zip(&mut tile) {
                            let value = V::splat(*row.add(c));
                            for (acc, &lanes) in acc.iter_mut().zip(&lanes) {
                                *acc = acc.add_product(value, lanes);
                            }
                        }
                    }
                }
            }
            let out = out.add(from);
            for (acc, &row) in tile.iter().zip(&self.rows) {
                let row = out.add(row as usize * self.lanes);
                for (v, &acc) in acc.iter().enumerate() {
                    let to = row.add(v * LANES);
                    let sum = if self.accumulate {
                        acc.add_product(V::splat(1.0), V::load(to))
                    } else {
                        acc
                    };
                    sum.store(to);
                }
            }
        }
    }
}

/// What an [`outer`] call reads.
pub struct Outer<'a> {
    /// Blocked pixels whose first `TILE` values are the rows.
    pub a: &'a [f32],
    /// Elements from one pixel of `a` to the next.
    pub pitch: usize,
    /// Blocked pixels whose values are the lanes.
    pub b: &'a [f32],
    /// Elements from one pixel of `b` to the next, all used.
    pub lanes: usize,
    /// Pixels of `a` and `b` to multiply.
    pub pairs: &'a [[u32; 2]],
}

/// Adds to `out`, `[TILE][lanes]`, the sum over pairs of
/// `a[pixel][row] * b[pixel][lane]`.
pub fn outer(work: &Outer<'_>, out: &mut [f32]) {
    assert_eq!(out.len(), TILE * work.lanes);
    let last = |i: usize| work.pairs.iter().map(|p| p[i] as usize).max();
    assert!(last(0).is_none_or(|p| p * work.pitch + TILE <= work.a.len()));
    assert!(last(1).is_none_or(|p| (p + 1) * work.lanes <= work.b.len()));
    // SAFETY: the asserts bound every address the loops form.
    unsafe { dispatch(work, out.as_mut_ptr()) }
}

impl Kernel for Outer<'_> {
    fn lanes(&self) -> usize {
        self.lanes
    }

    #[inline(always)]
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, from: usize, out: *mut f32) {
        unsafe {
            let mut tile = [[V::splat(0.0); VECTORS]; TILE];
            for &[a, b] in self.pairs {
                let a = self.a.as_ptr().add(a as usize * self.pitch);
                let lanes: [V; VECTORS] = load(self.b.as_ptr().add(b as usize * self.lanes + from));
                for (i, acc) in tile.iter_mut().enumerate() {
                    let value = V::splat(*a.add(i));
                    for (acc, &lanes) in acc.iter_mut().zip(&lanes) {
                        *acc = acc.add_product(value, lanes);
                    }
                }
            }
            let out = out.add(from);
            for (i, acc) in tile.iter().enumerate() {
                for (v, &acc) in acc.iter().enumerate() {
                    let to = out.add(i * self.lanes + v * LANES);
                    acc.add_product(V::splat(1.0), V::load(to)).store(to);
                }
            }
        }
    }
}

/// What a [`lanewise`] call reads and writes.
pub struct Lanewise<'a> {
    /// Blocked pixels.
    pub source: &'a [f32],
    /// Channels of a pixel, of source and destination alike.
    pub lanes: usize,
    /// For each tap, the source pixel of each row.
    pub taps: &'a [[u32; TILE]],
    /// `[tap][lane]`.
    pub weights: &'a [f32],
    /// Destination pixel of each row.
    pub rows: [u32; TILE],
}

/// Sets each destination row to the sum over taps of
/// `source[row's pixel][lane] * weights[tap][lane]`.
pub fn lanewise(work: &Lanewise<'_>, out: &mut [f32]) {
    assert_eq!(work.weights.len(), work.taps.len() * work.lanes);
    check_pixels(work.taps, work.source.len() / work.lanes);
    check_pixels(&[work.rows], out.len() / work.lanes);
    // SAFETY: the asserts bound every address the loops form.
    unsafe { dispatch(work, out.as_mut_ptr()) }
}

impl Kernel for Lanewise<'_> {
    fn lanes(&self) -> usize {
        self.lanes
    }

    #[inline(always)]
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, from: usize, out: *mut f32) {
        unsafe {
            let mut tile = [[V::splat(0.0); VECTORS]; TILE];
            let source = self.source.as_ptr().add(from);
            for (t, pixels) in self.taps.iter().enumerate() {
                let weights: [V; VECTORS] = load(self.weights.as_ptr().add(t * self.lanes + from));
                for (&pixel, acc) in pixels.iter().zip(&mut tile) {
                    let lanes: [V; VECTORS] = load(source.add(pixel as usize * self.lanes));
                    for ((acc, lanes), &weights) in acc.iter_mut().zip(lanes).zip(&weights) {
                        *acc = acc.add_product(lanes, weights);
                    }
                }
            }
            let out = out.add(from);
            for (acc, &row) in tile.iter().zip(&self.rows) {
                for (v, acc) in acc.iter().enumerate() {
                    acc.store(out.add(row as usize * self.lanes + v * LANES));
                }
            }
        }
    }
}

/// What a [`lanewise_outer`] call reads.
pub struct LanewiseOuter<'a> {
    /// Blocked pixels.
    pub a: &'a [f32],
    /// Blocked pixels.
    pub b: &'a [f32],
    /// Channels of a pixel of either.
    pub lanes: usize,
    /// Pixels of `a` and `b` to multiply.
    pub pairs: &'a [[u32; 2]],
}

/// Adds to `out`, `[lanes]`, the sum over pairs of
/// `a[pixel][lane] * b[pixel][lane]`.
pub fn lanewise_outer(work: &LanewiseOuter<'_>, out: &mut [f32]) {
    assert_eq!(out.len(), work.lanes);
    for (i, pixels) in [work.a, work.b].into_iter().enumerate() {
        let last = work.pairs.iter().map(|p| p[i] as usize).max();
        assert!(last.is_none_or(|p| (p + 1) * work.lanes <= pixels.len()));
    }
    // SAFETY: the asserts bound every address the loops form.
    unsafe { dispatch(work, out.as_mut_ptr()) }
}

impl Kernel for LanewiseOuter<'_> {
    fn lanes(&self) -> usize {
        self.lanes
    }

    #[inline(always)]
    unsafe fn run<V: Vector, const VECTORS: usize>(&self, from: usize, out: *mut f32) {
        unsafe {
            let out = out.add(from);
            let mut sums: [V; VECTORS] = load(out);
            for &[a, b] in self.pairs {
                let a: [V; VECTORS] = load(self.a.as_ptr().add(a as usize * self.lanes + from));
                let b: [V; VECTORS] = load(self.b.as_ptr().add(b as usize * self.lanes + from));
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum = sum.add_product(a, b);
                }
            }
            for (v, sum) in sums.iter().enumerate() {
                sum.store(out.add(v * LANES));
            }
        }
    }
}
