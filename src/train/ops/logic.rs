//! Comparisons and masks. Truth values lie on the host; only `Where` passes a gradient on.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{Host, HostData, broadcast};
use crate::train::value::Value;

/// `And`.
pub fn and<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    combine(call, |a, b| a && b)
}

/// `Or`.
pub fn or<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    combine(call, |a, b| a || b)
}

/// `Xor`.
pub fn xor<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    combine(call, |a, b| a != b)
}

/// `Not`.
pub fn not<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.host(0)?;
    let data = HostData::Bool(x.to_bools().into_iter().map(|v| !v).collect());
    call.one_host(x.shape, data)
}

/// `Equal`.
pub fn equal<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    compare(call, |a, b| a == b, |a, b| a == b)
}

/// `Greater`.
pub fn greater<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    compare(call, |a, b| a > b, |a, b| a > b)
}

/// `GreaterOrEqual`.
pub fn greater_or_equal<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    compare(call, |a, b| a >= b, |a, b| a >= b)
}

/// `Less`.
pub fn less<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    compare(call, |a, b| a < b, |a, b| a < b)
}

/// `LessOrEqual`.
pub fn less_or_equal<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    compare(call, |a, b| a <= b, |a, b| a <= b)
}

/// `IsNaN`.
pub fn is_nan<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    each_float(call, f32::is_nan)
}

/// `IsInf`, of either sign or one.
pub fn is_inf<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let negative = call.node.int("detect_negative", 1) != 0;
    let positive = call.node.int("detect_positive", 1) != 0;
    each_float(call, |v| v.is_infinite() && if v > 0.0 { positive } else { negative })
}

/// `Where`. The side that is not chosen gets a gradient of zero, even where it is infinite.
pub fn select<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let condition = call.host(0)?;
    let (x, y) = (call.value(1)?, call.value(2)?);
    let shape = fit(call, &condition.shape, &x.shape())?;
    let shape = fit(call, &shape, &y.shape())?;
    let mask = condition.expand(&shape).to_bools();
    if let (Value::Host(x), Value::Host(y)) = (&x, &y) {
        let (x, y) = (x.expand(&shape), y.expand(&shape));
        let data = match (x.data, y.data) {
            (HostData::Int(x), HostData::Int(y)) => HostData::Int(choose(&mask, &x, &y)),
            (HostData::Bool(x), HostData::Bool(y)) => HostData::Bool(choose(&mask, &x, &y)),
            (HostData::Float(x), HostData::Float(y)) => HostData::Float(choose(&mask, &x, &y)),
            _ => return Err(call.node.invalid("the two sides are of different types")),
        };
        return call.one_host(shape, data);
    }
    let x = x.into_tensor(call.device).expand(&shape);
    let y = y.into_tensor(call.device).expand(&shape);
    call.one(y.replace_where(mask, x))
}

fn choose<T: Copy>(mask: &[bool], x: &[T], y: &[T]) -> Vec<T> {
    mask.iter().zip(x.iter().zip(y)).map(|(&m, (&x, &y))| if m { x } else { y }).collect()
}

fn fit<E: Engine>(call: &Call<E>, a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let fault = || call.node.invalid(format!("shapes {a:?} and {b:?} do not fit each other"));
    broadcast(a, b).ok_or_else(fault)
}

/// Two operands on the host, under the shape that they have together.
fn operands<E: Engine>(call: &mut Call<E>) -> Result<(Host, Host)> {
    let (a, b) = (call.host(0)?, call.host(1)?);
    let shape = fit(call, &a.shape, &b.shape)?;
    Ok((a.expand(&shape), b.expand(&shape)))
}

fn combine<E: Engine>(call: &mut Call<E>, f: fn(bool, bool) -> bool) -> Result<Vec<Value<E>>> {
    let (a, b) = operands(call)?;
    let values = a.to_bools().into_iter().zip(b.to_bools()).map(|(a, b)| f(a, b)).collect();
    call.one_host(a.shape, HostData::Bool(values))
}

/// Integers (and truth values) are compared exactly.
fn compare<E: Engine>(
    call: &mut Call<E>,
    ints: fn(i64, i64) -> bool,
    floats: fn(f32, f32) -> bool,
) -> Result<Vec<Value<E>>> {
    let (a, b) = operands(call)?;
    let values = if a.as_floats().is_some() || b.as_floats().is_some() {
        a.to_floats().into_iter().zip(b.to_floats()).map(|(a, b)| floats(a, b)).collect()
    } else {
        a.to_ints().into_iter().zip(b.to_ints()).map(|(a, b)| ints(a, b)).collect()
    };
    call.one_host(a.shape, HostData::Bool(values))
}

fn each_float<E: Engine>(call: &mut Call<E>, f: impl Fn(f32) -> bool) -> Result<Vec<Value<E>>> {
    let x = call.host(0)?;
    let values = x.to_floats().into_iter().map(f).collect();
    call.one_host(x.shape, HostData::Bool(values))
}
