//! The figures by layer: CKA, probes, few-shot recovery, and what exceeds the yardstick.

use serde::Serialize;

use super::super::format::{brief, explain, finite, number, short_layer, signed, signed_interval};
use super::plot::{Plot, Row, Series, Shape, around};
use super::table::{self, Table};
use crate::measures::Status;
use crate::onnx::LayerKind;
use crate::report::Report;
use crate::verdict::{FewShotAccuracy, Finding, LayerEvidence, Outcome, fewest_shots};

/// A plot with the words and numbers that belong to it.
#[derive(Serialize)]
pub(super) struct Figure {
    /// Heading.
    pub title: String,
    /// What it shows here, in a sentence.
    pub finding: String,
    /// How it is read.
    pub reading: String,
    /// Marker (SVG) and name of each series.
    pub key: Vec<(String, String)>,
    /// The drawing (SVG).
    pub svg: String,
    /// The numbers behind it.
    pub table: Table,
}

impl Figure {
    /// `plot` with its words; series without a value are left out.
    pub(super) fn new(
        title: &str,
        finding: String,
        reading: String,
        mut plot: Plot,
        table: Table,
    ) -> Self {
        plot.series.retain(|s| !s.is_empty());
        plot.title = format!("{title}. {finding}");
        let key = plot.series.iter().map(|s| (s.key(), s.name.clone())).collect();
        Self { title: title.into(), finding, reading, key, svg: plot.svg(), table }
    }
}

/// The figures of the tapped layers; none when there are no layers.
pub(super) fn by_layer(report: &Report) -> Vec<Figure> {
    let Some(last) = report.layers.last() else { return Vec::new() };
    vec![
        cka(report, last),
        probe(report, last),
        few_shot(report, last),
        if report.layers.iter().any(|l| l.reference_gap.is_some()) {
            gap(report, last)
        } else {
            effect(report, last)
        },
    ]
}

fn cka(report: &Report, last: &LayerEvidence) -> Figure {
    let layers = &report.layers;
    let values = |of: fn(&LayerEvidence) -> Option<f64>| layers.iter().map(of).collect::<Vec<_>>();
    let forget = values(|l| l.cka.forget.debiased);
    let retain = values(|l| l.cka.retain.debiased);
    let reference_forget = values(|l| l.cka_reference?.forget.debiased);
    let reference_retain = values(|l| l.cka_reference?.retain.debiased);
    let all = [&forget, &retain, &reference_forget, &reference_retain];
    let (range, step) = around(all.into_iter().flatten().filter_map(|v| *v), [0.0, 1.0]);
    let rows = rows(report, &["cka-forget"], |layer| {
        let set = layer.cka.forget;
        let band = finite(set.null_mean).zip(finite(set.null_sd));
        let missing = [("forget", set), ("retain", layer.cka.retain)];
        let missing = missing.into_iter().filter(|(_, c)| finite(c.debiased).is_none());
        let problems: Vec<String> =
            missing.map(|(name, c)| format!("{name}: {}", c.status.as_str())).collect();
        Row {
            tooltip: format!(
                "CKA forget {}, retain {}",
                number(set.debiased),
                number(layer.cka.retain.debiased)
            ),
            value: number(set.debiased),
            problem: (!problems.is_empty()).then(|| problems.join(", ")),
            band: band.map(|(mean, sd)| [mean - 2.0 * sd, mean + 2.0 * sd]),
            ..Row::default()
        }
    });
    let banded = rows.iter().any(|r| r.band.is_some());
    let series = vec![
        Series::new("reference, retain", "reference", Shape::Frame, reference_retain).dashed(),
        Series::new("reference, forget", "reference", Shape::Diamond, reference_forget).dashed(),
        Series::new("retain", "retain", Shape::Square, retain),
        Series::new("forget", "unlearned", Shape::Disc, forget),
    ];
    let axis = "debiased linear CKA with the original".into();
    let plot =
        Plot { range, step, axis, value_head: "forget".into(), rows, series, ..Plot::default() };
    let finding = match finite(last.cka.forget.debiased) {
        Some(value) => format!(
            "At the head's input the features of forget samples have a CKA of {value:.3} with the \
             original's{}.",
            last.cka_reference
                .and_then(|c| finite(c.forget.debiased))
                .map(|r| format!(", the reference's {r:.3}"))
                .unwrap_or_default()
        ),
        None => format!(
            "At the head's input CKA on the forget set has no value: {}.",
            explain(last.cka.forget.status)
        ),
    };
    let reading = format!(
        "1 means the same features up to rotation and scale, 0 unrelated ones.{} CKA alone never \
         decides: a model retrained without the forget set can keep a high one.",
        if banded {
            " The grey bar is what random pairing of the samples gives, ±2 sd."
        } else {
            ""
        }
    );
    Figure::new(
        "Are the features still the original's?",
        finding,
        reading,
        plot,
        table::cka(layers),
    )
}

fn probe(report: &Report, last: &LayerEvidence) -> Figure {
    let layers = &report.layers;
    let values = |of: fn(&LayerEvidence) -> Option<f64>| layers.iter().map(of).collect::<Vec<_>>();
    let rows = rows(report, &["probe-recovery"], |layer| {
        let probe = layer.probe.unlearned;
        Row {
            tooltip: format!(
                "probe on forget samples: original {}, unlearned {}, reference {}, floor {}",
                number(layer.probe.original.forget_accuracy),
                number(probe.forget_accuracy),
                number(layer.probe.reference.and_then(|p| p.forget_accuracy)),
                number(layer.probe.floor.and_then(|p| p.forget_accuracy)),
            ),
            value: number(probe.forget_accuracy),
            problem: missing(probe.forget_accuracy, probe.status),
            ..Row::default()
        }
    });
    let series = vec![
        Series::new(
            "floor: random weights",
            "floor",
            Shape::Tick,
            values(|l| l.probe.floor?.forget_accuracy),
        )
        .dashed(),
        Series::new(
            "original",
            "original",
            Shape::Ring,
            values(|l| l.probe.original.forget_accuracy),
        ),
        Series::new(
            "reference",
            "reference",
            Shape::Diamond,
            values(|l| l.probe.reference?.forget_accuracy),
        )
        .dashed(),
        Series::new(
            "unlearned, 95 % interval",
            "unlearned",
            Shape::Disc,
            values(|l| l.probe.unlearned.forget_accuracy),
        )
        .with_intervals(layers.iter().map(|l| l.probe.unlearned.forget_ci).collect()),
    ];
    let plot = accuracy_plot(report, "probe accuracy on forget samples", rows, series);
    let finding = match finite(last.probe.unlearned.forget_accuracy) {
        Some(value) => format!(
            "A linear classifier on the head's input tells {value:.3} of the forget samples right{}.",
            compared(
                last.probe.original.forget_accuracy,
                last.probe.reference.and_then(|p| p.forget_accuracy)
            )
        ),
        None => format!(
            "No probe could be fitted at the head's input: {}.",
            explain(last.probe.unlearned.status)
        ),
    };
    let reading = "What a new linear head on each layer would recognise. It is trained with the \
                   true labels, so a reference, or random weights, say how much of it is no memory \
                   of the forget set."
        .into();
    let title = "What does a linear probe recover?";
    Figure::new(title, finding, reading, plot, table::probe(layers))
}

fn few_shot(report: &Report, last: &LayerEvidence) -> Figure {
    let layers = &report.layers;
    let points = |of: fn(&LayerEvidence) -> Option<&FewShotAccuracy>| -> Vec<Option<f64>> {
        layers.iter().map(|l| of(l).and_then(|a| fewest_shots(&a.forget))).collect()
    };
    let rows = rows(report, &["few-shot-recovery"], |layer| {
        let few_shot = &layer.few_shot;
        let value = fewest_shots(&few_shot.unlearned.forget);
        Row {
            tooltip: format!(
                "few-shot on forget classes: original {}, unlearned {}, reference {}; unlearned on \
                 retain classes {}; effect {}",
                number(fewest_shots(&few_shot.original.forget)),
                number(value),
                number(few_shot.reference.as_ref().and_then(|r| fewest_shots(&r.forget))),
                number(fewest_shots(&few_shot.unlearned.retain)),
                signed(few_shot.effect),
            ),
            value: number(value),
            problem: missing(value, few_shot.status),
            ..Row::default()
        }
    });
    let series = vec![
        Series::new(
            "unlearned, retain classes",
            "retain",
            Shape::Plus,
            layers.iter().map(|l| fewest_shots(&l.few_shot.unlearned.retain)).collect(),
        )
        .dashed(),
        Series::new("original", "original", Shape::Ring, points(|l| Some(&l.few_shot.original))),
        Series::new(
            "reference",
            "reference",
            Shape::Diamond,
            points(|l| l.few_shot.reference.as_ref()),
        )
        .dashed(),
        Series::new("unlearned", "unlearned", Shape::Disc, points(|l| Some(&l.few_shot.unlearned))),
    ];
    let shots = last.few_shot.shots.first().copied().unwrap_or(1);
    let samples = if shots == 1 { "one sample".into() } else { format!("{shots} samples") };
    let plot = accuracy_plot(report, &format!("accuracy from {samples} a class"), rows, series);
    let value = fewest_shots(&last.few_shot.unlearned.forget);
    let finding = match finite(value) {
        Some(value) => format!(
            "From {samples} a class, {value:.3} of the forget samples are told right at the head's \
             input{}.",
            compared(
                fewest_shots(&last.few_shot.original.forget),
                last.few_shot.reference.as_ref().and_then(|r| fewest_shots(&r.forget))
            )
        ),
        None => format!(
            "Few-shot recovery at the head's input has no value: {}.",
            explain(last.few_shot.status)
        ),
    };
    let reading =
        "How quickly a forgotten class is learned again. Each class in turn is known only \
                   from the few samples, all others from all theirs; the retain classes are the \
                   placebo."
            .into();
    let title = "How few samples bring it back?";
    Figure::new(title, finding, reading, plot, table::few_shot(layers))
}

fn gap(report: &Report, last: &LayerEvidence) -> Figure {
    let layers = &report.layers;
    let few_shot = |l: &LayerEvidence| l.reference_gap.map(|g| g.few_shot);
    let probe = |l: &LayerEvidence| l.reference_gap.map(|g| g.probe);
    let rows = rows(report, &["few-shot-recovery", "probe-recovery"], |layer| {
        let gap = few_shot(layer);
        let value = gap.and_then(|g| g.value);
        Row {
            tooltip: format!(
                "unlearned minus reference: few-shot {} {}, probe {} {}",
                signed(value),
                signed_interval(gap.and_then(|g| g.ci)),
                signed(probe(layer).and_then(|g| g.value)),
                signed_interval(probe(layer).and_then(|g| g.ci)),
            ),
            value: signed(value),
            problem: missing(value, gap.map_or(Status::Undefined, |g| g.status)),
            ..Row::default()
        }
    });
    let series = vec![
        Series::new(
            "probe",
            "retain",
            Shape::Square,
            layers.iter().map(|l| probe(l)?.value).collect(),
        )
        .with_intervals(layers.iter().map(|l| probe(l)?.ci).collect())
        .shifted(4.0)
        .dashed(),
        Series::new(
            "few-shot",
            "unlearned",
            Shape::Disc,
            layers.iter().map(|l| few_shot(l)?.value).collect(),
        )
        .with_intervals(layers.iter().map(|l| few_shot(l)?.ci).collect())
        .shifted(-4.0),
    ];
    let (range, step) = around(extent(&series), [-0.2, 0.2]);
    let plot = Plot {
        range,
        step,
        axis: "accuracy on forget samples, unlearned minus reference".into(),
        guide: Some((0.0, "as the reference".into())),
        value_head: "few-shot".into(),
        rows,
        series,
        ..Plot::default()
    };
    let at = |value: Option<f64>, ci| format!("{} {}", signed(value), signed_interval(ci));
    let finding = match last.reference_gap {
        Some(gap) => format!(
            "At the head's input the unlearned model differs from the reference by {} few-shot and \
             by {} with the probe.",
            at(gap.few_shot.value, gap.few_shot.ci),
            at(gap.probe.value, gap.probe.ci)
        ),
        None => "There is no comparison with the reference at the head's input.".into(),
    };
    let reading =
        "Right of zero, more of the forget set is recovered than from a model that never \
                   saw it. Bars are 95 % bootstrap intervals."
            .into();
    let title = "Does recovery exceed the reference's?";
    Figure::new(title, finding, reading, plot, table::effects(layers))
}

fn effect(report: &Report, last: &LayerEvidence) -> Figure {
    let layers = &report.layers;
    let rows = rows(report, &["few-shot-recovery"], |layer| {
        let few_shot = &layer.few_shot;
        Row {
            tooltip: format!(
                "effect {} {}",
                signed(few_shot.effect),
                signed_interval(few_shot.effect_ci)
            ),
            value: signed(few_shot.effect),
            problem: missing(few_shot.effect, few_shot.status),
            ..Row::default()
        }
    });
    let series = vec![
        Series::new(
            "effect, 95 % interval",
            "unlearned",
            Shape::Disc,
            layers.iter().map(|l| l.few_shot.effect).collect(),
        )
        .with_intervals(layers.iter().map(|l| l.few_shot.effect_ci).collect()),
    ];
    let (range, step) = around(extent(&series), [-2.0, 1.0]);
    let plot = Plot {
        range,
        step,
        axis: "effect, in spreads of the retain classes".into(),
        guide: Some((0.0, "as the original".into())),
        value_head: "effect".into(),
        rows,
        series,
        ..Plot::default()
    };
    let finding = match finite(last.few_shot.effect) {
        Some(_) => format!(
            "At the head's input the effect is {} {}.",
            signed(last.few_shot.effect),
            signed_interval(last.few_shot.effect_ci)
        ),
        None => format!(
            "At the head's input the effect has no value: {}.",
            explain(last.few_shot.status)
        ),
    };
    let reading = "Few-shot accuracy of the forget classes against that of the retain classes, \
                   compared with the original. Near 0 they are as easy to learn again as before; a \
                   forgotten class lies well below."
        .into();
    let title = "Did the forget classes become harder to learn?";
    Figure::new(title, finding, reading, plot, table::effects(layers))
}

fn accuracy_plot(report: &Report, axis: &str, rows: Vec<Row>, series: Vec<Series>) -> Plot {
    let classes = report.data.as_ref().map(|d| d.classes).filter(|c| *c > 1);
    Plot {
        range: [0.0, 1.0],
        step: 0.2,
        axis: axis.into(),
        guide: classes.map(|c| (1.0 / c as f64, "chance".into())),
        value_head: "unlearned".into(),
        rows,
        series,
        ..Plot::default()
    }
}

/// Rows with the layers' names; a row that breaks one of `rules` is marked.
fn rows(report: &Report, rules: &[&str], row: impl Fn(&LayerEvidence) -> Row) -> Vec<Row> {
    let failed = |layer: &LayerEvidence| {
        let breaks = |f: &Finding| {
            f.outcome == Outcome::Failed
                && rules.contains(&f.rule.as_str())
                && f.layer.as_deref() == Some(layer.name.as_str())
        };
        report.findings.iter().any(breaks)
    };
    let with_name = |(i, layer): (usize, &LayerEvidence)| {
        let row = row(layer);
        Row {
            label: format!("{} {}", i + 1, short_layer(&layer.name)),
            tooltip: format!(
                "{} {}: {}",
                i + 1,
                super::super::clean::shorten(&layer.name, 80),
                row.tooltip
            ),
            strong: layer.kind == LayerKind::HeadInput,
            failed: failed(layer),
            ..row
        }
    };
    report.layers.iter().enumerate().map(with_name).collect()
}

fn missing(value: Option<f64>, status: Status) -> Option<String> {
    finite(value).is_none().then(|| status.as_str().to_owned())
}

fn compared(original: Option<f64>, reference: Option<f64>) -> String {
    let mut text = match finite(original) {
        Some(_) => format!("; on the original it is {}", brief(original)),
        None => return String::new(),
    };
    if finite(reference).is_some() {
        text.push_str(&format!(", on the reference {}", brief(reference)));
    }
    text
}

/// All values and interval ends.
fn extent(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|s| {
        let ends = s.intervals.iter().flatten().flatten();
        s.points.iter().flatten().chain(ends).copied()
    })
}
