//! Where the trainer runs: burn backends, and operations with a gradient of their own on them.

use std::fmt::Debug;

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use burn_flex::Flex;

use super::kernels::Kernels;

/// The CPU backend without gradients; `Autodiff<Cpu>` is the one that trains.
pub type Cpu = Flex;

/// A backend without gradients and the kernels that [`Operation`]s run on it.
pub trait Base: Engine + Kernels {}

impl Base for Flex {}
#[cfg(feature = "cuda")]
impl Base for burn_cuda::Cuda {}

/// An operation whose gradient is written out, because burn has none or a slow one.
pub trait Operation<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the forward pass leaves for the backward pass. Nothing else of it is kept.
    type Saved<B: Base>: Clone + Debug + Send + 'static;

    /// The output for `inputs`.
    fn forward<B: Base>(&self, inputs: [FloatTensor<B>; N]) -> (FloatTensor<B>, Self::Saved<B>);

    /// The gradients with respect to the inputs that are `needed`, from the output's gradient.
    fn backward<B: Base>(
        &self,
        saved: Self::Saved<B>,
        gradient: FloatTensor<B>,
        needed: [bool; N],
    ) -> [Option<FloatTensor<B>>; N];
}

/// A backend that programs run on, with or without gradients.
pub trait Engine: Backend {
    /// Applies `operation`, recording its gradient where this backend records gradients.
    fn apply<O: Operation<N>, const N: usize>(
        operation: &O,
        inputs: [FloatTensor<Self>; N],
    ) -> FloatTensor<Self>;
}

impl Engine for Flex {
    fn apply<O: Operation<N>, const N: usize>(
        operation: &O,
        inputs: [FloatTensor<Self>; N],
    ) -> FloatTensor<Self> {
        operation.forward::<Self>(inputs).0
    }
}

#[cfg(feature = "cuda")]
impl Engine for burn_cuda::Cuda {
    fn apply<O: Operation<N>, const N: usize>(
        operation: &O,
        inputs: [FloatTensor<Self>; N],
    ) -> FloatTensor<Self> {
        operation.forward::<Self>(inputs).0
    }
}

impl<B: Base> Engine for Autodiff<B> {
    fn apply<O: Operation<N>, const N: usize>(
        operation: &O,
        inputs: [FloatTensor<Self>; N],
    ) -> FloatTensor<Self> {
        let nodes = inputs.each_ref().map(|input| input.node());
        let inputs = inputs.map(|input| input.into_primitive());
        let prepared = Step { operation: operation.clone() }.prepare::<NoCheckpointing>(nodes);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(tracked) => {
                let (output, saved) = operation.forward::<B>(inputs);
                tracked.finish(saved, output)
            }
            OpsKind::UnTracked(untracked) => untracked.finish(operation.forward::<B>(inputs).0),
        }
    }
}

#[derive(Debug)]
struct Step<O> {
    operation: O,
}

impl<B: Base, O: Operation<N>, const N: usize> Backward<B, N> for Step<O> {
    type State = O::Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = self.operation.backward::<B>(ops.state, gradient, needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
