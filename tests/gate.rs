//! The gate: a stored report judged again, levels and limits one at a time, and a baseline.

mod common;

use std::sync::LazyLock;

use common::{audit, fixture, model, report};
use forget_audit::config::Config;
use forget_audit::gate::{Baseline, against, apply};
use forget_audit::report::{Report, from_json, to_json};
use forget_audit::verdict::rules::{Key, RULES};
use forget_audit::verdict::{
    Change, Finding, Label, Outcome, Policy, Preset, Severity, SkippedSample,
};
use proptest::prelude::*;

static ERASED: LazyLock<Report> =
    LazyLock::new(|| report("conv-original", "conv-retrained", Some("conv-retrained")));
static SUPERFICIAL: LazyLock<Report> =
    LazyLock::new(|| report("conv-original", "conv-random-label", Some("conv-retrained")));

fn policy(text: &str) -> Policy {
    Config::parse("audit.toml", text).unwrap_or_else(|e| panic!("{e}\n{text}")).policy
}

fn judged(report: &Report, policy: &Policy) -> Report {
    let mut report = report.clone();
    apply(&mut report, policy);
    report
}

fn passes(report: &Report, text: &str) -> bool {
    judged(report, &policy(text)).passes()
}

/// Every pair of fixtures, with and without reference: judging the stored report gives what
/// `compare` said, and under the default policy the gate opens for `erased` and nothing else.
#[test]
fn the_stored_report_of_every_fixture_is_judged_as_it_was() {
    let variants = [
        "original",
        "head-flip",
        "bias",
        "mask",
        "rotated",
        "reinit",
        "collapsed",
        "retrained",
        "random-label",
        "neg-grad",
    ];
    let mut opened = 0;
    for network in ["conv", "vit"] {
        let original = format!("{network}-original");
        for variant in variants {
            for reference in [None, Some(format!("{network}-retrained"))] {
                let name = format!("{network}-{variant}");
                let fresh = report(&original, &name, reference.as_deref());
                let stored =
                    from_json(&to_json(&fresh).expect("JSON"), "report").expect("a report");
                let again = judged(&stored, &Policy::default());
                assert_eq!(again, fresh, "{name} {reference:?}");
                let erased = fresh.verdict.label == Label::Erased;
                let gate = fresh.gate.as_ref().expect("a gate");
                assert_eq!(gate.passed, erased, "{name} {reference:?}: {:#?}", fresh.findings);
                opened += usize::from(gate.passed);
            }
        }
    }
    // retrained and collapsed, on both networks with and without; vit-neg-grad without.
    assert_eq!(opened, 9);
}

/// Findings by rule, layer and how often that pair came before.
fn by_place(report: &Report) -> Vec<(String, Option<String>, Outcome, String)> {
    let of = |f: &Finding| (f.rule.clone(), f.layer.clone(), f.outcome, f.expected.clone());
    report.findings.iter().map(of).collect()
}

#[test]
fn one_threshold_changes_the_findings_of_its_rule_and_no_others() {
    let base = judged(&SUPERFICIAL, &Policy::default());
    for (rule, key, value) in [
        ("probe-recovery", "max-above-reference", "1.0"),
        ("few-shot-recovery", "max-above-reference", "0.9"),
        ("cka-forget", "max-above-reference", "0.9"),
        ("retain-accuracy", "max-below-original", "0.0"),
        ("retain-probe", "max-below-original", "0.0"),
        ("samples", "min-forget", "100000"),
        ("output-forgetting", "max", "0.0"),
        ("over-forgetting", "min-above-reference", "0.0"),
        ("head-mismatch", "max", "0.1"),
        ("retain-cka", "min", "0.99"),
    ] {
        let text = format!("[policy.rules.{rule}]\n{key} = {value}");
        let changed = judged(&SUPERFICIAL, &policy(&text));
        let others = |r: &Report| {
            let all = by_place(r).into_iter();
            all.filter(|(id, ..)| id != rule).collect::<Vec<_>>()
        };
        assert_eq!(others(&changed), others(&base), "{rule}");
        let own =
            |r: &Report| by_place(r).into_iter().filter(|(id, ..)| id == rule).collect::<Vec<_>>();
        assert_ne!(own(&changed), own(&base), "{rule}");
    }
}

/// The figure of the erased report on either side of a limit.
#[test]
fn an_absolute_limit_flips_at_the_figure() {
    let layer = ERASED.layers.last().expect("layers");
    let head = ERASED.head.as_ref().expect("a head");
    let probe = layer.probe.unlearned.forget_accuracy.expect("a figure");
    let few_shot = layer.few_shot.unlearned.forget[0].expect("a figure");
    let cka = layer.cka.forget.debiased.expect("a figure");
    let retain_cka = layer.cka.retain.debiased.expect("a figure");
    let mismatch = head.mismatch.unlearned.forget.expect("a figure");
    let outputs = &ERASED.outputs.as_ref().expect("outputs").unlearned.eval;
    let retain = outputs.retain_accuracy.expect("a figure");
    // Deep layers other than the head's input stand aside: only the one figure is asked for.
    let at_head = |rule: &str, key: &str, value: f64| {
        format!("[[policy.rules.{rule}.layers]]\nmatch = \"{}\"\n{key} = {value:.6}", layer.name)
    };
    let overall =
        |rule: &str, key: &str, value: f64| format!("[policy.rules.{rule}]\n{key} = {value:.6}");
    type Make<'a> = &'a dyn Fn(&str, &str, f64) -> String;
    let cases: [(Make, &str, f64); 6] = [
        (&at_head, "probe-recovery", probe),
        (&at_head, "few-shot-recovery", few_shot),
        (&at_head, "cka-forget", cka),
        (&at_head, "retain-cka", retain_cka),
        (&overall, "head-mismatch", mismatch),
        (&overall, "retain-accuracy", retain),
    ];
    for (make, rule, figure) in cases {
        for (key, inside, outside) in [("max", 0.001, -0.001), ("min", -0.001, 0.001)] {
            // A limit outside what the rule takes says nothing.
            if figure + inside > 1.0 || figure + outside > 1.0 {
                continue;
            }
            assert!(passes(&ERASED, &make(rule, key, figure + inside)), "{rule} {key}");
            let failed = judged(&ERASED, &policy(&make(rule, key, figure + outside)));
            assert!(!failed.passes(), "{rule} {key}");
            let blocking: Vec<&Finding> = failed.findings.iter().filter(|f| f.blocks()).collect();
            assert_eq!(blocking.len(), 1, "{blocking:#?}");
            assert_eq!(blocking[0].rule, rule);
            // A demand of the policy is no statement on the model.
            assert_eq!(failed.verdict, ERASED.verdict);
        }
    }
}

#[test]
fn levels_open_the_gate_but_never_change_the_label() {
    let superficial = judged(&SUPERFICIAL, &Policy::default());
    assert_eq!(superficial.verdict.label, Label::Superficial);
    assert!(!superficial.passes());
    let exploratory = judged(&SUPERFICIAL, &Policy::preset(Preset::Exploratory));
    assert_eq!(exploratory.verdict, superficial.verdict);
    assert!(exploratory.passes());
    assert!(exploratory.gate.as_ref().is_some_and(|g| g.warned > 0));
    let off = "[policy.rules]\nprobe-recovery.level = \"off\"\nfew-shot-recovery.level = \"off\"\n\
               cka-forget.level = \"off\"\n";
    let off = judged(&SUPERFICIAL, &policy(off));
    assert_eq!(off.verdict, superficial.verdict);
    assert!(off.passes());
    assert!(off.findings.iter().all(|f| f.rule != "probe-recovery"));
}

#[test]
fn a_changed_head_passes_no_policy() {
    let head = report("conv-original", "conv-head-flip", None);
    for preset in Preset::ALL {
        let mut policy = Policy::preset(preset);
        for rule in &RULES {
            policy.change(rule.id, |s| s.severity = Severity::Off);
        }
        assert!(!judged(&head, &policy).passes());
    }
}

#[test]
fn strict_asks_for_a_reference() {
    let alone = report("conv-original", "conv-retrained", None);
    let strict = judged(&alone, &Policy::preset(Preset::Strict));
    assert_eq!(strict.verdict.label, Label::Erased);
    assert!(!strict.passes());
    assert!(strict.findings.iter().any(|f| f.rule == "reference-given" && f.blocks()));
    assert!(judged(&ERASED, &Policy::preset(Preset::Strict)).passes());
}

#[test]
fn the_provider_is_what_ran() {
    assert!(passes(&ERASED, "[policy.rules.provider]\nallowed = [\"cpu\"]"));
    assert!(!passes(&ERASED, "[policy.rules.provider]\nallowed = [\"cuda\"]"));
}

#[test]
fn a_limit_against_a_reference_that_is_not_there_fails_and_says_so() {
    let alone = report("conv-original", "conv-retrained", None);
    let text = "[policy.rules.probe-recovery]\nmin-above-reference = -0.5";
    let failed = judged(&alone, &policy(text));
    let finding = failed.findings.iter().find(|f| f.blocks()).expect("a finding");
    assert!(finding.message.contains("none was given"), "{}", finding.message);
    assert!(finding.set_at.is_some());
    assert!(passes(&ERASED, text));
}

/// The same whichever bound it is, whatever the verdict makes of such limits with a reference.
#[test]
fn every_limit_above_a_reference_that_is_not_there_fails() {
    let alone = report("conv-original", "conv-retrained", None);
    assert!(alone.passes());
    for rule in ["output-forgetting", "few-shot-recovery", "probe-recovery", "cka-forget"] {
        let text = format!("[policy.rules.{rule}]\nmax-above-reference = 0.9");
        let failed = judged(&alone, &policy(&text));
        assert!(!failed.passes(), "{rule}");
        assert_eq!(failed.verdict, alone.verdict);
        for finding in failed.findings.iter().filter(|f| f.blocks()) {
            assert_eq!(finding.rule, rule);
            assert!(finding.message.contains("none was given"), "{}", finding.message);
        }
        assert!(passes(&ERASED, &text), "{rule}");
    }
}

/// A reference that the verdict takes for none excuses nobody, where reference-fits is lowered too.
#[test]
fn a_limit_above_a_reference_that_does_not_fit_fails() {
    let mut unfit = ERASED.clone();
    let effect = last(&mut unfit).few_shot.reference_effect.as_mut().expect("an effect");
    (effect.value, effect.ci) = (Some(0.5), Some([0.4, 0.6]));
    let lowered = "[policy]\npreset = \"exploratory\"\n";
    assert!(passes(&unfit, lowered));
    let text = format!(
        "{lowered}[policy.rules.probe-recovery]\nlevel = \"error\"\nmax-above-reference = 1.0"
    );
    assert!(passes(&ERASED, &text));
    let failed = judged(&unfit, &policy(&text));
    assert!(!failed.passes(), "{:#?}", failed.findings);
}

/// "Those of an override wherever it matches": at a layer that the verdict doesn't judge, too.
#[test]
fn the_limits_of_an_override_are_judged_at_shallow_layers() {
    let shallow = &ERASED.layers[0];
    assert!(shallow.depth < Policy::default().deep);
    let at = |rule: &str, key: &str, value: f64| {
        format!("[[policy.rules.{rule}.layers]]\nmatch = \"{}\"\n{key} = {value:.6}", shallow.name)
    };
    let few_shot = |f: &forget_audit::verdict::FewShotAccuracy| f.forget[0].expect("a figure");
    let reference = |r: Option<f64>| r.expect("a reference");
    let retrained = [
        (
            "few-shot-recovery",
            few_shot(&shallow.few_shot.unlearned)
                - few_shot(shallow.few_shot.reference.as_ref().expect("a reference")),
        ),
        (
            "probe-recovery",
            shallow.probe.unlearned.forget_accuracy.expect("a figure")
                - reference(shallow.probe.reference.and_then(|p| p.forget_accuracy)),
        ),
        (
            "cka-forget",
            shallow.cka.forget.debiased.expect("a figure")
                - reference(shallow.cka_reference.and_then(|c| c.forget.debiased)),
        ),
    ];
    for (rule, difference) in retrained {
        // The retrained model is its own reference.
        assert!(difference.abs() < 1e-9, "{rule}");
        let key = "max-above-reference";
        assert!(passes(&ERASED, &at(rule, key, 0.0)), "{rule}");
        let mut above = ERASED.clone();
        let layer = &mut above.layers[0];
        *layer.few_shot.unlearned.forget[0].as_mut().unwrap() += 0.01;
        *layer.probe.unlearned.forget_accuracy.as_mut().unwrap() += 0.01;
        *layer.cka.forget.debiased.as_mut().unwrap() += 0.01;
        let failed = judged(&above, &policy(&at(rule, key, 0.0)));
        let blocking: Vec<&Finding> = failed.findings.iter().filter(|f| f.blocks()).collect();
        assert_eq!(blocking.len(), 1, "{rule}: {blocking:#?}");
        assert_eq!(blocking[0].layer.as_ref(), Some(&shallow.name));
        assert!(passes(&above, &at(rule, key, 0.5)), "{rule}");
    }
    let alone = report("conv-original", "conv-retrained", None);
    let cka = alone.layers[0].cka.forget.debiased.expect("a figure");
    let key = "max-without-reference";
    assert!(passes(&alone, &at("cka-forget", key, cka + 0.001)));
    assert!(!passes(&alone, &at("cka-forget", key, cka - 0.001)));
    // It says itself that it counts without a reference.
    assert!(passes(&ERASED, &at("cka-forget", key, 0.0)));
}

/// The few-shot effect is judged at the ends; set elsewhere the limit is told, not dropped.
#[test]
fn an_effect_limit_at_a_layer_that_is_no_end_is_told() {
    let unused = |text: &str| judged(&ERASED, &policy(text)).policy.expect("a policy").unused;
    let at = |layer: &str| {
        format!("[[policy.rules.few-shot-recovery.layers]]\nmatch = \"{layer}\"\nmax-effect = -9")
    };
    let told = unused(&at(&ERASED.layers[0].name));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("audit.toml:1:1: ") && told[0].contains("max-effect"), "{told:?}");
    assert!(unused(&at("*")).is_empty());
}

#[test]
fn an_override_that_matches_no_layer_is_told_with_its_place() {
    let text = "[policy]\n[[policy.rules.cka-forget.layers]]\nmatch = \"no/such*\"\nmax = 0.1";
    let report = judged(&ERASED, &policy(text));
    let unused = &report.policy.expect("a policy").unused;
    let expected = "audit.toml:2:1: the override of cka-forget for \"no/such*\" matches no layer";
    assert_eq!(unused, &[expected]);
}

/// What leaves the label open leaves a finding: else the gate would open for it.
#[test]
fn a_layer_that_the_reference_lacks_keeps_the_gate_shut() {
    type Take = fn(&mut Report);
    let taken: [Take; 2] =
        [|r| r.layers[1].reference_gap = None, |r| last(r).few_shot.reference_effect = None];
    for take in taken {
        let mut report = ERASED.clone();
        take(&mut report);
        let report = judged(&report, &Policy::default());
        assert_eq!(report.verdict.label, Label::Inconclusive);
        assert!(!report.passes(), "{:#?}", report.findings);
    }
}

/// What a verdict rests on, taken away one at a time.
const TAKEN: [fn(&mut Report); 14] = [
    |r| r.outputs.as_mut().expect("outputs").unlearned.eval.forget_accuracy = None,
    |r| r.outputs.as_mut().expect("outputs").unlearned.eval.retain_accuracy = None,
    |r| r.outputs.as_mut().expect("outputs").original.eval.forget_accuracy = None,
    |r| r.outputs.as_mut().expect("outputs").original.eval.retain_accuracy = Some(f64::NAN),
    |r| r.outputs = None,
    |r| r.layers.clear(),
    |r| r.data = None,
    |r| last(r).probe.unlearned.forget_accuracy = None,
    |r| last(r).probe.unlearned.retain_accuracy = Some(f64::INFINITY),
    |r| last(r).few_shot.unlearned.forget.clear(),
    |r| last(r).few_shot.effect = Some(f64::NAN),
    |r| last(r).cka.forget.debiased = None,
    |r| last(r).reference_gap = None,
    |r| last(r).reference_gap.as_mut().expect("a gap").probe.value = Some(f64::NAN),
];

fn last(report: &mut Report) -> &mut forget_audit::verdict::LayerEvidence {
    report.layers.last_mut().expect("layers")
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let severities = prop::collection::vec(0..4u8, RULES.len());
    let limits = prop::collection::vec(prop::option::of(0.0..1.0f64), 64);
    (0..3usize, severities, limits, 0.0..1.0f64, 0.0..1.0f64).prop_map(
        |(preset, severities, limits, deep, half_way)| {
            let mut policy = Policy::preset(Preset::ALL[preset]);
            (policy.deep, policy.half_way) = (deep, half_way);
            let mut limits = limits.into_iter().cycle();
            for (rule, severity) in RULES.iter().zip(severities) {
                policy.change(rule.id, |s| {
                    match severity {
                        0 => s.severity = Severity::Off,
                        1 => s.severity = Severity::Warn,
                        2 => s.severity = Severity::Error,
                        _ => {}
                    }
                    for spec in rule.limits {
                        if let Some(Some(share)) = limits.next() {
                            let (low, high) = spec.range;
                            let value = low + share * (high - low);
                            let limit = forget_audit::verdict::Limit { value, set_at: None };
                            s.limits.insert(spec.key, limit);
                        }
                    }
                });
            }
            policy
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_policy_passes_a_report_whose_value_is_missing(
        policy in any_policy(),
        taken in 0..TAKEN.len(),
    ) {
        let mut report = ERASED.clone();
        TAKEN[taken](&mut report);
        apply(&mut report, &policy);
        prop_assert!(!report.passes(), "{taken}: {:#?}", report.findings);
        prop_assert!(report.verdict.label != Label::Erased);
        // It says which.
        let said = report.findings.iter().find(|f| f.rule == "evidence").expect("the rule");
        prop_assert!(said.blocks() && said.found.contains("missing") || report.outputs.is_none());
    }

    /// What is judged here is read again: no policy makes a report that contradicts itself.
    #[test]
    fn no_policy_makes_a_contradiction(
        policy in any_policy(),
        taken in prop::option::of(0..TAKEN.len()),
    ) {
        for report in [&*ERASED, &*SUPERFICIAL] {
            let mut report = report.clone();
            if let Some(taken) = taken {
                TAKEN[taken](&mut report);
            }
            apply(&mut report, &policy);
            prop_assert_eq!(report.contradiction(), None);
        }
    }

    /// A limit on any figure that is missing fails, whatever the limit.
    #[test]
    fn a_missing_figure_fails_its_limit(low in -1.0..1.0f64) {
        let mut report = ERASED.clone();
        last(&mut report).cka.retain.debiased = None;
        let text = format!("[policy.rules.retain-cka]\nmin = {low:.3}");
        let report = judged(&report, &policy(&text));
        prop_assert!(!report.passes());
        let missing = report.findings.iter().any(|f| f.message.contains("missing"));
        prop_assert!(missing, "{:#?}", report.findings);
    }
}

fn compared(now: &Report, before: &Report, policy: &Policy) -> Report {
    let mut now = judged(now, policy);
    let before = judged(before, &Policy::default());
    let baseline = Baseline { report: &before, path: "old.json", sha256: "0" };
    against(&mut now, policy, &baseline).expect("comparable");
    now
}

fn regressions(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|f| f.rule == "regression" && f.blocks()).collect()
}

#[test]
fn nothing_regresses_against_itself() {
    let report = compared(&ERASED, &ERASED, &Policy::default());
    assert!(report.passes());
    assert!(regressions(&report).is_empty());
    assert!(report.findings.iter().all(|f| f.change == Some(Change::Unchanged)));
    let baseline = report.baseline.expect("a baseline");
    assert_eq!((baseline.path.as_str(), baseline.label), ("old.json", Label::Erased));
}

/// Each measure alone, just within and just beyond what the policy allows.
#[test]
fn what_became_worse_beyond_the_allowance_fails_at_its_layer() {
    type Worsen = fn(&mut Report, f64);
    let cases: [(Key, Option<usize>, Worsen); 5] = [
        (Key::ForgetAccuracy, None, |r, by| {
            *r.outputs.as_mut().unwrap().unlearned.eval.forget_accuracy.as_mut().unwrap() += by;
        }),
        (Key::RetainAccuracy, None, |r, by| {
            *r.outputs.as_mut().unwrap().unlearned.eval.retain_accuracy.as_mut().unwrap() -= by;
        }),
        (Key::Probe, Some(0), |r, by| {
            *r.layers[0].probe.unlearned.forget_accuracy.as_mut().unwrap() += by;
        }),
        (Key::FewShot, Some(1), |r, by| {
            *r.layers[1].few_shot.unlearned.forget[0].as_mut().unwrap() += by;
        }),
        (Key::Cka, Some(2), |r, by| {
            *r.layers[2].cka.forget.debiased.as_mut().unwrap() += by;
        }),
    ];
    let policy = Policy::default();
    for (key, layer, change) in cases {
        let allowed = policy.value("regression", key, None);
        let mut near = ERASED.clone();
        change(&mut near, allowed - 1e-6);
        assert!(regressions(&compared(&near, &ERASED, &policy)).is_empty(), "{key:?}");
        let mut far = ERASED.clone();
        change(&mut far, allowed + 1e-6);
        let far = compared(&far, &ERASED, &policy);
        let failed = regressions(&far);
        assert_eq!(failed.len(), 1, "{key:?}: {failed:#?}");
        assert_eq!(failed[0].layer, layer.map(|i| ERASED.layers[i].name.clone()));
        assert_eq!(failed[0].change, Some(Change::Worse));
        assert!(!far.passes());
        // The other way round it became better.
        let mut before = ERASED.clone();
        change(&mut before, allowed + 1e-6);
        assert!(regressions(&compared(&ERASED, &before, &policy)).is_empty(), "{key:?}");
    }
}

#[test]
fn a_layer_that_only_the_baseline_has_fails() {
    let mut fewer = ERASED.clone();
    let gone = fewer.layers.remove(0);
    let fewer = compared(&fewer, &ERASED, &Policy::default());
    let failed = regressions(&fewer);
    assert_eq!(failed.len(), 3, "{failed:#?}");
    for finding in failed {
        assert_eq!(finding.layer.as_ref(), Some(&gone.name));
        assert!(finding.message.contains("is missing"), "{}", finding.message);
    }
    // One that only the report has is new, not worse.
    let mut before = ERASED.clone();
    before.layers.remove(0);
    assert!(regressions(&compared(&ERASED, &before, &Policy::default())).is_empty());
}

/// Figures that are compared don't rest on the reference; what failed or passed does.
#[test]
fn another_reference_is_told_and_stands_in_nobodys_way() {
    let mut before = ERASED.clone();
    before.models.reference.as_mut().expect("a reference").sha256 = "f".repeat(64);
    let alone = report("conv-original", "conv-retrained", None);
    for before in [&before, &alone] {
        let report = compared(&ERASED, before, &Policy::default());
        assert!(report.passes());
        let told = report.findings.iter().filter(|f| f.rule == "regression" && f.warns());
        let told: Vec<&Finding> = told.collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].message.contains("reference"), "{}", told[0].message);
        let off = compared(&ERASED, before, &policy("[policy.rules.regression]\nlevel = \"off\""));
        assert!(off.findings.iter().all(|f| f.rule != "regression"));
    }
}

#[test]
fn findings_say_what_became_of_them() {
    let policy = Policy::default();
    let worse = compared(&SUPERFICIAL, &ERASED, &policy);
    let new = |f: &&Finding| f.change == Some(Change::New);
    assert!(worse.findings.iter().filter(new).any(|f| f.rule == "few-shot-recovery"));
    assert!(worse.findings.iter().filter(new).all(|f| f.outcome != Outcome::Passed));
    let better = compared(&ERASED, &SUPERFICIAL, &policy);
    let change = |f: &&Finding| f.change == Some(Change::Better);
    assert!(better.findings.iter().filter(change).any(|f| f.rule == "few-shot-recovery"));
    // The same failure, further from its limit.
    let mut further = SUPERFICIAL.clone();
    let name = last(&mut further).name.clone();
    let gap = last(&mut further).reference_gap.as_mut().expect("a gap");
    *gap.few_shot.value.as_mut().expect("a value") += 0.05;
    let further = compared(&further, &SUPERFICIAL, &policy);
    let found = further
        .findings
        .iter()
        .find(|f| f.rule == "few-shot-recovery" && f.layer.as_ref() == Some(&name));
    assert_eq!(found.expect("a finding").change, Some(Change::Worse));
}

#[test]
fn what_can_not_be_compared_is_refused() {
    type Case = (fn(&mut Report), &'static str);
    let cases: [Case; 16] = [
        (|r| r.data.as_mut().unwrap().preprocess_sha256 = Some("0".into()), "made ready otherwise"),
        (|r| r.data.as_mut().unwrap().preprocess_sha256 = None, "doesn't say how its samples"),
        (|r| r.models.original.sha256 = "0".into(), "another original"),
        (|r| r.data.as_mut().unwrap().classes = 3, "another number of classes"),
        (|r| r.data.as_mut().unwrap().eval.retain = 3, "another split"),
        (|r| r.data.as_mut().unwrap().fit.forget = 3, "another split"),
        (|r| r.outputs = None, "no figures"),
        (|r| r.layers.clear(), "no figures"),
        (
            |r| r.layers.iter_mut().for_each(|l| l.name.insert(0, 'x')),
            "no layer of it is in the report",
        ),
        (
            |r| {
                let skipped = SkippedSample { name: "a.png".into(), reason: "broken".into() };
                r.data.as_mut().unwrap().skipped.push(skipped);
            },
            "other data",
        ),
        (|r| r.data.as_mut().unwrap().split_sha256 = "0".into(), "another split"),
        (|r| r.data.as_mut().unwrap().sha256 = "0".into(), "other data"),
        (|r| r.data.as_mut().unwrap().forget_classes = vec![1], "another split"),
        (|r| r.data = None, "the baseline has no samples"),
        (|r| r.seed = 9, "its seed is 9, the report's 0"),
        (|r| r.tool.estimators = 0, "by version 0 of the measures, the report's by version 1"),
    ];
    for (change, expected) in cases {
        let mut old = ERASED.clone();
        change(&mut old);
        let mut report = ERASED.clone();
        let baseline = Baseline { report: &old, path: "old.json", sha256: "0" };
        let error = against(&mut report, &Policy::default(), &baseline).expect_err("refused");
        assert!(error.to_string().starts_with("old.json: "), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(report.baseline, None);
    }
}

#[test]
fn a_report_without_the_baselines_reference_is_refused() {
    let mut alone = report("conv-original", "conv-retrained", None);
    let baseline = Baseline { report: &ERASED, path: "old.json", sha256: "0" };
    let error = against(&mut alone, &Policy::default(), &baseline).expect_err("refused");
    assert!(error.to_string().contains("the report has none"), "{error}");
}

/// Paths in the file are relative to it, and were given relative to the working directory.
#[test]
fn a_file_set_up_elsewhere_finds_what_was_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("original.onnx"), "").expect("a file");
    let mut init = audit(folder.path());
    init.args(["init", "-o", "conf/audit.toml", "--forget-classes", "@l.txt,04"])
        .assert()
        .success();
    let config = Config::read(&folder.path().join("conf/audit.toml")).expect("a configuration");
    assert!(config.models.original.expect("a path").is_file());
    let here = folder.path().canonicalize().expect("a folder");
    let list = format!("@{}", here.join("l.txt").display());
    assert_eq!(config.data.forget_classes, Some(vec![list, "04".into()]));
}

/// `audit init`, `audit compare`, `audit gate` one after another in a folder, as a user would.
#[test]
fn a_folder_is_set_up_compared_and_gated() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = |from: std::path::PathBuf, to: &str| {
        std::fs::copy(from, folder.path().join(to)).expect("a copy");
    };
    copy(model("conv-original"), "original.onnx");
    copy(model("conv-random-label"), "unlearned.onnx");
    copy(model("conv-retrained"), "retrained.onnx");
    copy(fixture("digits.npz"), "digits.npz");
    let run = |arguments: &[&str]| {
        let output = audit(folder.path()).args(arguments).output().expect("a run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run(&["init", "--forget-classes", "3,8"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for found in ["original.onnx", "unlearned.onnx", "retrained.onnx", "digits.npz", "3, 8"] {
        assert!(out.contains(found), "{out}");
    }
    let (code, out, err) = run(&["compare"]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("superficial") && err.contains("audit.toml"), "{out}{err}");
    let (code, again, _) = run(&["gate", "reports/unlearned.json"]);
    assert_eq!((code, &again), (Some(1), &out));
    let (code, ..) = run(&["gate", "reports/unlearned.json", "--exit-zero"]);
    assert_eq!(code, Some(0));
    std::fs::write(folder.path().join("lax.toml"), "[policy]\npreset = \"exploratory\"").unwrap();
    let (code, out, _) = run(&["gate", "reports/unlearned.json", "--policy", "lax.toml"]);
    assert_eq!(code, Some(0), "{out}");
    let (code, _, err) = run(&["init"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("audit.toml: exists already"), "{err}");
    let baseline = ["gate", "reports/unlearned.json", "--baseline", "digits.npz"];
    let (code, _, err) = run(&baseline);
    assert_eq!(code, Some(2));
    assert!(err.contains("digits.npz") && err.contains("--baseline"), "{err}");
    let (code, out, _) =
        run(&["gate", "reports/unlearned.json", "--baseline", "reports/unlearned.json"]);
    assert_eq!(code, Some(1), "{out}");
    // The statement names the file that was judged.
    let (code, out, err) = run(&["gate", "reports/unlearned.json", "--attest", "a.json"]);
    assert_eq!(code, Some(1), "{out}{err}");
    let statement = std::fs::read_to_string(folder.path().join("a.json")).expect("a statement");
    let statement: serde_json::Value = serde_json::from_str(&statement).expect("JSON");
    let stored = folder.path().join("reports/unlearned.json");
    let digest = forget_audit::data::file_sha256(&stored).expect("a digest");
    let input = &statement["predicate"]["inputs"]["report"];
    assert_eq!(input["digest"]["sha256"], digest.as_str());
    std::fs::write(folder.path().join("audit.toml"), "[policy]\npreset = 1").unwrap();
    let (code, _, err) = run(&["compare"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("audit.toml:2:1: policy.preset is of type integer"), "{err}");
}
