//! From a loss to the gradients of the parameters.

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use burn_backend::AutodiffBackend;
use burn_backend::ops::FloatTensorOps;

use super::engine::Base;
use super::tensor::Tensor;

impl<B: Base> Tensor<B> {
    /// This tensor on the backend that records gradients, as a leaf whose gradient is wanted.
    pub fn require_gradient(self) -> Tensor<Autodiff<B>> {
        self.tracked().map(|t| Autodiff::<B>::float_set_require_grad(t, true))
    }
}

/// The gradient of `loss` (one element) with respect to each of `parameters`; those that it does
/// not depend on are left out.
pub fn gradients_of<B: Base>(
    loss: Tensor<Autodiff<B>>,
    parameters: &BTreeMap<String, Tensor<Autodiff<B>>>,
) -> BTreeMap<String, Tensor<B>> {
    let mut gradients = Autodiff::<B>::backward(loss.into_primitive());
    let found = parameters.iter().filter_map(|(name, parameter)| {
        let gradient = Autodiff::<B>::grad_remove(parameter.primitive(), &mut gradients)?;
        Some((name.clone(), Tensor::new(gradient).reshape(&parameter.shape())))
    });
    found.collect()
}
