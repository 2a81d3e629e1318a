//! Pooling over windows and over whole maps.

use std::sync::Arc;

use burn_backend::tensor::FloatTensor;

use super::window::{Window, check_size, planar, spatial};
use crate::Result;
use crate::train::call::Call;
use crate::train::engine::{Base, Context, Engine, Operation};
use crate::train::kernels::Geometry;
use crate::train::node::Node;
use crate::train::value::Value;

type Outputs<E> = Result<Vec<Value<E>>>;

/// The largest value of each window.
pub fn max<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    if node.outputs.iter().skip(1).any(|o| !o.is_empty()) {
        return Err(node.unsupported("the second output is used"));
    }
    if node.int("storage_order", 0) != 0 {
        return Err(node.unsupported("column-major storage_order"));
    }
    let x = call.tensor_of_rank(0, 3)?;
    let (geometry, _, shape) = geometry(node, &x.shape())?;
    let x = x.reshape(&geometry.input_shape());
    call.one(x.map(|t| E::apply(&MaxPool { geometry }, [t])).reshape(&shape))
}

/// The mean of each window.
pub fn average<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    let x = call.tensor_of_rank(0, 3)?;
    let (geometry, padded, shape) = geometry(node, &x.shape())?;
    let padded = (node.int("count_include_pad", 0) != 0).then_some(padded);
    let x = x.reshape(&geometry.input_shape());
    let operation = AveragePool { geometry, padded };
    call.one(x.map(|t| E::apply(&operation, [t])).reshape(&shape))
}

/// The mean of each map.
pub fn global_average<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor_of_rank(0, 3)?;
    let axes: Vec<usize> = (2..x.rank()).collect();
    call.one(x.mean(&axes))
}

/// The largest value of each map.
pub fn global_max<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let x = call.tensor_of_rank(0, 3)?;
    let shape = x.shape();
    let flat = x.reshape(&[shape[0], shape[1], shape[2..].iter().product()]).max(2);
    let mut reduced = shape;
    reduced[2..].fill(1);
    call.one(flat.reshape(&reduced))
}

/// The windows of a pooling node on data of `shape`, the extent of the data with the padding that
/// the node asks for, and the shape of its output.
fn geometry(node: &Node, shape: &[usize]) -> Result<(Geometry, [usize; 2], Vec<usize>)> {
    let mut window = Window::read(node, shape, None)?;
    let [batch, channels, height, width] = planar(shape);
    window.pad_for([height, width]);
    let mut geometry = Geometry {
        batch,
        channels_in: channels,
        channels_out: channels,
        groups: channels,
        input: [height, width],
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        pad_begin: window.pad_begin,
        pad_end: window.pad_end,
    };
    let padded = [0, 1].map(|a| geometry.padded(a));
    for a in 0..2 {
        let Some(rest) = geometry.padded(a).checked_sub(window.extent(a)) else {
            let problem = format!("a window of {:?} on data of {shape:?}", window.kernel);
            return Err(node.invalid(problem));
        };
        let overhang = rest % window.stride[a];
        if node.int("ceil_mode", 0) != 0 && overhang != 0 {
            // One window more, unless it would start in the padding at the end.
            let start = rest - overhang + window.stride[a];
            if start < geometry.input[a] + geometry.pad_begin[a] {
                geometry.pad_end[a] += window.stride[a] - overhang;
            }
        }
    }
    check_size(node, &geometry)?;
    let shape = spatial(geometry.output_shape(), window.dimensions);
    Ok((geometry, padded, shape))
}

#[derive(Clone, Debug)]
struct MaxPool {
    geometry: Geometry,
}

impl Operation<1> for MaxPool {
    type Saved = Arc<Vec<u32>>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, Self::Saved) {
        let (y, places) = B::max_pool(&self.geometry, x);
        (y, Arc::new(places))
    }

    fn backward<B: Base>(
        &self,
        context: Context<B, 1, Self::Saved>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::max_pool_input(&self.geometry, &context.saved, gradient))]
    }
}

#[derive(Clone, Debug)]
struct AveragePool {
    geometry: Geometry,
    padded: Option<[usize; 2]>,
}

impl Operation<1> for AveragePool {
    type Saved = ();

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, ()) {
        (B::average_pool(&self.geometry, self.padded, x), ())
    }

    fn backward<B: Base>(
        &self,
        _context: Context<B, 1, ()>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::average_pool_input(&self.geometry, self.padded, gradient))]
    }
}
