//! Reading, cutting, joining and padding.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    [gathers(), slices(), splits(), pads(), joins()].concat()
}

fn gathers() -> Vec<Case> {
    vec![
        case("Gather", 7).x(&[4, 3]).list(&[3, 0]),
        // An embedding: repeated indices add up.
        case("Gather", 11).x(&[4, 3]).fed_ints(&[2, 3], &[1, 1, 3, 0, 1, -1]),
        case("Gather", 13).x(&[2, 5]).list(&[4, 4, -5, 2]).int("axis", 1),
        case("Gather", 13).x(&[2, 3, 4]).list(&[2, 2, 0]).int("axis", -2),
        // A scalar index drops the axis.
        case("Gather", 13).x(&[3, 2, 2]).ints(&[], &[1]).int("axis", 0),
        case("Gather", 13).x(&[2, 3, 2]).ints(&[], &[-1]).int("axis", 1),
        case("Gather", 13).x(&[5]).ints(&[], &[2]),
        case("Gather", 13).x(&[6]).fed_ints(&[1, 2, 2, 1], &[5, 0, 0, 3]),
        case("Gather", 13).x(&[4, 3]).list(&[1, 2, 3]),
        case("Gather", 13).list(&[5, 6, 7]).ints(&[], &[-1]),
        case("GatherND", 11).x(&[3, 4]).ints(&[2, 2], &[0, 1, 2, -1]),
        case("GatherND", 11).x(&[3, 4]).ints(&[4, 1], &[2, 0, 2, -3]),
        case("GatherND", 12).x(&[2, 3, 4]).ints(&[2, 1, 2], &[1, 2, 1, 2]),
        case("GatherND", 12).x(&[2, 3, 4]).ints(&[2, 1], &[2, 0]).int("batch_dims", 1),
        case("GatherND", 13).x(&[2, 3, 4]).ints(&[2, 2, 1], &[2, 0, 1, 1]).int("batch_dims", 1),
        case("GatherND", 13).ints(&[2, 2], &[1, 2, 3, 4]).ints(&[2], &[1, 0]),
        case("ScatterND", 11).x(&[4, 3]).ints(&[2, 1], &[3, 0]).x(&[2, 3]),
        case("ScatterND", 13).x(&[4, 3]).ints(&[2, 2], &[3, 0, 1, -1]).x(&[2]),
        case("ScatterND", 16).x(&[2, 2, 3]).ints(&[1, 2, 1], &[1, 0]).x(&[1, 2, 2, 3]),
        case("ScatterND", 18)
            .list(&[1, 2, 3, 4])
            .ints(&[2, 1], &[1, 3])
            .list(&[9, 8])
            .text("reduction", "none"),
        case("ScatterND", 18)
            .floats(&[4, 5], &[0.0; 20])
            .ints(&[1, 1], &[1])
            .floats(&[1, 5], &[1.0, 2.0, 3.0, 4.0, 5.0]),
    ]
}

fn slices() -> Vec<Case> {
    let x = |opset| case("Slice", opset).x(&[4, 5]);
    vec![
        x(7).int_list("starts", &[1]).int_list("ends", &[3]),
        x(7).int_list("starts", &[0, -3]).int_list("ends", &[-1, 1000]).int_list("axes", &[0, 1]),
        x(10).list(&[1, 0]).list(&[3, 4]),
        x(10).list(&[1]).list(&[i64::MAX]).list(&[1]),
        x(11).list(&[-2]).list(&[i64::MAX]).list(&[-1]),
        x(13).list(&[1]).list(&[i64::MAX]).list(&[0]).list(&[2]),
        x(13).list(&[0, 1]).list(&[4, 5]).list(&[0, 1]).list(&[3, 2]),
        x(13).list(&[-1]).list(&[i64::MIN]).list(&[0]).list(&[-1]),
        x(13).list(&[i64::MAX]).list(&[i64::MIN + 1]).list(&[1]).list(&[-2]),
        x(13).list(&[3]).list(&[0]).list(&[0]).list(&[-2]),
        x(13).list(&[1]).fed_ints(&[1], &[-1]).list(&[0]).none(),
        x(13).list(&[1]).list(&[2]).none().list(&[1]),
        case("Slice", 13).list(&[1, 2, 3, 4]).list(&[-1]).list(&[i64::MIN]).list(&[0]).list(&[-1]),
        case("Slice", 13).list(&[1, 2, 3]).list(&[3]).list(&[9]).list(&[0]),
        case("Slice", 13).fed(&[2, 3], &[0.0; 6]).list(&[2]).list(&[1]).list(&[1]),
    ]
}

fn splits() -> Vec<Case> {
    vec![
        case("Split", 7).x(&[4, 3]).outputs(2),
        case("Split", 7).x(&[2, 5]).int("axis", 1).int_list("split", &[2, 3]).outputs(2),
        case("Split", 11).x(&[2, 4]).int("axis", -1).outputs(4),
        case("Split", 13).x(&[2, 5]).list(&[1, 4]).int("axis", 1).outputs(2),
        case("Split", 13).x(&[6]).outputs(3),
        case("Split", 18).x(&[2, 6]).int("axis", 1).int("num_outputs", 2).outputs(2),
        // The last chunk is smaller.
        case("Split", 18).x(&[7]).int("num_outputs", 3).outputs(3),
        case("Split", 18).list(&[1, 2, 3]).list(&[1, 2]).outputs(2),
    ]
}

fn pads() -> Vec<Case> {
    let x = |opset| case("Pad", opset).x(&[2, 3, 4]);
    vec![
        x(7).int_list("pads", &[0, 1, 2, 0, 0, 1]),
        x(10).int_list("pads", &[0, 1, 2, 1, 0, 1]).float("value", 0.5),
        x(10).int_list("pads", &[0, 1, 2, 0, 2, 3]).text("mode", "reflect"),
        x(10).int_list("pads", &[0, 3, 2, 0, 4, 1]).text("mode", "edge"),
        x(11).list(&[0, 0, 0, 0, 0, 0]),
        x(11).list(&[0, 1, 2, 0, 0, 1]).floats(&[], &[-1.5]),
        // Negative amounts crop.
        x(13).list(&[0, -1, 2, 0, 1, -2]),
        x(18).list(&[1, 2]).none().list(&[2]).text("mode", "reflect"),
        x(18).list(&[1, 2, 0, 1]).floats(&[], &[2.0]).list(&[-1, 0]),
        x(18).fed_ints(&[4], &[1, 2, 0, 1]).none().list(&[1, 2]).text("mode", "edge"),
        x(19).list(&[0, 1, 3, 0, 2, 1]).text("mode", "wrap"),
        case("Pad", 13).list(&[1, 2, 3]).list(&[1, 2]).ints(&[], &[9]),
        case("Pad", 13).list(&[1, 2, 3]).list(&[1, 2]),
    ]
}

fn joins() -> Vec<Case> {
    vec![
        case("Concat", 7).x(&[2, 3]).x(&[1, 3]).int("axis", 0),
        case("Concat", 11).x(&[2, 1, 2]).x(&[2, 2, 2]).x(&[2, 1, 2]).int("axis", -2),
        case("Concat", 13).x(&[2, 3]).int("axis", 1),
        case("Concat", 13).x(&[2, 3]).floats(&[2, 1], &[4.0, 5.0]).int("axis", 1),
        case("Concat", 13).list(&[1, 2]).fed_ints(&[1], &[3]).list(&[]).int("axis", 0),
        case("Concat", 13).bools(&[1], &[true]).bools(&[1], &[false]).int("axis", 0),
        case("Tile", 7).x(&[2, 3]).list(&[2, 3]),
        case("Tile", 13).x(&[2, 1, 3]).fed_ints(&[3], &[1, 4, 1]),
        case("Tile", 13).list(&[1, 2]).list(&[3]),
    ]
}
