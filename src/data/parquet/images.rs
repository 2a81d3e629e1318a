//! The encoded images of a set of shards, read in blocks of rows.

use std::ops::Range;

use super::cache::{Cache, Weigh};
use super::shard::{Cell, Group, Shard};
use crate::data::Encoded;
use crate::{Error, Result};

/// Memory for blocks that were read lately.
const BUDGET: usize = 256 << 20;

/// Bytes that a block should have.
const BLOCK: usize = 8 << 20;

/// Rows in a block, at most.
const MAX_ROWS: usize = 256;

/// Bytes from which on a block is not believed; a dictionary may repeat an image at no cost.
const MAX_BLOCK: usize = 1 << 30;

/// All images of some shards, in their order.
#[derive(Debug)]
pub(super) struct Images {
    shards: Vec<Shard>,
    /// The set's row at which each shard begins.
    starts: Vec<usize>,
    /// The number of the first block of each shard's row groups.
    blocks: Vec<Vec<usize>>,
    rows: usize,
    cache: Cache<Block>,
}

/// Neighbouring rows.
#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    rows: Vec<Place>,
}

#[derive(Debug, Clone)]
enum Place {
    Here(Range<usize>),
    /// The struct is there, its bytes are not.
    PathOnly,
    Missing,
}

impl Weigh for Block {
    fn bytes(&self) -> usize {
        self.bytes.len().saturating_add(self.rows.len().saturating_mul(size_of::<Place>()))
    }
}

impl Images {
    pub fn new(shards: Vec<Shard>) -> Self {
        Self::with_budget(shards, BUDGET)
    }

    pub fn with_budget(shards: Vec<Shard>, budget: usize) -> Self {
        let (mut rows, mut block) = (0usize, 0usize);
        let (mut starts, mut blocks) = (Vec::new(), Vec::new());
        for shard in &shards {
            starts.push(rows);
            rows = rows.saturating_add(shard.rows);
            let mut firsts = Vec::new();
            for group in &shard.groups {
                firsts.push(block);
                block = block.saturating_add(group.rows.div_ceil(per_block(group)));
            }
            blocks.push(firsts);
        }
        Self { shards, starts, blocks, rows, cache: Cache::new(budget) }
    }

    /// The shard that holds a row of the set, its number, and the row in it.
    fn shard(&self, row: usize) -> Option<(usize, &Shard, usize)> {
        let i = self.starts.partition_point(|&start| start <= row).checked_sub(1)?;
        let local = row.checked_sub(*self.starts.get(i)?)?;
        let shard = self.shards.get(i).filter(|shard| local < shard.rows)?;
        Some((i, shard, local))
    }
}

impl Encoded for Images {
    fn len(&self) -> usize {
        self.rows
    }

    /// `datasets` turns images as `ImageOps.exif_transpose` does.
    fn upright(&self) -> bool {
        true
    }

    fn name(&self, row: usize) -> String {
        self.shard(row).map_or_else(|| format!("row {row}"), |(_, shard, local)| shard.place(local))
    }

    fn read(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let missing = || Error::internal(format!("no row {row} in a parquet set"));
        let (i, shard, local) = self.shard(row).ok_or_else(missing)?;
        let g = shard.groups.partition_point(|group| group.first <= local);
        let g = g.checked_sub(1).ok_or_else(missing)?;
        let group = shard.groups.get(g).ok_or_else(missing)?;
        let size = per_block(group);
        let within = local.saturating_sub(group.first);
        let (block, at) = (within / size, within % size);
        let first = self.blocks.get(i).and_then(|blocks| blocks.get(g)).ok_or_else(missing)?;
        let block_rows = load_range(group, block, size);
        let id = first.saturating_add(block);
        let block = self.cache.get(id, || load(shard, g, block_rows))?;
        let place = || shard.place(local);
        out.clear();
        match block.rows.get(at) {
            Some(Place::Here(range)) => {
                let bytes = block.bytes.get(range.clone()).ok_or_else(missing)?;
                if bytes.is_empty() {
                    return Err(Error::input(place(), "the image has 0 bytes", REPAIR));
                }
                out.extend_from_slice(bytes);
                Ok(())
            }
            Some(Place::PathOnly) => Err(Error::input(
                place(),
                "the image is given by its path only",
                "write the data set again with the images embedded",
            )),
            Some(Place::Missing) => Err(Error::input(place(), "there is no image", REPAIR)),
            None => Err(missing()),
        }
    }
}

const REPAIR: &str = "repair or remove the row and write the file again";

/// Rows in a block of the group.
fn per_block(group: &Group) -> usize {
    (BLOCK / group.image_bytes.max(1)).clamp(1, MAX_ROWS)
}

/// The group's rows that the block holds.
fn load_range(group: &Group, block: usize, size: usize) -> Range<usize> {
    let first = block.saturating_mul(size);
    first..first.saturating_add(size).min(group.rows)
}

fn load(shard: &Shard, group: usize, rows: Range<usize>) -> Result<Block> {
    let mut block = Block { bytes: Vec::new(), rows: Vec::new() };
    let level = shard.columns().get(shard.image).map_or(0, |column| column.max_def_level());
    // An optional `bytes` is one level below its struct.
    let optional =
        shard.columns().get(shard.image).is_some_and(|column| column.self_type().is_optional());
    shard.range(group, shard.image, rows.start, rows.len(), &mut |_, cell| {
        block.rows.push(match cell {
            Cell::Bytes(bytes) => {
                let start = block.bytes.len();
                let end = start.saturating_add(bytes.len());
                if end > MAX_BLOCK {
                    return Err(Error::input(
                        &shard.subject,
                        format!("images of neighbouring rows take more than {MAX_BLOCK} bytes"),
                        "write the data set again with smaller images",
                    ));
                }
                block.bytes.extend_from_slice(bytes);
                Place::Here(start..end)
            }
            Cell::Null(at) if optional && at == level.saturating_sub(1) => Place::PathOnly,
            _ => Place::Missing,
        });
        Ok(())
    })?;
    Ok(block)
}
