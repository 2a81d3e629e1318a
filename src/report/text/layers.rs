//! The table of layers: one line each, fewer columns on a narrow terminal.

use super::super::format::{ABSENT, brief, finite, short_layer, signed};
use super::paper::Paper;
use crate::report::Report;
use crate::report::clean::{columns, shorten};
use crate::verdict::{CkaEvidence, LayerEvidence, fewest_shots};

/// Names keep at least this much when columns could be dropped instead.
const NAME: usize = 14;

/// A table as columns, so that they can be dropped. The first one names the rows.
pub(super) struct Columns {
    columns: Vec<Column>,
}

struct Column {
    /// Larger ones are dropped first; 0 stays.
    dispensable: u8,
    head: String,
    cells: Vec<String>,
}

impl Column {
    fn width(&self) -> usize {
        let head = self.head.lines().map(columns).max().unwrap_or(0);
        self.cells.iter().map(|c| columns(c)).max().unwrap_or(0).max(head)
    }
}

impl Columns {
    /// No columns yet.
    pub(super) fn new() -> Self {
        Self { columns: Vec::new() }
    }

    /// Adds a column; `head` may have two lines.
    pub(super) fn add(&mut self, dispensable: u8, head: &str, cells: Vec<String>) {
        self.columns.push(Column { dispensable, head: head.into(), cells });
    }

    /// Drops columns, then shortens names, until a line takes at most `width`, with `gap` between
    /// columns.
    pub(super) fn fit(&mut self, width: usize, gap: usize) {
        loop {
            let rest: usize = self.columns.iter().skip(1).map(|c| c.width() + gap).sum();
            let most = self.columns.iter().map(|c| c.dispensable).max().unwrap_or(0);
            let Some(names) = self.columns.first_mut() else { return };
            let room = width.saturating_sub(rest);
            if room >= names.width().min(NAME) || most == 0 {
                for name in &mut names.cells {
                    *name = shorten(name, room.max(NAME / 2));
                }
                return;
            }
            if let Some(i) = self.columns.iter().rposition(|c| c.dispensable == most) {
                self.columns.remove(i);
            }
        }
    }

    /// Headings.
    pub(super) fn heads(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.head.as_str())
    }

    /// Cells, row by row.
    pub(super) fn rows(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        let count = self.columns.iter().map(|c| c.cells.len()).max().unwrap_or(0);
        (0..count).map(|row| {
            self.columns.iter().map(move |c| c.cells.get(row).map_or("", String::as_str))
        })
    }
}

/// One line a layer, shallow to deep.
pub(super) fn layers(paper: &mut Paper, report: &Report) {
    let layers = &report.layers;
    if layers.is_empty() {
        return;
    }
    let column = |of: &dyn Fn(&LayerEvidence) -> String| layers.iter().map(of).collect::<Vec<_>>();
    let mut table = Columns::new();
    table.add(0, "layer", column(&|l| shorten(short_layer(&l.name), 60)));
    table.add(2, "CKA\nforget", column(&|l| cka(l.cka.forget)));
    table.add(5, "CKA\nretain", column(&|l| cka(l.cka.retain)));
    table.add(
        1,
        "linear probe\norig → unl",
        column(&|l| change(probe(l), l.probe.unlearned.forget_accuracy)),
    );
    if layers.iter().any(|l| l.probe.reference.is_some()) {
        table.add(
            3,
            "probe\nref.",
            column(&|l| brief(l.probe.reference.and_then(|p| p.forget_accuracy))),
        );
    } else if layers.iter().any(|l| l.probe.floor.is_some()) {
        table.add(
            3,
            "probe\nfloor",
            column(&|l| brief(l.probe.floor.and_then(|p| p.forget_accuracy))),
        );
    }
    let shots = layers.iter().find_map(|l| l.few_shot.shots.first()).copied().unwrap_or(1);
    table.add(
        1,
        &format!("{shots}-shot\norig → unl"),
        column(&|l| {
            change(
                fewest_shots(&l.few_shot.original.forget),
                fewest_shots(&l.few_shot.unlearned.forget),
            )
        }),
    );
    if layers.iter().any(|l| l.reference_gap.is_some()) {
        table.add(0, "gap to\nref.", column(&|l| gap(l)));
    } else {
        table.add(0, "\neffect", column(&|l| signed(l.few_shot.effect)));
    }
    paper.table(table);
    paper.paragraph(legend(report));
    paper.gap();
}

fn legend(report: &Report) -> &'static str {
    if report.layers.iter().any(|l| l.reference_gap.is_some()) {
        "Probe and few-shot: accuracy on forget samples, original → unlearned. Gap: few-shot \
         recovery beyond the reference's."
    } else {
        "Probe and few-shot: accuracy on forget samples, original → unlearned. Effect: near 0 as \
         easy to learn again as in the original, well below 0 forgotten."
    }
}

fn cka(cka: CkaEvidence) -> String {
    match finite(cka.debiased) {
        Some(_) => brief(cka.debiased),
        None if cka.status.as_str() == "degenerate" => "degen.".into(),
        None => ABSENT.into(),
    }
}

fn probe(layer: &LayerEvidence) -> Option<f64> {
    layer.probe.original.forget_accuracy
}

fn change(before: Option<f64>, after: Option<f64>) -> String {
    format!("{} → {}", brief(before), brief(after))
}

fn gap(layer: &LayerEvidence) -> String {
    signed(layer.reference_gap.and_then(|g| g.few_shot.value))
}
