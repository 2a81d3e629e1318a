//! Annotations for GitHub's workflow log.
//!
//! GitHub shows ten annotations of a kind for each step and drops the rest, so there is one for
//! each rule, and the tenth speaks of all that follow.

use super::clean::clean;
use super::format::short_layer;
use super::model::Report;
use crate::verdict::Finding;

/// Annotations of a kind that GitHub shows for a step.
const SHOWN: usize = 10;

/// Layers that an annotation names.
const NAMED: usize = 5;

/// Workflow commands, a line each.
pub fn github(report: &Report) -> String {
    let mut out = String::new();
    let verdict = &report.verdict;
    let title = format!("audit: {}", verdict.label.as_str());
    command(&mut out, "notice", &[("title", &title)], &clean(&verdict.sentence));
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
        let Some(first) = group.first() else { continue };
        let title = format!("audit: {}", clean(rule));
        let mut properties = vec![("title", title.as_str())];
        let (file, line, column);
        if let (Some(path), Some(at)) = (policy, first.set_at) {
            (file, line, column) = (clean(path), at.line.to_string(), at.column.to_string());
            properties.extend([("file", file.as_str()), ("line", &line), ("col", &column)]);
        }
        command(out, kind, &properties, &message(group, first));
    }
    let rest: Vec<String> = groups.iter().skip(shown).map(|(rule, _)| clean(rule)).collect();
    if !rest.is_empty() {
        let text = format!("{} more rules: {}", rest.len(), rest.join(", "));
        command(out, kind, &[("title", "audit: more")], &text);
    }
}

fn message(group: &[&Finding], first: &Finding) -> String {
    let mut text = format!(
        "{} (found {}; expected {})",
        clean(&first.message),
        clean(&first.found),
        clean(&first.expected)
    );
    let mut layers: Vec<String> = Vec::new();
    for layer in group.iter().filter_map(|f| f.layer.as_deref()) {
        let layer = clean(short_layer(layer));
        // A rule may speak of a layer twice.
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    if !layers.is_empty() {
        let more = layers.len().saturating_sub(NAMED);
        let named = layers.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        text.push_str(&format!("\nat {named}"));
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
    }
    text.push_str(&format!("\n{}", crate::verdict::rules::help(&first.rule)));
    text
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
