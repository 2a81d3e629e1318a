//! Generates the ONNX message types from `proto/onnx.proto` (ONNX 1.23, Apache-2.0).
//!
//! rust-protobuf keeps unknown fields, so a file survives read -> write. The published
//! `onnx-protobuf` crate is tied to one old rust-protobuf release that predates the
//! recursion limit on unknown groups, hence our own generation.

fn main() {
    println!("cargo:rerun-if-changed=proto/onnx.proto");
    protobuf_codegen::Codegen::new()
        .pure()
        .include("proto")
        .input("proto/onnx.proto")
        .cargo_out_dir("proto")
        .run_from_script();
}
