//! Running models over data and collecting pooled features.

mod collect;
mod taps;

pub use collect::{Activations, Collector, Progress, Source};
pub use taps::{Tap, Trial, batch_size, find_taps};
