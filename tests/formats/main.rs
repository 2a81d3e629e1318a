//! One data set in every format gives one report: same split, same figures.

#[path = "../common/mod.rs"]
mod common;
mod mutations;
mod writers;

use std::path::Path;

use common::{audit, model};
use forget_audit::data::{Data, InputSpec, LoadOptions, Normalization, load};
use serde_json::Value;
use writers::{
    Set, arrays, digits, folder, idx_files, image_folder, named_folder, named_parquet, npz, packed,
    parquet_folder, safetensors,
};

/// The forget set of the other tests.
const CLASSES: [&str; 2] = ["--forget-classes", "3,8"];

fn report(data: &Path) -> Value {
    report_of(data, &CLASSES)
}

fn report_of(data: &Path, forget: &[&str]) -> Value {
    let place = tempfile::tempdir().unwrap();
    let output = audit(place.path())
        .args(["compare", "--format", "json", "--quiet", "--exit-zero"])
        .arg(model("conv-original"))
        .arg(model("conv-head-flip"))
        .arg("--data")
        .arg(data)
        .args(forget)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Equal but for where the data lie; figures within 1e-6.
fn assert_same(one: &Value, other: &Value, place: &str) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{place}");
            for (key, value) in one {
                // Arrays have no names for their classes, nor are they prepared as images are.
                let place_alone = [
                    "path",
                    "sha256",
                    "created",
                    "forget_class_names",
                    "preprocess_sha256",
                    "command",
                ];
                if !place_alone.contains(&key.as_str()) {
                    assert_same(value, &other[key], &format!("{place}.{key}"));
                }
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            assert_eq!(one.len(), other.len(), "{place}");
            for (i, (one, other)) in one.iter().zip(other).enumerate() {
                assert_same(one, other, &format!("{place}[{i}]"));
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            assert!((one - other).abs() <= 1e-6, "{place}: {one} and {other}");
        }
        _ => assert_eq!(one, other, "{place}"),
    }
}

#[test]
fn the_digits_give_one_report_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sets = digits();
    npz(&path("d.npz"), &arrays(&sets, &[1, 8, 8]));
    folder(&path("npy"), &arrays(&sets, &[1, 8, 8]));
    safetensors(&path("d.safetensors"), &sets);
    folder(&path("idx"), &idx_files(&sets));
    folder(&path("gz"), &idx_files(&sets).into_iter().map(packed).collect::<Vec<_>>());
    image_folder(&path("images"), &sets, false);
    image_folder(&path("table"), &sets, true);
    parquet_folder(&path("hub"), &sets);
    let expected = report(&path("d.npz"));
    assert_eq!(expected["verdict"]["label"], "superficial");
    let hashes: Vec<Value> = ["npy", "d.safetensors", "idx", "gz", "images", "table", "hub"]
        .map(|name| {
            let found = report(&path(name));
            assert_same(&expected, &found, name);
            assert!(found["data"]["path"].as_str().unwrap().ends_with(name));
            found["data"]["sha256"].clone()
        })
        .into();
    // Packed or not, other bytes have another hash.
    assert_ne!(hashes[2], hashes[3]);
}

/// All images of a part as a model that takes any shape is fed them.
fn fed(data: &Data) -> Vec<(Vec<usize>, Vec<f32>, Vec<usize>)> {
    let spec = InputSpec { name: "input".into(), dims: vec![None, Some(3), None, None] };
    let norm = Normalization::new(vec![0.5, 0.4, 0.3], vec![0.2]).unwrap().into();
    [&data.train, data.test.as_ref().unwrap()]
        .map(|set| {
            let rows: Vec<usize> = (0..set.len()).rev().collect();
            let (shape, values) = set.batch(&rows, &spec, &norm).unwrap();
            (shape, values, set.labels().to_vec())
        })
        .into()
}

#[test]
fn cifar_feeds_what_an_npz_of_the_same_content_does() {
    let dir = tempfile::tempdir().unwrap();
    let set = |rows: usize, seed: usize| Set {
        images: (0..rows * 3072).map(|i| ((i * 31 + seed) % 253) as u8).collect(),
        labels: (0..rows).map(|row| (row * 3 % 10) as u8).collect(),
    };
    let sets = [set(40, 5), set(12, 77)];
    npz(&dir.path().join("d.npz"), &arrays(&sets, &[3, 32, 32]));
    let records = |set: &Set, rows: std::ops::Range<usize>| -> Vec<u8> {
        rows.flat_map(|r| [&set.labels[r..=r], &set.images[r * 3072..(r + 1) * 3072]].concat())
            .collect()
    };
    let batch =
        |i: usize| (format!("data_batch_{}.bin", i + 1), records(&sets[0], i * 8..i * 8 + 8));
    let mut files: Vec<_> = (0..5).map(batch).collect();
    files.push(("test_batch.bin".into(), records(&sets[1], 0..12)));
    folder(&dir.path().join("cifar"), &files);
    let load =
        |name: &str| load(&dir.path().join(name), &["input"], &LoadOptions::default()).unwrap();
    assert_eq!(fed(&load("cifar")), fed(&load("d.npz")));
}

#[test]
fn classes_are_forgotten_by_name_where_the_data_name_them() {
    let dir = tempfile::tempdir().unwrap();
    let records = |rows: usize| -> Vec<u8> {
        (0..rows).flat_map(|row| [&[(row % 10) as u8][..], &[row as u8; 3072]].concat()).collect()
    };
    let mut files: Vec<_> = (1..=5).map(|i| (format!("data_batch_{i}.bin"), records(20))).collect();
    files.push(("test_batch.bin".into(), records(20)));
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
    files.push(("batches.meta.txt".into(), names.into()));
    folder(&dir.path().join("cifar"), &files);
    let run = |arguments: &[&str]| {
        let output = audit(dir.path())
            .arg("compare")
            .arg(model("conv-original"))
            .arg(model("conv-head-flip"))
            .args(["--data", "cifar"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // The fixtures take grey digits: with classes resolved, that is what is told.
    assert!(run(&["--forget-classes", "cat,ship"]).contains("do not fit the model's input"));
    let near = run(&["--forget-classes", "plane"]);
    assert!(near.contains("no class is named `plane`") && near.contains("`airplane`"), "{near}");
    assert!(run(&["--forget-classes", "cat,3"]).contains("class 3 is named twice"));
    assert!(run(&["--forget-column", "forget"]).contains("no columns"));
    assert!(run(&["--forget-folder", "cifar"]).contains("arrays, not image files"));
    let both = run(&["--forget-classes", "1", "--forget-column", "x"]);
    assert!(both.contains("cannot be used with"), "{both}");
}

/// Names whose order is not that of the model's outputs, in folders, a table and a parquet file's
/// texts: with the list of the outputs' names all say what the numbers say.
#[test]
fn a_list_of_names_orders_the_classes_of_every_format() {
    let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sets = digits();
    npz(&path("d.npz"), &arrays(&sets, &[1, 8, 8]));
    for (name, table) in [("images", false), ("table", true)] {
        named_folder(&path(name), &sets, table, &names);
    }
    named_parquet(&path("hub"), &sets, &names);
    std::fs::write(path("names.txt"), names.join("\n")).unwrap();
    let list = path("names.txt");
    let options = ["--class-names", list.to_str().unwrap()];
    let expected = report_of(&path("d.npz"), &CLASSES);
    for name in ["d.npz", "images", "table", "hub"] {
        let forget = [&options[..], &["--forget-classes", "three,eight"]].concat();
        let found = report_of(&path(name), &forget);
        assert_eq!(found["data"]["forget_class_names"], serde_json::json!(["three", "eight"]));
        assert_eq!(found["data"]["forget_classes"], expected["data"]["forget_classes"]);
        for models in ["original", "unlearned"] {
            let place = format!("{name}: {models}");
            assert_same(&expected["outputs"][models], &found["outputs"][models], &place);
        }
    }
}

/// Every way to name the same forgotten rows gives the same split.
#[test]
fn forgotten_samples_are_named_in_several_ways() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sets = digits();
    image_folder(&path("table"), &sets, true);
    image_folder(&path("images"), &sets, false);
    let table = path("table");
    let rows: Vec<usize> = (0..sets[0].labels.len()).step_by(3).collect();
    let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(path("rows.txt"), &lines).unwrap();
    std::fs::write(path("rows.csv"), format!("index\n{lines}")).unwrap();
    std::fs::write(path("rows.json"), format!("{rows:?}")).unwrap();
    std::fs::create_dir(path("copies")).unwrap();
    for row in &rows {
        let name = format!("{row:05}.png");
        let to = path("copies").join(format!("copy-of-{name}"));
        std::fs::copy(table.join("train").join(name), to).unwrap();
    }
    let split = |data: &Path, option: &str, value: &Path| {
        let found = report_of(data, &[option, value.to_str().unwrap()]);
        found["data"]["split_sha256"].clone()
    };
    let expected = split(&table, "--forget-indices", &path("rows.txt"));
    assert!(expected.is_string());
    assert_eq!(split(&table, "--forget-indices", &path("rows.csv")), expected);
    assert_eq!(split(&table, "--forget-indices", &path("rows.json")), expected);
    assert_eq!(split(&table, "--forget-folder", &path("copies")), expected);
    assert_eq!(split(&table, "--forget-column", Path::new("every_third")), expected);
    assert_eq!(split(&table, "--forget-column", Path::new("every_third=true")), expected);
    // A class by its name, its number, its folder.
    let by = |option: &str, value: &str| report_of(&path("images"), &[option, value]);
    let names = &by("--forget-classes", "name:3,8")["data"];
    assert_eq!(names["forget_class_names"], serde_json::json!(["3", "8"]));
    assert_eq!(names["split_sha256"], by("--forget-classes", "3,8")["data"]["split_sha256"]);
    let class_folder = path("images/train/3");
    let folder = by("--forget-folder", class_folder.to_str().unwrap());
    assert_eq!(folder["data"]["forget_classes"], serde_json::json!([3]));
    let class = by("--forget-classes", "3");
    assert_eq!(folder["data"]["split_sha256"], class["data"]["split_sha256"]);
    assert!(folder["notes"].to_string().contains("judged as classes"));
}
