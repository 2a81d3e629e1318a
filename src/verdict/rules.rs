//! The rules: what each asks, its level and its limits unless the policy says otherwise.
//! `docs/rules.md` has a section for each.

use super::policy::Severity::{self, Error, Off, Warn};

/// A rule as reports and policy files name it.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// Kebab-case id.
    pub id: &'static str,
    /// What it asks of a model or of the evidence.
    pub asks: &'static str,
    /// Its level in the preset `default`.
    pub severity: Severity,
    /// Whether a policy may lower the level.
    pub pinned: bool,
    /// Whether it is judged at each deep layer and takes overrides for single ones.
    pub by_layer: bool,
    /// The limits it knows.
    pub limits: &'static [LimitSpec],
}

/// A limit as policy files name it.
#[derive(Debug, PartialEq)]
pub struct LimitSpec {
    /// Its key.
    pub key: Key,
    /// Its value in the preset `default`; without one the limit is not applied.
    pub default: Option<f64>,
    /// The values that make sense.
    pub range: (f64, f64),
}

/// The keys of limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The least the figure may be.
    Min,
    /// The most the figure may be.
    Max,
    /// The least the figure may be, minus the reference's.
    MinAboveReference,
    /// The most the figure may be, minus the reference's.
    MaxAboveReference,
    /// How far the figure may lie below the original's.
    MaxBelowOriginal,
    /// The least the figure may be, as a multiple of 1 / classes.
    MinTimesChance,
    /// The most the figure may be, as a multiple of 1 / classes.
    MaxTimesChance,
    /// The most the few-shot effect may be, in spreads of the retain classes.
    MaxEffect,
    /// The most the figure may be where no reference was given.
    MaxWithoutReference,
    /// The fewest forget samples, on fit and on eval.
    MinForget,
    /// The fewest retain samples, on eval, that can show damage.
    MinRetain,
    /// The fewest retain classes that serve as placebos.
    MinRetainClasses,
    /// How far the forget accuracy of the outputs may rise above the baseline's.
    ForgetAccuracy,
    /// How far the retain accuracy of the outputs may fall below the baseline's.
    RetainAccuracy,
    /// How far probe accuracy on the forget set may rise above the baseline's.
    Probe,
    /// How far 1-shot accuracy on the forget set may rise above the baseline's.
    FewShot,
    /// How far CKA on the forget set may rise above the baseline's.
    Cka,
}

impl Key {
    /// The key as policy files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::MinAboveReference => "min-above-reference",
            Self::MaxAboveReference => "max-above-reference",
            Self::MaxBelowOriginal => "max-below-original",
            Self::MinTimesChance => "min-times-chance",
            Self::MaxTimesChance => "max-times-chance",
            Self::MaxEffect => "max-effect",
            Self::MaxWithoutReference => "max-without-reference",
            Self::MinForget => "min-forget",
            Self::MinRetain => "min-retain",
            Self::MinRetainClasses => "min-retain-classes",
            Self::ForgetAccuracy => "forget-accuracy",
            Self::RetainAccuracy => "retain-accuracy",
            Self::Probe => "probe",
            Self::FewShot => "few-shot",
            Self::Cka => "cka",
        }
    }

    /// What it limits, for the comments of a template.
    pub fn what(self) -> &'static str {
        match self {
            Self::Min => "the figure is at least this",
            Self::Max => "the figure is at most this",
            Self::MinAboveReference => "the figure minus the reference's is at least this",
            Self::MaxAboveReference => "the figure minus the reference's is at most this",
            Self::MaxBelowOriginal => "the figure lies at most this far below the original's",
            Self::MinTimesChance => "the figure is above this many times 1 / classes",
            Self::MaxTimesChance => "the figure is at most this many times 1 / classes",
            Self::MaxEffect => {
                "the few-shot effect, in spreads of the retain classes, is at most this"
            }
            Self::MaxWithoutReference => "without a reference the figure is below this",
            Self::MinForget => "forget samples, on fit and on eval",
            Self::MinRetain => "retain samples on eval, fewer can't show damage",
            Self::MinRetainClasses => "retain classes, which serve as placebos",
            Self::ForgetAccuracy => "the outputs' forget accuracy rises by at most this",
            Self::RetainAccuracy => "the outputs' retain accuracy falls by at most this",
            Self::Probe => "probe accuracy on the forget set rises by at most this",
            Self::FewShot => "1-shot accuracy on the forget set rises by at most this",
            Self::Cka => "debiased CKA on the forget set rises by at most this",
        }
    }

    /// Whether the limit is one on the difference to the reference's figure.
    pub fn is_relative(self) -> bool {
        matches!(self, Self::MinAboveReference | Self::MaxAboveReference)
    }

    /// Whether a larger value of this key asks less.
    pub fn is_upper(self) -> bool {
        !matches!(
            self,
            Self::Min
                | Self::MinAboveReference
                | Self::MinTimesChance
                | Self::MinForget
                | Self::MinRetain
                | Self::MinRetainClasses
        )
    }
}

const fn limit(key: Key, default: f64, low: f64, high: f64) -> LimitSpec {
    LimitSpec { key, default: Some(default), range: (low, high) }
}

const fn open(key: Key, low: f64, high: f64) -> LimitSpec {
    LimitSpec { key, default: None, range: (low, high) }
}

const fn rule(
    id: &'static str,
    severity: Severity,
    asks: &'static str,
    limits: &'static [LimitSpec],
) -> Rule {
    Rule { id, asks, severity, pinned: false, by_layer: false, limits }
}

const fn pinned(rule: Rule) -> Rule {
    Rule { pinned: true, ..rule }
}

const fn by_layer(rule: Rule) -> Rule {
    Rule { by_layer: true, ..rule }
}

/// Few-shot effects beyond this are no figure anyone would set.
const EFFECT: f64 = 100.0;
const MANY: f64 = 1e9;

/// Every rule, in the order of `docs/rules.md`.
pub const RULES: [Rule; 22] = [
    pinned(rule(
        "encoder-unchanged",
        Error,
        "the weights upstream of the classifier head must have changed",
        &[],
    )),
    pinned(rule("evidence", Error, "every figure that the verdict rests on must be there", &[])),
    rule(
        "output-forgetting",
        Error,
        "the outputs must no longer recognise the forget set",
        &[
            limit(Key::MaxTimesChance, 2.0, 1.0, MANY),
            limit(Key::MaxAboveReference, 0.05, 0.0, 1.0),
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
        ],
    ),
    rule(
        "retain-accuracy",
        Error,
        "the outputs must still recognise the retain set",
        &[
            limit(Key::MaxBelowOriginal, 0.05, 0.0, 1.0),
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
            open(Key::MinAboveReference, -1.0, 1.0),
        ],
    ),
    rule(
        "retain-probe",
        Error,
        "a probe at the head's input must still recognise the retain set",
        &[
            limit(Key::MaxBelowOriginal, 0.05, 0.0, 1.0),
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
            open(Key::MinAboveReference, -1.0, 1.0),
        ],
    ),
    by_layer(rule(
        "few-shot-recovery",
        Error,
        "a few samples must not bring the forget classes back",
        &[
            limit(Key::MaxAboveReference, 0.10, 0.0, 1.0),
            limit(Key::MaxEffect, -1.0, -EFFECT, 0.0),
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
            open(Key::MinAboveReference, -1.0, 1.0),
        ],
    )),
    rule(
        "few-shot-remaining",
        Error,
        "the forget classes must lose few-shot accuracy at deep layers",
        &[limit(Key::MaxWithoutReference, 0.75, 0.0, 1.0)],
    ),
    by_layer(rule(
        "probe-recovery",
        Error,
        "a linear probe must not find more of the forget set than it may",
        &[
            limit(Key::MaxAboveReference, 0.05, 0.0, 1.0),
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
            open(Key::MinAboveReference, -1.0, 1.0),
        ],
    )),
    by_layer(rule(
        "cka-forget",
        Error,
        "features of the forget set must not stay as they were",
        &[
            limit(Key::MaxAboveReference, 0.10, 0.0, 1.0),
            limit(Key::MaxWithoutReference, 0.98, 0.0, 1.0),
            open(Key::Min, -1.0, 1.0),
            open(Key::Max, -1.0, 1.0),
            open(Key::MinAboveReference, -2.0, 2.0),
        ],
    )),
    rule(
        "forget-collapse",
        Error,
        "features that fell to one point must not tell forget classes apart",
        &[],
    ),
    rule(
        "original-knows",
        Error,
        "the original must recognise what is to be forgotten",
        &[limit(Key::MinTimesChance, 2.0, 1.0, MANY)],
    ),
    rule(
        "samples",
        Error,
        "there must be enough samples and classes to judge",
        &[
            limit(Key::MinForget, 20.0, 1.0, MANY),
            limit(Key::MinRetain, 50.0, 1.0, MANY),
            limit(Key::MinRetainClasses, 3.0, 1.0, MANY),
        ],
    ),
    rule("class-forgetting", Error, "classes, not single samples, must be what is forgotten", &[]),
    rule("encoder-present", Error, "the original must have weights upstream of its head", &[]),
    rule("layers-compared", Error, "every deep layer must have been compared", &[]),
    rule("reference-given", Off, "a retrained reference must have been given", &[]),
    rule(
        "reference-fits",
        Error,
        "the reference must be a model that never learned the forget classes",
        &[limit(Key::MaxEffect, -1.0, -EFFECT, 0.0), limit(Key::MaxBelowOriginal, 0.05, 0.0, 1.0)],
    ),
    rule(
        "over-forgetting",
        Warn,
        "a probe must not find much less of the forget set than in a retrained model",
        &[limit(Key::MinAboveReference, -0.30, -1.0, 0.0), open(Key::Min, 0.0, 1.0)],
    ),
    by_layer(rule(
        "retain-cka",
        Off,
        "features of the retain set must stay close to the original's",
        &[
            open(Key::Min, -1.0, 1.0),
            open(Key::Max, -1.0, 1.0),
            open(Key::MinAboveReference, -2.0, 2.0),
            open(Key::MaxAboveReference, -2.0, 2.0),
        ],
    )),
    rule(
        "head-mismatch",
        Off,
        "head and nearest class centre must disagree on forget samples no more than they may",
        &[
            open(Key::Min, 0.0, 1.0),
            open(Key::Max, 0.0, 1.0),
            open(Key::MinAboveReference, -1.0, 1.0),
            open(Key::MaxAboveReference, -1.0, 1.0),
        ],
    ),
    rule("provider", Off, "models must have run where the policy asks", &[]),
    rule(
        "regression",
        Error,
        "no figure may be worse than the baseline's by more than is allowed",
        &[
            limit(Key::ForgetAccuracy, 0.02, 0.0, 1.0),
            limit(Key::RetainAccuracy, 0.02, 0.0, 1.0),
            limit(Key::Probe, 0.05, 0.0, 1.0),
            limit(Key::FewShot, 0.10, 0.0, 1.0),
            limit(Key::Cka, 0.10, 0.0, 2.0),
        ],
    ),
];

/// The rule of this id.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// Where a rule is explained: what it means, why it matters, how to mend it.
///
/// The address is that of this version's documentation, which holds `docs/rules.md`.
pub fn help(id: &str) -> String {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    format!("https://docs.rs/{name}/{version}/forget_audit/rules/index.html#{id}")
}
