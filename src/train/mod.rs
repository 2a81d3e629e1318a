//! An ONNX graph, given at run time, as a differentiable program on burn's backends.
//!
//! Shapes, indices, masks and integer arithmetic stay on the host; float tensors are burn tensors
//! of any rank. No other module names burn.

mod arithmetic;
mod arrange;
mod call;
mod device;
mod engine;
mod fuse;
mod gradients;
mod host;
mod kernels;
mod loss;
mod node;
mod ops;
mod optimizer;
mod parity;
mod program;
mod tensor;
mod trainer;
mod value;

pub use burn_backend::tensor::Device as BackendDevice;
pub use call::{BatchNorm, Call, Statistics};
pub use device::{OnDevice, check_device, on_device};
pub use engine::{Base, Cpu, Engine, Operation};
pub use gradients::gradients_of;
pub use host::{Host, HostData};
pub use loss::{Contrast, contrastive, cross_entropy};
pub use node::Node;
pub use ops::{OPERATORS, Operator, operators_page};
pub use optimizer::{Decay, Optimizer, Schedule};
pub use parity::{Deviation, parity, random_batch};
pub use program::{Bound, Program};
pub use tensor::Tensor;
pub use trainer::Trainer;
pub use value::Value;
