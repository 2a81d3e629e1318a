//! Sums and products with broadcasting, and their gradients.

use burn_backend::TensorMetadata;
use burn_backend::tensor::FloatTensor;

use super::engine::{Base, Operation};
use super::kernels::Join;

/// Two operands of one rank, broadcast and joined.
#[derive(Clone, Debug)]
pub struct Joined(pub Join);

/// What one operand's gradient needs.
#[derive(Clone, Debug)]
pub struct Side<T> {
    shape: Vec<usize>,
    /// The other operand, where it is a factor.
    factor: Option<T>,
}

impl Operation<2> for Joined {
    type Saved<B: Base> = [Side<FloatTensor<B>>; 2];

    fn forward<B: Base>(&self, [a, b]: [FloatTensor<B>; 2]) -> (FloatTensor<B>, Self::Saved<B>) {
        let side = |own: &FloatTensor<B>, other: &FloatTensor<B>| Side {
            shape: own.shape().to_vec(),
            factor: (self.0 == Join::Product).then(|| other.clone()),
        };
        let sides = [side(&a, &b), side(&b, &a)];
        (B::join(a, b, self.0), sides)
    }

    fn backward<B: Base>(
        &self,
        sides: Self::Saved<B>,
        gradient: FloatTensor<B>,
        needed: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let whole = gradient.shape().to_vec();
        let side = |side: Side<FloatTensor<B>>| {
            let g = gradient.clone();
            match side.factor {
                // A factor of the gradient's shape is multiplied while it is summed.
                Some(factor) if factor.shape().to_vec() == whole => {
                    B::sum_to(g, Some(factor), &side.shape)
                }
                Some(factor) => B::sum_to(B::join(g, factor, Join::Product), None, &side.shape),
                None => B::sum_to(g, None, &side.shape),
            }
        };
        let [a, b] = sides;
        let [to_a, to_b] = needed;
        [to_a.then(|| side(a)), to_b.then(|| side(b))]
    }
}
