//! Operators that make values out of none, and casts.

use crate::Result;
use crate::onnx::proto::onnx::tensor_proto::DataType;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::{Host, HostData};
use crate::train::node::{MOST_ELEMENTS, Node};
use crate::train::program;
use crate::train::value::Value;

/// `Constant`: a tensor, a number or a list of numbers.
pub fn constant<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let node = call.node;
    let host = if let Some(tensor) = node.tensor("value") {
        program::constant(tensor).ok_or_else(|| node.unsupported("a constant of this type"))?
    } else if let Some(values) = node.ints("value_ints") {
        Host::ints(values)
    } else if let Some(values) = node.floats("value_floats") {
        Host { shape: vec![values.len()], data: HostData::Float(values) }
    } else if node.has("value_int") {
        Host::scalar(HostData::Int(vec![node.int("value_int", 0)]))
    } else if node.has("value_float") {
        Host::scalar(HostData::Float(vec![node.float("value_float", 0.0)]))
    } else {
        return Err(node.unsupported("a constant of text or of sparse values"));
    };
    Ok(vec![Value::Host(host)])
}

/// `ConstantOfShape`: zeros where no value is given.
pub fn constant_of_shape<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let lengths = call.ints(0)?;
    let node = call.node;
    let shape = node.shape(&lengths)?;
    let value = match node.tensor("value") {
        Some(tensor) => {
            program::constant(tensor).ok_or_else(|| node.unsupported("a value of this type"))?
        }
        None => Host::scalar(HostData::Float(vec![0.0])),
    };
    if value.len() != 1 {
        return Err(node.invalid(format!("a value of {} elements, not one", value.len())));
    }
    Ok(vec![Value::Host(value.reshape(&[]).expand(&shape))])
}

/// `Range`, of integers or floats.
pub fn range<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let bounds = [call.host(0)?, call.host(1)?, call.host(2)?];
    if bounds.iter().any(|bound| bound.len() != 1) {
        return Err(call.node.invalid("start, limit and delta are not single numbers"));
    }
    let steps = |count: f64| {
        let count = count.ceil().max(0.0);
        let fault = || call.node.invalid("the range has too many or no end of elements");
        (count <= MOST_ELEMENTS as f64).then_some(count as i64).ok_or_else(fault)
    };
    if bounds.iter().all(|bound| bound.as_ints().is_some()) {
        let [start, limit, delta] = bounds.map(|bound| bound.to_ints()[0]);
        let count = steps((limit as f64 - start as f64) / delta as f64)?;
        let values: Vec<i64> = (0..count).map(|i| start + i * delta).collect();
        return call.one_host(vec![values.len()], HostData::Int(values));
    }
    let [start, limit, delta] = bounds.map(|bound| bound.to_floats()[0]);
    let count = steps((f64::from(limit) - f64::from(start)) / f64::from(delta))?;
    let values: Vec<f32> = (0..count).map(|i| start + i as f32 * delta).collect();
    call.one_host(vec![values.len()], HostData::Float(values))
}

/// `Cast`.
pub fn cast<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    let to = call.node.int("to", 0);
    let kind = i32::try_from(to).ok().and_then(<DataType as protobuf::Enum>::from_i32);
    let kind = kind.ok_or_else(|| call.node.invalid(format!("no data type: {to}")))?;
    Ok(vec![converted(call.node, x, kind)?])
}

/// `CastLike`.
pub fn cast_like<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let x = call.value(0)?;
    // Integers are kept as 64 bits, whatever their width in the file.
    let kind = match call.value(1)? {
        Value::Float(_) => DataType::FLOAT,
        Value::Host(like) => match like.data {
            HostData::Int(_) => DataType::INT64,
            HostData::Float(_) => DataType::FLOAT,
            HostData::Bool(_) => DataType::BOOL,
        },
    };
    Ok(vec![converted(call.node, x, kind)?])
}

fn converted<E: Engine>(node: &Node, x: Value<E>, kind: DataType) -> Result<Value<E>> {
    let floats =
        matches!(kind, DataType::FLOAT | DataType::DOUBLE | DataType::FLOAT16 | DataType::BFLOAT16);
    if floats && matches!(x, Value::Float(_)) {
        return Ok(x);
    }
    let host = x.into_host()?;
    // Float to integer truncates toward zero; integer to a narrower one drops the upper bits.
    let narrowed =
        |keep: fn(i64) -> i64| HostData::Int(host.to_ints().into_iter().map(keep).collect());
    let data = match kind {
        _ if floats => HostData::Float(host.to_floats()),
        DataType::BOOL => HostData::Bool(host.to_bools()),
        DataType::INT64 | DataType::UINT64 => HostData::Int(host.to_ints()),
        DataType::INT32 => narrowed(|v| i64::from(v as i32)),
        DataType::UINT32 => narrowed(|v| i64::from(v as u32)),
        DataType::INT16 => narrowed(|v| i64::from(v as i16)),
        DataType::UINT16 => narrowed(|v| i64::from(v as u16)),
        DataType::INT8 => narrowed(|v| i64::from(v as i8)),
        DataType::UINT8 => narrowed(|v| i64::from(v as u8)),
        other => return Err(node.unsupported(format!("a cast to {other:?}"))),
    };
    Ok(Value::Host(Host { shape: host.shape, data }))
}
