//! An array as it was stored: shape, values, and the name to use in messages.

use super::stored::Stored;
use crate::{Error, Result};

/// Values in the type they are kept in; `uint8` stays, at a quarter of the memory of floats.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Unsigned bytes: images, scaled to \[0, 1\] when fed.
    U8(Vec<u8>),
    /// Floats, from 16, 32 or 64 bits.
    F32(Vec<f32>),
    /// Any other integers and booleans: token ids, masks, labels.
    I64(Vec<i64>),
    /// Floating-point labels before they are checked; never a model input.
    F64(Vec<f64>),
    /// Inputs too large to be read at once.
    Stored(Stored),
}

impl Values {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
            Self::Stored(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An array in C order whose first dimension counts samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    subject: String,
    shape: Vec<usize>,
    values: Values,
}

impl Array {
    /// Callers give as many values as the shape says.
    pub(crate) fn new(subject: &str, shape: Vec<usize>, values: Values) -> Self {
        Self { subject: subject.to_owned(), shape, values }
    }

    /// File and array name, as messages give them.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Shape, samples first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in C order.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Shape of one sample.
    pub fn sample_shape(&self) -> &[usize] {
        self.shape.get(1..).unwrap_or_default()
    }

    /// Refuses NaN and infinities among 32-bit floats, naming the first one's index.
    pub(crate) fn check_finite(&self) -> Result<()> {
        let Values::F32(values) = &self.values else { return Ok(()) };
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(flat) => Err(not_finite(&self.subject, &index_text(flat, &self.shape))),
        }
    }

    /// The values as class labels or row numbers, one a sample; shape n or n x 1.
    ///
    /// `what` is the word for one value: label, index.
    ///
    /// # Errors
    /// Another shape; values that are negative, fractional, NaN or infinite.
    pub(crate) fn to_whole_numbers(&self, what: &str) -> Result<Vec<usize>> {
        if self.shape.is_empty() || self.sample_shape().iter().any(|&d| d != 1) {
            return Err(Error::input(
                &self.subject,
                format!("shape {} is not one {what} for each row", shape_text(&self.shape)),
                if what == "label" {
                    "save class numbers of shape (n,); for one-hot rows that is argmax(axis=1)"
                } else {
                    "save whole numbers of shape (n,)"
                },
            ));
        }
        let bad = |flat: usize, value: &dyn std::fmt::Display, problem: &str| {
            Error::input(
                format!("{}[{flat}]", self.subject),
                format!("{what} {value} is {problem}"),
                format!("give every {what} as a whole number from 0 on"),
            )
        };
        match &self.values {
            Values::U8(v) => Ok(v.iter().map(|&v| usize::from(v)).collect()),
            Values::I64(v) => v
                .iter()
                .enumerate()
                .map(|(i, &v)| match usize::try_from(v) {
                    Ok(n) => Ok(n),
                    Err(_) if v < 0 => Err(bad(i, &v, "negative")),
                    Err(_) => Err(bad(i, &v, "too large")),
                })
                .collect(),
            Values::F32(v) => {
                v.iter().enumerate().map(|(i, &v)| whole(i, f64::from(v), &bad)).collect()
            }
            Values::F64(v) => v.iter().enumerate().map(|(i, &v)| whole(i, v, &bad)).collect(),
            Values::Stored(_) => Err(Error::internal("labels were left in their file")),
        }
    }
}

fn whole(
    i: usize,
    v: f64,
    bad: &dyn Fn(usize, &dyn std::fmt::Display, &str) -> Error,
) -> Result<usize> {
    if !v.is_finite() {
        Err(bad(i, &v, "not a number"))
    } else if v < 0.0 {
        Err(bad(i, &v, "negative"))
    } else if v.fract() != 0.0 {
        Err(bad(i, &v, "not whole"))
    } else if v > f64::from(u32::MAX) {
        Err(bad(i, &v, "too large"))
    } else {
        // Whole and within u32, so the conversion is exact.
        Ok(v as usize)
    }
}

/// Error for a float that no model could use; `index` as [`index_text`] gives it.
pub(crate) fn not_finite(subject: &str, index: &str) -> Error {
    Error::input(
        format!("{subject}{index}"),
        "the value is NaN or infinite as a 32-bit float",
        "remove or repair the sample and save the array again",
    )
}

/// `(8, 3, 32, 32)`, as NumPy prints it.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", join(shape)),
    }
}

/// `[7, 0, 3, 5]` for the flat index into an array of `shape`.
pub(crate) fn index_text(flat: usize, shape: &[usize]) -> String {
    let mut index = Vec::new();
    let mut rest = flat;
    for &d in shape.iter().rev() {
        index.push(rest.checked_rem(d).unwrap_or(0));
        rest = rest.checked_div(d).unwrap_or(0);
    }
    index.reverse();
    format!("[{}]", join(&index))
}

fn join(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_index_is_told_as_sample_channel_row_column() {
        // 157 = 1*(3*4*5) + 2*... : 157 = 2*60 + 1*20 + 3*5 + 2.
        assert_eq!(index_text(2 * 60 + 20 + 3 * 5 + 2, &[4, 3, 4, 5]), "[2, 1, 3, 2]");
        assert_eq!(shape_text(&[3]), "(3,)");
        assert_eq!(shape_text(&[3, 4]), "(3, 4)");
    }

    fn labels(values: Values, shape: &[usize]) -> Result<Vec<usize>> {
        Array::new("d.npz: y_train", shape.to_vec(), values).to_whole_numbers("label")
    }

    #[test]
    fn labels_of_any_numeric_type_are_class_numbers() {
        assert_eq!(labels(Values::F64(vec![0.0, 3.0]), &[2]).unwrap(), [0, 3]);
        assert_eq!(labels(Values::I64(vec![1, 2]), &[2, 1]).unwrap(), [1, 2]);
        assert_eq!(labels(Values::U8(vec![9]), &[1]).unwrap(), [9]);
    }

    #[test]
    fn a_label_that_is_no_class_is_named_with_its_index() {
        for (value, expected) in [
            (2.5, "d.npz: y_train[1]: label 2.5 is not whole"),
            (-1.0, "d.npz: y_train[1]: label -1 is negative"),
            (f64::NAN, "d.npz: y_train[1]: label NaN is not a number"),
            (f64::INFINITY, "d.npz: y_train[1]: label inf is not a number"),
            (1e300, "is too large"),
        ] {
            let error = labels(Values::F64(vec![0.0, value]), &[2]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = labels(Values::I64(vec![0, 1, -7]), &[3]).unwrap_err();
        assert_eq!(error.to_string(), "d.npz: y_train[2]: label -7 is negative");
    }

    #[test]
    fn one_hot_labels_are_refused_with_the_way_to_convert_them() {
        let error = labels(Values::U8(vec![0, 1, 1, 0]), &[2, 2]).unwrap_err();
        assert!(error.to_string().contains("shape (2, 2)"), "{error}");
        assert!(error.remedy().contains("argmax"));
        assert!(labels(Values::U8(vec![1]), &[]).is_err());
    }
}
