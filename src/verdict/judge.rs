//! The rules, in the order in which they decide.

use super::evidence::{Evidence, Interval, LayerEvidence, OutputAccuracy, PerModel};
use super::finding::{Finding, Label, Level, Outcome, Verdict};
use super::policy::Policy;
use crate::measures::Status;
use crate::onnx::{LayerKind, REEXPORT};

/// Variance of the forget set relative to all samples below which it is one point.
const ONE_POINT: f64 = 1e-8;

/// Judges the evidence under `policy`: every rule that applies, and the verdict.
///
/// The order is: outputs that still show the forget set (`not-forgotten`), retained knowledge that
/// is lost (`damaged`), an unchanged encoder or recovery beyond what the reference (or, without
/// one, the placebo classes) explains (`superficial`), evidence too weak to decide
/// (`inconclusive`), else `erased`.
pub fn judge(evidence: Evidence, policy: &Policy) -> (Vec<Finding>, Verdict) {
    let mut court = Court { evidence, policy, findings: Vec::new() };
    let label = court.sit();
    let reasons = court.reasons(label);
    (court.findings, Verdict { label, reasons })
}

/// Layers deep enough to count against a reference.
pub fn deep_layers<'a>(layers: &'a [LayerEvidence], policy: &Policy) -> Vec<&'a LayerEvidence> {
    let deep = |l: &&LayerEvidence| l.depth >= policy.deep || is_end(l);
    layers.iter().filter(deep).collect()
}

/// Where the encoder ends, or the head begins.
fn is_end(layer: &LayerEvidence) -> bool {
    matches!(layer.kind, LayerKind::Features | LayerKind::HeadInput)
}

struct Court<'a> {
    evidence: Evidence<'a>,
    policy: &'a Policy,
    findings: Vec<Finding>,
}

impl<'a> Court<'a> {
    fn sit(&mut self) -> Label {
        let encoder_unchanged = self.encoder_unchanged();
        let (Some(outputs), Some(head_input)) =
            (self.evidence.outputs, self.evidence.layers.last())
        else {
            return if encoder_unchanged { Label::Superficial } else { Label::Inconclusive };
        };
        let has_reference = outputs.reference.is_some();
        let known = self.original_knows(outputs);
        let silent = self.output_forgetting(outputs);
        let enough = self.samples();
        let kept = [self.retain_accuracy(outputs), self.retain_probe(head_input)];
        let recovered =
            if has_reference { self.against_reference() } else { self.against_placebos() };
        if silent == Outcome::Failed {
            Label::NotForgotten
        } else if kept.contains(&Outcome::Failed) {
            Label::Damaged
        } else if encoder_unchanged {
            Label::Superficial
        } else if !enough
            || !known
            || silent == Outcome::Undecided
            || kept.contains(&Outcome::Undecided)
        {
            Label::Inconclusive
        } else {
            match recovered {
                Outcome::Failed => Label::Superficial,
                Outcome::Undecided => Label::Inconclusive,
                Outcome::Passed => Label::Erased,
            }
        }
    }

    fn add(
        &mut self,
        rule: &str,
        outcome: Outcome,
        layer: Option<&LayerEvidence>,
        message: String,
        expected: String,
        found: String,
    ) {
        self.findings.push(Finding {
            rule: rule.to_owned(),
            level: Level::Error,
            outcome,
            layer: layer.map(|l| l.name.clone()),
            message,
            expected,
            found,
        });
    }

    /// A model that only changed its head is never passed.
    fn encoder_unchanged(&mut self) -> bool {
        let identical = self.evidence.weights.encoder_identical;
        let changed = self.evidence.weights.layers.iter();
        let changed = changed.filter(|p| p.relative_change.is_none_or(|c| c > REEXPORT)).count();
        let total = self.evidence.weights.layers.len();
        let message = if identical {
            "every weight upstream of the classifier head stands unchanged in the unlearned model: \
             whatever the encoder knew, it still knows"
        } else {
            "weights upstream of the classifier head changed"
        };
        self.add(
            "encoder-unchanged",
            if identical { Outcome::Failed } else { Outcome::Passed },
            None,
            message.into(),
            "an encoder that changed".into(),
            format!("{changed} of {total} parameters changed"),
        );
        identical
    }

    /// What the original never knew can't be forgotten, and its few-shot accuracy says nothing.
    fn original_knows(&mut self, outputs: &PerModel<OutputAccuracy>) -> bool {
        let limit = self.chance_limit();
        let accuracy = outputs.original.eval.forget_accuracy;
        let known = accuracy.is_some_and(|a| a > limit);
        if !known {
            self.add(
                "original-knows",
                Outcome::Undecided,
                None,
                "the original itself hardly recognises the forget set; check the data, their \
                 scaling and the class numbers"
                    .into(),
                format!("original's forget accuracy above {limit:.3}"),
                number(accuracy),
            );
        }
        known
    }

    fn chance_limit(&self) -> f64 {
        let classes = self.evidence.data.map_or(1, |d| d.classes).max(1);
        self.policy.output_chance_factor / classes as f64
    }

    fn output_forgetting(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        let mut limit = self.chance_limit();
        let mut expected = format!("at most {limit:.3} (twice chance)");
        if let Some(reference) = &outputs.reference {
            let allowed = reference.eval.forget_accuracy.unwrap_or(0.0) + self.policy.output_margin;
            if allowed > limit {
                limit = allowed;
                expected = format!("at most {limit:.3} (the reference's and a margin)");
            }
        }
        let accuracy = outputs.unlearned.eval.forget_accuracy;
        // A model that never saw a sample still recognises its class: only a reference says how well.
        let samples_only = self.evidence.data.is_some_and(|d| d.forget_classes.is_empty());
        let outcome = match at_most(accuracy, limit) {
            Outcome::Failed if samples_only && outputs.reference.is_none() => Outcome::Undecided,
            other => other,
        };
        let message = match outcome {
            Outcome::Failed => "the outputs still recognise forget samples",
            Outcome::Passed => "the outputs no longer recognise forget samples",
            Outcome::Undecided => {
                "whether the outputs recognise single forget samples more than unseen ones can't be \
                 told without a reference"
            }
        };
        self.add("output-forgetting", outcome, None, message.into(), expected, number(accuracy));
        outcome
    }

    fn samples(&mut self) -> bool {
        let Some(data) = self.evidence.data else { return false };
        let fewest = data.fit.forget.min(data.eval.forget);
        let retain_classes = data.classes.saturating_sub(data.forget_classes.len());
        let (samples, classes) = (self.policy.min_forget_samples, self.policy.min_retain_classes);
        let enough = fewest >= samples && retain_classes >= classes;
        let message = if enough {
            "there are enough samples and classes to judge".into()
        } else if fewest < samples {
            format!("too few forget samples to judge: give at least {samples} for fit and for eval")
        } else {
            format!("too few retain classes to judge: at least {classes} serve as placebos")
        };
        self.add(
            "samples",
            if enough { Outcome::Passed } else { Outcome::Undecided },
            None,
            message,
            format!("at least {samples} forget samples and {classes} retain classes"),
            format!(
                "{} fit and {} eval forget samples, {retain_classes} retain classes",
                data.fit.forget, data.eval.forget
            ),
        );
        enough
    }

    fn retain_accuracy(&mut self, outputs: &PerModel<OutputAccuracy>) -> Outcome {
        self.kept(
            "retain-accuracy",
            "retain accuracy of the outputs",
            None,
            outputs.original.eval.retain_accuracy,
            outputs.unlearned.eval.retain_accuracy,
            self.policy.retain_accuracy_drop,
        )
    }

    fn retain_probe(&mut self, head_input: &'a LayerEvidence) -> Outcome {
        self.kept(
            "retain-probe",
            "retain accuracy of the probe at the head's input",
            Some(head_input),
            head_input.probe.original.retain_accuracy,
            head_input.probe.unlearned.retain_accuracy,
            self.policy.retain_probe_drop,
        )
    }

    fn kept(
        &mut self,
        rule: &str,
        what: &str,
        layer: Option<&LayerEvidence>,
        before: Option<f64>,
        after: Option<f64>,
        drop: f64,
    ) -> Outcome {
        let least = before.map(|b| b - drop);
        let outcome = match (least, after) {
            (Some(least), Some(after)) if after >= least => Outcome::Passed,
            (Some(_), Some(_)) => Outcome::Failed,
            _ => Outcome::Undecided,
        };
        let message = match outcome {
            Outcome::Passed => format!("the {what} is kept"),
            Outcome::Failed => format!("the {what} fell"),
            Outcome::Undecided => format!("the {what} could not be measured"),
        };
        let expected = match least {
            Some(least) => format!("at least {least:.3} ({drop:.2} below the original's)"),
            None => "a value for the original".into(),
        };
        self.add(rule, outcome, layer, message, expected, number(after));
        outcome
    }

    /// With a reference: recovery beyond what a model shows that never saw the forget set.
    fn against_reference(&mut self) -> Outcome {
        let mut outcomes = Vec::new();
        for layer in deep_layers(self.evidence.layers, self.policy) {
            let Some(gap) = layer.reference_gap else { continue };
            if let Some(outcome) = self.collapsed(layer) {
                outcomes.push(outcome);
                continue;
            }
            let few_shot = self.gap(
                "few-shot-recovery",
                "few-shot recovery",
                layer,
                gap.few_shot,
                self.policy.few_shot_margin,
            );
            let probe = self.gap(
                "probe-recovery",
                "linear-probe recovery",
                layer,
                gap.probe,
                self.policy.probe_margin,
            );
            let cka = self.cka_forget(layer, gap.few_shot, gap.probe);
            // The head's input must be judged; a shallower layer may be missing a measure.
            let required = layer.kind == LayerKind::HeadInput;
            // Few-shot recovery is of classes; where samples are forgotten there is none.
            let by_class = self.evidence.data.is_some_and(|d| !d.forget_classes.is_empty());
            outcomes.extend([(few_shot, by_class), (probe, true)].map(|(o, applies)| match o {
                Outcome::Undecided if !(required && applies) => Outcome::Passed,
                other => other,
            }));
            outcomes.push(cka);
        }
        if outcomes.contains(&Outcome::Failed) {
            Outcome::Failed
        } else if outcomes.is_empty() || outcomes.contains(&Outcome::Undecided) {
            Outcome::Undecided
        } else {
            Outcome::Passed
        }
    }

    /// Where unlearning contracted all forget features to one point, they tell forget samples from
    /// retain samples and nothing else: with several forget classes recovery can be no more than a
    /// guess among them, whatever a reference shows. A single class on a point of its own is
    /// recovered by every measure, and is judged by the ordinary rules.
    fn collapsed(&mut self, layer: &LayerEvidence) -> Option<Outcome> {
        let classes = self.evidence.data.map_or(0, |d| d.forget_classes.len());
        let one_point = |trace: Option<f64>| trace.is_some_and(|t| t < ONE_POINT);
        let contracted = one_point(layer.spread.unlearned.relative_trace)
            && !one_point(layer.spread.original.relative_trace);
        if classes < 2 || !contracted || layer.cka.forget.status != Status::Degenerate {
            return None;
        }
        let guess = 1.0 / classes as f64;
        let probe = layer.probe.unlearned.forget_accuracy?;
        let few_shot = (*layer.few_shot.unlearned.forget.first()?)?;
        let at_guess = probe <= guess + self.policy.probe_margin
            && few_shot <= guess + self.policy.few_shot_margin;
        if !at_guess {
            return None;
        }
        self.add(
            "forget-collapse",
            Outcome::Passed,
            Some(layer),
            format!(
                "all forget samples have the same features; what is recovered is a guess among \
                 the {classes} forget classes"
            ),
            format!("probe and few-shot accuracy near {guess:.2}"),
            format!("probe {probe:.3}, few-shot {few_shot:.3}"),
        );
        Some(Outcome::Passed)
    }

    fn gap(
        &mut self,
        rule: &str,
        what: &str,
        layer: &LayerEvidence,
        gap: Interval,
        margin: f64,
    ) -> Outcome {
        let outcome = match (gap.value, gap.ci) {
            (Some(value), Some([low, _])) if value > margin && low > 0.0 => Outcome::Failed,
            (Some(_), Some(_)) => Outcome::Passed,
            _ => Outcome::Undecided,
        };
        let message = match outcome {
            Outcome::Failed => format!("{what} of the forget set exceeds the reference's"),
            Outcome::Passed => format!("{what} of the forget set does not exceed the reference's"),
            Outcome::Undecided => format!("{what} could not be compared with the reference's"),
        };
        let expected = format!("at most {margin:.2} above the reference");
        self.add(rule, outcome, Some(layer), message, expected, signed(gap));
        outcome
    }

    /// CKA beyond the reference's counts only together with recovery beyond the reference's.
    fn cka_forget(
        &mut self,
        layer: &LayerEvidence,
        few_shot: Interval,
        probe: Interval,
    ) -> Outcome {
        let unlearned = layer.cka.forget.debiased;
        let reference = layer.cka_reference.and_then(|c| c.forget.debiased);
        let (Some(unlearned), Some(reference)) = (unlearned, reference) else {
            return Outcome::Passed;
        };
        let recovers = [few_shot, probe].iter().any(|g| g.ci.is_some_and(|[low, _]| low > 0.0));
        let excess = unlearned - reference;
        let above = excess > self.policy.cka_margin;
        let outcome = if above && recovers { Outcome::Failed } else { Outcome::Passed };
        let message = match (above, recovers) {
            (true, true) => {
                "forget features stay closer to the original's than the reference's do, \
                             and recovery exceeds the reference's"
            }
            (true, false) => {
                "forget features stay closer to the original's than the reference's \
                              do, but nothing is recovered from them"
            }
            _ => "forget features are as far from the original's as the reference's are",
        };
        self.add(
            "cka-forget",
            outcome,
            Some(layer),
            message.into(),
            format!("at most {:.2} above the reference ({reference:.3})", self.policy.cka_margin),
            format!("{unlearned:.3}"),
        );
        outcome
    }

    /// Without a reference: the retain classes are placebos. A forgotten class must have become
    /// harder to learn from few samples than they have.
    fn against_placebos(&mut self) -> Outcome {
        let limit = self.policy.few_shot_effect;
        let mut outcomes = Vec::new();
        for layer in self.evidence.layers.iter().filter(|l| is_end(l)) {
            let few_shot = &layer.few_shot;
            let outcome = match (few_shot.effect, few_shot.effect_ci) {
                (Some(_), Some([_, high])) if high <= limit => Outcome::Passed,
                (Some(value), Some(_)) if value > limit => Outcome::Failed,
                _ => Outcome::Undecided,
            };
            let message = match outcome {
                Outcome::Failed => {
                    "a few samples bring the forget classes back as they would in the original"
                }
                Outcome::Passed => {
                    "the forget classes have become harder to learn than the retain classes"
                }
                Outcome::Undecided => "few-shot recovery is not clearly below the retain classes'",
            };
            let found = Interval {
                value: few_shot.effect,
                ci: few_shot.effect_ci,
                status: few_shot.status,
            };
            let expected = format!("effect and its interval below {limit:.1}");
            let message = message.to_owned();
            self.add("few-shot-recovery", outcome, Some(layer), message, expected, signed(found));
            outcomes.push(outcome);
        }
        outcomes.push(self.remaining());
        outcomes.push(self.unchanged_layers());
        if outcomes.contains(&Outcome::Failed) {
            Outcome::Failed
        } else if outcomes.contains(&Outcome::Undecided) {
            Outcome::Undecided
        } else {
            Outcome::Passed
        }
    }

    /// Harder to learn than the placebos, but still mostly there: only a reference can tell
    /// whether a model that never saw the class would be as easy to teach.
    fn remaining(&mut self) -> Outcome {
        let limit = self.policy.few_shot_remaining;
        let mut outcome = Outcome::Passed;
        for layer in deep_layers(self.evidence.layers, self.policy) {
            let (before, after) = (&layer.few_shot.original, &layer.few_shot.unlearned);
            let first = |values: &[Option<f64>]| values.first().copied().flatten();
            let kept = |before, after| Some(first(after)? / first(before).filter(|b| *b > 0.0)?);
            let forget = kept(&before.forget, &after.forget);
            let retain = kept(&before.retain, &after.retain).filter(|r| *r > 0.0);
            let Some(share) = forget.zip(retain).map(|(f, r): (f64, f64)| f / r) else { continue };
            if share > limit {
                outcome = Outcome::Undecided;
                self.add(
                    "few-shot-remaining",
                    Outcome::Undecided,
                    Some(layer),
                    "the forget classes keep most of their few-shot accuracy".into(),
                    format!("at most {limit:.2} of the original's, retain classes for measure"),
                    format!("{share:.2}"),
                );
            }
        }
        outcome
    }

    /// A deep layer that responds to forget samples as it did contradicts an erased end.
    fn unchanged_layers(&mut self) -> Outcome {
        let limit = self.policy.unchanged_cka;
        let unchanged: Vec<&LayerEvidence> = deep_layers(self.evidence.layers, self.policy)
            .into_iter()
            .filter(|l| l.cka.forget.debiased.is_some_and(|c| c >= limit))
            .collect();
        for layer in &unchanged {
            self.add(
                "cka-forget",
                Outcome::Undecided,
                Some(layer),
                "forget features are the same as the original's at this layer; only a reference \
                 tells whether a retrained model's would be too"
                    .into(),
                format!("debiased CKA below {limit:.2} at deep layers"),
                number(layer.cka.forget.debiased),
            );
        }
        if unchanged.is_empty() { Outcome::Passed } else { Outcome::Undecided }
    }

    fn reasons(&self, label: Label) -> Vec<String> {
        let matching = |outcome: Outcome, rules: &[&str]| -> Vec<String> {
            self.findings
                .iter()
                .filter(|f| f.outcome == outcome && rules.contains(&f.rule.as_str()))
                .map(|f| {
                    let place = f.layer.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
                    format!("{}{place} (found {}; expected {})", f.message, f.found, f.expected)
                })
                .collect()
        };
        let recovery = ["encoder-unchanged", "few-shot-recovery", "probe-recovery", "cka-forget"];
        let has_data = self.evidence.outputs.is_some();
        let has_reference = self.evidence.outputs.is_some_and(|o| o.reference.is_some());
        match label {
            Label::NotForgotten => matching(Outcome::Failed, &["output-forgetting"]),
            Label::Damaged => matching(Outcome::Failed, &["retain-accuracy", "retain-probe"]),
            Label::Superficial => matching(Outcome::Failed, &recovery),
            Label::Erased => {
                let mut reasons = matching(Outcome::Passed, &["output-forgetting"]);
                reasons.push(if has_reference {
                    "nothing recovers more of the forget set than from the reference".into()
                } else {
                    "judged against the retain classes as placebos, at the end of the encoder; a \
                     retrained reference (--reference) judges every deep layer"
                        .into()
                });
                reasons
            }
            Label::Inconclusive if !has_data => vec![
                "the encoder's weights changed, which proves nothing either way".into(),
                "outputs, CKA, probes and few-shot recovery need samples: give --data FILE.npz \
                 and --forget-classes"
                    .into(),
            ],
            Label::Inconclusive => {
                let mut reasons = matching(
                    Outcome::Undecided,
                    &[
                        "original-knows",
                        "output-forgetting",
                        "samples",
                        "retain-accuracy",
                        "retain-probe",
                        "few-shot-recovery",
                        "probe-recovery",
                        "cka-forget",
                    ],
                );
                if !has_reference {
                    reasons.push(
                        "a model retrained without the forget set (--reference) would settle it"
                            .into(),
                    );
                }
                reasons
            }
        }
    }
}

fn at_most(value: Option<f64>, limit: f64) -> Outcome {
    match value {
        Some(v) if v <= limit => Outcome::Passed,
        Some(_) => Outcome::Failed,
        None => Outcome::Undecided,
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "no value".into(), |v| format!("{v:.3}"))
}

fn signed(interval: Interval) -> String {
    match (interval.value, interval.ci) {
        (Some(v), Some([low, high])) => format!("{v:+.2} [{low:+.2}, {high:+.2}]"),
        (Some(v), None) => format!("{v:+.2}"),
        _ => format!("no value ({})", interval.status.as_str()),
    }
}
