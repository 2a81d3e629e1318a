//! Convolution and its transpose.

use burn_backend::tensor::FloatTensor;

use super::window::{Same, Window, check_size, halves, planar, spatial};
use crate::Result;
use crate::train::call::Call;
use crate::train::engine::{Base, Engine, Operation};
use crate::train::kernels::Geometry;
use crate::train::node::Node;
use crate::train::tensor::Tensor;
use crate::train::value::Value;

/// `x` convolved with `w`, plus a bias.
pub fn conv<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let node = call.node;
    let (x, w) = (call.tensor_of_rank(0, 3)?, call.tensor_of_rank(1, 3)?);
    let mut window = read(node, &x, &w)?;
    let ([batch, channels, height, width], [out, per_group, ..]) =
        (planar(&x.shape()), planar(&w.shape()));
    let groups = groups(node)?;
    if channels != per_group * groups || out % groups != 0 {
        let problem = format!("{channels} channels, {groups} groups, a weight of {:?}", w.shape());
        return Err(node.invalid(problem));
    }
    window.pad_for([height, width]);
    let geometry = Geometry {
        batch,
        channels_in: channels,
        channels_out: out,
        groups,
        input: [height, width],
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        pad_begin: window.pad_begin,
        pad_end: window.pad_end,
    };
    if (0..2).any(|a| geometry.padded(a) < window.extent(a)) {
        let problem = format!("a window of {:?} on data of {:?}", window.kernel, x.shape());
        return Err(node.invalid(problem));
    }
    check_sizes(node, &geometry)?;
    let bias = bias(call, out)?;
    let dimensions = window.dimensions;
    let (x, w) = (x.reshape(&geometry.input_shape()), w.reshape(&geometry.weight_shape()));
    let shape = spatial(geometry.output_shape(), dimensions);
    let operation = Conv { geometry };
    let y = match bias {
        Some(b) => {
            let inputs = [x.into_primitive(), w.into_primitive(), b.into_primitive()];
            E::apply(&operation, inputs)
        }
        None => E::apply(&operation, [x.into_primitive(), w.into_primitive()]),
    };
    call.one(Tensor::new(y).reshape(&shape))
}

/// The transpose of a convolution: the gradient of the one that leads from the output to `x`.
pub fn conv_transpose<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let node = call.node;
    let (x, w) = (call.tensor_of_rank(0, 3)?, call.tensor_of_rank(1, 3)?);
    let window = read(node, &x, &w)?;
    let ([batch, channels, height, width], [weight_in, per_group, ..]) =
        (planar(&x.shape()), planar(&w.shape()));
    let groups = groups(node)?;
    if channels != weight_in || channels % groups != 0 {
        let problem = format!("{channels} channels, {groups} groups, a weight of {:?}", w.shape());
        return Err(node.invalid(problem));
    }
    let out = per_group * groups;
    let (pads, output) = transposed_output(node, &window, [height, width])?;
    let geometry = Geometry {
        batch,
        channels_in: out,
        channels_out: channels,
        groups,
        input: output,
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        pad_begin: pads.map(|p| p.0),
        pad_end: pads.map(|p| p.1),
    };
    let fits = (0..2).all(|a| geometry.padded(a) >= window.extent(a));
    if !fits || geometry.output() != [height, width] {
        let problem = format!("output padding or shape that {:?} does not lead to", x.shape());
        return Err(node.invalid(problem));
    }
    check_sizes(node, &geometry)?;
    let bias = bias(call, out)?;
    let (x, w) = (x.reshape(&geometry.output_shape()), w.reshape(&geometry.weight_shape()));
    let shape = spatial(geometry.input_shape(), window.dimensions);
    let operation = ConvTranspose { geometry };
    let y = Tensor::new(E::apply(&operation, [x.into_primitive(), w.into_primitive()]));
    let y = match bias {
        Some(b) => y.plus(b.reshape(&[1, out, 1, 1])),
        None => y,
    };
    call.one(y.reshape(&shape))
}

fn read<E: Engine>(node: &Node, x: &Tensor<E>, w: &Tensor<E>) -> Result<Window> {
    if x.rank() != w.rank() {
        let problem = format!("data of shape {:?}, a weight of {:?}", x.shape(), w.shape());
        return Err(node.invalid(problem));
    }
    Window::read(node, &x.shape(), Some(&w.shape()[2..]))
}

fn check_sizes(node: &Node, g: &Geometry) -> Result<()> {
    check_size(node, [g.batch, g.channels_in, g.padded(0), g.padded(1)])?;
    check_size(node, g.output_shape())
}

fn groups(node: &Node) -> Result<usize> {
    match usize::try_from(node.int("group", 1)) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => Err(node.invalid("a number of groups below one")),
    }
}

fn bias<E: Engine>(call: &mut Call<E>, channels: usize) -> Result<Option<Tensor<E>>> {
    match call.optional_tensor(2) {
        Some(bias) if bias.shape() != [channels] => {
            let problem = format!("a bias of shape {:?} for {channels} channels", bias.shape());
            Err(call.node.invalid(problem))
        }
        bias => Ok(bias),
    }
}

/// Padding at the beginning and at the end of an axis.
type Pads = (usize, usize);

/// Padding and output size of a transposed convolution, after ONNX's formulas.
fn transposed_output(
    node: &Node,
    window: &Window,
    input: [usize; 2],
) -> Result<([Pads; 2], [usize; 2])> {
    let first = 2 - window.dimensions;
    let axis = |values: Option<Vec<i64>>, a: usize| -> Option<usize> {
        values.and_then(|v| usize::try_from(*v.get(a.checked_sub(first)?)?).ok())
    };
    let mut pads = [(0, 0); 2];
    let mut output = [0; 2];
    for a in 0..2 {
        let extra = axis(node.ints("output_padding"), a).unwrap_or(0);
        let full = window.stride[a] * input[a].saturating_sub(1) + extra + window.extent(a);
        let wanted = match (axis(node.ints("output_shape"), a), window.same) {
            (Some(size), _) => Some(size),
            (None, Some(_)) if a >= first => Some(input[a] * window.stride[a]),
            _ => None,
        };
        let taken = match wanted {
            Some(size) if size <= full => full - size,
            Some(size) => return Err(node.unsupported(format!("an output of {size} pixels"))),
            None => window.pad_begin[a] + window.pad_end[a],
        };
        output[a] = full
            .checked_sub(taken)
            .filter(|&size| size > 0)
            .ok_or_else(|| node.invalid("more padding than output"))?;
        pads[a] = match wanted {
            // Without SAME_UPPER the larger half goes to the beginning.
            Some(_) => halves(taken, window.same.unwrap_or(Same::Lower)),
            None => (window.pad_begin[a], window.pad_end[a]),
        };
    }
    Ok((pads, output))
}

/// The output, and input and weight for the backward pass.
type Saved<B> = (FloatTensor<B>, [FloatTensor<B>; 2]);

#[derive(Clone, Debug)]
struct Conv {
    geometry: Geometry,
}

impl Operation<2> for Conv {
    type Saved<B: Base> = [FloatTensor<B>; 2];

    fn forward<B: Base>(&self, [x, w]: [FloatTensor<B>; 2]) -> Saved<B> {
        (B::conv(&self.geometry, x.clone(), w.clone(), None), [x, w])
    }

    fn backward<B: Base>(
        &self,
        [x, w]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        [to_x, to_w]: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let (g, geometry) = (gradient, &self.geometry);
        [
            to_x.then(|| B::conv_input(geometry, w, g.clone())),
            to_w.then(|| B::conv_weight(geometry, x, g)),
        ]
    }
}

impl Operation<3> for Conv {
    type Saved<B: Base> = [FloatTensor<B>; 2];

    fn forward<B: Base>(&self, [x, w, b]: [FloatTensor<B>; 3]) -> Saved<B> {
        (B::conv(&self.geometry, x.clone(), w.clone(), Some(b)), [x, w])
    }

    fn backward<B: Base>(
        &self,
        [x, w]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        [to_x, to_w, to_b]: [bool; 3],
    ) -> [Option<FloatTensor<B>>; 3] {
        let (g, geometry) = (gradient, &self.geometry);
        [
            to_x.then(|| B::conv_input(geometry, w, g.clone())),
            to_w.then(|| B::conv_weight(geometry, x, g.clone())),
            to_b.then(|| B::conv_bias(geometry, g)),
        ]
    }
}

/// Its geometry is that of the convolution it transposes: from its output to its input.
#[derive(Clone, Debug)]
struct ConvTranspose {
    geometry: Geometry,
}

impl Operation<2> for ConvTranspose {
    type Saved<B: Base> = [FloatTensor<B>; 2];

    fn forward<B: Base>(&self, [x, w]: [FloatTensor<B>; 2]) -> Saved<B> {
        (B::conv_input(&self.geometry, w.clone(), x.clone()), [x, w])
    }

    fn backward<B: Base>(
        &self,
        [x, w]: [FloatTensor<B>; 2],
        gradient: FloatTensor<B>,
        [to_x, to_w]: [bool; 2],
    ) -> [Option<FloatTensor<B>>; 2] {
        let (g, geometry) = (gradient, &self.geometry);
        [
            to_x.then(|| B::conv(geometry, g.clone(), w, None)),
            to_w.then(|| B::conv_weight(geometry, g, x)),
        ]
    }
}
