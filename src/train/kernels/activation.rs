//! Nonlinearities and their gradients, in place.

use super::parallel::wide;

wide! {
    /// `x` within `low` and `high`; NaN stays.
    pub fn clamp(x: &mut [f32], low: f32, high: f32) {
        for x in x {
            let above = if *x < low { low } else { *x };
            *x = if above > high { high } else { above };
        }
    }
}

wide! {
    /// The gradient of [`clamp`] with output `y`: none at the bounds, as PyTorch's ReLU and ReLU6.
    pub fn clamp_gradient(g: &mut [f32], y: &[f32], low: f32, high: f32) {
        for (g, &y) in g.iter_mut().zip(y) {
            *g = if y <= low || y >= high { 0.0 } else { *g };
        }
    }
}

wide! {
    /// `x Phi(x)`.
    pub fn gelu(x: &mut [f32]) {
        for x in x {
            *x *= phi(*x);
        }
    }
}

wide! {
    /// The gradient of [`gelu`] at `x`: `Phi(x) + x exp(-x^2 / 2) / sqrt(2 pi)`.
    pub fn gelu_gradient(g: &mut [f32], x: &[f32]) {
        const FACTOR: f32 = 0.398_942_3;
        for (g, &x) in g.iter_mut().zip(x) {
            *g *= phi(x) + x * FACTOR * exp(-0.5 * x * x);
        }
    }
}

wide! {
    /// The gradient of softmax with output `y`, row by row: `y (g - sum(g y))`.
    pub fn softmax_gradient(g: &mut [f32], y: &[f32], columns: usize) {
        for (g, y) in g.chunks_exact_mut(columns).zip(y.chunks_exact(columns)) {
            let total = super::normalize::dot(g, y);
            for (g, &y) in g.iter_mut().zip(y) {
                *g = y * (*g - total);
            }
        }
    }
}

/// The normal distribution function.
#[inline(always)]
fn phi(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}

/// The error function to 3e-7: the quotient of polynomials that Eigen and XLA use, within
/// the four deviations that `f32` tells from one.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let s = x * x;
    let mut p = -2.726_142_3e-10;
    for c in [
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ] {
        p = p * s + c;
    }
    let mut q = -1.456_607_2e-5;
    for c in [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2] {
        q = q * s + c;
    }
    x * p / q
}

/// `e^x` for `x` up to 0, to two roundings: a power of two times a polynomial (Cephes).
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Below, the result would not be a normal number.
    let x = if x < -87.0 { -87.0 } else { x };
    // Adding and subtracting it leaves the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, the first short enough that its products are exact.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    p * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error function by its Taylor series, whose terms stay below 1e7 here: good to 1e-9.
    fn erf_by_series(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_and_exp_agree_with_their_series() {
        for i in -4000..=4000 {
            let x = i as f32 / 1000.0;
            let error = (f64::from(erf(x)) - erf_by_series(x.into())).abs();
            // Rounding of one (6e-8) in two polynomials; the largest seen is 2.8e-7.
            assert!(error < 4e-7, "erf({x}) is off by {error}");
        }
        for i in 0..=8700 {
            let x = -i as f32 / 100.0;
            let wanted = f64::from(x).exp();
            let error = (f64::from(exp(x)) - wanted).abs() / wanted;
            assert!(error < 2.4e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(erf(f32::INFINITY), 1.0);
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn gelu_and_its_gradient_follow_their_formulas() {
        let x: Vec<f32> = (-600..=600).map(|i| i as f32 / 100.0).collect();
        let (mut y, mut g) = (x.clone(), vec![1.0; x.len()]);
        gelu(&mut y);
        gelu_gradient(&mut g, &x);
        for ((&x, y), g) in x.iter().zip(y).zip(g) {
            let x = f64::from(x);
            // Beyond, the series cancels and the function is one to 1e-9.
            let phi = 0.5 + 0.5 * erf_by_series((x / 2f64.sqrt()).clamp(-4.2, 4.2));
            let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
            assert!((f64::from(y) - x * phi).abs() < 1e-6, "{y} at {x}");
            assert!((f64::from(g) - phi - x * density).abs() < 1e-6, "{g} at {x}");
        }
    }

    #[test]
    fn clamping_keeps_nan_and_stops_gradients_at_the_bounds() {
        let mut y = [-1.0, 0.0, 3.0, 6.0, 7.0, f32::NAN];
        clamp(&mut y, 0.0, 6.0);
        assert_eq!(y[..5], [0.0, 0.0, 3.0, 6.0, 6.0]);
        assert!(y[5].is_nan());
        let mut g = [1.0; 6];
        clamp_gradient(&mut g, &y, 0.0, 6.0);
        assert_eq!(g, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    }
}
