use ndarray::{Array2, Axis, array, concatenate, s};
use ndarray_linalg::QR;
use proptest::prelude::*;
use rand::Rng;
use rand::seq::SliceRandom;

use super::*;
use crate::measures::stats::generator;

/// Sum of twelve uniforms: near enough to a normal.
fn noise(n: usize, d: usize, seed: u64) -> Array2<f64> {
    let mut rng = generator(seed, &[]);
    Array2::from_shape_simple_fn((n, d), || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
}

fn golden(text: &str) -> Array2<f64> {
    let values: Vec<f64> =
        text.split([',', '\n']).filter_map(|field| field.trim().parse().ok()).collect();
    Array2::from_shape_vec((100, 10), values).unwrap()
}

fn by_gram_form(x: &Array2<f64>, y: &Array2<f64>) -> Cka {
    let every: Vec<usize> = (0..x.nrows()).collect();
    Gram::new(x.view()).compare(&Gram::new(y.view()), &every)
}

fn by_sums_form(x: &Array2<f64>, y: &Array2<f64>) -> Cka {
    let mut sums = CkaSums::new(x.ncols(), y.ncols());
    sums.update(x.view(), y.view()).unwrap();
    sums.finish()
}

fn assert_close(a: &Cka, b: &Cka, tolerance: f64) {
    assert_eq!(a.status, b.status);
    assert_eq!(a.null_sd, b.null_sd);
    for (a, b) in [(a.debiased, b.debiased), (a.biased, b.biased)] {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!((a - b).abs() <= tolerance, "{a} {b}");
    }
}

/// Values printed by tests/data/cka_golden.py.
#[test]
fn golden_values() {
    let x = golden(include_str!("../../../tests/data/cka_golden_x.csv"));
    let y = golden(include_str!("../../../tests/data/cka_golden_y.csv"));
    for cka in [linear_cka(x.view(), y.view()).unwrap(), by_gram_form(&x, &y)] {
        assert!((cka.biased.unwrap() - 0.557_613_256_611_758_8).abs() < 1e-12);
        assert!((cka.debiased.unwrap() - 0.513_456_489_505_525_9).abs() < 1e-12);
    }
}

#[test]
fn of_itself_is_one() {
    for (n, d) in [(40, 7), (9, 30)] {
        let x = noise(n, d, 3);
        let cka = linear_cka(x.view(), x.view()).unwrap();
        assert!((cka.debiased.unwrap() - 1.0).abs() < 1e-12);
        assert!((cka.biased.unwrap() - 1.0).abs() < 1e-12);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn invariant_to_rotation_scale_shift_and_order(
        n in 5usize..40, dx in 2usize..12, dy in 2usize..12, seed in any::<u64>(),
        scale in 1e-3..1e3f64, shift in -50.0..50.0f64,
    ) {
        let x = noise(n, dx, seed);
        let y = noise(n, dy, seed ^ 1) + x.slice(s![.., ..1]).to_owned();
        let whole = linear_cka(x.view(), y.view()).unwrap();
        let (rotation, _) = noise(dy, dy, seed ^ 2).qr().unwrap();
        let mut moved = y.dot(&rotation) * scale;
        moved += shift * scale;
        assert_close(&linear_cka(x.view(), moved.view()).unwrap(), &whole, 1e-10);
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut generator(seed, &[9]));
        let (x, y) = (x.select(Axis(0), &order), y.select(Axis(0), &order));
        assert_close(&linear_cka(x.view(), y.view()).unwrap(), &whole, 1e-10);
    }

    #[test]
    fn both_forms_agree(n in 5usize..60, dx in 2usize..40, dy in 2usize..40, seed in any::<u64>()) {
        let (x, y) = (noise(n, dx, seed), noise(n, dy, seed ^ 1));
        assert_close(&by_sums_form(&x, &y), &by_gram_form(&x, &y), 1e-10);
    }

    #[test]
    fn merged_parts_are_the_whole(
        n in 8usize..60, cut in 0.0..1.0f64, seed in any::<u64>(), apart in -1e3..1e3f64,
    ) {
        let (mut x, mut y) = (noise(n, 6, seed), noise(n, 4, seed ^ 1));
        let cut = (n as f64 * cut) as usize;
        x.slice_mut(s![..cut, 2..]).mapv_inplace(|value| value + apart);
        y.slice_mut(s![..cut, ..]).mapv_inplace(|value| value - apart);
        let mut sums = CkaSums::new(6, 4);
        for part in [0..cut, cut..n] {
            sums.update(x.slice(s![part.clone(), ..]), y.slice(s![part, ..])).unwrap();
        }
        assert_close(&sums.finish(), &by_gram_form(&x, &y), 1e-9);
    }

    #[test]
    fn subsets_are_those_computed_alone(n in 12usize..40, wide in any::<bool>(), seed in any::<u64>()) {
        let d = if wide { 50 } else { 5 };
        let x = noise(n, d, seed).mapv(|value| value as f32);
        let others = [
            noise(n, d, seed ^ 1).mapv(|value| value as f32) + &x,
            noise(n, 4, seed ^ 2).mapv(|value| value as f32) * 100.0,
        ];
        let forget: Vec<bool> = (0..n).map(|i| i % 3 == 1 || i == 0).collect();
        let rows = |wanted| -> Vec<usize> { (0..n).filter(|i| forget[*i] == wanted).collect() };
        let views = [others[0].view(), others[1].view()];
        let results = cka_by_subset(x.view(), &views, &forget).unwrap();
        for (result, other) in results.iter().zip(&others) {
            for (cka, wanted) in [(&result.forget, true), (&result.retain, false)] {
                let pick = |a: &Array2<f32>| a.select(Axis(0), &rows(wanted));
                assert_close(cka, &linear_cka(pick(&x).view(), pick(other).view()).unwrap(), 1e-10);
            }
            assert_close(&result.all, &linear_cka(x.view(), other.view()).unwrap(), 1e-10);
        }
    }
}

/// Independent features: expectation 0, standard deviation sqrt(2/(n(n-3))) = .0464 at n = 32,
/// so the mean of 16 draws lies within .1 by more than eight standard errors. The biased value
/// is near sqrt(dx dy/((n+dx)(n+dy))) = .5 for dx = dy = n.
#[test]
fn independent_features_are_near_zero_only_when_debiased() {
    let ckas: Vec<Cka> = (0..16)
        .map(|seed| {
            linear_cka(noise(32, 32, seed).view(), noise(32, 32, seed + 100).view()).unwrap()
        })
        .collect();
    let mean = |value: fn(&Cka) -> Option<f64>| {
        ckas.iter().filter_map(value).sum::<f64>() / ckas.len() as f64
    };
    assert!(mean(|cka| cka.debiased).abs() < 0.05);
    assert!((mean(|cka| cka.biased) - 0.5).abs() < 0.05);
    assert!(ckas.iter().any(|cka| cka.debiased.unwrap() < 0.0), "negative values stay");
}

/// The closed form against all 120 permutations of five samples, exactly, and against 4000
/// random ones of thirty (standard error of a standard deviation 1/sqrt(2 * 4000) = 1.1 %).
#[test]
fn permutation_null_is_exact() {
    let moments = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        (mean, variance.sqrt())
    };
    let permuted = |x: &Array2<f64>, y: &Array2<f64>, order: &[usize]| {
        linear_cka(x.view(), y.select(Axis(0), order).view()).unwrap().debiased.unwrap()
    };
    let (x, y) = (noise(5, 3, 1), noise(5, 2, 2).mapv(|value: f64| value.powi(3)));
    let mut orders = vec![vec![]];
    for item in 0..5usize {
        orders = orders
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(|place| {
                    let mut longer = order.clone();
                    longer.insert(place, item);
                    longer
                })
            })
            .collect();
    }
    let values: Vec<f64> = orders.iter().map(|order| permuted(&x, &y, order)).collect();
    let (mean, sd) = moments(&values);
    let null_sd = linear_cka(x.view(), y.view()).unwrap().null_sd.unwrap();
    assert_eq!(values.len(), 120);
    assert!(mean.abs() < 1e-12 && (sd - null_sd).abs() < 1e-12, "{mean} {sd} {null_sd}");

    let (x, y) = (noise(30, 8, 3), noise(30, 3, 4).mapv(f64::exp));
    let mut order: Vec<usize> = (0..30).collect();
    let mut rng = generator(5, &[]);
    let values: Vec<f64> = (0..4000)
        .map(|_| {
            order.shuffle(&mut rng);
            permuted(&x, &y, &order)
        })
        .collect();
    let (mean, sd) = moments(&values);
    let null_sd = (2.0f64 / (30.0 * 27.0)).sqrt();
    assert!(mean.abs() < 4.0 * null_sd / 4000f64.sqrt() && (sd / null_sd - 1.0).abs() < 0.04);
}

/// Davari et al. 2022: shifting a subset by one long vector removes nothing, yet `all` falls
/// while the subsets stay at one.
#[test]
fn translated_subset_moves_all_only() {
    let x = noise(200, 16, 8).mapv(|value| value as f32);
    let forget: Vec<bool> = (0..200).map(|i| i < 40).collect();
    let mut y = x.clone();
    y.slice_mut(s![..40, ..]).mapv_inplace(|value| value + 64.0);
    let result = &cka_by_subset(x.view(), &[y.view()], &forget).unwrap()[0];
    assert!((result.forget.debiased.unwrap() - 1.0).abs() < 1e-9);
    assert!((result.retain.debiased.unwrap() - 1.0).abs() < 1e-12);
    assert!(result.all.debiased.unwrap() < 0.3);
}

#[test]
fn scaled_down_structure_is_not_degenerate_but_rounding_is() {
    let x = noise(60, 8, 1).mapv(|value| value as f32);
    let tiny = x.mapv(|value| value * 1e-12);
    let cka = linear_cka(x.view(), tiny.view()).unwrap();
    assert!((cka.debiased.unwrap() - 1.0).abs() < 1e-6);
    // Relative spread 1e-7: what f32 leaves of features contracted to one point.
    let collapsed = x.mapv(|value| 5.0 + 1e-7 * value);
    for y in [collapsed, Array2::zeros((60, 8)), Array2::from_elem((60, 90), 3.25)] {
        let cka = linear_cka(x.view(), y.view()).unwrap();
        assert_eq!(cka, Cka::missing(Status::Degenerate));
        assert_eq!(linear_cka(y.view(), x.view()).unwrap().status, Status::Degenerate);
    }
    // A simplex: all distances equal, so debiasing leaves 0/0.
    let simplex = Array2::<f64>::eye(12);
    assert_eq!(linear_cka(simplex.view(), simplex.view()).unwrap().status, Status::Degenerate);
}

/// A tight but structured subset far from the rest keeps its digits in the merging form.
#[test]
fn tight_distant_subset_keeps_its_digits() {
    let (x, y) = (noise(40, 5, 1), noise(40, 5, 2));
    let alone = by_gram_form(&x, &y);
    let rest = noise(100, 5, 3);
    let far = |tight: &Array2<f64>| {
        let moved = tight * 1e-3 + 100.0;
        concatenate![Axis(0), moved, rest].mapv(|value| value as f32)
    };
    let forget: Vec<bool> = (0..140).map(|i| i < 40).collect();
    let result = &cka_by_subset(far(&x).view(), &[far(&y).view()], &forget).unwrap()[0];
    // f32 keeps 7.6e-6 of 100, below a hundredth of the spread 1e-3.
    assert!((result.forget.debiased.unwrap() - alone.debiased.unwrap()).abs() < 2e-3);
}

#[test]
fn statuses_and_errors() {
    let three = array![[1.0f32, 2.0], [3.0, 5.0], [0.0, 1.0]];
    assert_eq!(linear_cka(three.view(), three.view()).unwrap().status, Status::TooFewSamples);
    let none = Array2::<f32>::zeros((0, 2));
    assert_eq!(linear_cka(none.view(), none.view()).unwrap().status, Status::TooFewSamples);
    let no_width = Array2::<f32>::zeros((9, 0));
    assert_eq!(linear_cka(no_width.view(), no_width.view()).unwrap().status, Status::Degenerate);
    for bad in [f32::NAN, f32::INFINITY] {
        for d in [2, 20] {
            let mut x = noise(10, d, 1).mapv(|value| value as f32);
            let y = x.clone();
            x[[3, 1]] = bad;
            assert_eq!(linear_cka(x.view(), y.view()).unwrap().status, Status::NonFinite);
            let forget: Vec<bool> = (0..10).map(|i| i < 5).collect();
            let result = &cka_by_subset(y.view(), &[x.view()], &forget).unwrap()[0];
            assert_eq!(result.forget.status, Status::NonFinite);
            assert_eq!(result.all.status, Status::NonFinite);
            assert_eq!(result.retain.status, Status::Ok, "width {d}");
        }
    }
    assert!(linear_cka(three.view(), none.view()).is_err());
    assert!(cka_by_subset(three.view(), &[], &[true]).is_err());
    let mut sums = CkaSums::new(2, 2);
    assert!(sums.update(three.view(), Array2::<f32>::zeros((3, 4)).view()).is_err());
}
