//! Nonlinearities.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    let x = |op, opset| case(op, opset).x(&[3, 7]).apart();
    vec![
        x("Relu", 7),
        x("Relu", 14),
        case("Relu", 14).x(&[]),
        x("LeakyRelu", 7),
        x("LeakyRelu", 16).float("alpha", 0.3),
        case("PRelu", 7).x(&[2, 3, 4]).x(&[3, 1]).apart(),
        case("PRelu", 16).x(&[2, 3, 4]).x(&[1]).apart(),
        case("PRelu", 16).x(&[2, 3]).x(&[2, 3]).apart(),
        x("Elu", 7),
        x("Elu", 7).float("alpha", 0.4),
        x("Celu", 12),
        x("Celu", 12).float("alpha", 0.5),
        x("Selu", 7),
        x("Selu", 7).float("alpha", 1.2).float("gamma", 0.8),
        x("Sigmoid", 7),
        x("Sigmoid", 13),
        // Kinks at -2.5 and 2.5.
        case("HardSigmoid", 7).values(&[6], &[-3.0, -2.4, -0.1, 0.7, 2.4, 3.0]),
        x("HardSigmoid", 7).float("alpha", 1.0 / 6.0).float("beta", 0.45),
        case("HardSwish", 14).values(&[2, 3], &[-3.5, -2.9, -0.1, 0.7, 2.9, 3.5]),
        x("Tanh", 7),
        x("Tanh", 13),
        x("Gelu", 20),
        x("Gelu", 20).text("approximate", "none"),
        x("Gelu", 20).text("approximate", "tanh"),
        x("Softplus", 7),
        // Where the exponential overflows.
        case("Softplus", 7).values(&[4], &[-100.0, -20.0, 20.0, 100.0]),
        x("Softsign", 7),
        x("Mish", 18),
        x("Erf", 9),
        x("Erf", 13),
        // Bounds as attributes up to opset 10, as inputs after.
        x("Clip", 7).float("min", -0.6).float("max", 0.7),
        x("Clip", 7).float("max", 0.7),
        x("Clip", 7),
        x("Clip", 11).floats(&[], &[-0.6]).floats(&[], &[0.7]),
        x("Clip", 13).floats(&[], &[0.0]),
        x("Clip", 13).none().floats(&[], &[0.0]),
        x("Clip", 13).floats(&[], &[0.0]).none(),
        x("Clip", 13),
        case("Clip", 12).list(&[-3, 0, 5, 9]).ints(&[], &[0]).ints(&[], &[6]),
        // Flattened to rows before opset 13.
        case("Softmax", 7).x(&[2, 3, 4]),
        case("Softmax", 11).x(&[2, 3, 4]).int("axis", 2),
        case("Softmax", 11).x(&[2, 3, 4]).int("axis", -1),
        case("Softmax", 13).x(&[2, 3, 4]),
        case("Softmax", 13).x(&[2, 3, 4]).int("axis", 1),
        case("Softmax", 13).x(&[2, 3, 4]).int("axis", -3),
        case("LogSoftmax", 7).x(&[2, 3, 4]).int("axis", 1),
        case("LogSoftmax", 13).x(&[2, 3, 4]),
        case("LogSoftmax", 13).x(&[2, 3, 4]).int("axis", 1),
        case("LogSoftmax", 13).values(&[2, 2], &[90.0, -90.0, 0.5, 0.25]),
    ]
}
