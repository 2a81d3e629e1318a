//! Matrix products.

use crate::case::{Case, case};

pub fn cases() -> Vec<Case> {
    let einsum = |equation: &str| case("Einsum", 12).text("equation", equation);
    vec![
        case("MatMul", 7).x(&[2, 3]).x(&[3, 4]),
        case("MatMul", 9).x(&[2, 3, 4]).x(&[4, 2]),
        case("MatMul", 13).x(&[2, 2, 3, 4]).x(&[2, 2, 4, 3]),
        case("MatMul", 13).x(&[2, 1, 3, 4]).x(&[3, 4, 2]),
        case("MatMul", 13).x(&[2, 3]).x(&[4, 3, 2]),
        case("MatMul", 13).x(&[3]).x(&[3]),
        case("MatMul", 13).x(&[3]).x(&[3, 2]),
        case("MatMul", 13).x(&[2, 4, 3]).x(&[3]),
        case("MatMul", 13).x(&[3]).x(&[2, 3, 4]),
        case("Gemm", 7).x(&[2, 3]).x(&[3, 4]).x(&[4]),
        case("Gemm", 9).x(&[2, 3]).x(&[4, 3]).x(&[2, 1]).int("transB", 1),
        case("Gemm", 11).x(&[3, 2]).x(&[3, 4]).x(&[1, 1]).int("transA", 1),
        case("Gemm", 13).x(&[3, 2]).x(&[4, 3]).x(&[]).int("transA", 1).int("transB", 1),
        case("Gemm", 13).x(&[2, 3]).x(&[4, 3]).int("transB", 1),
        case("Gemm", 13).x(&[2, 3]).x(&[3, 4]).x(&[2, 4]).float("alpha", 0.5).float("beta", 2.0),
        case("Gemm", 13).x(&[2, 3]).x(&[3, 4]).x(&[4]).float("beta", 0.0),
        einsum("ij,jk->ik").x(&[2, 3]).x(&[3, 4]),
        einsum("bhqd,bhkd->bhqk").x(&[2, 2, 3, 2]).x(&[2, 2, 2, 2]),
        einsum("bhqk, bkhd -> bqhd").x(&[1, 2, 3, 2]).x(&[1, 2, 2, 3]),
        einsum("ij,jk").x(&[2, 3]).x(&[3, 4]),
        einsum("ba,ac").x(&[2, 3]).x(&[3, 4]),
        einsum("i,j->ij").x(&[2]).x(&[3]),
        einsum("i,i->").x(&[3]).x(&[3]),
        einsum("ij,kl->i").x(&[2, 3]).x(&[2, 2]),
        einsum("ij->ji").x(&[2, 3]),
        einsum("ijk->j").x(&[2, 3, 2]),
        einsum("ba").x(&[2, 3]),
        einsum("...ij,...jk->...ik").x(&[2, 1, 2, 3]).x(&[1, 2, 3, 2]),
        einsum("...d,d->...").x(&[2, 2, 3]).x(&[3]),
        einsum("i...->...").x(&[2, 3, 2]),
        einsum("bnij,njk->bnik").x(&[2, 2, 1, 3]).floats(&[2, 3, 1], &[1., 2., 3., 4., 5., 6.]),
    ]
}
