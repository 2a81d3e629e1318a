//! `audit parity`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use forget_audit::activations::Source;
use forget_audit::config::DataConfig;
use forget_audit::data::{Part, load};
use forget_audit::onnx::{Graph, Model};
use forget_audit::report::clean;
use forget_audit::runtime::{Batch, Runtime};
use forget_audit::train::{
    BackendDevice, Base, Deviation, OnDevice, on_device, parity, random_batch,
};
use forget_audit::{Error, Result};

use super::exit::Exit;
use super::images::ImageArguments;
use super::inputs::Inputs;
use super::options::{RuntimeArguments, not_negative};
use super::output::{Destination, print};

/// Stands in for a dimension that the file leaves open: a size that vision models take.
const OPEN_DIMENSION: usize = 32;

#[derive(Args)]
pub struct Arguments {
    /// The model (ONNX), a classifier or not
    model: PathBuf,
    /// Samples: .npz with x_train, y_train and so on, or a folder of images [default: random
    /// values]
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// The shape of an input, e.g. image=2x3x224x224
    #[arg(long, value_name = "NAME=SHAPE", value_parser = shape, conflicts_with = "data")]
    input: Vec<(String, Vec<usize>)>,
    /// Samples in the batch, where the model leaves it open
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// The largest relative deviation that passes
    #[arg(long, default_value_t = 1e-4, value_parser = not_negative)]
    tolerance: f64,
    /// Seed of the random values
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the result goes as JSON, - for stdout in place of the table
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArguments,
    #[command(flatten)]
    runtime: RuntimeArguments,
}

fn shape(text: &str) -> std::result::Result<(String, Vec<usize>), String> {
    let expected = "expected NAME=SHAPE, e.g. image=2x3x224x224";
    let (name, shape) = text.rsplit_once('=').ok_or(expected)?;
    let lengths = shape.split('x').map(|d| d.parse().ok().filter(|&d: &usize| d > 0));
    let lengths: Option<Vec<usize>> = lengths.collect();
    Ok((name.to_owned(), lengths.ok_or(expected)?))
}

/// The result as JSON.
#[derive(serde::Serialize)]
struct Outcome<'a> {
    model: String,
    sha256: &'a str,
    tolerance: f64,
    passed: bool,
    outputs: &'a [Deviation],
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let stdout = Path::new("-");
    let inputs = Inputs::default().models([&arguments.model]).others(&arguments.data);
    let file = arguments.json.as_deref().filter(|p| *p != stdout);
    let file = file.map(|path| Destination::prepare(path, &inputs)).transpose()?;
    let model = Model::open(&arguments.model)?;
    let runtime = Runtime::load(&arguments.runtime.options())?;
    let session = runtime.plain_session(model.clone())?;
    let inputs = session.inputs();
    let samples = usize::from(arguments.batch_size);
    let sizes: HashMap<String, Vec<usize>> = arguments.input.iter().cloned().collect();
    if let Some(unknown) = sizes.keys().find(|n| !inputs.iter().any(|i| i.name == **n)) {
        let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
        let problem = format!("the model has no input \"{unknown}\"");
        return Err(Error::input("--input", problem, format!("it has {}", names.join(", "))));
    }
    let options = arguments.images.options(&DataConfig::default())?;
    if let (None, Some(option)) = (&arguments.data, arguments.images.given()) {
        return Err(Error::input(
            option,
            "says how samples are read, but no samples are named",
            "give --data PATH, or leave the option out",
        ));
    }
    let data = match &arguments.data {
        Some(path) => Some(load(path, &Graph::new(&model)?.inputs(), &options)?),
        None => None,
    };
    let batch = || -> Result<Vec<Batch>> {
        match &data {
            Some(data) => {
                let source = Source { data, preprocess: &options.preprocess };
                let fixed = inputs.iter().find_map(|i| i.dims.first().copied().flatten());
                let count = fixed.unwrap_or(samples).min(data.part(Part::Train)?.len());
                source.feeds(Part::Train, &inputs, &(0..count).collect::<Vec<_>>())
            }
            None => {
                let integers = |name: &str| session.takes_integers(name);
                let seed = arguments.seed;
                random_batch(&model, &inputs, integers, &sizes, samples, OPEN_DIMENSION, seed)
            }
        }
    };
    let work = Parity { model: &model, runtime: &runtime, batch: &batch };
    let deviations = on_device(arguments.runtime.options().device, work)?;
    let passed = deviations.iter().all(|d| d.relative <= arguments.tolerance);
    let outcome = Outcome {
        model: model.path().display().to_string(),
        sha256: model.sha256(),
        tolerance: arguments.tolerance,
        passed,
        outputs: &deviations,
    };
    let json = || {
        let text = serde_json::to_string_pretty(&outcome);
        text.map(|t| t + "\n").map_err(|e| Error::internal(format!("writing JSON: {e}")))
    };
    if let Some(file) = &file {
        file.write(&json()?)?;
    }
    if arguments.json.as_deref() == Some(stdout) {
        print(&json()?)?;
    } else {
        print(&table(&deviations, arguments.tolerance, passed))?;
    }
    Ok(if passed { Exit::Passed } else { Exit::Failed })
}

/// The comparison, on whichever device.
struct Parity<'a> {
    model: &'a Model,
    runtime: &'a Runtime,
    batch: &'a dyn Fn() -> Result<Vec<Batch>>,
}

impl OnDevice for Parity<'_> {
    type Output = Vec<Deviation>;

    fn run<B: Base>(self, device: BackendDevice<B>) -> Result<Vec<Deviation>> {
        parity::<B>(self.model, self.runtime, self.batch, device)
    }
}

fn table(deviations: &[Deviation], tolerance: f64, passed: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["output", "shape", "absolute", "relative", "not finite"]);
    for d in deviations {
        let shape: Vec<String> = d.shape.iter().map(usize::to_string).collect();
        table.add_row([
            clean(&d.output),
            shape.join("x"),
            format!("{:.1e}", d.absolute),
            format!("{:.1e}", d.relative),
            d.not_finite.to_string(),
        ]);
    }
    let verdict = match passed {
        true => format!("the trainer agrees with ONNX Runtime to {tolerance:.0e}"),
        false => format!("the trainer differs from ONNX Runtime by more than {tolerance:.0e}"),
    };
    format!("{table}\n\n{verdict}\n")
}
