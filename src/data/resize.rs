//! Resizing as Pillow does it: antialiased, on bytes, channel by channel.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::{Error, Result};

/// Height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl Size {
    /// A square.
    pub fn square(edge: u32) -> Self {
        Self { height: edge, width: edge }
    }

    /// The shape of an image with its channels last.
    pub(crate) fn shape(self, channels: usize) -> [usize; 3] {
        let edge = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
        [edge(self.height), edge(self.width), channels]
    }

    /// Bytes of an image of this size, `None` where there are more than can be addressed.
    pub(crate) fn bytes(self, channels: usize) -> Option<usize> {
        self.shape(channels).into_iter().try_fold(1usize, usize::checked_mul)
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {}", self.height, self.width)
    }
}

/// Pillow's resampling filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filter {
    /// The nearest pixel; the only one without antialiasing.
    Nearest,
    /// Lanczos of radius 3.
    Lanczos,
    /// A triangle; what torchvision resizes with unless told otherwise.
    #[default]
    Bilinear,
    /// A cubic with a = -0.5.
    Bicubic,
    /// The mean of the pixels that are covered.
    Box,
    /// A Hamming window of radius 1.
    Hamming,
}

impl Filter {
    /// The filter of a name, as timm and the command line give it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "nearest" => Self::Nearest,
            "lanczos" => Self::Lanczos,
            "bilinear" => Self::Bilinear,
            "bicubic" => Self::Bicubic,
            "box" => Self::Box,
            "hamming" => Self::Hamming,
            _ => return None,
        })
    }

    /// The filter of Pillow's number, 0 to 5.
    pub fn from_pillow(number: u64) -> Option<Self> {
        let all =
            [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming];
        all.get(usize::try_from(number).ok()?).copied()
    }

    fn convolution(self) -> Option<FilterType> {
        Some(match self {
            Self::Nearest => return None,
            Self::Lanczos => FilterType::Lanczos3,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Box => FilterType::Box,
            Self::Hamming => FilterType::Hamming,
        })
    }
}

/// Resizes images one after another; memory is kept from image to image.
#[derive(Default)]
pub(crate) struct Resampler {
    resizer: Resizer,
    between: Vec<u8>,
}

impl Resampler {
    /// Resizes `pixels` (rows, columns, 1 or 3 channels) from one size to another into `out`.
    ///
    /// # Errors
    /// [`Error::Internal`] where `pixels` is not of the size `from`.
    pub fn resize(
        &mut self,
        filter: Filter,
        image: Pixels<'_>,
        to: Size,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let Some(filter) = filter.convolution() else {
            return nearest(image, to, out);
        };
        // One direction, then the other, with bytes between: filters with negative lobes
        // overshoot, and where the overshoot is cut off shows in the result.
        let Pixels { size: from, channels, .. } = image;
        let size = match columns_first(from, to) {
            true => Size { height: to.height, width: from.width },
            false => Size { height: from.height, width: to.width },
        };
        if size == from || size == to {
            return convolve(&mut self.resizer, filter, image, to, out);
        }
        convolve(&mut self.resizer, filter, image, size, &mut self.between)?;
        let between = Pixels { bytes: &self.between, size, channels };
        convolve(&mut self.resizer, filter, between, to, out)
    }
}

/// Whether columns are resized before rows: Pillow 13 does so (`ImagingResampleInner` in
/// `Resample.c`) where the height loses more than twice the pixels that the width loses.
fn columns_first(from: Size, to: Size) -> bool {
    let lost = |from: u32, to: u32| i64::from(from).saturating_sub(i64::from(to));
    let (height, width) = (lost(from.height, to.height), lost(from.width, to.width));
    height > 0 && height > width.saturating_mul(2)
}

/// Rows, columns, 1 or 3 channels.
#[derive(Clone, Copy)]
pub(crate) struct Pixels<'a> {
    pub bytes: &'a [u8],
    pub size: Size,
    pub channels: usize,
}

fn fault(what: impl std::fmt::Display) -> Error {
    Error::internal(format!("resizing: {what}"))
}

fn prepare(out: &mut Vec<u8>, size: Size, channels: usize) -> Result<()> {
    out.clear();
    out.resize(size.bytes(channels).ok_or_else(|| fault("the target is too large"))?, 0);
    Ok(())
}

fn convolve(
    resizer: &mut Resizer,
    filter: FilterType,
    Pixels { bytes, size: from, channels }: Pixels<'_>,
    to: Size,
    out: &mut Vec<u8>,
) -> Result<()> {
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    prepare(out, to, channels)?;
    let source = ImageRef::new(from.width, from.height, bytes, kind).map_err(fault)?;
    let mut target = Image::from_slice_u8(to.width, to.height, out, kind).map_err(fault)?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(fault)
}

/// Pillow adds up the step from pixel to pixel, and its rounding errors decide at ties.
fn nearest(image: Pixels<'_>, to: Size, out: &mut Vec<u8>) -> Result<()> {
    let Pixels { bytes, size: from, channels } = image;
    prepare(out, to, channels)?;
    let positions = |have: u32, want: u32| -> Vec<usize> {
        let step = f64::from(have) / f64::from(want);
        let mut at = step * 0.5;
        let next = |_| {
            let position = at as usize;
            at += step;
            position.min(usize::try_from(have.saturating_sub(1)).unwrap_or(usize::MAX))
        };
        (0..want).map(next).collect()
    };
    let [_, width, _] = from.shape(channels);
    let [_, target_width, _] = to.shape(channels);
    let columns = positions(from.width, to.width);
    let rows = positions(from.height, to.height);
    let mut targets = out.chunks_exact_mut((target_width * channels).max(1));
    for (y, target) in rows.into_iter().zip(&mut targets) {
        let row = bytes.chunks_exact((width * channels).max(1)).nth(y);
        let row = row.ok_or_else(|| fault("the image is smaller than its size"))?;
        for (&x, pixel) in columns.iter().zip(target.chunks_exact_mut(channels.max(1))) {
            let source = row.get(x * channels..x * channels + channels);
            pixel.copy_from_slice(source.ok_or_else(|| fault("a row is too short"))?);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "resize_tests.rs"]
mod tests;
