//! The forget classes one by one.

use super::super::Report;
use super::super::format::{class as class_name, number, signed, signed_interval};
use super::table::Table;
use crate::verdict::PerModel;

/// Outputs, and probe and 1-shot accuracy at the head's input, of each forget class; `None` with
/// fewer than two.
pub(super) fn classes(report: &Report) -> Option<Table> {
    let (data, outputs) = (report.data.as_ref()?, report.outputs.as_ref()?);
    let head_input = report.layers.last()?;
    if data.forget_classes.len() < 2 || head_input.forget_classes.is_empty() {
        return None;
    }
    let reference = outputs.reference.is_some();
    let models: &[&str] = match reference {
        true => &["original", "unlearned", "reference"],
        false => &["original", "unlearned"],
    };
    let mut table = Table::new(
        "The forget classes one by one",
        &[
            ("", &["class", "samples"]),
            ("outputs", models),
            ("probe at the head's input", models),
            ("1-shot at the head's input", models),
            ("few-shot effect", &["value", "95 % interval"]),
        ],
    );
    let three = |of: PerModel<Option<f64>>| {
        let mut cells = vec![number(of.original), number(of.unlearned)];
        cells.extend(reference.then(|| number(of.reference.flatten())));
        cells
    };
    for class in &data.forget_classes {
        let samples = outputs.unlearned.class(*class).map_or(0, |c| c.samples);
        let mut row = vec![class_name(data, *class), samples.to_string()];
        row.extend(three(outputs.map(|model| model.class(*class).and_then(|c| c.accuracy))));
        let own = head_input.class(*class);
        row.extend(three(own.map(|c| c.probe.clone()).unwrap_or_default()));
        row.extend(three(own.map(|c| c.few_shot.clone()).unwrap_or_default()));
        row.push(signed(own.and_then(|c| c.effect.value)));
        row.push(signed_interval(own.and_then(|c| c.effect.ci)));
        table.rows.push(row);
    }
    Some(table)
}
