//! What the trainer does not run is refused before it starts, or names the node that fails.

use std::collections::{BTreeMap, HashMap, HashSet};

use forget_audit::onnx::Model;
use forget_audit::train::{BatchNorm, Bound, Cpu, Program};
use protobuf::Message;

use crate::case::{Case, case};

fn refused(case: Case) -> String {
    let error = Program::new(&case.filled().model()).expect_err("a refusal");
    assert!(error.remedy().contains("docs/operators.md"), "{}", error.remedy());
    error.to_string()
}

#[test]
fn an_unknown_operator_is_named_with_its_node_and_opset() {
    let message = refused(case("Hardmax", 13).x(&[2, 3]));
    for part in ["the_node", "Hardmax", "opset 13", "does not support this operator"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_older_opset_than_the_registry_s_is_refused() {
    let message = refused(case("Add", 6).x(&[2]).x(&[2]));
    for part in ["the_node", "Add", "opset 6", "from opset 7 on"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_operator_of_another_domain_is_refused() {
    let mut proto = case("Relu", 13).x(&[2]).filled().model().proto().clone();
    let graph = proto.graph.as_mut().expect("a graph");
    graph.node[0].domain = Some("com.example".into());
    let bytes = proto.write_to_bytes().expect("a message");
    let error = Program::new(&Model::from_bytes(&bytes).expect("a model")).expect_err("a refusal");
    let message = error.to_string();
    for part in ["the_node", "Relu", "opset 13", "\"com.example\""] {
        assert!(message.contains(part), "{message}");
    }
}

/// Shapes and attributes that don't fit are errors that name the node, never panics.
#[test]
fn broken_operands_name_the_node() {
    let x = |op, opset| case(op, opset).floats(&[2, 3], &[0.5; 6]);
    let broken = [
        x("Reshape", 13).list(&[4, -1]),
        x("Reshape", 13).list(&[-1, -1]),
        x("Reshape", 13).list(&[2, 3, 0]),
        x("Reshape", 13).list(&[-2, 3]),
        x("Reshape", 13).list(&[i64::MAX, i64::MAX]),
        x("Flatten", 13).int("axis", 3),
        x("Squeeze", 13).list(&[0]),
        x("Squeeze", 13).list(&[2]),
        x("Unsqueeze", 13).list(&[0, -4]),
        x("Unsqueeze", 13),
        x("Transpose", 13).int_list("perm", &[0, 0]),
        x("Transpose", 13).int_list("perm", &[0]),
        x("Expand", 13).list(&[4]),
        x("Expand", 13).list(&[-1, 3]),
        x("DepthToSpace", 13).int("blocksize", 2),
        case("DepthToSpace", 13).floats(&[1, 3, 1, 1], &[0.0; 3]).int("blocksize", 2),
        case("SpaceToDepth", 13).floats(&[1, 1, 3, 1], &[0.0; 3]).int("blocksize", 2),
        case("SpaceToDepth", 13).floats(&[1, 1, 3, 1], &[0.0; 3]),
        x("Gather", 13).list(&[2]),
        x("Gather", 13).list(&[0]).int("axis", 2),
        case("Gather", 13).floats(&[], &[0.0]).list(&[0]),
        x("GatherND", 13).ints(&[1, 3], &[0, 0, 0]),
        x("GatherND", 13).ints(&[1, 2], &[0, 3]),
        x("GatherND", 13).ints(&[], &[0]),
        x("GatherND", 13).list(&[0]).int("batch_dims", 1),
        x("ScatterND", 13).ints(&[1, 1], &[0]).floats(&[1, 2], &[0.0; 2]),
        x("ScatterND", 13).ints(&[1, 1], &[2]).floats(&[1, 3], &[0.0; 3]),
        x("ScatterND", 16).ints(&[1, 1], &[0]).floats(&[1, 3], &[0.0; 3]).text("reduction", "add"),
        x("Slice", 13).list(&[0, 0]).list(&[1]),
        x("Slice", 13).list(&[0]).list(&[1]).list(&[0]).list(&[0]),
        x("Slice", 13).list(&[0]).list(&[1]).list(&[5]),
        x("Slice", 7),
        x("Split", 13).list(&[1, 2]),
        x("Split", 13).list(&[-1, 3]).outputs(2),
        x("Split", 13).int("axis", 1).outputs(2),
        x("Split", 18).int("num_outputs", 0),
        x("Pad", 13).list(&[1, 1]),
        x("Pad", 13).list(&[0, 0, -3, 0]),
        x("Pad", 13).list(&[2, 0, 0, 0]).text("mode", "reflect"),
        x("Pad", 13).list(&[0, 0, 0, i64::MIN]),
        x("Concat", 13).floats(&[2, 2], &[0.0; 4]).int("axis", 0),
        x("Concat", 13).floats(&[3], &[0.0; 3]).int("axis", 0),
        x("Concat", 13).floats(&[1, 3], &[0.0; 3]).int("axis", 2),
        x("Tile", 13).list(&[2]),
        x("Tile", 13).list(&[2, -1]),
        x("Equal", 13).floats(&[2], &[0.0; 2]),
        x("Cast", 13).int("to", 8),
        x("Cast", 13).int("to", 99),
        x("ReduceSum", 13).list(&[2]),
        x("ReduceL1", 18).int("noop_with_empty_axes", 1),
        case("ReduceMax", 18).floats(&[0, 2], &[]),
        case("ConstantOfShape", 13).list(&[-1]),
        case("ConstantOfShape", 13).list(&[i64::MAX, 4]),
        case("Range", 13).ints(&[], &[0]).ints(&[], &[4]).ints(&[], &[0]),
        case("Range", 13).ints(&[], &[0]).ints(&[], &[i64::MAX]).ints(&[], &[1]),
        case("Where", 13).bools(&[2], &[true; 2]).floats(&[3], &[0.0; 3]).floats(&[], &[0.0]),
        case("Where", 13).bools(&[2], &[true; 2]).floats(&[2], &[0.0; 2]).list(&[1, 2]),
        x("Einsum", 13).text("equation", "ij,jk->ik"),
        x("Einsum", 13).text("equation", "ii->i"),
        x("Einsum", 13).text("equation", "ijk->i"),
        x("Einsum", 13).text("equation", "ij->k"),
        x("Einsum", 13).text("equation", "i1->i"),
        x("Einsum", 13).floats(&[4, 2], &[0.0; 8]).text("equation", "ij,jk->ik"),
        x("Add", 13).floats(&[2], &[0.0; 2]),
        x("MatMul", 13).floats(&[2, 3], &[0.0; 6]),
        x("Gemm", 13).floats(&[2, 3], &[0.0; 6]),
        x("Gemm", 13).floats(&[3, 2], &[0.0; 6]).floats(&[3], &[0.0; 3]),
        x("Conv", 13).floats(&[2, 3], &[0.0; 6]),
        case("Conv", 13).floats(&[1, 2, 3], &[0.0; 6]).floats(&[1, 3, 1], &[0.0; 3]),
        case("Conv", 13).floats(&[1, 1, 3], &[0.0; 3]).floats(&[1, 1, 5], &[0.0; 5]),
        case("MaxPool", 13).floats(&[1, 1, 3], &[0.0; 3]).int_list("kernel_shape", &[5]),
        case("MaxPool", 13).floats(&[1, 1, 3], &[0.0; 3]).int_list("kernel_shape", &[0]),
        case("AveragePool", 13).floats(&[1, 1, 3], &[0.0; 3]),
        x("Softmax", 13).int("axis", 2),
        x("PRelu", 13).floats(&[2], &[0.0; 2]),
        x("LayerNormalization", 17).floats(&[2], &[0.0; 2]),
        x("GroupNormalization", 18).floats(&[2], &[0.0; 2]).floats(&[2], &[0.0; 2]),
        x("BatchNormalization", 15)
            .floats(&[2], &[0.0; 2])
            .floats(&[2], &[0.0; 2])
            .floats(&[2], &[0.0; 2])
            .floats(&[2], &[0.0; 2]),
        case("Div", 13).list(&[1]).list(&[0]),
        case("Mod", 13).list(&[1]).list(&[0]),
        case("LRN", 13).floats(&[1, 2, 2], &[0.0; 4]),
    ];
    for case in broken {
        let model = case.model();
        let program = Program::new(&model).expect("a known operator");
        // Only constants: the node runs as the program is bound.
        let error =
            Bound::<Cpu>::new(&program, &case.output_names(), &HashSet::new(), Default::default())
                .and_then(|bound| bound.run(HashMap::new(), &BTreeMap::new(), BatchNorm::Frozen))
                .map(|(values, _)| values)
                .expect_err(&format!("a refusal: {case:?}"));
        let message = error.to_string();
        assert!(message.contains("the_node") && message.contains(case.op), "{message}");
    }
}
