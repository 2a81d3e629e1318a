//! `audit inspect`.

use std::path::PathBuf;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use forget_audit::Result;
use forget_audit::activations::{Tap, find_taps};
use forget_audit::data::InputSpec;
use forget_audit::onnx::{Graph, Head, Layer, Model, Pooling, choose_layers, parameters};
use forget_audit::report::clean;
use forget_audit::runtime::{Batch, BatchValues, Runtime};

use super::exit::Exit;
use super::options::{RuntimeArguments, layers as selected};
use super::output::print;

/// Stands in for a dimension that the file leaves open: a size that vision models take.
const OPEN_DIMENSION: usize = 32;

#[derive(Args)]
pub struct Arguments {
    /// The model (ONNX)
    model: PathBuf,
    /// Layers to tap: names and globs, separated by commas [default: chosen from the graph]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    layers: Vec<String>,
    #[command(flatten)]
    runtime: RuntimeArguments,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    let selection = selected(&arguments.layers);
    let model = Model::open(&arguments.model)?;
    let graph = Graph::new(&model)?;
    let head = Head::find(&graph)?;
    let layers = choose_layers(&graph, &head, &selection)?;
    let tensors: Vec<String> = layers.iter().map(|l| l.tensor.clone()).collect();
    let runtime = Runtime::load(&arguments.runtime.options())?;
    let taps = find_taps(&runtime, &graph, &head, &tensors, &zeros)?;
    print(&describe(&model, &graph, &head, &layers, &taps))?;
    Ok(Exit::Passed)
}

/// A batch of zeros: shapes don't depend on values.
fn zeros(inputs: &[InputSpec], samples: usize) -> Result<Vec<Batch>> {
    let batch = |spec: &InputSpec| {
        let mut shape: Vec<usize> = spec.dims.iter().map(|d| d.unwrap_or(OPEN_DIMENSION)).collect();
        if let Some(first) = shape.first_mut() {
            *first = samples;
        }
        let values = BatchValues::Float(vec![0.0; shape.iter().product()]);
        Batch { name: spec.name.clone(), shape, values }
    };
    Ok(inputs.iter().map(batch).collect())
}

fn describe(
    model: &Model,
    graph: &Graph,
    head: &Head,
    layers: &[Layer],
    taps: &[std::result::Result<Tap, String>],
) -> String {
    let counted = parameters(graph, head);
    let total = |encoder: bool| -> usize {
        counted.iter().filter(|p| p.in_encoder == encoder).map(|p| p.len()).sum()
    };
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["layer", "kind", "weighted depth", "pooled by", "width"]);
    for (layer, tap) in layers.iter().zip(taps) {
        let (pooling, width) = match tap {
            Ok(tap) => {
                // `compare` takes one of the two where all its models agree.
                let read = tap.layer.pooling == Pooling::MapMean
                    && graph.pooled_from(&head.features) == Some(layer.tensor.as_str());
                let twin = if read { ", which the head reads" } else { "" };
                (format!("{}{twin}", pooling(tap.layer.pooling)), tap.width.to_string())
            }
            Err(why) => (format!("can't be tapped: {}", clean(why)), String::new()),
        };
        let kind = layer.kind.as_str().to_owned();
        table.add_row([clean(&layer.tensor), kind, layer.depth.to_string(), pooling, width]);
    }
    format!(
        "{}  (opset {}, {})\n\
         head: {} layer(s), \"{}\" {} classes x {} features, read from \"{}\"\n\
         trainable: {} parameters in the encoder, {} in the head\n\n{table}\n",
        clean(&model.path().display().to_string()),
        model.opset(),
        clean(&model.producer()),
        head.layers,
        clean(&head.weight_name),
        head.weight.nrows(),
        head.weight.ncols(),
        clean(&head.input),
        total(true),
        total(false),
    )
}

fn pooling(pooling: Pooling) -> String {
    match pooling {
        Pooling::None => "as it is".into(),
        Pooling::MapMean | Pooling::ChannelsLastMean => "mean over space".into(),
        Pooling::TokenMean => "mean over tokens".into(),
        Pooling::Token(index) => format!("token {index}"),
    }
}
