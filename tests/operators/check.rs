//! Compares the trainer with ONNX Runtime, forward, and with numeric gradients, backward.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn_autodiff::Autodiff;
use forget_audit::onnx::proto::onnx::tensor_proto::DataType;
use forget_audit::runtime::{Batch, BatchValues, Device, Output, Runtime, RuntimeOptions, Session};
use forget_audit::train::{
    BatchNorm, Bound, Cpu, Engine, Host, HostData, Program, Statistics, Tensor, Value, gradients_of,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::case::{Case, Data, Operand, Role};

/// Largest difference of a value, absolute below one and relative above. Both sides compute in
/// `f32`, whose rounding is 6e-8; sums over up to 150 products in another order differ by some ten
/// roundings of the largest partial sum, and approximations of `exp`, `tanh` and `erf` by a few
/// more. The largest seen is 1.3e-6; the rest is for other processors' instructions.
const FORWARD: f32 = 1e-5;
/// The same for gradients. Steps of 1/64 and 1/128, extrapolated, leave an error of the fourth
/// order (below 1e-6 for most functions of this size), but amplify the rounding of the runtime's
/// own sums by the step's inverse: the largest seen is 1.2e-4.
const BACKWARD: f64 = 5e-4;
const STEP: f32 = 1.0 / 64.0;
/// Gradients compared for each operand.
const SAMPLES: usize = 24;

/// ONNX Runtime on the CPU.
pub fn runtime() -> Runtime {
    let options = RuntimeOptions { device: Device::Cpu, threads: Some(1), ..Default::default() };
    Runtime::load(&options).expect("ONNX Runtime")
}

/// What went wrong with `case`, if anything.
pub fn fault(runtime: &Runtime, case: &Case) -> Option<String> {
    let problem = compare(runtime, case, case, BatchNorm::Frozen).err()?;
    let shapes: Vec<String> = case
        .operands
        .iter()
        .map(|o| o.as_ref().map_or("-".into(), |o| format!("{:?} {:?}", o.role, o.shape)))
        .collect();
    Some(format!("{} at opset {} ({}): {problem}", case.op, case.opset, shapes.join(", ")))
}

/// Compares `case` in the trainer with `model` in ONNX Runtime, which has the same operands that
/// are fed.
pub fn compare(
    runtime: &Runtime,
    model: &Case,
    case: &Case,
    batch_norm: BatchNorm,
) -> Result<(), String> {
    let text = |e: forget_audit::Error| e.to_string();
    let mut session = runtime.plain_session(model.float_model()).map_err(text)?;
    let expected = reference(&mut session, model)?;

    let found = run::<Cpu>(case, &Default::default(), batch_norm).map_err(text)?.0;
    for (i, (expected, found)) in expected.iter().zip(&found).enumerate() {
        same(expected, found.clone().into_host().map_err(text)?)
            .map_err(|problem| format!("output {i}: {problem}"))?;
    }

    types(runtime, model, &found)?;
    let checked = || case.named().filter(|(_, operand)| operand.role == Role::Checked);
    if checked().next().is_none() {
        return Ok(());
    }
    let weights: Vec<Vec<f32>> =
        expected.iter().enumerate().map(|(i, output)| weights(&output.values, i as u64)).collect();
    let gradients = gradients(case, &weights, batch_norm).map_err(text)?;
    for (name, operand) in checked() {
        // An operand that nothing is passed on to has a gradient of 0.
        let zeros = || vec![0.0; operand.shape.iter().product()];
        let found = gradients.get(&name).cloned().unwrap_or_else(zeros);
        compare_gradient(&mut session, model, &weights, &name, operand, &found)?;
    }
    Ok(())
}

/// Fixed weights of an output's elements in the loss; infinite elements are left out of it.
fn weights(values: &[f32], seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut weight = |v: &f32| if v.is_finite() { random.random_range(-1.0..1.0) } else { 0.0 };
    values.iter().map(&mut weight).collect()
}

/// ONNX Runtime's outputs.
fn reference(session: &mut Session, case: &Case) -> Result<Vec<Output>, String> {
    let fed = case.named().filter(|(_, operand)| operand.role != Role::Stored);
    let feeds = fed
        .map(|(name, operand)| Batch {
            name,
            shape: operand.shape.clone(),
            values: match &operand.data {
                Data::Float(values) => BatchValues::Float(values.clone()),
                Data::Int(values) => BatchValues::Integer(values.clone()),
                Data::Bool(_) => panic!("sessions take no truth values: store them"),
            },
        })
        .collect();
    session.run(feeds, &case.output_names()).map_err(|e| e.to_string())
}

/// The trainer's outputs and statistics; `tracked` replaces fed operands.
pub fn run<E: Engine>(
    case: &Case,
    tracked: &BTreeMap<String, Tensor<E>>,
    batch_norm: BatchNorm,
) -> forget_audit::Result<(Vec<Value<E>>, Vec<Statistics>)> {
    let program = Program::new(&case.model())?;
    let device = Default::default();
    let bound = Bound::<E>::new(&program, &case.output_names(), &HashSet::new(), device)?;
    let mut inputs = HashMap::new();
    for (name, operand) in case.named().filter(|(_, operand)| operand.role != Role::Stored) {
        let value = match (tracked.get(&name), &operand.data) {
            (Some(tensor), _) => Value::Float(tensor.clone()),
            (None, Data::Float(values)) => {
                let values = values.clone();
                Value::Float(Tensor::from_values(values, &operand.shape, bound.device()))
            }
            (None, data) => Value::Host(Host {
                shape: operand.shape.clone(),
                data: match data {
                    Data::Int(values) => HostData::Int(values.clone()),
                    Data::Bool(values) => HostData::Bool(values.clone()),
                    Data::Float(values) => HostData::Float(values.clone()),
                },
            }),
        };
        inputs.insert(name, value);
    }
    bound.run(inputs, &BTreeMap::new(), batch_norm)
}

fn same(expected: &Output, found: Host) -> Result<(), String> {
    if expected.shape != found.shape {
        return Err(format!("shape {:?}, the runtime's is {:?}", found.shape, expected.shape));
    }
    let found = found.to_floats();
    for (i, (&e, &f)) in expected.values.iter().zip(&found).enumerate() {
        let close = (e - f).abs() <= FORWARD * e.abs().max(1.0);
        if !(close || e == f || (e.is_nan() && f.is_nan())) {
            return Err(format!("element {i} is {f}, the runtime's {e}"));
        }
    }
    Ok(())
}

/// Sees that the trainer's outputs are of the types that ONNX Runtime infers: it refuses models
/// whose outputs are declared otherwise.
fn types(runtime: &Runtime, case: &Case, found: &[Value<Cpu>]) -> Result<(), String> {
    let possible = |value: &Value<Cpu>| match value {
        Value::Host(Host { data: HostData::Int(_), .. }) => {
            [DataType::INT64, DataType::INT32, DataType::UINT8]
        }
        Value::Host(Host { data: HostData::Bool(_), .. }) => [DataType::BOOL; 3],
        _ => [DataType::FLOAT, DataType::DOUBLE, DataType::DOUBLE],
    };
    // Only casts give the rarer types, and they have one output.
    let accepted = (0..3).any(|i| {
        let types: Vec<DataType> = found.iter().map(|value| possible(value)[i]).collect();
        runtime.plain_session(case.typed_model(&types)).is_ok()
    });
    match accepted {
        true => Ok(()),
        false => Err("the outputs are of other types than the runtime's".into()),
    }
}

/// The trainer's gradients of `sum(weights * outputs)`.
fn gradients(
    case: &Case,
    weights: &[Vec<f32>],
    batch_norm: BatchNorm,
) -> forget_audit::Result<BTreeMap<String, Vec<f32>>> {
    let device = Default::default();
    let mut tracked = BTreeMap::new();
    for (name, operand) in case.named().filter(|(_, operand)| operand.role == Role::Checked) {
        let Data::Float(values) = &operand.data else { panic!("gradients of floats only") };
        let tensor = Tensor::<Autodiff<Cpu>>::from_values(values.clone(), &operand.shape, &device);
        tracked.insert(name, tensor.require_gradient());
    }
    let mut loss: Option<Tensor<Autodiff<Cpu>>> = None;
    for (value, weights) in run(case, &tracked, batch_norm)?.0.into_iter().zip(weights) {
        if let Value::Float(y) = value {
            let weights = Tensor::from_values(weights.clone(), &y.shape(), &device);
            let part = y.times(weights).sum_all();
            loss = Some(match loss {
                Some(sum) => sum.plus(part),
                None => part,
            });
        }
    }
    let found = loss.map(|loss| gradients_of(loss, &tracked)).unwrap_or_default();
    found
        .into_iter()
        .map(|(name, gradient)| {
            assert_eq!(gradient.shape(), tracked[&name].shape(), "{}: shape of {name}", case.op);
            Ok((name, gradient.into_values()?))
        })
        .collect()
}

/// Compares some elements of a gradient with central differences of ONNX Runtime's outputs.
fn compare_gradient(
    session: &mut Session,
    case: &Case,
    weights: &[Vec<f32>],
    name: &str,
    operand: &Operand,
    found: &[f32],
) -> Result<(), String> {
    let Data::Float(values) = &operand.data else { panic!("gradients of floats only") };
    let index: usize = name[2..].parse().expect("a number");
    let mut loss = |position: usize, value: f32| -> Result<f64, String> {
        let mut moved = case.clone();
        let mut values = values.clone();
        values[position] = value;
        if let Some(operand) = &mut moved.operands[index] {
            operand.data = Data::Float(values);
        }
        let outputs = reference(session, &moved)?;
        Ok(outputs
            .iter()
            .zip(weights)
            .flat_map(|(output, weights)| output.values.iter().zip(weights))
            .filter(|&(_, &w)| w != 0.0)
            .map(|(&y, &w)| f64::from(y) * f64::from(w))
            .sum())
    };
    let mut slope = |position: usize, step: f32| -> Result<f64, String> {
        let (above, below) = (values[position] + step, values[position] - step);
        Ok((loss(position, above)? - loss(position, below)?) / f64::from(above - below))
    };
    for sample in 0..values.len().min(SAMPLES) {
        let position = sample * values.len() / values.len().min(SAMPLES);
        let numeric = (4.0 * slope(position, STEP / 2.0)? - slope(position, STEP)?) / 3.0;
        let found = f64::from(found[position]);
        let close = (numeric - found).abs() <= BACKWARD * numeric.abs().max(1.0);
        if !close {
            return Err(format!(
                "the gradient of {name} at {position} is {found}, numerically {numeric}"
            ));
        }
    }
    Ok(())
}
