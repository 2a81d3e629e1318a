//! Register tiles: [`TILE`] rows by up to four vectors of accumulators.
//!
//! The two loops of dense convolutions: [`gather`] walks channels, every row
//! broadcasts from a pixel of its own and the vectors come from packed
//! weights; [`outer`] walks pixels, the rows are neighbouring values of one
//! pixel of `a` and the vectors a pixel of `b`. Their depthwise counterparts,
//! where every lane is a channel by itself, are [`lanewise`] and
//! [`lanewise_outer`].

use super::simd::{Kernel, LANES, Vector, dispatch};
use super::tiles::Tile;

/// Rows of a register tile.
pub const TILE: usize = 6;
/// Most channels of a block: four vectors.
pub const BLOCK: usize = 4 * LANES;

/// Pixels of two blocks to multiply, and how many pixels each block needs.
pub struct Pairs {
    pairs: Vec<[u32; 2]>,
    needed: [usize; 2],
}

impl Pairs {
    pub fn new(pairs: Vec<[u32; 2]>) -> Self {
        let needed = |i: usize| pairs.iter().map(|p| p[i] as usize + 1).max();
        Self { needed: [0, 1].map(|i| needed(i).unwrap_or(0)), pairs }
    }
}

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
    /// Destination pixels, source pixels and window positions.
    pub tile: Tile<'a>,
    /// Window positions of the weights.
    pub window: usize,
    /// `[block][window position][channel][lane]`.
    pub weights: &'a [f32],
    /// Channels of one destination pixel.
    pub lanes: usize,
    /// Whether to add to the destination rather than overwrite it.
    pub accumulate: bool,
}

/// Sets each destination row, or adds to it, the sum over blocks,
/// window positions and channels of `block[row's pixel][channel] * weights[..][lane]`.
pub fn gather(work: &Gather<'_>, out: &mut [f32]) {
    let steps = work.blocks.len() * work.window * work.channels;
    assert_eq!(work.weights.len(), steps * work.lanes);
    assert!(work.tile.positions.iter().all(|&p| p < work.window));
    assert!(work.channels <= work.pitch);
    for block in work.blocks {
        check_pixels(work.tile.sources, block.len() / work.pitch);
    }
    check_pixels(&[work.tile.rows], out.len() / work.lanes);
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
            let weights = self.weights.as_ptr().add(from);
            for (b, block) in self.blocks.iter().enumerate() {
                for (pixels, position) in self.tile.sources.iter().zip(self.tile.positions) {
                    let step = (b * self.window + position) * self.channels;
                    let mut weights = weights.add(step * self.lanes);
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
            for (acc, &row) in tile.iter().zip(&self.tile.rows) {
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
    pub pairs: &'a Pairs,
}

/// Adds to `out`, `[TILE][lanes]`, the sum over pairs of
/// `a[pixel][row] * b[pixel][lane]`.
pub fn outer(work: &Outer<'_>, out: &mut [f32]) {
    assert_eq!(out.len(), TILE * work.lanes);
    let [a, b] = work.pairs.needed;
    assert!(a == 0 || (a - 1) * work.pitch + TILE <= work.a.len());
    assert!(b * work.lanes <= work.b.len());
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
            for &[a, b] in &self.pairs.pairs {
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
    /// Destination pixels, source pixels and window positions.
    pub tile: Tile<'a>,
    /// `[window position][lane]`.
    pub weights: &'a [f32],
}

/// Sets each destination row to the sum over window positions of
/// `source[row's pixel][lane] * weights[position][lane]`.
pub fn lanewise(work: &Lanewise<'_>, out: &mut [f32]) {
    let needed = work.tile.positions.iter().max().map_or(0, |p| p + 1);
    assert!(needed * work.lanes <= work.weights.len());
    check_pixels(work.tile.sources, work.source.len() / work.lanes);
    check_pixels(&[work.tile.rows], out.len() / work.lanes);
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
            for (pixels, position) in self.tile.sources.iter().zip(self.tile.positions) {
                let weights = self.weights.as_ptr().add(position * self.lanes + from);
                let weights: [V; VECTORS] = load(weights);
                for (&pixel, acc) in pixels.iter().zip(&mut tile) {
                    let lanes: [V; VECTORS] = load(source.add(pixel as usize * self.lanes));
                    for ((acc, lanes), &weights) in acc.iter_mut().zip(lanes).zip(&weights) {
                        *acc = acc.add_product(lanes, weights);
                    }
                }
            }
            let out = out.add(from);
            for (acc, &row) in tile.iter().zip(&self.tile.rows) {
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
    pub pairs: &'a Pairs,
}

/// Adds to `out`, `[lanes]`, the sum over pairs of
/// `a[pixel][lane] * b[pixel][lane]`.
pub fn lanewise_outer(work: &LanewiseOuter<'_>, out: &mut [f32]) {
    assert_eq!(out.len(), work.lanes);
    let [a, b] = work.pairs.needed;
    assert!(a * work.lanes <= work.a.len() && b * work.lanes <= work.b.len());
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
            for &[a, b] in &self.pairs.pairs {
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

#[cfg(test)]
mod tests {
    use super::super::simd::assert_sets_agree;
    use super::*;

    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
    }

    #[test]
    fn instruction_sets_agree() {
        let (rows, positions) = ([1, 2, 3, 4, 5, 0], [0, 2]);
        let sources = [[1, 0, 3, 2, 4, 4], [2, 2, 2, 1, 0, 5]];
        let tile = Tile { rows, positions: &positions, sources: &sources };
        let pairs = Pairs::new(vec![[0, 5], [1, 4], [5, 5], [3, 0]]);
        let pixels = values(6 * BLOCK);
        for lanes in (LANES..=BLOCK).step_by(LANES) {
            let (blocks, channels) = ([&pixels[..6 * LANES]; 2], 11);
            let weights = values(blocks.len() * 3 * channels * lanes);
            for accumulate in [false, true] {
                let gather = Gather {
                    blocks: &blocks,
                    channels,
                    pitch: LANES,
                    tile,
                    window: 3,
                    weights: &weights,
                    lanes,
                    accumulate,
                };
                // SAFETY: the rows are pixels below 6.
                unsafe { assert_sets_agree(&gather, 6 * lanes) };
            }
            let weights = &weights[..3 * lanes];
            let lanewise = Lanewise { source: &pixels, lanes, tile, weights };
            // SAFETY: the rows are pixels below 6.
            unsafe { assert_sets_agree(&lanewise, 6 * lanes) };
            let outer = Outer { a: &pixels, pitch: LANES, b: &pixels, lanes, pairs: &pairs };
            // SAFETY: the length is as `outer` asserts.
            unsafe { assert_sets_agree(&outer, TILE * lanes) };
            let outer = LanewiseOuter { a: &pixels, b: &pixels, lanes, pairs: &pairs };
            // SAFETY: the length is as `lanewise_outer` asserts.
            unsafe { assert_sets_agree(&outer, lanes) };
        }
    }
}
