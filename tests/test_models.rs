//! The trainer on exported networks of many families. `make test-models` exports them; without
//! them, nothing is tested here.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use forget_audit::data::InputSpec;
use forget_audit::onnx::{Graph, Head, Model, Role, patched, trainable};
use forget_audit::runtime::{Batch, BatchValues, Device, Runtime, RuntimeOptions};
use forget_audit::train::{Cpu, Optimizer, Program, Trainer, cross_entropy, parity, random_batch};
use serde_json::Value;

/// Rounding of two implementations in `f32`, relative to an output's largest value. Deep networks
/// with random weights come to some 1e-6; a wrong formula is off by far more than 1e-4.
const TOLERANCE: f64 = 1e-4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-models")
}

/// Runs `test` on every model; fails at the end with all that is wrong.
fn on_every_model(test: impl Fn(&Exported) -> Result<(), String>) {
    let Ok(manifest) = std::fs::read_to_string(folder().join("manifest.json")) else {
        eprintln!("skipped: no exported models; `make test-models` makes them");
        return;
    };
    let manifest: BTreeMap<String, Value> = serde_json::from_str(&manifest).expect("a manifest");
    assert!(!manifest.is_empty());
    let options = RuntimeOptions { device: Device::Cpu, threads: Some(1), ..Default::default() };
    let runtime = Runtime::load(&options).expect("ONNX Runtime");
    let faults: Vec<String> = manifest
        .into_iter()
        .filter_map(|(name, entry)| {
            let file = entry["file"].as_str().expect("a file");
            let model = Model::open(folder().join(file)).expect("a model");
            let fault = test(&Exported { name: &name, model, entry: &entry, runtime: &runtime });
            fault.err().map(|fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

struct Exported<'a> {
    name: &'a str,
    model: Model,
    entry: &'a Value,
    runtime: &'a Runtime,
}

impl Exported<'_> {
    /// Random values for every input, integers within the manifest's range.
    fn batch(&self, samples: usize, seed: u64) -> Vec<Batch> {
        let inputs = self.entry["inputs"].as_object().expect("inputs");
        let dims = |spec: &Value| -> Vec<Option<usize>> {
            let shape = spec["shape"].as_array().expect("a shape");
            shape.iter().map(|d| d.as_u64().map(|d| d as usize)).collect()
        };
        let specs: Vec<InputSpec> = inputs
            .iter()
            .map(|(name, spec)| InputSpec { name: name.clone(), dims: dims(spec) })
            .collect();
        let integer = |name: &str| inputs[name]["dtype"] == "int64";
        let sizes = HashMap::new();
        let mut batch =
            random_batch(&self.model, &specs, integer, &sizes, samples, 1, seed).expect("a batch");
        for Batch { name, values, .. } in &mut batch {
            if let BatchValues::Integer(values) = values {
                let end = inputs[name.as_str()]["range"][1].as_i64().expect("a range");
                assert!(values.iter().all(|v| (0..end).contains(v)), "{name} leaves its range");
            }
        }
        batch
    }
}

#[test]
fn outputs_are_those_of_onnx_runtime() {
    on_every_model(|exported| {
        for (samples, seed) in [(1, 0), (5, 1)] {
            let batch = || Ok(exported.batch(samples, seed));
            let found = parity::<Cpu>(&exported.model, exported.runtime, batch, Default::default())
                .map_err(|e| e.to_string())?;
            for d in found {
                if d.relative > TOLERANCE || d.relative.is_nan() {
                    return Err(format!("{samples} samples: {} off by {:e}", d.output, d.relative));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn own_values_leave_the_file_as_it_is() {
    on_every_model(|exported| {
        let graph = Graph::new(&exported.model).expect("a graph");
        let values: BTreeMap<String, Vec<f32>> =
            trainable(&graph).iter().map(|t| (t.name.to_owned(), t.values())).collect();
        let out = tempfile::tempdir().expect("a folder");
        // Of the same name, so that external data keep theirs too.
        let path = out.path().join(exported.model.path().file_name().expect("a name"));
        let patch = patched(&exported.model, &values).map_err(|e| e.to_string())?;
        patch.write(&path).map_err(|e| e.to_string())?;
        for entry in std::fs::read_dir(out.path()).expect("the folder") {
            let entry = entry.expect("a file");
            let original = std::fs::read(folder().join(entry.file_name())).expect("the original");
            if std::fs::read(entry.path()).expect("the copy") != original {
                return Err(format!("{:?} differs", entry.file_name()));
            }
        }
        Ok(())
    });
}

#[test]
fn one_step_changes_the_weights_and_the_written_model_computes_with_them() {
    let trained = folder().join("trained");
    on_every_model(|exported| {
        std::fs::create_dir_all(&trained).expect("a folder");
        step(exported, &trained).map_err(|e| e.to_string())
    });
}

/// Biases whose gradient is zero but for rounding: a key's adds the same to all of a query's scores,
/// which softmax does not see; the last one of a mixing of tokens adds the same to all channels of a
/// token, which the layer normalisations after it take out.
fn has_no_effect(name: &str) -> bool {
    name.ends_with(".key.bias") || name.ends_with(".mix.0.2.bias")
}

/// Trains one step, writes the model to `to` and compares ONNX Runtime's outputs of the file with
/// the trainer's own.
fn step(exported: &Exported, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let graph = Graph::new(&exported.model)?;
    let classes = Head::find(&graph)?.classes();
    let running = |role| matches!(role, Role::RunningMean | Role::RunningVariance);
    let parameters = trainable(&graph);
    let names: Vec<String> =
        parameters.iter().filter(|t| !running(t.role)).map(|t| t.name.to_owned()).collect();
    let wanted = exported.entry["parameters"].as_u64().expect("a count") as usize;
    let found: usize = parameters.iter().filter(|t| !running(t.role)).map(|t| t.len()).sum();
    // Folded normalisations take and give some; a missed matrix would be far more.
    if found.abs_diff(wanted) * 10 > wanted {
        return Err(format!("{found} trainable values, the network has {wanted}").into());
    }

    let program = Program::new(&exported.model)?;
    let outputs = program.outputs().to_vec();
    let sgd = Optimizer::Sgd { momentum: 0.9 };
    let mut trainer = Trainer::<Cpu>::new(&program, &outputs, &names, Default::default(), sgd)?;
    let before = trainer.values()?;
    let samples = 4;
    let labels: Vec<usize> = (0..samples).map(|i| i % classes).collect();
    trainer.step(exported.batch(samples, 2), 1e-3, |mut scores| {
        Ok(cross_entropy(scores.swap_remove(0), &labels))
    })?;
    let after = trainer.values()?;
    let mut again = Trainer::<Cpu>::new(&program, &outputs, &names, Default::default(), sgd)?;
    again.step(exported.batch(samples, 2), 1e-3, |mut scores| {
        Ok(cross_entropy(scores.swap_remove(0), &labels))
    })?;
    if again.values()? != after {
        return Err("the same step led to other values".into());
    }
    let moves = |name: &String| before[name] != after[name] || has_no_effect(name);
    let still: Vec<&String> = names.iter().filter(|n| !moves(n)).collect();
    if !still.is_empty() {
        return Err(format!("no gradient moved {still:?}").into());
    }

    let path = to.join(format!("{}.onnx", exported.name));
    patched(&exported.model, &after)?.write(&path)?;
    let ours = trainer.evaluate(exported.batch(samples, 3))?.swap_remove(0).into_values()?;
    let mut session = exported.runtime.plain_session(Model::open(&path)?)?;
    let theirs = session.run(exported.batch(samples, 3), &outputs)?.swap_remove(0).values;
    let largest = theirs.iter().fold(0.0f64, |l, &v| l.max(f64::from(v.abs())));
    let pairs = ours.iter().zip(&theirs);
    let off = pairs.fold(0.0f64, |l, (&a, &b)| l.max((f64::from(a) - f64::from(b)).abs()));
    if off.is_nan() || off > TOLERANCE * largest {
        return Err(format!("the written model differs by {off:e} of {largest}").into());
    }
    Ok(())
}
