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

    fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Self::Nearest => return ResizeAlg::Nearest,
            Self::Lanczos => FilterType::Lanczos3,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Box => FilterType::Box,
            Self::Hamming => FilterType::Hamming,
        })
    }
}

/// Resizes `pixels` (rows, columns, 1 or 3 channels) from one size to another into `out`.
///
/// # Errors
/// [`Error::Internal`] where `pixels` is not of the size `from`.
pub(crate) fn resize(
    resizer: &mut Resizer,
    filter: Filter,
    (pixels, from, channels): (&[u8], Size, usize),
    to: Size,
    out: &mut Vec<u8>,
) -> Result<()> {
    let fault = |what: &dyn std::fmt::Display| Error::internal(format!("resizing: {what}"));
    let kind = if channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    out.clear();
    out.resize(to.bytes(channels).ok_or_else(|| fault(&"the target is too large"))?, 0);
    let source = ImageRef::new(from.width, from.height, pixels, kind).map_err(|e| fault(&e))?;
    let mut target = Image::from_slice_u8(to.width, to.height, out, kind).map_err(|e| fault(&e))?;
    let options = ResizeOptions::new().resize_alg(filter.algorithm()).use_alpha(false);
    resizer.resize(&source, &mut target, &options).map_err(|e| fault(&e))
}

#[cfg(test)]
#[path = "resize_tests.rs"]
mod tests;
