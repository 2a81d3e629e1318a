//! A float tensor of any rank on a burn backend.

use burn_backend::tensor::{Device, FloatTensor};
use burn_backend::{FloatDType, Scalar, Shape, Slice, TensorData, TensorMetadata};

use super::arithmetic::Joined;
use super::arrange::{Narrowed, Reshaped};
use super::engine::{Engine, Operation};
use super::kernels::Join;
use crate::{Error, Result};

/// A float tensor; `f32`, any rank, rank 0 included.
///
/// Methods take shapes that fit: operators check them first and name their node.
#[derive(Clone, Debug)]
pub struct Tensor<E: Engine> {
    primitive: FloatTensor<E>,
    // burn keeps a scalar as one element of rank 1.
    scalar: bool,
}

impl<E: Engine> Tensor<E> {
    /// Wraps a backend's tensor.
    pub fn new(primitive: FloatTensor<E>) -> Self {
        Self { primitive, scalar: false }
    }

    /// A tensor of `shape` with row-major `values`.
    pub fn from_values(values: Vec<f32>, shape: &[usize], device: &Device<E>) -> Self {
        let data = TensorData::new(values, Shape::from(stored(shape)));
        Self { primitive: E::float_from_data(data, device), scalar: shape.is_empty() }
    }

    /// All elements `value`.
    pub fn full(value: f32, shape: &[usize], device: &Device<E>) -> Self {
        let primitive =
            E::float_full(Shape::from(stored(shape)), value.into(), device, FloatDType::F32);
        Self { primitive, scalar: shape.is_empty() }
    }

    /// The backend's tensor.
    pub fn into_primitive(self) -> FloatTensor<E> {
        self.primitive
    }

    /// The backend's tensor, borrowed.
    pub fn primitive(&self) -> &FloatTensor<E> {
        &self.primitive
    }

    /// The values, row-major.
    ///
    /// # Errors
    /// When the device failed.
    pub fn into_values(self) -> Result<Vec<f32>> {
        let data = burn_backend::read_sync(E::float_into_data(self.primitive))
            .map_err(|e| Error::internal(format!("reading a tensor back: {e:?}")))?;
        data.try_into_vec::<f32>().map_err(|e| Error::internal(format!("reading a tensor: {e:?}")))
    }

    /// The lengths of the dimensions; empty for a scalar.
    pub fn shape(&self) -> Vec<usize> {
        if self.scalar { Vec::new() } else { self.primitive.shape().to_vec() }
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        if self.scalar { 0 } else { self.primitive.rank() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.primitive.shape().num_elements()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the tensor lies.
    pub fn device(&self) -> Device<E> {
        self.primitive.device()
    }

    /// Applies `f` element by element (the shape stays).
    pub fn map(self, f: impl FnOnce(FloatTensor<E>) -> FloatTensor<E>) -> Self {
        Self { primitive: f(self.primitive), scalar: self.scalar }
    }

    /// Applies an operation with its own gradient to this tensor (the shape stays).
    pub fn apply<O: Operation<1>>(self, operation: &O) -> Self {
        self.map(|t| E::apply(operation, [t]))
    }

    /// Adds a number.
    pub fn add_scalar(self, value: f64) -> Self {
        self.map(|t| E::float_add_scalar(t, Scalar::Float(value)))
    }

    /// Multiplies with a number.
    pub fn mul_scalar(self, value: f64) -> Self {
        self.map(|t| E::float_mul_scalar(t, Scalar::Float(value)))
    }

    /// `f` on two tensors, broadcast against each other.
    pub fn zip(
        self,
        other: Self,
        f: impl FnOnce(FloatTensor<E>, FloatTensor<E>) -> FloatTensor<E>,
    ) -> Self {
        let rank = self.rank().max(other.rank());
        let (a, b) = (self.with_rank(rank), other.with_rank(rank));
        Self { primitive: f(a.primitive, b.primitive), scalar: rank == 0 }
    }

    /// Sum, broadcast.
    pub fn plus(self, other: Self) -> Self {
        self.zip(other, |a, b| E::apply(&Joined(Join::Sum), [a, b]))
    }

    /// Difference, broadcast.
    pub fn minus(self, other: Self) -> Self {
        self.zip(other, E::float_sub)
    }

    /// Product, broadcast.
    pub fn times(self, other: Self) -> Self {
        self.zip(other, |a, b| E::apply(&Joined(Join::Product), [a, b]))
    }

    /// Quotient, broadcast.
    pub fn over(self, other: Self) -> Self {
        self.zip(other, E::float_div)
    }

    /// The same elements under `rank` dimensions, ones in front.
    pub fn with_rank(self, rank: usize) -> Self {
        let shape = self.shape();
        if shape.len() >= rank {
            return self;
        }
        let mut padded = vec![1; rank - shape.len()];
        padded.extend(shape);
        self.reshape(&padded)
    }

    /// The same elements under another shape of equal size.
    pub fn reshape(self, shape: &[usize]) -> Self {
        if self.shape() == shape {
            return self;
        }
        let target = stored(shape);
        let primitive = if self.primitive.shape().to_vec() == target {
            self.primitive
        } else {
            E::apply(&Reshaped(target), [self.primitive])
        };
        Self { primitive, scalar: shape.is_empty() }
    }

    /// Dimensions in the order `axes`.
    pub fn permute(self, axes: &[usize]) -> Self {
        if axes.iter().enumerate().all(|(i, &a)| i == a) {
            return self;
        }
        Self::new(E::float_permute(self.primitive, axes))
    }

    /// Repeats along dimensions of length one up to `shape` (equal rank or higher).
    pub fn expand(self, shape: &[usize]) -> Self {
        let aligned = self.with_rank(shape.len());
        if aligned.shape() == shape {
            return aligned;
        }
        Self::new(E::float_expand(aligned.primitive, Shape::from(shape.to_vec())))
    }

    /// The part given by one slice a dimension.
    pub fn slice(self, slices: &[Slice]) -> Self {
        Self::new(E::float_slice(self.primitive, slices))
    }

    /// Elements `start..end` of dimension `axis`.
    pub fn narrow(self, axis: usize, start: usize, end: usize) -> Self {
        Self::new(E::apply(&Narrowed { axis, start, end }, [self.primitive]))
    }

    /// The elements `indices` of dimension `axis`.
    pub fn select(self, axis: usize, indices: &[usize]) -> Self {
        let device = self.device();
        let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let shape = Shape::from(vec![indices.len()]);
        let indices = E::int_from_data(TensorData::new(indices, shape), &device);
        Self::new(E::float_select(self.primitive, axis, indices))
    }

    /// Several tensors after each other along `axis`.
    pub fn concat(tensors: Vec<Self>, axis: usize) -> Self {
        let primitives: Vec<_> = tensors.into_iter().map(|t| t.primitive).collect();
        Self::new(E::float_cat(primitives, axis))
    }

    /// Matrix product of the last two dimensions, the others broadcast; ranks of at least two.
    pub fn matmul(self, other: Self) -> Self {
        let rank = self.rank().max(other.rank());
        let (a, b) = (self.with_rank(rank), other.with_rank(rank));
        Self::new(E::float_matmul(a.primitive, b.primitive))
    }

    /// Sum over `axes`, which stay with length one.
    pub fn sum(self, axes: &[usize]) -> Self {
        match axes {
            [] => self,
            _ if self.scalar => self,
            [axis] => Self::new(E::float_sum_dim(self.primitive, *axis)),
            _ => Self::new(axes.iter().fold(self.primitive, |t, &a| E::float_sum_dim(t, a))),
        }
    }

    /// Mean over `axes`, which stay with length one.
    pub fn mean(self, axes: &[usize]) -> Self {
        let shape = self.shape();
        let count: usize = axes.iter().map(|&a| shape[a]).product();
        self.sum(axes).mul_scalar(1.0 / count as f64)
    }

    /// Sum of all elements, a scalar.
    pub fn sum_all(self) -> Self {
        Self { primitive: E::float_sum(self.primitive), scalar: true }
    }

    /// Largest element along `axis`, which stays with length one.
    pub fn max(self, axis: usize) -> Self {
        Self::new(E::float_max_dim(self.primitive, axis))
    }

    /// `other` where `mask` is set, else this tensor; all of one shape.
    pub fn replace_where(self, mask: Vec<bool>, other: Self) -> Self {
        let device = self.device();
        let shape = self.primitive.shape();
        let mask = E::bool_from_data(TensorData::new(mask, shape), &device);
        Self {
            primitive: E::float_mask_where(self.primitive, mask, other.primitive),
            scalar: self.scalar,
        }
    }

    /// Index of the largest element along the last dimension, row by row.
    pub fn argmax_rows(self) -> Result<Vec<usize>> {
        let columns = self.shape().last().copied().unwrap_or(1).max(1);
        let values = self.into_values()?;
        Ok(values
            .chunks(columns)
            .map(|row| {
                let largest = |best: usize, i: usize| if row[i] > row[best] { i } else { best };
                (0..row.len()).fold(0, largest)
            })
            .collect())
    }
}

/// The shape under which burn keeps a tensor.
fn stored(shape: &[usize]) -> Vec<usize> {
    if shape.is_empty() { vec![1] } else { shape.to_vec() }
}
