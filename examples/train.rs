//! Training steps on an ONNX model: forward, cross-entropy, backward, SGD with momentum. Prints, as
//! JSON, what benches/training.py prints of PyTorch. On Linux.
//!
//! `train MODEL.onnx BATCH STEPS THREADS`

use std::time::Instant;

use forget_audit::onnx::{Graph, Head, Model, trainable};
use forget_audit::runtime::{Batch, BatchValues};
use forget_audit::train::{Cpu, Optimizer, Program, Trainer, cross_entropy};

/// Steps before the clock counts.
const WARM_UP: usize = 2;
const IMAGE: [usize; 3] = [3, 32, 32];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, batch, steps, threads] = arguments.as_slice() else {
        return Err("usage: train MODEL.onnx BATCH STEPS THREADS".into());
    };
    let (batch, steps): (usize, usize) = (batch.parse()?, steps.parse()?);
    rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;

    let model = Model::open(model)?;
    let graph = Graph::new(&model)?;
    let classes = Head::find(&graph)?.classes();
    let input = graph.inputs()[0].to_owned();
    let parameters: Vec<String> = trainable(&graph).iter().map(|t| t.name.to_owned()).collect();
    forget_audit::memory::keep_blocks();
    let program = Program::new(&model)?;
    let sgd = Optimizer::Sgd { momentum: 0.9 };
    let outputs = program.outputs().to_vec();
    let mut trainer =
        Trainer::<Cpu>::new(&program, &outputs, &parameters, Default::default(), sgd)?;

    let labels: Vec<usize> = (0..batch).map(|i| i % classes).collect();
    let pixels = batch * IMAGE.iter().product::<usize>();
    let image: Vec<f32> = (0..pixels).map(|i| (i as f32 * 0.7).sin()).collect();
    let mut seconds = Vec::new();
    let mut before = 0.0;
    for step in 0..WARM_UP + steps {
        if step == WARM_UP {
            before = cpu_seconds()?;
        }
        let started = Instant::now();
        let values = BatchValues::Float(image.clone());
        let shape = [&[batch], &IMAGE[..]].concat();
        let feed = vec![Batch { name: input.clone(), shape, values }];
        trainer.step(feed, 1e-3, |mut scores| Ok(cross_entropy(scores.swap_remove(0), &labels)))?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    let mut timed = seconds.split_off(WARM_UP);
    let all = timed.clone();
    timed.sort_by(f64::total_cmp);
    let cpu = (cpu_seconds()? - before) / steps as f64;
    let result = serde_json::json!({
        "step_seconds": timed[timed.len() / 2],
        "cpu_seconds": cpu,
        "all_seconds": all,
        "peak_mib": peak_mib()?,
    });
    println!("{result}");
    Ok(())
}

/// CPU time of all threads so far, as Linux counts it: in hundredths of a second.
fn cpu_seconds() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The program's name, in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').ok_or("no program name in /proc/self/stat")?;
    let times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(times.sum::<Result<f64, _>>()? / 100.0)
}

/// The peak of resident memory so far.
fn peak_mib() -> Result<f64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
