//! The same elements in another shape, and a part of them.

use burn_backend::tensor::FloatTensor;
use burn_backend::{Shape, Slice, TensorMetadata};

use super::engine::{Base, Operation};

/// Another shape of equal size.
#[derive(Clone, Debug)]
pub struct Reshaped(pub Vec<usize>);

impl Operation<1> for Reshaped {
    /// The shape before.
    type Saved<B: Base> = Vec<usize>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, Vec<usize>) {
        let before = x.shape().to_vec();
        (reshape::<B>(x, &self.0), before)
    }

    fn backward<B: Base>(
        &self,
        before: Vec<usize>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(reshape::<B>(gradient, &before))]
    }
}

fn reshape<B: Base>(x: FloatTensor<B>, shape: &[usize]) -> FloatTensor<B> {
    B::float_reshape(B::in_order(x), Shape::from(shape.to_vec()))
}

/// Elements `start..end` along `axis`.
#[derive(Clone, Debug)]
pub struct Narrowed {
    /// The dimension that is cut.
    pub axis: usize,
    /// The first element.
    pub start: usize,
    /// The one after the last.
    pub end: usize,
}

impl Operation<1> for Narrowed {
    /// The shape before.
    type Saved<B: Base> = Vec<usize>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, Vec<usize>) {
        let before = x.shape().to_vec();
        let slices: Vec<Slice> = (0..before.len())
            .map(|i| match i == self.axis {
                true => Slice::new(self.start as isize, Some(self.end as isize), 1),
                false => Slice::full(),
            })
            .collect();
        (B::float_slice(x, &slices), before)
    }

    fn backward<B: Base>(
        &self,
        before: Vec<usize>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::embed(gradient, &before, self.axis, self.start))]
    }
}
