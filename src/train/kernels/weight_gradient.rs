//! The weight gradient: for every window position, the product of the output
//! gradient and the input pixels read there, summed over pixels.
//!
//! Work is cut into blocks of output channels and ranges of samples. The
//! ranges' partial gradients are added in order, and the cut depends on the
//! shape alone, so that the result does not depend on threads.

use super::blocked::{Planes, block};
use super::gather::{collect_chunks, samples_per_job};
use super::geometry::Geometry;
use super::microkernel::{self, BLOCK, Outer, TILE};
use super::simd::LANES;
use rayon::prelude::*;
use std::cell::RefCell;

/// Output pixels whose input pixels (64 channels) fit the first-level cache.
const CHUNK: usize = 128;

/// Pieces of work to aim for where the output channels give fewer.
const PIECES: usize = 8;

/// Gradient by `w`, `[channels_out, channels_in / groups, kernel]`, from `x`
/// and `dy [batch, channels_out, output]`.
pub fn backward_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let blocks: Vec<(usize, usize)> = (0..g.groups)
        .flat_map(|group| (0..g.group_out()).step_by(BLOCK).map(move |o| (group, o)))
        .collect();
    let samples = samples_per_job(g.batch, g.pixels_in().max(g.pixels_out()));
    let ranges = PIECES.div_ceil(blocks.len()).min(g.batch.div_ceil(samples));
    let per_range = g.batch.div_ceil(ranges).next_multiple_of(samples);
    let ranges = g.batch.div_ceil(per_range);
    let whole = pairs(g, samples);
    let rest = pairs(g, g.batch % samples);
    let parts: Vec<Vec<f32>> = (0..blocks.len() * ranges)
        .into_par_iter()
        .map(|job| {
            let (group, first) = blocks[job / ranges];
            let start = job % ranges * per_range;
            let mut part = vec![0.0; part_len(g, first)];
            for from in (start..g.batch.min(start + per_range)).step_by(samples) {
                let here = samples.min(g.batch - from);
                let pairs = if here == samples { &whole } else { &rest };
                add_samples(g, group, first, from..from + here, pairs, x, dy, &mut part);
            }
            part
        })
        .collect();
    // From [block][tap][tile][row][lane] to [out][in][tap].
    let per_out = g.group_in() * g.taps();
    collect_chunks(g.channels_out * per_out, per_out, |out, dw| {
        let within = out % g.group_out();
        let block = out / g.group_out() * g.group_out().div_ceil(BLOCK) + within / BLOCK;
        let row = within % BLOCK;
        let rows = padded_rows(g, within / BLOCK * BLOCK);
        let parts = &parts[block * ranges..][..ranges];
        for (channel, dw) in dw.chunks_exact_mut(g.taps()).enumerate() {
            let first = channel / BLOCK * BLOCK;
            let lanes = (g.group_in() - first).min(BLOCK).next_multiple_of(LANES);
            for (tap, dw) in dw.iter_mut().enumerate() {
                let at = rows * (first * g.taps() + tap * lanes) + row * lanes + channel - first;
                dw.write(parts.iter().map(|p| p[at]).sum());
            }
        }
    })
}

/// Output channels of the block from `first`, in whole tiles.
fn padded_rows(g: &Geometry, first: usize) -> usize {
    (g.group_out() - first).min(BLOCK).next_multiple_of(TILE)
}

/// Elements of a partial gradient.
fn part_len(g: &Geometry, first: usize) -> usize {
    padded_rows(g, first) * g.taps() * g.group_in().next_multiple_of(LANES)
}

/// `[chunk of output pixels][tap]`: the output and input pixels to multiply.
pub fn pairs(g: &Geometry, samples: usize) -> Vec<Vec<Vec<[u32; 2]>>> {
    let [_, width] = g.output();
    let plane = g.pixels_out();
    let outputs: Vec<usize> = (0..samples * plane).collect();
    outputs
        .chunks(CHUNK)
        .map(|chunk| {
            let tap = |tap: usize| {
                let (ky, kx) = (tap / g.kernel[1], tap % g.kernel[1]);
                let pair = |&out: &usize| {
                    let y = g.source(0, out % plane / width, ky)?;
                    let x = g.source(1, out % width, kx)?;
                    let source = 1 + out / plane * g.pixels_in() + y * g.input[1] + x;
                    let fits = |p: usize| u32::try_from(p).expect("pixel fits u32");
                    Some([fits(1 + out), fits(source)])
                };
                chunk.iter().filter_map(pair).collect()
            };
            (0..g.taps()).map(tap).collect()
        })
        .collect()
}

thread_local! {
    /// Output gradient and input in blocks, kept from call to call.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Adds the gradient of one block of output channels over some samples.
#[expect(clippy::too_many_arguments, reason = "one call site")]
fn add_samples(
    g: &Geometry,
    group: usize,
    first: usize,
    samples: std::ops::Range<usize>,
    pairs: &[Vec<Vec<[u32; 2]>>],
    x: &[f32],
    dy: &[f32],
    part: &mut [f32],
) {
    let rows = padded_rows(g, first);
    let outputs = Planes {
        all: g.channels_out,
        first: group * g.group_out() + first,
        channels: BLOCK.min(g.group_out() - first),
        plane: g.pixels_out(),
        samples: samples.len(),
    };
    let inputs = Planes {
        all: g.channels_in,
        first: group * g.group_in(),
        channels: g.group_in(),
        plane: g.pixels_in(),
        samples: samples.len(),
    };
    SCRATCH.with_borrow_mut(|[gradient, pixels]| {
        let start = |planes: Planes| samples.start * planes.all * planes.plane;
        block(outputs, &dy[start(outputs)..], gradient);
        block(inputs, &x[start(inputs)..], pixels);
        let pitch = outputs.channels.next_multiple_of(LANES);
        let mut part = part;
        for (offset, _, lanes) in inputs.blocks() {
            let (here, later) = part.split_at_mut(g.taps() * rows * lanes);
            part = later;
            for chunk in pairs {
                for (pairs, here) in chunk.iter().zip(here.chunks_exact_mut(rows * lanes)) {
                    for (tile, here) in here.chunks_exact_mut(TILE * lanes).enumerate() {
                        let work = Outer {
                            a: &gradient[tile * TILE..],
                            pitch,
                            b: &pixels[offset..],
                            lanes,
                            pairs,
                        };
                        microkernel::outer(&work, here);
                    }
                }
            }
        }
    });
}
