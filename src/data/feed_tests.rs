use super::*;
use crate::data::Normalization;

fn spec(dims: &[Option<usize>]) -> InputSpec {
    InputSpec { name: "input".into(), dims: dims.to_vec() }
}

fn bytes(shape: &[usize]) -> Array {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| u8::try_from(i % 256).unwrap()).collect();
    Array::new("d.npz: x_train", shape.to_vec(), Values::U8(values))
}

fn floats(shape: &[usize]) -> Array {
    let n: u16 = shape.iter().map(|&d| u16::try_from(d).unwrap()).product();
    let values = (0..n).map(f32::from).collect();
    Array::new("d.npz: x_train", shape.to_vec(), Values::F32(values))
}

fn fill(
    array: &Array,
    dims: &[Option<usize>],
    norm: &Normalization,
    rows: &[usize],
) -> Result<(Vec<usize>, Vec<f32>)> {
    let mut out = vec![9.0; 3];
    let shape = Feed::new(array, &spec(dims), &norm.clone().into())?.fill_f32(rows, &mut out)?;
    Ok((shape, out))
}

/// The value at (row, channel, y, x), by the definition of each layout.
fn at(values: &[f32], shape: [usize; 4], order: Order, index: [usize; 4]) -> f32 {
    let [_, c, h, w] = shape;
    let [n, k, y, x] = index;
    match order {
        Order::Planes => values[((n * c + k) * h + y) * w + x],
        Order::Interleaved => values[((n * h + y) * w + x) * c + k],
    }
}

/// All layouts, types and normalisations against the definition, pixel by pixel.
#[test]
fn every_pixel_lands_where_the_layouts_say() {
    let (n, c, h, w) = (5, 3, 4, 6);
    let normalizations = [
        Normalization::default(),
        Normalization::new(vec![0.5], vec![0.25]).unwrap(),
        Normalization::new(vec![0.1, 0.2, 0.3], vec![1.0, 2.0, 3.0]).unwrap(),
    ];
    let shape_of = |order| match order {
        Order::Planes => [c, h, w],
        Order::Interleaved => [h, w, c],
    };
    let rows = [3, 0, 4, 3];
    for stored in [Order::Planes, Order::Interleaved] {
        for fed in [Order::Planes, Order::Interleaved] {
            for norm in &normalizations {
                let shape = [&[n], &shape_of(stored)[..]].concat();
                let dims: Vec<_> =
                    [None].into_iter().chain(shape_of(fed).into_iter().map(Some)).collect();
                for (array, scale) in [(bytes(&shape), 255.0f32), (floats(&shape), 1.0)] {
                    let raw: Vec<f32> = match array.values() {
                        Values::U8(v) => v.iter().map(|&v| f32::from(v)).collect(),
                        Values::F32(v) => v.clone(),
                        _ => unreachable!(),
                    };
                    let (batch_shape, batch) = fill(&array, &dims, norm, &rows).unwrap();
                    assert_eq!(batch_shape, [&[rows.len()], &shape_of(fed)[..]].concat());
                    assert_eq!(batch.len(), rows.len() * c * h * w);
                    let pairs = norm.pairs();
                    for (i, &row) in rows.iter().enumerate() {
                        for k in 0..c {
                            let (mean, std) = pairs[k % pairs.len()];
                            for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                                let pixel = at(&raw, [n, c, h, w], stored, [row, k, y, x]);
                                let expected = (pixel / scale - mean) / std;
                                let found = at(&batch, [4, c, h, w], fed, [i, k, y, x]);
                                assert_eq!(found, expected, "{stored:?} {fed:?} {norm:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn grey_and_flat_samples_are_scaled_and_kept() {
    let norm = Normalization::default();
    let (shape, batch) =
        fill(&bytes(&[2, 2, 2]), &[None, Some(1), None, None], &norm, &[1]).unwrap();
    assert_eq!(shape, [1, 1, 2, 2]);
    assert_eq!(batch, [4.0 / 255.0, 5.0 / 255.0, 6.0 / 255.0, 7.0 / 255.0]);
    let (shape, batch) = fill(&floats(&[3, 2]), &[None, Some(2)], &norm, &[2, 0]).unwrap();
    assert_eq!((shape, batch), (vec![2, 2], vec![4.0, 5.0, 0.0, 1.0]));
    let (shape, batch) = fill(&floats(&[3, 2]), &[None, Some(2)], &norm, &[]).unwrap();
    assert_eq!((shape, batch), (vec![0, 2], vec![]));
}

#[test]
fn a_normalisation_for_other_channels_is_refused() {
    let three = Normalization::new(vec![0.0; 3], vec![1.0]).unwrap();
    for (array, dims) in [
        (bytes(&[2, 1, 4, 4]), vec![None; 4]),
        (bytes(&[2, 4, 4]), vec![None; 4]),
        (floats(&[2, 8]), vec![None; 2]),
        (bytes(&[2, 8, 8, 4]), vec![None, Some(4), None, None]),
    ] {
        let error = fill(&array, &dims, &three, &[0]).unwrap_err().to_string();
        assert!(error.contains("values for 3 channels, but the samples of d.npz"), "{error}");
    }
}

#[test]
fn means_on_the_scale_of_bytes_are_refused() {
    let raw = Normalization::new(vec![123.675], vec![58.395]).unwrap();
    let error = fill(&bytes(&[1, 3, 2, 2]), &[None; 4], &raw, &[0]).unwrap_err();
    assert!(error.to_string().contains("123.675"), "{error}");
    assert!(error.remedy().contains("255"));
    assert!(fill(&floats(&[1, 3, 2, 2]), &[None; 4], &raw, &[0]).is_ok());
}

#[test]
fn integers_feed_integer_inputs_only() {
    let ids = Array::new("d.npz: ids", vec![2, 2], Values::I64(vec![5, 6, 7, -8]));
    let feed = Feed::new(&ids, &spec(&[None, None]), &Preprocess::default()).unwrap();
    assert_eq!(feed.element(), Element::I64);
    let mut out = Vec::new();
    assert_eq!(feed.fill_i64(&[1], &mut out).unwrap(), [1, 2]);
    assert_eq!(out, [7, -8]);
    let error = feed.fill_f32(&[1], &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("takes floats"), "{error}");

    let image = bytes(&[1, 4]);
    let feed = Feed::new(&image, &spec(&[None, None]), &Preprocess::default()).unwrap();
    assert!(feed.fill_i64(&[0], &mut Vec::new()).is_err());
}

#[test]
fn rows_that_are_not_there_are_an_internal_error() {
    for rows in [&[2][..], &[usize::MAX]] {
        let error = fill(&bytes(&[2, 3]), &[None, None], &Normalization::default(), rows);
        assert!(matches!(error, Err(Error::Internal { .. })));
    }
}
