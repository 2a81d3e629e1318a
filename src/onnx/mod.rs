//! ONNX files: reading, graph queries, layer choice, surgery, weights.

mod auxiliary;
mod external;
mod graph;
mod head;
mod initialize;
mod layers;
mod model;
mod normalize;
mod parameters;
mod patch;
mod random;
mod reinitialize;
mod role;
mod shape;
mod stored;
mod surgery;
mod tensor;
#[cfg(test)]
mod testing;
mod trainable;
mod wire;
mod write;

pub use auxiliary::{Point, Supervision, logits, with_supervision};
pub use graph::Graph;
pub use head::Head;
pub use initialize::fresh;
pub use layers::{Layer, LayerKind, Selection, choose_layers, match_layers};
pub use model::Model;
pub use normalize::{Normalized, fold, unnormalized, with_batch_norm};
pub use parameters::{
    Parameter, REEXPORT, WeightChange, WeightComparison, compare_weights, parameters,
};
pub use patch::{Patched, data_files, patched};
pub use reinitialize::reinitialized;
pub use role::Role;
pub use surgery::{
    Pooling, TappedLayer, only_outputs, with_outputs, with_pooled_outputs, with_shapes,
};
pub use tensor::Tensor;
pub use trainable::{Trainable, lists, trainable};

#[allow(missing_docs, clippy::all)]
pub mod proto {
    //! Message types generated from `proto/onnx.proto`.
    include!(concat!(env!("OUT_DIR"), "/proto/mod.rs"));
}
