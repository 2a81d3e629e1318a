//! Running models over data and collecting pooled features.

mod collect;
mod taps;

pub use collect::{Activations, Progress, Source, collect};
pub use taps::{Tap, Trial, batch_size, find_taps};
