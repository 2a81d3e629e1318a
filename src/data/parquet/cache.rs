//! Blocks of images that were read lately, up to a number of bytes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Result;

/// What the cache needs to know of what it keeps.
pub(super) trait Weigh {
    /// Bytes in memory.
    fn bytes(&self) -> usize;
}

/// Least recently used out first; of several threads that miss the same block one loads it.
#[derive(Debug)]
pub(super) struct Cache<B> {
    slots: Mutex<Slots<B>>,
    budget: usize,
}

type Held<B> = Arc<Mutex<Option<Arc<B>>>>;

#[derive(Debug)]
struct Slots<B> {
    slots: BTreeMap<usize, Slot<B>>,
    total: usize,
    clock: u64,
}

#[derive(Debug)]
struct Slot<B> {
    held: Held<B>,
    /// 0 until it is loaded.
    bytes: usize,
    used: u64,
}

impl<B: Weigh> Cache<B> {
    pub fn new(budget: usize) -> Self {
        let slots = Slots { slots: BTreeMap::new(), total: 0, clock: 0 };
        Self { slots: Mutex::new(slots), budget }
    }

    /// The block `id`, from `load` where it isn't kept.
    ///
    /// # Errors
    /// As `load`; nothing is kept then.
    pub fn get(&self, id: usize, load: impl FnOnce() -> Result<B>) -> Result<Arc<B>> {
        let held = lock(&self.slots).touch(id);
        let mut content = lock(&held);
        if let Some(block) = content.as_ref() {
            return Ok(Arc::clone(block));
        }
        let block = Arc::new(load()?);
        *content = Some(Arc::clone(&block));
        drop(content);
        lock(&self.slots).loaded(id, block.bytes(), self.budget);
        Ok(block)
    }
}

impl<B> Slots<B> {
    fn touch(&mut self, id: usize) -> Held<B> {
        self.clock = self.clock.wrapping_add(1);
        let slot = self.slots.entry(id).or_insert_with(|| Slot {
            held: Arc::default(),
            bytes: 0,
            used: 0,
        });
        slot.used = self.clock;
        Arc::clone(&slot.held)
    }

    fn loaded(&mut self, id: usize, bytes: usize, budget: usize) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.bytes = bytes;
            self.total = self.total.saturating_add(bytes);
        }
        while self.total > budget {
            let others = self.slots.iter().filter(|(other, slot)| **other != id && slot.bytes > 0);
            let Some((&oldest, _)) = others.min_by_key(|(_, slot)| slot.used) else { break };
            let freed = self.slots.remove(&oldest).map_or(0, |slot| slot.bytes);
            self.total = self.total.saturating_sub(freed);
        }
    }
}

/// A thread that panicked has left nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    impl Weigh for Vec<u8> {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache: Cache<Vec<u8>> = Cache::new(10);
        let loads = Mutex::new(Vec::new());
        let get = |id: usize| {
            let load = || {
                lock(&loads).push(id);
                Ok(vec![id as u8; 4])
            };
            assert_eq!(cache.get(id, load).unwrap()[0], id as u8);
        };
        [1, 2, 1, 3, 1, 2].into_iter().for_each(get);
        // 3 took the place of 2, which was used before 1.
        assert_eq!(*lock(&loads), [1, 2, 3, 2]);
        assert!(lock(&cache.slots).total <= 10);
    }

    #[test]
    fn a_block_beyond_the_budget_is_given_and_a_failure_not_kept() {
        let cache: Cache<Vec<u8>> = Cache::new(10);
        assert_eq!(cache.get(1, || Ok(vec![0; 50])).unwrap().len(), 50);
        assert!(cache.get(2, || Err(Error::internal("no"))).is_err());
        assert_eq!(cache.get(2, || Ok(vec![0; 3])).unwrap().len(), 3);
        assert_eq!(lock(&cache.slots).total, 3);
    }
}
