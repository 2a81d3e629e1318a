//! The figure of the classifier head: misalignment, a row a class.

use super::super::format::{class as class_name, finite, number};
use super::figures::Figure;
use super::plot::{Plot, Row, Series, Shape, around};
use super::table::Table;
use crate::report::Report;
use crate::verdict::{DataEvidence, HeadEvidence, MisalignmentEvidence, PerModel};

/// With more classes than this, a figure shows the forget classes and what changed most.
const PLOTTED: usize = 24;

/// With more classes than this, so does the table.
const LISTED: usize = 200;

/// Misalignment by class; `None` where no head was measured.
pub(super) fn misalignment(report: &Report) -> Option<Figure> {
    let head = report.head.as_ref()?;
    let forget = report.data.as_ref().map_or(&[][..], |d| &d.forget_classes);
    let classes = classes(head);
    let plotted = chosen(head, forget, classes, PLOTTED);
    let of =
        |model: &MisalignmentEvidence, class: usize| model.per_class.get(class).copied().flatten();
    let PerModel { original, unlearned, reference } = &head.misalignment;
    let points = |model: &MisalignmentEvidence| plotted.iter().map(|&c| of(model, c)).collect();
    let mut series =
        vec![Series::new("original", "original", Shape::Ring, points(original)).scattered()];
    if let Some(reference) = reference {
        series.push(
            Series::new("reference", "reference", Shape::Diamond, points(reference)).scattered(),
        );
    }
    series.push(Series::new("unlearned", "unlearned", Shape::Disc, points(unlearned)).scattered());
    let row = |&class: &usize| {
        let value = of(unlearned, class);
        let forgotten = forget.contains(&class);
        Row {
            label: if forgotten {
                format!("class {class}, forget")
            } else {
                format!("class {class}")
            },
            tooltip: format!(
                "class {}: original {}, unlearned {}, reference {}",
                named(report.data.as_ref(), class),
                number(of(original, class)),
                number(value),
                number(reference.as_ref().and_then(|r| of(r, class))),
            ),
            strong: forgotten,
            value: number(value),
            problem: finite(value).is_none().then(|| "no value".to_owned()),
            ..Row::default()
        }
    };
    let rows = plotted.iter().map(row).collect();
    let (range, step) =
        around(series.iter().flat_map(|s| s.points.iter().flatten().copied()), [0.0, 1.0]);
    let plot = Plot {
        range,
        step,
        axis: "1 - cos(class mean, classifier row)".into(),
        value_head: "unlearned".into(),
        rows,
        series,
        ..Plot::default()
    };
    let finding = format!(
        "On average {} for the forget classes and {} for the retain classes; in the original {} \
         and {}.",
        number(unlearned.forget),
        number(unlearned.retain),
        number(original.forget),
        number(original.retain)
    );
    let mut reading = "0 means that the head looks where the features of a class are, 1 that it \
                       looks elsewhere. A head turned away from features that stayed is the mark \
                       of superficial forgetting."
        .to_owned();
    if plotted.len() < classes {
        let shown =
            if forget.len() > PLOTTED { "Of the forget classes" } else { "Of the retain classes" };
        reading.push_str(&format!(
            " {shown} only those are shown whose misalignment changed most; the JSON report has all \
             {classes}."
        ));
    }
    let table = table(head, report.data.as_ref(), &chosen(head, forget, classes, LISTED));
    Some(Figure::new("Does the head still look at the classes?", finding, reading, plot, table))
}

fn named(data: Option<&DataEvidence>, class: usize) -> String {
    data.map_or_else(|| class.to_string(), |data| class_name(data, class))
}

fn classes(head: &HeadEvidence) -> usize {
    let models = &head.misalignment;
    let reference = models.reference.as_ref().map_or(0, |r| r.per_class.len());
    models.original.per_class.len().max(models.unlearned.per_class.len()).max(reference)
}

/// At most `most` classes in ascending order: forget classes first, then by change.
fn chosen(head: &HeadEvidence, forget: &[usize], classes: usize, most: usize) -> Vec<usize> {
    let change = |class: usize| {
        let of = |m: &MisalignmentEvidence| finite(m.per_class.get(class).copied().flatten());
        let models = &head.misalignment;
        of(&models.original).zip(of(&models.unlearned)).map_or(0.0, |(a, b)| (a - b).abs())
    };
    let mut order: Vec<(bool, f64, usize)> =
        (0..classes).map(|c| (forget.contains(&c), change(c), c)).collect();
    order.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
    let mut chosen: Vec<usize> = order.into_iter().take(most).map(|(_, _, class)| class).collect();
    chosen.sort_unstable();
    chosen
}

fn table(head: &HeadEvidence, data: Option<&DataEvidence>, classes: &[usize]) -> Table {
    let models = &head.misalignment;
    let mut columns = vec!["class", "set", "original", "unlearned"];
    if models.reference.is_some() {
        columns.push("reference");
    }
    let mut table = Table::new("Misalignment of classes and classifier rows", &[("", &columns)]);
    table.words = 2;
    for &class in classes {
        let of = |m: &MisalignmentEvidence| number(m.per_class.get(class).copied().flatten());
        let forgotten = data.is_some_and(|d| d.forget_classes.contains(&class));
        let set = if forgotten { "forget" } else { "retain" };
        let mut row =
            vec![named(data, class), set.into(), of(&models.original), of(&models.unlearned)];
        row.extend(models.reference.as_ref().map(of));
        table.rows.push(row);
    }
    table
}
