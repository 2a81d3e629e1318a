//! Batch, layer, instance, group and local response normalisation.

use burn_backend::Scalar;
use burn_backend::tensor::FloatTensor;

use crate::Result;
use crate::train::call::{BatchNorm, Call, Statistics};
use crate::train::engine::{Base, Engine, Operation};
use crate::train::node::Node;
use crate::train::tensor::Tensor;
use crate::train::value::Value;

type Outputs<E> = Result<Vec<Value<E>>>;

/// `(x - mean) / sqrt(variance + epsilon) * scale + bias` per channel; mean and variance are the
/// running ones, or the batch's own where those are trained.
pub fn batch<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    let epsilon = node.float("epsilon", 1e-5);
    let x = call.tensor_of_rank(0, 2)?;
    let (scale, bias) = (channels(call, 1, &x)?, channels(call, 2, &x)?);
    if call.batch_norm == BatchNorm::Frozen {
        let (mean, variance) = (channels(call, 3, &x)?, channels(call, 4, &x)?);
        let inverse = variance.add_scalar(epsilon.into()).map(E::float_sqrt).map(E::float_recip);
        let factor = scale.times(inverse);
        let shift = bias.minus(mean.times(factor.clone()));
        return call.one(x.times(factor).plus(shift));
    }
    let shape = x.shape();
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.swap(0, 1);
    let swapped = x.permute(&order);
    let permuted = swapped.shape();
    let rows = swapped.reshape(&[shape[1], permuted[1..].iter().product()]);
    report(call, rows.clone())?;
    let normalized = rows.apply(&Normalize { epsilon }).reshape(&permuted).permute(&order);
    call.one(normalized.times(scale).plus(bias))
}

/// Hands the batch's mean and variance of each channel to whoever keeps the running ones.
fn report<E: Engine>(call: &mut Call<E>, rows: Tensor<E>) -> Result<()> {
    let node = call.node;
    let columns = rows.shape()[1];
    let values = rows.into_values()?;
    let count = columns.max(1) as f64;
    let (mut means, mut variances) = (Vec::new(), Vec::new());
    for row in values.chunks(columns.max(1)) {
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let squares = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
        means.push(mean as f32);
        variances.push((squares / count) as f32);
    }
    call.report(Statistics {
        mean_name: node.inputs[3].clone(),
        variance_name: node.inputs[4].clone(),
        momentum: node.float("momentum", 0.9),
        mean: means,
        variance: variances,
    });
    Ok(())
}

/// Input `index`, one value a channel, shaped to be broadcast to `x`.
fn channels<E: Engine>(call: &mut Call<E>, index: usize, x: &Tensor<E>) -> Result<Tensor<E>> {
    let values = call.tensor(index)?;
    per_channel(call.node, values, x)
}

fn per_channel<E: Engine>(node: &Node, values: Tensor<E>, x: &Tensor<E>) -> Result<Tensor<E>> {
    let shape = x.shape();
    if values.shape() != [shape[1]] {
        let problem = format!("{:?} values for data of shape {shape:?}", values.shape());
        return Err(node.invalid(problem));
    }
    let mut aligned = vec![1; shape.len()];
    aligned[1] = shape[1];
    Ok(values.reshape(&aligned))
}

/// Mean 0 and variance 1 over all dimensions from `axis` on, then scale and bias.
pub fn layer<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    if node.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(node.unsupported("the second or third output is used"));
    }
    let x = call.tensor_of_rank(0, 1)?;
    let shape = x.shape();
    let axis = node.axis(node.int("axis", -1), shape.len())?;
    let columns = shape[axis..].iter().product();
    let rows = x.reshape(&[shape[..axis].iter().product(), columns]);
    let epsilon = node.float("epsilon", 1e-5);
    let normalized = rows.apply(&Normalize { epsilon }).reshape(&shape);
    let affine = |values: Option<Tensor<E>>, name: &str| match values {
        Some(v) if crate::train::host::broadcast(&shape, &v.shape()).as_ref() != Some(&shape) => {
            let problem = format!("{name} of shape {:?} for data of {shape:?}", v.shape());
            Err(node.invalid(problem))
        }
        values => Ok(values),
    };
    let scaled = match affine(call.optional_tensor(1), "a scale")? {
        Some(scale) => normalized.times(scale),
        None => normalized,
    };
    let shifted = match affine(call.optional_tensor(2), "a bias")? {
        Some(bias) => scaled.plus(bias),
        None => scaled,
    };
    call.one(shifted)
}

/// Mean 0 and variance 1 per sample and channel, then scale and bias.
pub fn instance<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor_of_rank(0, 3)?;
    let (scale, bias) = (channels(call, 1, &x)?, channels(call, 2, &x)?);
    let groups = x.shape()[1];
    call.one(grouped(call.node, x, groups)?.times(scale).plus(bias))
}

/// Mean 0 and variance 1 per sample and group of channels, then scale and bias: one a group up to
/// opset 20, one a channel after.
pub fn group<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    let x = call.tensor_of_rank(0, 3)?;
    let count = usize::try_from(node.int("num_groups", 0)).unwrap_or(0);
    if count == 0 || x.shape()[1] % count != 0 {
        let problem = format!("{count} groups of {} channels", x.shape()[1]);
        return Err(node.invalid(problem));
    }
    let width = x.shape()[1] / count;
    let affine = |values: Tensor<E>| {
        let repeated = match node.opset < 21 && values.shape() == [count] {
            true => values.reshape(&[count, 1]).expand(&[count, width]).reshape(&[count * width]),
            false => values,
        };
        per_channel(node, repeated, &x)
    };
    let (scale, bias) = (affine(call.tensor(1)?)?, affine(call.tensor(2)?)?);
    call.one(grouped(node, x.clone(), count)?.times(scale).plus(bias))
}

fn grouped<E: Engine>(node: &Node, x: Tensor<E>, groups: usize) -> Result<Tensor<E>> {
    let shape = x.shape();
    let rows = shape[0] * groups;
    let flat = x.reshape(&[rows, shape.iter().product::<usize>() / rows.max(1)]);
    Ok(flat.apply(&Normalize { epsilon: node.float("epsilon", 1e-5) }).reshape(&shape))
}

/// `x / (bias + alpha / size * s) ^ beta`, `s` the squares summed over `size` channels around each
/// (Krizhevsky et al. 2012).
pub fn local_response<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    let size = usize::try_from(node.int("size", 0)).unwrap_or(0);
    if size == 0 {
        return Err(node.invalid("it has no size"));
    }
    let x = call.tensor_of_rank(0, 3)?;
    let channels = x.shape()[1];
    let squares = x.clone().times(x.clone());
    // The window of channel c reaches from c - (size - 1) / 2 to c + size / 2.
    let before = (size - 1) / 2;
    let sums = (0..channels).map(|c| {
        let (start, end) = (c.saturating_sub(before), (c + size / 2 + 1).min(channels));
        squares.clone().narrow(1, start, end).sum(&[1])
    });
    let total = Tensor::concat(sums.collect(), 1);
    let alpha = f64::from(node.float("alpha", 1e-4)) / size as f64;
    let (beta, bias) = (node.float("beta", 0.75), node.float("bias", 1.0));
    let base = total.mul_scalar(alpha).add_scalar(bias.into());
    call.one(x.times(base.map(|t| E::float_powf_scalar(t, Scalar::Float(-f64::from(beta))))))
}

/// Rows of mean 0 and variance 1, see `Kernels::normalize`.
#[derive(Clone, Debug)]
struct Normalize {
    epsilon: f32,
}

impl Operation<1> for Normalize {
    /// The output, and one over the rows' deviations.
    type Saved<B: Base> = [FloatTensor<B>; 2];

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, [FloatTensor<B>; 2]) {
        let (y, inverse) = B::normalize(x, self.epsilon);
        (y.clone(), [y, inverse])
    }

    fn backward<B: Base>(
        &self,
        [y, inverse]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::normalize_input(y, inverse, gradient))]
    }
}
