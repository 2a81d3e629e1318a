//! Tables as data; the template draws them.

use serde::Serialize;

use super::super::clean::shorten;
use super::super::format::{interval, number, short_layer, signed, signed_interval};
use crate::verdict::{
    Accuracy, CkaBySet, CkaEvidence, FewShotAccuracy, HeadEvidence, LayerEvidence, OutputAccuracy,
    PerModel, ProbeEvidence, SpreadEvidence,
};

/// A table. The first cell of a row names it.
#[derive(Serialize)]
pub(super) struct Table {
    /// What it shows.
    pub caption: String,
    /// Headings over several columns, each with how many it spans; may be empty.
    pub groups: Vec<(String, usize)>,
    /// Column headings.
    pub columns: Vec<String>,
    /// How many leading columns hold words, not numbers.
    pub words: usize,
    /// Cells, as many a row as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with columns under group headings: `(group, columns)`.
    pub(super) fn new(caption: &str, groups: &[(&str, &[&str])]) -> Self {
        let named = groups.iter().any(|(name, _)| !name.is_empty());
        Self {
            caption: caption.into(),
            groups: if named {
                groups.iter().map(|(name, columns)| ((*name).into(), columns.len())).collect()
            } else {
                Vec::new()
            },
            columns: groups.iter().flat_map(|g| g.1.iter().map(|&c| c.into())).collect(),
            words: 1,
            rows: Vec::new(),
        }
    }
}

/// How a layer is called in tables and plots: its number, then its name without exporter suffix.
pub(super) fn layer_label(index: usize, layer: &LayerEvidence) -> String {
    format!("{} {}", index + 1, shorten(short_layer(&layer.name), 44))
}

fn rows(
    layers: &[LayerEvidence],
    cells: impl Fn(&LayerEvidence) -> Vec<String>,
) -> Vec<Vec<String>> {
    let row = |(i, layer)| {
        let mut row = vec![layer_label(i, layer)];
        row.extend(cells(layer));
        row
    };
    layers.iter().enumerate().map(row).collect()
}

/// CKA of the three sets, and of the reference where there is one.
pub(super) fn cka(layers: &[LayerEvidence]) -> Table {
    let set: &[&str] = &["debiased", "biased", "null mean", "null sd", "status"];
    let mut groups: Vec<(&str, &[&str])> =
        vec![("", &["layer"]), ("forget", set), ("retain", set), ("all", set)];
    let reference = layers.iter().any(|l| l.cka_reference.is_some());
    let name = "reference, debiased";
    if reference {
        groups.push((name, &["forget", "retain", "all", "status"]));
    }
    let mut table = Table::new("CKA with the original's features", &groups);
    table.rows = rows(layers, |layer| {
        let CkaBySet { forget, retain, all } = layer.cka;
        let mut cells: Vec<String> =
            [forget, retain, all].into_iter().flat_map(cka_cells).collect();
        if reference {
            cells.extend(reference_cka_cells(layer.cka_reference));
        }
        cells
    });
    table
}

fn cka_cells(cka: CkaEvidence) -> [String; 5] {
    [
        number(cka.debiased),
        number(cka.biased),
        number(cka.null_mean),
        number(cka.null_sd),
        cka.status.as_str().into(),
    ]
}

fn reference_cka_cells(cka: Option<CkaBySet>) -> [String; 4] {
    let value = |of: fn(CkaBySet) -> CkaEvidence| number(cka.and_then(|c| of(c).debiased));
    let status = cka.map_or("no value", |c| c.forget.status.as_str());
    [value(|c| c.forget), value(|c| c.retain), value(|c| c.all), status.into()]
}

/// Linear probes of every model.
pub(super) fn probe(layers: &[LayerEvidence]) -> Table {
    let model: &[&str] = &["forget", "95 % interval", "retain", "status"];
    let mut groups: Vec<(&str, &[&str])> =
        vec![("", &["layer"]), ("original", model), ("unlearned", model)];
    let reference = layers.iter().any(|l| l.probe.reference.is_some());
    let floor = layers.iter().any(|l| l.probe.floor.is_some());
    if reference {
        groups.push(("reference", model));
    }
    if floor {
        groups.push(("floor: random weights", model));
    }
    groups.push(("recovered fraction", &["value", "95 % interval", "status"]));
    let mut table = Table::new("Accuracy of linear probes", &groups);
    table.rows = rows(layers, |layer| {
        let probe = &layer.probe;
        let mut cells = Vec::new();
        cells.extend(probe_cells(Some(probe.original)));
        cells.extend(probe_cells(Some(probe.unlearned)));
        if reference {
            cells.extend(probe_cells(probe.reference));
        }
        if floor {
            cells.extend(probe_cells(probe.floor));
        }
        let recovered = layer.recovered_fraction;
        cells.extend([
            number(recovered.value),
            interval(recovered.ci),
            recovered.status.as_str().into(),
        ]);
        cells
    });
    table
}

fn probe_cells(probe: Option<ProbeEvidence>) -> [String; 4] {
    [
        number(probe.and_then(|p| p.forget_accuracy)),
        interval(probe.and_then(|p| p.forget_ci)),
        number(probe.and_then(|p| p.retain_accuracy)),
        probe.map_or("not run", |p| p.status.as_str()).into(),
    ]
}

/// Few-shot accuracies, a row for a layer and a number of shots.
pub(super) fn few_shot(layers: &[LayerEvidence]) -> Table {
    let reference = layers.iter().any(|l| l.few_shot.reference.is_some());
    let model: &[&str] = &["forget", "retain"];
    let mut groups: Vec<(&str, &[&str])> =
        vec![("", &["layer", "samples a class"]), ("original", model), ("unlearned", model)];
    if reference {
        groups.push(("reference", model));
    }
    let mut table = Table::new("Few-shot accuracy", &groups);
    for (i, layer) in layers.iter().enumerate() {
        let evidence = &layer.few_shot;
        for (s, shots) in evidence.shots.iter().enumerate() {
            let at = |values: &[Option<f64>]| number(values.get(s).copied().flatten());
            let pair = |model: &FewShotAccuracy| [at(&model.forget), at(&model.retain)];
            let mut row = vec![layer_label(i, layer), shots.to_string()];
            row.extend(pair(&evidence.original));
            row.extend(pair(&evidence.unlearned));
            if reference {
                row.extend(pair(&evidence.reference.clone().unwrap_or_default()));
            }
            table.rows.push(row);
        }
    }
    table
}

/// What the verdict is drawn from: effects and gaps to the reference.
pub(super) fn effects(layers: &[LayerEvidence]) -> Table {
    let gap: &[&str] = &["gap", "95 % interval", "status"];
    let mut groups: Vec<(&str, &[&str])> = vec![
        ("", &["layer"]),
        ("few-shot, against the retain classes", &["effect", "95 % interval", "spread", "status"]),
    ];
    let reference = layers.iter().any(|l| l.reference_gap.is_some());
    if reference {
        groups.push(("few-shot, against the reference", gap));
        groups.push(("probe, against the reference", gap));
    }
    let mut table = Table::new("Effects and gaps", &groups);
    table.rows = rows(layers, |layer| {
        let few_shot = &layer.few_shot;
        let mut cells = vec![
            signed(few_shot.effect),
            signed_interval(few_shot.effect_ci),
            number(few_shot.spread),
            few_shot.status.as_str().into(),
        ];
        if reference {
            let gap = layer.reference_gap;
            for gap in [gap.map(|g| g.few_shot), gap.map(|g| g.probe)] {
                cells.extend([
                    signed(gap.and_then(|g| g.value)),
                    signed_interval(gap.and_then(|g| g.ci)),
                    gap.map_or("no value", |g| g.status.as_str()).into(),
                ]);
            }
        }
        cells
    });
    table
}

/// Accuracy of the nearest class centre, and the variance left on the forget set.
pub(super) fn centers_and_spread(layers: &[LayerEvidence]) -> Table {
    let reference =
        layers.iter().any(|l| l.nearest_center.reference.is_some() || l.spread.reference.is_some());
    let columns: &[&str] = &["centre, forget", "centre, retain", "trace", "rank"];
    let mut groups: Vec<(&str, &[&str])> =
        vec![("", &["layer"]), ("original", columns), ("unlearned", columns)];
    if reference {
        groups.push(("reference", columns));
    }
    let mut table = Table::new(
        "Accuracy of the nearest class centre; relative trace and effective rank of the \
         covariance on the forget set",
        &groups,
    );
    table.rows = rows(layers, |layer| {
        let (center, spread) = (&layer.nearest_center, &layer.spread);
        let mut cells = Vec::new();
        cells.extend(center_cells(center.original, spread.original));
        cells.extend(center_cells(center.unlearned, spread.unlearned));
        if reference {
            cells.extend(center_cells(
                center.reference.unwrap_or_default(),
                spread.reference.unwrap_or_default(),
            ));
        }
        cells
    });
    table
}

fn center_cells(center: Accuracy, spread: SpreadEvidence) -> [String; 4] {
    [
        number(center.forget_accuracy),
        number(center.retain_accuracy),
        number(spread.relative_trace),
        number(spread.effective_rank),
    ]
}

/// The layers themselves, with their full names.
pub(super) fn layers(layers: &[LayerEvidence]) -> Table {
    let groups: &[(&str, &[&str])] =
        &[("", &["layer", "original", "unlearned", "reference", "chosen as", "depth", "width"])];
    let mut table = Table::new("Layers, shallow to deep", groups);
    table.words = 5;
    table.rows = layers
        .iter()
        .enumerate()
        .map(|(i, layer)| {
            vec![
                (i + 1).to_string(),
                layer.name.clone(),
                same_or(&layer.unlearned_name, &layer.name),
                layer.reference_name.as_ref().map_or("–".into(), |r| same_or(r, &layer.name)),
                kind(layer).into(),
                format!("{:.2}", layer.depth),
                layer.width.to_string(),
            ]
        })
        .collect();
    table
}

fn same_or(name: &str, original: &str) -> String {
    if name == original { "same".into() } else { name.into() }
}

fn kind(layer: &LayerEvidence) -> &'static str {
    use crate::onnx::LayerKind;
    match layer.kind {
        LayerKind::Residual => "residual block",
        LayerKind::Activation => "activation",
        LayerKind::Features => "end of the encoder",
        LayerKind::HeadInput => "input of the head",
        LayerKind::Requested => "requested",
    }
}

/// Accuracy of the outputs on both splits.
pub(super) fn outputs(outputs: &PerModel<OutputAccuracy>) -> Table {
    models(
        "Accuracy of the outputs",
        &[
            ("forget, eval", outputs.map(|o| o.eval.forget_accuracy)),
            ("retain, eval", outputs.map(|o| o.eval.retain_accuracy)),
            ("forget, fit", outputs.map(|o| o.fit.forget_accuracy)),
            ("retain, fit", outputs.map(|o| o.fit.retain_accuracy)),
        ],
    )
}

/// How often outputs and features disagree.
pub(super) fn mismatch(head: &HeadEvidence) -> Table {
    models(
        "Mismatch: share of samples on which the outputs and the nearest class centre disagree",
        &[("forget", head.mismatch.map(|s| s.forget)), ("retain", head.mismatch.map(|s| s.retain))],
    )
}

/// One quantity a row, a column a model.
fn models(caption: &str, rows: &[(&str, PerModel<Option<f64>>)]) -> Table {
    let reference = rows.iter().any(|(_, values)| values.reference.is_some());
    let mut columns = vec!["set", "original", "unlearned"];
    if reference {
        columns.push("reference");
    }
    let mut table = Table::new(caption, &[("", &columns)]);
    for (name, values) in rows {
        let mut row = vec![(*name).to_owned(), number(values.original), number(values.unlearned)];
        if reference {
            row.push(number(values.reference.flatten()));
        }
        table.rows.push(row);
    }
    table
}
