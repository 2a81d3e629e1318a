//! `cargo fuzz run onnx`: no bytes make the ONNX reader, or what looks at a graph before ONNX
//! Runtime does, panic, hang or ask for absurd memory.
#![no_main]

use forget_audit::onnx::{
    Graph, Head, Model, Selection, choose_layers, compare_weights, reinitialized,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Model::from_bytes(bytes).and_then(|model| {
        let graph = Graph::new(&model)?;
        let head = Head::find(&graph)?;
        choose_layers(&graph, &head, &Selection::Automatic)?;
        compare_weights(&graph, &head, &graph, &head);
        reinitialized(&model, 0)
    });
});
