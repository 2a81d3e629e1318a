//! An optimizer's step and the length of a gradient, each in one pass over memory.

use super::parallel::{PIECE, wide};
use rayon::prelude::*;

/// One step of gradient descent with momentum.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    /// How much of the velocity is kept.
    pub momentum: f32,
    /// The step's size.
    pub rate: f32,
    /// What is left of the parameter by weight decay.
    pub keep: f32,
}

/// `v = momentum v + g; p = keep p - rate v`, in place.
pub fn step(descent: Descent, parameter: &mut [f32], velocity: &mut [f32], gradient: &[f32]) {
    let pieces = parameter.par_chunks_mut(PIECE).zip(velocity.par_chunks_mut(PIECE));
    pieces.zip(gradient.par_chunks(PIECE)).for_each(|((p, v), g)| piece(descent, p, v, g));
}

wide! {
    /// The step on one piece.
    pub fn piece(descent: Descent, parameter: &mut [f32], velocity: &mut [f32], gradient: &[f32]) {
        let Descent { momentum, rate, keep } = descent;
        for ((p, v), &g) in parameter.iter_mut().zip(velocity).zip(gradient) {
            *v = momentum * *v + g;
            *p = keep * *p - rate * *v;
        }
    }
}

/// The sum of squares.
pub fn squares(values: &[f32]) -> f64 {
    let pieces: Vec<f64> =
        values.par_chunks(PIECE).map(|v| f64::from(super::normalize::dot(v, v))).collect();
    pieces.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_follows_its_formula() {
        let n = 2 * PIECE + 5;
        let value = |i: usize| (i % 97) as f32 / 64.0 - 0.5;
        let descent = Descent { momentum: 0.5, rate: 0.25, keep: 0.75 };
        let gradient: Vec<f32> = (0..n).map(|i| value(i + 3)).collect();
        let mut parameter: Vec<f32> = (0..n).map(value).collect();
        let mut velocity: Vec<f32> = (0..n).map(|i| value(2 * i)).collect();
        step(descent, &mut parameter, &mut velocity, &gradient);
        for i in 0..n {
            // Multiples of powers of two: exact.
            let v = 0.5 * value(2 * i) + value(i + 3);
            assert_eq!((velocity[i], parameter[i]), (v, 0.75 * value(i) - 0.25 * v));
        }
    }

    #[test]
    fn squares_are_summed() {
        let n = 3 * PIECE + 7;
        let halves: Vec<f32> = (0..n).map(|i| (i % 2) as f32 / 2.0).collect();
        assert_eq!(squares(&halves), (n / 2) as f64 / 4.0);
    }
}
