//! Depthwise convolution: every channel by itself. In channel blocks the lanes
//! of a vector are channels, so any window, stride and map size vectorises.

use super::blocked::{Planes, block, unblock};
use super::gather::{Phase, collect_chunks, samples_per_job};
use super::geometry::Geometry;
use super::microkernel::{self, BLOCK, Lanewise, LanewiseOuter};
use super::simd::LANES;
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
/// pixels per channel, as `phases` for a number of samples list them.
pub fn run(
    g: &Geometry,
    [from, to]: [usize; 2],
    phases: impl Fn(usize) -> Vec<Phase>,
    source: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let (batch, all, taps) = (g.batch, g.channels_in, g.taps());
    assert_eq!(source.len(), batch * all * from);
    assert_eq!(weight.len(), all * taps);
    let samples = samples_per_job(batch, from.max(to));
    let whole = phases(samples);
    let rest = phases(batch % samples);
    collect_chunks(batch * all * to, samples * all * to, |job, out| {
        let source = &source[job * samples * all * from..];
        let here = samples.min(batch - job * samples);
        let phases = if here == samples { &whole } else { &rest };
        SCRATCH.with_borrow_mut(|[pixels, result]| {
            for (first, channels) in blocks(all) {
                let read = Planes { all, first, channels, plane: from, samples: here };
                let written = Planes { plane: to, ..read };
                block(read, source, pixels);
                if result.len() < written.len() {
                    result.resize(written.len(), 0.0);
                }
                let weight = &weight[first * taps..][..channels * taps];
                for phase in phases {
                    run_phase(phase, channels, weight, taps, pixels, result);
                }
                let bias = bias.map(|b| &b[first..][..channels]);
                unblock(written, result, bias, out);
            }
        });
    })
}

/// One phase of one block of channels; `weight` is `[channel][tap]`.
fn run_phase(
    phase: &Phase,
    channels: usize,
    weight: &[f32],
    taps: usize,
    pixels: &[f32],
    result: &mut [f32],
) {
    let lanes = channels.next_multiple_of(LANES);
    let mut weights = vec![0.0; phase.taps.len() * lanes];
    for (&tap, weights) in phase.taps.iter().zip(weights.chunks_exact_mut(lanes)) {
        for (lane, weight) in weights.iter_mut().zip(weight.chunks_exact(taps)) {
            *lane = weight[tap];
        }
    }
    let taps = phase.taps.len();
    for (tile, &rows) in phase.to.iter().enumerate() {
        let work = Lanewise {
            source: pixels,
            lanes,
            taps: &phase.from[tile * taps..][..taps],
            weights: &weights,
            rows,
        };
        microkernel::lanewise(&work, result);
    }
}

/// Gradient by the weight, `[channels, 1, kernel]`.
pub fn backward_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    let (all, taps) = (g.channels_in, g.taps());
    let [from, to] = [g.pixels_in(), g.pixels_out()];
    let samples = samples_per_job(g.batch, from.max(to));
    let whole = pairs(g, samples);
    let rest = pairs(g, g.batch % samples);
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
