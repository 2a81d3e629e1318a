//! The kernels on slices of burn's CPU tensors.

use burn_backend::ops::FloatTensorOps;
use burn_backend::{Shape, TensorData, TensorMetadata};
use burn_flex::{Flex, FlexTensor};

use super::broadcast::{self, Join, Repeat};
use super::descent::{self, Descent};
use super::geometry::Geometry;
use super::{Kernels, activation, arrange, conv, normalize, parallel};

impl Kernels for Flex {
    fn conv(
        geometry: &Geometry,
        x: FlexTensor,
        weight: FlexTensor,
        bias: Option<FlexTensor>,
    ) -> FlexTensor {
        let (x, weight) = (in_order(x), in_order(weight));
        let bias = bias.map(in_order);
        let values = conv::forward(geometry, slice(&x), slice(&weight), bias.as_ref().map(slice));
        flex(values, geometry.output_shape().to_vec())
    }

    fn conv_input(geometry: &Geometry, weight: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (weight, gradient) = (in_order(weight), in_order(gradient));
        let values = conv::backward_input(geometry, slice(&weight), slice(&gradient));
        flex(values, geometry.input_shape().to_vec())
    }

    fn conv_weight(geometry: &Geometry, x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (x, gradient) = (in_order(x), in_order(gradient));
        let values = conv::backward_weight(geometry, slice(&x), slice(&gradient));
        flex(values, geometry.weight_shape().to_vec())
    }

    fn conv_bias(geometry: &Geometry, gradient: FlexTensor) -> FlexTensor {
        let gradient = in_order(gradient);
        flex(conv::backward_bias(geometry, slice(&gradient)), vec![geometry.channels_out])
    }

    fn normalize(x: FlexTensor, epsilon: f32) -> (FlexTensor, FlexTensor) {
        let x = in_order(x);
        let [rows, columns] = [x.layout().shape()[0], x.layout().shape()[1]];
        let (y, inverse) = normalize::forward(slice(&x), columns, epsilon);
        (flex(y, vec![rows, columns]), flex(inverse, vec![rows, 1]))
    }

    fn normalize_input(y: FlexTensor, inverse: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let (y, gradient) = (in_order(y), in_order(gradient));
        let shape = vec![y.layout().shape()[0], y.layout().shape()[1]];
        let values = normalize::backward(slice(&y), slice(&inverse), slice(&gradient), shape[1]);
        flex(values, shape)
    }

    fn clamp(x: FlexTensor, low: f32, high: f32) -> FlexTensor {
        change(x, 1, |_, x| activation::clamp(x, low, high))
    }

    fn clamp_input(y: FlexTensor, low: f32, high: f32, gradient: FlexTensor) -> FlexTensor {
        let y = in_order(y);
        let y = slice(&y);
        change(gradient, 1, |start, g| {
            activation::clamp_gradient(g, &y[start..][..g.len()], low, high);
        })
    }

    fn exact_gelu(x: FlexTensor) -> FlexTensor {
        change(x, 1, |_, x| activation::gelu(x))
    }

    fn exact_gelu_input(x: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let x = in_order(x);
        let x = slice(&x);
        change(gradient, 1, |start, g| activation::gelu_gradient(g, &x[start..][..g.len()]))
    }

    fn softmax_input(y: FlexTensor, gradient: FlexTensor) -> FlexTensor {
        let y = in_order(y);
        let columns = y.layout().shape().last().copied().unwrap_or(1).max(1);
        let y = slice(&y);
        change(gradient, columns, |start, g| {
            activation::softmax_gradient(g, &y[start..][..g.len()], columns);
        })
    }

    fn join(a: FlexTensor, b: FlexTensor, by: Join) -> FlexTensor {
        let (left, right) = (a.shape().to_vec(), b.shape().to_vec());
        // Both orders are the same sum or product.
        let (mut large, mut small, repeat) = match Repeat::find(&left, &right) {
            Some(repeat) => (a, b, repeat),
            None => match Repeat::find(&right, &left) {
                Some(repeat) => (b, a, repeat),
                None if by == Join::Sum => return Flex::float_add(a, b),
                None => return Flex::float_mul(a, b),
            },
        };
        // The result goes over an operand that nobody else reads.
        if left == right && !is_own(&large) && is_own(&small) {
            std::mem::swap(&mut large, &mut small);
        }
        let small = in_order(small);
        let mut large = in_order(large);
        if is_own(&large) {
            broadcast::join_into(&repeat, large.storage_mut(), slice(&small), by);
            return large;
        }
        let values = broadcast::joined(&repeat, slice(&large), slice(&small), by);
        flex(values, large.shape().to_vec())
    }

    fn sum_to(x: FlexTensor, factor: Option<FlexTensor>, shape: &[usize]) -> FlexTensor {
        let lengths = x.shape().to_vec();
        if lengths == shape {
            return match factor {
                Some(factor) => Self::join(x, factor, Join::Product),
                None => x,
            };
        }
        let (x, factor) = (in_order(x), factor.map(in_order));
        match Repeat::find(&lengths, shape) {
            Some(repeat) => {
                let sums = broadcast::sums(&repeat, slice(&x), factor.as_ref().map(slice));
                flex(sums, shape.to_vec())
            }
            None => {
                let x = match factor {
                    Some(factor) => Self::join(x, factor, Join::Product),
                    None => x,
                };
                let summed = (0..shape.len()).filter(|&i| shape[i] != lengths[i]);
                summed.fold(x, Flex::float_sum_dim)
            }
        }
    }

    fn in_order(x: FlexTensor) -> FlexTensor {
        in_order(x)
    }

    fn embed(part: FlexTensor, shape: &[usize], axis: usize, start: usize) -> FlexTensor {
        let part = in_order(part);
        let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let values = arrange::embedded(slice(&part), [outer, shape[axis], inner], start);
        flex(values, shape.to_vec())
    }

    fn descend(
        descent: Descent,
        parameter: FlexTensor,
        velocity: Option<FlexTensor>,
        gradient: FlexTensor,
    ) -> [FlexTensor; 2] {
        let gradient = in_order(gradient);
        let zeros = || flex(vec![0.0; slice(&gradient).len()], gradient.shape().to_vec());
        let (mut parameter, mut velocity) = (own(parameter), own(velocity.unwrap_or_else(zeros)));
        let (p, v) = (parameter.storage_mut(), velocity.storage_mut());
        descent::step(descent, p, v, slice(&gradient));
        [parameter, velocity]
    }

    fn squares(x: FlexTensor) -> f64 {
        descent::squares(slice(&in_order(x)))
    }
}

/// Whether writing over `tensor`'s memory, all of it, disturbs nobody.
fn is_own(tensor: &FlexTensor) -> bool {
    let whole = Some((0, tensor.storage::<f32>().len()));
    tensor.is_unique() && tensor.layout().contiguous_offsets() == whole
}

/// `tensor` in memory of its own.
fn own(tensor: FlexTensor) -> FlexTensor {
    change(tensor, 1, |_, _| {})
}

/// `tensor` in row-major order.
fn in_order(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().is_contiguous() {
        return tensor;
    }
    let (layout, shape) = (tensor.layout(), tensor.shape().to_vec());
    let start = layout.start_offset();
    match arrange::in_order(tensor.storage(), start, &shape, layout.strides()) {
        Some(values) => flex(values, shape),
        None => tensor.to_contiguous(),
    }
}

/// `tensor` changed piece by piece, see [`parallel::change`]: in place where nobody else reads it.
fn change(tensor: FlexTensor, unit: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> FlexTensor {
    let mut tensor = in_order(tensor);
    if is_own(&tensor) {
        parallel::change(tensor.storage_mut(), unit, f);
        return tensor;
    }
    let values = parallel::changed(slice(&tensor), unit, f);
    flex(values, tensor.shape().to_vec())
}

fn slice(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("contiguous f32")
}

fn flex(values: Vec<f32>, shape: Vec<usize>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}
