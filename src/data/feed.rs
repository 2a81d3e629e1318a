//! Batches for one model input: rows gathered, transposed, scaled and normalised in one pass.

use rayon::prelude::*;

use super::array::{Array, Values};
use super::decode::{Kept, Kind};
use super::images::Images;
use super::layout::{Layout, Order};
use super::preprocess::Scratch;
use super::stored::Stored;
use super::{InputSpec, Preprocess, Size};
use crate::{Error, Result};

/// What a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floats: images and other continuous inputs.
    F32,
    /// 64-bit integers: token ids, masks.
    I64,
}

/// Stored samples made ready for one model input.
#[derive(Debug)]
pub struct Feed<'a> {
    subject: &'a str,
    rows: usize,
    /// Values in a sample; stored and fed alike.
    width: usize,
    layout: Layout,
    source: Source<'a>,
    /// Order and number of channels of the stored sample; one channel where order is all the same.
    stored: Order,
    channels: usize,
}

#[derive(Debug)]
enum Source<'a> {
    /// Bytes and, for each channel, what each of the 256 becomes.
    U8(Rows<'a, u8>, Vec<[f32; 256]>),
    /// Encoded images, what is done to them, the size that comes out, and tables as above.
    Images(&'a Images, &'a Preprocess, Size, Vec<[f32; 256]>),
    /// Floats and, for each channel, mean and standard deviation.
    F32(Rows<'a, f32>, Vec<(f32, f32)>),
    /// Floats fed as they are.
    Plain(Rows<'a, f32>),
    I64(Rows<'a, i64>),
}

/// Where rows of values are.
#[derive(Debug, Clone, Copy)]
enum Rows<'a, T> {
    Memory(&'a [T]),
    File(&'a Stored),
}

/// Room for one row that comes from a file.
struct RowScratch<T> {
    bytes: Vec<u8>,
    values: Vec<T>,
}

impl<T> Default for RowScratch<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), values: Vec::new() }
    }
}

impl<'a> Feed<'a> {
    /// Binds an array to an input; images are normalised, integers other than `uint8` are not.
    ///
    /// # Errors
    /// Samples that don't fit the input; a normalisation for another number of channels.
    pub(crate) fn new(array: &'a Array, spec: &InputSpec, preprocess: &Preprocess) -> Result<Self> {
        let normalization = &preprocess.normalization;
        let subject = array.subject();
        let layout = Layout::resolve(array.sample_shape(), spec, subject)?;
        let width = array
            .sample_shape()
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .ok_or_else(|| Error::internal("a loaded array overflows"))?;
        let wanted = normalization.channels();
        let values = array.values();
        let (stored, channels) = match values {
            Values::I64(_) => (Order::Planes, 1),
            Values::Stored(s) if !s.is_image() => (Order::Planes, 1),
            _ => channels(array.sample_shape(), &layout, wanted)
                .ok_or_else(|| wrong_channels(subject, array.sample_shape(), wanted))?,
        };
        let floats = |rows| match normalization.is_identity() {
            true => Source::Plain(rows),
            false => Source::F32(rows, normalization.pairs()),
        };
        let source = match values {
            Values::U8(values) => Source::U8(Rows::Memory(values), preprocess.byte_tables()?),
            Values::F32(values) => floats(Rows::Memory(values)),
            Values::I64(values) => Source::I64(Rows::Memory(values)),
            Values::Stored(values) => match values.encoding().kind {
                Kind::U8 => Source::U8(Rows::File(values), preprocess.byte_tables()?),
                kind if kind.is_float() => floats(Rows::File(values)),
                _ => Source::I64(Rows::File(values)),
            },
            Values::F64(_) => return Err(Error::internal("an input was read as labels")),
        };
        Ok(Self { subject, rows: array.rows(), width, layout, source, stored, channels })
    }

    /// Binds encoded images to an input.
    ///
    /// # Errors
    /// As [`Self::new`]; a first image that can't be read.
    pub(crate) fn of_images(
        images: &'a Images,
        spec: &InputSpec,
        preprocess: &'a Preprocess,
    ) -> Result<Self> {
        let (size, channels) = images.target(spec, preprocess)?;
        let subject = images.subject();
        let sample = size.shape(channels);
        let layout = Layout::resolve(&sample, spec, subject)?;
        let wanted = preprocess.normalization.channels();
        let (stored, channels) = match channels {
            1 if wanted == 1 => (Order::Planes, 1),
            count if wanted == 1 || wanted == count => (Order::Interleaved, count),
            _ => return Err(wrong_channels(subject, &sample, wanted)),
        };
        let width = size.bytes(channels);
        let width = width.ok_or_else(|| Error::internal("an image's size overflows"))?;
        let source = Source::Images(images, preprocess, size, preprocess.byte_tables()?);
        Ok(Self { subject, rows: images.rows().len(), width, layout, source, stored, channels })
    }

    /// Shape of one sample as fed, without the batch dimension.
    pub fn sample_shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Which of the two fill functions serves.
    pub fn element(&self) -> Element {
        match self.source {
            Source::I64(_) => Element::I64,
            _ => Element::F32,
        }
    }

    /// Fills `out` with the samples `rows`, in that order, and returns the batch's shape.
    ///
    /// `out` is cleared first; its memory is kept, so one buffer serves all batches.
    ///
    /// # Errors
    /// Integer samples other than `uint8`, whose scale is unknown; rows that don't exist.
    pub fn fill_f32(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<Vec<usize>> {
        let shape = self.prepare(rows, out)?;
        let each = rows.iter().zip(out.chunks_exact_mut(self.width.max(1)));
        match &self.source {
            Source::U8(values, tables) => {
                let mut scratch = RowScratch::default();
                for (&row, target) in each {
                    let convert = |table: &[f32; 256], byte: u8| table[usize::from(byte)];
                    self.sample(self.row(values, row, &mut scratch)?, target, tables, convert);
                }
            }
            Source::Images(images, preprocess, size, tables) => {
                let each = rows.par_iter().zip(out.par_chunks_exact_mut(self.width.max(1)));
                each.try_for_each_init(Scratch::default, |scratch, (&row, target)| {
                    let pixels = images.pixels(row, self.channels, preprocess, *size, scratch)?;
                    let convert = |table: &[f32; 256], byte: u8| table[usize::from(byte)];
                    self.sample(pixels, target, tables, convert);
                    Ok(())
                })?;
            }
            Source::F32(values, pairs) => {
                let mut scratch = RowScratch::default();
                for (&row, target) in each {
                    let convert = |&(mean, std): &(f32, f32), value: f32| (value - mean) / std;
                    self.sample(self.row(values, row, &mut scratch)?, target, pairs, convert);
                }
            }
            Source::Plain(values) => {
                let mut scratch = RowScratch::default();
                for (&row, target) in each {
                    let source = self.row(values, row, &mut scratch)?;
                    if self.layout.transposed_from.is_none() {
                        target.copy_from_slice(source);
                    } else {
                        self.sample(source, target, &[()], |(), value| value);
                    }
                }
            }
            Source::I64(_) => {
                return Err(Error::input(
                    self.subject,
                    "integers, but the model's input takes floats",
                    "save images as uint8 (0 to 255) or float32, other values as float32",
                ));
            }
        }
        Ok(shape)
    }

    /// Like [`Self::fill_f32`] for integer inputs.
    ///
    /// # Errors
    /// Samples that are floats or bytes; rows that don't exist.
    pub fn fill_i64(&self, rows: &[usize], out: &mut Vec<i64>) -> Result<Vec<usize>> {
        let shape = self.prepare(rows, out)?;
        let Source::I64(values) = &self.source else {
            return Err(Error::input(
                self.subject,
                "floats or uint8 images, but the model's input takes integers",
                "save token ids and masks as int64",
            ));
        };
        let mut scratch = RowScratch::default();
        for (&row, target) in rows.iter().zip(out.chunks_exact_mut(self.width.max(1))) {
            target.copy_from_slice(self.row(values, row, &mut scratch)?);
        }
        Ok(shape)
    }

    /// Sizes `out` for the batch and returns the batch's shape.
    fn prepare<T: Default + Clone>(&self, rows: &[usize], out: &mut Vec<T>) -> Result<Vec<usize>> {
        out.clear();
        let total = rows.len().checked_mul(self.width);
        let total = total.filter(|&total| out.try_reserve(total).is_ok()).ok_or_else(|| {
            Error::input(
                "--batch-size",
                format!("a batch of {} samples does not fit into memory", rows.len()),
                "choose a smaller batch size",
            )
        })?;
        out.resize(total, T::default());
        Ok([&[rows.len()], self.layout.shape.as_slice()].concat())
    }

    fn row<'v, T: Kept>(
        &self,
        rows: &Rows<'v, T>,
        row: usize,
        scratch: &'v mut RowScratch<T>,
    ) -> Result<&'v [T]> {
        let missing = || Error::internal(format!("{} has no row {row}", self.subject));
        if row >= self.rows {
            return Err(missing());
        }
        let values = match rows {
            Rows::Memory(values) => {
                row.checked_mul(self.width).and_then(|start| values.get(start..))
            }
            Rows::File(stored) => {
                stored.read_row(row, &mut scratch.bytes, &mut scratch.values)?;
                Some(scratch.values.as_slice())
            }
        };
        values.and_then(|values| values.get(..self.width)).ok_or_else(missing)
    }

    /// Converts one sample; `parameters` holds one entry for all channels or one for each.
    fn sample<T: Copy, P>(
        &self,
        source: &[T],
        target: &mut [f32],
        parameters: &[P],
        convert: impl Fn(&P, T) -> f32 + Copy,
    ) {
        let n = self.channels.max(1);
        let plane = (self.width / n).max(1);
        // `cycle` spreads a single entry over all channels.
        let channels = parameters.iter().cycle().take(n).enumerate();
        match (self.stored, self.layout.transposed_from) {
            (Order::Planes, None) => {
                let planes = source.chunks_exact(plane).zip(target.chunks_exact_mut(plane));
                for ((_, p), (from, to)) in channels.zip(planes) {
                    to.iter_mut().zip(from).for_each(|(to, &value)| *to = convert(p, value));
                }
            }
            (Order::Interleaved, None) => {
                for (c, p) in channels {
                    let to = behind_mut(target, c).step_by(n);
                    let from = behind(source, c).step_by(n);
                    to.zip(from).for_each(|(to, &value)| *to = convert(p, value));
                }
            }
            (Order::Interleaved, Some(_)) => {
                for ((c, p), to) in channels.zip(target.chunks_exact_mut(plane)) {
                    let from = behind(source, c).step_by(n);
                    to.iter_mut().zip(from).for_each(|(to, &value)| *to = convert(p, value));
                }
            }
            (Order::Planes, Some(_)) => {
                for ((c, p), from) in channels.zip(source.chunks_exact(plane)) {
                    let to = behind_mut(target, c).step_by(n);
                    to.zip(from).for_each(|(to, &value)| *to = convert(p, value));
                }
            }
        }
    }
}

/// The values from index `c` on; `skip` would be remembered at every step.
fn behind<T>(values: &[T], c: usize) -> std::slice::Iter<'_, T> {
    values.get(c..).unwrap_or_default().iter()
}

fn behind_mut<T>(values: &mut [T], c: usize) -> std::slice::IterMut<'_, T> {
    values.get_mut(c..).unwrap_or_default().iter_mut()
}

fn wrong_channels(subject: &str, sample: &[usize], wanted: usize) -> Error {
    Error::input(
        "--mean and --std",
        format!(
            "values for {wanted} channels, but the samples of {subject} have shape {}",
            super::array::shape_text(sample),
        ),
        "give one value, or one for each channel of the images",
    )
}

/// Order and number of channels of stored samples, where `wanted` channels are normalised.
///
/// `None` where the samples don't have that many. One channel stands for "all the same".
fn channels(sample: &[usize], layout: &Layout, wanted: usize) -> Option<(Order, usize)> {
    let (order, count) = match (layout.transposed_from, sample, layout.shape.as_slice()) {
        (Some(Order::Planes), &[c, ..], _) => (Order::Planes, c),
        (Some(Order::Interleaved), &[.., c], _) => (Order::Interleaved, c),
        // Kept as it is, so only a normalisation by channel needs to know where they are.
        (None, &[c, _, _], _) if wanted > 1 && c == wanted => (Order::Planes, c),
        (None, &[_, _, c], _) if wanted > 1 && c == wanted => (Order::Interleaved, c),
        _ => (Order::Planes, 1),
    };
    (wanted == 1 || wanted == count).then_some((order, count))
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
