//! Comparisons and masks.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Beyond 2^53 neighbours are equal as floats of any precision.
    let large = (1 << 53) + 1;
    for (op, opset) in
        [("Equal", 7), ("Greater", 9), ("GreaterOrEqual", 12), ("Less", 9), ("LessOrEqual", 12)]
    {
        cases.push(case(op, opset).list(&[1, 2, large]).fed_ints(&[3, 1], &[1, 2, large - 1]));
        let floats = case(op, opset.max(13)).fed(&[3], &[-1.0, 0.5, f32::NAN]);
        cases.push(floats.floats(&[], &[0.5]));
    }
    cases.push(case("Greater", 7).fed(&[3], &[-1.0, 0.5, 2.0]).floats(&[], &[0.5]));
    cases.push(case("Less", 7).fed(&[3], &[-1.0, 0.5, 2.0]).floats(&[], &[0.5]));
    cases.push(case("Equal", 13).bools(&[2], &[true, false]).bools(&[], &[false]));
    for op in ["And", "Or", "Xor"] {
        let a = case(op, 7).bools(&[2, 2], &[true, true, false, false]);
        cases.push(a.bools(&[2], &[true, false]));
    }
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0];
    let infinite = |positive: bool| {
        let mask = [true, false, true, false, true, false];
        let side = [f32::NEG_INFINITY; 6];
        let case = case("Where", 16).bools(&[2, 3], &mask);
        if positive {
            case.floats(&[2, 3], &side).x(&[2, 3])
        } else {
            case.x(&[2, 3]).floats(&[], &[f32::NEG_INFINITY])
        }
    };
    cases.extend([
        case("Not", 7).bools(&[2], &[true, false]),
        case("IsNaN", 9).fed(&[4], &odd),
        case("IsNaN", 13).floats(&[4], &odd),
        case("IsInf", 10).fed(&[4], &odd),
        case("IsInf", 10).fed(&[4], &odd).int("detect_negative", 0),
        case("IsInf", 20).fed(&[4], &odd).int("detect_positive", 0),
        case("Where", 9).bools(&[2, 1], &[true, false]).x(&[2, 3]).x(&[2, 3]),
        case("Where", 16).bools(&[2, 1, 1], &[true, false]).x(&[3, 1]).x(&[4]),
        case("Where", 16).bools(&[], &[true]).x(&[2]).x(&[]),
        case("Where", 9).bools(&[2], &[true, false]).list(&[1, 2]).fed_ints(&[], &[-1]),
        case("Where", 16).bools(&[2], &[true, false]).floats(&[], &[0.5]).floats(&[2], &[1.0, 2.0]),
        infinite(true),
        infinite(false),
    ]);
    cases
}
