//! Nonlinearities.

use burn_backend::tensor::FloatTensor;

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::{Base, Engine, Operation};
use crate::train::tensor::Tensor;
use crate::train::value::Value;

type Outputs<E> = Result<Vec<Value<E>>>;

/// `max(x, 0)`.
pub fn relu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(positive(x))
}

/// `x` above zero, `alpha x` below.
pub fn leaky_relu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (x, alpha) = (call.tensor(0)?, call.node.float("alpha", 0.01));
    let below = negative_part(x.clone()).mul_scalar(alpha.into());
    call.one(positive(x).minus(below))
}

/// `x` above zero, `slope x` below, the slope broadcast to `x`.
pub fn prelu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (x, slope) = (call.tensor(0)?, call.tensor(1)?);
    let shapes = (x.shape(), slope.shape());
    if crate::train::host::broadcast(&shapes.0, &shapes.1).as_ref() != Some(&shapes.0) {
        let problem = format!("a slope of shape {:?} for data of shape {:?}", shapes.1, shapes.0);
        return Err(call.node.invalid(problem));
    }
    let below = negative_part(x.clone()).times(slope);
    call.one(positive(x).minus(below))
}

/// `x` above zero, `alpha (e^x - 1)` below.
pub fn elu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (x, alpha) = (call.tensor(0)?, call.node.float("alpha", 1.0));
    call.one(exponential_below(x, alpha.into(), 1.0))
}

/// `gamma` times ELU, Klambauer et al. 2017.
pub fn selu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let alpha = call.node.float("alpha", 1.673_263_2);
    let gamma = call.node.float("gamma", 1.050_701);
    let x = call.tensor(0)?;
    call.one(exponential_below(x, alpha.into(), 1.0).mul_scalar(gamma.into()))
}

/// `x` above zero, `alpha (e^(x / alpha) - 1)` below.
pub fn celu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (x, alpha) = (call.tensor(0)?, call.node.float("alpha", 1.0));
    call.one(exponential_below(x, alpha.into(), alpha.into()))
}

/// `1 / (1 + e^-x)`.
pub fn sigmoid<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(x.map(E::sigmoid))
}

/// `alpha x + beta` within 0 and 1.
pub fn hard_sigmoid<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (alpha, beta) = (call.node.float("alpha", 0.2), call.node.float("beta", 0.5));
    let x = call.tensor(0)?;
    call.one(hard(x, alpha.into(), beta.into()))
}

/// `x` times HardSigmoid with slope one sixth.
pub fn hard_swish<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(hard(x.clone(), 1.0 / 6.0, 0.5).times(x))
}

/// The hyperbolic tangent.
pub fn tanh<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(x.map(E::float_tanh))
}

/// `x Phi(x)`, exact or by the tanh formula (Hendrycks and Gimpel 2016).
pub fn gelu<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    match call.node.text("approximate", "none") {
        "none" => call.one(x.apply(&Gelu)),
        "tanh" => {
            let cube = x.clone().times(x.clone()).times(x.clone()).mul_scalar(0.044715);
            let inner = x.clone().plus(cube).mul_scalar((2.0 / std::f64::consts::PI).sqrt());
            let gate = inner.map(E::float_tanh).add_scalar(1.0).mul_scalar(0.5);
            call.one(x.times(gate))
        }
        other => Err(call.node.unsupported(format!("the approximation \"{other}\""))),
    }
}

/// `ln(1 + e^x)`.
pub fn softplus<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(log_one_plus_exp(x))
}

/// `x / (1 + |x|)`.
pub fn softsign<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    let size = x.clone().map(E::float_abs).add_scalar(1.0);
    call.one(x.over(size))
}

/// `x tanh(softplus(x))`.
pub fn mish<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(log_one_plus_exp(x.clone()).map(E::float_tanh).times(x))
}

/// `x` within bounds: attributes up to opset 10, inputs after.
pub fn clip<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let bounds = if call.node.opset < 11 {
        let bound = |name| call.node.has(name).then(|| call.node.float(name, 0.0));
        (bound("min"), bound("max"))
    } else {
        (call.optional_number(1)?, call.optional_number(2)?)
    };
    match call.value(0)? {
        Value::Host(host) if !matches!(host.data, crate::train::host::HostData::Float(_)) => {
            let (low, high) = (bounds.0.map(|v| v as i64), bounds.1.map(|v| v as i64));
            let clipped = host.to_ints().into_iter().map(|v| {
                let v = low.map_or(v, |low| v.max(low));
                high.map_or(v, |high| v.min(high))
            });
            let data = crate::train::host::HostData::Int(clipped.collect());
            call.one_host(host.shape, data)
        }
        value => {
            let x = value.into_tensor(call.device);
            call.one(match bounds {
                (None, None) => x,
                (low, high) => x.apply(&Clamp {
                    low: low.unwrap_or(f32::NEG_INFINITY),
                    high: high.unwrap_or(f32::INFINITY),
                }),
            })
        }
    }
}

/// `e^x` divided by its sum along an axis.
pub fn softmax<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    along_rows(call, |rows| rows.apply(&Softmax))
}

/// The logarithm of Softmax.
pub fn log_softmax<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    along_rows(call, |rows| rows.apply(&LogSoftmax))
}

/// The logarithm of Softmax along the last dimension.
pub fn log_softmax_rows<E: Engine>(x: Tensor<E>) -> Tensor<E> {
    x.apply(&LogSoftmax)
}

/// Moves the operator's axis to the end. Up to opset 12 everything from the axis on counts as one.
fn along_rows<E: Engine>(
    call: &mut Call<E>,
    rows: impl FnOnce(Tensor<E>) -> Tensor<E>,
) -> Outputs<E> {
    let x = call.tensor_of_rank(0, 1)?;
    let shape = x.shape();
    if call.node.opset < 13 {
        let axis = call.node.axis(call.node.int("axis", 1), shape.len())?;
        let columns: usize = shape[axis..].iter().product();
        let flat = x.reshape(&[shape[..axis].iter().product(), columns]);
        return call.one(rows(flat).reshape(&shape));
    }
    let axis = call.node.axis(call.node.int("axis", -1), shape.len())?;
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.swap(axis, shape.len() - 1);
    // Swapping two axes is its own inverse.
    call.one(rows(x.permute(&order)).permute(&order))
}

#[derive(Clone, Debug)]
struct Softmax;

impl Operation<1> for Softmax {
    /// The output.
    type Saved<B: Base> = FloatTensor<B>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let last = Tensor::<B>::new(x.clone()).rank() - 1;
        let y = B::softmax(x, last);
        (y.clone(), y)
    }

    fn backward<B: Base>(
        &self,
        y: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::softmax_input(y, gradient))]
    }
}

#[derive(Clone, Debug)]
struct LogSoftmax;

impl Operation<1> for LogSoftmax {
    /// The output.
    type Saved<B: Base> = FloatTensor<B>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let x = Tensor::<B>::new(x);
        let last = x.rank() - 1;
        let shifted = x.clone().minus(x.max(last));
        let total = shifted.clone().map(B::float_exp).sum(&[last]).map(B::float_log);
        let y = shifted.minus(total).into_primitive();
        (y.clone(), y)
    }

    /// `g - softmax sum(g)`.
    fn backward<B: Base>(
        &self,
        y: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        let (y, g) = (Tensor::<B>::new(y), Tensor::<B>::new(gradient));
        let last = y.rank() - 1;
        let total = g.clone().sum(&[last]);
        [Some(g.minus(y.map(B::float_exp).times(total)).into_primitive())]
    }
}

/// Values within bounds, which may be infinite.
#[derive(Clone, Debug)]
struct Clamp {
    low: f32,
    high: f32,
}

impl Operation<1> for Clamp {
    /// The output.
    type Saved<B: Base> = FloatTensor<B>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        let y = B::clamp(x, self.low, self.high);
        (y.clone(), y)
    }

    fn backward<B: Base>(
        &self,
        y: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::clamp_input(y, self.low, self.high, gradient))]
    }
}

#[derive(Clone, Debug)]
struct Gelu;

impl Operation<1> for Gelu {
    /// The input.
    type Saved<B: Base> = FloatTensor<B>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, FloatTensor<B>) {
        (B::exact_gelu(x.clone()), x)
    }

    fn backward<B: Base>(
        &self,
        x: FloatTensor<B>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::exact_gelu_input(x, gradient))]
    }
}

fn positive<E: Engine>(x: Tensor<E>) -> Tensor<E> {
    x.apply(&Clamp { low: 0.0, high: f32::INFINITY })
}

/// `max(-x, 0)`.
fn negative_part<E: Engine>(x: Tensor<E>) -> Tensor<E> {
    positive(x.map(E::float_neg))
}

/// `x` above zero, `alpha (e^(x / scale) - 1)` below; never takes the exponential of a large `x`.
fn exponential_below<E: Engine>(x: Tensor<E>, alpha: f64, scale: f64) -> Tensor<E> {
    let below = negative_part(x.clone()).mul_scalar(-1.0 / scale).map(E::float_exp);
    positive(x).plus(below.add_scalar(-1.0).mul_scalar(alpha))
}

fn hard<E: Engine>(x: Tensor<E>, alpha: f64, beta: f64) -> Tensor<E> {
    let line = x.mul_scalar(alpha).add_scalar(beta);
    line.apply(&Clamp { low: 0.0, high: 1.0 })
}

/// `max(x, 0) + ln(1 + e^-|x|)`, which does not overflow.
fn log_one_plus_exp<E: Engine>(x: Tensor<E>) -> Tensor<E> {
    let rest = x.clone().map(E::float_abs).mul_scalar(-1.0).map(E::float_exp);
    positive(x).plus(rest.map(E::float_log1p))
}
