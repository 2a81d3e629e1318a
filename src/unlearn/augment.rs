//! Random translations of images, as most recipes have them (random crops of a padded image).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::runtime::{Batch, BatchValues};

/// The largest translation that is usual for an image side of `length` pixels: an eighth, which is
/// the padding of 4 pixels that 32 x 32 images commonly get.
const USUAL: usize = 8;

/// How far images are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// An eighth of the side.
    Usual,
    /// At most so many pixels; 0 for not at all.
    Pixels(usize),
}

impl Shift {
    fn of(self, side: usize) -> usize {
        match self {
            Self::Usual => side / USUAL,
            Self::Pixels(pixels) => pixels.min(side.saturating_sub(1)),
        }
    }

    /// Moves each image of `batch` by its own random distance in either direction, the same for all
    /// channels; what comes into view is zero. Inputs that are no images stay as they are: images
    /// have four dimensions, and 1, 3 or 4 channels at the second or last.
    pub fn apply(self, batch: &mut [Batch], rng: &mut ChaCha8Rng) {
        for input in batch {
            let (BatchValues::Float(values), &[samples, b, c, d]) =
                (&mut input.values, &input.shape[..])
            else {
                continue;
            };
            let channels = |n: usize| matches!(n, 1 | 3 | 4);
            // Outer planes, height, width, and values a pixel.
            let (planes, height, width, pixel) = match (channels(b), channels(d)) {
                (true, _) => (b, c, d, 1),
                (false, true) => (1, b, c, d),
                (false, false) => continue,
            };
            let (most_y, most_x) = (self.of(height) as i32, self.of(width) as i32);
            if most_y == 0 && most_x == 0 {
                continue;
            }
            let size = planes * height * width * pixel;
            for sample in values.chunks_mut(size).take(samples) {
                let dy = rng.random_range(-most_y..=most_y) as isize;
                let dx = rng.random_range(-most_x..=most_x) as isize;
                for plane in sample.chunks_mut(height * width * pixel) {
                    moved(plane, [height, width, pixel], dy, dx);
                }
            }
        }
    }
}

fn moved(plane: &mut [f32], [height, width, pixel]: [usize; 3], dy: isize, dx: isize) {
    let old = plane.to_vec();
    plane.fill(0.0);
    for y in 0..height {
        let Some(from_y) = y.checked_add_signed(-dy).filter(|&v| v < height) else { continue };
        for x in 0..width {
            let Some(from_x) = x.checked_add_signed(-dx).filter(|&v| v < width) else { continue };
            let (to, from) = ((y * width + x) * pixel, (from_y * width + from_x) * pixel);
            plane[to..to + pixel].copy_from_slice(&old[from..from + pixel]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_plane_moves_and_zeros_come_in() {
        let mut plane = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        moved(&mut plane, [2, 3, 1], 1, -1);
        assert_eq!(plane, [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn all_channels_of_an_image_move_together_in_either_layout() {
        // Channel c holds the image times c + 1, so the ratio of channels survives any move.
        let image: Vec<f32> = (1..=64).map(|v| v as f32).collect();
        let first: Vec<f32> =
            [1.0, 2.0, 3.0].iter().flat_map(|c| image.iter().map(move |v| v * c)).collect();
        let last: Vec<f32> = image.iter().flat_map(|v| [1.0, 2.0, 3.0].map(|c| v * c)).collect();
        for (shape, values) in [(vec![1, 3, 8, 8], first), (vec![1, 8, 8, 3], last)] {
            let name = "image".to_owned();
            let mut batch =
                [Batch { name, shape: shape.clone(), values: BatchValues::Float(values) }];
            Shift::Pixels(3).apply(&mut batch, &mut ChaCha8Rng::seed_from_u64(5));
            let BatchValues::Float(values) = &batch[0].values else { unreachable!() };
            let step = if shape[1] == 3 { 64 } else { 1 };
            let pixel = |i: usize| if shape[1] == 3 { i } else { 3 * i };
            for i in 0..64 {
                assert_eq!(values[pixel(i) + step], 2.0 * values[pixel(i)]);
                assert_eq!(values[pixel(i) + 2 * step], 3.0 * values[pixel(i)]);
            }
            assert!(values.contains(&0.0));
        }
    }
}
