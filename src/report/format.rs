//! Numbers as words: one notation for every renderer that people read.

use super::clean::shorten;
use crate::measures::Status;
use crate::verdict::{DataEvidence, WeightEvidence, rules};

/// What stands where there is no value.
pub(super) const ABSENT: &str = "–";

/// A fraction, similarity or distance; [`ABSENT`] where there is none.
pub(super) fn number(value: Option<f64>) -> String {
    with_digits(value, 3)
}

/// Like [`number`], with two digits, for narrow places.
pub(super) fn brief(value: Option<f64>) -> String {
    with_digits(value, 2)
}

/// An effect or a difference, with its sign.
pub(super) fn signed(value: Option<f64>) -> String {
    match finite(value) {
        Some(v) if v.abs() >= 1e4 => format!("{v:+.1e}"),
        // Not "-0.00": rounded to zero, an effect has no direction.
        Some(v) if v.abs() < 0.005 => "0.00".into(),
        Some(v) => format!("{v:+.2}"),
        None => ABSENT.into(),
    }
}

/// An interval of fractions.
pub(super) fn interval(ci: Option<[f64; 2]>) -> String {
    match ci {
        Some([low, high]) if low.is_finite() && high.is_finite() => {
            format!("[{}, {}]", number(Some(low)), number(Some(high)))
        }
        _ => ABSENT.into(),
    }
}

/// An interval of effects or differences.
pub(super) fn signed_interval(ci: Option<[f64; 2]>) -> String {
    match ci {
        Some([low, high]) if low.is_finite() && high.is_finite() => {
            format!("[{}, {}]", signed(Some(low)), signed(Some(high)))
        }
        _ => ABSENT.into(),
    }
}

/// A count, with thousands apart.
pub(super) fn count(n: impl Into<u64>) -> String {
    let digits = n.into().to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count of things held in memory.
pub(super) fn size(n: usize) -> String {
    count(n as u64)
}

/// The forgotten classes, with their names where the data give any: `3 (cat) and 8`.
pub(super) fn forgotten(data: &DataEvidence) -> String {
    enumeration(&data.forget_classes.iter().map(|&c| class(data, c)).collect::<Vec<_>>())
}

/// A class by its number, with its name where it is a forgotten one that has a name: `3 (cat)`.
pub(super) fn class(data: &DataEvidence, class: usize) -> String {
    match data.forget_class_name(class) {
        Some(name) => format!("{class} ({})", shorten(name, 40)),
        None => class.to_string(),
    }
}

/// The forgotten classes as a noun: `class 3 (cat)`, `classes 3 and 8`; `None` where samples, not
/// classes, are to be forgotten.
pub(super) fn forgotten_classes(data: &DataEvidence) -> Option<String> {
    match data.forget_classes.as_slice() {
        [] => None,
        [_] => Some(format!("class {}", forgotten(data))),
        _ => Some(format!("classes {}", forgotten(data))),
    }
}

/// Items as a list: `3 and 8`.
fn enumeration(items: &[String]) -> String {
    let shown = items.get(..20).unwrap_or(items);
    match shown {
        _ if items.len() > shown.len() => {
            format!("{} and {} more", shown.join(", "), items.len() - shown.len())
        }
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => shown.join(", "),
    }
}

/// How many parameters changed: `2 of 20 parameters changed`.
pub(super) fn parameters_changed(weights: &WeightEvidence) -> String {
    let total = weights.layers.len();
    if total > 0 && weights.layers.iter().all(|p| p.relative_change.is_none()) {
        return format!("none of {} parameters has a counterpart", size(total));
    }
    let changed = weights.layers.iter().filter(|p| p.relative_change != Some(0.0)).count();
    format!("{} of {} parameters changed", size(changed), size(total))
}

/// A tensor's name without what exporters append to all of them.
pub(super) fn short_layer(name: &str) -> &str {
    match name.strip_suffix("_output_0") {
        Some(short) if !short.is_empty() => short,
        _ => name,
    }
}

/// What a status means, in words.
pub(super) fn explain(status: Status) -> &'static str {
    match status.as_str() {
        "ok" => "the value stands",
        "too-few-samples" => "fewer samples than the measure needs",
        "too-few-classes" => "fewer classes than the measure needs",
        "degenerate" => "the features have no variance left",
        "non-finite" => "the features hold an infinity or a NaN",
        "undefined" => "the denominator is not clearly different from zero",
        "not-converged" => {
            "the fit stopped before its optimum; the value is a lower bound on what the features allow"
        }
        _ => "the measure could not be computed",
    }
}

/// Where a rule is explained. Only rules of ours have such a place: a stored report is anyone's
/// file, and what it calls a rule may be anything.
pub(super) fn help_on(rule: &str) -> Option<String> {
    rules::find(rule).map(|known| rules::help(known.id))
}

/// `value` where it is a number at all.
pub(super) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

fn with_digits(value: Option<f64>, digits: usize) -> String {
    match finite(value) {
        Some(v) if v.abs() >= 1e4 => format!("{v:.1e}"),
        Some(v) => {
            let text = format!("{v:.digits$}");
            match text.strip_prefix('-') {
                Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.into(),
                _ => text,
            }
        }
        None => ABSENT.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_absent() {
        for value in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            assert_eq!(number(value), ABSENT);
            assert_eq!(brief(value), ABSENT);
            assert_eq!(signed(value), ABSENT);
        }
        assert_eq!(interval(Some([0.0, f64::NAN])), ABSENT);
        assert_eq!(signed_interval(None), ABSENT);
    }

    #[test]
    fn zero_has_no_sign_and_large_numbers_stay_short() {
        assert_eq!(number(Some(-0.0001)), "0.000");
        assert_eq!(signed(Some(-0.001)), "0.00");
        assert_eq!(signed(Some(-3.712)), "-3.71");
        assert_eq!(number(Some(-0.25)), "-0.250");
        assert_eq!(number(Some(1e300)), "1.0e300");
    }

    #[test]
    fn counts_and_lists_read_well() {
        assert_eq!(count(28_902_u64), "28,902");
        assert_eq!(count(7_u64), "7");
        let list = |numbers: std::ops::Range<usize>| {
            enumeration(&numbers.map(|n| n.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(list(3..5), "3 and 4");
        assert_eq!(list(3..6), "3, 4 and 5");
        assert_eq!(list(4..5), "4");
        assert_eq!(list(0..0), "");
        assert!(list(0..100).ends_with("19 and 80 more"));
    }

    #[test]
    fn exporter_suffixes_go() {
        assert_eq!(short_layer("/Relu_1_output_0"), "/Relu_1");
        assert_eq!(short_layer("mean"), "mean");
        assert_eq!(short_layer("_output_0"), "_output_0");
    }
}
