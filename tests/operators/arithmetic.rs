//! Element by element.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Broadcast both ways, a scalar, and host values beside tensors.
    for op in ["Add", "Sub", "Mul", "Div"] {
        cases.push(case(op, 7).x(&[2, 3]).x(&[2, 3]));
        cases.push(case(op, 13).x(&[2, 1, 4]).x(&[3, 1]));
        cases.push(case(op, 14).x(&[3]).x(&[2, 1, 3]));
        cases.push(case(op, 14).x(&[2, 3]).x(&[]));
        cases.push(case(op, 14).x(&[]).x(&[]));
        cases.push(case(op, 14).x(&[2, 3]).floats(&[], &[0.7]));
        cases.push(case(op, 14).floats(&[1], &[1.0]).x(&[2, 3]));
        cases.push(case(op, 14).list(&[-7, 7, 9]).fed_ints(&[2, 1], &[2, -4]));
    }
    let x = |op, opset| case(op, opset).x(&[3, 8]).apart();
    cases.extend([
        x("Abs", 7),
        x("Abs", 13),
        case("Abs", 13).list(&[-3, 0, 3]),
        x("Neg", 7),
        x("Neg", 13),
        case("Neg", 13).fed_ints(&[2], &[5, -9_007_199_254_740_993]),
        case("Reciprocal", 7).positive(&[3, 4]),
        case("Reciprocal", 13).values(&[2], &[-2.0, 4.0]),
        case("Sqrt", 7).positive(&[3, 4]),
        case("Sqrt", 13).floats(&[], &[2.0]),
        x("Exp", 7),
        x("Exp", 13),
        case("Log", 7).positive(&[3, 4]),
        case("Log", 13).positive(&[2]),
        x("Sin", 7),
        x("Cos", 7),
        x("Floor", 7),
        x("Ceil", 7),
        x("Round", 11),
        // Halves go to the even neighbour.
        case("Round", 11).fed(&[5], &[-1.5, -0.5, 0.5, 1.5, 2.5]),
        case("Round", 11).floats(&[5], &[-1.5, -0.5, 0.5, 1.5, 2.5]),
        x("Sign", 9),
        case("Sign", 13).fed(&[3], &[-2.0, 0.0, 5.0]),
        case("Pow", 7).x(&[2, 3]).floats(&[], &[2.0]),
        case("Pow", 12).x(&[2, 3]).floats(&[], &[3.0]),
        case("Pow", 13).positive(&[2, 3]).floats(&[], &[-0.5]),
        case("Pow", 13).positive(&[2, 3]).floats(&[1], &[0.5]),
        case("Pow", 15).x(&[2, 3]).ints(&[], &[2]),
        case("Pow", 15).positive(&[2, 3]).floats(&[3], &[0.5, 1.5, -2.0]),
        case("Pow", 15).positive(&[2, 1]).fed(&[3], &[0.5, 1.5, -2.0]),
        case("Pow", 15).floats(&[], &[16.0]).floats(&[], &[-0.5]),
        case("Mod", 10).fed_ints(&[6], &[-4, 7, 5, 4, -7, 8]).list(&[2, -3, 8, -2, 3, 5]),
        case("Mod", 13)
            .fed_ints(&[6], &[-4, 7, 5, 4, -7, 8])
            .list(&[2, -3, 8, -2, 3, 5])
            .int("fmod", 1),
        case("Mod", 13).fed(&[2], &[-4.3, 7.2]).floats(&[], &[2.1]).int("fmod", 1),
        case("Max", 7).x(&[2, 3]).x(&[2, 3]).apart(),
        case("Max", 8).x(&[2, 1, 3]).x(&[4, 1]).x(&[3]).apart(),
        case("Max", 13).x(&[5]),
        case("Max", 13).list(&[1, 5]).list(&[3, 2]),
        case("Min", 7).x(&[2, 3]).x(&[2, 3]).apart(),
        case("Min", 13).x(&[2, 1, 3]).x(&[4, 1]).x(&[3]).apart(),
        case("Min", 13).list(&[1, 5]).fed_ints(&[2], &[3, 2]),
        case("Sum", 7).x(&[2, 3]).x(&[2, 3]),
        case("Sum", 13).x(&[2, 1, 3]).x(&[4, 1]).x(&[]),
        case("Sum", 13).x(&[2, 3]),
        case("Mean", 7).x(&[2, 3]).x(&[2, 3]),
        case("Mean", 13).x(&[2, 1, 3]).x(&[4, 1]).floats(&[], &[2.0]),
    ]);
    cases
}
