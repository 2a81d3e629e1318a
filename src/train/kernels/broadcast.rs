//! Sums and products with a smaller operand, and the sums over what it was repeated along.

use super::normalize::{dot, sum};
use super::parallel::{PIECE, change, changed, wide};
use rayon::prelude::*;

/// How an operand of `middle` values lies in a tensor of `outer x middle x inner`: it is repeated
/// along the outer and inner dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    outer: usize,
    middle: usize,
    inner: usize,
}

impl Repeat {
    /// How `small` is repeated in `large`, both of one rank; `None` where it is along more than
    /// leading and trailing dimensions, or `large` has no elements.
    pub fn find(large: &[usize], small: &[usize]) -> Option<Self> {
        let differs = |&i: &usize| small[i] != large[i];
        let long = |&i: &usize| large[i] != 1;
        let rank = large.len();
        if small.len() != rank || large.contains(&0) {
            return None;
        }
        // Leading dimensions that are repeated or one, then those that are equal, then the rest.
        let first = (0..rank).find(|i| !differs(i) && long(i)).unwrap_or(rank);
        let last = (0..rank).rfind(|i| !differs(i) && long(i)).map_or(rank, |i| i + 1);
        if (first..last).any(|i| differs(&i)) || (0..rank).any(|i| differs(&i) && small[i] != 1) {
            return None;
        }
        let product = |lengths: &[usize]| lengths.iter().product();
        Some(Self {
            outer: product(&large[..first]),
            middle: product(&large[first..last]),
            inner: product(&large[last..]),
        })
    }

    /// Elements of the larger operand.
    fn len(&self) -> usize {
        self.outer * self.middle * self.inner
    }

    /// Elements after which a piece may end.
    fn unit(&self) -> usize {
        match (self.middle, self.inner) {
            (1, _) => 1,
            (_, 1) => self.middle,
            _ => self.inner,
        }
    }

    /// `f(part of the large operand, its values of the small one)`: the same number of each, or one
    /// value for the whole part.
    #[inline(always)]
    fn each(&self, start: usize, large: &mut [f32], small: &[f32], f: impl Fn(&mut [f32], &[f32])) {
        match (self.middle, self.inner) {
            (_, 1) if self.outer == 1 => f(large, &small[start..][..large.len()]),
            (1, _) => f(large, small),
            (middle, 1) => large.chunks_exact_mut(middle).for_each(|row| f(row, small)),
            (middle, inner) => {
                for (i, plane) in large.chunks_exact_mut(inner).enumerate() {
                    let channel = (start / inner + i) % middle;
                    f(plane, &small[channel..=channel]);
                }
            }
        }
    }

    /// As [`Repeat::unit`], where the whole operand needs no unit.
    fn whole_unit(&self) -> usize {
        if self.outer == 1 && self.inner == 1 { 1 } else { self.unit() }
    }
}

/// What two operands are joined by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// `a + b`.
    Sum,
    /// `a b`.
    Product,
}

wide! {
    /// One part of the larger operand joined with as many values, or with one.
    pub fn join(a: &mut [f32], b: &[f32], by: Join) {
        match (by, b) {
            (Join::Sum, &[b]) => a.iter_mut().for_each(|a| *a += b),
            (Join::Product, &[b]) => a.iter_mut().for_each(|a| *a *= b),
            (Join::Sum, b) => a.iter_mut().zip(b).for_each(|(a, &b)| *a += b),
            (Join::Product, b) => a.iter_mut().zip(b).for_each(|(a, &b)| *a *= b),
        }
    }
}

/// Joins `large` with `small` in place.
pub fn join_into(repeat: &Repeat, large: &mut [f32], small: &[f32], by: Join) {
    assert_eq!((large.len(), small.len()), (repeat.len(), repeat.middle));
    change(large, repeat.whole_unit(), |start, large| {
        repeat.each(start, large, small, |a, b| join(a, b, by));
    });
}

/// `large` joined with `small`.
pub fn joined(repeat: &Repeat, large: &[f32], small: &[f32], by: Join) -> Vec<f32> {
    assert_eq!((large.len(), small.len()), (repeat.len(), repeat.middle));
    changed(large, repeat.whole_unit(), |start, large| {
        repeat.each(start, large, small, |a, b| join(a, b, by));
    })
}

/// Sums `g`, or its products with `factor`, over what the small operand was repeated along.
pub fn sums(repeat: &Repeat, g: &[f32], factor: Option<&[f32]>) -> Vec<f32> {
    assert_eq!(g.len(), repeat.len());
    assert!(factor.is_none_or(|f| f.len() == g.len()));
    let Repeat { middle, inner, .. } = *repeat;
    if middle == 1 {
        let pieces: Vec<f64> = match factor {
            Some(f) => g
                .par_chunks(PIECE)
                .zip(f.par_chunks(PIECE))
                .map(|(g, f)| f64::from(dot(g, f)))
                .collect(),
            None => g.par_chunks(PIECE).map(|g| f64::from(sum(g, |v| v))).collect(),
        };
        return vec![pieces.iter().sum::<f64>() as f32];
    }
    let part = |start: usize, len: usize| {
        (&g[start..][..len], factor.map_or(&[][..], |f| &f[start..][..len]))
    };
    // Whole rows of the middle dimension, some pieces' worth: partial sums cost memory.
    let row = middle * inner;
    let rows = (4 * PIECE).div_ceil(row).min(repeat.outer);
    let partial: Vec<Vec<f32>> = (0..repeat.outer.div_ceil(rows))
        .into_par_iter()
        .map(|i| {
            let here = rows.min(repeat.outer - i * rows);
            let (g, factor) = part(i * rows * row, here * row);
            let mut sums = vec![0.0; middle];
            if inner == 1 {
                sum_rows(&mut sums, g, factor);
            } else {
                sum_planes(&mut sums, g, factor, inner);
            }
            sums
        })
        .collect();
    let total = |i: usize| partial.iter().map(|p| f64::from(p[i])).sum::<f64>() as f32;
    (0..middle).map(total).collect()
}

wide! {
    /// Adds the rows of `g`, times `factor` where it is not empty, to `sums`.
    pub fn sum_rows(sums: &mut [f32], g: &[f32], factor: &[f32]) {
        let columns = sums.len();
        if factor.is_empty() {
            for g in g.chunks_exact(columns) {
                sums.iter_mut().zip(g).for_each(|(s, &g)| *s += g);
            }
        } else {
            for (g, f) in g.chunks_exact(columns).zip(factor.chunks_exact(columns)) {
                for ((s, &g), &f) in sums.iter_mut().zip(g).zip(f) {
                    *s += g * f;
                }
            }
        }
    }
}

wide! {
    /// Adds the sum of every plane of `g`, times `factor` where it is not empty, to its channel's.
    pub fn sum_planes(sums: &mut [f32], g: &[f32], factor: &[f32], inner: usize) {
        let channels = sums.len();
        for (i, g) in g.chunks_exact(inner).enumerate() {
            sums[i % channels] += match factor.is_empty() {
                true => sum(g, |v| v),
                false => dot(g, &factor[i * inner..][..inner]),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_found() {
        let find = |large: &[usize], small: &[usize]| {
            Repeat::find(large, small).map(|r| [r.outer, r.middle, r.inner])
        };
        assert_eq!(find(&[2, 3, 4], &[2, 3, 4]), Some([1, 24, 1]));
        assert_eq!(find(&[2, 3, 4], &[1, 1, 4]), Some([6, 4, 1]));
        assert_eq!(find(&[2, 3, 4, 5], &[1, 3, 1, 1]), Some([2, 3, 20]));
        assert_eq!(find(&[2, 3], &[1, 1]).map(|r| r[1]), Some(1));
        assert_eq!(find(&[2, 3, 4], &[2, 1, 4]), None);
        assert_eq!(find(&[2, 0], &[1, 0]), None);
        assert_eq!(find(&[2, 1], &[2, 3]), None);
    }

    #[test]
    fn joins_and_sums_agree_with_loops() {
        let value = |i: usize| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0;
        let shapes = [[1, 40_000, 1], [300, 192, 1], [5, 7, 3000], [9, 1, 5000], [1, 1, 7]];
        for [outer, middle, inner] in shapes {
            let repeat = Repeat { outer, middle, inner };
            let large: Vec<f32> = (0..repeat.len()).map(value).collect();
            let small: Vec<f32> = (0..middle).map(|i| value(i + 5)).collect();
            let at = |i: usize| i / inner % middle;
            let sum = joined(&repeat, &large, &small, Join::Sum);
            let mut product = large.clone();
            join_into(&repeat, &mut product, &small, Join::Product);
            let (mut plain, mut weighted) = (vec![0.0; middle], vec![0.0; middle]);
            for i in 0..large.len() {
                assert_eq!(sum[i], large[i] + small[at(i)]);
                assert_eq!(product[i], large[i] * small[at(i)]);
                plain[at(i)] += f64::from(large[i]);
                weighted[at(i)] += f64::from(large[i]) * f64::from(sum[i]);
            }
            // Rounding of sums of at most 45 000 values below 4, sixteen at a time.
            let close = |found: Vec<f32>, wanted: Vec<f64>| {
                found
                    .iter()
                    .zip(wanted)
                    .all(|(&f, w)| (f64::from(f) - w).abs() < 1e-5 * w.abs() + 0.02)
            };
            assert!(close(sums(&repeat, &large, None), plain), "{repeat:?}");
            assert!(close(sums(&repeat, &large, Some(&sum)), weighted), "{repeat:?}");
        }
    }
}
