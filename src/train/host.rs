//! Values that stay on the host: shapes, indices, masks, constants of formulas.

/// A small tensor on the host; `shape` is empty for a scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Host {
    /// Lengths of the dimensions.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: HostData,
}

/// The elements of a [`Host`] tensor; every integer type is kept as `i64`, every float as `f32`.
#[derive(Clone, Debug, PartialEq)]
pub enum HostData {
    /// Integers.
    Int(Vec<i64>),
    /// Floats.
    Float(Vec<f32>),
    /// Truth values.
    Bool(Vec<bool>),
}

impl Host {
    /// A vector of integers.
    pub fn ints(values: Vec<i64>) -> Self {
        Self { shape: vec![values.len()], data: HostData::Int(values) }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            HostData::Int(v) => v.len(),
            HostData::Float(v) => v.len(),
            HostData::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as integers (floats truncate).
    pub fn to_ints(&self) -> Vec<i64> {
        match &self.data {
            HostData::Int(v) => v.clone(),
            HostData::Float(v) => v.iter().map(|&x| x as i64).collect(),
            HostData::Bool(v) => v.iter().map(|&x| x.into()).collect(),
        }
    }

    /// The elements as floats.
    pub fn to_floats(&self) -> Vec<f32> {
        match &self.data {
            HostData::Int(v) => v.iter().map(|&x| x as f32).collect(),
            HostData::Float(v) => v.clone(),
            HostData::Bool(v) => v.iter().map(|&x| x.into()).collect(),
        }
    }

    /// The elements as truth values: whether they differ from zero.
    pub fn to_bools(&self) -> Vec<bool> {
        match &self.data {
            HostData::Int(v) => v.iter().map(|&x| x != 0).collect(),
            HostData::Float(v) => v.iter().map(|&x| x != 0.0).collect(),
            HostData::Bool(v) => v.clone(),
        }
    }

    /// The elements at `indices` (row-major positions) under `shape`.
    pub fn pick(&self, indices: &[usize], shape: Vec<usize>) -> Self {
        let data = match &self.data {
            HostData::Int(v) => HostData::Int(indices.iter().map(|&i| v[i]).collect()),
            HostData::Float(v) => HostData::Float(indices.iter().map(|&i| v[i]).collect()),
            HostData::Bool(v) => HostData::Bool(indices.iter().map(|&i| v[i]).collect()),
        };
        Self { shape, data }
    }

    /// A scalar.
    pub fn scalar(data: HostData) -> Self {
        Self { shape: Vec::new(), data }
    }

    /// The same elements under another shape of equal size.
    pub fn reshape(self, shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: self.data }
    }

    /// Dimensions in the order `axes`.
    pub fn permute(&self, axes: &[usize]) -> Self {
        let own = strides(&self.shape);
        let shape: Vec<usize> = axes.iter().map(|&a| self.shape[a]).collect();
        let step: Vec<usize> = axes.iter().map(|&a| own[a]).collect();
        self.pick(&walk(&shape, &step, 0), shape)
    }

    /// The elements `indices` of dimension `axis`.
    pub fn select(&self, axis: usize, indices: &[usize]) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let mut positions = Vec::with_capacity(outer * indices.len() * inner);
        for block in 0..outer {
            for &index in indices {
                let start = (block * self.shape[axis] + index) * inner;
                positions.extend(start..start + inner);
            }
        }
        let mut shape = self.shape.clone();
        shape[axis] = indices.len();
        self.pick(&positions, shape)
    }

    /// Several tensors after each other along `axis`; `None` when their types differ.
    pub fn concat(parts: &[Self], axis: usize) -> Option<Self> {
        let mut shape = parts.first()?.shape.clone();
        shape[axis] = parts.iter().map(|p| p.shape[axis]).sum();
        let outer: usize = shape[..axis].iter().product();
        let data = if let Some(parts) = parts.iter().map(Self::as_ints).collect::<Option<Vec<_>>>()
        {
            HostData::Int(interleave(&parts, outer))
        } else if let Some(parts) = parts.iter().map(Self::as_floats).collect::<Option<Vec<_>>>() {
            HostData::Float(interleave(&parts, outer))
        } else {
            let parts = parts.iter().map(Self::as_bools).collect::<Option<Vec<_>>>()?;
            HostData::Bool(interleave(&parts, outer))
        };
        Some(Self { shape, data })
    }

    /// The elements if they are integers.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            HostData::Int(values) => Some(values),
            _ => None,
        }
    }

    /// The elements if they are floats.
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.data {
            HostData::Float(values) => Some(values),
            _ => None,
        }
    }

    /// The elements if they are truth values.
    pub fn as_bools(&self) -> Option<&[bool]> {
        match &self.data {
            HostData::Bool(values) => Some(values),
            _ => None,
        }
    }

    /// The elements repeated along dimensions of length one up to `shape`, which must fit.
    pub fn expand(&self, shape: &[usize]) -> Self {
        self.pick(&expanded_positions(&self.shape, shape), shape.to_vec())
    }
}

/// The shape that two broadcast shapes have together (numpy's rule), `None` when they don't fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

/// `outer` times the next piece of every part.
fn interleave<T: Copy>(parts: &[&[T]], outer: usize) -> Vec<T> {
    let pieces: Vec<usize> = parts.iter().map(|p| p.len() / outer.max(1)).collect();
    (0..outer)
        .flat_map(|block| {
            parts.iter().zip(&pieces).flat_map(move |(p, &n)| &p[block * n..(block + 1) * n])
        })
        .copied()
        .collect()
}

/// Row-major distances between neighbours of each dimension.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}

/// For every element of `target`, the position in `shape` it comes from by broadcasting.
fn expanded_positions(shape: &[usize], target: &[usize]) -> Vec<usize> {
    let offset = target.len() - shape.len();
    let own = strides(shape);
    let step: Vec<usize> = (0..target.len())
        .map(|i| if i < offset || shape[i - offset] == 1 { 0 } else { own[i - offset] })
        .collect();
    walk(target, &step, 0)
}

/// The positions `start + sum(index * step)` for all indices below `shape`, row-major.
pub fn walk(shape: &[usize], step: &[usize], start: usize) -> Vec<usize> {
    shape.iter().zip(step).fold(vec![start], |positions, (&length, &step)| {
        positions.iter().flat_map(|&p| (0..length).map(move |i| p + i * step)).collect()
    })
}
