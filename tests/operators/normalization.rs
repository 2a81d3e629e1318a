//! Normalisations.

use crate::case::{Case, case};

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
