//! What the commands that train share: progress with losses, interruption.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use forget_audit::unlearn::Progress;
use forget_audit::{Error, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A bar a phase, with the mean losses of the last steps and the time left.
pub struct TrainingBars {
    quiet: bool,
    current: RefCell<Option<Phase>>,
}

struct Phase {
    bar: ProgressBar,
    /// Name and running mean of each part of the loss.
    losses: Vec<(String, f64)>,
}

/// How much of the running mean a step leaves: about ten steps are seen.
const KEPT: f64 = 0.9;

impl TrainingBars {
    /// Shows nothing when `quiet`, or when stderr is no terminal. From here on Ctrl-C ends the
    /// training, not the process at once.
    ///
    /// # Errors
    /// When signals can't be listened to.
    pub fn new(quiet: bool) -> Result<Self> {
        ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst))
            .map_err(|e| Error::internal(format!("listening for Ctrl-C: {e}")))?;
        Ok(Self { quiet, current: RefCell::new(None) })
    }
}

impl Progress for TrainingBars {
    fn begin(&self, phase: &str, steps: usize) {
        let target = match self.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr(),
        };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        let style = ProgressStyle::with_template("{prefix} {bar:20} {pos}/{len} {eta} left  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(phase.to_owned());
        *self.current.borrow_mut() = Some(Phase { bar, losses: Vec::new() });
    }

    fn step(&self, losses: &[(&str, f64)]) {
        let mut current = self.current.borrow_mut();
        let Some(phase) = current.as_mut() else { return };
        for (index, (name, value)) in losses.iter().enumerate() {
            match phase.losses.get_mut(index) {
                Some((_, mean)) => *mean = KEPT * *mean + (1.0 - KEPT) * value,
                None => phase.losses.push(((*name).to_owned(), *value)),
            }
        }
        let shown: Vec<String> = phase.losses.iter().map(|(n, v)| format!("{n} {v:.3}")).collect();
        phase.bar.set_message(shown.join("  "));
        phase.bar.inc(1);
    }

    fn end(&self) {
        if let Some(phase) = self.current.borrow_mut().take() {
            phase.bar.finish_and_clear();
        }
    }

    fn interrupted(&self) -> bool {
        INTERRUPTED.load(Ordering::SeqCst)
    }
}
