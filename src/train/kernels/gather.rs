//! The convolution that both the forward pass and the input gradient are: each
//! destination pixel sums, over window positions, a source pixel times a
//! matrix.

use super::blocked::{Planes, block, unblock};
use super::microkernel::{self, BLOCK, Gather};
use super::simd::LANES;
use super::tiles::Tiles;
use super::transpose::{Transpose, transpose};
use rayon::prelude::*;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;

/// One side of the convolution.
#[derive(Clone, Copy)]
pub struct Side {
    /// Channels, all groups together.
    pub channels: usize,
    /// Pixels per channel.
    pub plane: usize,
    /// Elements of the weight from one channel of a group to the next.
    pub step: usize,
}

/// A convolution from one side to the other.
pub struct Problem<'a> {
    /// Samples.
    pub batch: usize,
    /// Channel groups.
    pub groups: usize,
    /// Window positions.
    pub window: usize,
    /// What is read.
    pub from: Side,
    /// What is written.
    pub to: Side,
    /// Lists the pixels of a number of samples.
    pub tiles: &'a (dyn Fn(usize) -> Tiles + Sync),
}

/// Pieces of work to aim for.
pub const PIECES: usize = 8;

/// Samples of one piece of work: around a thousand pixels, so that the pixels
/// and a block of weights stay in the second-level cache, but at least [`PIECES`]
/// where the batch allows, for balance. Depends on the shape alone.
pub fn samples_per_job(batch: usize, plane: usize) -> usize {
    (1024 / plane).clamp(1, (batch / PIECES).max(1))
}

/// Runs the convolution over NCHW `source`, adding `bias` per destination
/// channel.
pub fn run(
    problem: &Problem<'_>,
    source: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let Problem { batch, from, to, .. } = *problem;
    assert_eq!(source.len(), batch * from.channels * from.plane);
    let samples = samples_per_job(batch, from.plane.max(to.plane));
    let whole = (problem.tiles)(samples);
    let rest = (problem.tiles)(batch % samples);
    let packed = pack(problem, weight);
    let per_group = to.channels / problem.groups;
    // Few samples: pieces of one block of one sample's channels keep more
    // threads busy, though each blocks the source anew.
    let channels = if batch < PIECES && problem.groups == 1 { BLOCK } else { per_group };
    let sample = to.channels * to.plane;
    collect_chunks(batch * sample, samples * sample, |job, out| {
        let source = &source[job * samples * from.channels * from.plane..];
        let here = samples.min(batch - job * samples);
        let job = Job {
            samples: here,
            tiles: if here == samples { &whole } else { &rest },
            source,
            packed: &packed,
            bias,
        };
        let piece = if channels < per_group { channels * to.plane } else { out.len() };
        out.par_chunks_mut(piece.max(1)).enumerate().for_each(|(i, out)| {
            let first = i * channels;
            job.run(problem, first..per_group.min(first + channels), out);
        });
    })
}

/// Weights of every (group, destination block),
/// `[source block][window position][source channel][destination lane]`.
fn pack(problem: &Problem<'_>, weight: &[f32]) -> Vec<Vec<f32>> {
    let Problem { groups, window, from, to, .. } = *problem;
    let (inputs, outputs) = (from.channels / groups, to.channels / groups);
    let per_group = weight.len() / groups;
    let work: Vec<_> =
        (0..groups).flat_map(|g| (0..outputs).step_by(BLOCK).map(move |o| (g, o))).collect();
    work.into_par_iter()
        .map(|(g, first)| {
            let here = BLOCK.min(outputs - first);
            let lanes = here.next_multiple_of(LANES);
            let weight = &weight[g * per_group + first * to.step..];
            let mut packed = vec![0.0; window * inputs * lanes];
            for i in 0..inputs {
                let block = i / BLOCK * BLOCK;
                let width = BLOCK.min(inputs - block);
                let work = Transpose {
                    from: &weight[i * from.step..],
                    pitch: to.step,
                    rows: here,
                    columns: window,
                    pitch_out: width * lanes,
                    bias: None,
                };
                transpose(&work, &mut packed[(block * window + i - block) * lanes..]);
            }
            packed
        })
        .collect()
}

thread_local! {
    /// Source and destination pixels in blocks, kept from call to call.
    static SCRATCH: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// The convolution over some samples.
struct Job<'a> {
    samples: usize,
    tiles: &'a Tiles,
    /// The source from the first of the samples on.
    source: &'a [f32],
    packed: &'a [Vec<f32>],
    bias: Option<&'a [f32]>,
}

impl Job<'_> {
    /// Writes `channels` of every group, all of them unless the job is a
    /// single sample of a single group.
    fn run(&self, problem: &Problem<'_>, channels: Range<usize>, out: &mut [MaybeUninit<f32>]) {
        let Problem { groups, from, to, .. } = *problem;
        let (inputs, outputs) = (from.channels / groups, to.channels / groups);
        SCRATCH.with_borrow_mut(|[pixels, result]| {
            for group in 0..groups {
                let planes = Planes {
                    all: from.channels,
                    first: group * inputs,
                    channels: inputs,
                    plane: from.plane,
                    samples: self.samples,
                };
                block(planes, self.source, pixels);
                for first in channels.clone().step_by(BLOCK) {
                    let written = Planes {
                        all: to.channels,
                        first: group * outputs + first - channels.start,
                        channels: BLOCK.min(channels.end - first),
                        plane: to.plane,
                        samples: self.samples,
                    };
                    if result.len() < written.len() {
                        result.resize(written.len(), 0.0);
                    }
                    let packed = &self.packed[group * outputs.div_ceil(BLOCK) + first / BLOCK];
                    let weights = (packed.as_slice(), problem.window);
                    run_block(self.tiles, planes, pixels, weights, written.channels, result);
                    let first = group * outputs + first;
                    let bias = self.bias.map(|b| &b[first..][..written.channels]);
                    unblock(written, result, bias, out);
                }
            }
        });
    }
}

/// One block of destination channels.
fn run_block(
    tiles: &Tiles,
    planes: Planes,
    pixels: &[f32],
    (mut weights, window): (&[f32], usize),
    channels: usize,
    result: &mut [f32],
) {
    let lanes = channels.next_multiple_of(LANES);
    let blocks: Vec<_> = planes.blocks().collect();
    // As many blocks a pass as keep its weights well inside the second-level
    // cache.
    let together = (9 / window).max(1);
    let mut first = 0;
    while first < blocks.len() {
        let (_, channels, pitch) = blocks[first];
        let pass: Vec<&[f32]> = blocks[first..]
            .iter()
            .take(together)
            .take_while(|b| b.1 == channels)
            .map(|b| &pixels[b.0..][..planes.pixels() * pitch])
            .collect();
        let (here, rest) = weights.split_at(pass.len() * window * channels * lanes);
        weights = rest;
        for tile in tiles.iter() {
            let work = Gather {
                blocks: &pass,
                channels,
                pitch,
                tile,
                window,
                weights: here,
                lanes,
                accumulate: first > 0,
            };
            microkernel::gather(&work, result);
        }
        first += pass.len();
    }
}

/// A vector of `len` elements, filled in parallel `chunk` elements at a time
/// by `fill(chunk number, chunk)`, which must write every element.
pub fn collect_chunks(
    len: usize,
    chunk: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(len);
    out.spare_capacity_mut()[..len]
        .par_chunks_mut(chunk.max(1))
        .enumerate()
        .for_each(|(i, chunk)| fill(i, chunk));
    // SAFETY: the chunks cover the first `len` elements and `fill` wrote them.
    unsafe { out.set_len(len) };
    out
}
