//! Made-up reports for tests of the renderers: smooth figures, judged by the real rules.

use super::{ModelSummary, Models, Report, SCHEMA, Tool};
use crate::gate::{Baseline, against, apply};
use crate::measures::Status;
use crate::onnx::LayerKind;
use crate::runtime::Provider;
use crate::verdict::{
    Accuracy, CkaBySet, CkaEvidence, ClassAccuracy, ClassEvidence, DataEvidence, FewShotAccuracy,
    FewShotEvidence, HeadEvidence, Interval, LayerEvidence, MisalignmentEvidence, OutputAccuracy,
    ParameterChange, PerModel, PerSet, Policy, ProbeEvidence, ProbesEvidence, ReferenceGap,
    SpreadEvidence, WeightEvidence,
};

/// A superficial model: the outputs are silent, the features as good as before.
pub(super) fn report(layers: usize, classes: usize, reference: bool) -> Report {
    let outputs = |forget| OutputAccuracy {
        fit: accuracy(forget, 0.99),
        eval: accuracy(forget, 0.97),
        forget_classes: [1, 3]
            .map(|class| ClassAccuracy { class, samples: 89, accuracy: Some(forget) })
            .into(),
    };
    let mut report = weights_only();
    report.provider = Some(Provider {
        requested: "auto".into(),
        used: "cpu".into(),
        reason: "CUDA is not available".into(),
    });
    report.tool.onnxruntime = Some("1.26.0".into());
    report.models.reference = reference.then(|| model("retrained.onnx"));
    report.data = Some(DataEvidence {
        path: "digits.npz".into(),
        sha256: "d".repeat(64),
        preprocess_sha256: Some("9".repeat(64)),
        classes,
        forget_classes: vec![1, 3],
        forget_class_names: Vec::new(),
        retain_classes: classes - 2,
        split_sha256: "5".repeat(64),
        fit: PerSet { forget: 181, retain: 717 },
        eval: PerSet { forget: 179, retain: 1720 },
        skipped: Vec::new(),
    });
    report.outputs = Some(PerModel {
        original: outputs(0.96),
        unlearned: outputs(0.0),
        reference: reference.then(|| outputs(0.0)),
    });
    report.layers = (0..layers).map(|i| layer(i, layers, reference)).collect();
    report.head = Some(head(classes, reference));
    judged(report)
}

/// What can be said without samples.
pub(super) fn weights_only() -> Report {
    let parameter =
        |name: &str, change| ParameterChange { name: name.into(), relative_change: change };
    judged(Report {
        schema: SCHEMA.into(),
        tool: Tool {
            name: "audit".into(),
            version: "0.1.0".into(),
            onnxruntime: None,
            estimators: 1,
        },
        created: "2026-01-02T03:04:05Z".into(),
        seed: 7,
        provider: None,
        models: Models {
            original: model("original.onnx"),
            unlearned: model("unlearned.onnx"),
            reference: None,
        },
        data: None,
        weights: WeightEvidence {
            encoder_identical: false,
            head_identical: false,
            layers: vec![
                parameter("conv.weight", Some(0.12)),
                parameter("conv.bias", None),
                parameter("head.weight", Some(0.5)),
            ],
        },
        outputs: None,
        layers: Vec::new(),
        unmatched_layers: Vec::new(),
        head: None,
        notes: vec!["2 activations were left out".into()],
        findings: Vec::new(),
        verdict: crate::verdict::Verdict {
            label: crate::verdict::Label::Inconclusive,
            sentence: String::new(),
            reasons: Vec::new(),
        },
        policy: None,
        gate: None,
        baseline: None,
        command: ["audit", "compare", "a.onnx", "b.onnx"].map(str::to_owned).into(),
    })
}

/// The report with the findings, the verdict and the gate that its evidence leads to.
pub(super) fn judged(report: Report) -> Report {
    judged_by(report, &Policy::default())
}

/// The same under another policy.
pub(super) fn judged_by(mut report: Report, policy: &Policy) -> Report {
    apply(&mut report, policy);
    report
}

/// `report` against `baseline`.
pub(super) fn compared(mut report: Report, baseline: &Report) -> Report {
    let sha256 = "b".repeat(64);
    let baseline =
        Baseline { report: baseline, path: "reports/last-release.json", sha256: &sha256 };
    against(&mut report, &Policy::default(), &baseline).expect("comparable");
    report
}

/// Takes every figure of the layers away, as if all features were degenerate.
pub(super) fn without_values(mut report: Report) -> Report {
    let nothing = CkaEvidence {
        debiased: None,
        biased: None,
        null_mean: None,
        null_sd: None,
        status: Status::Degenerate,
    };
    let probe = ProbeEvidence {
        forget_accuracy: None,
        retain_accuracy: None,
        forget_ci: None,
        status: Status::Degenerate,
    };
    let interval = Interval { value: None, ci: None, status: Status::Undefined };
    let none = |values: &mut FewShotAccuracy| {
        values.forget = vec![None; 3];
        values.retain = Vec::new();
    };
    for layer in &mut report.layers {
        layer.cka = CkaBySet { forget: nothing, retain: nothing, all: nothing };
        layer.cka_reference = layer.cka_reference.map(|_| layer.cka);
        layer.probe.original = probe;
        layer.probe.unlearned = probe;
        layer.probe.reference = layer.probe.reference.map(|_| probe);
        layer.probe.floor = None;
        layer.recovered_fraction = interval;
        layer.nearest_center = PerModel::default();
        layer.spread = PerModel::default();
        none(&mut layer.few_shot.original);
        none(&mut layer.few_shot.unlearned);
        layer.few_shot.reference.as_mut().map(none);
        layer.few_shot.effect = None;
        layer.few_shot.effect_ci = None;
        layer.few_shot.spread = None;
        layer.few_shot.status = Status::TooFewSamples;
        layer.reference_gap =
            layer.reference_gap.map(|_| ReferenceGap { probe: interval, few_shot: interval });
    }
    judged(report)
}

fn model(path: &str) -> ModelSummary {
    ModelSummary {
        path: path.into(),
        sha256: "a".repeat(64),
        parameters: 28_902,
        opset: 17,
        producer: "pytorch 2.12.0".into(),
    }
}

fn accuracy(forget: f64, retain: f64) -> Accuracy {
    Accuracy { forget_accuracy: Some(forget), retain_accuracy: Some(retain) }
}

fn per_model<T: Clone>(value: T, reference: bool) -> PerModel<T> {
    let other = reference.then(|| value.clone());
    PerModel { original: value.clone(), unlearned: value, reference: other }
}

fn layer(i: usize, count: usize, reference: bool) -> LayerEvidence {
    let depth = (i + 1) as f64 / count as f64;
    let name = format!("/features/stage{}/block.{i}/conv2/Relu_{i}_output_0", i / 8);
    let cka = |value: f64| CkaEvidence {
        debiased: Some(value),
        biased: Some(value + 0.01),
        null_mean: Some(0.001),
        null_sd: Some(0.012),
        status: Status::Ok,
    };
    let sets =
        |forget, retain| CkaBySet { forget: cka(forget), retain: cka(retain), all: cka(retain) };
    let probe = |forget: f64| ProbeEvidence {
        forget_accuracy: Some(forget),
        retain_accuracy: Some(0.95),
        forget_ci: Some([forget - 0.04, forget + 0.04]),
        status: Status::Ok,
    };
    let shots = |forget: f64| FewShotAccuracy {
        forget: vec![Some(forget), Some(forget + 0.1), Some(forget + 0.12)],
        retain: vec![Some(0.81), Some(0.91), Some(0.93)],
    };
    let interval = |value: f64| Interval {
        value: Some(value),
        ci: Some([value - 0.1, value + 0.1]),
        status: Status::Ok,
    };
    LayerEvidence {
        unlearned_name: name.clone(),
        reference_name: reference.then(|| name.clone()),
        name,
        kind: if i + 1 == count { LayerKind::HeadInput } else { LayerKind::Residual },
        depth,
        width: 64 << (i / 8),
        cka: sets(0.98 - 0.05 * depth, 0.99 - 0.02 * depth),
        cka_reference: reference.then(|| sets(0.9 - 0.4 * depth, 0.95 - 0.1 * depth)),
        probe: ProbesEvidence {
            original: probe(0.5 + 0.4 * depth),
            unlearned: probe(0.5 + 0.39 * depth),
            reference: reference.then(|| probe(0.5 + 0.2 * depth)),
            floor: Some(probe(0.4 + 0.1 * depth)),
        },
        recovered_fraction: interval(0.97),
        nearest_center: per_model(accuracy(0.8, 0.9), reference),
        few_shot: FewShotEvidence {
            shots: vec![1, 3, 5],
            original: shots(0.74),
            unlearned: shots(0.73),
            reference: reference.then(|| shots(0.38)),
            effect: Some(-0.06),
            effect_ci: Some([-0.41, 0.29]),
            reference_effect: reference.then(|| interval(-2.7)),
            spread: Some(0.163),
            status: Status::Ok,
        },
        reference_gap: reference
            .then(|| ReferenceGap { probe: interval(0.19 * depth), few_shot: interval(0.35) }),
        forget_classes: [1, 3].map(|class| of_class(class, depth, reference)).into(),
        spread: per_model(
            SpreadEvidence { relative_trace: Some(0.31), effective_rank: Some(7.4) },
            reference,
        ),
    }
}

fn of_class(class: usize, depth: f64, reference: bool) -> ClassEvidence {
    let interval = |value: f64| Interval {
        value: Some(value),
        ci: Some([value - 0.15, value + 0.15]),
        status: Status::Ok,
    };
    let three = |original, unlearned, other| PerModel {
        original: Some(original),
        unlearned: Some(unlearned),
        reference: reference.then_some(Some(other)),
    };
    ClassEvidence {
        class,
        probe: three(0.5 + 0.4 * depth, 0.5 + 0.39 * depth, 0.5 + 0.2 * depth),
        few_shot: three(0.74, 0.73, 0.38),
        effect: interval(-0.06),
        reference_gap: reference
            .then(|| ReferenceGap { probe: interval(0.19 * depth), few_shot: interval(0.35) }),
    }
}

fn head(classes: usize, reference: bool) -> HeadEvidence {
    let misalignment = |forget: f64| MisalignmentEvidence {
        per_class: (0..classes)
            .map(|c| Some(if c == 1 || c == 3 { forget } else { 0.1 + 0.001 * c as f64 }))
            .collect(),
        forget: Some(forget),
        retain: Some(0.11),
    };
    let mismatch = |forget| PerSet { forget: Some(forget), retain: Some(0.02) };
    HeadEvidence {
        name: "head.weight".into(),
        misalignment: PerModel {
            original: misalignment(0.09),
            unlearned: misalignment(1.87),
            reference: reference.then(|| misalignment(0.94)),
        },
        mismatch: PerModel {
            original: mismatch(0.08),
            unlearned: mismatch(0.98),
            reference: reference.then(|| mismatch(0.9)),
        },
        retain_probe: Some(per_model(Some(0.96), reference)),
    }
}
