//! `audit retrain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forget_audit::Result;
use forget_audit::onnx::patched;
use forget_audit::train::{Optimizer, check_device, on_device};
use forget_audit::unlearn::{Normalization, Recipe, Retraining, Shift, Task, TaskRequest};

use super::data::DataArguments;
use super::exit::Exit;
use super::inputs::Inputs;
use super::options::{
    DisplayArguments, RuntimeArguments, decay_rate, not_negative, positive, share, size,
};
use super::output::{Destination, print_notes};
use super::settings::{self, ConfigArguments};
use super::training::TrainingBars;

#[derive(Args)]
pub struct Arguments {
    /// The model whose graph is trained anew (ONNX) [default: the original of audit.toml]
    model: Option<PathBuf>,
    /// Where the retrained model goes
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    recipe: RecipeArguments,
    /// Seed of the fresh weights, of the order of samples, and of the split of data in one set or of
    /// listed samples: the one that compare splits by [default: 0]
    #[arg(long, help_heading = "Training")]
    seed: Option<u64>,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    runtime: RuntimeArguments,
    #[command(flatten)]
    display: DisplayArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Training")]
struct RecipeArguments {
    /// Passes over the retain samples
    #[arg(long, default_value_t = 60)]
    epochs: usize,
    /// The largest step size; it rises at first, then falls along half a cosine
    #[arg(long, default_value_t = 3e-3, value_parser = positive)]
    learning_rate: f64,
    /// adam, or sgd with --momentum
    #[arg(long, value_enum, default_value_t = OptimizerName::Adam)]
    optimizer: OptimizerName,
    /// Momentum of sgd
    #[arg(long, default_value_t = 0.9, value_parser = decay_rate)]
    momentum: f64,
    /// Weight decay
    #[arg(long, default_value_t = 0.05, value_parser = not_negative)]
    weight_decay: f64,
    /// Longer gradients are scaled down to this length
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    clip: f64,
    /// Samples a step
    #[arg(long, default_value_t = 64, value_parser = size)]
    batch_size: usize,
    /// Share of all steps in which the step size rises
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    warm_up: f64,
    /// Images are moved at random by up to so many pixels in either direction; 0 for not at all
    /// [default: an eighth of the side]
    #[arg(long, value_name = "PIXELS")]
    shift: Option<usize>,
    /// folded: train with batch normalisation behind each convolution where the file has none left
    /// and a step has 8 samples or more, and fold it back, as exporters do; as-exported: train the
    /// graph as it is
    #[arg(long, value_enum, default_value_t = NormalizationMode::Folded)]
    normalization: NormalizationMode,
    /// Batch normalisation keeps the stored statistics, or learns them from the batches
    #[arg(long, value_enum, default_value_t = BatchNormMode::Train)]
    batch_norm: BatchNormMode,
}

#[derive(Clone, Copy, ValueEnum)]
enum OptimizerName {
    Adam,
    Sgd,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum NormalizationMode {
    Folded,
    AsExported,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum BatchNormMode {
    Train,
    Frozen,
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    forget_audit::memory::keep_blocks();
    let config = arguments.config.read(arguments.display.quiet)?;
    let model = settings::original(arguments.model.as_ref(), &config)?;
    // The reference of audit.toml is what this command makes; the other models are not.
    let named = config.models.original.iter().chain(&config.models.unlearned);
    let inputs =
        Inputs::default().models(named.chain([&model])).others(arguments.data.files(&config.data));
    Destination::prepare(&arguments.output, &inputs.others([&config.path]))?;
    let request = TaskRequest {
        samples: arguments.data.required(&config.data)?,
        runtime: arguments.runtime.options_or(&config.runtime),
        seed: arguments.seed.or(config.measure.seed).unwrap_or(0),
    };
    check_device(request.runtime.device)?;
    let task = Task::open(&model, &request)?;
    if !arguments.display.quiet {
        print_notes(&task.notes);
    }
    let given = &arguments.recipe;
    let recipe = Recipe {
        epochs: given.epochs,
        learning_rate: given.learning_rate,
        optimizer: match given.optimizer {
            OptimizerName::Adam => Optimizer::Adam,
            OptimizerName::Sgd => Optimizer::Sgd { momentum: given.momentum },
        },
        decay: given.weight_decay,
        clip: given.clip,
        batch: given.batch_size,
        warm_up: given.warm_up,
        shift: given.shift.map_or(Shift::Usual, Shift::Pixels),
        normalization: match given.normalization {
            NormalizationMode::Folded => Normalization::Folded,
            NormalizationMode::AsExported => Normalization::AsExported,
        },
        train_batch_norm: given.batch_norm == BatchNormMode::Train,
    };
    let bars = TrainingBars::new(arguments.display.quiet)?;
    let retraining = Retraining { task: &task, recipe: &recipe, progress: &bars };
    let values = on_device(request.runtime.device, retraining)?;
    patched(&task.model, &values)?.write(&arguments.output)?;
    if !arguments.display.quiet {
        eprintln!("retrained: {}", arguments.output.display());
    }
    Ok(Exit::Passed)
}
