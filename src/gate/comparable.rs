//! Whether two reports measured the same: only then does a difference say something of the models.

use super::Baseline;
use crate::report::Report;
use crate::verdict::DataEvidence;
use crate::{Error, Result};

/// Checks that the figures of `report` can be held against the baseline's.
///
/// # Errors
/// Other samples, preprocessing, split, seed, original or version of the measures; a reference that
/// only the baseline had; a baseline without figures; no layer in common.
pub(super) fn comparable(report: &Report, baseline: &Baseline) -> Result<()> {
    let refuse = |(problem, remedy): Problem| Err(Error::input(baseline.path, problem, remedy));
    let old = baseline.report;
    let found = measured(report, old)
        .or_else(|| samples(report.data.as_ref()?, old.data.as_ref()?))
        .or_else(|| models(report, old))
        .or_else(|| figures(report, old));
    found.map_or(Ok(()), refuse)
}

/// What is wrong, and its remedy.
type Problem = (String, &'static str);

const AGAIN: &str =
    "audit the earlier model again with the same data and options, and use that report";
const MEASURED: &str = "give a baseline that `audit compare` wrote with --data";

fn measured(report: &Report, old: &Report) -> Option<Problem> {
    let without =
        [("report", report), ("baseline", old)].into_iter().find(|(_, r)| r.data.is_none());
    if let Some((which, _)) = without {
        let problem = format!("the {which} has no samples, so no figure can be compared");
        return Some((problem, MEASURED));
    }
    let (now, before) = (report.tool.estimators, old.tool.estimators);
    if now != before {
        let problem = format!(
            "its figures are by version {before} of the measures, the report's by version {now}"
        );
        return Some((problem, AGAIN));
    }
    (report.seed != old.seed)
        .then(|| (format!("its seed is {}, the report's {}", old.seed, report.seed), AGAIN))
}

fn samples(now: &DataEvidence, before: &DataEvidence) -> Option<Problem> {
    let skipped = |d: &DataEvidence| d.skipped.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    let other = |what: &str| Some((format!("it was measured on {what}"), AGAIN));
    if now.split_sha256 != before.split_sha256
        || now.forget_classes != before.forget_classes
        || (now.fit, now.eval) != (before.fit, before.eval)
    {
        return other("another split of the samples");
    }
    if now.sha256 != before.sha256 || skipped(now) != skipped(before) {
        return other("other data");
    }
    if (now.classes, now.retain_classes) != (before.classes, before.retain_classes) {
        return other("another number of classes");
    }
    match (&now.preprocess_sha256, &before.preprocess_sha256) {
        (Some(now), Some(before)) if now == before => None,
        (Some(_), Some(_)) => {
            other("samples made ready otherwise (resizing, cropping, mean and std, class names)")
        }
        // An early version wrote one of them: nobody can tell.
        (Some(_), None) => Some(("it doesn't say how its samples were made ready".into(), AGAIN)),
        (None, _) => Some((
            "the report doesn't say how its samples were made ready".into(),
            "measure the model again with `audit compare`",
        )),
    }
}

fn models(report: &Report, old: &Report) -> Option<Problem> {
    if report.models.original.sha256 != old.models.original.sha256 {
        return Some(("it was measured against another original".into(), AGAIN));
    }
    let lost = old.models.reference.is_some() && report.models.reference.is_none();
    lost.then(|| {
        (
            "it was judged against a reference, and the report has none".into(),
            "give the same --reference to `audit compare`",
        )
    })
}

fn figures(report: &Report, old: &Report) -> Option<Problem> {
    if old.outputs.is_none() || old.layers.is_empty() {
        return Some(("it has no figures to compare with".into(), MEASURED));
    }
    let common = |name: &str| report.layers.iter().any(|l| l.name == name);
    if old.layers.iter().any(|l| common(&l.name)) {
        return None;
    }
    let problem = "no layer of it is in the report, so nothing can be compared";
    Some((problem.into(), "audit both models with the same --layers"))
}
