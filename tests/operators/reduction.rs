//! Reductions over dimensions.

use crate::case::{Case, case};

const OPERATORS: [&str; 9] = [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for op in OPERATORS {
        // Axes became an input at opset 13 for ReduceSum and at 18 for the others.
        let (last, first) = if op == "ReduceSum" { (11, 13) } else { (17, 18) };
        let old = |opset| case(op, opset).x(&[2, 3, 4]).apart();
        cases.extend([
            old(7),
            old(7).int("keepdims", 0),
            old(7).int_list("axes", &[1]).int("keepdims", 0),
            old(11).int_list("axes", &[-1, -2]),
            old(last).int_list("axes", &[0, 2]).int("keepdims", 0),
        ]);
        let new = || case(op, first).x(&[2, 3, 4]).apart();
        cases.extend([
            new(),
            new().int("keepdims", 0),
            new().list(&[-1]),
            new().list(&[1, 2]).int("keepdims", 0),
            new().list(&[0, 2]).int("keepdims", 1),
            new().fed_ints(&[1], &[0]).int("keepdims", 0).int("noop_with_empty_axes", 0),
            new().list(&[]),
        ]);
    }
    for op in ["ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"] {
        cases.push(case(op, 18).x(&[2, 3]).apart().int("noop_with_empty_axes", 1));
    }
    for op in ["ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum"] {
        let ints = case(op, 18).fed_ints(&[2, 3], &[4, -3, 2, 7, 5, -1]);
        cases.push(ints.list(&[1]).int("keepdims", 0));
    }
    cases.extend([
        // Zeros among the factors, and nothing but zeros under a root.
        case("ReduceProd", 18).values(&[2, 3], &[0.0, 2.0, 3.0, 0.0, 0.0, 1.5]).list(&[1]),
        case("ReduceL2", 18).fed(&[2, 2], &[0.0, 0.0, 3.0, 4.0]).list(&[1]),
        case("ReduceLogSumExp", 18).values(&[2, 2], &[90.0, 91.0, -100.0, -99.5]).list(&[1]),
        case("ReduceLogSumExp", 18).fed(&[1, 2], &[f32::NEG_INFINITY; 2]).list(&[1]),
        case("ReduceMean", 18).floats(&[2, 2], &[1.0, 2.0, 3.0, 5.0]).list(&[0]),
    ]);
    cases
}
