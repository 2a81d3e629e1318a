//! The convolution that both the forward pass and the input gradient are: each
//! destination pixel sums, over a list of taps, a source pixel times a matrix.
//!
//! The forward pass is one such [`Phase`]. The input gradient is one phase per
//! residue of the input coordinate modulo the stride: the pixels of a phase
//! meet the same window positions, so nothing is multiplied by zero.

use super::blocked::{Planes, block, unblock};
use super::geometry::Geometry;
use super::microkernel::{self, BLOCK, Gather, TILE};
use super::simd::LANES;
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Destination pixels with common taps, [`TILE`] at a time.
pub struct Phase {
    /// Window positions as indices into the kernel.
    pub taps: Vec<usize>,
    /// Destination pixels; 0 fills up the last tile.
    pub to: Vec<[u32; TILE]>,
    /// `[tile][tap]` source pixels; 0 is the zero pixel.
    pub from: Vec<[u32; TILE]>,
}

impl Phase {
    /// Lists `pixels`, a sequence of (destination, source per tap).
    fn new(taps: Vec<usize>, pixels: &[(u32, Vec<u32>)]) -> Self {
        let (mut to, mut from) = (Vec::new(), Vec::new());
        for tile in pixels.chunks(TILE) {
            let row = |i: usize| tile.get(i);
            to.push(std::array::from_fn(|i| row(i).map_or(0, |p| p.0)));
            from.extend(
                (0..taps.len()).map(|t| -> [u32; TILE] {
                    std::array::from_fn(|i| row(i).map_or(0, |p| p.1[t]))
                }),
            );
        }
        Self { taps, to, from }
    }
}

/// Blocked pixel number of row `y`, column `x` of a map `width` wide, or the
/// zero pixel.
fn pixel(base: usize, width: usize, y: Option<usize>, x: Option<usize>) -> u32 {
    match (y, x) {
        (Some(y), Some(x)) => u32::try_from(base + y * width + x).expect("pixel fits u32"),
        _ => 0,
    }
}

/// The forward pass over `samples` samples: destination is the output.
pub fn forward_phases(g: &Geometry, samples: usize) -> Vec<Phase> {
    let [height, width] = g.output();
    let taps: Vec<usize> = (0..g.taps()).collect();
    let mut pixels = Vec::with_capacity(samples * height * width);
    for sample in 0..samples {
        let from = 1 + sample * g.pixels_in();
        let to = 1 + sample * height * width;
        for y in 0..height {
            let ys: Vec<_> = (0..g.kernel[0]).map(|k| g.source(0, y, k)).collect();
            for x in 0..width {
                let xs: Vec<_> = (0..g.kernel[1]).map(|k| g.source(1, x, k)).collect();
                let sources = taps
                    .iter()
                    .map(|t| (ys[t / g.kernel[1]], xs[t % g.kernel[1]]))
                    .map(|(y, x)| pixel(from, g.input[1], y, x))
                    .collect();
                pixels.push((pixel(to, width, Some(y), Some(x)), sources));
            }
        }
    }
    vec![Phase::new(taps, &pixels)]
}

/// The input gradient over `samples` samples: destination is the input.
pub fn backward_phases(g: &Geometry, samples: usize) -> Vec<Phase> {
    let output = g.output();
    // On one axis, the output coordinate that read input `i` at position `k`.
    let reader = |a: usize, i: usize, k: usize| {
        let ahead = (i + g.pad_begin[a]).checked_sub(k * g.dilation[a])?;
        let o = ahead / g.stride[a];
        (ahead.is_multiple_of(g.stride[a]) && o < output[a]).then_some(o)
    };
    // On one axis, the inputs with a residue and the positions they meet.
    let axis = |a: usize, residue: usize| -> (Vec<usize>, Vec<usize>) {
        let meets = |i: usize| i % g.stride[a] == residue;
        (
            (0..g.input[a]).filter(|i| meets(i + g.pad_begin[a])).collect(),
            (0..g.kernel[a]).filter(|k| meets(k * g.dilation[a])).collect(),
        )
    };
    let mut phases = Vec::new();
    for ry in 0..g.stride[0] {
        let (rows, ky) = axis(0, ry);
        for rx in 0..g.stride[1] {
            let (columns, kx) = axis(1, rx);
            let positions: Vec<_> =
                ky.iter().flat_map(|&y| kx.iter().map(move |&x| (y, x))).collect();
            let mut pixels = Vec::with_capacity(samples * rows.len() * columns.len());
            for sample in 0..samples {
                let from = 1 + sample * g.pixels_out();
                let to = 1 + sample * g.pixels_in();
                for &y in &rows {
                    for &x in &columns {
                        let sources = positions
                            .iter()
                            .map(|&(ky, kx)| (reader(0, y, ky), reader(1, x, kx)))
                            .map(|(y, x)| pixel(from, output[1], y, x))
                            .collect();
                        pixels.push((pixel(to, g.input[1], Some(y), Some(x)), sources));
                    }
                }
            }
            let taps = positions.iter().map(|(y, x)| y * g.kernel[1] + x).collect();
            phases.push(Phase::new(taps, &pixels));
        }
    }
    phases
}

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
    /// What is read.
    pub from: Side,
    /// What is written.
    pub to: Side,
    /// Builds the phases for a number of samples.
    pub phases: &'a (dyn Fn(usize) -> Vec<Phase> + Sync),
}

/// Samples of one piece of work: around a thousand pixels, so that the pixels
/// and a block of weights stay in the second-level cache, but at least eight
/// pieces where the batch allows, for balance. Depends on the shape alone.
pub fn samples_per_job(batch: usize, plane: usize) -> usize {
    (1024 / plane).clamp(1, (batch / 8).max(1))
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
    let whole = (problem.phases)(samples);
    let rest = (problem.phases)(batch % samples);
    let packed = pack(problem, &whole, weight);
    collect_chunks(batch * to.channels * to.plane, samples * to.channels * to.plane, |job, out| {
        let source = &source[job * samples * from.channels * from.plane..];
        let here = samples.min(batch - job * samples);
        let phases = if here == samples { &whole } else { &rest };
        run_samples(problem, here, phases, source, &packed, bias, out);
    })
}

/// Weights of every (group, destination block): `[phase]` of
/// `[source block][tap][source channel][destination lane]`.
fn pack(problem: &Problem<'_>, phases: &[Phase], weight: &[f32]) -> Vec<Vec<Vec<f32>>> {
    let (inputs, outputs) =
        (problem.from.channels / problem.groups, problem.to.channels / problem.groups);
    let per_group = weight.len() / problem.groups;
    let work: Vec<_> = (0..problem.groups)
        .flat_map(|g| (0..outputs).step_by(BLOCK).map(move |o| (g, o)))
        .collect();
    work.into_par_iter()
        .map(|(g, first)| {
            let here = BLOCK.min(outputs - first);
            let lanes = here.next_multiple_of(LANES);
            let weight = &weight[g * per_group..][..per_group];
            phases
                .iter()
                .map(|phase| {
                    let taps = phase.taps.len();
                    let mut packed = vec![0.0; taps * inputs * lanes];
                    for i in 0..inputs {
                        let block = i / BLOCK * BLOCK;
                        let width = BLOCK.min(inputs - block);
                        for (t, &tap) in phase.taps.iter().enumerate() {
                            let row = block * taps + t * width + i - block;
                            let packed = &mut packed[row * lanes..][..here];
                            let at = i * problem.from.step + first * problem.to.step + tap;
                            for (l, packed) in packed.iter_mut().enumerate() {
                                *packed = weight[at + l * problem.to.step];
                            }
                        }
                    }
                    packed
                })
                .collect()
        })
        .collect()
}

thread_local! {
    /// Source and destination pixels in blocks, kept from call to call.
    static SCRATCH: std::cell::RefCell<[Vec<f32>; 2]> = const { std::cell::RefCell::new([Vec::new(), Vec::new()]) };
}

/// The convolution over the first samples of `source`.
fn run_samples(
    problem: &Problem<'_>,
    samples: usize,
    phases: &[Phase],
    source: &[f32],
    packed: &[Vec<Vec<f32>>],
    bias: Option<&[f32]>,
    out: &mut [MaybeUninit<f32>],
) {
    let Problem { groups, from, to, .. } = *problem;
    let (inputs, outputs) = (from.channels / groups, to.channels / groups);
    SCRATCH.with_borrow_mut(|[pixels, result]| {
        let mut packed = packed.iter();
        for group in 0..groups {
            let planes = Planes {
                all: from.channels,
                first: group * inputs,
                channels: inputs,
                plane: from.plane,
                samples,
            };
            block(planes, source, pixels);
            for first in (0..outputs).step_by(BLOCK) {
                let written = Planes {
                    all: to.channels,
                    first: group * outputs + first,
                    channels: BLOCK.min(outputs - first),
                    plane: to.plane,
                    samples,
                };
                if result.len() < written.len() {
                    result.resize(written.len(), 0.0);
                }
                let packed = packed.next().expect("one per group and block");
                for (phase, packed) in phases.iter().zip(packed) {
                    run_phase(phase, planes, pixels, packed, written.channels, result);
                }
                let bias = bias.map(|b| &b[written.first..][..written.channels]);
                unblock(written, result, bias, out);
            }
        }
    });
}

/// One phase into one block of destination channels.
fn run_phase(
    phase: &Phase,
    planes: Planes,
    pixels: &[f32],
    packed: &[f32],
    channels: usize,
    result: &mut [f32],
) {
    let lanes = channels.next_multiple_of(LANES);
    let taps = phase.taps.len();
    let blocks: Vec<_> = planes.blocks().collect();
    // As many blocks a pass as keep its weights well inside the second-level
    // cache.
    let together = (9 / taps.max(1)).max(1);
    let mut weights = packed;
    let mut first = 0;
    while first < blocks.len() {
        let (_, channels, pitch) = blocks[first];
        let pass: Vec<&[f32]> = blocks[first..]
            .iter()
            .take(together)
            .take_while(|b| b.1 == channels)
            .map(|b| &pixels[b.0..][..planes.pixels() * pitch])
            .collect();
        let (here, rest) = weights.split_at(pass.len() * taps * channels * lanes);
        weights = rest;
        for (tile, &rows) in phase.to.iter().enumerate() {
            let work = Gather {
                blocks: &pass,
                channels,
                pitch,
                taps: &phase.from[tile * taps..][..taps],
                weights: here,
                lanes,
                rows,
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
