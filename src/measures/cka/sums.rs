//! The `d x d` form: sums that merge exactly.
//!
//! Sums up to fourth order are kept about each part's *own* mean and translated when parts merge
//! (the pairwise update of Chan, Golub and LeVeque 1983, carried to the products CKA needs). About
//! a shared origin they would cancel: a subset with relative spread 1e-4 about its mean would lose
//! all sixteen digits of its fourth-order sums.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Cka, Products, obstacle};
use crate::Result;
use crate::measures::{same_length, same_width};

/// Additive sufficient statistics of linear CKA, `O(dx dy + dx^2 + dy^2)` in size.
///
/// Parts of the samples can be accumulated apart and [merged](Self::merge) in any grouping; the
/// result is that of all samples together, up to rounding.
#[derive(Clone, Debug)]
pub struct CkaSums {
    x: FeatureSums,
    y: FeatureSums,
    cross: CrossSums,
}

impl CkaSums {
    /// Of no samples, for features of width `dx` and `dy`.
    pub fn new(dx: usize, dy: usize) -> Self {
        Self { x: FeatureSums::zero(dx), y: FeatureSums::zero(dy), cross: CrossSums::zero(dx, dy) }
    }

    /// Adds a batch of samples, `b x dx` and `b x dy`.
    ///
    /// # Errors
    /// When the numbers of rows differ, or a width from that given to [`Self::new`].
    pub fn update<A, B>(&mut self, x: ArrayView2<A>, y: ArrayView2<B>) -> Result<()>
    where
        A: Copy + Into<f64>,
        B: Copy + Into<f64>,
    {
        same_length("compared features", x.nrows(), y.nrows())?;
        let (x, y) = (centred(x), centred(y));
        let cross = CrossSums::of(&x, &y);
        self.merge(&Self { x: FeatureSums::of(&x), y: FeatureSums::of(&y), cross })
    }

    /// Adds the samples of `other`.
    ///
    /// # Errors
    /// When the widths differ.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        same_width("compared features", self.x.mean.len(), other.x.mean.len())?;
        same_width("compared features", self.y.mean.len(), other.y.mean.len())?;
        let x = [self.x.clone(), other.x.clone()];
        let y = [self.y.clone(), other.y.clone()];
        let x_all = x[0].clone().merged(&x[1]);
        let y_all = y[0].clone().merged(&y[1]);
        let cross = self.cross.clone().merged(&other.cross, (&x, &y), (&x_all, &y_all));
        *self = Self { x: x_all, y: y_all, cross };
        Ok(())
    }

    /// CKA of the samples so far.
    pub fn finish(&self) -> Cka {
        cka(&self.x, &self.y, &self.cross)
    }
}

/// CKA from the sums of both sides and their cross sums.
pub(super) fn cka(x: &FeatureSums, y: &FeatureSums, cross: &CrossSums) -> Cka {
    if let Some(status) = obstacle(x.n, [x.variance_and_norm(), y.variance_and_norm()]) {
        return Cka::missing(status);
    }
    let n = x.n as f64;
    let debiased = |sums: &CrossSums, (a, b): (&FeatureSums, &FeatureSums)| {
        squared_norm(&sums.product) - n / (n - 2.0) * sums.squares_squares
            + a.squares * b.squares / ((n - 1.0) * (n - 2.0))
    };
    Products {
        debiased: [debiased(cross, (x, y)), debiased(&x.own, (x, x)), debiased(&y.own, (y, y))],
        biased: [cross, &x.own, &y.own].map(|sums| squared_norm(&sums.product)),
    }
    .finish(x.n)
}

fn squared_norm(matrix: &Array2<f64>) -> f64 {
    matrix.iter().map(|value| value * value).sum()
}

/// A batch about its own mean.
pub(super) struct Centred {
    /// `n x d`.
    rows: Array2<f64>,
    /// `d`.
    mean: Array1<f64>,
    /// Squared norm of each row.
    squares: Array1<f64>,
}

/// Centres features in `f64`.
pub(super) fn centred<A: Copy + Into<f64>>(features: ArrayView2<A>) -> Centred {
    let mut rows = features.mapv(Into::into);
    let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
    rows -= &mean;
    let squares = rows.map_axis(Axis(1), |row| row.dot(&row));
    Centred { rows, mean, squares }
}

/// What CKA needs to know of one side alone.
#[derive(Clone, Debug)]
pub(super) struct FeatureSums {
    n: usize,
    mean: Array1<f64>,
    /// `sum |u|^2` about the mean.
    squares: f64,
    /// The products of the side with itself.
    own: CrossSums,
}

impl FeatureSums {
    fn zero(width: usize) -> Self {
        let own = CrossSums::zero(width, width);
        Self { n: 0, mean: Array1::zeros(width), squares: 0.0, own }
    }

    pub(super) fn of(part: &Centred) -> Self {
        Self {
            n: part.rows.nrows(),
            mean: part.mean.clone(),
            squares: part.squares.sum(),
            own: CrossSums::of(part, part),
        }
    }

    pub(super) fn merged(self, other: &Self) -> Self {
        let n = self.n + other.n;
        if self.n == 0 || other.n == 0 {
            return if other.n == 0 { self } else { other.clone() };
        }
        let share = other.n as f64 / n as f64;
        let apart = &other.mean - &self.mean;
        let mean = &self.mean + &(&apart * share);
        let squares = self.squares + other.squares + apart.dot(&apart) * self.n as f64 * share;
        let parts = [self, other.clone()];
        let mut all = Self { n, mean, squares, own: CrossSums::zero(0, 0) };
        all.own = parts[0].own.clone().merged(&parts[1].own, (&parts, &parts), (&all, &all));
        all
    }

    /// Trace of the covariance and mean squared norm.
    fn variance_and_norm(&self) -> (f64, f64) {
        let variance = self.squares / self.n as f64;
        (variance, variance + self.mean.dot(&self.mean))
    }
}

/// Products of two sides `u`, `v`, each about its mean.
#[derive(Clone, Debug)]
pub(super) struct CrossSums {
    /// `U'V`, `dx x dy`.
    product: Array2<f64>,
    /// `sum |u|^2 v`, `dy`.
    squares_y: Array1<f64>,
    /// `sum |v|^2 u`, `dx`.
    squares_x: Array1<f64>,
    /// `sum |u|^2 |v|^2`.
    squares_squares: f64,
}

impl CrossSums {
    fn zero(dx: usize, dy: usize) -> Self {
        Self {
            product: Array2::zeros((dx, dy)),
            squares_y: Array1::zeros(dy),
            squares_x: Array1::zeros(dx),
            squares_squares: 0.0,
        }
    }

    pub(super) fn of(x: &Centred, y: &Centred) -> Self {
        Self {
            product: x.rows.t().dot(&y.rows),
            squares_y: y.rows.t().dot(&x.squares),
            squares_x: x.rows.t().dot(&y.squares),
            squares_squares: x.squares.dot(&y.squares),
        }
    }

    /// The sums over both parts. `x` and `y` are the two parts' sides, `all` the merged ones.
    pub(super) fn merged(
        self,
        other: &Self,
        (x, y): (&[FeatureSums; 2], &[FeatureSums; 2]),
        all: (&FeatureSums, &FeatureSums),
    ) -> Self {
        if x[0].n == 0 || x[1].n == 0 {
            return if x[1].n == 0 { self } else { other.clone() };
        }
        let first = self.about((&x[0], &y[0]), all);
        let second = other.clone().about((&x[1], &y[1]), all);
        Self {
            product: first.product + &second.product,
            squares_y: first.squares_y + &second.squares_y,
            squares_x: first.squares_x + &second.squares_x,
            squares_squares: first.squares_squares + second.squares_squares,
        }
    }

    /// The same sums with `t` added to every `u` and `w` to every `v`, which moves them from
    /// their own means to those of `all`. The terms with a single `u` or `v` vanish, as these
    /// sum to zero.
    fn about(
        mut self,
        (x, y): (&FeatureSums, &FeatureSums),
        all: (&FeatureSums, &FeatureSums),
    ) -> Self {
        let n = x.n as f64;
        let t = &x.mean - &all.0.mean;
        let w = &y.mean - &all.1.mean;
        let (tt, ww) = (t.dot(&t), w.dot(&w));
        let product_w = self.product.dot(&w);
        let product_t = self.product.t().dot(&t);
        self.squares_squares += 2.0 * (w.dot(&self.squares_y) + t.dot(&self.squares_x))
            + ww * x.squares
            + tt * y.squares
            + 4.0 * t.dot(&product_w)
            + n * tt * ww;
        self.squares_y.scaled_add(2.0, &product_t);
        self.squares_y.scaled_add(x.squares + n * tt, &w);
        self.squares_x.scaled_add(2.0, &product_w);
        self.squares_x.scaled_add(y.squares + n * ww, &t);
        for (mut row, t) in self.product.rows_mut().into_iter().zip(&t) {
            row.scaled_add(n * t, &w);
        }
        self
    }
}
