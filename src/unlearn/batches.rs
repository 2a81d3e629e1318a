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
    /// the next shuffle, the batch is smaller, or left out where it would hold fewer than `least`.
    pub fn take(&mut self, count: usize, least: usize) -> Vec<usize> {
        let left = self.rows.len() - self.next;
        if left == 0 || left < least.min(count) {
            self.rows.shuffle(&mut self.rng);
            self.next = 0;
        }
        let end = (self.next + count).min(self.rows.len());
        let batch = self.rows[self.next..end].to_vec();
        self.next = end;
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_below_the_least_is_left_out() {
        let rows: Vec<usize> = (0..10).collect();
        let sizes = |least: usize| {
            let mut cycle = Cycle::new(&rows, 0, 0);
            [(); 6].map(|()| cycle.take(4, least).len())
        };
        assert_eq!(sizes(1), [4, 4, 2, 4, 4, 2]);
        assert_eq!(sizes(2), [4, 4, 2, 4, 4, 2]);
        assert_eq!(sizes(3), [4; 6]);
        assert_eq!(Cycle::new(&rows[..3], 0, 0).take(4, 4).len(), 3);
    }
}
