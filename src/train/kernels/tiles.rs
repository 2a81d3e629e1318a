//! Which source pixels every destination pixel of a convolution reads.
//!
//! Pixels are listed [`TILE`] at a time in an order that puts together those
//! that meet the same window positions, and a tile leaves out the positions
//! that none of its pixels meets: those in the padding and, for the input
//! gradient, those that the stride skips.

use super::geometry::Geometry;
use super::microkernel::TILE;
use rayon::prelude::*;

/// Destination pixels and the source pixels they read, as blocked pixel
/// numbers, in parts that were listed in parallel.
pub struct Tiles(Vec<Part>);

/// Some tiles.
#[derive(Default)]
struct Part {
    /// Destination pixels; 0 fills up the last tile.
    rows: Vec<[u32; TILE]>,
    /// Where each tile's window positions end in the lists below.
    ends: Vec<usize>,
    /// Window positions.
    positions: Vec<usize>,
    /// For each of these the source pixel of each row, 0 for none.
    sources: Vec<[u32; TILE]>,
}

/// Tiles of one part.
const PART: usize = 64;

/// One tile of [`Tiles`].
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Destination pixel of each row.
    pub rows: [u32; TILE],
    /// Window positions.
    pub positions: &'a [usize],
    /// For each of these the source pixel of each row.
    pub sources: &'a [[u32; TILE]],
}

/// Sample, row and column.
type Pixel = [usize; 3];

impl Tiles {
    /// The forward pass over `samples` samples: destination is the output.
    pub fn forward(g: &Geometry, samples: usize) -> Self {
        let output = g.output();
        // Position by position, its samples together.
        let pixels = grid(output).flat_map(|[y, x]| (0..samples).map(move |s| [s, y, x]));
        Self::new(g, pixels, output, g.input, |[s, y, x], [ky, kx]| {
            Some([s, g.source(0, y, ky)?, g.source(1, x, kx)?])
        })
    }

    /// The input gradient over `samples` samples: destination is the input.
    pub fn backward(g: &Geometry, samples: usize) -> Self {
        let output = g.output();
        // The output that read input `i` on axis `a` at window position `k`.
        let reader = |a: usize, i: usize, k: usize| {
            let ahead = (i + g.pad_begin[a]).checked_sub(k * g.dilation[a])?;
            let o = ahead / g.stride[a];
            (ahead.is_multiple_of(g.stride[a]) && o < output[a]).then_some(o)
        };
        // Inputs of the same remainder meet the same window positions.
        let pixels = grid(g.stride).flat_map(|[ry, rx]| {
            grid(g.input)
                .filter(move |[y, x]| y % g.stride[0] == ry && x % g.stride[1] == rx)
                .flat_map(|[y, x]| (0..samples).map(move |s| [s, y, x]))
        });
        Self::new(g, pixels, g.input, output, |[s, y, x], [ky, kx]| {
            Some([s, reader(0, y, ky)?, reader(1, x, kx)?])
        })
    }

    fn new(
        g: &Geometry,
        pixels: impl Iterator<Item = Pixel>,
        to: [usize; 2],
        from: [usize; 2],
        source: impl Fn(Pixel, [usize; 2]) -> Option<Pixel> + Sync,
    ) -> Self {
        let pixels: Vec<Pixel> = pixels.collect();
        let parts = pixels.par_chunks(PART * TILE).map(|pixels| {
            let mut part = Part::default();
            for tile in pixels.chunks(TILE) {
                let mut rows = [0; TILE];
                for (row, &pixel) in rows.iter_mut().zip(tile) {
                    *row = number(to, pixel);
                }
                part.rows.push(rows);
                for (position, k) in grid(g.kernel).enumerate() {
                    let mut sources = [0; TILE];
                    for (row, &pixel) in sources.iter_mut().zip(tile) {
                        *row = source(pixel, k).map_or(0, |p| number(from, p));
                    }
                    if sources != [0; TILE] {
                        part.positions.push(position);
                        part.sources.push(sources);
                    }
                }
                part.ends.push(part.positions.len());
            }
            part
        });
        Self(parts.collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = Tile<'_>> {
        self.0.iter().flat_map(|part| {
            let starts = std::iter::once(0).chain(part.ends.iter().copied());
            let ranges = starts.zip(&part.ends).map(|(start, &end)| start..end);
            ranges.zip(&part.rows).map(|(range, &rows)| Tile {
                rows,
                positions: &part.positions[range.clone()],
                sources: &part.sources[range],
            })
        })
    }
}

/// Rows and columns of a map, row by row.
fn grid([height, width]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]))
}

/// Blocked number of a pixel of maps of a size.
fn number([height, width]: [usize; 2], [sample, y, x]: Pixel) -> u32 {
    let number = 1 + (sample * height + y) * width + x;
    u32::try_from(number).expect("pixel number fits u32")
}
