//! Seeded batches: every sample once before any comes again.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// An endless stream of batches from some rows, shuffled anew each time all have been seen.
pub struct Cycle {
    rows: Vec<usize>,
    next: usize,
    rng: ChaCha8Rng,
}

impl Cycle {
    /// A stream of `rows`, which are not empty; `stream` tells streams of one seed apart.
    pub fn new(rows: &[usize], seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self { rows: rows.to_vec(), next: rows.len(), rng }
    }

    /// The next `count` rows. A batch never holds a row twice: where fewer rows are left before
    /// the next shuffle, the batch is smaller, unless `full` is asked for.
    pub fn take(&mut self, count: usize, full: bool) -> Vec<usize> {
        if self.next >= self.rows.len() || (full && self.next + count > self.rows.len()) {
            self.rows.shuffle(&mut self.rng);
            self.next = 0;
        }
        let end = (self.next + count).min(self.rows.len());
        let batch = self.rows[self.next..end].to_vec();
        self.next = end;
        batch
    }
}
