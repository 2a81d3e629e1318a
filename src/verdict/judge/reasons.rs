//! Why the verdict is what it is, in sentences.

use super::{Court, Label, Outcome};

/// Rules that can tell superficial forgetting.
const RECOVERY: [&str; 4] =
    ["encoder-unchanged", "few-shot-recovery", "probe-recovery", "cka-forget"];

impl Court<'_> {
    pub(super) fn reasons(&self, label: Label) -> Vec<String> {
        let has_data = self.evidence.outputs.is_some();
        let has_reference = self.evidence.has_reference();
        match label {
            Label::NotForgotten => self.said(Outcome::Failed, &["output-forgetting"]),
            Label::Damaged => self.said(Outcome::Failed, &["retain-accuracy", "retain-probe"]),
            Label::Superficial => self.said(Outcome::Failed, &RECOVERY),
            Label::Erased => {
                let mut reasons = self.said(Outcome::Passed, &["output-forgetting"]);
                reasons.push(if has_reference {
                    "nothing recovers more of the forget set than from the reference".into()
                } else {
                    "judged against the retain classes as placebos, at the end of the encoder; only \
                     a retrained reference (--reference) judges every deep layer"
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
                let mut reasons = self.said(Outcome::Undecided, &[]);
                if !has_reference {
                    reasons.push(
                        "a model retrained without the forget set (--reference) would say more"
                            .into(),
                    );
                }
                reasons
            }
        }
    }

    /// Findings with this outcome, of the given rules or of all.
    fn said(&self, outcome: Outcome, rules: &[&str]) -> Vec<String> {
        self.findings
            .iter()
            .map(|ruling| &ruling.finding)
            .filter(|f| f.outcome == outcome)
            .filter(|f| rules.is_empty() || rules.contains(&f.rule.as_str()))
            .map(|f| {
                let place = f.layer.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
                format!("{}{place} (found {}; expected {})", f.message, f.found, f.expected)
            })
            .collect()
    }
}
