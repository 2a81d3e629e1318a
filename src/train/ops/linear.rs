//! Matrix products.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::host::broadcast;
use crate::train::tensor::Tensor;
use crate::train::value::Value;

type Outputs<E> = Result<Vec<Value<E>>>;

/// `alpha a b + beta c`, `a` and `b` transposed on request.
pub fn gemm<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let transposed = |tensor: Tensor<E>, attribute| match call.node.int(attribute, 0) {
        0 => tensor,
        _ => tensor.permute(&[1, 0]),
    };
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    if a.rank() != 2 || b.rank() != 2 {
        let problem = format!("operands of shapes {:?} and {:?}", a.shape(), b.shape());
        return Err(call.node.invalid(problem));
    }
    let (a, b) = (transposed(a, "transA"), transposed(b, "transB"));
    let (alpha, beta) = (call.node.float("alpha", 1.0), call.node.float("beta", 1.0));
    if a.shape()[1] != b.shape()[0] {
        return Err(mismatch(call, &a, &b));
    }
    let mut product = a.matmul(b);
    if alpha != 1.0 {
        product = product.mul_scalar(alpha.into());
    }
    if let Some(c) = call.optional_tensor(2) {
        let shapes = (product.shape(), c.shape());
        if broadcast(&shapes.0, &shapes.1).as_ref() != Some(&shapes.0) {
            let problem = format!("c of shape {:?} for a product of {:?}", shapes.1, shapes.0);
            return Err(call.node.invalid(problem));
        }
        product = product.plus(if beta == 1.0 { c } else { c.mul_scalar(beta.into()) });
    }
    call.one(product)
}

/// numpy's matmul.
pub fn matmul<E: Engine>(call: &mut Call<E>) -> Outputs<E> {
    let (a, b) = (call.tensor_of_rank(0, 1)?, call.tensor_of_rank(1, 1)?);
    let (row, column) = (a.rank() == 1, b.rank() == 1);
    let a = if row { a.with_rank(2) } else { a };
    let b = if column {
        let length = b.len();
        b.reshape(&[length, 1])
    } else {
        b
    };
    let (left, right) = (a.shape(), b.shape());
    let (m, k) = (left[left.len() - 2], left[left.len() - 1]);
    let n = right[right.len() - 1];
    let batch = broadcast(&left[..left.len() - 2], &right[..right.len() - 2]);
    let Some(mut shape) = batch.filter(|_| right[right.len() - 2] == k) else {
        return Err(mismatch(call, &a, &b));
    };
    let product = if right.len() == 2 && left.len() > 2 {
        // One large product instead of one a sample; the weight's gradient too.
        let rows = left[..left.len() - 1].iter().product();
        a.reshape(&[rows, k]).matmul(b)
    } else {
        a.matmul(b)
    };
    if !row {
        shape.push(m);
    }
    if !column {
        shape.push(n);
    }
    call.one(product.reshape(&shape))
}

fn mismatch<E: Engine>(call: &Call<E>, a: &Tensor<E>, b: &Tensor<E>) -> crate::Error {
    let problem = format!("shapes {:?} and {:?} can't be multiplied", a.shape(), b.shape());
    call.node.invalid(problem)
}
