//! What of the fixtures was trained, and fresh values for it.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{fixture, model};
use forget_audit::onnx::{Graph, Head, Model, Role, fresh, parameters, patched, trainable};

#[test]
fn all_parameters_behind_the_head_are_trainable() {
    // Two independent readings of the same files agree; one walks back from the head and takes every
    // float constant, the other looks at what reads each constant.
    let odd =
        ["fixed-batch", "softmax-end", "matmul-add-head", "mlp-head", "fp16", "external/model"];
    let paths = ["conv-original", "conv-original-dynamo", "vit-original", "vit-original-dynamo"]
        .map(model)
        .into_iter()
        .chain(odd.map(|n| fixture(&format!("odd/{n}.onnx"))));
    for path in paths {
        let model = Model::open(&path).expect("a model");
        let graph = Graph::new(&model).expect("a graph");
        let head = Head::find(&graph).expect("a head");
        let all = parameters(&graph, &head);
        let all: BTreeSet<(&str, usize)> = all.iter().map(|p| (p.name, p.len())).collect();
        let found = trainable(&graph);
        let names: BTreeSet<(&str, usize)> = found.iter().map(|t| (t.name, t.len())).collect();
        assert_eq!(names, all, "{}", path.display());
        let weight = found.iter().find(|t| t.name == head.weight_name).expect("the head");
        assert_eq!(weight.role, Role::Weight);
        assert_eq!(weight.values().len(), head.weight.len());
    }
}

#[test]
fn the_transformer_has_its_tokens_and_positions() {
    let model = Model::open(model("vit-original")).expect("a model");
    let graph = Graph::new(&model).expect("a graph");
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for tensor in trainable(&graph).iter().filter(|t| t.role == Role::Embedding) {
        *count.entry(format!("{:?}", tensor.tensor.dims())).or_default() += 1;
    }
    assert_eq!(count.values().sum::<usize>(), 2, "{count:?}");
}

#[test]
fn fresh_values_fit_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["conv-original.onnx", "vit-original-dynamo.onnx", "odd/fp16.onnx"] {
        let original = Model::open(fixture(name)).expect("a model");
        let values = fresh(&Graph::new(&original).expect("a graph"), 3).expect("values");
        let out = folder.path().join(name.replace('/', "-"));
        patched(&original, &values).expect("a patch").write(&out).expect("written");
        let read = Model::open(&out).expect("the fresh model");
        let graph = Graph::new(&read).expect("a graph");
        for tensor in trainable(&graph) {
            let close = |(a, b): (&f32, f32)| (a - b).abs() <= 1e-3 * a.abs() + 1e-7;
            assert!(values[tensor.name].iter().zip(tensor.values()).all(close), "{}", tensor.name);
        }
    }
}
