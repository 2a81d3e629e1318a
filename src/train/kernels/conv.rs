//! Convolution and its gradients over contiguous NCHW `f32`.
//!
//! A transposed convolution is the same three functions with the roles
//! exchanged. With `g` the geometry of the convolution that maps the
//! transposed convolution's *output* to its *input*: its forward pass is
//! `backward_input(g, w, x)`, its input gradient `forward(g, dy, w, None)` and
//! its weight gradient `backward_weight(g, dy, x)`.

use super::depthwise;
use super::gather::{self, Problem, Side, collect_chunks};
use super::geometry::Geometry;
use super::tiles::Tiles;
use super::weight_gradient;
use rayon::prelude::*;

/// `x [batch, channels_in, input]` and `w [channels_out, channels_in / groups,
/// kernel]` to `[batch, channels_out, output]`.
#[must_use]
pub fn forward(g: &Geometry, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    if let Some((g, x)) = thinned(g, x) {
        return forward(&g, &x, w, bias);
    }
    if is_depthwise(g) {
        let planes = [g.pixels_in(), g.pixels_out()];
        return depthwise::run(g, planes, |n| Tiles::forward(g, n), x, w, bias);
    }
    let (input, output) = sides(g);
    let problem = Problem {
        batch: g.batch,
        groups: g.groups,
        window: g.taps(),
        from: input,
        to: output,
        tiles: &|samples| Tiles::forward(g, samples),
    };
    gather::run(&problem, x, w, bias)
}

/// Gradient by `x`, from `dy [batch, channels_out, output]`.
#[must_use]
pub fn backward_input(g: &Geometry, w: &[f32], dy: &[f32]) -> Vec<f32> {
    if is_depthwise(g) {
        let planes = [g.pixels_out(), g.pixels_in()];
        return depthwise::run(g, planes, |n| Tiles::backward(g, n), dy, w, None);
    }
    let (input, output) = sides(g);
    let problem = Problem {
        batch: g.batch,
        groups: g.groups,
        window: g.taps(),
        from: output,
        to: input,
        tiles: &|samples| Tiles::backward(g, samples),
    };
    gather::run(&problem, dy, w, None)
}

/// Gradient by `w`, from `x` and `dy`.
#[must_use]
pub fn backward_weight(g: &Geometry, x: &[f32], dy: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), g.batch * g.channels_in * g.pixels_in());
    assert_eq!(dy.len(), g.batch * g.channels_out * g.pixels_out());
    if let Some((g, x)) = thinned(g, x) {
        return backward_weight(&g, &x, dy);
    }
    if is_depthwise(g) {
        depthwise::backward_weight(g, x, dy)
    } else {
        weight_gradient::backward_weight(g, x, dy)
    }
}

/// Gradient by the bias, `[channels_out]`, from `dy`.
#[must_use]
pub fn backward_bias(g: &Geometry, dy: &[f32]) -> Vec<f32> {
    let plane = g.pixels_out();
    assert_eq!(dy.len(), g.batch * g.channels_out * plane);
    (0..g.channels_out)
        .into_par_iter()
        .map(|c| {
            let samples = dy.chunks_exact(g.channels_out * plane);
            samples.map(|s| sum(&s[c * plane..][..plane])).sum::<f32>()
        })
        .collect()
}

/// Sum in 16 interleaved parts, which vectorises and rounds less than one
/// running sum.
fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut parts = [0.0_f32; 16];
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part += value;
        }
    }
    parts.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// For a strided 1x1 window without padding, the input pixels it reads and the
/// plain convolution of these: most of `x` need not be rearranged.
fn thinned(g: &Geometry, x: &[f32]) -> Option<(Geometry, Vec<f32>)> {
    if g.taps() > 1 || g.stride == [1; 2] || g.pad_begin != [0; 2] || g.pad_end != [0; 2] {
        return None;
    }
    let [height, width] = g.output();
    let plane = height * width;
    let read = collect_chunks(g.batch * g.channels_in * plane, plane, |i, to| {
        let from = &x[i * g.pixels_in()..][..g.pixels_in()];
        for (y, to) in to.chunks_exact_mut(width).enumerate() {
            let from = &from[y * g.stride[0] * g.input[1]..];
            for (to, from) in to.iter_mut().zip(from.iter().step_by(g.stride[1])) {
                to.write(*from);
            }
        }
    });
    let plain = Geometry { input: [height, width], stride: [1; 2], ..g.clone() };
    Some((plain, read))
}

/// Whether every channel is convolved by itself.
fn is_depthwise(g: &Geometry) -> bool {
    g.group_in() == 1 && g.group_out() == 1
}

/// The input and output sides of the weight `[out, in / groups, kernel]`.
fn sides(g: &Geometry) -> (Side, Side) {
    let input = Side { channels: g.channels_in, plane: g.pixels_in(), step: g.taps() };
    let output =
        Side { channels: g.channels_out, plane: g.pixels_out(), step: g.group_in() * g.taps() };
    (input, output)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic values in -1..1.
    fn values(len: usize, seed: u64) -> Vec<f32> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn geometry(
        batch: usize,
        [channels_in, channels_out, groups]: [usize; 3],
        input: [usize; 2],
        kernel: [usize; 2],
    ) -> Geometry {
        Geometry {
            batch,
            channels_in,
            channels_out,
            groups,
            input,
            kernel,
            stride: [1; 2],
            dilation: [1; 2],
            pad_begin: [0; 2],
            pad_end: [0; 2],
        }
    }

    fn geometries() -> Vec<Geometry> {
        let same = |g| Geometry { pad_begin: [1; 2], pad_end: [1; 2], ..g };
        let strided = |g, s| Geometry { stride: [s; 2], ..g };
        vec![
            geometry(1, [1, 1, 1], [1, 1], [1, 1]),
            geometry(3, [5, 7, 1], [6, 5], [1, 1]),
            same(geometry(4, [3, 64, 1], [9, 8], [3, 3])),
            same(geometry(9, [64, 70, 1], [4, 4], [3, 3])),
            same(geometry(2, [130, 33, 1], [5, 7], [3, 3])),
            // Several blocks of rows in one piece of the weight gradient.
            same(geometry(10, [40, 150, 1], [4, 4], [3, 3])),
            // Many blocks in one pass, several samples in one piece.
            geometry(17, [200, 16, 1], [3, 3], [1, 1]),
            strided(same(geometry(5, [66, 20, 1], [8, 7], [3, 3])), 2),
            // Stride beyond the kernel: inputs that nothing reads.
            strided(geometry(3, [4, 6, 1], [11, 10], [2, 1]), 3),
            strided(geometry(2, [16, 24, 1], [8, 8], [1, 1]), 2),
            Geometry {
                stride: [2, 3],
                dilation: [2, 1],
                pad_begin: [0, 2],
                pad_end: [3, 1],
                ..geometry(2, [6, 5, 1], [9, 8], [3, 4])
            },
            Geometry {
                stride: [2, 4],
                dilation: [3, 2],
                pad_begin: [4, 1],
                pad_end: [2, 5],
                ..geometry(2, [3, 18, 1], [7, 9], [2, 3])
            },
            // Padding wider than the kernel: outputs that read nothing.
            Geometry {
                pad_begin: [3, 4],
                pad_end: [4, 3],
                ..geometry(2, [2, 3, 1], [2, 3], [2, 2])
            },
            // Output 1x1.
            geometry(70, [4, 8, 1], [5, 4], [5, 4]),
            same(geometry(3, [6, 4, 2], [5, 5], [3, 3])),
            strided(same(geometry(3, [140, 134, 2], [6, 6], [3, 3])), 2),
            // Depthwise, plain, strided, dilated and with a multiplier.
            same(geometry(3, [21, 21, 21], [7, 6], [3, 3])),
            same(geometry(1, [80, 80, 80], [1, 19], [3, 3])),
            strided(same(geometry(9, [70, 70, 70], [8, 9], [3, 3])), 2),
            Geometry {
                dilation: [2, 2],
                pad_begin: [2, 1],
                ..geometry(2, [17, 17, 17], [9, 8], [3, 2])
            },
            same(geometry(2, [5, 15, 5], [4, 6], [3, 3])),
            // One-dimensional.
            Geometry {
                stride: [1, 2],
                pad_begin: [0, 3],
                pad_end: [0, 2],
                ..geometry(3, [12, 10, 1], [1, 50], [1, 7])
            },
        ]
    }

    /// Calls `each(x, w, y)` with the three indices of every product.
    fn products(g: &Geometry, mut each: impl FnMut(usize, usize, usize)) {
        let [height, width] = g.output();
        let (gin, gout) = (g.group_in(), g.group_out());
        for (b, co) in (0..g.batch).flat_map(|b| (0..g.channels_out).map(move |c| (b, c))) {
            for (ci, tap) in (0..gin).flat_map(|c| (0..g.taps()).map(move |t| (c, t))) {
                let channel = co / gout * gin + ci;
                for (oy, ox) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let y = g.source(0, oy, tap / g.kernel[1]);
                    let x = g.source(1, ox, tap % g.kernel[1]);
                    if let (Some(y), Some(x)) = (y, x) {
                        each(
                            ((b * g.channels_in + channel) * g.input[0] + y) * g.input[1] + x,
                            (co * gin + ci) * g.taps() + tap,
                            ((b * g.channels_out + co) * height + oy) * width + ox,
                        );
                    }
                }
            }
        }
    }

    struct Case {
        x: Vec<f32>,
        w: Vec<f32>,
        dy: Vec<f32>,
        bias: Vec<f32>,
    }

    fn case(g: &Geometry) -> Case {
        Case {
            x: values(g.batch * g.channels_in * g.pixels_in(), 1),
            w: values(g.channels_out * g.group_in() * g.taps(), 2),
            dy: values(g.batch * g.channels_out * g.pixels_out(), 3),
            bias: values(g.channels_out, 4),
        }
    }

    /// Compares with sums in f64. `size` is the sum of the products'
    /// magnitudes: a sum of n products in f32, in any order, errs by at most
    /// about n * 2^-24 of it, typically by sqrt(n) * 2^-24. The longest sums
    /// here have under 2000 products, so 2^-18 of it (sqrt(n) is under 2^6)
    /// is missed only by an indexing error.
    #[track_caller]
    fn close(what: &str, g: &Geometry, got: &[f32], want: &[f64], size: &[f64]) {
        assert_eq!(got.len(), want.len(), "{what} {g:?}");
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            let off = (f64::from(got) - want).abs();
            assert!(off <= size[i] * 2.0_f64.powi(-18), "{what}[{i}]: {got} for {want}, {g:?}");
        }
    }

    #[test]
    fn agrees_with_direct_loops() {
        for g in geometries() {
            let Case { x, w, dy, bias } = case(&g);
            let plane = g.pixels_out();
            let channel = |i: usize| i / plane % g.channels_out;
            let mut y: Vec<f64> = (0..dy.len()).map(|i| bias[channel(i)].into()).collect();
            let mut y_size: Vec<f64> = y.iter().map(|v| v.abs()).collect();
            let [mut dx, mut dx_size] = [vec![0.0; x.len()], vec![0.0; x.len()]];
            let [mut dw, mut dw_size] = [vec![0.0; w.len()], vec![0.0; w.len()]];
            products(&g, |xi, wi, yi| {
                let [xv, wv, dv] = [x[xi], w[wi], dy[yi]].map(f64::from);
                y[yi] += xv * wv;
                dx[xi] += dv * wv;
                dw[wi] += dv * xv;
                y_size[yi] += (xv * wv).abs();
                dx_size[xi] += (dv * wv).abs();
                dw_size[wi] += (dv * xv).abs();
            });
            let mut db = vec![0.0; bias.len()];
            let mut db_size = vec![0.0; bias.len()];
            for (i, &v) in dy.iter().enumerate() {
                db[channel(i)] += f64::from(v);
                db_size[channel(i)] += f64::from(v).abs();
            }
            close("y", &g, &forward(&g, &x, &w, Some(&bias)), &y, &y_size);
            close("dx", &g, &backward_input(&g, &w, &dy), &dx, &dx_size);
            close("dw", &g, &backward_weight(&g, &x, &dy), &dw, &dw_size);
            close("db", &g, &backward_bias(&g, &dy), &db, &db_size);
        }
    }

    /// <conv(x, w), dy> = <x, backward_input> = <w, backward_weight>. The three
    /// are rounded independently, so they agree to about sqrt(n) * 2^-24 of
    /// the norms' product; 2^-18 as above.
    #[test]
    fn gradients_are_adjoint() {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
            products.sum()
        };
        for g in geometries() {
            let Case { x, w, dy, .. } = case(&g);
            let y = forward(&g, &x, &w, None);
            let by_output = dot(&y, &dy);
            let by_input = dot(&x, &backward_input(&g, &w, &dy));
            let by_weight = dot(&w, &backward_weight(&g, &x, &dy));
            let allowed = (dot(&y, &y) * dot(&dy, &dy)).sqrt() * 2.0_f64.powi(-18);
            assert!((by_output - by_input).abs() <= allowed, "{g:?}");
            assert!((by_output - by_weight).abs() <= allowed, "{g:?}");
        }
    }

    /// The same bits from one thread and from three.
    #[test]
    fn threads_do_not_change_a_bit() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().expect("threads start").install(|| {
                geometries()
                    .iter()
                    .map(|g| {
                        let Case { x, w, dy, bias } = case(g);
                        let results = [
                            forward(g, &x, &w, Some(&bias)),
                            backward_input(g, &w, &dy),
                            backward_weight(g, &x, &dy),
                            backward_bias(g, &dy),
                        ];
                        results.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
                    })
                    .collect::<Vec<_>>()
            })
        };
        let once = run(1);
        for _ in 0..3 {
            assert!(once == run(3));
        }
    }

    /// A transposed convolution by exchanged roles, against its definition:
    /// every input pixel adds its weighted window to the output.
    #[test]
    fn transposed_convolution_is_the_input_gradient() {
        // ConvTranspose of x [2, 6, 4, 5] by w [6, 4, 3, 3], stride 2, pads 1.
        let g = Geometry {
            stride: [2; 2],
            pad_begin: [1; 2],
            pad_end: [1; 2],
            ..geometry(2, [4, 6, 1], [7, 9], [3, 3])
        };
        assert_eq!(g.output(), [4, 5]);
        let (x, w) = (values(2 * 6 * 20, 1), values(6 * 4 * 9, 2));
        let mut want = vec![0.0_f32; 2 * 4 * 63];
        for (i, &v) in x.iter().enumerate() {
            let (b, ci, y, x) = (i / 120, i / 20 % 6, i / 5 % 4, i % 5);
            for (j, &w) in w[ci * 36..][..36].iter().enumerate() {
                let (oy, ox) = (2 * y + j / 3 % 3, 2 * x + j % 3);
                if (1..8).contains(&oy) && (1..10).contains(&ox) {
                    want[(b * 4 + j / 9) * 63 + (oy - 1) * 9 + ox - 1] += v * w;
                }
            }
        }
        for (got, want) in backward_input(&g, &w, &x).iter().zip(&want) {
            assert!((got - want).abs() < 1e-5);
        }
    }
}
