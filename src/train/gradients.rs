//! Gradients of a loss with respect to named tensors.

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use burn_backend::AutodiffBackend;

use super::engine::Base;
use super::tensor::Tensor;

impl<B: Base> Tensor<B> {
    /// This tensor on the backend that records gradients, as a constant.
    pub fn tracked(self) -> Tensor<Autodiff<B>> {
        let shape = self.shape();
        Tensor::new(Autodiff::<B>::from_inner(self.into_primitive())).reshape(&shape)
    }
}

impl<B: Base> Tensor<Autodiff<B>> {
    /// Records what is computed from this tensor, which must not be computed itself.
    pub fn require_gradient(self) -> Self {
        self.map(|tensor| tensor.require_grad())
    }

    /// The tensor without its history.
    pub fn into_inner(self) -> Tensor<B> {
        let shape = self.shape();
        Tensor::new(self.into_primitive().into_primitive()).reshape(&shape)
    }
}

/// The gradients of `loss` with respect to `parameters`; those that it does not depend on are left
/// out.
pub fn gradients_of<B: Base>(
    loss: Tensor<Autodiff<B>>,
    parameters: &BTreeMap<String, Tensor<Autodiff<B>>>,
) -> BTreeMap<String, Tensor<B>> {
    let loss = loss.into_primitive();
    if !loss.is_tracked() {
        return BTreeMap::new();
    }
    let mut gradients = Autodiff::<B>::backward(loss);
    parameters
        .iter()
        .filter_map(|(name, parameter)| {
            let gradient = Autodiff::<B>::grad_remove(parameter.primitive(), &mut gradients)?;
            Some((name.clone(), Tensor::new(gradient).reshape(&parameter.shape())))
        })
        .collect()
}
