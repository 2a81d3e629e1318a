//! Plain inference: models over all samples, only their scores read. The floor of `make bench`.
//!
//! `infer DATA THREADS MODEL...`

use std::path::Path;

use forget_audit::activations::{Collector, Source};
use forget_audit::data::{LoadOptions, Part, Rows, load};
use forget_audit::onnx::{Graph, Head, Model};
use forget_audit::runtime::{Device, Runtime, RuntimeOptions};

const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, threads, models @ ..] = arguments.as_slice() else {
        return Err("usage: infer DATA THREADS MODEL...".into());
    };
    let options = LoadOptions::default();
    let threads = Some(threads.parse()?);
    let runtime = Runtime::load(&RuntimeOptions { library: None, device: Device::Cpu, threads })?;
    for path in models {
        let model = Model::open(path)?;
        let graph = Graph::new(&model)?;
        let head = Head::find(&graph)?;
        let data = load(Path::new(data), &graph.inputs(), &options)?;
        let source = Source { data: &data, preprocess: &options.preprocess };
        let mut parts = vec![Part::Train];
        parts.extend(data.test.is_some().then_some(Part::Test));
        let rows = parts
            .into_iter()
            .map(|part| Ok(Rows { part, rows: (0..data.part(part)?.len()).collect() }))
            .collect::<Result<Vec<_>, forget_audit::Error>>()?;
        let groups: Vec<&Rows> = rows.iter().collect();
        let scores = Collector {
            runtime: &runtime,
            source: &source,
            batch_size: Some(BATCH),
            progress: &|_| (),
        }
        .collect(model, &head, &[], &groups)?
        .scores;
        eprintln!("{} scores", scores.nrows());
    }
    Ok(())
}
