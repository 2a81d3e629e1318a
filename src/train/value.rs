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

    /// The same elements under another shape of equal size.
    pub fn reshape(self, shape: &[usize]) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(tensor.reshape(shape)),
            Self::Host(host) => Self::Host(host.reshape(shape)),
        }
    }

    /// Dimensions in the order `axes`.
    pub fn permute(self, axes: &[usize]) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(tensor.permute(axes)),
            Self::Host(host) => Self::Host(host.permute(axes)),
        }
    }

    /// Repeats along dimensions of length one up to `shape` (equal rank or higher).
    pub fn expand(self, shape: &[usize]) -> Self {
        match self {
            Self::Float(tensor) => Self::Float(tensor.expand(shape)),
            Self::Host(host) => Self::Host(host.expand(shape)),
        }
    }

    /// The elements `indices` of dimension `axis`.
    pub fn select(self, axis: usize, indices: &[usize]) -> Self {
        match self {
            // Backends take no empty selections.
            Self::Float(tensor) if indices.is_empty() => {
                let mut shape = tensor.shape();
                shape[axis] = 0;
                Self::Float(Tensor::full(0.0, &shape, &tensor.device()))
            }
            // A run of neighbours is a slice, whose gradient needs no scattering.
            Self::Float(tensor) => Self::Float(match run(indices) {
                Some((start, end)) => tensor.narrow(axis, start, end),
                None => tensor.select(axis, indices),
            }),
            Self::Host(host) => Self::Host(host.select(axis, indices)),
        }
    }

    /// Several values of fitting shapes after each other along `axis`: on the host when all are,
    /// `None` when their types differ there.
    pub fn concat(values: Vec<Self>, axis: usize, device: &Device<E>) -> Option<Self> {
        let host = |value: &Self| match value {
            Self::Host(host) => Some(host.clone()),
            Self::Float(_) => None,
        };
        if let Some(parts) = values.iter().map(host).collect::<Option<Vec<_>>>() {
            return Host::concat(&parts, axis).map(Self::Host);
        }
        let mut parts: Vec<Tensor<E>> =
            values.into_iter().map(|value| value.into_tensor(device)).collect();
        if parts.iter().any(|part| !part.is_empty()) {
            parts.retain(|part| !part.is_empty());
        }
        Some(Self::Float(match parts.len() {
            1 => parts.swap_remove(0),
            _ => Tensor::concat(parts, axis),
        }))
    }
}

/// Start and end (exclusive) of indices that follow each other; `None` when they don't.
fn run(indices: &[usize]) -> Option<(usize, usize)> {
    let &start = indices.first()?;
    indices
        .iter()
        .enumerate()
        .all(|(i, &index)| index == start + i)
        .then_some((start, start + indices.len()))
}
