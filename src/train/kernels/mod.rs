//! The operations that decide a training step's time: on the CPU written out on slices, elsewhere
//! left to burn's backend.

use burn_backend::ops::ConvOptions;
use burn_backend::tensor::{Device, FloatTensor};
use burn_backend::{Backend, FloatDType, Shape, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

mod blocked;
mod conv;
mod depthwise;
mod gather;
mod geometry;
mod microkernel;
mod normalize;
mod pool;
mod simd;
mod tiles;
mod transpose;
mod weight_gradient;

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

impl Kernels for Flex {
    fn conv(
        geometry: &Geometry,
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
    ) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let bias = bias.map(|b| b.to_contiguous());
        let values = conv::forward(geometry, slice(&x), slice(&weight), bias.as_ref().map(slice));
        flex(values, geometry.output_shape().to_vec())
    }

    fn conv_input(geometry: &Geometry, weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (weight, gradient) = (weight.to_contiguous(), gradient.to_contiguous());
        let values = conv::backward_input(geometry, slice(&weight), slice(&gradient));
        flex(values, geometry.input_shape().to_vec())
    }

    fn conv_weight(geometry: &Geometry, x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
        let values = conv::backward_weight(geometry, slice(&x), slice(&gradient));
        flex(values, geometry.weight_shape().to_vec())
    }

    fn conv_bias(geometry: &Geometry, gradient: FlexTensor) -> FlexTensor {
        let gradient = gradient.to_contiguous();
        flex(conv::backward_bias(geometry, slice(&gradient)), vec![geometry.channels_out])
    }

    fn normalize(x: FlexTensor, epsilon: f32) -> (FlexTensor, FlexTensor) {
        let x = x.to_contiguous();
        let [rows, columns] = [x.layout().shape()[0], x.layout().shape()[1]];
        let (y, inverse) = normalize::forward(slice(&x), columns, epsilon);
        (flex(y, vec![rows, columns]), flex(inverse, vec![rows, 1]))
    }

    fn normalize_input(y: FlexTensor, inverse: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (y, gradient) = (y.to_contiguous(), gradient.to_contiguous());
        let shape = vec![y.layout().shape()[0], y.layout().shape()[1]];
        let values = normalize::backward(slice(&y), slice(&inverse), slice(&gradient), shape[1]);
        flex(values, shape)
    }
}

fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous f32")
}

fn flex(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}
