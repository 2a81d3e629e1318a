use super::*;
use crate::data::testing::{contract, contract_with, floats, npy, npz};
use crate::data::{InputSpec, Preprocess, Values};

fn folder(members: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in members {
        std::fs::write(dir.path().join(format!("{name}.npy")), content).unwrap();
    }
    dir
}

fn problem(members: &[(&str, Vec<u8>)]) -> String {
    load(folder(members).path(), &[]).unwrap_err().to_string()
}

#[test]
fn a_folder_holds_what_an_npz_would() {
    let dir = folder(&contract());
    std::fs::write(dir.path().join("model.onnx"), "something else").unwrap();
    let npz = super::super::npz::from_bytes(&npz(&contract()), &[]).unwrap();
    let spec = InputSpec { name: "input".into(), dims: vec![None; 4] };
    for small in [0, SMALL] {
        let data = read(dir.path(), &[], small).unwrap();
        let stored = matches!(data.train.inputs().next().unwrap().1.values(), Values::Stored(_));
        assert_eq!(stored, small == 0);
        assert_eq!(data.train.labels(), npz.train.labels());
        let rows = [0, 1];
        let batch = |data: &Data| {
            let norm = Preprocess::default();
            let test = data.test.as_ref().unwrap().batch(&rows, &spec, &norm).unwrap();
            (data.train.batch(&rows, &spec, &norm).unwrap(), test)
        };
        assert_eq!(batch(&data), batch(&npz));
        assert_eq!(data.files.len(), 4);
    }
    assert!(recognise(dir.path()));
}

#[test]
fn keys_are_named_for_model_inputs() {
    let ids = npy("<i8", &[2, 1], &[0; 16]);
    let dir = folder(&[("ids", ids.clone()), ("mask", ids), ("y", npy("|u1", &[2], &[0, 1]))]);
    let data = load(dir.path(), &["ids", "mask"]).unwrap();
    assert!(data.test.is_none());
    assert_eq!(data.train.inputs().map(|(name, _)| name).collect::<Vec<_>>(), ["ids", "mask"]);
}

#[test]
fn unsound_folders_are_refused_with_the_file() {
    let mut without = contract();
    without.remove(2);
    assert!(problem(&without).contains("array `x_test` missing; it holds `x_train`, `y_test`"));
    let y = |content| contract_with("y_train", content);
    let x = |content| contract_with("x_train", content);
    for (members, expected) in [
        (
            y(npy("<f4", &[4], &floats(&[0., 1., 0.5, 1.]))),
            "y_train.npy[2]: label 0.5 is not whole",
        ),
        (y(npy("|u1", &[3], &[0, 1, 0])), "x_train.npy: 4 samples"),
        (x(b"".to_vec()), "x_train.npy: the content ends early"),
        (x(npy("|u1", &[4, 3, 2, 2], &[0; 47])), "x_train.npy: the header promises shape"),
        (x(npy("|u1", &[1 << 40, 1 << 40], &[])), "x_train.npy: the shape"),
        (x(npy("<f4", &[4, 1], &floats(&[0., 1., f32::NAN, 1.]))), "x_train.npy[2, 0]: the value"),
        (x(npy("|O", &[4], &[0; 32])), "pickled Python objects"),
    ] {
        let error = problem(&members);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_folder_in_an_arrays_place_is_refused() {
    let dir = folder(&contract());
    std::fs::remove_file(dir.path().join("x_train.npy")).unwrap();
    std::fs::create_dir(dir.path().join("x_train.npy")).unwrap();
    let error = load(dir.path(), &[]).unwrap_err().to_string();
    assert!(error.contains("a folder, not a file"), "{error}");
}
