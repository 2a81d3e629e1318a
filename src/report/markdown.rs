//! The report as GitHub-flavoured markdown: for a pull request's comment, a job's summary, a model
//! card.

use std::fmt::Write;

use super::clean::clean;
use super::format::{brief, count, forgotten, help_on, short_layer};
use super::gaps::gaps;
use super::model::{ModelSummary, Report};
use super::standing::reasons;
use crate::verdict::{Change, Finding, LayerEvidence, Outcome, fewest_shots};

/// The longest comment that GitHub takes, in characters.
pub const COMMENT: usize = 65_536;

/// Room for what says that rows were cut, in each of the four tables.
const CUT: usize = 320;

/// Markdown of at most `limit` bytes: tables lose rows, and say so, before anything else is lost.
/// Empty where not even the verdict fits: what is left would say nothing.
pub fn markdown(report: &Report, limit: usize) -> String {
    let mut out = Paper { text: String::new(), limit };
    if !title(&mut out, report) {
        return String::new();
    }
    inputs(&mut out, report);
    findings(&mut out, report);
    layers(&mut out, report);
    missing(&mut out, report);
    out.text
}

/// Text that never grows beyond its limit.
struct Paper {
    text: String,
    limit: usize,
}

impl Paper {
    /// Adds a whole part, or nothing where it doesn't fit.
    fn part(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() + CUT <= self.limit;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    /// Adds a table's head and as many of its rows as fit, and says how many did not.
    fn table(&mut self, head: &str, rows: &[String], what: &str) {
        if rows.is_empty() {
            return;
        }
        let begun = self.part(head);
        let fitting = rows.iter().take_while(|row| begun && self.part(row)).count();
        let left = rows.len() - fitting;
        if left > 0 {
            let _ = write!(self.text, "\n… and {left} more {what}; the JSON report has all.\n");
        }
        self.text.push('\n');
    }
}

/// The verdict; `false` where it doesn't fit.
fn title(out: &mut Paper, report: &Report) -> bool {
    let verdict = &report.verdict;
    let mark = if report.passes() { "✅" } else { "❌" };
    let mut text = format!("## {mark} audit: {}\n\n", verdict.label.as_str());
    let _ = writeln!(text, "**{}**\n", prose(&verdict.sentence));
    if let Some(gate) = &report.gate {
        let policy = report.policy.as_ref();
        let preset = policy.map_or("default", |p| p.preset.as_str());
        let file = policy.and_then(|p| p.path.as_deref()).map(|p| format!(" in {}", code(p)));
        let _ = writeln!(
            text,
            "The policy ({}{}) **{}**: {} failed, {} warned.\n",
            code(preset),
            file.unwrap_or_default(),
            if report.passes() { "passes" } else { "does not pass" },
            plural(gate.failed, "finding"),
            gate.warned,
        );
    }
    let reasons = reasons(report);
    for reason in reasons.iter().take(5) {
        let _ = writeln!(text, "- {}", prose(reason));
    }
    if reasons.len() > 5 {
        let _ = writeln!(text, "- … and {} more", reasons.len() - 5);
    }
    text.push('\n');
    out.part(&text)
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn inputs(out: &mut Paper, report: &Report) {
    let model = |what: &str, model: &ModelSummary| {
        let hash: String = model.sha256.chars().take(12).collect();
        format!("| {what} | {} | {} |\n", code(&model.path), code(&hash))
    };
    let models = &report.models;
    let mut rows = vec![model("original", &models.original), model("unlearned", &models.unlearned)];
    rows.extend(models.reference.as_ref().map(|m| model("reference", m)));
    if let Some(data) = &report.data {
        let hash: String = data.sha256.chars().take(12).collect();
        rows.push(format!("| data | {} | {} |\n", code(&data.path), code(&hash)));
        let what = match data.forget_classes.as_slice() {
            [] => "single samples".into(),
            _ => format!("classes {}", prose(&forgotten(data))),
        };
        let samples = count((data.eval.forget + data.eval.retain) as u64);
        rows.push(format!("| forgotten | {what}, measured on {samples} samples | |\n"));
    }
    if let Some(baseline) = &report.baseline {
        let hash: String = baseline.sha256.chars().take(12).collect();
        let label = baseline.label.as_str();
        rows.push(format!("| baseline | {}, {label} | {} |\n", code(&baseline.path), code(&hash)));
    }
    out.table("| | | SHA-256 |\n|---|---|---|\n", &rows, "inputs");
}

fn findings(out: &mut Paper, report: &Report) {
    let row = |finding: &&Finding| {
        let layer = finding.layer.as_deref().map(|l| code(short_layer(l))).unwrap_or_default();
        let level = match (finding.outcome, finding.blocks()) {
            (Outcome::Undecided, true) => "undecided",
            (_, true) => "failed",
            (Outcome::Undecided, false) => "warning, undecided",
            (_, false) => "warning",
        };
        format!(
            "| {} | {layer} | {level}{} | {} | {} |\n",
            rule(&finding.rule),
            finding.change.map(|c| format!(", {}", change(c))).unwrap_or_default(),
            prose(&finding.expected),
            prose(&finding.found),
        )
    };
    let blocking = report.findings.iter().filter(|f| f.blocks());
    let all = blocking.chain(report.findings.iter().filter(|f| f.warns()));
    let rows: Vec<String> = all.collect::<Vec<_>>().iter().map(row).collect();
    let head =
        "### What did not pass\n\n| rule | layer | | expected | found |\n|---|---|---|---|---|\n";
    out.table(head, &rows, "findings");
}

/// A rule, linked to where it is explained.
fn rule(id: &str) -> String {
    match help_on(id) {
        Some(help) => format!("[{}]({help})", prose(id)),
        None => prose(id),
    }
}

/// What became of a finding, in a word.
fn change(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Unchanged => "unchanged",
        Change::Worse => "worse",
        Change::Better => "better",
    }
}

fn layers(out: &mut Paper, report: &Report) {
    let has_reference = report.models.reference.is_some();
    let three = |original, unlearned, reference: Option<f64>| {
        let mut text = format!("{} | {}", brief(original), brief(unlearned));
        if has_reference {
            let _ = write!(text, " | {}", brief(reference));
        }
        text
    };
    let row = |layer: &LayerEvidence| {
        let cka = brief(layer.cka.forget.debiased);
        let cka = match (has_reference, layer.cka_reference) {
            (true, reference) => {
                format!("{cka} | {}", brief(reference.and_then(|c| c.forget.debiased)))
            }
            (false, _) => cka,
        };
        let (probe, few_shot) = (&layer.probe, &layer.few_shot);
        format!(
            "| {} | {cka} | {} | {} |\n",
            code(short_layer(&layer.name)),
            three(
                probe.original.forget_accuracy,
                probe.unlearned.forget_accuracy,
                probe.reference.and_then(|p| p.forget_accuracy),
            ),
            three(
                fewest_shots(&few_shot.original.forget),
                fewest_shots(&few_shot.unlearned.forget),
                few_shot.reference.as_ref().and_then(|r| fewest_shots(&r.forget)),
            ),
        )
    };
    let rows: Vec<String> = report.layers.iter().map(row).collect();
    let head = match has_reference {
        true => {
            "| layer | CKA | reference | probe: original | unlearned | reference | 1-shot: original \
             | unlearned | reference |\n|---|---|---|---|---|---|---|---|---|\n"
        }
        false => {
            "| layer | CKA | probe: original | unlearned | 1-shot: original | unlearned \
             |\n|---|---|---|---|---|---|\n"
        }
    };
    let head = format!(
        "### Layers, on forget samples\n\nDebiased CKA with the original; accuracy of a linear probe; \
         of the nearest centre when a class is known from one sample.\n\n{head}"
    );
    out.table(&head, &rows, "layers");
}

fn missing(out: &mut Paper, report: &Report) {
    let gaps: Vec<String> = gaps(report).iter().map(|g| format!("- {}\n", prose(g))).collect();
    out.table("### Not measured, and why\n\n", &gaps, "gaps");
    let version = report.tool.onnxruntime.as_deref();
    let runtime = version.map(|v| format!(", ONNX Runtime {}", prose(v))).unwrap_or_default();
    let tool = &report.tool;
    let foot = format!(
        "<sub>{} {}{runtime}, seed {}, {}</sub>\n",
        prose(&tool.name),
        prose(&tool.version),
        report.seed,
        prose(&report.created)
    );
    out.part(&foot);
}

/// Text that means nothing to markdown: no markup, no links, no mentions, no line breaks.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for c in clean(text).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // A zero-width space keeps names and numbers from becoming mentions and links.
            '@' | '#' => {
                out.push(c);
                out.push('\u{200b}');
            }
            ':' => out.push(c),
            '/' if out.ends_with(':') => out.push_str("\u{200b}/"),
            c => out.push(c),
        }
    }
    out.replace("www.", "www\u{200b}.")
}

/// A name as code: nothing in it is markup, and a pipe ends no cell.
fn code(text: &str) -> String {
    let text = clean(text).replace('`', "'").replace('|', "\\|");
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::report;

    #[test]
    fn names_can_not_leave_their_cell() {
        assert_eq!(code("a`|b\n# c @me"), "`a'\\|b # c @me`");
        assert_eq!(
            prose("<b> @me #1 a|b `x` https://e.org"),
            "\\<b\\> @\u{200b}me #\u{200b}1 a\\|b \\`x\\` https:\u{200b}//e.org"
        );
    }

    /// A stored report is anyone's file: no address is made from what it calls a rule.
    #[test]
    fn a_rule_we_do_not_know_is_no_link() {
        let mut report = report(4, 10, true);
        let known = report.findings.iter_mut().find(|f| f.blocks()).expect("a failure");
        known.rule = "x) ![](http://e.org/p.png\n\n# @me".into();
        let text = markdown(&report, COMMENT);
        assert!(!text.contains("http://") && !text.contains("\n# "), "{text}");
        assert!(text.contains("](https://docs.rs/"), "rules that we know are linked");
    }

    #[test]
    fn the_limit_holds_whatever_the_report() {
        let mut large = report(400, 10, true);
        let finding = large.findings.iter().find(|f| f.blocks()).expect("a failure").clone();
        large.findings = vec![finding; 500];
        for limit in (1_000..8_000).step_by(97).chain([COMMENT]) {
            let text = markdown(&large, limit);
            assert!(text.len() <= limit, "{} of {limit}", text.len());
            if text.is_empty() {
                assert!(limit < 2_000, "{limit}: there is room for the verdict");
                continue;
            }
            // Whatever was cut is told, whole tables included.
            let told = |what: &str| text.contains(&format!(" more {what}; the JSON report"));
            assert!(told("findings"), "{limit}");
            assert!(text.contains("### Layers") || told("layers"), "{limit}");
        }
        assert!(markdown(&large, usize::MAX / 2).len() > COMMENT);
        // The verdict is there, or nothing is.
        for limit in 0..1_600 {
            let text = markdown(&large, limit);
            assert!(text.is_empty() || text.starts_with("## "), "{limit}: {text}");
        }
        assert!(markdown(&large, 400).is_empty());
    }
}
