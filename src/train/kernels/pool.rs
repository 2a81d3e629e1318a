//! Pooling on contiguous maps, one thread a map.

use rayon::prelude::*;

use super::Geometry;

/// The largest value of each window and its place in its map; padding never wins.
pub fn max_forward(g: &Geometry, x: &[f32]) -> (Vec<f32>, Vec<u32>) {
    let size = g.pixels_out();
    let mut y = vec![0.0; g.batch * g.channels_in * size];
    let mut places = vec![0; y.len()];
    let maps = y.par_chunks_mut(size).zip(places.par_chunks_mut(size));
    maps.zip(x.par_chunks(g.pixels_in())).for_each(|((y, places), x)| {
        for_windows(g, |o, pixels| {
            let mut best = (f32::NEG_INFINITY, 0);
            for p in pixels {
                // A NaN stays, as in ONNX Runtime.
                if x[p] > best.0 || x[p].is_nan() {
                    best = (x[p], p as u32);
                }
            }
            (y[o], places[o]) = best;
        });
    });
    (y, places)
}

/// Each gradient goes to the place that its window's largest value came from.
pub fn max_backward(g: &Geometry, places: &[u32], dy: &[f32]) -> Vec<f32> {
    let size = g.pixels_out();
    let mut dx = vec![0.0; g.batch * g.channels_in * g.pixels_in()];
    let maps = dx.par_chunks_mut(g.pixels_in()).zip(dy.par_chunks(size));
    maps.zip(places.par_chunks(size)).for_each(|((dx, dy), places)| {
        for (&p, &g) in places.iter().zip(dy) {
            dx[p as usize] += g;
        }
    });
    dx
}

/// The mean of each window, see [`divisors`] for what counts.
pub fn average_forward(g: &Geometry, x: &[f32], padded: Option<[usize; 2]>) -> Vec<f32> {
    let size = g.pixels_out();
    let divisors = divisors(g, padded);
    let mut y = vec![0.0; g.batch * g.channels_in * size];
    y.par_chunks_mut(size).zip(x.par_chunks(g.pixels_in())).for_each(|(y, x)| {
        for_windows(g, |o, pixels| y[o] = pixels.map(|p| x[p]).sum::<f32>() * divisors[o]);
    });
    y
}

/// Each gradient is shared by the pixels of its window.
pub fn average_backward(g: &Geometry, dy: &[f32], padded: Option<[usize; 2]>) -> Vec<f32> {
    let size = g.pixels_out();
    let divisors = divisors(g, padded);
    let mut dx = vec![0.0; g.batch * g.channels_in * g.pixels_in()];
    dx.par_chunks_mut(g.pixels_in()).zip(dy.par_chunks(size)).for_each(|(dx, dy)| {
        for_windows(g, |o, pixels| pixels.for_each(|p| dx[p] += dy[o] * divisors[o]));
    });
    dx
}

/// One over the number of pixels that each window's mean is taken of: of the input, or within
/// `padded`, the input's extent with its padding (a last window may stick out of that too).
fn divisors(g: &Geometry, padded: Option<[usize; 2]>) -> Vec<f32> {
    let mut divisors = vec![0.0; g.pixels_out()];
    let columns = g.output()[1];
    for_windows(g, |o, pixels| {
        let count = match padded {
            Some(padded) => {
                let start = [o / columns * g.stride[0], o % columns * g.stride[1]];
                let within = |a: usize| {
                    let taps =
                        (0..g.kernel[a]).filter(|k| start[a] + k * g.dilation[a] < padded[a]);
                    taps.count()
                };
                within(0) * within(1)
            }
            None => pixels.count(),
        };
        divisors[o] = 1.0 / count.max(1) as f32;
    });
    divisors
}

/// Calls `f` with each output pixel and the input pixels under its window, row by row.
fn for_windows(g: &Geometry, mut f: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
    let [height, width] = g.output();
    for oh in 0..height {
        for ow in 0..width {
            let rows = (0..g.kernel[0]).filter_map(|k| g.source(0, oh, k));
            let mut pixels = rows.flat_map(|h| {
                let columns = (0..g.kernel[1]).filter_map(move |k| g.source(1, ow, k));
                columns.map(move |w| h * g.input[1] + w)
            });
            f(oh * width + ow, &mut pixels);
        }
    }
}
