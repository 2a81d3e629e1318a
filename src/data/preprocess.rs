//! From a decoded image to the bytes and the numbers that a model was trained on.

use super::Normalization;
pub use super::resize::{Filter, Size};
use super::resize::{Pixels, Resampler};
use crate::Result;

/// Longest edge that an image may be resized to.
const MAX_EDGE: u64 = 65_535;

/// To which size images are resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// The shorter edge gets this length, the longer one `floor(length * long / short)`.
    ShortestEdge(u32),
    /// Exactly this size, whatever the image's proportions.
    Exact(Size),
}

/// Which library's rule says where a centre crop begins and where padding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Centre {
    /// torchvision and timm: half of the difference, halves rounded to even; an image that is too
    /// small gets the smaller half of the padding before it.
    #[default]
    Torchvision,
    /// transformers' image processors on NumPy arrays: rounded down; the larger half before it.
    Transformers,
}

impl Centre {
    /// Where a crop of length `want` begins on an edge of length `have`; negative is padding.
    fn start(self, have: u32, want: u32) -> i64 {
        let difference = i64::from(have) - i64::from(want);
        let half = difference / 2;
        match self {
            Self::Transformers => difference.div_euclid(2),
            Self::Torchvision if difference < 0 || difference % 2 == 0 => half,
            Self::Torchvision => half + (half & 1),
        }
    }
}

/// What is done to images between decoding and the model: resize, crop, scale, normalise.
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// First the image is resized, where a size is given.
    pub resize: Option<Resize>,
    /// By this filter.
    pub filter: Filter,
    /// Then its centre is cut out, black where the image doesn't reach.
    pub crop: Option<Size>,
    /// By this rule.
    pub centre: Centre,
    /// Then bytes are multiplied by this: 1/255 unless told otherwise.
    pub rescale: f64,
    /// Then normalised.
    pub normalization: Normalization,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            resize: None,
            filter: Filter::default(),
            crop: None,
            centre: Centre::default(),
            rescale: 1.0 / 255.0,
            normalization: Normalization::default(),
        }
    }
}

impl From<Normalization> for Preprocess {
    fn from(normalization: Normalization) -> Self {
        Self { normalization, ..Self::default() }
    }
}

/// What one thread decodes and resizes with; memory is kept from image to image.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The encoded image.
    pub encoded: Vec<u8>,
    /// Its pixels as decoded.
    pub pixels: Vec<u8>,
    resized: Vec<u8>,
    cropped: Vec<u8>,
    resampler: Resampler,
}

impl Preprocess {
    /// Whether images change their size.
    pub fn changes_size(&self) -> bool {
        self.resize.is_some() || self.crop.is_some()
    }

    /// The size after resizing; `None` where that is too large or nothing.
    fn resized(&self, from: Size) -> Option<Size> {
        let Size { height, width } = from;
        let size = match self.resize {
            None => return Some(from),
            Some(Resize::Exact(size)) => size,
            Some(Resize::ShortestEdge(edge)) => {
                let (short, long) = (height.min(width), height.max(width));
                let longer = u64::from(edge).checked_mul(u64::from(long))?;
                let longer = longer.checked_div(u64::from(short)).filter(|&l| l <= MAX_EDGE)?;
                let longer = u32::try_from(longer).ok()?;
                match height <= width {
                    true => Size { height: edge, width: longer },
                    false => Size { height: longer, width: edge },
                }
            }
        };
        (size.height > 0 && size.width > 0).then_some(size)
    }

    /// The size in which an image of size `from` is fed; `None` where resizing would make an edge
    /// longer than 65 535 pixels.
    pub fn output_size(&self, from: Size) -> Option<Size> {
        let resized = self.resized(from)?;
        Some(self.crop.unwrap_or(resized))
    }

    /// Resizes and crops `scratch.pixels`, an image of size `from`; `None` where
    /// [`Self::output_size`] is.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] where the pixels are not of that size.
    pub(crate) fn apply<'s>(
        &self,
        scratch: &'s mut Scratch,
        from: Size,
        channels: usize,
    ) -> Result<Option<&'s [u8]>> {
        let Scratch { pixels, resized, cropped, resampler, .. } = scratch;
        let Some(size) = self.resized(from) else { return Ok(None) };
        let mut now: &[u8] = pixels;
        if size != from {
            let image = Pixels { bytes: now, size: from, channels };
            resampler.resize(self.filter, image, size, resized)?;
            now = resized;
        }
        match self.crop {
            Some(crop) if crop != size => {
                self.cut(now, size, crop, channels, cropped);
                Ok(Some(cropped))
            }
            _ => Ok(Some(now)),
        }
    }

    /// Cuts the centre of size `to` out of `pixels`.
    fn cut(&self, pixels: &[u8], from: Size, to: Size, channels: usize, out: &mut Vec<u8>) {
        out.clear();
        out.resize(to.bytes(channels).unwrap_or(0), 0);
        let bytes = |pixels: u64| usize::try_from(pixels).unwrap_or(usize::MAX) * channels;
        let top = self.centre.start(from.height, to.height);
        let left = self.centre.start(from.width, to.width);
        // Where the image's part begins in the image and in the cut, and how long it is.
        let before = bytes(u64::try_from(left).unwrap_or(0));
        let padding = bytes(left.min(0).unsigned_abs());
        let length = bytes(u64::from(from.width.min(to.width)));
        let (row, width) = (bytes(u64::from(from.width)), bytes(u64::from(to.width)));
        for (y, target) in (top..).zip(out.chunks_exact_mut(width.max(1))) {
            let Ok(y) = usize::try_from(y) else { continue };
            let source = pixels.chunks_exact(row.max(1)).nth(y);
            let source = source.and_then(|row| row.get(before..)?.get(..length));
            let target = target.get_mut(padding..).and_then(|rest| rest.get_mut(..length));
            if let (Some(source), Some(target)) = (source, target) {
                target.copy_from_slice(source);
            }
        }
    }

    /// For each of the normalisation's channels, what each byte becomes.
    ///
    /// # Errors
    /// Means on the scale of raw bytes where bytes are scaled to \[0, 1\].
    pub(crate) fn byte_tables(&self) -> Result<Vec<[f32; 256]>> {
        let unit = self.rescale == 1.0 / 255.0;
        if unit {
            self.normalization.check_for_bytes()?;
        }
        let scaled = |byte: u8| match unit {
            true => f32::from(byte) / 255.0,
            false => (f64::from(byte) * self.rescale) as f32,
        };
        let table = |(mean, std): (f32, f32)| {
            let mut table = [0.0; 256];
            for (entry, byte) in table.iter_mut().zip(0u8..=255) {
                *entry = (scaled(byte) - mean) / std;
            }
            table
        };
        Ok(self.normalization.pairs().into_iter().map(table).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(height: u32, width: u32) -> Size {
        Size { height, width }
    }

    #[test]
    fn the_longer_edge_is_rounded_down() {
        let short = Preprocess { resize: Some(Resize::ShortestEdge(256)), ..Preprocess::default() };
        // int(256 * 500 / 375) = int(341.33); int(256 * 640 / 427) = int(383.7).
        assert_eq!(short.output_size(size(375, 500)), Some(size(256, 341)));
        assert_eq!(short.output_size(size(640, 427)), Some(size(383, 256)));
        assert_eq!(short.output_size(size(9, 9)), Some(size(256, 256)));
        assert_eq!(short.output_size(size(1, 60_000)), None);
        assert_eq!(short.output_size(size(0, 5)), None);
    }

    /// torchvision: `round((h - c) / 2)`, and with padding `(c - h) // 2` before; transformers:
    /// `(h - c) // 2`, and with padding `ceil((c - h) / 2)` before.
    #[test]
    fn a_crop_begins_where_its_library_says() {
        use Centre::{Torchvision, Transformers};
        for (have, want, torchvision, transformers) in [
            (256, 224, 16, 16),
            (257, 224, 16, 16), // 16.5
            (259, 224, 18, 17), // 17.5
            (5, 4, 0, 0),
            (7, 4, 2, 1), // 1.5
            (4, 4, 0, 0),
            (3, 4, 0, -1),
            (1, 4, -1, -2),
            (2, 4, -1, -1),
        ] {
            assert_eq!(Torchvision.start(have, want), torchvision, "{have} {want}");
            assert_eq!(Transformers.start(have, want), transformers, "{have} {want}");
        }
    }

    fn cut(centre: Centre, from: Size, to: Size, pixels: &[u8], channels: usize) -> Vec<u8> {
        let preprocess = Preprocess { crop: Some(to), centre, ..Preprocess::default() };
        let mut scratch = Scratch { pixels: pixels.to_vec(), ..Scratch::default() };
        preprocess.apply(&mut scratch, from, channels).unwrap().unwrap().to_vec()
    }

    #[test]
    fn crops_and_padding_by_hand() {
        let nine: Vec<u8> = (1..=9).collect();
        let three = size(3, 3);
        assert_eq!(cut(Centre::Torchvision, three, size(1, 1), &nine, 1), [5]);
        assert_eq!(cut(Centre::Torchvision, three, size(2, 3), &nine, 1), [1, 2, 3, 4, 5, 6]);
        // One too narrow: torchvision pads behind, transformers before.
        let wide = cut(Centre::Torchvision, three, size(1, 4), &nine, 1);
        assert_eq!(wide, [4, 5, 6, 0]);
        let wide = cut(Centre::Transformers, three, size(1, 4), &nine, 1);
        assert_eq!(wide, [0, 4, 5, 6]);
        let tall = cut(Centre::Torchvision, size(1, 2), size(3, 1), &[1, 2, 3, 4, 5, 6], 3);
        assert_eq!(tall, [0, 0, 0, 1, 2, 3, 0, 0, 0]);
    }

    #[test]
    fn rescaling_by_another_factor_than_1_in_255() {
        // EfficientNet-like: (x / 127.5 - 1).
        let preprocess = Preprocess {
            rescale: 1.0 / 127.5,
            normalization: Normalization::new(vec![1.0], vec![1.0]).unwrap(),
            ..Preprocess::default()
        };
        let table = preprocess.byte_tables().unwrap()[0];
        assert_eq!((table[0], table[255]), (-1.0, 1.0));
        // Raw bytes have means beyond 1.
        let normalization = Normalization::new(vec![123.0], vec![2.0]).unwrap();
        let raw = Preprocess { rescale: 1.0, normalization, ..Preprocess::default() };
        assert_eq!(raw.byte_tables().unwrap()[0][125], 1.0);
        let scaled = Preprocess { rescale: 1.0 / 255.0, ..raw };
        assert!(scaled.byte_tables().unwrap_err().to_string().contains("123"));
    }
}
