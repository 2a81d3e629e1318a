//! Random numbers for weights.

use rand::Rng;

/// A normal number with mean 0 (Box and Muller).
pub(super) fn normal(rng: &mut impl Rng, deviation: f64) -> f64 {
    // 1 - u keeps the logarithm finite.
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    deviation * (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}
