//! How stored samples become the shape a model takes: as they are, transposed, or with a channel
//! axis of one added or dropped.

use super::array::shape_text;
use crate::{Error, Result};

/// A model input as the graph declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSpec {
    /// The input's name in the graph.
    pub name: String,
    /// Dimensions, batch first; `None` is dynamic. Empty where the graph declares no shape.
    pub dims: Vec<Option<usize>>,
}

/// Where the channels of an image lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// One plane after the other (channel, row, column).
    Planes,
    /// Side by side in each pixel (row, column, channel).
    Interleaved,
}

/// The way from a stored sample to the fed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Shape of one sample as fed, without the batch dimension.
    pub shape: Vec<usize>,
    /// For a transposed image: the order it is stored in; it is fed in the other one.
    pub transposed_from: Option<Order>,
}

/// Whether `n` is a number of channels that images come with.
fn is_channels(n: usize) -> bool {
    matches!(n, 1 | 3 | 4)
}

/// Whether a sample of `shape` fits the model's `dims`, both without the batch dimension.
fn fits(shape: &[usize], dims: &[Option<usize>]) -> bool {
    shape.len() == dims.len() && shape.iter().zip(dims).all(|(&s, d)| d.is_none_or(|d| s == d))
}

impl Layout {
    /// Decides how samples of shape `sample` (no batch dimension) are fed to the input `spec`.
    ///
    /// What fits as it is stays as it is. Only where the model leaves both possible channel axes
    /// open is an image that looks like NHWC transposed, since NCHW is the convention of ONNX.
    ///
    /// # Errors
    /// Samples that fit in neither layout; the message shows both shapes.
    pub fn resolve(sample: &[usize], spec: &InputSpec, subject: &str) -> Result<Self> {
        let free;
        let dims = match spec.dims.get(1..) {
            Some(dims) => dims,
            // No declared shape constrains nothing.
            None => {
                free = vec![None; sample.len()];
                &free
            }
        };
        let keep = |shape: Vec<usize>| Self { shape, transposed_from: None };
        let found = match (sample, dims) {
            (&[a, b, c], &[first, _, last]) => {
                let (to_planes, to_interleaved) = ([c, a, b], [b, c, a]);
                let looks_nhwc = is_channels(c) && !is_channels(a);
                let kept = fits(sample, dims);
                let planes =
                    fits(&to_planes, dims).then(|| transposed(&to_planes, Order::Interleaved));
                let interleaved =
                    fits(&to_interleaved, dims).then(|| transposed(&to_interleaved, Order::Planes));
                if kept && !(looks_nhwc && first.is_none() && last.is_none()) {
                    Some(keep(sample.to_vec()))
                } else if kept {
                    planes.or_else(|| Some(keep(sample.to_vec())))
                } else if looks_nhwc {
                    planes.or(interleaved)
                } else {
                    interleaved.or(planes)
                }
            }
            (&[h, w], &[_, _, _]) => [[1, h, w], [h, w, 1]]
                .iter()
                .find(|shape| fits(*shape, dims))
                .map(|shape| keep(shape.to_vec())),
            (&[1, h, w] | &[h, w, 1], &[_, _]) if fits(&[h, w], dims) => Some(keep(vec![h, w])),
            // Grey images into a model that takes one flat vector.
            (&[h, w] | &[1, h, w] | &[h, w, 1], &[Some(d)]) if h.checked_mul(w) == Some(d) => {
                Some(keep(vec![d]))
            }
            _ => fits(sample, dims).then(|| keep(sample.to_vec())),
        };
        found.ok_or_else(|| {
            Error::input(
                subject,
                format!(
                    "samples of shape {} do not fit the model's input `{}` of shape {}",
                    shape_text(sample),
                    spec.name,
                    dims_text(dims),
                ),
                remedy(sample, dims),
            )
        })
    }
}

fn transposed(shape: &[usize], from: Order) -> Layout {
    Layout { shape: shape.to_vec(), transposed_from: Some(from) }
}

fn remedy(sample: &[usize], dims: &[Option<usize>]) -> String {
    let channels: Vec<usize> =
        [dims.first(), dims.last()].into_iter().flatten().flatten().copied().collect();
    if dims.len() == 3 && channels.contains(&3) && (sample.len() == 2 || sample.contains(&1)) {
        return "the model takes colour images: repeat the grey channel three times".to_owned();
    }
    if sample.len() == dims.len() {
        "save the samples at the model's size, or export the model with dynamic axes".to_owned()
    } else {
        format!("reshape the array to {} dimensions, samples first", dims.len().saturating_add(1))
    }
}

/// `(3, ?, ?)`, dynamic dimensions as question marks.
fn dims_text(dims: &[Option<usize>]) -> String {
    let dims: Vec<String> =
        dims.iter().map(|d| d.map_or("?".to_owned(), |d| d.to_string())).collect();
    match dims.as_slice() {
        [one] => format!("({one},)"),
        _ => format!("({})", dims.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(sample: &[usize], dims: &[Option<usize>]) -> Result<Layout> {
        let dims = [&[None], dims].concat();
        Layout::resolve(sample, &InputSpec { name: "input".into(), dims }, "d.npz: x_train")
    }

    /// Stored shape, the model's dimensions, fed shape, transposed from.
    #[test]
    fn every_combination_of_stored_and_wanted_layout() {
        use Order::{Interleaved, Planes};
        let n = None;
        let s = Some;
        type Case<'a> = (&'a [usize], &'a [Option<usize>], &'a [usize], Option<Order>);
        let cases: &[Case] = &[
            (&[3, 32, 32], &[s(3), s(32), s(32)], &[3, 32, 32], None),
            (&[32, 32, 3], &[s(3), s(32), s(32)], &[3, 32, 32], Some(Interleaved)),
            (&[32, 32, 3], &[s(32), s(32), s(3)], &[32, 32, 3], None),
            (&[3, 32, 32], &[s(32), s(32), s(3)], &[32, 32, 3], Some(Planes)),
            (&[32, 48, 3], &[s(3), n, n], &[3, 32, 48], Some(Interleaved)),
            (&[3, 32, 48], &[n, n, s(3)], &[32, 48, 3], Some(Planes)),
            // Everything dynamic: NCHW by convention.
            (&[32, 32, 3], &[n, n, n], &[3, 32, 32], Some(Interleaved)),
            (&[3, 32, 32], &[n, n, n], &[3, 32, 32], None),
            (&[3, 3, 3], &[n, n, n], &[3, 3, 3], None),
            (&[28, 28], &[s(1), s(28), s(28)], &[1, 28, 28], None),
            (&[28, 28], &[n, n, n], &[1, 28, 28], None),
            (&[28, 28], &[s(28), s(28), s(1)], &[28, 28, 1], None),
            (&[1, 28, 28], &[s(28), s(28)], &[28, 28], None),
            (&[28, 28, 1], &[s(28), s(28)], &[28, 28], None),
            (&[28, 28], &[s(784)], &[784], None),
            (&[1, 28, 28], &[s(784)], &[784], None),
            (&[64], &[s(64)], &[64], None),
            (&[64], &[n], &[64], None),
            (&[5, 3, 8, 8], &[n, s(3), n, n], &[5, 3, 8, 8], None),
        ];
        for (sample, dims, shape, from) in cases {
            let layout = resolve(sample, dims).unwrap();
            assert_eq!((layout.shape.as_slice(), layout.transposed_from), (*shape, *from));
        }
    }

    #[test]
    fn an_undeclared_shape_takes_everything() {
        let spec = InputSpec { name: "input".into(), dims: vec![] };
        assert_eq!(Layout::resolve(&[7, 9], &spec, "x").unwrap().shape, [7, 9]);
    }

    #[test]
    fn a_misfit_shows_both_shapes_and_the_way_out() {
        let error = resolve(&[3, 32, 32], &[Some(3), Some(224), None]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "d.npz: x_train: samples of shape (3, 32, 32) do not fit the model's input `input` \
             of shape (3, 224, ?)"
        );
        assert!(error.remedy().contains("model's size"));
        let grey = resolve(&[28, 28], &[Some(3), None, None]).unwrap_err();
        assert!(grey.remedy().contains("grey channel"), "{}", grey.remedy());
        let flat = resolve(&[784], &[Some(1), Some(28), Some(28)]).unwrap_err();
        assert!(flat.remedy().contains("4 dimensions"), "{}", flat.remedy());
        // Flattening colour images would have to guess an order.
        assert!(resolve(&[3, 4, 4], &[Some(48)]).is_err());
    }
}
