//! ONNX files: reading, graph queries, layer choice, surgery, weights.

#[allow(missing_docs, clippy::all)]
pub mod proto {
    //! Message types generated from `proto/onnx.proto`.
    include!(concat!(env!("OUT_DIR"), "/proto/mod.rs"));
}
