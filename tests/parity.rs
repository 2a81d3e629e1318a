//! The trainer computes what ONNX Runtime computes on every fixture, and normalisation that is put in
//! for training folds back without a trace.

mod common;

use std::collections::{BTreeMap, HashMap, HashSet};

use forget_audit::onnx::{Model, fold, patched, unnormalized, with_batch_norm};
use forget_audit::runtime::{Batch, BatchValues, Device, Runtime, RuntimeOptions};
use forget_audit::train::{BatchNorm, Bound, Cpu, Program, Tensor, Value, parity, random_batch};

/// Relative to an output's largest value; sums of a few thousand products in another order stay
/// below 1e-5.
const TOLERANCE: f64 = 1e-4;

fn runtime() -> Runtime {
    let options = RuntimeOptions { device: Device::Cpu, ..RuntimeOptions::default() };
    Runtime::load(&options).expect("ONNX Runtime")
}

#[test]
fn the_trainer_agrees_with_onnx_runtime_on_every_fixture() {
    let runtime = runtime();
    let folder = common::fixture("");
    let mut checked = 0;
    for folder in [folder.clone(), folder.join("odd"), folder.join("odd/external")] {
        for path in std::fs::read_dir(folder).expect("a folder").flatten().map(|e| e.path()) {
            let name = path.display().to_string();
            // A path outside the folder and an If are refused, and tested as such elsewhere.
            let refused = name.contains("external-escape") || name.contains("subgraph");
            if path.extension().is_none_or(|e| e != "onnx") || refused {
                continue;
            }
            let model = Model::open(&path).expect("a model");
            let session = runtime.plain_session(model.clone()).expect("a session");
            let inputs = session.inputs();
            let batch = || {
                let integer = |name: &str| session.takes_integers(name);
                random_batch(&model, &inputs, integer, &HashMap::new(), 3, 8, 1)
            };
            let deviations = parity::<Cpu>(&model, &runtime, batch, Default::default());
            for d in deviations.unwrap_or_else(|e| panic!("{name}: {e}")) {
                // Half precision is computed in single by the trainer, in half by the runtime:
                // a relative 2^-11 an operation.
                let tolerance = if name.contains("fp16") { 1e-2 } else { TOLERANCE };
                assert!(d.relative <= tolerance, "{name}: {d:?}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 30, "{checked} fixtures");
}

fn scores(model: &Model, parameters: &BTreeMap<String, Vec<f32>>, image: &[f32]) -> Vec<f32> {
    let program = Program::new(model).expect("a program");
    let names: HashSet<String> = parameters.keys().cloned().collect();
    let device = Default::default();
    let outputs = program.outputs().to_vec();
    let bound = Bound::<Cpu>::new(&program, &outputs, &names, device).expect("bound");
    let tensors = parameters.iter().map(|(name, values)| {
        let shape = &program.constant(name).expect("an initializer").shape;
        (name.clone(), Tensor::from_values(values.clone(), shape, &device))
    });
    let input = Value::Float(Tensor::from_values(image.to_vec(), &[2, 1, 8, 8], &device));
    let inputs = HashMap::from([(program.inputs()[0].clone(), input)]);
    let run = bound.run(inputs, &tensors.collect(), BatchNorm::Frozen).expect("a run");
    run.0[0].clone().into_host().expect("values").to_floats()
}

#[test]
fn normalisation_put_in_for_training_folds_back() {
    let original = Model::open(common::model("conv-original")).expect("a model");
    let (model, added) = with_batch_norm(original.clone(), &unnormalized(&original));
    // A stem and three residual blocks.
    assert!(added.len() >= 7, "{}", added.len());
    // Any values will do, as long as variances are positive.
    let program = Program::new(&model).expect("a program");
    let mut values: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (layer, normalized) in added.iter().enumerate() {
        for name in [&normalized.weight, &normalized.bias] {
            values.insert(name.clone(), program.constant(name).expect("one").to_floats());
        }
        for (part, name) in normalized.parts.iter().enumerate() {
            let length = program.constant(name).expect("one").len();
            let value = |c: usize| 0.8 + 0.1 * ((layer + 3 * part + c) % 5) as f32;
            values.insert(name.clone(), (0..length).map(value).collect());
        }
    }
    let image: Vec<f32> = (0..128).map(|i| (i % 17) as f32 / 17.0).collect();
    let with = scores(&model, &values, &image);
    fold(&mut values, &added).expect("folded");
    assert!(values.keys().all(|name| !name.contains("forget-audit")));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("folded.onnx");
    patched(&original, &values).expect("a patch").write(&path).expect("written");
    let folded = Model::open(&path).expect("a model");
    let mut session = runtime().plain_session(folded).expect("a session");
    let name = session.inputs()[0].name.clone();
    let batch = Batch { name, shape: vec![2, 1, 8, 8], values: BatchValues::Float(image) };
    let output = Program::new(&original).expect("a program").outputs().to_vec();
    let without = session.run(vec![batch], &output).expect("a run").swap_remove(0).values;
    let largest = without.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (a, b) in with.iter().zip(&without) {
        assert!(f64::from((a - b).abs() / largest) <= TOLERANCE, "{a} {b}");
    }
}

#[test]
fn inputs_that_no_memory_holds_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for shape in ["input=4294967296x4294967296", "input=99999999999x256"] {
        let mut command = common::audit(folder.path());
        let output = command.arg("parity").arg(common::model("conv-original"));
        let output = output.args(["--input", shape]).output().expect("a run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("\"input\"") && stderr.contains("--input"), "{stderr}");
    }
}
