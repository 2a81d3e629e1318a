//! The policy: which rules are applied, at what level, within which limits.

use std::collections::BTreeMap;
use std::fmt::Write;

use globset::GlobMatcher;
use sha2::{Digest, Sha256};

use super::finding::{Level, Position};
use super::rules::{self, Key, RULES};

/// What a rule that is not met does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing: the rule is not reported.
    Off,
    /// It is reported.
    Warn,
    /// The policy fails.
    Error,
}

impl Severity {
    /// The level of a finding; `None` where there is to be none.
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Off => None,
            Self::Warn => Some(Level::Warn),
            Self::Error => Some(Level::Error),
        }
    }

    /// As policy files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Where a policy starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// The documented defaults.
    #[default]
    Default,
    /// A reference is required, more samples, less damage.
    Strict,
    /// Everything that may be lowered only warns.
    Exploratory,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Strict, Self::Exploratory];

    /// As policy files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Strict => "strict",
            Self::Exploratory => "exploratory",
        }
    }
}

/// A limit and where it was set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The value.
    pub value: f64,
    /// Where the policy file sets it; `None` for a default.
    pub set_at: Option<Position>,
}

/// One rule's level and limits.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What a rule that is not met does.
    pub severity: Severity,
    /// The limits that are applied.
    pub limits: BTreeMap<Key, Limit>,
    /// Where the policy file speaks of the rule; `None` for a default.
    pub set_at: Option<Position>,
    /// What is different at single layers; of several that match, the last decides.
    pub overrides: Vec<Override>,
}

/// What a rule asks of single layers.
#[derive(Clone, Debug)]
pub struct Override {
    /// Which layers, by the original's tensor names.
    pub layers: GlobMatcher,
    /// Another level.
    pub severity: Option<Severity>,
    /// Other or further limits.
    pub limits: BTreeMap<Key, Limit>,
    /// Where the policy file sets it.
    pub set_at: Option<Position>,
}

/// The levels and limits that a verdict is drawn with. `Policy::default()` is the documented
/// default.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The file, where there is one.
    pub path: Option<String>,
    /// What it starts from.
    pub preset: Preset,
    /// Layers at or beyond this relative depth count as deep.
    pub deep: f64,
    /// Recovery and CKA beyond the reference's convict from this share of the way from the reference
    /// to the original on; two honest retrains lie within less of each other.
    pub half_way: f64,
    /// The execution providers on which models may run; empty for any.
    pub providers: Vec<String>,
    rules: BTreeMap<&'static str, Setting>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl Policy {
    /// The policy of a preset.
    pub fn preset(preset: Preset) -> Self {
        let setting = |rule: &rules::Rule| {
            let limits =
                rule.limits.iter().filter_map(|l| Some((l.key, default_limit(l.default?))));
            Setting {
                severity: rule.severity,
                limits: limits.collect(),
                set_at: None,
                overrides: Vec::new(),
            }
        };
        let mut policy = Self {
            path: None,
            preset,
            deep: 2.0 / 3.0,
            half_way: 0.5,
            providers: Vec::new(),
            rules: RULES.iter().map(|rule| (rule.id, setting(rule))).collect(),
        };
        match preset {
            Preset::Default => {}
            Preset::Strict => {
                for (rule, key, value) in STRICT {
                    policy.change(rule, |s| {
                        s.severity = Severity::Error;
                        s.limits.insert(key, default_limit(value));
                    });
                }
                policy.change("reference-given", |s| s.severity = Severity::Error);
            }
            Preset::Exploratory => {
                for rule in RULES.iter().filter(|r| !r.pinned) {
                    policy.change(rule.id, |s| {
                        if s.severity == Severity::Error {
                            s.severity = Severity::Warn;
                        }
                    });
                }
            }
        }
        policy
    }

    /// Changes the setting of a rule; an unknown id changes nothing.
    pub fn change(&mut self, rule: &str, change: impl FnOnce(&mut Setting)) {
        if let Some(setting) = self.rules.get_mut(rule) {
            change(setting);
        }
    }

    /// The setting of a rule.
    pub fn setting(&self, rule: &str) -> Option<&Setting> {
        self.rules.get(rule)
    }

    /// The overrides of `rule` that match `layer`, the deciding one first.
    fn overrides<'a>(
        &'a self,
        rule: &str,
        layer: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Override> {
        let overrides = self.rules.get(rule).map(|s| s.overrides.as_slice()).unwrap_or_default();
        overrides.iter().rev().filter(move |o| layer.is_some_and(|l| o.layers.is_match(l)))
    }

    /// What `rule` does at `layer`, or overall.
    pub fn severity(&self, rule: &str, layer: Option<&str>) -> Severity {
        if rules::find(rule).is_none_or(|r| r.pinned) {
            return Severity::Error;
        }
        let overridden = self.overrides(rule, layer).find_map(|o| o.severity);
        overridden.or_else(|| Some(self.rules.get(rule)?.severity)).unwrap_or(Severity::Error)
    }

    /// A limit of `rule` at `layer`, or overall; `None` where none is applied.
    pub fn limit(&self, rule: &str, key: Key, layer: Option<&str>) -> Option<Limit> {
        let overridden = self.overrides(rule, layer).find_map(|o| o.limits.get(&key));
        overridden.or_else(|| self.rules.get(rule)?.limits.get(&key)).copied()
    }

    /// A limit that every policy has. One that is missing could not be met by any figure.
    pub fn value(&self, rule: &str, key: Key, layer: Option<&str>) -> f64 {
        let strictest = if key.is_upper() { f64::NEG_INFINITY } else { f64::INFINITY };
        self.limit(rule, key, layer).map_or(strictest, |l| l.value)
    }

    /// Where the policy file speaks of `rule` at `layer`.
    pub fn set_at(&self, rule: &str, layer: Option<&str>) -> Option<Position> {
        let overridden = self.overrides(rule, layer).find_map(|o| o.set_at);
        overridden.or_else(|| self.rules.get(rule)?.set_at)
    }

    /// Whether an override of `rule` sets `key` for `layer`.
    pub fn is_overridden(&self, rule: &str, key: Key, layer: &str) -> bool {
        self.overrides(rule, Some(layer)).any(|o| o.limits.contains_key(&key))
    }

    /// Overrides that match none of `layers`: the rule, the pattern and where it is set.
    pub fn unused_overrides<'a>(
        &'a self,
        layers: &'a [&str],
    ) -> impl Iterator<Item = (&'static str, &'a Override)> {
        self.all_overrides().filter(|(_, o)| !layers.iter().any(|l| o.layers.is_match(l)))
    }

    /// Every override with its rule.
    pub fn all_overrides(&self) -> impl Iterator<Item = (&'static str, &Override)> {
        self.rules.iter().flat_map(|(id, s)| s.overrides.iter().map(move |o| (*id, o)))
    }

    /// SHA-256 over all that a gate depends on, in a fixed order and notation: every level and limit
    /// in force, and which limits against a reference the policy file sets: those fail without one,
    /// a preset's don't.
    pub fn sha256(&self) -> String {
        let mut text = String::from("forget-audit/policy/1\n");
        // Writing to a string can't fail.
        let _ = writeln!(text, "deep {} half-way {}", self.deep, self.half_way);
        let _ = writeln!(text, "providers {}", self.providers.join(" "));
        let limits = |text: &mut String, limits: &BTreeMap<Key, Limit>| {
            for (key, limit) in limits {
                let set = if key.is_relative() && limit.set_at.is_some() { " set" } else { "" };
                let _ = write!(text, " {} {}{set}", key.as_str(), limit.value);
            }
            text.push('\n');
        };
        for (id, setting) in &self.rules {
            let _ = write!(text, "{id} {}", setting.severity.as_str());
            limits(&mut text, &setting.limits);
            for o in &setting.overrides {
                let severity = o.severity.map_or("", Severity::as_str);
                let _ = write!(text, "  {:?} {severity}", o.layers.glob().glob());
                limits(&mut text, &o.limits);
            }
        }
        crate::hex::hex(&Sha256::digest(text))
    }
}

fn default_limit(value: f64) -> Limit {
    Limit { value, set_at: None }
}

/// What the preset `strict` sets beyond the default.
const STRICT: [(&str, Key, f64); 6] = [
    ("retain-accuracy", Key::MaxBelowOriginal, 0.02),
    ("retain-probe", Key::MaxBelowOriginal, 0.03),
    ("samples", Key::MinForget, 50.0),
    ("samples", Key::MinRetain, 200.0),
    ("samples", Key::MinRetainClasses, 5.0),
    ("over-forgetting", Key::MinAboveReference, -0.30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_every_level_and_limit() {
        let base = Policy::default();
        assert_eq!(base.sha256(), Policy::preset(Preset::Default).sha256());
        let mut hashes = vec![base.sha256()];
        hashes.extend([Preset::Strict, Preset::Exploratory].map(|p| Policy::preset(p).sha256()));
        for rule in RULES.iter().filter(|r| !r.pinned) {
            let mut policy = base.clone();
            let other =
                if rule.severity == Severity::Warn { Severity::Off } else { Severity::Warn };
            policy.change(rule.id, |s| s.severity = other);
            hashes.push(policy.sha256());
            for spec in rule.limits {
                let mut policy = base.clone();
                policy.change(rule.id, |s| {
                    s.limits.insert(spec.key, default_limit(0.123));
                });
                hashes.push(policy.sha256());
            }
        }
        let count = hashes.len();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    /// Two policies of one digest open the same gates: a limit against the reference fails without
    /// one where it was set, and only there.
    #[test]
    fn the_hash_tells_a_limit_that_was_set_from_a_default() {
        let set = |rule: &str, key: Key, value: f64| {
            let mut policy = Policy::default();
            let set_at = Some(Position { line: 1, column: 1 });
            policy.change(rule, |s| {
                s.limits.insert(key, Limit { value, set_at });
            });
            policy.sha256()
        };
        let base = Policy::default().sha256();
        assert_ne!(set("probe-recovery", Key::MaxAboveReference, 0.05), base);
        assert_ne!(set("over-forgetting", Key::MinAboveReference, -0.30), base);
        assert_eq!(set("retain-accuracy", Key::MaxBelowOriginal, 0.05), base);
    }

    #[test]
    fn a_pinned_rule_can_not_be_lowered() {
        let mut policy = Policy::default();
        policy.change("encoder-unchanged", |s| s.severity = Severity::Off);
        assert_eq!(policy.severity("encoder-unchanged", None), Severity::Error);
        assert_eq!(Policy::preset(Preset::Exploratory).severity("evidence", None), Severity::Error);
    }

    #[test]
    fn a_limit_that_is_missing_is_met_by_no_figure() {
        let policy = Policy::default();
        assert_eq!(policy.value("samples", Key::Max, None), f64::NEG_INFINITY);
        assert_eq!(policy.value("samples", Key::Min, None), f64::INFINITY);
    }

    #[test]
    fn of_several_overrides_the_last_that_matches_decides() {
        let glob = |text: &str| globset::Glob::new(text).expect("a glob").compile_matcher();
        let with = |layers: &str, value: f64, severity| Override {
            layers: glob(layers),
            severity,
            limits: [(Key::Max, default_limit(value))].into(),
            set_at: None,
        };
        let mut policy = Policy::default();
        policy.change("cka-forget", |s| {
            s.overrides = vec![
                with("a*", 0.5, Some(Severity::Off)),
                with("ab", 0.4, None),
                with("x", 0.1, None),
            ];
        });
        let max = |layer| policy.limit("cka-forget", Key::Max, Some(layer)).map(|l| l.value);
        assert_eq!((max("ab"), max("ac"), max("b")), (Some(0.4), Some(0.5), None));
        assert_eq!(policy.severity("cka-forget", Some("ab")), Severity::Off);
        let unused: Vec<_> = policy
            .unused_overrides(&["ab", "b"])
            .map(|(r, o)| (r, o.layers.glob().to_string()))
            .collect();
        assert_eq!(unused, [("cka-forget", "x".to_string())]);
    }
}
