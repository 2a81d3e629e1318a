//! Arithmetic element by element, broadcast after numpy's rule.

use burn_backend::Scalar;

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{Host, HostData, broadcast};
use crate::train::tensor::Tensor;
use crate::train::value::Value;

type Outputs<E> = Result<Vec<Value<E>>>;

/// `a + b`.
pub fn add<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    Ok(vec![binary(call, a, b, Tensor::plus, |a, b| a.checked_add(b), |a, b| a + b)?])
}

/// `a - b`.
pub fn sub<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    Ok(vec![binary(call, a, b, Tensor::minus, |a, b| a.checked_sub(b), |a, b| a - b)?])
}

/// `a * b`.
pub fn mul<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    Ok(vec![binary(call, a, b, Tensor::times, |a, b| a.checked_mul(b), |a, b| a * b)?])
}

/// `a / b`; integers truncate.
pub fn div<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (call.value(0)?, call.value(1)?);
    Ok(vec![binary(call, a, b, Tensor::over, |a, b| a.checked_div(b), |a, b| a / b)?])
}

/// The remainder: of the divisor's sign, or with `fmod` of the dividend's. Host values only.
pub fn modulo<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (Value::Host(call.host(0)?), Value::Host(call.host(1)?));
    let fmod = call.node.int("fmod", 0) != 0;
    let ints = |a: i64, b: i64| match (fmod, a.checked_rem(b)?) {
        (false, rest) if rest != 0 && (rest < 0) != (b < 0) => Some(rest + b),
        (_, rest) => Some(rest),
    };
    let floats = |a: f32, b: f32| match (fmod, a % b) {
        (false, rest) if rest != 0.0 && (rest < 0.0) != (b < 0.0) => rest + b,
        (_, rest) => rest,
    };
    Ok(vec![binary(call, a, b, Tensor::minus, ints, floats)?])
}

/// `base ^ exponent`.
pub fn pow<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (base, exponent) = (call.value(0)?, call.value(1)?);
    if let (Value::Float(base), Value::Host(power)) = (&base, &exponent)
        && let [power] = power.to_floats()[..]
    {
        let (base, power) = (base.clone(), f64::from(power));
        if power.is_infinite() || power.abs() > f64::from(i32::MAX) {
            return Err(call.node.unsupported(format!("the exponent {power}")));
        }
        return call.one(match power {
            // Repeated products: exact, and defined for negative bases.
            1.0 => base,
            2.0 => base.clone().times(base),
            3.0 => base.clone().times(base.clone()).times(base),
            0.5 => base.map(E::float_sqrt),
            _ => base.map(|t| E::float_powf_scalar(t, Scalar::Float(power))),
        });
    }
    let ints = |a: i64, b: i64| a.checked_pow(u32::try_from(b).ok()?);
    let tensors = |a: Tensor<E>, b: Tensor<E>| a.zip(b, E::float_powf);
    Ok(vec![binary(call, base, exponent, tensors, ints, f32::powf)?])
}

/// The sum of all operands.
pub fn sum<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    fold(call, Tensor::plus, |a, b| a.checked_add(b), |a, b| a + b)
}

/// The mean of all operands.
pub fn mean<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let count = call.count().max(1) as f64;
    let total = sum(call)?.swap_remove(0).into_tensor(call.device);
    call.one(total.mul_scalar(1.0 / count))
}

/// The largest of all operands; the gradient goes to the first where several are equal.
pub fn max<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let tensors = |a: Tensor<E>, b: Tensor<E>| a.zip(b, |a, b| larger::<E>(a, b));
    fold(call, tensors, |a, b| Some(a.max(b)), f32::max)
}

/// The smallest of all operands; the gradient goes to the first where several are equal.
pub fn min<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let tensors = |a: Tensor<E>, b: Tensor<E>| {
        let (a, b) = (a.map(E::float_neg), b.map(E::float_neg));
        a.zip(b, |a, b| larger::<E>(a, b)).map(E::float_neg)
    };
    fold(call, tensors, |a, b| Some(a.min(b)), f32::min)
}

/// `a` where it is not smaller than `b`, else `b`.
fn larger<E: Engine>(
    a: burn_backend::tensor::FloatTensor<E>,
    b: burn_backend::tensor::FloatTensor<E>,
) -> burn_backend::tensor::FloatTensor<E> {
    let (a, b) = (Tensor::<E>::new(a), Tensor::<E>::new(b));
    let shape = broadcast(&a.shape(), &b.shape()).unwrap_or_else(|| a.shape());
    let (a, b) = (a.expand(&shape).into_primitive(), b.expand(&shape).into_primitive());
    let mask = E::float_greater(b.clone(), a.clone(), burn_backend::BoolDType::Native);
    E::float_mask_where(a, mask, b)
}

fn fold<E: Engine>(
    call: &mut Call<E>,
    tensors: impl Fn(Tensor<E>, Tensor<E>) -> Tensor<E> + Copy,
    ints: impl Fn(i64, i64) -> Option<i64> + Copy,
    floats: impl Fn(f32, f32) -> f32 + Copy,
) -> Outputs<E> {
    let mut operands = call.all().into_iter();
    let first = operands.next().ok_or_else(|| call.node.invalid("it has no inputs"))?;
    let all = operands.try_fold(first, |a, b| binary(call, a, b, tensors, ints, floats))?;
    Ok(vec![all])
}

/// Applies the form that fits the operands: tensors on the device, integers, or floats on the host.
fn binary<E: Engine>(
    call: &Call<E>,
    a: Value<E>,
    b: Value<E>,
    tensors: impl Fn(Tensor<E>, Tensor<E>) -> Tensor<E>,
    ints: impl Fn(i64, i64) -> Option<i64>,
    floats: impl Fn(f32, f32) -> f32,
) -> Result<Value<E>> {
    let (left, right) = (a.shape(), b.shape());
    let shape = broadcast(&left, &right).ok_or_else(|| {
        call.node.invalid(format!("shapes {left:?} and {right:?} can't be broadcast"))
    })?;
    let (a, b) = match (a, b) {
        (Value::Host(a), Value::Host(b)) => (a.expand(&shape), b.expand(&shape)),
        (a, b) => {
            let (a, b) = (a.into_tensor(call.device), b.into_tensor(call.device));
            return Ok(Value::Float(tensors(a, b)));
        }
    };
    let data = match (&a.data, &b.data) {
        (HostData::Float(_), _) | (_, HostData::Float(_)) => {
            let pairs = a.to_floats().into_iter().zip(b.to_floats());
            HostData::Float(pairs.map(|(a, b)| floats(a, b)).collect())
        }
        _ => {
            let pairs = a.to_ints().into_iter().zip(b.to_ints());
            let results: Option<Vec<i64>> = pairs.map(|(a, b)| ints(a, b)).collect();
            let undefined = "an integer result is not defined or does not fit 64 bits";
            HostData::Int(results.ok_or_else(|| call.node.invalid(undefined))?)
        }
    };
    Ok(Value::Host(Host { shape, data }))
}

/// One operand: a tensor on the device, or numbers on the host. ONNX has most of these operators
/// for floats only; the others are [`signed`].
fn unary<E: Engine>(
    call: &mut Call<E>,
    tensor: impl FnOnce(Tensor<E>) -> Tensor<E>,
    number: impl Fn(f64) -> f64,
) -> Outputs<E> {
    signed(call, tensor, &number, |v| number(v as f64) as i64)
}

/// As [`unary`], exact on integers.
fn signed<E: Engine>(
    call: &mut Call<E>,
    tensor: impl FnOnce(Tensor<E>) -> Tensor<E>,
    number: impl Fn(f64) -> f64,
    integer: impl Fn(i64) -> i64,
) -> Outputs<E> {
    match call.value(0)? {
        Value::Float(x) => call.one(tensor(x)),
        Value::Host(Host { shape, data: HostData::Float(values) }) => {
            let values = values.into_iter().map(|v| number(v.into()) as f32).collect();
            call.one_host(shape, HostData::Float(values))
        }
        Value::Host(host) => {
            let values = host.to_ints().into_iter().map(integer).collect();
            call.one_host(host.shape, HostData::Int(values))
        }
    }
}

/// `|x|`.
pub fn abs<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    signed(call, |x| x.map(E::float_abs), f64::abs, i64::wrapping_abs)
}

/// `-x`.
pub fn neg<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    signed(call, |x| x.map(E::float_neg), |x| -x, i64::wrapping_neg)
}

/// `1 / x`.
pub fn reciprocal<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_recip), f64::recip)
}

/// The square root.
pub fn sqrt<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_sqrt), f64::sqrt)
}

/// `e ^ x`.
pub fn exp<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_exp), f64::exp)
}

/// The natural logarithm.
pub fn log<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_log), f64::ln)
}

/// The sine.
pub fn sin<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_sin), f64::sin)
}

/// The cosine.
pub fn cos<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_cos), f64::cos)
}

/// The error function.
pub fn erf<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor(0)?;
    call.one(x.map(E::float_erf))
}

/// The largest integer not above `x`.
pub fn floor<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_floor), f64::floor)
}

/// The smallest integer not below `x`.
pub fn ceil<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_ceil), f64::ceil)
}

/// The nearest integer, halves to the even one.
pub fn round<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    unary(call, |x| x.map(E::float_round), f64::round_ties_even)
}

/// -1, 0 or 1.
pub fn sign<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let number = |x: f64| if x == 0.0 { 0.0 } else { x.signum() };
    signed(call, |x| x.map(E::float_sign), number, i64::signum)
}
