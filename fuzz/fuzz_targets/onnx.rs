//! `cargo fuzz run onnx`: no bytes make the ONNX reader panic, hang or ask for absurd memory.
#![no_main]

use forget_audit::onnx::Model;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::from_bytes(bytes);
});
