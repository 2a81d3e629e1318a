//! What several test files share: the fixtures and a way to run them.
#![allow(dead_code)]

pub mod mutate;

use std::path::{Path, PathBuf};

use forget_audit::compare::{Observer, Request, Samples, compare};
use forget_audit::data::{ForgetSpec, LoadOptions};
use forget_audit::onnx::Selection;
use forget_audit::report::Report;
use forget_audit::runtime::{Device, RuntimeOptions};
use forget_audit::verdict::Policy;

pub struct Silent;

impl Observer for Silent {
    fn begin(&self, _: &str, _: usize) {}
    fn advance(&self, _: usize) {}
    fn end(&self) {}
}

/// A path in fixtures/.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A model in fixtures/ by its stem.
pub fn model(stem: &str) -> PathBuf {
    fixture(&format!("{stem}.onnx"))
}

/// Digits, 3 and 8 to be forgotten.
pub fn samples() -> Samples {
    Samples {
        path: fixture("digits.npz"),
        forget: ForgetSpec::classes(vec![3, 8]).expect("two classes"),
        options: LoadOptions::default(),
    }
}

/// A copy of a model in `folder` whose bytes are others, by a doc string: a model is refused as its own
/// reference, and the fixtures have one honest retrain a network.
pub fn twin(stem: &str, folder: &Path) -> PathBuf {
    let bytes = std::fs::read(model(stem)).expect("a model");
    let copy = folder.join("twin.onnx");
    std::fs::write(&copy, [&bytes[..], b"\x32\x04copy"].concat()).expect("written");
    copy
}

pub fn request(original: &str, unlearned: &str, reference: Option<&str>) -> Request {
    Request {
        original: model(original),
        unlearned: model(unlearned),
        reference: reference.map(model),
        samples: Some(samples()),
        selection: Selection::Automatic,
        batch_size: None,
        seed: 0,
        // The expected figures are the CPU's.
        runtime: RuntimeOptions { device: Device::Cpu, ..RuntimeOptions::default() },
        policy: Policy::default(),
    }
}

pub fn report(original: &str, unlearned: &str, reference: Option<&str>) -> Report {
    compare(&request(original, unlearned, reference), &Silent).expect("a report")
}

/// The built binary, in an empty working directory so that nothing is found by chance.
pub fn audit(folder: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("audit").expect("the binary");
    command.current_dir(folder).env_remove("VIRTUAL_ENV").env("NO_COLOR", "1");
    command.timeout(std::time::Duration::from_secs(60));
    command
}
