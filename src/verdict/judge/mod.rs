//! The rules, and the order in which they decide.

mod basics;
mod classes;
mod complete;
mod demands;
mod placebos;
mod reasons;
mod reference;

use super::evidence::{Evidence, Interval, LayerEvidence};
use super::finding::{Finding, Label, Level, Outcome, Verdict};
use super::policy::Policy;
use crate::onnx::LayerKind;

/// Judges the evidence under `policy`: every rule that applies, and the verdict.
///
/// The order is: outputs that still show the forget set (`not-forgotten`), retained knowledge that
/// is lost (`damaged`), an unchanged encoder (`superficial`), evidence too weak to decide
/// (`inconclusive`), then recovery beyond what the reference or, without one, the placebo classes
/// explain (`superficial`, or `inconclusive` where that is not clear), else `erased`.
///
/// The limits of the policy decide the label; its levels don't. A rule that is `off` or only warns
/// may let a model through the gate, but never changes what the model is said to be.
pub fn judge(evidence: Evidence, policy: &Policy) -> (Vec<Finding>, Verdict) {
    let mut court = Court { evidence, policy, findings: Vec::new() };
    let label = court.sit();
    court.accounted_for(label);
    let reasons = court.reasons(label);
    let sentence = label.sentence(evidence.has_reference(), evidence.outputs.is_some()).to_owned();
    court.demands();
    let findings = court.findings.into_iter().filter_map(Ruling::finding).collect();
    (findings, Verdict { label, sentence, reasons })
}

struct Court<'a> {
    evidence: Evidence<'a>,
    policy: &'a Policy,
    findings: Vec<Ruling>,
}

/// A finding before the policy's level takes it out.
struct Ruling {
    finding: Finding,
    /// `None` where the rule is off.
    level: Option<Level>,
}

impl Ruling {
    /// Makes it one that decides nothing.
    fn advise(&mut self) {
        self.level = self.level.map(|_| Level::Warn);
    }

    fn finding(self) -> Option<Finding> {
        Some(Finding { level: self.level?, ..self.finding })
    }
}

/// What was found, as text and, where it is one figure, as such.
struct Found {
    text: String,
    value: Option<f64>,
    limit: Option<f64>,
}

impl Found {
    /// A figure and the limit it is judged by.
    fn figure(value: Option<f64>, limit: f64) -> Self {
        Self { text: number(value), value, limit: Some(limit) }
    }
}

impl From<String> for Found {
    fn from(text: String) -> Self {
        Self { text, value: None, limit: None }
    }
}

impl<'a> Court<'a> {
    fn sit(&mut self) -> Label {
        let encoder_unchanged = self.encoder_unchanged();
        let complete = self.evidence_complete();
        let (Some(outputs), Some(head_input)) =
            (self.evidence.outputs, self.evidence.layers.last())
        else {
            return if encoder_unchanged { Label::Superficial } else { Label::Inconclusive };
        };
        let silent = [self.output_forgetting(outputs), self.classes_forgotten(outputs)];
        let silent = worst(&silent);
        let kept = [self.retain_accuracy(outputs), self.retain_probe(head_input)];
        let supported = [
            self.original_knows(outputs),
            self.samples(),
            self.class_forgetting(),
            self.encoder_present(head_input),
            self.layers_compared(),
        ];
        let mut recovered = if self.evidence.has_reference() {
            self.against_reference(head_input)
        } else {
            self.against_placebos()
        };
        if recovered == Outcome::Passed {
            recovered = self.classes_recovered();
        }
        if supported[0] == Outcome::Undecided {
            // What the original never knew can be neither forgotten nor damaged.
            return if encoder_unchanged { Label::Superficial } else { Label::Inconclusive };
        }
        if silent == Outcome::Failed {
            return Label::NotForgotten;
        }
        if kept.contains(&Outcome::Failed) {
            return Label::Damaged;
        }
        if encoder_unchanged {
            return Label::Superficial;
        }
        let undecided = |outcomes: &[Outcome]| outcomes.contains(&Outcome::Undecided);
        // Layers without a counterpart can't acquit, but what others show still convicts.
        let grounds = &supported[..4];
        if undecided(grounds) || undecided(&kept) || silent == Outcome::Undecided {
            return Label::Inconclusive;
        }
        match recovered {
            Outcome::Failed => Label::Superficial,
            Outcome::Passed if !undecided(&supported) && complete == Outcome::Passed => {
                Label::Erased
            }
            _ => Label::Inconclusive,
        }
    }

    /// Layers deep enough to be judged against a reference: the last third, and both ends.
    fn deep_layers(&self) -> Vec<&'a LayerEvidence> {
        let deep = |l: &&LayerEvidence| l.depth >= self.policy.deep || is_end(l);
        self.evidence.layers.iter().filter(deep).collect()
    }

    fn add(
        &mut self,
        rule: &str,
        outcome: Outcome,
        layer: Option<&LayerEvidence>,
        message: impl Into<String>,
        expected: String,
        found: Found,
    ) -> Outcome {
        let layer = layer.map(|l| l.name.clone());
        let (expected, found_text) = match outcome {
            Outcome::Passed => (expected, found.text.clone()),
            _ => told_apart(expected, &found),
        };
        let finding = Finding {
            rule: rule.to_owned(),
            level: Level::Error,
            outcome,
            message: message.into(),
            expected,
            found: found_text,
            value: finite(found.value),
            limit: finite(found.limit),
            set_at: self.policy.set_at(rule, layer.as_deref()),
            change: None,
            layer,
        };
        let level = self.policy.severity(rule, finding.layer.as_deref()).level();
        self.findings.push(Ruling { finding, level });
        outcome
    }
}

/// Where the encoder ends, or the head begins.
pub(crate) fn is_end(layer: &LayerEvidence) -> bool {
    matches!(layer.kind, LayerKind::Features | LayerKind::HeadInput)
}

/// The worst of several outcomes: a failure, else a doubt, else passed.
fn worst(outcomes: &[Outcome]) -> Outcome {
    if outcomes.contains(&Outcome::Failed) {
        Outcome::Failed
    } else if outcomes.is_empty() || outcomes.contains(&Outcome::Undecided) {
        Outcome::Undecided
    } else {
        Outcome::Passed
    }
}

/// What was expected and found, with two more digits where a figure that breaks its limit is rounded
/// to it.
fn told_apart(expected: String, found: &Found) -> (String, String) {
    let Some((value, limit)) = finite(found.value).zip(finite(found.limit)) else {
        return (expected, found.text.clone());
    };
    let same = number(Some(value)) == number(Some(limit)) && value != limit;
    let finer = |text: &str, value: f64| text.replace(&number(Some(value)), &format!("{value:.5}"));
    match same {
        true => (finer(&expected, limit), finer(&found.text, value)),
        false => (expected, found.text.clone()),
    }
}

/// `value` where it is a number at all.
fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

fn number(value: Option<f64>) -> String {
    finite(value).map_or_else(|| "no value".into(), |v| format!("{v:.3}"))
}

fn signed(interval: Interval) -> String {
    match (interval.value, interval.ci) {
        (Some(v), Some([low, high])) => format!("{v:+.2} [{low:+.2}, {high:+.2}]"),
        (Some(v), None) => format!("{v:+.2}"),
        _ => format!("no value ({})", interval.status.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_rounds_to_its_limit_is_told_from_it() {
        let told = |expected: &str, found: Found| told_apart(expected.to_owned(), &found);
        let close = told("at least 0.931 (0.05 below)", Found::figure(Some(0.930_56), 0.930_61));
        assert_eq!(close, ("at least 0.93061 (0.05 below)".into(), "0.93056".into()));
        let far = told("at least 0.931", Found::figure(Some(0.9), 0.930_61));
        assert_eq!(far, ("at least 0.931".into(), "0.900".into()));
    }
}
