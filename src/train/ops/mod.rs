//! The operators: one registry line each, one file a family.

use super::call::Call;
use super::engine::Engine;
use super::node::Node;
use super::value::Value;
use crate::{Error, Result};

mod activation;
mod concat;
mod constant;
mod conv;
mod einsum;
mod elementwise;
mod gather;
mod linear;
mod logic;
mod normalization;
mod pool;
mod reduce;
mod shape;
mod slice;
mod window;

pub use activation::log_softmax_rows;

/// How an operator is executed.
pub type Run<E> = fn(&mut Call<E>) -> Result<Vec<Value<E>>>;

/// An operator of ONNX's default domain that the trainer can run and differentiate.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Its name in ONNX.
    pub name: &'static str,
    /// The first version of the operator set whose form of it is understood.
    pub since: i64,
    /// What a gradient flows to.
    pub gradient: &'static str,
    /// What is not supported or worth knowing.
    pub note: &'static str,
}

macro_rules! operators {
    ($($name:literal $since:literal $run:path, $gradient:literal $(, $note:literal)?;)*) => {
        /// Every operator that is supported.
        pub const OPERATORS: &[Operator] = &[
            $(Operator {
                name: $name,
                since: $since,
                gradient: $gradient,
                note: concat!($($note)?),
            },)*
        ];

        /// How the operator `name` is executed.
        pub(super) fn find<E: Engine>(name: &str) -> Option<Run<E>> {
            match name {
                $($name => Some($run),)*
                _ => None,
            }
        }
    };
}

operators! {
    "Abs" 6 elementwise::abs, "x";
    "Add" 7 elementwise::add, "a, b";
    "And" 7 logic::and, "none";
    "AveragePool" 7 pool::average, "x", "1-D and 2-D";
    "BatchNormalization" 9 normalization::batch, "x, scale, bias",
        "running statistics frozen, or trained on request";
    "Cast" 6 constant::cast, "x", "between floats the identity";
    "CastLike" 15 constant::cast_like, "x", "between floats the identity";
    "Ceil" 6 elementwise::ceil, "zero";
    "Celu" 12 activation::celu, "x";
    "Clip" 6 activation::clip, "x";
    "Concat" 4 concat::concat, "all";
    "Constant" 1 constant::constant, "none", "dense tensors, numbers and lists of numbers";
    "ConstantOfShape" 9 constant::constant_of_shape, "none";
    "Conv" 1 conv::conv, "x, w, bias", "1-D and 2-D";
    "ConvTranspose" 1 conv::conv_transpose, "x, w, bias", "1-D and 2-D";
    "Cos" 7 elementwise::cos, "x";
    "DepthToSpace" 1 shape::depth_to_space, "x";
    "Div" 7 elementwise::div, "a, b";
    "Dropout" 7 shape::dropout, "x", "the identity, as in inference";
    "Einsum" 12 einsum::einsum, "all", "one or two operands, no repeated index within one";
    "Elu" 6 activation::elu, "x";
    "Equal" 7 logic::equal, "none";
    "Erf" 9 elementwise::erf, "x";
    "Exp" 6 elementwise::exp, "x";
    "Expand" 8 shape::expand, "x";
    "Flatten" 1 shape::flatten, "x";
    "Floor" 6 elementwise::floor, "zero";
    "Gather" 1 gather::gather, "data";
    "GatherND" 11 gather::gather_nd, "data";
    "Gelu" 20 activation::gelu, "x";
    "Gemm" 7 linear::gemm, "a, b, c";
    "GlobalAveragePool" 1 pool::global_average, "x";
    "GlobalMaxPool" 1 pool::global_max, "x";
    "Greater" 7 logic::greater, "none";
    "GreaterOrEqual" 12 logic::greater_or_equal, "none";
    "GroupNormalization" 18 normalization::group, "x, scale, bias";
    "HardSigmoid" 6 activation::hard_sigmoid, "x";
    "HardSwish" 14 activation::hard_swish, "x";
    "Identity" 1 shape::identity, "x";
    "InstanceNormalization" 6 normalization::instance, "x, scale, bias";
    "IsInf" 10 logic::is_inf, "none";
    "IsNaN" 9 logic::is_nan, "none";
    "LRN" 1 normalization::local_response, "x";
    "LayerNormalization" 17 normalization::layer, "x, scale, bias", "first output only";
    "LeakyRelu" 6 activation::leaky_relu, "x";
    "Less" 7 logic::less, "none";
    "LessOrEqual" 12 logic::less_or_equal, "none";
    "Log" 6 elementwise::log, "x";
    "LogSoftmax" 1 activation::log_softmax, "x";
    "MatMul" 1 linear::matmul, "a, b";
    "Max" 6 elementwise::max, "all", "to the first where several are equal";
    "MaxPool" 1 pool::max, "x", "1-D and 2-D, first output only";
    "Mean" 6 elementwise::mean, "all";
    "Min" 6 elementwise::min, "all", "to the first where several are equal";
    "Mish" 18 activation::mish, "x";
    "Mod" 10 elementwise::modulo, "none", "integers and host values";
    "Mul" 7 elementwise::mul, "a, b";
    "Neg" 6 elementwise::neg, "x";
    "Not" 1 logic::not, "none";
    "Or" 7 logic::or, "none";
    "PRelu" 7 activation::prelu, "x, slope";
    "Pad" 2 concat::pad, "x", "modes constant, reflect, edge and wrap";
    "Pow" 7 elementwise::pow, "base", "exponent a constant or a tensor";
    "Range" 11 constant::range, "none";
    "Reciprocal" 6 elementwise::reciprocal, "x";
    "ReduceL1" 1 reduce::l1, "x";
    "ReduceL2" 1 reduce::l2, "x";
    "ReduceLogSumExp" 1 reduce::log_sum_exp, "x";
    "ReduceMax" 1 reduce::max, "x", "to the first of the largest";
    "ReduceMean" 1 reduce::mean, "x";
    "ReduceMin" 1 reduce::min, "x", "to the first of the smallest";
    "ReduceProd" 1 reduce::prod, "x";
    "ReduceSum" 1 reduce::sum, "x";
    "ReduceSumSquare" 1 reduce::sum_square, "x";
    "Relu" 6 activation::relu, "x";
    "Reshape" 5 shape::reshape, "x";
    "Round" 11 elementwise::round, "zero";
    "ScatterND" 11 gather::scatter_nd, "data, updates", "reduction none";
    "Selu" 6 activation::selu, "x";
    "Shape" 1 shape::shape, "none";
    "Sigmoid" 6 activation::sigmoid, "x";
    "Sign" 9 elementwise::sign, "zero";
    "Sin" 7 elementwise::sin, "x";
    "Size" 1 shape::size, "none";
    "Slice" 1 slice::slice, "x";
    "Softmax" 1 activation::softmax, "x";
    "Softplus" 1 activation::softplus, "x";
    "Softsign" 1 activation::softsign, "x";
    "SpaceToDepth" 1 shape::space_to_depth, "x";
    "Split" 2 slice::split, "x";
    "Sqrt" 6 elementwise::sqrt, "x";
    "Squeeze" 1 shape::squeeze, "x";
    "Sub" 7 elementwise::sub, "a, b";
    "Sum" 6 elementwise::sum, "all";
    "Tanh" 6 activation::tanh, "x";
    "Tile" 6 concat::tile, "x";
    "Transpose" 1 shape::transpose, "x";
    "Unsqueeze" 1 shape::unsqueeze, "x";
    "Where" 9 logic::select, "x, y";
    "Xor" 7 logic::xor, "none";
}

/// Whether the trainer can run `node` of `domain`.
///
/// # Errors
/// When it can't: the error names node, operator and opset.
pub(super) fn check(node: &Node, domain: &str) -> Result<()> {
    let known = OPERATORS.iter().find(|o| o.name == node.op);
    let problem = match known {
        _ if !matches!(domain, "" | "ai.onnx") => {
            format!("the trainer does not support operators of the domain \"{domain}\"")
        }
        None => "the trainer does not support this operator".to_owned(),
        Some(o) if node.opset < o.since => {
            format!("the trainer supports this operator from opset {} on", o.since)
        }
        Some(_) => return Ok(()),
    };
    let remedy = "docs/operators.md lists what is supported; export the model with those operators";
    Err(Error::input(
        format!("node \"{}\" ({}, opset {})", node.name, node.op, node.opset),
        problem,
        remedy,
    ))
}

/// docs/operators.md, from the registry.
pub fn operators_page() -> String {
    let mut page = String::from(
        "# Operators of the trainer\n\n\
         Generated from the registry in `src/train/ops/mod.rs` \
         (`UPDATE_DOCS=1 cargo test --release --test operators` writes it again). \
         A model with any other operator on the way to its outputs is refused before training \
         starts, naming node, operator and opset. Every line is tested against ONNX Runtime, \
         forward, and against numeric gradients, backward, from opset 7 on, the lowest that ONNX \
         Runtime runs.\n\n\
         | operator | from opset | gradient to | notes |\n|---|---|---|---|\n",
    );
    for o in OPERATORS {
        page.push_str(&format!("| {} | {} | {} | {} |\n", o.name, o.since, o.gradient, o.note));
    }
    page
}
