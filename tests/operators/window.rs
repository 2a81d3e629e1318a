//! Convolution and pooling.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    [convolutions(), transposed(), pools()].concat()
}

fn convolutions() -> Vec<Case> {
    let conv = |x: &[usize], w: &[usize]| case("Conv", 11).x(x).x(w);
    vec![
        case("Conv", 7).x(&[2, 3, 5, 5]).x(&[4, 3, 3, 3]).x(&[4]),
        conv(&[1, 2, 5, 6], &[3, 2, 3, 3]).int_list("pads", &[1, 1, 1, 1]),
        conv(&[2, 3, 4, 4], &[5, 3, 1, 1]),
        conv(&[2, 3, 5, 5], &[4, 3, 1, 1]).int_list("strides", &[2, 2]),
        conv(&[1, 2, 7, 7], &[2, 2, 3, 3]).int_list("strides", &[2, 2]),
        conv(&[1, 3, 8, 8], &[4, 3, 4, 4]).int_list("strides", &[4, 4]).x(&[4]),
        conv(&[1, 2, 6, 6], &[3, 2, 2, 2])
            .int_list("kernel_shape", &[2, 2])
            .int_list("pads", &[0, 1, 1, 0])
            .int("group", 1),
        // Depthwise and grouped.
        conv(&[1, 4, 5, 5], &[4, 1, 3, 3]).int_list("pads", &[1, 1, 1, 1]).int("group", 4),
        conv(&[2, 4, 5, 5], &[4, 1, 3, 3])
            .x(&[4])
            .int_list("strides", &[2, 2])
            .int_list("pads", &[1, 1, 1, 1])
            .int("group", 4),
        conv(&[1, 2, 4, 4], &[4, 1, 3, 3]).int("group", 2),
        conv(&[1, 4, 4, 4], &[6, 2, 3, 3]).int_list("pads", &[1, 1, 1, 1]).int("group", 2),
        // One-sided kernels.
        conv(&[1, 2, 3, 8], &[2, 2, 1, 7]).int_list("pads", &[0, 3, 0, 3]),
        conv(&[1, 2, 8, 3], &[2, 2, 7, 1]).int_list("pads", &[3, 0, 3, 0]),
        conv(&[1, 2, 7, 7], &[2, 2, 3, 3]).int_list("dilations", &[2, 3]),
        conv(&[1, 2, 7, 7], &[2, 1, 3, 3]).int_list("dilations", &[2, 2]).int("group", 2),
        conv(&[1, 2, 5, 6], &[2, 2, 3, 2])
            .text("auto_pad", "SAME_UPPER")
            .int_list("strides", &[2, 2]),
        conv(&[1, 2, 5, 6], &[2, 2, 2, 4]).text("auto_pad", "SAME_LOWER"),
        conv(&[1, 2, 5, 6], &[2, 2, 3, 3]).text("auto_pad", "VALID"),
        conv(&[1, 2, 5, 6], &[2, 2, 3, 3]).text("auto_pad", "NOTSET"),
        // One dimension.
        conv(&[2, 2, 9], &[3, 2, 3]).x(&[3]).int_list("pads", &[1, 2]).int_list("strides", &[2]),
        conv(&[1, 4, 8], &[4, 1, 3]).int("group", 4).int_list("dilations", &[2]),
        // Channels beyond a vector register, and no multiple of it.
        conv(&[1, 17, 4, 4], &[19, 17, 3, 3]).int_list("pads", &[1, 1, 1, 1]).x(&[19]),
    ]
}

fn transposed() -> Vec<Case> {
    let conv = |x: &[usize], w: &[usize]| case("ConvTranspose", 11).x(x).x(w);
    vec![
        case("ConvTranspose", 7).x(&[1, 2, 3, 3]).x(&[2, 3, 3, 3]).x(&[3]),
        conv(&[2, 2, 3, 3], &[2, 3, 2, 2]).int_list("strides", &[2, 2]),
        conv(&[1, 2, 3, 4], &[2, 2, 3, 3])
            .int_list("strides", &[2, 2])
            .int_list("pads", &[1, 1, 1, 1])
            .int_list("output_padding", &[1, 1]),
        conv(&[1, 2, 3, 3], &[2, 2, 3, 3]).int_list("dilations", &[2, 2]),
        conv(&[1, 4, 3, 3], &[4, 2, 3, 3]).int("group", 2).x(&[4]),
        conv(&[1, 2, 3, 3], &[2, 2, 3, 3])
            .int_list("strides", &[2, 2])
            .int_list("output_shape", &[6, 6]),
        conv(&[1, 2, 3, 3], &[2, 2, 3, 3])
            .int_list("strides", &[2, 2])
            .text("auto_pad", "SAME_UPPER"),
        conv(&[1, 2, 3, 3], &[2, 2, 3, 3])
            .int_list("strides", &[2, 2])
            .text("auto_pad", "SAME_LOWER"),
        conv(&[2, 2, 4], &[2, 3, 3]).int_list("strides", &[2]).int_list("pads", &[1, 1]),
    ]
}

fn pools() -> Vec<Case> {
    let pool = |op, opset, x: &[usize], kernel: &[i64]| {
        case(op, opset).x(x).apart().int_list("kernel_shape", kernel)
    };
    let mut cases = Vec::new();
    for op in ["MaxPool", "AveragePool"] {
        let square = |kernel: i64| pool(op, 11, &[2, 2, 6, 5], &[kernel; 2]);
        cases.extend([
            pool(op, 7, &[1, 2, 4, 4], &[2, 2]).int_list("strides", &[2, 2]),
            square(2),
            square(3).int_list("strides", &[2, 2]).int_list("pads", &[1, 1, 1, 1]),
            square(3).int_list("pads", &[1, 1, 1, 1]),
            square(3).int_list("strides", &[2, 2]),
            square(2).int_list("strides", &[3, 2]).int_list("pads", &[0, 1, 1, 0]),
            square(3).int_list("strides", &[2, 2]).int("ceil_mode", 1),
            // The last window would start in the padding and is left out.
            square(2)
                .int_list("strides", &[2, 2])
                .int("ceil_mode", 1)
                .int_list("pads", &[1, 1, 1, 1]),
            square(3).int_list("strides", &[2, 2]).text("auto_pad", "SAME_UPPER"),
            square(2).text("auto_pad", "SAME_LOWER"),
            square(3).text("auto_pad", "VALID"),
            pool(op, 11, &[2, 2, 7], &[3]).int_list("strides", &[2]).int_list("pads", &[1, 1]),
        ]);
    }
    let dilated =
        |op, opset| pool(op, opset, &[1, 2, 6, 6], &[2, 2]).int_list("dilations", &[2, 3]);
    let average = || pool("AveragePool", 11, &[1, 2, 5, 5], &[3, 3]);
    cases.extend([
        dilated("MaxPool", 10),
        dilated("AveragePool", 19),
        average().int_list("pads", &[1, 1, 1, 1]).int("count_include_pad", 1),
        average()
            .int_list("pads", &[1, 1, 0, 0])
            .int_list("strides", &[2, 2])
            .int("count_include_pad", 1),
        pool("AveragePool", 11, &[1, 1, 6, 6], &[3, 3])
            .int_list("pads", &[1, 1, 1, 1])
            .int_list("strides", &[2, 2])
            .int("ceil_mode", 1)
            .int("count_include_pad", 1),
        pool("AveragePool", 19, &[1, 1, 6, 6], &[3, 3])
            .int_list("pads", &[1, 1, 1, 1])
            .int_list("strides", &[2, 2])
            .int("ceil_mode", 1)
            .int("count_include_pad", 1),
        case("GlobalAveragePool", 7).x(&[2, 3, 4, 2]),
        case("GlobalAveragePool", 7).x(&[2, 3, 4]),
        case("GlobalMaxPool", 7).x(&[2, 3, 2, 4]).apart(),
        case("GlobalMaxPool", 7).x(&[2, 2, 3]).apart(),
    ]);
    cases
}
