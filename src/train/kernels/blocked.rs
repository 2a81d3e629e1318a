//! Channel-blocked pixels: the layout the register tiles work on.
//!
//! `[block of 64 channels][pixel][channel]`; the last block is as narrow as
//! its channels allow, rounded up to whole vectors. Pixel 0 of every block is
//! all zeros and stands for the padding of a convolution; pixel
//! `1 + sample * plane + p` holds pixel `p` of a sample.

use super::microkernel::{BLOCK, TILE};
use super::simd::LANES;
use super::transpose::{Transpose, transpose, transpose_to_uninit};
use std::mem::MaybeUninit;

/// Channel planes of consecutive samples inside a contiguous NCHW tensor.
#[derive(Clone, Copy)]
pub struct Planes {
    /// Channels of the whole tensor.
    pub all: usize,
    /// First channel.
    pub first: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels of one plane.
    pub plane: usize,
    /// Samples.
    pub samples: usize,
}

impl Planes {
    /// Pixels of a block, the zero pixel among them.
    pub fn pixels(&self) -> usize {
        1 + self.samples * self.plane
    }

    /// Blocks as (offset, channels, pitch).
    pub fn blocks(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let (pixels, channels) = (self.pixels(), self.channels);
        (0..channels).step_by(BLOCK).map(move |from| {
            let here = BLOCK.min(channels - from);
            (from * pixels, here, here.next_multiple_of(LANES))
        })
    }

    /// Elements of the blocked layout, with room for reading a whole tile of
    /// rows from the end of the last pixel.
    pub fn len(&self) -> usize {
        self.channels.next_multiple_of(LANES) * self.pixels() + TILE
    }

    /// Where channel `c` (of these planes) of `sample` starts in the tensor.
    fn start(&self, sample: usize, c: usize) -> usize {
        (sample * self.all + self.first + c) * self.plane
    }
}

/// Copies planes of NCHW `from` into channel blocks.
pub fn block(planes: Planes, from: &[f32], to: &mut Vec<f32>) {
    let plane = planes.plane;
    if to.len() < planes.len() {
        to.resize(planes.len(), 0.0);
    }
    for (b, (offset, channels, pitch)) in planes.blocks().enumerate() {
        let to = &mut to[offset..][..planes.pixels() * pitch];
        to[..pitch].fill(0.0);
        for sample in 0..planes.samples {
            let to = &mut to[(1 + sample * plane) * pitch..][..plane * pitch];
            if channels < pitch {
                for pixel in to.chunks_exact_mut(pitch) {
                    pixel[channels..].fill(0.0);
                }
            }
            let work = Transpose {
                from: &from[planes.start(sample, b * BLOCK)..],
                pitch: plane,
                rows: channels,
                columns: plane,
                pitch_out: pitch,
                bias: None,
            };
            transpose(&work, to);
        }
    }
}

/// Copies one block of pixels (`[pixel][pitch]`, pixel 0 skipped) into planes
/// of an NCHW tensor, adding `bias` per channel.
pub fn unblock(planes: Planes, from: &[f32], bias: Option<&[f32]>, to: &mut [MaybeUninit<f32>]) {
    let pitch = planes.channels.next_multiple_of(LANES);
    for sample in 0..planes.samples {
        let work = Transpose {
            from: &from[(1 + sample * planes.plane) * pitch..],
            pitch,
            rows: planes.plane,
            columns: planes.channels,
            pitch_out: planes.plane,
            bias,
        };
        transpose_to_uninit(&work, &mut to[planes.start(sample, 0)..]);
    }
}
