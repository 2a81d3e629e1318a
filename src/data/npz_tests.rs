use zip::CompressionMethod::Deflated;

use super::*;
use crate::data::LoadOptions;
use crate::data::testing::{contract, contract_with, floats, npy, npz, npz_with};
use crate::data::{Part, Values};

fn problem(members: &[(&str, Vec<u8>)], inputs: &[&str]) -> String {
    from_bytes(&npz(members), inputs).unwrap_err().to_string()
}

#[test]
fn the_contract_is_two_labelled_sets() {
    for bytes in [npz(&contract()), npz_with(&contract(), Deflated)] {
        let data = from_bytes(&bytes, &["input"]).unwrap();
        assert_eq!(data.train.labels(), [0, 1, 0, 1]);
        assert_eq!(data.part(Part::Test).unwrap().labels(), [0, 1]);
        let (name, array) = data.train.inputs().next().unwrap();
        assert_eq!((name, array.shape()), ("x", &[4, 3, 2, 2][..]));
        // Bytes stay bytes.
        assert!(matches!(array.values(), Values::U8(_)));
    }
}

#[test]
fn a_single_set_is_left_to_be_split() {
    let members = [("x", npy("|u1", &[2, 1], &[5, 6])), ("y", npy("|u1", &[2], &[0, 1]))];
    let data = from_bytes(&npz(&members), &["input"]).unwrap();
    assert_eq!((data.train.len(), data.test.is_none()), (2, true));
}

#[test]
fn models_with_several_inputs_find_their_arrays_by_name() {
    let ids = || npy("<i8", &[1, 2], &[7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let mut members = Vec::new();
    for key in ["ids_train", "mask_train", "ids_test", "mask_test"] {
        members.push((key, ids()));
    }
    members.push(("y_train", npy("|u1", &[1], &[0])));
    members.push(("y_test", npy("|u1", &[1], &[1])));
    let data = from_bytes(&npz(&members), &["mask", "ids"]).unwrap();
    let names: Vec<&str> = data.train.inputs().map(|(name, _)| name).collect();
    assert_eq!(names, ["mask", "ids"]);

    let problem = problem(&members, &["ids", "types"]);
    assert!(problem.contains("arrays `types_train`, `types_test` missing"), "{problem}");
}

#[test]
fn missing_arrays_are_listed_beside_those_there_are() {
    let members = &contract()[..3];
    let problem = problem(members, &["input"]);
    assert!(problem.contains("array `y_test` missing; it holds `x_test`, `x_train`, `y_train`"));
    let error = from_bytes(&npz(&[]), &[]).unwrap_err();
    assert!(error.to_string().contains("it holds no arrays"), "{error}");
    assert!(error.remedy().contains("x_train, y_train, x_test, y_test"));
}

#[test]
fn samples_and_labels_of_different_number_are_told_with_both() {
    let members = contract_with("y_train", npy("|u1", &[3], &[0, 1, 0]));
    assert_eq!(
        problem(&members, &[]),
        "the .npz: x_train: 4 samples, but the .npz: y_train has 3 labels"
    );
}

#[test]
fn bad_values_are_told_with_array_and_index() {
    for (name, content, expected) in [
        ("y_test", npy("<f4", &[2], &floats(&[0.0, 0.5])), "y_test[1]: label 0.5 is not whole"),
        ("y_test", npy("<f4", &[2], &floats(&[f32::NAN, 0.])), "y_test[0]: label NaN is not a"),
        ("y_test", npy("|i1", &[2], &[0, 0xff]), "y_test[1]: label -1 is negative"),
        ("y_test", npy("|O", &[2], b"cos\nsystem\n(S'id'\ntR."), "pickled"),
        ("x_test", npy("<f4", &[2, 1], &floats(&[0.0, f32::INFINITY])), "x_test[1, 0]: "),
        ("x_test", npy("<f4", &[2, 1 << 40], &[]), "x_test: the header promises"),
        ("x_test", npy("<f4", &[2, 0], &[]), "x_test: no values: the shape is (2, 0)"),
        ("x_test", vec![], "x_test: the content ends early"),
    ] {
        let problem = problem(&contract_with(name, content), &[]);
        assert!(problem.contains(expected), "{problem}");
    }
    let empty = [("x", npy("|u1", &[0, 3], &[])), ("y", npy("|u1", &[0], &[]))];
    assert!(problem(&empty, &[]).contains("no values"));
}

#[test]
fn labels_outside_the_models_classes_are_told_with_their_number() {
    let data = from_bytes(&npz(&contract()), &[]).unwrap();
    assert!(data.validate_labels(2).is_ok());
    let error = data.validate_labels(1).unwrap_err();
    assert_eq!(error.to_string(), "the .npz: y_train[1]: label 1 is outside the model's 1 classes");
}

#[test]
fn a_bomb_is_refused_before_it_unpacks() {
    // 65 MiB of zeros in some 66 kB.
    let zeros = vec![0u8; 65 << 20];
    let members = contract_with("x_train", npy("|u1", &[65 << 20], &zeros));
    let bytes = npz_with(&members, Deflated);
    assert!(bytes.len() < 1 << 17);
    let error = from_bytes(&bytes, &[]).unwrap_err();
    assert!(error.to_string().contains("zip bomb"), "{error}");
    assert!(error.remedy().contains("numpy.savez"));
    // Uncompressed, the same array is only of the wrong length.
    let error = from_bytes(&npz(&members), &[]).unwrap_err();
    assert!(error.to_string().contains("68157440 samples"), "{error}");
}

#[test]
fn paths_that_hold_no_data_are_told_as_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let load = |name: &str, content: Option<&[u8]>| {
        let path = dir.path().join(name);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        crate::data::load(&path, &[], &LoadOptions::default()).unwrap_err().to_string()
    };
    std::fs::create_dir(dir.path().join("folder.npz")).unwrap();
    for (name, content, expected) in [
        ("none.npz", None, "none.npz: no such file"),
        ("folder.npz", None, "folder.npz: no images and no other samples in this folder"),
        ("empty.npz", Some(&b""[..]), "empty.npz: the file is empty"),
        ("random.npz", Some(b"\x8f\x11\x02random"), "random.npz: not a zip archive"),
        ("data.csv", Some(b"1,2"), "data.csv: not a supported data format"),
        ("data", Some(b"1,2"), "data: not a supported data format"),
    ] {
        let problem = load(name, content);
        assert!(problem.ends_with(expected) || problem.contains(expected), "{problem}");
    }
    std::fs::write(dir.path().join("good.NPZ"), npz(&contract())).unwrap();
    assert!(crate::data::load(&dir.path().join("good.NPZ"), &[], &LoadOptions::default()).is_ok());
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_do_not_hang() {
    let error =
        crate::data::load(Path::new("/dev/zero"), &[], &LoadOptions::default()).unwrap_err();
    assert!(error.to_string().contains("not a regular file"));
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_told_so() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret.npz");
    std::fs::write(&path, npz(&contract())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads everything.
    if let Err(error) = from_path(&path, &[]) {
        assert!(error.to_string().to_lowercase().contains("permission denied"), "{error}");
        assert!(error.remedy().contains("allow"));
    }
    let denied = unreadable("f", &std::io::ErrorKind::PermissionDenied.into());
    assert!(denied.remedy().contains("allow"));
}
