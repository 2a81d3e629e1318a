//! New values written into model files: nothing else may change in them.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::fixture;
use forget_audit::onnx::proto::onnx::{AttributeProto, ModelProto, NodeProto, TensorProto};
use forget_audit::onnx::{Model, Tensor, patched};
use protobuf::{EnumOrUnknown, Message, MessageField};

type Values = BTreeMap<String, Vec<f32>>;

/// The values of all float initializers, in `f32`.
fn values(model: &Model) -> Values {
    let tensors = model.graph_proto().initializer.iter().map(Tensor::new);
    tensors
        .filter(Tensor::is_float)
        .map(|t| {
            let values = t.floats().expect("floats").iter().map(|&v| v as f32).collect();
            (t.name().to_owned(), values)
        })
        .collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every fixture that opens.
fn models() -> Vec<PathBuf> {
    let mut found = vec![fixture("odd/external/model.onnx")];
    for folder in [fixture(""), fixture("odd")] {
        let entries = std::fs::read_dir(folder).expect("the fixtures");
        let paths = entries.map(|e| e.expect("an entry").path());
        found.extend(paths.filter(|p| p.extension().is_some_and(|e| e == "onnx")));
    }
    found.retain(|p| !p.ends_with("external-escape.onnx"));
    assert!(found.len() > 30);
    found
}

/// A model of one Gemm whose weight, 2 x 3, is `weight`, in a temporary folder.
fn saved(weight: TensorProto, change: impl Fn(&mut Vec<u8>)) -> (tempfile::TempDir, PathBuf) {
    let mut proto =
        ModelProto::parse_from_bytes(&bytes(&fixture("odd/no-head.onnx"))).expect("a model");
    let graph = proto.graph.as_mut().expect("a graph");
    graph.initializer.push(weight);
    let mut file = proto.write_to_bytes().expect("bytes");
    change(&mut file);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, file).expect("written");
    (folder, path)
}

fn tensor(data_type: i32) -> TensorProto {
    TensorProto {
        name: Some("w".into()),
        dims: vec![2, 3],
        data_type: Some(data_type),
        ..Default::default()
    }
}

const FLOAT: i32 = 1;
const HALF: i32 = 10;
const DOUBLE: i32 = 11;
const BRAIN: i32 = 16;
const SIX: [f32; 6] = [0.5, -1.0, 2.0, 0.0, -0.25, 8.0];

fn one(values: &[f32]) -> Values {
    Values::from([("w".to_owned(), values.to_vec())])
}

/// What "w" holds after a patch with `new`, and how many bytes of the file differ.
fn round_trip(path: &Path, new: &[f32]) -> (Vec<f64>, Vec<u8>) {
    let out = path.with_file_name("out.onnx");
    let model = Model::open(path).expect("a model");
    let own = values(&model)["w"].clone();
    patched(&model, &one(&own)).expect("a patch").write(&out).expect("written");
    assert_eq!(bytes(&out), bytes(path), "its own values");
    patched(&model, &one(new)).expect("a patch").write(&out).expect("written");
    let read = Model::open(&out).expect("the patched model");
    let found = read.graph_proto().initializer.iter().find(|t| t.name() == "w").expect("w");
    (Tensor::new(found).floats().expect("floats"), bytes(&out))
}

#[test]
fn a_models_own_values_give_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in models() {
        let model = Model::open(&path).expect("a model");
        let out = folder.path().join("out.onnx");
        patched(&model, &values(&model)).expect("a patch").write(&out).expect("written");
        assert!(bytes(&out) == bytes(&path), "{}", path.display());
    }
}

#[test]
fn new_values_are_read_back_and_nothing_else_differs() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in models() {
        let model = Model::open(&path).expect("a model");
        let out = folder.path().join(format!("{}.onnx", path.display()).replace('/', "_"));
        let mut new = values(&model);
        // Numbers that half precision holds too.
        new.values_mut().flatten().enumerate().for_each(|(i, v)| *v = (i % 97) as f32 / 64.0 - 0.5);
        patched(&model, &new).expect("a patch").write(&out).expect("written");
        let patched = Model::open(&out).expect("the patched model");
        assert_eq!(values(&patched), new, "{}", path.display());

        // With the values taken out, both messages are the same.
        let emptied = |model: &Model| {
            let mut proto = model.proto().clone();
            for t in &mut proto.graph.as_mut().expect("a graph").initializer {
                if Tensor::new(t).is_float() {
                    t.raw_data = None;
                    t.float_data.clear();
                }
            }
            proto
        };
        assert!(emptied(&model) == emptied(&patched), "{}", path.display());
        assert_eq!(bytes(&out).len(), bytes(&path).len());
    }
}

#[test]
fn every_encoding_of_floats_is_patched_in_place() {
    let doubled: Vec<f32> = SIX.iter().map(|v| 2.0 * v).collect();
    let expected: Vec<f64> = doubled.iter().map(|&v| f64::from(v)).collect();
    let raw = |data_type, raw: Vec<u8>| TensorProto { raw_data: Some(raw), ..tensor(data_type) };
    let halves = SIX.map(half::f16::from_f32);
    let brains = SIX.map(half::bf16::from_f32);
    let cases = [
        raw(FLOAT, SIX.iter().flat_map(|v| v.to_le_bytes()).collect()),
        raw(DOUBLE, SIX.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect()),
        raw(HALF, halves.iter().flat_map(|v| v.to_le_bytes()).collect()),
        raw(BRAIN, brains.iter().flat_map(|v| v.to_le_bytes()).collect()),
        TensorProto { float_data: SIX.to_vec(), ..tensor(FLOAT) },
        TensorProto { double_data: SIX.map(f64::from).to_vec(), ..tensor(DOUBLE) },
        TensorProto {
            int32_data: halves.iter().map(|v| v.to_bits().into()).collect(),
            ..tensor(HALF)
        },
        TensorProto {
            int32_data: brains.iter().map(|v| v.to_bits().into()).collect(),
            ..tensor(BRAIN)
        },
    ];
    for case in cases {
        let (_folder, path) = saved(case.clone(), |_| {});
        assert_eq!(round_trip(&path, &doubled).0, expected, "{case:?}");
    }
}

#[test]
fn numbers_in_a_field_each_stay_so() {
    // float_data (field 4) unpacked: tag 4 << 3 | 5, then four bytes. An initializer is field 5 of the
    // graph, the graph field 7 of the model.
    let field = |number: u8, message: &[u8]| {
        let (low, high) = (message.len() as u8 | 0x80, (message.len() >> 7) as u8);
        [&[number << 3 | 2, low, high], message].concat()
    };
    let mut message = tensor(FLOAT).write_to_bytes().expect("bytes");
    for v in SIX {
        message.push(4 << 3 | 5);
        message.extend(v.to_le_bytes());
    }
    let base = bytes(&fixture("odd/no-head.onnx"));
    let mut proto = ModelProto::parse_from_bytes(&base).expect("a model");
    let graph = proto.graph.take().expect("a graph").write_to_bytes().expect("bytes");
    let graph = [graph, field(5, &message)].concat();
    let file = [proto.write_to_bytes().expect("bytes"), field(7, &graph)].concat();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, &file).expect("written");

    let doubled: Vec<f32> = SIX.iter().map(|v| 2.0 * v).collect();
    let (found, after) = round_trip(&path, &doubled);
    assert_eq!(found, doubled.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
    let differing: Vec<usize> = (0..file.len()).filter(|&i| file[i] != after[i]).collect();
    assert!(differing.iter().all(|&i| i >= file.len() - 6 * 5), "{differing:?}");
}

#[test]
fn bits_that_need_more_bytes_set_all_lengths_right() {
    // Zero is one byte as a varint, 1.0 (0x3c00 in float16) two: the tensor, the graph and the list
    // grow. No other byte may differ but their lengths.
    let zeros = TensorProto { int32_data: vec![0; 6], ..tensor(HALF) };
    let (_folder, path) = saved(zeros, |_| {});
    let (found, after) = round_trip(&path, &[1.0; 6]);
    assert_eq!(found, [1.0; 6]);
    assert_eq!(after.len(), bytes(&path).len() + 6);
}

#[test]
fn fields_that_nobody_knows_stay() {
    // Field 1000 of the model (a string) and 1001 (a group, long deprecated), in front of all others.
    let unknown = [0xc2, 0x3e, 2, b'h', b'i', 0xcb, 0x3e, 0x08, 7, 0xcc, 0x3e];
    let weight = TensorProto { float_data: SIX.to_vec(), ..tensor(FLOAT) };
    let (_folder, path) = saved(weight, |file| drop(file.splice(0..0, unknown)));
    let (_, after) = round_trip(&path, &[3.0; 6]);
    assert_eq!(after[..unknown.len()], unknown);
    assert_eq!(after.len(), bytes(&path).len());
}

#[test]
fn a_constant_node_is_known_by_its_output() {
    let mut proto =
        ModelProto::parse_from_bytes(&bytes(&fixture("odd/no-head.onnx"))).expect("a model");
    let value = AttributeProto {
        name: Some("value".into()),
        type_: Some(EnumOrUnknown::from_i32(4)),
        t: MessageField::some(TensorProto {
            name: None,
            float_data: SIX.to_vec(),
            ..tensor(FLOAT)
        }),
        ..Default::default()
    };
    proto.graph.as_mut().expect("a graph").node.push(NodeProto {
        op_type: Some("Constant".into()),
        output: vec!["c".into()],
        attribute: vec![value],
        ..Default::default()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let (path, out) = (folder.path().join("model.onnx"), folder.path().join("out.onnx"));
    std::fs::write(&path, proto.write_to_bytes().expect("bytes")).expect("written");
    let model = Model::open(&path).expect("a model");
    let new = Values::from([("c".to_owned(), vec![4.0; 6])]);
    patched(&model, &new).expect("a patch").write(&out).expect("written");
    let read = Model::open(&out).expect("the patched model");
    let node = read.graph_proto().node.last().expect("a node");
    assert_eq!(node.attribute[0].t.float_data, [4.0; 6]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let weight = TensorProto { float_data: SIX.to_vec(), ..tensor(FLOAT) };
    let (folder, path) = saved(weight, |_| {});
    let model = Model::open(&path).expect("a model");
    let refusal = |values: &Values| match patched(&model, values) {
        Ok(_) => panic!("accepted {values:?}"),
        Err(e) => e.to_string(),
    };
    assert!(refusal(&one(&SIX[..5])).contains("\"w\" holds 6 values, but 5 were given"));
    assert!(refusal(&one(&[0.0; 7])).contains("\"w\" holds 6 values, but 7 were given"));
    assert!(
        refusal(&one(&[f32::NAN; 6])).contains("\"w\" would hold a value that is not finite, at 0")
    );
    let unknown = Values::from([("v".to_owned(), vec![0.0])]);
    assert!(refusal(&unknown).contains("\"v\" is no initializer"));
    let integer = Values::from([("from".to_owned(), vec![0.0])]);
    assert!(refusal(&integer).contains("\"from\" is not of floating point"));

    let out = folder.path().join("other.onnx");
    let patch = patched(&model, &one(&SIX)).expect("a patch");
    let own = patch.write(&path).expect_err("the original").to_string();
    assert!(own.contains("is a file of a model that is read"), "{own}");
    std::fs::write(&path, bytes(&fixture("odd/no-head.onnx"))).expect("written");
    assert!(refusal(&one(&SIX)).contains("changed while it was in use"));
    // What was read before is written.
    patch.write(&out).expect("written");
}

#[test]
fn half_precision_that_overflows_is_refused() {
    let zeros = TensorProto { int32_data: vec![0; 6], ..tensor(HALF) };
    let (_folder, path) = saved(zeros, |_| {});
    let model = Model::open(&path).expect("a model");
    // The largest float16 is 65504; from 65520 on a number rounds to infinity.
    let ok = [65504.0, 0.0, 0.0, 65519.0, 0.0, 0.0];
    assert!(patched(&model, &one(&ok)).is_ok());
    let error = patched(&model, &one(&[0.0, 7e4, 0.0, 0.0, 0.0, 0.0])).err().expect("refused");
    assert!(
        error.to_string().contains("\"w\" would hold 7e4 at 1, more than float16 can"),
        "{error}"
    );
}

/// The external fixture, copied into a temporary folder.
fn external() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["model.onnx", "weights.bin"] {
        let to = folder.path().join(name);
        std::fs::copy(fixture("odd/external").join(name), to).expect("copied");
    }
    let path = folder.path().join("model.onnx");
    (folder, path)
}

/// Long enough for every tensor, a pointer's text would be read as weights.
#[test]
fn a_git_lfs_pointer_is_no_external_data() {
    let (folder, path) = external();
    let weights = folder.path().join("weights.bin");
    let size = bytes(&weights).len();
    for length in [0, 2 * size] {
        let text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
        let pointer = [text, &" ".repeat(length)].concat();
        std::fs::write(&weights, pointer).expect("written");
        let error = Model::open(&path).map(drop).expect_err("a refusal").to_string();
        assert!(error.contains("weights.bin") && error.contains("a Git LFS pointer"), "{error}");
    }
}

#[test]
fn one_data_file_under_two_names_is_patched_under_both() {
    let (folder, path) = external();
    let mut proto = ModelProto::parse_from_bytes(&bytes(&path)).expect("a model");
    let graph = proto.graph.as_mut().expect("a graph");
    graph.initializer[0].external_data[0].set_value("./weights.bin".into());
    std::fs::write(&path, proto.write_to_bytes().expect("bytes")).expect("written");
    let model = Model::open(&path).expect("a model");
    let mut new = values(&model);
    new.values_mut().flatten().for_each(|v| *v = -*v - 1.0);
    for out in [folder.path().join("out.onnx"), folder.path().join("deeper/out.onnx")] {
        patched(&model, &new).expect("a patch").write(&out).expect("written");
        assert_eq!(values(&Model::open(&out).expect("the patched model")), new);
    }
}

#[test]
fn external_bytes_that_two_tensors_share_are_not_changed_for_one() {
    let (_folder, path) = external();
    let mut proto = ModelProto::parse_from_bytes(&bytes(&path)).expect("a model");
    let graph = proto.graph.as_mut().expect("a graph");
    let mut twin = graph.initializer[0].clone();
    let name = twin.name().to_owned();
    twin.set_name("twin".into());
    graph.initializer.push(twin);
    std::fs::write(&path, proto.write_to_bytes().expect("bytes")).expect("written");
    let model = Model::open(&path).expect("a model");
    let mut new = values(&model);
    assert!(patched(&model, &new).is_ok(), "its own values change nothing");
    new.get_mut(&name).expect("values")[0] += 1.0;
    let error = patched(&model, &new).err().expect("refused").to_string();
    assert!(error.contains("shares its bytes with \"twin\""), "{error}");
}

fn locations(path: &Path) -> Vec<String> {
    let proto = ModelProto::parse_from_bytes(&bytes(path)).expect("a model");
    let tensors = &proto.graph.initializer;
    let entries = tensors.iter().flat_map(|t| &t.external_data).filter(|e| e.key() == "location");
    let mut found: Vec<String> = entries.map(|e| e.value().to_owned()).collect();
    found.dedup();
    found
}

#[test]
fn external_data_in_another_folder_keep_their_names() {
    let (folder, path) = external();
    let model = Model::open(&path).expect("a model");
    let mut new = values(&model);
    let name = new.keys().next().expect("a name").clone();
    // One tensor changes: the others must be found in the copy too.
    new.retain(|n, _| *n == name);
    new.values_mut().flatten().for_each(|v| *v += 1.0);
    let out = folder.path().join("deeper/out.onnx");
    patched(&model, &new).expect("a patch").write(&out).expect("written");
    assert_eq!(bytes(&out), bytes(&path));
    assert_eq!(
        bytes(&fixture("odd/external/weights.bin")),
        bytes(&folder.path().join("weights.bin"))
    );
    let mut expected = values(&model);
    expected.extend(new);
    assert_eq!(values(&Model::open(&out).expect("the patched model")), expected);

    // A second model there must not take the data of the first.
    let second = folder.path().join("deeper/second.onnx");
    patched(&model, &Values::new()).expect("a patch").write(&second).expect("written");
    assert_eq!(locations(&second), ["second.onnx.data"]);
    assert_eq!(values(&Model::open(&second).expect("the second")), values(&model));
    assert_eq!(values(&Model::open(&out).expect("the first")), expected);
}

#[test]
fn external_data_in_the_same_folder_get_a_name_of_their_own() {
    let (folder, path) = external();
    let model = Model::open(&path).expect("a model");
    let mut new = values(&model);
    new.values_mut().flatten().for_each(|v| *v = -*v - 1.0);
    // Long enough that the lengths around it need another byte.
    let name = format!("{}.onnx", "unlearned-".repeat(15));
    let out = folder.path().join(&name);
    patched(&model, &new).expect("a patch").write(&out).expect("written");
    assert_eq!(locations(&out), [format!("{name}.data")]);
    assert_eq!(values(&Model::open(&out).expect("the patched model")), new);
    assert_eq!(
        bytes(&fixture("odd/external/weights.bin")),
        bytes(&folder.path().join("weights.bin"))
    );
    assert_eq!(bytes(&fixture("odd/external/model.onnx")), bytes(&path));

    // Again to the same place: replaced, and nothing is left of the temporary files.
    patched(&model, &Values::new()).expect("a patch").write(&out).expect("written");
    assert_eq!(values(&Model::open(&out).expect("the patched model")), values(&model));
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 4);

    let data = folder.path().join("weights.bin");
    let error = patched(&model, &new).expect("a patch").write(&data).expect_err("refused");
    assert!(error.to_string().contains("is a file of a model that is read"), "{error}");
}

#[test]
fn data_of_other_models_and_folders_are_left_alone() {
    let (folder, path) = external();
    let place = |name: &str| folder.path().join(name);
    // Another model, exported as out.onnx and renamed since.
    let renamed = std::fs::read(&path).expect("a model");
    let mut proto = ModelProto::parse_from_bytes(&renamed).expect("a model");
    for tensor in &mut proto.graph.as_mut().expect("a graph").initializer {
        let location = tensor.external_data.iter_mut().find(|e| e.key() == "location");
        location.expect("a location").set_value("out.onnx.data".into());
    }
    let other = place("other.onnx");
    std::fs::write(&other, proto.write_to_bytes().expect("bytes")).expect("written");
    std::fs::copy(&path, place("out.onnx")).expect("copied");
    std::fs::copy(place("weights.bin"), place("out.onnx.data")).expect("copied");
    std::fs::create_dir(place("out.onnx.2.data")).expect("a folder");

    let model = Model::open(&path).expect("a model");
    let mut new = values(&model);
    new.values_mut().flatten().for_each(|v| *v = -*v - 1.0);
    let before = values(&Model::open(&other).expect("the other"));
    let write = || {
        let patch = patched(&model, &new).expect("a patch").keeping([&other]);
        patch.write(&place("out.onnx")).expect("written");
    };
    write();
    assert_eq!(locations(&place("out.onnx")), ["out.onnx.3.data"]);
    assert_eq!(values(&Model::open(place("out.onnx")).expect("the patched model")), new);
    assert_eq!(values(&Model::open(&other).expect("the other")), before);
    // A second run gives the same bytes under the same names.
    let first = bytes(&place("out.onnx"));
    write();
    assert_eq!(bytes(&place("out.onnx")), first);
    let data = ["out.onnx.data", "out.onnx.3.data", "weights.bin"];
    for name in data {
        assert!(place(name).is_file(), "{name}");
    }
    assert!(!place("out.onnx.4.data").exists());
    // The model itself is not overwritten where it is kept.
    let error = patched(&model, &new).expect("a patch").keeping([&other]).write(&other);
    let error = error.expect_err("refused").to_string();
    assert!(error.contains("is a file of a model that is read"), "{error}");
}
