//! The shape of a two-dimensional convolution.

/// Shape of one convolution over contiguous NCHW data.
///
/// Tensors: input `[batch, channels_in, input]`, weight
/// `[channels_out, channels_in / groups, kernel]`, output
/// `[batch, channels_out, output()]`. A one-dimensional convolution has height
/// 1 everywhere (kernel, stride and dilation 1, padding 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Samples.
    pub batch: usize,
    /// Input channels, all groups together.
    pub channels_in: usize,
    /// Output channels, all groups together.
    pub channels_out: usize,
    /// Independent channel groups.
    pub groups: usize,
    /// Input height and width.
    pub input: [usize; 2],
    /// Window height and width.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Step inside the window.
    pub dilation: [usize; 2],
    /// Padding above and to the left.
    pub pad_begin: [usize; 2],
    /// Padding below and to the right.
    pub pad_end: [usize; 2],
}

impl Geometry {
    /// Output height and width.
    ///
    /// # Panics
    /// If the padded input is smaller than the dilated window.
    #[must_use]
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|a| {
            let padded = self.input[a] + self.pad_begin[a] + self.pad_end[a];
            let window = self.dilation[a] * (self.kernel[a] - 1) + 1;
            assert!(window <= padded, "window {window} exceeds {padded}");
            (padded - window) / self.stride[a] + 1
        })
    }

    /// Input pixels per channel.
    pub fn pixels_in(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Output pixels per channel.
    pub fn pixels_out(&self) -> usize {
        let [h, w] = self.output();
        h * w
    }

    /// Window positions.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Input channels per group.
    pub fn group_in(&self) -> usize {
        self.channels_in / self.groups
    }

    /// Output channels per group.
    pub fn group_out(&self) -> usize {
        self.channels_out / self.groups
    }

    /// The input coordinate read by output coordinate `o` at window position
    /// `k` on `axis`, or `None` in the padding.
    pub fn source(&self, axis: usize, o: usize, k: usize) -> Option<usize> {
        (o * self.stride[axis] + k * self.dilation[axis])
            .checked_sub(self.pad_begin[axis])
            .filter(|&i| i < self.input[axis])
    }

    /// Shape of the input.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.channels_in, self.input[0], self.input[1]]
    }

    /// Shape of the weight.
    pub fn weight_shape(&self) -> [usize; 4] {
        [self.channels_out, self.channels_in / self.groups, self.kernel[0], self.kernel[1]]
    }

    /// Shape of the output.
    pub fn output_shape(&self) -> [usize; 4] {
        let [height, width] = self.output();
        [self.batch, self.channels_out, height, width]
    }

    /// Extent of the input along `axis` with its padding.
    pub fn padded(&self, axis: usize) -> usize {
        self.input[axis] + self.pad_begin[axis] + self.pad_end[axis]
    }
}
