//! Progress bars on stderr, for what takes over a second.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use forget_audit::compare::Observer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shorter stages show nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar a stage.
pub struct Bars {
    quiet: bool,
    current: Mutex<Option<(ProgressBar, Instant)>>,
}

impl Bars {
    /// Shows nothing when `quiet`, or when stderr is no terminal.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, current: Mutex::new(None) }
    }

    fn with(&self, act: impl FnOnce(&mut Option<(ProgressBar, Instant)>)) {
        // A poisoned lock means a panic elsewhere, which is told there.
        if let Ok(mut current) = self.current.lock() {
            act(&mut current);
        }
    }
}

impl Observer for Bars {
    fn begin(&self, stage: &str, total: usize) {
        if self.quiet {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg:24} {bar:30} {pos}/{len}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(stage.to_owned());
        self.with(|current| *current = Some((bar, Instant::now())));
    }

    fn advance(&self, steps: usize) {
        self.with(|current| {
            if let Some((bar, started)) = current {
                if bar.is_hidden() && started.elapsed() > PATIENCE {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                bar.inc(steps as u64);
            }
        });
    }

    fn end(&self) {
        self.with(|current| {
            if let Some((bar, _)) = current.take() {
                bar.finish_and_clear();
            }
        });
    }
}
