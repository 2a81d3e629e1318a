//! Repair: unlearn in the features too, audit as it goes, write the model, audit again.

use std::path::PathBuf;

use super::ec::unlearn;
use super::settings::Unlearning;
use super::task::{Task, TaskRequest};
use super::{AfterEpoch, Parameters, Progress};
use crate::compare::{Observer, Request, compare};
use crate::onnx::patched;
use crate::report::Report;
use crate::train::{BackendDevice, Base, OnDevice, check_device, on_device};
use crate::verdict::{Label, LayerEvidence};
use crate::{Error, Result};

/// What to repair and how.
#[derive(Clone, Debug)]
pub struct Remediation {
    /// The comparison that is made before and after.
    pub request: Request,
    /// Where the repaired model goes.
    pub output: PathBuf,
    /// Start from the original's weights, not the unlearned model's.
    pub from_original: bool,
    /// How it unlearns.
    pub unlearning: Unlearning,
    /// Audit after every so many epochs, and stop once nothing is left to repair, before the first
    /// epoch too where it is the unlearned model's weights that are trained; 0 for never.
    pub audit_every: usize,
}

/// What a repair led to.
#[derive(Clone, Debug)]
pub struct Remedied {
    /// The audit of the unlearned model.
    pub before: Report,
    /// The audit of the repaired model.
    pub after: Report,
    /// Epochs that were trained.
    pub epochs: usize,
}

/// Repairs the unlearned model of `remediation` and writes the result.
///
/// # Errors
/// When the comparison or the training can't be made; nothing is written then.
pub fn remediate(
    remediation: &Remediation,
    observer: &dyn Observer,
    progress: &dyn Progress,
) -> Result<Remedied> {
    remediation.unlearning.check()?;
    check_device(remediation.request.runtime.device)?;
    let before = compare(&remediation.request, observer)?;
    repair(remediation, before, observer, progress)
}

/// [`remediate`] where the audit before has been made.
///
/// # Errors
/// See [`remediate`].
pub fn repair(
    remediation: &Remediation,
    before: Report,
    observer: &dyn Observer,
    progress: &dyn Progress,
) -> Result<Remedied> {
    remediation.unlearning.check()?;
    let request = &remediation.request;
    let Some(samples) = request.samples.clone() else {
        return Err(Error::input(
            "remediation",
            "it needs samples",
            "give --data and --forget-classes or --forget-indices",
        ));
    };
    let start = match remediation.from_original {
        true => &request.original,
        false => &request.unlearned,
    };
    let task_request =
        TaskRequest { samples, runtime: request.runtime.clone(), seed: request.seed };
    let task = Task::open(start, &task_request)?;
    let mut epochs = 0;
    let every = remediation.audit_every;
    let mut after_epoch = |epoch: usize, values: &dyn Fn() -> Result<Parameters>| {
        epochs = epoch;
        if every == 0 || !epoch.is_multiple_of(every) {
            return Ok(false);
        }
        let folder = tempfile::tempdir()
            .map_err(|e| Error::input("the folder for temporary files", e, "set TMPDIR"))?;
        let candidate = folder.path().join("candidate.onnx");
        patched(&task.model, &values()?)?.write(&candidate)?;
        let report = compare(&Request { unlearned: candidate, ..request.clone() }, &Silent)?;
        Ok(repaired(&report))
    };
    // What would end a training after its first epochs ends it before them.
    let values = match every > 0 && !remediation.from_original && repaired(&before) {
        true => Parameters::new(),
        false => {
            let training = Training {
                task: &task,
                settings: &remediation.unlearning,
                progress,
                after_epoch: &mut after_epoch,
            };
            on_device(request.runtime.device, training)?
        }
    };
    let repaired = patched(&task.model, &values)?.keeping(request.models());
    repaired.write(&remediation.output)?;
    let request = Request { unlearned: remediation.output.clone(), ..request.clone() };
    let after = compare(&request, observer)?;
    Ok(Remedied { before, after, epochs })
}

/// The training, on whichever device.
struct Training<'a> {
    task: &'a Task,
    settings: &'a Unlearning,
    progress: &'a dyn Progress,
    after_epoch: AfterEpoch<'a>,
}

impl OnDevice for Training<'_> {
    type Output = Parameters;

    fn run<B: Base>(self, device: BackendDevice<B>) -> Result<Parameters> {
        unlearn::<B>(self.task, self.settings, device, self.progress, self.after_epoch)
    }
}

/// The debiased CKA with the original on forget samples that is asked of the head's input before a
/// training ends early: half of what is shared there is gone.
const ENOUGH_CKA: f64 = 0.5;

/// Whether nothing is left to repair: the verdict is `erased`, no layer recovers more than the
/// reference's, in the point estimate of few-shot accuracy or beyond the interval of the probe, and
/// the head's input has left the original's.
fn repaired(report: &Report) -> bool {
    let settled = |layer: &LayerEvidence| {
        let Some(gap) = &layer.reference_gap else { return true };
        let few_shot = gap.few_shot.value.is_none_or(|value| value <= 0.0);
        few_shot && gap.probe.ci.is_none_or(|[low, _]| low <= 0.0)
    };
    let head = report.layers.last().and_then(|l| l.cka.forget.debiased);
    report.verdict.label == Label::Erased
        && report.layers.iter().all(settled)
        && head.is_none_or(|cka| cka <= ENOUGH_CKA)
}

/// Hears nothing.
struct Silent;

impl Observer for Silent {
    fn begin(&self, _stage: &str, _total: usize) {}
    fn advance(&self, _steps: usize) {}
    fn end(&self) {}
}
