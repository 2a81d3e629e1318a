//! `audit remediate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use forget_audit::Result;
use forget_audit::compare::Request;
use forget_audit::onnx::Selection;
use forget_audit::report::remedy;
use forget_audit::unlearn::{
    AUDIT_EVERY, Auxiliaries, Base, Ec, Method, Remediation, Unlearning, remediate,
};

use super::data::DataArguments;
use super::exit::Exit;
use super::inputs::Inputs;
use super::options::{
    DisplayArguments, RuntimeArguments, decay_rate, layers, not_negative, positive, share, size,
};
use super::output::{Destination, print, print_notes};
use super::progress::Bars;
use super::settings::{self, ConfigArguments};
use super::training::TrainingBars;

#[derive(Args)]
pub struct Arguments {
    /// The model before unlearning (ONNX) [default: from audit.toml]
    original: Option<PathBuf>,
    /// The model after unlearning (ONNX) [default: from audit.toml]
    unlearned: Option<PathBuf>,
    /// Where the repaired model goes
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// A model retrained from fresh weights without the forget set; `audit retrain` makes one
    #[arg(long, value_name = "MODEL")]
    reference: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    data: DataArguments,
    #[command(flatten)]
    training: TrainingArguments,
    #[command(flatten)]
    runtime: RuntimeArguments,
    #[command(flatten)]
    display: DisplayArguments,
}

/// How a model unlearns.
#[derive(Args)]
#[command(next_help_heading = "Unlearning")]
pub struct TrainingArguments {
    /// ec: contrastive unlearning on several layers; none: the base method alone
    #[arg(long, value_enum, default_value_t = MethodName::Ec)]
    method: MethodName,
    /// What acts on the outputs beside it
    #[arg(long, value_enum, default_value_t = BaseName::None)]
    base: BaseName,
    /// Weight of the base method's loss; beside EC it falls to 0 half way through
    #[arg(long, default_value_t = Unlearning::default().base_weight, value_parser = not_negative)]
    base_weight: f64,
    /// Start from the original, not from the unlearned model
    #[arg(long = "from", value_enum, default_value_t = Start::Unlearned)]
    start: Start,
    /// Layers to supervise and to judge: names and globs, separated by commas [default: chosen from
    /// the graph]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    layers: Vec<String>,
    /// Passes over the retain samples
    #[arg(long, default_value_t = Unlearning::default().epochs)]
    epochs: usize,
    /// The largest step size; it rises at first, then falls along half a cosine
    #[arg(long, default_value_t = Unlearning::default().learning_rate, value_parser = positive)]
    learning_rate: f64,
    /// Momentum
    #[arg(long, default_value_t = Unlearning::default().momentum, value_parser = decay_rate)]
    momentum: f64,
    /// Weight decay
    #[arg(long, default_value_t = Unlearning::default().decay, value_parser = not_negative)]
    weight_decay: f64,
    /// Longer gradients are scaled down to this length
    #[arg(long, default_value_t = Unlearning::default().clip, value_parser = positive)]
    clip: f64,
    /// Retain samples a step
    #[arg(long, default_value_t = Unlearning::default().retain_batch, value_parser = size)]
    batch_size: usize,
    /// Forget samples a step
    #[arg(long, default_value_t = Unlearning::default().forget_batch, value_parser = size)]
    forget_batch_size: usize,
    /// Audit every so many epochs and stop once nothing is left to repair; 0 for never
    #[arg(long, default_value_t = AUDIT_EVERY)]
    audit_every: usize,
    /// Retain share of neg-grad
    #[arg(long, default_value_t = 0.95, value_parser = share)]
    neg_grad_retain: f64,
    /// Temperature of EC's contrastive loss
    #[arg(long, default_value_t = Ec::default().temperature, help_heading = "EC", value_parser = positive)]
    temperature: f64,
    /// Weight of EC's contrastive loss
    #[arg(long, default_value_t = Ec::default().contrast, help_heading = "EC", value_parser = not_negative)]
    contrast: f64,
    /// Weight of EC's cross-entropy on retain samples
    #[arg(long, default_value_t = Ec::default().supervision, help_heading = "EC", value_parser = not_negative)]
    supervision: f64,
    /// Features at the end of EC's auxiliary modules
    #[arg(long, default_value_t = Ec::default().dimension, value_parser = size, help_heading = "EC")]
    dimension: usize,
    /// Epochs of pre-training of the auxiliary modules
    #[arg(long, default_value_t = Ec::default().pretraining, help_heading = "EC")]
    pretraining: usize,
    /// Whether the auxiliary modules stay as pre-trained or are trained along
    #[arg(long, value_enum, default_value_t = AuxiliariesName::Frozen, help_heading = "EC")]
    auxiliaries: AuxiliariesName,
    /// Take the retain side of the contrastive loss as constant
    #[arg(long, help_heading = "EC")]
    detach_retain: bool,
    /// Seed of every random draw, the split's of the samples among them [default: 0]
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Ec,
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum BaseName {
    None,
    Finetune,
    RandomLabel,
    NegGrad,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Start {
    Unlearned,
    Original,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuxiliariesName {
    Frozen,
    Trained,
}

impl TrainingArguments {
    /// As the library takes them; EC acts on `selection`.
    fn unlearning(&self, selection: Selection) -> Unlearning {
        Unlearning {
            method: match self.method {
                MethodName::None => Method::BaseOnly,
                MethodName::Ec => Method::Ec(Ec {
                    selection,
                    temperature: self.temperature,
                    contrast: self.contrast,
                    supervision: self.supervision,
                    dimension: self.dimension,
                    pretraining: self.pretraining,
                    auxiliaries: match self.auxiliaries {
                        AuxiliariesName::Frozen => Auxiliaries::Frozen,
                        AuxiliariesName::Trained => Auxiliaries::Trained,
                    },
                    detach_retain: self.detach_retain,
                }),
            },
            base: match self.base {
                BaseName::None => Base::None,
                BaseName::Finetune => Base::FineTune,
                BaseName::RandomLabel => Base::RandomLabel,
                BaseName::NegGrad => Base::NegGrad { retain: self.neg_grad_retain },
            },
            base_weight: self.base_weight,
            epochs: self.epochs,
            learning_rate: self.learning_rate,
            momentum: self.momentum,
            decay: self.weight_decay,
            clip: self.clip,
            retain_batch: self.batch_size,
            forget_batch: self.forget_batch_size,
        }
    }
}

pub fn run(arguments: &Arguments) -> Result<Exit> {
    forget_audit::memory::keep_blocks();
    let config = arguments.config.read(arguments.display.quiet)?;
    let named = (arguments.original.as_ref(), arguments.unlearned.as_ref());
    let (original, unlearned) = settings::models(named.0, named.1, &config)?;
    let reference = settings::reference(arguments.reference.as_ref(), &config, &unlearned)?;
    let training = &arguments.training;
    let selection = match training.layers.as_slice() {
        [] => layers(&config.measure.layers),
        given => layers(given),
    };
    let remediation = Remediation {
        request: Request {
            original,
            unlearned,
            reference,
            samples: Some(arguments.data.required(&config.data)?),
            selection: selection.clone(),
            batch_size: config.measure.batch_size,
            seed: training.seed.or(config.measure.seed).unwrap_or(0),
            runtime: arguments.runtime.options_or(&config.runtime),
            policy: config.policy.clone(),
        },
        output: arguments.output.clone(),
        from_original: training.start == Start::Original,
        unlearning: training.unlearning(selection),
        audit_every: training.audit_every,
    };
    let inputs = Inputs::of(&remediation.request, &arguments.data, &config);
    Destination::prepare(&arguments.output, &inputs)?;
    let observer = Bars::new(arguments.display.quiet);
    let progress = TrainingBars::new(arguments.display.quiet)?;
    let remedied = remediate(&remediation, &observer, &progress)?;
    print(&remedy(&remedied.before, &remedied.after))?;
    if !arguments.display.quiet {
        print_notes(&remedied.before.notes);
        if remedied.epochs == 0 {
            eprintln!(
                "note: there was nothing to repair; the output holds the weights as they were"
            );
        }
        let plural = if remedied.epochs == 1 { "" } else { "s" };
        eprintln!("trained for {} epoch{plural}: {}", remedied.epochs, arguments.output.display());
    }
    Ok(match remedied.after.passes() {
        true => Exit::Passed,
        false => Exit::Failed,
    })
}
