//! The windows of convolutions and pooling, in one and two dimensions, as ONNX writes them.

use crate::Result;
use crate::train::node::Node;

/// Kernel, step and padding of a node, as `[height, width]`; in one dimension the height is 1.
pub struct Window {
    /// Number of spatial dimensions in the model.
    pub dimensions: usize,
    /// Window size.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Step inside the window.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad_begin: [usize; 2],
    /// Padding below and to the right.
    pub pad_end: [usize; 2],
    /// `auto_pad` asks for an output of the input's size over the stride.
    pub same: Option<Same>,
}

/// Where the odd pixel of padding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// To the end.
    Upper,
    /// To the beginning.
    Lower,
}

impl Window {
    /// Reads the attributes of `node` on data of `shape`; `kernel` is the weight's window where
    /// there is a weight.
    ///
    /// # Errors
    /// On three and more spatial dimensions, and on attributes that don't fit.
    pub fn read(node: &Node, shape: &[usize], kernel: Option<&[usize]>) -> Result<Self> {
        let dimensions = shape.len().saturating_sub(2);
        if !matches!(dimensions, 1 | 2) {
            return Err(node.unsupported(format!("data of shape {shape:?}")));
        }
        let given =
            node.ints("kernel_shape").map(|k| sizes(node, "kernel_shape", &k)).transpose()?;
        let kernel = match (kernel, given) {
            (Some(weight), Some(attribute)) if weight != attribute => {
                let problem = format!("kernel_shape {attribute:?}, but a weight of {weight:?}");
                return Err(node.invalid(problem));
            }
            (Some(weight), _) => weight.to_vec(),
            (None, Some(attribute)) => attribute,
            (None, None) => return Err(node.invalid("it has no kernel_shape")),
        };
        let plane = |name, default: usize| match node.ints(name) {
            None => Ok([if dimensions == 1 { default.min(1) } else { default }, default]),
            Some(values) => {
                two(node, name, &sizes(node, name, &values)?, dimensions, default.min(1))
            }
        };
        let pads = match node.ints("pads") {
            Some(pads) => sizes(node, "pads", &pads)?,
            None => vec![0; 2 * dimensions],
        };
        if pads.len() != 2 * dimensions {
            return Err(node.invalid(format!("pads {pads:?} in {dimensions} dimensions")));
        }
        let same = match node.text("auto_pad", "NOTSET") {
            "NOTSET" | "" | "VALID" => None,
            "SAME_UPPER" => Some(Same::Upper),
            "SAME_LOWER" => Some(Same::Lower),
            other => return Err(node.invalid(format!("auto_pad \"{other}\""))),
        };
        let ignored = same.is_some() || node.text("auto_pad", "NOTSET") == "VALID";
        let pads = if ignored { vec![0; 2 * dimensions] } else { pads };
        let window = Self {
            dimensions,
            kernel: two(node, "kernel_shape", &kernel, dimensions, 1)?,
            stride: plane("strides", 1)?,
            dilation: plane("dilations", 1)?,
            pad_begin: two(node, "pads", &pads[..dimensions], dimensions, 0)?,
            pad_end: two(node, "pads", &pads[dimensions..], dimensions, 0)?,
            same,
        };
        let positive = [window.kernel, window.stride, window.dilation].concat();
        if positive.contains(&0) {
            return Err(node.invalid("a kernel, stride or dilation of 0"));
        }
        Ok(window)
    }

    /// Extent of the window along an axis, dilation included.
    pub fn extent(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }

    /// Sets the padding that `auto_pad` asks for, for an input of `input` pixels.
    pub fn pad_for(&mut self, input: [usize; 2]) {
        let Some(same) = self.same else { return };
        for (axis, &pixels) in input.iter().enumerate() {
            let outputs = pixels.div_ceil(self.stride[axis]);
            let reach = outputs.saturating_sub(1) * self.stride[axis] + self.extent(axis);
            let (begin, end) = halves(reach.saturating_sub(pixels), same);
            (self.pad_begin[axis], self.pad_end[axis]) = (begin, end);
        }
    }
}

/// `total` in two parts, the larger one where `same` says.
pub fn halves(total: usize, same: Same) -> (usize, usize) {
    match same {
        Same::Upper => (total / 2, total - total / 2),
        Same::Lower => (total - total / 2, total / 2),
    }
}

/// Refuses data with their padding, or an output, that are too large for memory.
pub fn check_size(node: &Node, shape: [usize; 4]) -> Result<()> {
    node.shape(&shape.map(|n| n as i64)).map(drop)
}

/// Beyond any window; products of a few of them fit 64 bits.
const LARGEST: usize = 1 << 20;

fn sizes(node: &Node, name: &str, values: &[i64]) -> Result<Vec<usize>> {
    let size = |&v: &i64| usize::try_from(v).ok().filter(|&v| v <= LARGEST);
    let converted = values.iter().map(size).collect::<Option<_>>();
    converted.ok_or_else(|| node.unsupported(format!("{name} {values:?}")))
}

fn two(
    node: &Node,
    name: &str,
    values: &[usize],
    dimensions: usize,
    missing: usize,
) -> Result<[usize; 2]> {
    match (dimensions, values) {
        (1, &[width]) => Ok([missing, width]),
        (2, &[height, width]) => Ok([height, width]),
        _ => Err(node.invalid(format!("{name} {values:?} in {dimensions} dimensions"))),
    }
}

/// The shape of data with its height of 1 put in, where there is one spatial dimension.
pub fn planar(shape: &[usize]) -> [usize; 4] {
    match *shape {
        [n, c, w] => [n, c, 1, w],
        [n, c, h, w] => [n, c, h, w],
        _ => unreachable!("Window::read admits one and two spatial dimensions"),
    }
}

/// `shape` without the height of 1 again.
pub fn spatial(shape: [usize; 4], dimensions: usize) -> Vec<usize> {
    match dimensions {
        1 => vec![shape[0], shape[1], shape[3]],
        _ => shape.to_vec(),
    }
}
