//! What a policy demands beyond the verdict: absolute limits, limits against the reference, where
//! models ran. These findings decide whether the gate opens, never what the model is called.

use super::{Court, Found, Outcome, Ruling, finite, number};
use crate::measures::Status;
use crate::verdict::evidence::{CkaEvidence, LayerEvidence, ProbeEvidence, fewest_shots};
use crate::verdict::policy::Limit;
use crate::verdict::rules::Key;

/// A figure of the unlearned model beside the reference's.
struct Figure {
    value: Option<f64>,
    reference: Option<f64>,
    /// Why there is none.
    status: Status,
}

/// The limits that are judged here; of which rule, its `LimitSpec`s say.
const KEYS: [Key; 5] =
    [Key::Min, Key::Max, Key::MinAboveReference, Key::MaxAboveReference, Key::MaxWithoutReference];

/// Rules whose `max-above-reference` and `max-without-reference` the verdict applies itself.
const BY_VERDICT: [&str; 4] =
    ["output-forgetting", "few-shot-recovery", "probe-recovery", "cka-forget"];

impl<'a> Court<'a> {
    /// Applies every limit that the verdict did not.
    pub(super) fn demands(&mut self) {
        self.reference_given();
        self.provider();
        self.outputs_within();
        let deep = self.deep_layers();
        for layer in self.evidence.layers {
            let is_deep = deep.iter().any(|d| d.name == layer.name);
            let probe = |probe: &ProbeEvidence| probe.forget_accuracy;
            self.layer_within(
                "few-shot-recovery",
                layer,
                is_deep,
                Figure {
                    value: fewest_shots(&layer.few_shot.unlearned.forget),
                    reference: layer
                        .few_shot
                        .reference
                        .as_ref()
                        .and_then(|r| fewest_shots(&r.forget)),
                    status: layer.few_shot.status,
                },
            );
            self.layer_within(
                "probe-recovery",
                layer,
                is_deep,
                Figure {
                    value: probe(&layer.probe.unlearned),
                    reference: layer.probe.reference.as_ref().and_then(probe),
                    status: layer.probe.unlearned.status,
                },
            );
            let cka = |of: fn(&crate::verdict::CkaBySet) -> CkaEvidence| Figure {
                value: of(&layer.cka).debiased,
                reference: layer.cka_reference.as_ref().and_then(|c| of(c).debiased),
                status: of(&layer.cka).status,
            };
            self.layer_within("cka-forget", layer, is_deep, cka(|c| c.forget));
            self.layer_within("retain-cka", layer, is_deep, cka(|c| c.retain));
        }
    }

    fn outputs_within(&mut self) {
        let outputs = self.evidence.outputs;
        let output = |of: fn(&crate::verdict::Accuracy) -> Option<f64>| Figure {
            value: outputs.and_then(|o| of(&o.unlearned.eval)),
            reference: outputs.and_then(|o| of(&o.reference.as_ref()?.eval)),
            status: Status::Undefined,
        };
        self.within("output-forgetting", None, output(|a| a.forget_accuracy));
        self.within("retain-accuracy", None, output(|a| a.retain_accuracy));
        let head_input = self.evidence.layers.last();
        let probe = |of: fn(&ProbeEvidence) -> Option<f64>| Figure {
            value: head_input.and_then(|l| of(&l.probe.unlearned)),
            reference: head_input.and_then(|l| of(l.probe.reference.as_ref()?)),
            status: head_input.map_or(Status::Undefined, |l| l.probe.unlearned.status),
        };
        let retain = self.evidence.retain_probe();
        let retain = Figure {
            value: retain.unlearned,
            reference: retain.reference.flatten(),
            status: head_input.map_or(Status::Undefined, |l| l.probe.unlearned.status),
        };
        self.within("retain-probe", head_input, retain);
        self.within("over-forgetting", head_input, probe(|p| p.forget_accuracy));
        let mismatch = self.evidence.head.map(|h| &h.mismatch);
        self.within(
            "head-mismatch",
            None,
            Figure {
                value: mismatch.and_then(|m| m.unlearned.forget),
                reference: mismatch.and_then(|m| m.reference?.forget),
                status: Status::Undefined,
            },
        );
    }

    /// A rule's own limits count at deep layers, an override's wherever it matches.
    fn layer_within(&mut self, rule: &str, layer: &'a LayerEvidence, deep: bool, figure: Figure) {
        let policy = self.policy;
        let counts = |key: &Key| deep || policy.is_overridden(rule, *key, &layer.name);
        let keys: Vec<Key> = KEYS.into_iter().filter(counts).collect();
        self.within_keys(rule, &keys, Some(layer), deep, figure);
    }

    /// The same for a figure that is judged at one place only.
    fn within(&mut self, rule: &str, layer: Option<&LayerEvidence>, figure: Figure) {
        self.within_keys(rule, &KEYS, layer, true, figure);
    }

    /// Whether a limit asks anything that the verdict did not judge: one that the policy file sets
    /// is judged whether there is a reference or not, a preset's only where there is one.
    fn asks(
        &self,
        rule: &str,
        (key, limit): (Key, Limit),
        layer: Option<&LayerEvidence>,
        deep: bool,
        figure: &Figure,
    ) -> bool {
        let has_reference = self.evidence.has_reference();
        let set = limit.set_at.is_some();
        match key {
            Key::Min | Key::Max => true,
            Key::MaxAboveReference if BY_VERDICT.contains(&rule) => {
                set && !(deep && self.is_judged(rule, layer))
            }
            // The verdict passes over deep layers without a figure.
            Key::MaxWithoutReference => {
                set && !has_reference && (!deep || finite(figure.value).is_none())
            }
            _ => set || has_reference,
        }
    }

    /// Whether the verdict held the figure of a rule against the reference's.
    fn is_judged(&self, rule: &str, layer: Option<&LayerEvidence>) -> bool {
        let name = layer.map(|l| &l.name);
        let same = |r: &Ruling| r.finding.rule == rule && r.finding.layer.as_ref() == name;
        self.has_fitting_reference(layer) && self.findings.iter().any(same)
    }

    /// Whether there is a reference and, where features are compared, the verdict took it for one.
    fn has_fitting_reference(&self, layer: Option<&LayerEvidence>) -> bool {
        let fits =
            |r: &Ruling| r.finding.rule == "reference-fits" && r.finding.outcome == Outcome::Passed;
        self.evidence.has_reference() && (layer.is_none() || self.findings.iter().any(fits))
    }

    /// One finding for all limits of a figure. A figure that is missing fails them.
    fn within_keys(
        &mut self,
        rule: &str,
        keys: &[Key],
        layer: Option<&LayerEvidence>,
        deep: bool,
        figure: Figure,
    ) {
        let name = layer.map(|l| l.name.as_str());
        let set = keys.iter().filter_map(|key| Some((*key, self.policy.limit(rule, *key, name)?)));
        let set: Vec<(Key, Limit)> =
            set.filter(|set| self.asks(rule, *set, layer, deep, &figure)).collect();
        if set.is_empty() {
            return;
        }
        let value = finite(figure.value);
        let reference = finite(figure.reference);
        let fits = self.has_fitting_reference(layer);
        let mut broken = None;
        let mut unknown =
            value.is_none().then(|| format!("the figure is missing ({})", figure.status.as_str()));
        let mut expected = Vec::new();
        for (key, limit) in &set {
            let below = *key == Key::MaxWithoutReference;
            let (absolute, text) = match key {
                Key::Min => (Ok(limit.value), format!("at least {:.3}", limit.value)),
                Key::Max => (Ok(limit.value), format!("at most {:.3}", limit.value)),
                Key::MaxWithoutReference => (Ok(limit.value), format!("below {:.3}", limit.value)),
                _ => {
                    let word = if key.is_upper() { "most" } else { "least" };
                    let text = format!("at {word} {:+.3} from the reference's", limit.value);
                    let absolute = match reference {
                        _ if !self.evidence.has_reference() => {
                            Err("the limit is set against a reference, and none was given")
                        }
                        // It would excuse anything.
                        _ if key.is_upper() && BY_VERDICT.contains(&rule) && !fits => {
                            Err("the reference is none that anything can be held against")
                        }
                        Some(reference) => Ok(reference + limit.value),
                        None => Err("the reference's figure is missing"),
                    };
                    (absolute, text)
                }
            };
            expected.push(text);
            match (absolute, value) {
                (Err(why), _) => unknown = unknown.or(Some(why.into())),
                (Ok(limit), Some(value)) => {
                    let higher = key.is_upper() && (value > limit || below && value == limit);
                    let lower = !key.is_upper() && value < limit;
                    if higher || lower {
                        let word = if higher { "higher" } else { "lower" };
                        broken = broken.or(Some((limit, word)));
                    }
                }
                (Ok(_), None) => {}
            }
        }
        let what = what(rule);
        let (outcome, message) = match (broken, unknown) {
            (Some((_, word)), _) => {
                (Outcome::Failed, format!("{what} is {word} than the policy allows"))
            }
            (None, Some(why)) => (Outcome::Failed, format!("{what} can't be judged: {why}")),
            (None, None) => (Outcome::Passed, format!("{what} is within the policy's limits")),
        };
        let found = match reference {
            Some(r) => format!("{} (the reference's {r:.3})", number(value)),
            None => number(value),
        };
        let found = Found { text: found, value, limit: broken.map(|(limit, _)| limit) };
        self.add(rule, outcome, layer, message, expected.join(", "), found);
    }

    fn reference_given(&mut self) {
        let given = self.evidence.has_reference();
        let (outcome, message, found) = match given {
            true => (Outcome::Passed, "a reference was given", "a reference"),
            false => (
                Outcome::Failed,
                "the policy asks for a reference retrained without the forget set (--reference)",
                "none",
            ),
        };
        let found = Found::from(found.to_owned());
        self.add("reference-given", outcome, None, message, "a reference".into(), found);
    }

    fn provider(&mut self) {
        let allowed = &self.policy.providers;
        if allowed.is_empty() {
            return;
        }
        let used = self.evidence.provider.map(|p| p.used.as_str());
        // "cuda:1" is a device of the provider "cuda".
        let name = used.and_then(|u| u.split(':').next());
        let outcome = match name {
            Some(name) if allowed.iter().any(|a| a == name) => Outcome::Passed,
            _ => Outcome::Failed,
        };
        let message = match outcome {
            Outcome::Passed => "models ran where the policy asks",
            _ => "models did not run where the policy asks",
        };
        let found = Found::from(used.unwrap_or("no model was run").to_owned());
        let expected = allowed.join(" or ");
        self.add("provider", outcome, None, message, expected, found);
    }
}

/// The figure that a rule limits, in words.
fn what(rule: &str) -> &'static str {
    match rule {
        "output-forgetting" => "forget accuracy of the outputs",
        "retain-accuracy" => "retain accuracy of the outputs",
        "retain-probe" => "retain accuracy of the probe at the head's input",
        "few-shot-recovery" => "1-shot accuracy on the forget set",
        "probe-recovery" | "over-forgetting" => "probe accuracy on the forget set",
        "cka-forget" => "debiased CKA on the forget set",
        "retain-cka" => "debiased CKA on the retain set",
        "head-mismatch" => "disagreement of head and nearest class centre on the forget set",
        _ => "the figure",
    }
}
