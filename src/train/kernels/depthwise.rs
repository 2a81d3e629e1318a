//! Depthwise convolution: every channel by itself. In channel blocks the lanes
//! of a vector are channels, so any window, stride and map size vectorises.

use super::blocked::{Planes, block, unblock};
use super::gather::{collect_chunks, samples_per_job};
use super::geometry::Geometry;
use super::microkernel::{self, BLOCK, Lanewise, LanewiseOuter};
use super::simd::LANES;
use super::tiles::Tiles;
use super::weight_gradient::pairs;
use rayon::prelude::*;
use std::cell::RefCell;

thread_local! {
    /// Two sides in blocks, kept from call to call.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Blocks of channels as (first, channels).
fn blocks(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(BLOCK).map(move |first| (first, BLOCK.min(channels - first)))
}

/// The convolution from `source`, NCHW with `from` pixels per channel, to `to`
/// pixels per channel, as `tiles` for a number of samples list them.
pub fn run(
    g: &Geometry,
    [from, to]: [usize; 2],
    tiles: impl Fn(usize) -> Tiles,
    source: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (batch, all, taps) = (g.batch, g.channels_in, g.taps());
    assert_eq!(source.len(), batch * all * from);
    assert_eq!(weight.len(), all * taps);
    let samples = samples_per_job(batch, from.max(to));
    let whole = tiles(samples);
    let rest = tiles(batch % samples);
    collect_chunks(batch * all * to, samples * all * to, |job, out| {
        let source = &source[job * samples * all * from..];
        let here = samples.min(batch - job * samples);
        let tiles = if here == samples { &whole } else { &rest };
        SCRATCH.with_borrow_mut(|[pixels, result]| {
            for (first, channels) in blocks(all) {
                let read = Planes { all, first, channels, plane: from, samples: here };
                let written = Planes { plane: to, ..read };
                block(read, source, pixels);
                if result.len() < written.len() {
                    result.resize(written.len(), 0.0);
                }
                let weight = &weight[first * taps..][..channels * taps];
                run_block(tiles, channels, weight, taps, pixels, result);
                let bias = bias.map(|b| &b[first..][..channels]);
                unblock(written, result, bias, out);
            }
        });
    })
}

/// One block of channels; `weight` is `[channel][window position]`.
fn run_block(
    tiles: &Tiles,
    channels: usize,
    weight: &[f32],
    window: usize,
    pixels: &[f32],
    result: &mut [f32],
) {
    let lanes = channels.next_multiple_of(LANES);
    let mut weights = vec![0.0; window * lanes];
    for (c, weight) in weight.chunks_exact(window).enumerate() {
        for (position, weight) in weight.iter().enumerate() {
            weights[position * lanes + c] = *weight;
        }
    }
    for tile in tiles.iter() {
        let work = Lanewise { source: pixels, lanes, tile, weights: &weights };
        microkernel::lanewise(&work, result);
    }
}

/// Gradient by the weight, `[channels, 1, kernel]`.
pub fn backward_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (all, taps) = (g.channels_in, g.taps());
    let [from, to] = [g.pixels_in(), g.pixels_out()];
    let samples = samples_per_job(g.batch, from.max(to));
    let whole = pairs(g, samples, false);
    let rest = pairs(g, g.batch % samples, false);
    let work: Vec<_> = blocks(all).collect();
    // One piece of work per block: a block's samples are summed in order.
    let sums: Vec<Vec<f32>> = work
        .into_par_iter()
        .map(|(first, channels)| {
            let lanes = channels.next_multiple_of(LANES);
            let mut sums = vec![0.0; taps * lanes];
            SCRATCH.with_borrow_mut(|[pixels, gradient]| {
                for start in (0..g.batch).step_by(samples) {
                    let here = samples.min(g.batch - start);
                    let read = Planes { all, first, channels, plane: from, samples: here };
                    block(read, &x[start * all * from..], pixels);
                    let read = Planes { plane: to, ..read };
                    block(read, &dy[start * all * to..], gradient);
                    for chunk in if here == samples { &whole } else { &rest } {
                        for (pairs, sums) in chunk.iter().zip(sums.chunks_exact_mut(lanes)) {
                            let work = LanewiseOuter { a: gradient, b: pixels, lanes, pairs };
                            microkernel::lanewise_outer(&work, sums);
                        }
                    }
                }
            });
            sums
        })
        .collect();
    let mut dw = Vec::with_capacity(all * taps);
    for ((_, channels), sums) in blocks(all).zip(&sums) {
        let lanes = channels.next_multiple_of(LANES);
        dw.extend((0..channels).flat_map(|c| (0..taps).map(move |t| sums[t * lanes + c])));
    }
    dw
}
