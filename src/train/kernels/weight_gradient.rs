//! The weight gradient: for every window position, the product of the output
//! gradient and the input pixels read there, summed over pixels.
//!
//! One side's channels are the rows of the register tiles, the other's their
//! lanes, whichever way around fills the vectors better. Work is cut into
//! ranges of samples and groups of row blocks. The ranges' partial gradients
//! are added in order, and the cut depends on the shape alone, so that the
//! result does not depend on threads.

use super::blocked::{Planes, block};
use super::gather::{PIECES, collect_chunks, samples_per_job};
use super::geometry::Geometry;
use super::microkernel::{self, BLOCK, Outer, Pairs, TILE};
use super::simd::LANES;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

/// Output pixels whose input pixels (64 channels) fit the first-level cache.
const CHUNK: usize = 128;

/// One side of the product: NCHW values and their shape.
#[derive(Clone, Copy)]
struct Side<'a> {
    values: &'a [f32],
    /// Channels of all groups, and of one.
    all: usize,
    channels: usize,
    plane: usize,
}

impl Side<'_> {
    /// Copies channels `range` of a group, of some samples, into blocks.
    fn block(
        &self,
        group: usize,
        range: Range<usize>,
        samples: Range<usize>,
        to: &mut Vec<f32>,
    ) -> Planes {
        let planes = Planes {
            all: self.all,
            first: group * self.channels + range.start,
            channels: range.len(),
            plane: self.plane,
            samples: samples.len(),
        };
        block(planes, &self.values[samples.start * self.all * self.plane..], to);
        planes
    }
}

/// Gradient by `w`, `[channels_out, channels_in / groups, kernel]`, from `x`
/// and `dy [batch, channels_out, output]`.
pub fn backward_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let input =
        Side { values: x, all: g.channels_in, channels: g.group_in(), plane: g.pixels_in() };
    let output =
        Side { values: dy, all: g.channels_out, channels: g.group_out(), plane: g.pixels_out() };
    // A tenth is what rearranging a swapped gradient may cost.
    if cost(g.group_out(), g.group_in()) * 10 <= cost(g.group_in(), g.group_out()) * 11 {
        return product(g, output, input, false);
    }
    let swapped = product(g, input, output, true);
    // From [group][in][out][tap] to [group][out][in][tap].
    let (inputs, outputs) = (g.group_in(), g.group_out());
    let mut dw = Vec::with_capacity(swapped.len());
    for group in swapped.chunks_exact(inputs * outputs * g.taps()) {
        for (o, i) in (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))) {
            dw.extend_from_slice(&group[(i * outputs + o) * g.taps()..][..g.taps()]);
        }
    }
    dw
}

/// Cycles per pixel, about: a tile of one vector is bound by the latency of
/// its additions, wider ones by their number.
fn cost(rows: usize, lanes: usize) -> usize {
    let last = (lanes % BLOCK).div_ceil(LANES);
    let tile = lanes / BLOCK * 12 + [0, 4, 6, 9, 12][last];
    rows.div_ceil(TILE) * tile
}

/// How the work is cut.
struct Cut {
    /// Samples of one range.
    samples: usize,
    /// Row channels of one piece, a multiple of [`BLOCK`].
    rows: usize,
}

/// Weighs writing and adding a partial gradient per range of samples against
/// blocking the lanes' side once per group of rows.
fn cut(g: &Geometry, rows: Side<'_>, lanes: Side<'_>, step: usize) -> Cut {
    let blocks = rows.channels.div_ceil(BLOCK);
    let (gradient, side) =
        (rows.channels * lanes.channels * g.taps(), g.batch * lanes.plane * lanes.channels);
    let (ranges, together) = (0..=PIECES.ilog2())
        .map(|log| {
            let pieces = (PIECES >> log).div_ceil(g.groups).min(blocks);
            (1 << log, blocks.div_ceil(pieces))
        })
        .filter(|(ranges, together)| g.groups * ranges * blocks.div_ceil(*together) >= PIECES)
        .min_by_key(|(ranges, together)| ranges * gradient + blocks.div_ceil(*together) * side)
        .unwrap_or((PIECES, blocks));
    Cut { samples: g.batch.div_ceil(ranges).next_multiple_of(step), rows: together * BLOCK }
}

/// The gradient as `[group][row][lane][tap]`; `swapped` if rows are inputs.
fn product(g: &Geometry, rows: Side<'_>, lanes: Side<'_>, swapped: bool) -> Vec<f32> {
    let step = samples_per_job(g.batch, rows.plane.max(lanes.plane));
    let cut = cut(g, rows, lanes, step);
    let whole = pairs(g, step, swapped);
    let rest = pairs(g, g.batch % step, swapped);
    let ranges = g.batch.div_ceil(cut.samples);
    let pieces: Vec<(usize, Range<usize>)> = (0..g.groups)
        .flat_map(|group| {
            let starts = (0..rows.channels).step_by(cut.rows);
            starts.map(move |s| (group, s..rows.channels.min(s + cut.rows)))
        })
        .collect();
    let row = lanes.channels.next_multiple_of(LANES) * g.taps();
    let parts: Vec<Vec<f32>> = (0..pieces.len() * ranges)
        .into_par_iter()
        .map(|job| {
            let (group, channels) = pieces[job / ranges].clone();
            let start = job % ranges * cut.samples;
            let mut part = vec![0.0; padded(channels.len()) * row];
            for from in (start..g.batch.min(start + cut.samples)).step_by(step) {
                let samples = from..g.batch.min(start + cut.samples).min(from + step);
                let pairs = if samples.len() == step { &whole } else { &rest };
                SCRATCH.with_borrow_mut(|[a, b]| {
                    let a_planes = rows.block(group, channels.clone(), samples.clone(), a);
                    let b_planes = lanes.block(group, 0..lanes.channels, samples, b);
                    add_product((a_planes, a), (b_planes, b), pairs, &mut part);
                });
            }
            part
        })
        .collect();
    let per_row = lanes.channels * g.taps();
    collect_chunks(g.groups * rows.channels * per_row, per_row, |out, dw| {
        let (group, channel) = (out / rows.channels, out % rows.channels);
        let piece = group * rows.channels.div_ceil(cut.rows) + channel / cut.rows;
        let (_, channels) = &pieces[piece];
        let (block, within) = (channel % cut.rows / BLOCK, channel % BLOCK);
        let height = padded(channels.len() - block * BLOCK).min(padded(BLOCK));
        let parts = &parts[piece * ranges..][..ranges];
        for first in (0..lanes.channels).step_by(BLOCK) {
            let here = BLOCK.min(lanes.channels - first);
            let pitch = here.next_multiple_of(LANES);
            let dw = &mut dw[first * g.taps()..][..here * g.taps()];
            for tap in 0..g.taps() {
                let at = block * padded(BLOCK) * row
                    + height * (first * g.taps() + tap * pitch)
                    + within * pitch;
                let mut sums = [0.0; BLOCK];
                for part in parts {
                    for (sum, value) in sums.iter_mut().zip(&part[at..][..here]) {
                        *sum += value;
                    }
                }
                for (dw, sum) in dw[tap..].iter_mut().step_by(g.taps()).zip(sums) {
                    dw.write(sum);
                }
            }
        }
    })
}

/// Rows of `channels` channels when every block is in whole tiles.
fn padded(channels: usize) -> usize {
    let whole = channels / BLOCK * BLOCK.next_multiple_of(TILE);
    whole + (channels % BLOCK).next_multiple_of(TILE)
}

/// `[chunk of output pixels][tap]`: the output and input pixels to multiply,
/// or, `swapped`, the input and output pixels.
pub fn pairs(g: &Geometry, samples: usize, swapped: bool) -> Vec<Vec<Pairs>> {
    let [_, width] = g.output();
    let plane = g.pixels_out();
    let outputs: Vec<usize> = (0..samples * plane).collect();
    outputs
        .par_chunks(CHUNK)
        .map(|chunk| {
            let tap = |tap: usize| {
                let (ky, kx) = (tap / g.kernel[1], tap % g.kernel[1]);
                let pair = |&out: &usize| {
                    let y = g.source(0, out % plane / width, ky)?;
                    let x = g.source(1, out % width, kx)?;
                    let source = 1 + out / plane * g.pixels_in() + y * g.input[1] + x;
                    let fits = |p: usize| u32::try_from(p).expect("pixel fits u32");
                    let pair = [fits(1 + out), fits(source)];
                    Some(if swapped { [pair[1], pair[0]] } else { pair })
                };
                Pairs::new(chunk.iter().filter_map(pair).collect())
            };
            (0..g.taps()).map(tap).collect()
        })
        .collect()
}

thread_local! {
    /// The rows' and the lanes' side in blocks, kept from call to call.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Adds the product of blocked rows and lanes to `part`,
/// `[row block][lane block][tap][row][lane]`.
fn add_product(
    (rows, a): (Planes, &[f32]),
    (lanes, b): (Planes, &[f32]),
    pairs: &[Vec<Pairs>],
    mut part: &mut [f32],
) {
    for (offset_a, channels, pitch) in rows.blocks() {
        let height = padded(channels);
        for (offset_b, _, width) in lanes.blocks() {
            let taps = pairs.first().map_or(0, Vec::len);
            let (here, later) = part.split_at_mut(taps * height * width);
            part = later;
            for chunk in pairs {
                for (pairs, here) in chunk.iter().zip(here.chunks_exact_mut(height * width)) {
                    for (tile, here) in here.chunks_exact_mut(TILE * width).enumerate() {
                        let work = Outer {
                            a: &a[offset_a + tile * TILE..],
                            pitch,
                            b: &b[offset_b..],
                            lanes: width,
                            pairs,
                        };
                        microkernel::outer(&work, here);
                    }
                }
            }
        }
    }
}
