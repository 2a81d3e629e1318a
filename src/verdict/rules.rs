//! The rules by id: what each asks, in one sentence. `docs/rules.md` has a section for each.

/// A rule as reports and policy files name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Kebab-case id.
    pub id: &'static str,
    /// What it asks of a model or of the evidence.
    pub asks: &'static str,
}

const fn rule(id: &'static str, asks: &'static str) -> Rule {
    Rule { id, asks }
}

/// Every rule, in the order of `docs/rules.md`.
pub const RULES: [Rule; 22] = [
    rule("encoder-unchanged", "the weights upstream of the classifier head must have changed"),
    rule("evidence", "every figure that the verdict rests on must be there"),
    rule("output-forgetting", "the outputs must no longer recognise the forget set"),
    rule("retain-accuracy", "the outputs must still recognise the retain set"),
    rule("retain-probe", "a probe at the head's input must still recognise the retain set"),
    rule("few-shot-recovery", "a few samples must not bring the forget classes back"),
    rule("few-shot-remaining", "the forget classes must lose few-shot accuracy at deep layers"),
    rule("probe-recovery", "a linear probe must not find more of the forget set than it may"),
    rule("cka-forget", "features of the forget set must not stay as they were"),
    rule(
        "forget-collapse",
        "features that fell to one point must tell forget classes apart no more",
    ),
    rule("original-knows", "the original must recognise what is to be forgotten"),
    rule("samples", "there must be enough samples and classes to judge"),
    rule("class-forgetting", "classes, not single samples, must be what is forgotten"),
    rule("encoder-present", "the original must have weights upstream of its head"),
    rule("layers-compared", "every deep layer must have been compared"),
    rule("reference-given", "a retrained reference must have been given"),
    rule("reference-fits", "the reference must be one that never learned the forget classes"),
    rule("over-forgetting", "less of the forget set than a retrained model shows is a mark too"),
    rule("retain-cka", "features of the retain set must stay close to the original's"),
    rule("head-mismatch", "head and nearest centre must agree on forget samples as they should"),
    rule("provider", "models must have run where the policy asks"),
    rule("regression", "no figure may be worse than the baseline's by more than is allowed"),
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
