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
