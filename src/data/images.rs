//! A set of encoded images: their sizes, and one of them as pixels for a model.

use std::sync::Arc;

use rayon::prelude::*;

use super::dataset::Skipped;
use super::layout::Layout;
use super::picture::{Header, Picture};
use super::preprocess::Scratch;
use super::{Encoded, InputSpec, Preprocess, Size};
use crate::{Error, Result};

/// Encoded images, of which some may have been left out.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    store: Arc<dyn Encoded>,
    /// The image of each row in the store.
    rows: Vec<usize>,
    /// The size of each row; empty before [`Self::inspect`].
    sizes: Vec<Size>,
    /// Name of the first image, for messages.
    subject: String,
}

impl Images {
    /// All images of a store that is not empty.
    pub fn new(store: Arc<dyn Encoded>) -> Self {
        let subject = store.name(0);
        Self { rows: (0..store.len()).collect(), store, sizes: Vec::new(), subject }
    }

    /// A name for messages.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Reads the headers of all images; the first in order that can't be read is the error. With
    /// `skip`, every image is decoded, and those that fail are left out. Returns the rows that
    /// are left and what was left out.
    pub fn inspect(&mut self, skip: bool) -> Result<(Vec<usize>, Vec<Skipped>)> {
        let look = |scratch: &mut Scratch, &at: &usize| -> Result<Size> {
            let name = self.store.name(at);
            self.store.read(at, &mut scratch.encoded)?;
            let picture = self.picture(&scratch.encoded, &name);
            match skip {
                true => picture.decode(3, &mut scratch.pixels),
                false => Ok(picture.header()?.size),
            }
        };
        let found: Vec<Result<Size>> =
            self.rows.par_iter().map_init(Scratch::default, look).collect();
        let (mut kept, mut rows, mut sizes, mut skipped) = (vec![], vec![], vec![], vec![]);
        for (row, (size, &at)) in found.into_iter().zip(&self.rows).enumerate() {
            match size {
                Ok(size) => {
                    kept.push(row);
                    rows.push(at);
                    sizes.push(size);
                }
                Err(Error::Input { problem, .. }) if skip => {
                    skipped.push(Skipped { name: self.store.name(at), reason: problem });
                }
                Err(error) => return Err(error),
            }
        }
        (self.rows, self.sizes) = (rows, sizes);
        Ok((kept, skipped))
    }

    /// Size and channels in which all images are fed to `spec`: the size that the model fixes,
    /// else that of the first image.
    pub fn target(&self, spec: &InputSpec, preprocess: &Preprocess) -> Result<(Size, usize)> {
        let first = self.first()?;
        let output = self.output(0, first.size, preprocess)?;
        let size = fixed_size(spec).unwrap_or(output);
        if size != output {
            return Err(self.misfit(0, first.size, size, preprocess));
        }
        let fits = |channels: usize| {
            Layout::resolve(&size.shape(channels), spec, &self.subject).map(|_| channels)
        };
        // Where the model takes either, as many channels as the first image has.
        let (usual, other) = if first.grey { (1, 3) } else { (3, 1) };
        let channels = fits(usual).or_else(|error| fits(other).map_err(|_| error))?;
        Ok((size, channels))
    }

    /// Whether all images come out in the size that [`Self::target`] is.
    pub fn check_sizes(&self, spec: &InputSpec, preprocess: &Preprocess) -> Result<()> {
        let (target, _) = self.target(spec, preprocess)?;
        for (row, &size) in self.sizes.iter().enumerate() {
            if self.output(row, size, preprocess)? != target {
                return Err(self.misfit(row, size, target, preprocess));
            }
        }
        Ok(())
    }

    /// The pixels of one image, `size` by `channels`, interleaved.
    pub fn pixels<'s>(
        &self,
        row: usize,
        channels: usize,
        preprocess: &Preprocess,
        size: Size,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [u8]> {
        let at = self.at(row)?;
        let name = self.store.name(at);
        self.store.read(at, &mut scratch.encoded)?;
        let own = self.picture(&scratch.encoded, &name).decode(channels, &mut scratch.pixels)?;
        if preprocess.output_size(own) != Some(size) {
            return Err(self.misfit(row, own, size, preprocess));
        }
        let pixels = preprocess.apply(scratch, own, channels)?;
        pixels.ok_or_else(|| Error::internal(format!("{name} has no size to resize to")))
    }

    fn at(&self, row: usize) -> Result<usize> {
        let at = self.rows.get(row).copied();
        at.ok_or_else(|| Error::internal(format!("there is no image {row}")))
    }

    fn first(&self) -> Result<Header> {
        let at = self.at(0)?;
        let mut bytes = Vec::new();
        self.store.read(at, &mut bytes)?;
        self.picture(&bytes, &self.store.name(at)).header()
    }

    fn picture<'b>(&self, bytes: &'b [u8], name: &'b str) -> Picture<'b> {
        Picture { bytes, name, upright: self.store.upright() }
    }

    fn output(&self, row: usize, size: Size, preprocess: &Preprocess) -> Result<Size> {
        preprocess.output_size(size).ok_or_else(|| {
            Error::input(
                self.name(row),
                format!("an image of {size} pixels can't be resized by its shorter edge"),
                "remove the image, or give both edges: --resize 224x224",
            )
        })
    }

    fn misfit(&self, row: usize, own: Size, wanted: Size, preprocess: &Preprocess) -> Error {
        let output = preprocess.output_size(own).unwrap_or(own);
        let became = match output == own {
            true => format!("{own} pixels (height x width)"),
            false => format!("{own} pixels (height x width), {output} after preprocessing"),
        };
        // The customary share: 256 for 224.
        let edge = u64::from(wanted.height.max(wanted.width)).saturating_mul(8).div_ceil(7);
        let crop = match wanted.height == wanted.width {
            true => wanted.height.to_string(),
            false => format!("{}x{}", wanted.height, wanted.width),
        };
        Error::input(
            self.name(row),
            format!("{became}, but {wanted} are needed"),
            format!("bring all images to one size as for training: --resize {edge} --crop {crop}"),
        )
    }
}

/// The images that are left, as they are stored.
impl Encoded for Images {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn name(&self, row: usize) -> String {
        self.rows.get(row).map(|&at| self.store.name(at)).unwrap_or_default()
    }

    fn read(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        self.store.read(self.at(row)?, out)
    }
}

/// Height and width that a model's image input fixes.
fn fixed_size(spec: &InputSpec) -> Option<Size> {
    let [_, a, b, c] = *spec.dims.as_slice() else { return None };
    let channels = |d: Option<usize>| matches!(d, Some(1 | 3));
    let [height, width] = match channels(c) && !channels(a) {
        true => [a, b],
        false => [b, c],
    };
    Some(Size { height: u32::try_from(height?).ok()?, width: u32::try_from(width?).ok()? })
}
