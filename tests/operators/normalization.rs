//! Normalisations.

use forget_audit::train::{BatchNorm, Cpu};

use crate::case::{Case, Data, case};
use crate::check;

pub fn cases() -> Vec<Case> {
    let statistics = |case: Case| {
        case.floats(&[3], &[0.1, -0.2, 0.3]).floats(&[3], &[0.5, 1.0, 2.0]).float("epsilon", 1e-3)
    };
    vec![
        statistics(case("BatchNormalization", 9).x(&[2, 3, 2, 2]).x(&[3]).x(&[3])),
        statistics(case("BatchNormalization", 14).x(&[2, 3]).x(&[3]).x(&[3])),
        statistics(case("BatchNormalization", 15).x(&[2, 3, 4]).x(&[3]).x(&[3]))
            .int("training_mode", 0)
            .float("momentum", 0.9),
        case("LayerNormalization", 17).x(&[2, 3, 4]).x(&[4]).x(&[4]),
        case("LayerNormalization", 17).x(&[2, 3, 4]).x(&[4]).int("axis", -1).int("stash_type", 1),
        case("LayerNormalization", 17).x(&[2, 3, 4]).x(&[3, 4]).x(&[3, 4]).int("axis", 1),
        case("LayerNormalization", 17)
            .x(&[2, 2, 3, 4])
            .x(&[3, 4])
            .x(&[4])
            .int("axis", -2)
            .float("epsilon", 1e-2),
        case("InstanceNormalization", 7).x(&[2, 3, 4, 2]).x(&[3]).x(&[3]),
        case("InstanceNormalization", 7).x(&[2, 3, 8]).x(&[3]).x(&[3]).float("epsilon", 1e-2),
        // One scale a group at opset 18, one a channel since 21.
        case("GroupNormalization", 18).x(&[2, 4, 3, 2]).x(&[2]).x(&[2]).int("num_groups", 2),
        case("GroupNormalization", 21)
            .x(&[2, 4, 3, 2])
            .x(&[4])
            .x(&[4])
            .int("num_groups", 2)
            .float("epsilon", 1e-2),
        case("GroupNormalization", 21).x(&[2, 4, 6]).x(&[4]).x(&[4]).int("num_groups", 1),
        case("LRN", 7).x(&[1, 6, 2, 2]).int("size", 3),
        case("LRN", 13)
            .x(&[2, 5, 2, 2])
            .int("size", 5)
            .float("alpha", 0.5)
            .float("beta", 0.6)
            .float("bias", 2.0),
    ]
}

/// For one sample, a batch's own statistics are what `InstanceNormalization` takes.
#[test]
fn batch_normalization_trains_with_the_statistics_of_the_batch() {
    let x = |op, opset| case(op, opset).x(&[1, 3, 2, 4]).x(&[3]).x(&[3]).float("epsilon", 1e-3);
    let model = x("InstanceNormalization", 7).filled();
    let own = x("BatchNormalization", 15).floats(&[3], &[9.0; 3]).floats(&[3], &[9.0; 3]).filled();
    let batch = BatchNorm::Batch;
    check::compare(&check::runtime(), &model, &own, batch).unwrap_or_else(|e| panic!("{e}"));

    let (_, statistics) = check::run::<Cpu>(&own, &Default::default(), batch).expect("a run");
    let [statistics] = &statistics[..] else { panic!("one node, one report") };
    assert_eq!(statistics.mean_name, "in3");
    assert_eq!(statistics.variance_name, "in4");
    let Some(Data::Float(values)) = own.operands[0].as_ref().map(|o| &o.data) else { panic!("x") };
    for (channel, values) in values.chunks(8).enumerate() {
        let mean = values.iter().sum::<f32>() / 8.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 8.0;
        assert!((statistics.mean[channel] - mean).abs() < 1e-6);
        assert!((statistics.variance[channel] - variance).abs() < 1e-6);
    }
}
