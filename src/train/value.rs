//! What flows along the edges of a graph.

use burn_backend::tensor::Device;

use super::engine::Engine;
use super::host::{Host, HostData};
use super::tensor::Tensor;

/// A float tensor on the device, or anything on the host.
#[derive(Clone, Debug)]
pub enum Value<E: Engine> {
    /// Differentiable.
    Float(Tensor<E>),
    /// Shapes, indices, masks, constants of formulas: no gradient.
    Host(Host),
}

impl<E: Engine> Value<E> {
    /// The lengths of the dimensions.
    pub fn shape(&self) -> Vec<usize> {
        match self {
            Self::Float(tensor) => tensor.shape(),
            Self::Host(host) => host.shape.clone(),
        }
    }

    /// Whether the elements are floats.
    pub fn is_float(&self) -> bool {
        match self {
            Self::Float(_) => true,
            Self::Host(host) => matches!(host.data, HostData::Float(_)),
        }
    }

    /// The value as a tensor on `device`; integers and truth values become floats.
    pub fn into_tensor(self, device: &Device<E>) -> Tensor<E> {
        match self {
            Self::Float(tensor) => tensor,
            Self::Host(host) => Tensor::from_values(host.to_floats(), &host.shape, device),
        }
    }

    /// The value on the host, read back from the device where it lies there.
    ///
    /// # Errors
    /// When the device failed.
    pub fn into_host(self) -> crate::Result<Host> {
        match self {
            Self::Host(host) => Ok(host),
            Self::Float(tensor) => {
                let shape = tensor.shape();
                Ok(Host { shape, data: HostData::Float(tensor.into_values()?) })
            }
        }
    }
}
