//! Pooling over windows and over whole maps.

use std::sync::Arc;

use burn_backend::tensor::FloatTensor;

use super::window::{Window, check_size, planar, spatial};
use crate::Result;
use crate::train::call::Call;
use crate::train::engine::{Base, Engine, Operation};
use crate::train::kernels::Pool;
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
    let (pool, shape) = windows(node, &x.shape())?;
    let x = x.reshape(&[pool.planes, pool.input[0] * pool.input[1]]);
    call.one(x.map(|t| E::apply(&MaxPool { pool }, [t])).reshape(&shape))
}

/// The mean of each window.
pub fn average<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let node = call.node;
    let x = call.tensor_of_rank(0, 3)?;
    let (pool, shape) = windows(node, &x.shape())?;
    let count_padding = node.int("count_include_pad", 0) != 0;
    let x = x.reshape(&[pool.planes, pool.input[0] * pool.input[1]]);
    let operation = AveragePool { pool, count_padding };
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

/// The windows of a pooling node on data of `shape`, and the shape of its output.
fn windows(node: &Node, shape: &[usize]) -> Result<(Pool, Vec<usize>)> {
    let mut window = Window::read(node, shape, None)?;
    let [batch, channels, height, width] = planar(shape);
    let input = [height, width];
    if shape.contains(&0) {
        return Err(node.invalid(format!("data of shape {shape:?}")));
    }
    window.pad_for(input);
    let padded = [0, 1].map(|a| input[a] + window.pad_begin[a] + window.pad_end[a]);
    check_size(node, [batch, channels, padded[0], padded[1]])?;
    let mut output = [0; 2];
    for a in 0..2 {
        let Some(rest) = padded[a].checked_sub(window.extent(a)) else {
            let problem = format!("a window of {:?} on data of {shape:?}", window.kernel);
            return Err(node.invalid(problem));
        };
        let stride = window.stride[a];
        output[a] = rest / stride + 1;
        // One window more, unless it would start in the padding at the end.
        let starts_inside = output[a] * stride < input[a] + window.pad_begin[a];
        if node.int("ceil_mode", 0) != 0 && rest % stride != 0 && starts_inside {
            output[a] += 1;
        }
    }
    let pool = Pool {
        planes: batch * channels,
        input,
        output,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        pad_begin: window.pad_begin,
        pad_end: window.pad_end,
    };
    check_size(node, [batch, channels, output[0], output[1]])?;
    Ok((pool, spatial([batch, channels, output[0], output[1]], window.dimensions)))
}

#[derive(Clone, Debug)]
struct MaxPool {
    pool: Pool,
}

impl Operation<1> for MaxPool {
    type Saved<B: Base> = Arc<Vec<u32>>;

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, Arc<Vec<u32>>) {
        let (y, places) = B::max_pool(&self.pool, x);
        (y, Arc::new(places))
    }

    fn backward<B: Base>(
        &self,
        places: Arc<Vec<u32>>,
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::max_pool_input(&self.pool, &places, gradient))]
    }
}

#[derive(Clone, Debug)]
struct AveragePool {
    pool: Pool,
    count_padding: bool,
}

impl Operation<1> for AveragePool {
    type Saved<B: Base> = ();

    fn forward<B: Base>(&self, [x]: [FloatTensor<B>; 1]) -> (FloatTensor<B>, ()) {
        (B::average_pool(&self.pool, self.count_padding, x), ())
    }

    fn backward<B: Base>(
        &self,
        _saved: (),
        gradient: FloatTensor<B>,
        _needed: [bool; 1],
    ) -> [Option<FloatTensor<B>>; 1] {
        [Some(B::average_pool_input(&self.pool, self.count_padding, gradient))]
    }
}
