//! Gradient descent and its step sizes.

use std::collections::{BTreeMap, BTreeSet};

use super::engine::Base;
use super::kernels::Descent;
use super::tensor::Tensor;

/// A rule that turns gradients into new parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// `v = momentum v + g; p = p - rate v`, PyTorch's form of momentum.
    Sgd {
        /// How much of the last step is kept.
        momentum: f64,
    },
    /// Adam (Kingma and Ba 2015) with decay rates .9 and .999 and epsilon 1e-8.
    Adam,
}

/// Weight decay (Loshchilov and Hutter 2019).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decay {
    /// What a step of size 1 takes off of a parameter, as a share of it.
    pub rate: f64,
    /// The parameters that it is for.
    pub parameters: BTreeSet<String>,
}

/// The state of an optimizer: running averages of each parameter's gradient.
#[derive(Clone, Debug)]
pub struct State<B: Base> {
    first: BTreeMap<String, Tensor<B>>,
    second: BTreeMap<String, Tensor<B>>,
    steps: i32,
}

impl<B: Base> Default for State<B> {
    fn default() -> Self {
        Self { first: BTreeMap::new(), second: BTreeMap::new(), steps: 0 }
    }
}

const FIRST_DECAY: f64 = 0.9;
const SECOND_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Optimizer {
    /// Moves `parameters` against `gradients` by one step of size `rate`, with `decay` beside the
    /// gradient.
    pub fn step<B: Base>(
        self,
        state: &mut State<B>,
        parameters: &mut BTreeMap<String, Tensor<B>>,
        gradients: BTreeMap<String, Tensor<B>>,
        rate: f64,
        decay: &Decay,
    ) {
        state.steps += 1;
        for (name, gradient) in gradients {
            let Some(parameter) = parameters.remove(&name) else { continue };
            let decays = decay.parameters.contains(&name);
            let kept = if decays { 1.0 - rate * decay.rate } else { 1.0 };
            let moved = match self {
                Self::Sgd { momentum } => {
                    let last = state.first.remove(&name);
                    let descent =
                        Descent { momentum: momentum as f32, rate: rate as f32, keep: kept as f32 };
                    let (parameter, velocity) = parameter.descend(descent, last, gradient);
                    state.first.insert(name.clone(), velocity);
                    parameter
                }
                Self::Adam => {
                    let step = adam(state, &name, gradient, rate);
                    let parameter =
                        if kept == 1.0 { parameter } else { parameter.mul_scalar(kept) };
                    parameter.minus(step)
                }
            };
            parameters.insert(name, moved);
        }
    }
}

fn adam<B: Base>(state: &mut State<B>, name: &str, gradient: Tensor<B>, rate: f64) -> Tensor<B> {
    let squares = gradient.clone().times(gradient.clone());
    let average = |last: Option<Tensor<B>>, new: Tensor<B>, decay: f64| {
        let new = new.mul_scalar(1.0 - decay);
        match last {
            Some(last) => last.mul_scalar(decay).plus(new),
            None => new,
        }
    };
    let first = average(state.first.remove(name), gradient, FIRST_DECAY);
    let second = average(state.second.remove(name), squares, SECOND_DECAY);
    state.first.insert(name.to_owned(), first.clone());
    state.second.insert(name.to_owned(), second.clone());
    // Both averages start at zero: divided by what they hold of their weight so far.
    let scale = rate / (1.0 - FIRST_DECAY.powi(state.steps));
    let correction = 1.0 / (1.0 - SECOND_DECAY.powi(state.steps));
    let size = second.mul_scalar(correction).map(B::float_sqrt).add_scalar(EPSILON);
    first.mul_scalar(scale).over(size)
}

impl<B: Base> Tensor<B> {
    /// This parameter and its velocity after a step of [`Optimizer::Sgd`].
    fn descend(self, descent: Descent, velocity: Option<Self>, gradient: Self) -> (Self, Self) {
        let shape = self.shape();
        let velocity = velocity.map(Self::into_primitive);
        let moved = B::descend(descent, self.into_primitive(), velocity, gradient.into_primitive());
        let [parameter, velocity] = moved.map(|t| Self::new(t).reshape(&shape));
        (parameter, velocity)
    }
}

/// Scales `gradients` down together so that their common length is at most `limit`; returns the
/// length before.
pub fn clip<B: Base>(gradients: &mut BTreeMap<String, Tensor<B>>, limit: f64) -> f64 {
    let squares = gradients.values().map(|g| B::squares(g.primitive().clone()));
    let length = squares.sum::<f64>().sqrt();
    if length > limit {
        let factor = limit / length;
        let scaled = std::mem::take(gradients).into_iter();
        *gradients = scaled.map(|(name, g)| (name, g.mul_scalar(factor))).collect();
    }
    length
}

/// The step size over the course of a training: a linear rise, then half a cosine down to zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The largest step size.
    pub rate: f64,
    /// Steps of the rise.
    pub warm_up: usize,
    /// Steps in all.
    pub steps: usize,
}

impl Schedule {
    /// The size of step `index`, counted from 0.
    pub fn at(&self, index: usize) -> f64 {
        if index < self.warm_up {
            return self.rate * (index + 1) as f64 / self.warm_up as f64;
        }
        let rest = self.steps.saturating_sub(self.warm_up).max(1) as f64;
        let done = ((index - self.warm_up) as f64 / rest).min(1.0);
        self.rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Cpu;

    fn tensor(values: &[f32]) -> BTreeMap<String, Tensor<Cpu>> {
        let tensor = Tensor::from_values(values.to_vec(), &[values.len()], &Default::default());
        [("p".to_owned(), tensor)].into()
    }

    fn values(tensors: &BTreeMap<String, Tensor<Cpu>>) -> Vec<f32> {
        tensors["p"].clone().into_values().expect("values")
    }

    #[test]
    fn momentum_follows_its_closed_form() {
        // A constant gradient g: v_n = g (1 - m^n) / (1 - m), p_n = p_0 - rate sum(v).
        let (mut state, mut parameters) = (State::default(), tensor(&[1.0, -2.0]));
        for _ in 0..3 {
            let rule = Optimizer::Sgd { momentum: 0.9 };
            rule.step(&mut state, &mut parameters, tensor(&[0.5, 1.0]), 0.1, &Decay::default());
        }
        let moved = 0.1 * (1.0 + 1.9 + 2.71);
        for (found, wanted) in values(&parameters).iter().zip([1.0 - 0.5 * moved, -2.0 - moved]) {
            // Nine roundings of numbers below four.
            assert!((found - wanted).abs() < 2e-6, "{found} {wanted}");
        }
    }

    #[test]
    fn adams_first_step_is_the_rate_against_the_sign() {
        let (mut state, mut parameters) = (State::default(), tensor(&[1.0, 1.0]));
        let gradients = tensor(&[1e-3, -40.0]);
        Optimizer::Adam.step(&mut state, &mut parameters, gradients, 0.01, &Decay::default());
        // g / (|g| + 1e-8): the epsilon takes 1e-5 of the smaller one's step.
        for (found, wanted) in values(&parameters).iter().zip([0.99, 1.01]) {
            assert!((found - wanted).abs() < 5e-7, "{found} {wanted}");
        }
    }

    #[test]
    fn decay_is_for_those_that_it_names_whatever_their_shape() {
        for rule in [Optimizer::Adam, Optimizer::Sgd { momentum: 0.9 }] {
            for (name, kept) in [("p", 1.0 - 0.1 * 0.5), ("another", 1.0)] {
                let decay = Decay { rate: 0.5, parameters: [name.to_owned()].into() };
                let (mut state, mut parameters) = (State::default(), tensor(&[2.0, -4.0]));
                rule.step(&mut state, &mut parameters, tensor(&[0.0; 2]), 0.1, &decay);
                for (found, start) in values(&parameters).iter().zip([2.0, -4.0]) {
                    assert!((f64::from(*found) - start * kept).abs() < 1e-6, "{found} of {start}");
                }
            }
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let mut gradients = tensor(&[3.0, 4.0]);
        assert_eq!(clip(&mut gradients, 10.0), 5.0);
        assert_eq!(values(&gradients), [3.0, 4.0]);
        assert_eq!(clip(&mut gradients, 1.0), 5.0);
        let [a, b] = values(&gradients)[..] else { panic!("two values") };
        assert!((a - 0.6).abs() < 1e-7 && (b - 0.8).abs() < 1e-7);
    }

    #[test]
    fn the_schedule_rises_and_falls() {
        let schedule = Schedule { rate: 2.0, warm_up: 4, steps: 12 };
        let found: Vec<f64> = [0, 3, 4, 8].map(|i| schedule.at(i)).to_vec();
        // A quarter of the rise, its top, the cosine's start and its middle.
        for (found, wanted) in found.iter().zip([0.5, 2.0, 2.0, 1.0]) {
            assert!((found - wanted).abs() < 1e-12);
        }
        assert!(schedule.at(11) > 0.0 && schedule.at(12) < 1e-12);
    }
}
