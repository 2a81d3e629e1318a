//! What else is known of the rows: columns of text, whole numbers and booleans.

use std::collections::BTreeMap;

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::schema::types::ColumnDescriptor;

use super::labels;
use super::shard::{Cell, Shard};
use crate::Result;

/// Text that one column may take; captions are not what rows are chosen by.
const MAX_TEXT: usize = 64 << 20;

/// Columns that all shards have, by name; nulls are empty texts.
///
/// # Errors
/// A column that can't be read.
pub(super) fn read(shards: &[Shard]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut columns = BTreeMap::new();
    let Some(first) = shards.first() else { return Ok(columns) };
    let label = labels::column(first)?.0;
    let names: Vec<String> = first
        .columns()
        .iter()
        .filter(|c| is_scalar(c))
        .filter_map(|c| match c.path().parts() {
            [name] if name != label => Some(name.clone()),
            _ => None,
        })
        .collect();
    for name in names {
        if let Some(values) = column(shards, &name)? {
            columns.insert(name, values);
        }
    }
    Ok(columns)
}

fn is_scalar(column: &ColumnDescriptor) -> bool {
    let text = column.converted_type() == ConvertedType::UTF8
        || matches!(column.logical_type_ref(), Some(LogicalType::String));
    column.max_rep_level() == 0
        && match column.physical_type() {
            Type::BOOLEAN | Type::INT32 | Type::INT64 => true,
            Type::BYTE_ARRAY => text,
            _ => false,
        }
}

/// One column's values, `None` where a shard lacks it, they are no text, or they take too much
/// memory.
fn column(shards: &[Shard], name: &str) -> Result<Option<Vec<String>>> {
    let mut values = Vec::new();
    let mut left = MAX_TEXT;
    for shard in shards {
        let leaf = shard
            .column(name)
            .filter(|&leaf| shard.columns().get(leaf).is_some_and(|column| is_scalar(column)));
        let Some(leaf) = leaf else { return Ok(None) };
        let mut fits = true;
        shard.each(leaf, |_, cell| {
            let text;
            let value = match cell {
                Cell::Null(_) => "",
                Cell::Integer(value) => {
                    text = value.to_string();
                    &text
                }
                Cell::Boolean(true) => "true",
                Cell::Boolean(false) => "false",
                // Not UTF-8 after all: such a column is none of text.
                Cell::Bytes(bytes) => std::str::from_utf8(bytes).unwrap_or_else(|_| {
                    fits = false;
                    ""
                }),
            };
            // The rest of a column that is left out is read for nothing, but only once.
            match left.checked_sub(value.len()) {
                Some(rest) if fits => {
                    left = rest;
                    values.push(value.to_owned());
                }
                _ => fits = false,
            }
            Ok(())
        })?;
        if !fits {
            return Ok(None);
        }
    }
    Ok(Some(values))
}
