//! The operations that decide a training step's time: on the CPU written out on slices, elsewhere
//! left to burn's backend.

use burn_backend::ops::ConvOptions;
use burn_backend::tensor::{Device, FloatTensor};
use burn_backend::{
    Backend, BoolDType, FloatDType, Scalar, Shape, Slice, TensorData, TensorMetadata,
};

mod activation;
mod arrange;
mod blocked;
mod broadcast;
mod conv;
mod cpu;
mod depthwise;
mod descent;
mod gather;
mod geometry;
mod microkernel;
mod normalize;
mod parallel;
mod pool;
mod simd;
mod tiles;
mod transpose;
mod weight_gradient;

pub use broadcast::Join;
pub use descent::Descent;
pub use geometry::Geometry;
pub use pool::Pool;

/// What a backend runs for the heavy operations. The defaults are burn's convolutions, and for
/// pooling the CPU's kernels on data that are read back.
///
/// Shapes: `x` is `[batch, channels_in, height, width]`, `weight`
/// `[channels_out, channels_in / groups, height, width]`.
pub trait Kernels: Backend {
    /// The convolution of `x` with `weight`, `bias` (`[channels_out]`) added.
    fn conv(
        geometry: &Geometry,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, bias, options(geometry))
    }

    /// The convolution's gradient with respect to its input.
    fn conv_input(
        geometry: &Geometry,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // burn reads no more than the shape of the input.
        let shape = Shape::from(geometry.input_shape().to_vec());
        let x = Self::float_empty(shape, &gradient.device(), FloatDType::F32);
        Self::conv2d_x_backward(x, weight, gradient, options(geometry))
    }

    /// The convolution's gradient with respect to its weight.
    fn conv_weight(
        geometry: &Geometry,
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let shape = Shape::from(geometry.weight_shape().to_vec());
        let weight = Self::float_empty(shape, &gradient.device(), FloatDType::F32);
        Self::conv2d_weight_backward(x, weight, gradient, options(geometry))
    }

    /// The convolution's gradient with respect to its bias: sums over all but the channels.
    fn conv_bias(geometry: &Geometry, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let sums = [0, 2, 3].iter().fold(gradient, |t, &axis| Self::float_sum_dim(t, axis));
        Self::float_reshape(sums, Shape::from(vec![geometry.channels_out]))
    }

    /// The largest value of each window, and where in its map it lies. `x` is `[planes, pixels]`.
    fn max_pool(pool: &Pool, x: FloatTensor<Self>) -> (FloatTensor<Self>, Vec<u32>) {
        let device = x.device();
        let (values, places) = pool::max_forward(pool, &values::<Self>(x));
        (planes::<Self>(values, pool, &device), places)
    }

    /// The gradient of [`Kernels::max_pool`].
    fn max_pool_input(
        pool: &Pool,
        places: &[u32],
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let device = gradient.device();
        let values = pool::max_backward(pool, places, &values::<Self>(gradient));
        planes::<Self>(values, pool, &device)
    }

    /// The mean of each window; padding counts as zeros or not at all. `x` is `[planes, pixels]`.
    fn average_pool(pool: &Pool, count_padding: bool, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let device = x.device();
        let values = pool::average_forward(pool, count_padding, &values::<Self>(x));
        planes::<Self>(values, pool, &device)
    }

    /// The gradient of [`Kernels::average_pool`].
    fn average_pool_input(
        pool: &Pool,
        count_padding: bool,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let device = gradient.device();
        let values = pool::average_backward(pool, count_padding, &values::<Self>(gradient));
        planes::<Self>(values, pool, &device)
    }

    /// Each row of `x` (`[rows, columns]`) with mean 0 and variance 1: `(x - mean) * r`,
    /// `r = 1 / sqrt(variance + epsilon)`, and the `r` (`[rows, 1]`).
    fn normalize(x: FloatTensor<Self>, epsilon: f32) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let mean = Self::float_mean_dim(x.clone(), 1);
        let centred = Self::float_sub(x, mean);
        let squares = Self::float_mul(centred.clone(), centred.clone());
        let variance = Self::float_mean_dim(squares, 1);
        let shifted = Self::float_add_scalar(variance, epsilon.into());
        let inverse = Self::float_recip(Self::float_sqrt(shifted));
        (Self::float_mul(centred, inverse.clone()), inverse)
    }

    /// The gradient of [`Kernels::normalize`] for its output `y` and the `r` it returned:
    /// `r (g - mean(g) - y mean(g y))`.
    fn normalize_input(
        y: FloatTensor<Self>,
        inverse: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let mean = Self::float_mean_dim(gradient.clone(), 1);
        let along = Self::float_mean_dim(Self::float_mul(gradient.clone(), y.clone()), 1);
        let rest = Self::float_sub(Self::float_sub(gradient, mean), Self::float_mul(y, along));
        Self::float_mul(rest, inverse)
    }

    /// `x` within `low` and `high`, which may be infinite; NaN stays.
    fn clamp(x: FloatTensor<Self>, low: f32, high: f32) -> FloatTensor<Self> {
        Self::float_clamp(x, low.into(), high.into())
    }

    /// The gradient of [`Kernels::clamp`] with output `y`, zero at the bounds.
    fn clamp_input(
        y: FloatTensor<Self>,
        low: f32,
        high: f32,
        gradient: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let stopped = Self::float_lower_equal_elem(y.clone(), low.into(), BoolDType::Native);
        let gradient = Self::float_mask_fill(gradient, stopped, Scalar::Float(0.0));
        let stopped = Self::float_greater_equal_elem(y, high.into(), BoolDType::Native);
        Self::float_mask_fill(gradient, stopped, Scalar::Float(0.0))
    }

    /// `x Phi(x)`.
    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_mul(x.clone(), phi::<Self>(x))
    }

    /// The gradient of [`Kernels::exact_gelu`] at `x`: `Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi)`.
    fn exact_gelu_input(x: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let squares = Self::float_mul(x.clone(), x.clone());
        let bell = Self::float_exp(Self::float_mul_scalar(squares, Scalar::Float(-0.5)));
        let height = Scalar::Float(1.0 / std::f64::consts::TAU.sqrt());
        let slope = Self::float_mul_scalar(Self::float_mul(bell, x.clone()), height);
        Self::float_mul(gradient, Self::float_add(phi::<Self>(x), slope))
    }

    /// The gradient of softmax along the last dimension, with output `y`: `y (g - sum(g y))`.
    fn softmax_input(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = y.rank() - 1;
        let total = Self::float_sum_dim(Self::float_mul(gradient.clone(), y.clone()), last);
        Self::float_mul(y, Self::float_sub(gradient, total))
    }

    /// Sum or product, broadcast; both of one rank.
    fn join(a: FloatTensor<Self>, b: FloatTensor<Self>, by: Join) -> FloatTensor<Self> {
        match by {
            Join::Sum => Self::float_add(a, b),
            Join::Product => Self::float_mul(a, b),
        }
    }

    /// Sums `x`, or its products with `factor` of the same shape, over the dimensions that have
    /// length one in `shape`.
    fn sum_to(
        x: FloatTensor<Self>,
        factor: Option<FloatTensor<Self>>,
        shape: &[usize],
    ) -> FloatTensor<Self> {
        let x = match factor {
            Some(factor) => Self::float_mul(x, factor),
            None => x,
        };
        let lengths = x.shape();
        let summed = (0..shape.len()).filter(|&i| shape[i] != lengths[i]);
        summed.fold(x, Self::float_sum_dim)
    }

    /// The same tensor, in row-major order where the backend knows orders.
    fn in_order(x: FloatTensor<Self>) -> FloatTensor<Self> {
        x
    }

    /// Zeros of `shape`, with `part` from `start` on along `axis`.
    fn embed(
        part: FloatTensor<Self>,
        shape: &[usize],
        axis: usize,
        start: usize,
    ) -> FloatTensor<Self> {
        let end = start + part.shape()[axis];
        let slices: Vec<Slice> = (0..shape.len())
            .map(|i| match i == axis {
                true => Slice::new(start as isize, Some(end as isize), 1),
                false => Slice::full(),
            })
            .collect();
        let zeros = Self::float_zeros(Shape::from(shape.to_vec()), &part.device(), FloatDType::F32);
        Self::float_slice_assign(zeros, &slices, part)
    }

    /// The parameter and the velocity after a step; without a velocity the gradient is it.
    fn descend(
        descent: Descent,
        parameter: FloatTensor<Self>,
        velocity: Option<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let velocity = match velocity {
            Some(v) => {
                Self::float_add(Self::float_mul_scalar(v, descent.momentum.into()), gradient)
            }
            None => gradient,
        };
        let kept = Self::float_mul_scalar(parameter, descent.keep.into());
        let step = Self::float_mul_scalar(velocity.clone(), descent.rate.into());
        [Self::float_sub(kept, step), velocity]
    }

    /// The sum of squares.
    fn squares(x: FloatTensor<Self>) -> f64 {
        let sum = Self::float_sum(Self::float_mul(x.clone(), x));
        f64::from(values::<Self>(sum)[0])
    }
}

/// The normal distribution function.
fn phi<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(x, Scalar::Float(std::f64::consts::FRAC_1_SQRT_2));
    let twice = B::float_add_scalar(B::float_erf(scaled), Scalar::Float(1.0));
    B::float_mul_scalar(twice, Scalar::Float(0.5))
}

fn options(g: &Geometry) -> ConvOptions<2> {
    let padding = [0, 1].map(|a| (g.pad_begin[a], g.pad_end[a]));
    ConvOptions { stride: g.stride, padding, dilation: g.dilation, groups: g.groups }
}

fn values<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = burn_backend::read_sync(B::float_into_data(tensor)).expect("the device answers");
    data.try_into_vec().expect("float tensors hold f32")
}

fn planes<B: Backend>(values: Vec<f32>, pool: &Pool, device: &Device<B>) -> FloatTensor<B> {
    let shape = vec![pool.planes, values.len() / pool.planes.max(1)];
    B::float_from_data(TensorData::new(values, Shape::from(shape)), device)
}

#[cfg(feature = "cuda")]
impl Kernels for burn_cuda::Cuda {}
