//! Annotations for GitHub's workflow log.
//!
//! GitHub shows ten annotations of a kind for each step and drops the rest, so there is one for
//! each rule, and the tenth speaks of all that follow.

use std::collections::BTreeSet;

use super::clean::clean;
use super::format::{help_on, short_layer};
use super::model::Report;
use super::standing::standing;
use crate::verdict::Finding;

/// Annotations of a kind that GitHub shows for a step.
const SHOWN: usize = 10;

/// Layers that an annotation names: the deepest ones, which weigh most.
const NAMED: usize = 3;

/// Workflow commands, a line each.
pub fn github(report: &Report) -> String {
    let mut out = String::new();
    let verdict = &report.verdict;
    let title = format!("audit: {}", verdict.label.as_str());
    let mut text = clean(&verdict.sentence);
    if let Some(standing) = standing(report) {
        text.push_str(&format!("\n{}: {}", standing.title, clean(&standing.sentence)));
    }
    command(&mut out, "notice", &[("title", &title)], &text);
    annotate(&mut out, "error", report, |f| f.blocks());
    annotate(&mut out, "warning", report, |f| f.warns());
    out
}

fn annotate(out: &mut String, kind: &str, report: &Report, is: impl Fn(&Finding) -> bool) {
    // One group a rule, in the report's order.
    let mut groups: Vec<(&str, Vec<&Finding>)> = Vec::new();
    for finding in report.findings.iter().filter(|f| is(f)) {
        match groups.iter_mut().find(|(rule, _)| *rule == finding.rule) {
            Some((_, group)) => group.push(finding),
            None => groups.push((&finding.rule, vec![finding])),
        }
    }
    let shown = if groups.len() > SHOWN { SHOWN - 1 } else { groups.len() };
    let policy = report.policy.as_ref().and_then(|p| p.path.as_deref());
    for (rule, group) in groups.iter().take(shown) {
        let Some(deepest) = group.last() else { continue };
        let title = format!("audit: {}", clean(rule));
        let mut properties = vec![("title", title.as_str())];
        let (file, line, column);
        if let (Some(path), Some(at)) = (policy, deepest.set_at) {
            (file, line, column) = (clean(path), at.line.to_string(), at.column.to_string());
            properties.extend([("file", file.as_str()), ("line", &line), ("col", &column)]);
        }
        command(out, kind, &properties, &message(group, deepest));
    }
    let rest: Vec<String> = groups.iter().skip(shown).map(|(rule, _)| clean(rule)).collect();
    if !rest.is_empty() {
        let text = format!("{} more rules: {}", rest.len(), rest.join(", "));
        command(out, kind, &[("title", "audit: more")], &text);
    }
}

/// What the rule says, and its figures: each with its layer, so that none passes for another's.
fn message(group: &[&Finding], deepest: &Finding) -> String {
    let mut lines = vec![clean(&deepest.message)];
    let more = group.len().saturating_sub(NAMED);
    for finding in group.iter().skip(more) {
        let layer = finding.layer.as_deref().map(|l| format!("{}: ", clean(short_layer(l))));
        lines.push(format!(
            "{}found {}; expected {}",
            layer.unwrap_or_default(),
            clean(&finding.found),
            clean(&finding.expected)
        ));
    }
    // A rule may speak of a layer twice.
    let layers = |part: &[&Finding]| -> BTreeSet<String> {
        part.iter().filter_map(|f| f.layer.clone()).collect()
    };
    let (others, named) = group.split_at(more);
    match layers(others).difference(&layers(named)).count() {
        0 => {}
        1 => lines.push("the like at 1 shallower layer".into()),
        n => lines.push(format!("the like at {n} shallower layers")),
    }
    lines.extend(help_on(&deepest.rule));
    lines.join("\n")
}

fn command(out: &mut String, kind: &str, properties: &[(&str, &str)], message: &str) {
    let properties: Vec<String> = properties
        .iter()
        .map(|(key, value)| {
            let value = data(value).replace(':', "%3A").replace(',', "%2C");
            format!("{key}={value}")
        })
        .collect();
    out.push_str(&format!("::{kind} {}::{}\n", properties.join(","), data(message)));
}

/// A command's data, escaped as the runner unescapes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::report;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        let mut out = String::new();
        command(&mut out, "error", &[("file", "a:b,c%\n")], "50%\r\n::error::x");
        assert_eq!(out, "::error file=a%3Ab%2Cc%25%0A::50%25%0D%0A::error::x\n");
    }

    /// The figure of one layer is not told as that of another.
    #[test]
    fn a_rule_at_many_layers_tells_the_figures_of_the_deepest() {
        let mut report = report(4, 10, true);
        let failed = report.findings.iter().find(|f| f.blocks()).expect("a failure").clone();
        report.findings = (0..9)
            .map(|i| Finding {
                layer: Some(format!("layer{i}")),
                found: format!("0.{i}"),
                ..failed.clone()
            })
            .collect();
        let text = github(&report);
        assert!(text.contains("layer8: found 0.8") && text.contains("layer6: found 0.6"), "{text}");
        assert!(!text.contains("layer5") && text.contains("6 shallower layers"), "{text}");
    }

    /// A model may be erased and fail its policy; the notice says both.
    #[test]
    fn the_notice_tells_of_the_gate() {
        let mut report = report(4, 10, true);
        report.gate = Some(crate::verdict::Gate { passed: false, failed: 2, warned: 1 });
        let notice = github(&report).lines().next().map(str::to_owned).expect("a line");
        assert!(notice.starts_with("::notice ") && notice.contains("does not pass"), "{notice}");
    }

    #[test]
    fn five_hundred_failing_rules_make_ten_annotations() {
        let mut report = report(4, 10, true);
        let finding = report.findings.iter().find(|f| f.blocks()).expect("a failure").clone();
        report.findings =
            (0..500).map(|i| Finding { rule: format!("rule-{i}"), ..finding.clone() }).collect();
        let text = github(&report);
        let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("::error ")).collect();
        assert_eq!(errors.len(), SHOWN);
        assert!(errors[9].contains("491 more rules"), "{}", errors[9]);
        assert!(errors[9].contains("rule-499"));
    }
}
