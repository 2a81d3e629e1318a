//! The rules as the page lists them: what keeps the gate shut, warnings, what passed.

use serde::Serialize;

use super::super::clean::shorten;
use super::super::format::{short_layer, size};
use super::super::standing::{is_regression, place, word};
use crate::report::Report;
use crate::verdict::rules::{find, help};
use crate::verdict::{Change, Finding, Outcome};

/// Findings in the groups of the page.
#[derive(Serialize)]
pub(super) struct Rules {
    blocking: Vec<Rule>,
    warnings: Vec<Rule>,
    passed: Vec<Rule>,
    /// What a single rule says of the figures that the baseline has too.
    figures: String,
}

/// A finding in the words of the page.
#[derive(Serialize)]
struct Rule {
    rule: String,
    /// Where the rule is explained, an address of this program's own; nothing for a rule this
    /// version doesn't know.
    help: Option<String>,
    /// What the rule asks, where it is named for the first time.
    asks: &'static str,
    outcome: &'static str,
    sign: &'static str,
    /// The class in the style sheet.
    tone: &'static str,
    /// Against the baseline, or nothing.
    change: &'static str,
    /// The layer, or nothing.
    layer: String,
    message: String,
    expected: String,
    /// Where the policy file sets the limit, or nothing.
    set_at: String,
    found: String,
}

/// Every finding, in the order of [`order`]. The figures that are no worse than the baseline's are
/// counted: there are three for every layer.
pub(super) fn rules(report: &Report) -> Rules {
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|f| order(report, f));
    let mut rules = Rules {
        blocking: Vec::new(),
        warnings: Vec::new(),
        passed: Vec::new(),
        figures: String::new(),
    };
    let (mut same, mut compared) = (0, 0);
    let mut named: Vec<&str> = Vec::new();
    for finding in findings {
        let passed = finding.outcome == Outcome::Passed;
        compared += usize::from(is_regression(finding));
        if passed && is_regression(finding) {
            same += 1;
            continue;
        }
        let first = !named.contains(&finding.rule.as_str());
        named.push(&finding.rule);
        let rule = Rule::new(report, finding, first);
        if passed {
            rules.passed.push(rule);
        } else if finding.warns() {
            rules.warnings.push(rule);
        } else {
            rules.blocking.push(rule);
        }
    }
    if compared > 0 {
        rules.figures = format!(
            "{} of {} figures are no worse than the baseline's, or by less than the policy allows.",
            size(same),
            size(compared)
        );
    }
    rules
}

/// Failed before undecided; regressions, of which there may be many, last; the whole model before
/// its layers, deep layers before shallow ones.
fn order(report: &Report, finding: &Finding) -> (u8, bool, Option<usize>) {
    let outcome = match finding.outcome {
        Outcome::Failed => 0,
        Outcome::Undecided => 1,
        Outcome::Passed => 2,
    };
    let place = finding.layer.as_ref().map(|name| {
        let depth = report.layers.iter().position(|l| l.name == *name);
        report.layers.len() - depth.unwrap_or(0)
    });
    (outcome, is_regression(finding), place)
}

impl Rule {
    fn new(report: &Report, finding: &Finding, first: bool) -> Self {
        let (sign, outcome, tone) = match finding.outcome {
            Outcome::Passed => ("✓", "passed", "passed"),
            Outcome::Failed if finding.warns() => ("!", "warning", "warning"),
            Outcome::Failed => ("✗", "failed", "failed"),
            Outcome::Undecided => ("?", "undecided", "undecided"),
        };
        let known = find(&finding.rule);
        // That what passed passes still is no news.
        let passed = finding.outcome == Outcome::Passed;
        let change = finding.change.filter(|c| !passed || *c != Change::Unchanged);
        Self {
            rule: finding.rule.clone(),
            help: known.map(|rule| help(rule.id)),
            asks: known.filter(|_| first).map_or("", |rule| rule.asks),
            outcome,
            sign,
            tone,
            change: change.map_or("", word),
            layer: finding
                .layer
                .as_deref()
                .map(|l| shorten(short_layer(l), 26))
                .unwrap_or_default(),
            message: finding.message.clone(),
            expected: finding.expected.clone(),
            set_at: place(report, finding).unwrap_or_default(),
            found: finding.found.clone(),
        }
    }
}
