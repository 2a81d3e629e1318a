//! Bad input is input: each case ends in seconds with exit code 2 or 3 and one message that names
//! the thing and the remedy; no panic, nothing written.

mod common;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{audit, fixture, model};
use zip::write::SimpleFileOptions;

/// Exit code and what stderr must name.
struct Expected {
    code: i32,
    names: &'static [&'static str],
}

const fn error(names: &'static [&'static str]) -> Expected {
    Expected { code: 2, names }
}

const fn nothing(names: &'static [&'static str]) -> Expected {
    Expected { code: 3, names }
}

/// Runs `audit` in `folder` with the arguments and checks the outcome; no file may appear.
fn check(folder: &Path, what: &str, arguments: &[&str], expected: &Expected) {
    let before = listing(folder);
    let output = audit(folder).args(arguments).output().expect("a run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let shown = format!("{what}: {arguments:?}\n{stderr}");
    assert_eq!(output.status.code(), Some(expected.code), "{shown}");
    assert!(!stderr.contains("panicked"), "{shown}");
    for name in expected.names {
        assert!(stderr.contains(name), "{shown}\ndoes not name {name:?}");
    }
    // clap's own usage errors carry their hint in other words.
    assert!(stderr.contains("help: ") || stderr.contains("For more information"), "{shown}");
    assert!(output.stdout.is_empty(), "{shown}");
    assert_eq!(before, listing(folder), "{shown}");
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn path(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
    std::fs::write(&file, bytes).expect("a file");
    path(&file)
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file(format!("{name}.npy"), options).expect("a member");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("an archive").into_inner()
}

/// 40 digits' worth of noise for each split with the given labels.
struct Digits {
    x_train: Vec<u8>,
    y_train: Vec<u8>,
    x_test: Vec<u8>,
    y_test: Vec<u8>,
}

fn labels(of: impl Fn(i64) -> i64) -> Vec<u8> {
    let values: Vec<u8> = (0..40).flat_map(|i| of(i).to_le_bytes()).collect();
    npy("<i8", "(40,)", &values)
}

fn digits() -> Digits {
    let pixels: Vec<u8> = (0..40 * 64).map(|i| (i * 37 % 251) as u8).collect();
    let images = npy("|u1", "(40, 1, 8, 8)", &pixels);
    let y = labels(|i| i % 10);
    Digits { x_train: images.clone(), y_train: y.clone(), x_test: images, y_test: y }
}

impl Digits {
    fn npz(self) -> Vec<u8> {
        npz(&[
            ("x_train", self.x_train),
            ("y_train", self.y_train),
            ("x_test", self.x_test),
            ("y_test", self.y_test),
        ])
    }
}

#[test]
fn bad_model_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let good = std::fs::read(model("conv-original")).expect("a model");
    let cases = [
        ("missing", path(&folder.join("missing.onnx")), error(&["missing.onnx", "check the path"])),
        ("a folder", path(folder), error(&["not a regular file", ".onnx"])),
        ("empty", write(folder, "empty.onnx", b""), error(&["empty.onnx", "empty"])),
        (
            "random",
            write(folder, "random.onnx", &[0xff; 999]),
            error(&["random.onnx", "not an ONNX"]),
        ),
        ("text", write(folder, "text.onnx", b"hello, world"), error(&["text.onnx", "not an ONNX"])),
        ("truncated", write(folder, "cut.onnx", &good[..good.len() / 2]), error(&["cut.onnx"])),
        ("no head", path(&fixture("odd/no-head.onnx")), error(&["no-head.onnx", "linear"])),
        (
            "external data outside",
            path(&fixture("odd/external-escape.onnx")),
            error(&["external-escape.onnx", "outside", "own folder"]),
        ),
    ];
    for (what, file, expected) in &cases {
        let good = path(&model("conv-original"));
        check(folder, what, &["compare", file, &good, "--quiet"], expected);
        check(folder, what, &["compare", &good, file, "--quiet"], expected);
        check(folder, what, &["compare", &good, &good, "--reference", file, "--quiet"], expected);
        check(folder, what, &["inspect", file], expected);
    }
}

#[test]
fn external_data_beside_the_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let onnx = std::fs::read(fixture("odd/external/model.onnx")).expect("a model");
    let file = write(folder, "a/model.onnx", &onnx);
    let expected = error(&["weights.bin", "complete export"]);
    check(folder, "external data missing", &["inspect", &file], &expected);
    write(folder, "a/weights.bin", &[0; 100]);
    check(folder, "external data too short", &["inspect", &file], &expected);
    #[cfg(unix)]
    {
        std::fs::remove_file(folder.join("a/weights.bin")).expect("removed");
        std::os::unix::fs::symlink(
            fixture("odd/external/weights.bin"),
            folder.join("a/weights.bin"),
        )
        .expect("a link");
        let expected = error(&["weights.bin", "outside", "own folder"]);
        check(folder, "external data behind a link", &["inspect", &file], &expected);
    }
}

/// What is put into the data file, with what is expected of it.
type DataCase = (&'static str, Vec<u8>, Expected);

fn data_cases() -> Vec<DataCase> {
    let good = digits().npz();
    let with = |change: fn(&mut Digits)| {
        let mut digits = digits();
        change(&mut digits);
        digits.npz()
    };
    let noise = |descr: &str, shape: &str, bytes: usize| npy(descr, shape, &vec![7; bytes]);
    let terabytes = noise("|u1", "(1099511627776, 1, 8, 8)", 64);
    let nan: Vec<u8> = (0..40 * 64u32)
        .flat_map(|i| if i == 70 { f32::NAN } else { 0.5f32 }.to_le_bytes())
        .collect();
    let nan = npy("<f4", "(40, 1, 8, 8)", &nan);
    let halves: Vec<u8> = (0..40).flat_map(|i| (f64::from(i) / 2.0).to_le_bytes()).collect();
    let halves = npy("<f8", "(40,)", &halves);
    vec![
        ("empty", Vec::new(), error(&["data.npz"])),
        ("random", vec![0xa5; 5000], error(&["data.npz"])),
        ("truncated", good[..good.len() / 2].to_vec(), error(&["data.npz"])),
        (
            "terabytes",
            npz(&[
                ("x_train", terabytes),
                ("y_train", labels(|i| i)),
                ("x_test", digits().x_test),
                ("y_test", digits().y_test),
            ]),
            error(&["x_train"]),
        ),
        (
            "a zip bomb",
            npz(&[
                ("x_train", vec![0; 200 << 20]),
                ("y_train", digits().y_train),
                ("x_test", digits().x_test),
                ("y_test", digits().y_test),
            ]),
            error(&["x_train"]),
        ),
        ("labels out of range", with(|d| d.y_test = labels(|i| i % 11)), error(&["y_test", "10"])),
        ("negative labels", with(|d| d.y_train = labels(|i| i - 1)), error(&["y_train", "-1"])),
        (
            "fractional labels",
            npz(&[
                ("x_train", digits().x_train),
                ("y_train", halves),
                ("x_test", digits().x_test),
                ("y_test", digits().y_test),
            ]),
            error(&["y_train", "0.5"]),
        ),
        (
            "too few labels",
            with(|d| d.y_train = npy("<i8", "(3,)", &[0; 24])),
            error(&["y_train", "3", "40"]),
        ),
        (
            "no labels",
            npz(&[
                ("x_train", digits().x_train),
                ("x_test", digits().x_test),
                ("y_test", digits().y_test),
            ]),
            error(&["y_train"]),
        ),
        (
            "another shape",
            with(|d| {
                d.x_train = npy("|u1", "(40, 1, 4, 16)", &[1; 40 * 64]);
                d.x_test = npy("|u1", "(40, 1, 4, 16)", &[1; 40 * 64]);
            }),
            error(&["x_train", "8"]),
        ),
        (
            "NaN pixels",
            npz(&[
                ("x_train", nan),
                ("y_train", digits().y_train),
                ("x_test", digits().x_test),
                ("y_test", digits().y_test),
            ]),
            error(&["x_train", "NaN"]),
        ),
        (
            "no test samples",
            with(|d| {
                d.x_test = npy("|u1", "(0, 1, 8, 8)", &[]);
                d.y_test = npy("<i8", "(0,)", &[]);
            }),
            error(&["x_test"]),
        ),
        (
            "no forget sample in the test set",
            with(|d| d.y_test = labels(|i| i % 3)),
            nothing(&["3"]),
        ),
        ("objects", with(|d| d.x_train = npy("|O", "(40,)", &[0; 320])), error(&["x_train"])),
    ]
}

#[test]
fn bad_data_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (original, unlearned) = (path(&model("conv-original")), path(&model("conv-retrained")));
    for (what, bytes, expected) in data_cases() {
        let file = write(folder, "data.npz", &bytes);
        let arguments = [
            "compare",
            &original,
            &unlearned,
            "--data",
            &file,
            "--forget-classes",
            "3,8",
            "--quiet",
        ];
        check(folder, what, &arguments, &expected);
    }
    let elsewhere = [
        ("missing", path(&folder.join("missing.npz")), error(&["missing.npz"])),
        ("a folder", path(folder), error(&["folder"])),
        ("another format", write(folder, "data.csv", b"1,2"), error(&["data.csv", ".npz"])),
    ];
    for (what, file, expected) in &elsewhere {
        let arguments =
            ["compare", &original, &unlearned, "--data", file, "--forget-classes", "3", "--quiet"];
        check(folder, what, &arguments, expected);
    }
}

#[test]
fn bad_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let data = path(&fixture("digits.npz"));
    let (original, unlearned) = (path(&model("conv-original")), path(&model("conv-retrained")));
    let base = ["compare", &original, &unlearned, "--quiet"];
    let sampled = [&base[..], &["--data", &data, "--forget-classes", "3,8"]].concat();
    let run = |what: &str, start: &[&str], more: &[&str], expected: Expected| {
        check(folder, what, &[start, more].concat(), &expected);
    };
    let classes = |what, list: &str, expected| {
        run(what, &base, &["--data", &data, "--forget-classes", list], expected);
    };
    let itself = ["--reference", unlearned.as_str()];
    run(
        "its own reference",
        &sampled,
        &itself,
        error(&["unlearned model itself", "fresh weights"]),
    );
    classes("unknown class", "3,77", error(&["77", "0"]));
    classes("empty list", "", error(&["--forget-classes"]));
    classes("no number", "3,cat", error(&["cat", "--forget-classes"]));
    classes("negative", "-3", error(&["--forget-classes"]));
    classes("twice", "3,3", error(&["3"]));
    classes("all classes", "0,1,2,3,4,5,6,7,8,9", error(&["retain"]));
    run(
        "no such list",
        &base,
        &["--data", &data, "--forget-classes", "@none.txt"],
        error(&["none.txt"]),
    );
    let folder_option = ["--data", data.as_str(), "--forget-folder", "."];
    run("a folder for arrays", &base, &folder_option, error(&["--forget-folder", "arrays"]));
    run(
        "no columns",
        &base,
        &["--data", &data, "--forget-column", "x"],
        error(&["--forget-column"]),
    );
    run("no forget set", &base, &["--data", &data], error(&["--forget-classes"]));
    run("no data", &base, &["--forget-classes", "3"], error(&["--data"]));
    run("batch size 0", &sampled, &["--batch-size", "0"], error(&["--batch-size"]));
    run("no threads", &sampled, &["--threads", "0"], error(&["--threads"]));
    run(
        "unknown layer",
        &sampled,
        &["--layers", "/Relu_9"],
        error(&["/Relu_9", "/Relu_1_output_0"]),
    );
    run("no such glob", &sampled, &["--layers", "nothing*"], error(&["nothing*", "nearest"]));
    run("broken glob", &sampled, &["--layers", "[a"], error(&["[a"]));
    run("CUDA", &sampled, &["--device", "cuda"], error(&["cuda:0", "--device cpu"]));
    run("a device", &sampled, &["--device", "tpu"], error(&["tpu"]));
    run("std 0", &sampled, &["--std", "0"], error(&["--std"]));
    run("three means", &sampled, &["--mean", "0,0,0"], error(&["--mean", "3"]));
    run("unknown option", &sampled, &["--turbo"], error(&["--turbo"]));
    run("no model", &["compare", &original], &[], error(&["unlearned", "audit init"]));
    run("no command", &[], &["compere"], error(&["compere"]));
    run(
        "the original as reference",
        &sampled,
        &["--reference", &original],
        error(&["conv-original", "reference", "fresh weights"]),
    );
    run(
        "a reference that knows",
        &sampled,
        &["--reference", &path(&model("conv-original-dynamo"))],
        error(&["conv-original-dynamo", "reference", "fresh weights"]),
    );
    run(
        "models of another kind",
        &["compare", &original, &path(&fixture("odd/two-inputs.onnx")), "--quiet"],
        &["--data", &data, "--forget-classes", "3,8"],
        error(&["digits.npz", "scale", "input_train"]),
    );
}

#[test]
fn a_missing_broken_or_old_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let run = |what: &str, library: &str, names: &'static [&'static str]| {
        let started = std::time::Instant::now();
        check(folder, what, &["doctor", "--onnxruntime", library], &error(names));
        assert!(started.elapsed().as_secs() < 5, "{what}");
    };
    run("missing", "/nowhere/libonnxruntime.so", &["/nowhere/libonnxruntime.so", "scripts/setup"]);
    let text = write(folder, "text.so", b"not a library");
    run("no library", &text, &["text.so", "scripts/setup"]);
    let other = compile(folder, "other", "int answer(void) { return 42; }");
    run("another library", &other, &["other", "no ONNX Runtime"]);
    let old = compile(
        folder,
        "old",
        "struct base { const void *(*api)(unsigned); const char *(*version)(void); };\n\
         static const void *api(unsigned v) { (void)v; return 0; }\n\
         static const char *version(void) { return \"1.10.0\"; }\n\
         static const struct base base = { api, version };\n\
         const struct base *OrtGetApiBase(void) { return &base; }\n",
    );
    run("too old", &old, &["1.10.0", "too old", "scripts/setup"]);
    let output = audit(folder).arg("doctor").env("ORT_DYLIB_PATH", &old).output().expect("a run");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ORT_DYLIB_PATH"));
}

fn compile(folder: &Path, name: &str, source: &str) -> String {
    let code = write(folder, &format!("{name}.c"), source.as_bytes());
    let library = path(&folder.join(format!("lib{name}.so")));
    let status = Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &code]).status();
    assert!(status.expect("a C compiler").success());
    library
}

/// Each format's own damage; `src/data` tests more of it without a process.
#[test]
fn bad_data_of_other_formats() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (original, unlearned) = (path(&model("conv-original")), path(&model("conv-retrained")));
    let digits = digits();
    let files = |name: &str, files: &[(&str, &[u8])]| -> String {
        for (file, bytes) in files {
            write(folder, &format!("{name}/{file}"), bytes);
        }
        path(&folder.join(name))
    };
    let idx = b"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let cases = [
        (
            "npy: a set incomplete",
            files("npy", &[("x_train.npy", &digits.x_train), ("y_train.npy", &digits.y_train)]),
            error(&["x_test", "y_test", "npy"]),
        ),
        (
            "two kinds",
            files("two", &[("y.npy", &digits.y_train), ("train.bin", b"")]),
            error(&["NumPy", "CIFAR", "folder of its own"]),
        ),
        (
            "two kinds of CIFAR",
            files("cifars", &[("data_batch_1.bin", b""), ("train.bin", b"")]),
            error(&["CIFAR-100", "data_batch_1.bin", "folder of its own"]),
        ),
        (
            "sets taken for classes",
            files("sets", &[("train/a/1.png", b""), ("holdout/a/1.png", b"")]),
            error(&["sets/train", "no class", "holdout", "test"]),
        ),
        (
            "labels of two kinds",
            files(
                "mixed",
                &[
                    ("metadata.csv", b"file_name,label\n1.png,0\n2.png,-1\n"),
                    ("1.png", b""),
                    ("2.png", b""),
                ],
            ),
            error(&["metadata.csv: line 3", "\"-1\"", "--class-names"]),
        ),
        (
            "images that torchvision reads",
            files("ppm", &[("a/1.ppm", b"P6"), ("a/1.png", b""), ("b/1.png", b"")]),
            error(&["a/1.ppm", "PNG"]),
        ),
        ("CIFAR cut off", files("cifar", &[("data_batch_1.bin", &[0; 99])]), error(&["3073-byte"])),
        (
            "IDX of terabytes",
            files(
                "idx",
                &[
                    ("train-images-idx3-ubyte", idx),
                    ("train-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x01\0"),
                ],
            ),
            error(&["train-images-idx3-ubyte", "overflows"]),
        ),
        (
            "IDX, no gzip",
            files(
                "gz",
                &[("train-images-idx3-ubyte.gz", idx), ("train-labels-idx1-ubyte.gz", b"hello")],
            ),
            error(&["train-labels-idx1-ubyte.gz", "gzip"]),
        ),
        ("empty", write(folder, "empty.safetensors", b""), error(&["empty.safetensors", "empty"])),
        (
            "header of exabytes",
            write(folder, "long.safetensors", &[0xff; 64]),
            error(&["long.safetensors", "header"]),
        ),
    ];
    for (what, data, expected) in &cases {
        let arguments =
            ["compare", &original, &unlearned, "--data", data, "--forget-classes", "3", "--quiet"];
        check(folder, what, &arguments, expected);
    }
}

#[test]
fn names_that_do_not_go_with_the_labels() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (original, unlearned) = (path(&model("conv-original")), path(&model("conv-retrained")));
    let names = write(folder, "names.txt", b"ape\ncat\n");
    let table = write(folder, "table/metadata.csv", b"file_name,label\n1.png,ape\n2.png,cot\n");
    write(folder, "table/1.png", b"");
    write(folder, "table/2.png", b"");
    let table = path(Path::new(&table).parent().expect("a folder"));
    let digits = path(&fixture("digits.npz"));
    for (what, data, expected) in [
        ("fewer names than labels", digits, error(&["digits.npz", "2 classes", "--class-names"])),
        ("an unknown name", table, error(&["line 3", "\"cot\"", "\"cat\""])),
    ] {
        let given = ["--class-names", &names, "--forget-classes", "ape", "--quiet"];
        let arguments = [&["compare", &original, &unlearned, "--data", &data], &given[..]].concat();
        check(folder, what, &arguments, &expected);
    }
}

#[test]
fn a_report_that_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (original, unlearned) = (path(&model("conv-original")), path(&model("conv-bias")));
    let file = write(folder, "file", b"");
    let below = format!("{file}/report.json");
    for option in ["--json", "--html"] {
        let arguments = ["compare", &original, &unlearned, "--quiet", option, &below];
        check(
            folder,
            "a file where a folder must be",
            &arguments,
            &error(&["report.json", "help"]),
        );
        let place = path(folder);
        let arguments = ["compare", &original, &unlearned, "--quiet", option, &place];
        check(folder, "a folder where a file must be", &arguments, &error(&["folder"]));
    }
}

#[test]
fn a_stored_report_that_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for (name, content) in [
        ("empty.json", ""),
        ("text.json", "hello"),
        ("other.json", "{\"schema\": \"audit-report/9\"}"),
        ("short.json", "{\"schema\": \"audit-report/1\"}"),
    ] {
        let file = write(folder, name, content.as_bytes());
        check(folder, name, &["report", &file], &error(&["json"]));
    }
    check(folder, "missing", &["report", "missing.json"], &error(&["missing.json"]));
}

#[test]
fn hostile_names_never_reach_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "evil\u{1b}[31m\u{202e}.onnx";
    let output = audit(folder.path()).args(["inspect", name]).output().expect("a run");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains('\u{1b}') && !stderr.contains('\u{202e}'), "{stderr:?}");
}
