//! How a report stands before its policy, in words: one wording for every renderer that people
//! read.

use super::clean::shorten;
use crate::report::Report;
use crate::verdict::{Change, Finding, Label, Outcome};

/// The gate in words.
pub(super) struct Standing {
    /// Whether the policy passes.
    pub open: bool,
    /// `gate open` or `gate shut`.
    pub title: &'static str,
    /// Which policy, and how many findings stand against it.
    pub sentence: String,
    /// Where gate and label seem to disagree: why they don't.
    pub caveat: Option<&'static str>,
}

/// The gate of a report; `None` in reports of early versions.
pub(super) fn standing(report: &Report) -> Option<Standing> {
    let gate = report.gate.as_ref()?;
    let open = report.passes();
    let verb = if open { "passes" } else { "does not pass" };
    let warnings = match gate.warned {
        0 => "no warnings".into(),
        1 => "1 warning".into(),
        n => format!("{n} warnings"),
    };
    let sentence =
        format!("{} {verb}: {}, {warnings}.", policy(report), blocking(report, gate.failed));
    let erased = report.verdict.label == Label::Erased;
    let caveat = match (open, erased) {
        (true, false) => {
            Some("This is no pass of the verdict: the policy asks less than the verdict does.")
        }
        (false, true) => {
            Some("The verdict on the model stands: what fails is a demand of the policy beyond it.")
        }
        _ => None,
    };
    let title = if open { "gate open" } else { "gate shut" };
    Some(Standing { open, title, sentence, caveat })
}

fn policy(report: &Report) -> String {
    match &report.policy {
        Some(policy) => match &policy.path {
            Some(path) => format!("the policy {} (preset {})", name(path), policy.preset),
            None => format!("the preset {}", policy.preset),
        },
        None => "the policy".into(),
    }
}

/// The verdict's reasons; one that a rule gives of several layers once, with the deepest of them.
pub(super) fn reasons(report: &Report) -> Vec<String> {
    let open = || report.findings.iter().filter(|f| f.outcome != Outcome::Passed);
    let mut groups: Vec<(&str, &str, usize)> = Vec::new();
    for reason in &report.verdict.reasons {
        let said = open().map(|f| f.message.as_str()).filter(|said| reason.starts_with(said));
        let said = said.max_by_key(|said| said.len()).unwrap_or(reason);
        match groups.iter_mut().find(|(known, ..)| *known == said) {
            Some((_, deepest, count)) => (*deepest, *count) = (reason, *count + 1),
            None => groups.push((said, reason, 1)),
        }
    }
    let worded = groups.into_iter().map(|(_, reason, count)| match count {
        1 => reason.to_owned(),
        2 => format!("{reason}, and the like at 1 more layer"),
        n => format!("{reason}, and the like at {} more layers", n - 1),
    });
    worded.collect()
}

/// What keeps the gate shut, by outcome.
fn blocking(report: &Report, all: usize) -> String {
    let undecided =
        report.findings.iter().filter(|f| f.blocks() && f.outcome == Outcome::Undecided).count();
    match all.saturating_sub(undecided) {
        failed if undecided == 0 => format!("{failed} failed"),
        failed => format!("{failed} failed, {undecided} undecided"),
    }
}

/// Where the policy file sets the limit of a finding.
pub(super) fn place(report: &Report, finding: &Finding) -> Option<String> {
    let path = report.policy.as_ref()?.path.as_ref()?;
    let at = finding.set_at?;
    Some(format!("{}:{}:{}", name(path), at.line, at.column))
}

/// A path within a sentence.
pub(super) fn name(path: &str) -> String {
    shorten(path, 60)
}

/// A change against the baseline in a word.
pub(super) fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Unchanged => "unchanged",
        Change::Worse => "worse",
        Change::Better => "better",
    }
}

/// What became of the rules since the baseline: `2 new, 1 worse; 1 passes now`.
pub(super) fn changes(report: &Report) -> String {
    let count = |passed: bool, change: Change| {
        let of =
            |f: &&Finding| f.change == Some(change) && (f.outcome == Outcome::Passed) == passed;
        report.findings.iter().filter(of).count()
    };
    let all = [Change::New, Change::Worse, Change::Unchanged, Change::Better];
    let counted = all.map(|change| (count(false, change), word(change)));
    let open: Vec<String> =
        counted.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let open = if open.is_empty() { "nothing new".into() } else { open.join(", ") };
    match count(true, Change::Better) {
        0 => open,
        1 => format!("{open}; 1 that did not pass then passes now"),
        n => format!("{open}; {n} that did not pass then pass now"),
    }
}

/// Whether a finding compares a figure with the baseline's: there are several for every layer.
pub(super) fn is_regression(finding: &Finding) -> bool {
    finding.rule == "regression" && finding.outcome != Outcome::Undecided
}
