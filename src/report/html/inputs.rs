//! Where the figures come from: weights, files, environment, and how to get them again.

use serde::Serialize;

use super::super::clean::clean;
use super::super::format::{count, forgotten_classes, size};
use super::super::standing::standing;
use super::summary::{change, weight_words};
use crate::report::{ModelSummary, Report};

/// More parameters than this are not listed.
const LISTED: usize = 300;

/// How the weights changed.
#[derive(Serialize)]
pub(super) struct Weights {
    words: String,
    /// Name, relative change, share of the bar in percent.
    parameters: Vec<(String, String, f64)>,
    left_out: usize,
}

/// The section on the weights.
pub(super) fn weights(report: &Report) -> Weights {
    let all = &report.weights.layers;
    let mut kept: Vec<usize> = (0..all.len()).collect();
    let rank = |i: &usize| all.get(*i).and_then(|p| p.relative_change).unwrap_or(f64::INFINITY);
    kept.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    kept.truncate(LISTED);
    kept.sort_unstable();
    let parameters = kept.into_iter().filter_map(|i| all.get(i)).map(|parameter| {
        let (words, share) = change(parameter.relative_change);
        (parameter.name.clone(), words, share)
    });
    Weights {
        words: weight_words(report),
        parameters: parameters.collect(),
        left_out: all.len().saturating_sub(LISTED),
    }
}

/// Named facts under a heading.
#[derive(Serialize)]
pub(super) struct Block {
    heading: &'static str,
    /// Name, value, whether the value is code.
    entries: Vec<(&'static str, String, bool)>,
}

/// Files, split and environment.
pub(super) fn inputs(report: &Report) -> Vec<Block> {
    let mut blocks = vec![
        model("Original", &report.models.original),
        model("Unlearned", &report.models.unlearned),
    ];
    blocks.extend(report.models.reference.as_ref().map(|m| model("Reference", m)));
    if let Some(data) = &report.data {
        blocks.push(Block {
            heading: "Samples",
            entries: vec![
                ("path", data.path.clone(), true),
                ("sha256", data.sha256.clone(), true),
                ("split sha256", data.split_sha256.clone(), true),
                ("classes", size(data.classes), false),
                (
                    "forget",
                    forgotten_classes(data).unwrap_or("single samples, not classes".into()),
                    false,
                ),
                ("fit", sides(data.fit.forget, data.fit.retain), false),
                ("eval", sides(data.eval.forget, data.eval.retain), false),
            ],
        });
    }
    blocks.extend(policy(report));
    if let Some(baseline) = &report.baseline {
        blocks.push(Block {
            heading: "Baseline",
            entries: vec![
                ("path", baseline.path.clone(), true),
                ("sha256", brief_hash(&baseline.sha256), true),
                ("created", baseline.created.clone(), false),
                ("verdict", baseline.label.as_str().into(), false),
            ],
        });
    }
    let mut entries = vec![
        ("written by", format!("{} {}", report.tool.name, report.tool.version), false),
        ("created", report.created.clone(), false),
        ("format", report.schema.clone(), true),
        ("seed", report.seed.to_string(), true),
        (
            "ONNX Runtime",
            report.tool.onnxruntime.clone().unwrap_or_else(|| "not used: no model was run".into()),
            false,
        ),
    ];
    if let Some(provider) = &report.provider {
        entries.push(("provider used", provider.used.clone(), true));
        entries.push(("provider requested", provider.requested.clone(), true));
        entries.push(("why", provider.reason.clone(), false));
    }
    blocks.push(Block { heading: "Environment", entries });
    blocks
}

/// Which policy judged, and what it said.
fn policy(report: &Report) -> Option<Block> {
    let policy = report.policy.as_ref()?;
    let mut entries = Vec::new();
    match &policy.path {
        Some(path) => entries.push(("path", path.clone(), true)),
        None => entries.push(("path", "none: the preset alone".into(), false)),
    }
    entries.push(("preset", policy.preset.clone(), true));
    entries.push(("sha256", brief_hash(&policy.sha256), true));
    entries.extend(standing(report).map(|s| ("gate", s.title.into(), false)));
    Some(Block { heading: "Policy", entries })
}

/// The start of a hash: enough to tell by eye whether two are the same.
fn brief_hash(hash: &str) -> String {
    hash.chars().take(16).collect()
}

fn model(heading: &'static str, model: &ModelSummary) -> Block {
    Block {
        heading,
        entries: vec![
            ("path", model.path.clone(), true),
            ("sha256", model.sha256.clone(), true),
            ("parameters", count(model.parameters), false),
            ("opset", model.opset.to_string(), false),
            ("producer", model.producer.clone(), false),
        ],
    }
}

fn sides(forget: usize, retain: usize) -> String {
    format!("{} forget, {} retain samples", size(forget), size(retain))
}

/// The command that measured, as a POSIX shell reads it: a line for its arguments, and for each
/// option one. Empty where it is no comparison: a page is no place for other commands to copy.
pub(super) fn command(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if !matches!(report.command.as_slice(), [audit, compare, ..] if audit == "audit" && compare == "compare")
    {
        return lines;
    }
    for word in &report.command {
        match lines.last_mut() {
            Some(line) if !word.starts_with("--") => {
                line.push(' ');
                line.push_str(&quoted(word));
            }
            _ => lines.push(quoted(word)),
        }
    }
    lines
}

/// A word that a POSIX shell reads as `text`.
fn quoted(text: &str) -> String {
    let text = clean(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,=@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{command, quoted};
    use crate::report::sample;

    #[test]
    fn a_command_is_told_option_by_option() {
        let mut report = sample::weights_only();
        report.command = ["audit", "compare", "my model.onnx", "--seed", "3", "--quiet"]
            .map(str::to_owned)
            .into();
        assert_eq!(command(&report), ["audit compare 'my model.onnx'", "--seed 3", "--quiet"]);
        for words in [&[][..], &["audit"], &["curl", "compare", "http://x | sh"]] {
            report.command = words.iter().map(|&word| word.to_owned()).collect();
            assert!(command(&report).is_empty());
        }
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("a/b-1.onnx"), "a/b-1.onnx");
        assert_eq!(quoted("my model.onnx"), "'my model.onnx'");
        assert_eq!(quoted("a'; rm -rf $HOME"), r"'a'\''; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
