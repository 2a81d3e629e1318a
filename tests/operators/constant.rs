//! Constants, ranges and casts.

use crate::case::{Case, Data, case};

/// Values of `DataType` in onnx.proto.
mod to {
    pub const FLOAT: i64 = 1;
    pub const UINT8: i64 = 2;
    pub const INT32: i64 = 6;
    pub const INT64: i64 = 7;
    pub const BOOL: i64 = 9;
    pub const DOUBLE: i64 = 11;
}

pub fn cases() -> Vec<Case> {
    let fractions = [-2.7, -1.0, -0.2, 0.0, 0.6, 1.5, 2.5];
    let long: Vec<f32> = (0..40).map(|i| i as f32).collect();
    vec![
        case("Constant", 7).tensor("value", &[2, 2], Data::Float(vec![1.0, 2.0, 3.0, 4.0])),
        case("Constant", 9).tensor("value", &[], Data::Int(vec![-3])),
        case("Constant", 9).tensor("value", &[40], Data::Float(long)),
        case("Constant", 13).tensor("value", &[2], Data::Bool(vec![true, false])),
        case("Constant", 13).float("value_float", 0.5),
        case("Constant", 13).float_list("value_floats", &[0.5, -1.0]),
        case("Constant", 13).int("value_int", 7),
        case("Constant", 13).int_list("value_ints", &[7, -8, 9]),
        case("ConstantOfShape", 9).list(&[2, 3]),
        case("ConstantOfShape", 9).list(&[]),
        case("ConstantOfShape", 9).fed_ints(&[2], &[5, 7]).tensor(
            "value",
            &[1],
            Data::Float(vec![-0.5]),
        ),
        case("ConstantOfShape", 20).list(&[4]).tensor("value", &[1], Data::Int(vec![-1])),
        case("ConstantOfShape", 20).list(&[2, 2]).tensor("value", &[1], Data::Bool(vec![true])),
        case("Range", 11).ints(&[], &[0]).fed_ints(&[], &[5]).ints(&[], &[1]),
        case("Range", 11).ints(&[], &[7]).ints(&[], &[-2]).ints(&[], &[-3]),
        case("Range", 11).ints(&[], &[3]).ints(&[], &[3]).ints(&[], &[1]),
        case("Range", 11).floats(&[], &[0.5]).floats(&[], &[2.6]).floats(&[], &[0.5]),
        case("Cast", 7).x(&[2, 3]).int("to", to::FLOAT),
        case("Cast", 13).x(&[2, 3]).int("to", to::DOUBLE),
        case("Cast", 9).fed(&[7], &fractions).int("to", to::INT64),
        case("Cast", 13).fed(&[7], &fractions).int("to", to::INT32),
        case("Cast", 13).fed(&[7], &fractions).int("to", to::BOOL),
        case("Cast", 13).floats(&[7], &fractions).int("to", to::INT64),
        case("Cast", 13).fed_ints(&[3], &[-1, 0, 300]).int("to", to::FLOAT),
        case("Cast", 13).fed_ints(&[3], &[-1, 0, 300]).int("to", to::BOOL),
        case("Cast", 13).fed_ints(&[3], &[-1, 0, 300]).int("to", to::UINT8),
        case("Cast", 13).fed_ints(&[2], &[-5, 1 << 33]).int("to", to::INT32),
        case("Cast", 13).bools(&[2], &[true, false]).int("to", to::FLOAT),
        case("Cast", 13).bools(&[], &[true]).int("to", to::INT64),
        case("CastLike", 15).x(&[2, 3]).floats(&[], &[0.0]),
        case("CastLike", 15).fed(&[7], &fractions).list(&[1]),
        case("CastLike", 15).fed_ints(&[2], &[0, 4]).bools(&[1], &[true]),
        case("CastLike", 15).floats(&[], &[0.0]).fed(&[2, 9], &[1.0; 18]),
    ]
}
