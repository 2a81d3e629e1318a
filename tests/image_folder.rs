//! The digits as a folder of images: the same verdict and figures as the same rows as arrays, and
//! every way a folder can be wrong.

mod common;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use common::{Silent, audit, fixture, model, request};
use forget_audit::compare::compare;
use forget_audit::data::{Dataset, Values, npz};
use forget_audit::report::Report;
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage};

/// Pixels and class of 8 x 8 digits.
type Digits = Vec<(Vec<u8>, usize)>;

/// Sorted by class: the order in which folders are read.
fn digits(set: &Dataset) -> Digits {
    let (_, array) = set.inputs().next().expect("an input");
    let Values::U8(pixels) = array.values() else { panic!("no bytes") };
    let images = pixels.chunks_exact(64).map(<[u8]>::to_vec);
    let mut rows: Digits = images.zip(set.labels().iter().copied()).collect();
    rows.sort_by_key(|(_, label)| *label);
    rows
}

fn sets() -> [(&'static str, Digits); 2] {
    let data = npz::from_path(&fixture("digits.npz"), &[]).expect("the digits");
    [("train", digits(&data.train)), ("test", digits(data.test.as_ref().expect("a test set")))]
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("an image");
    bytes.into_inner()
}

fn png(pixels: &[u8]) -> Vec<u8> {
    let image = GrayImage::from_raw(8, 8, pixels.to_vec()).expect("64 pixels");
    encoded(&image.into(), ImageFormat::Png)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// Writes every `step`-th digit as `SET/CLASS/NUMBER.png`.
fn folder(root: &Path, step: usize) {
    for (set, rows) in sets() {
        for (number, (pixels, class)) in rows.iter().enumerate().step_by(step) {
            put(root, &format!("{set}/{class}/{number:05}.png"), &png(pixels));
        }
    }
}

fn arrays(file: &Path) {
    let npy = |descr: &str, shape: String, data: &[u8]| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).expect("short").to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    let mut writer = zip::ZipWriter::new(std::fs::File::create(file).expect("a file"));
    let mut add = |name: String, content: Vec<u8>| {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(format!("{name}.npy"), options).expect("a member");
        writer.write_all(&content).expect("written");
    };
    for (set, rows) in sets() {
        let n = rows.len();
        let pixels: Vec<u8> = rows.iter().flat_map(|(pixels, _)| pixels.clone()).collect();
        let labels: Vec<u8> = rows.iter().map(|(_, class)| *class as u8).collect();
        add(format!("x_{set}"), npy("|u1", format!("({n}, 1, 8, 8)"), &pixels));
        add(format!("y_{set}"), npy("|u1", format!("({n},)"), &labels));
    }
    writer.finish().expect("an archive");
}

fn report_on(data: &Path) -> Report {
    let mut request = request("conv-original", "conv-head-flip", Some("conv-retrained"));
    request.samples.as_mut().expect("samples").path = data.to_owned();
    compare(&request, &Silent).expect("a report")
}

/// The largest difference of any two numbers at the same place.
fn deviation(a: &serde_json::Value, b: &serde_json::Value) -> f64 {
    use serde_json::Value::{Array, Number, Object};
    match (a, b) {
        (Number(a), Number(b)) => {
            (a.as_f64().expect("a number") - b.as_f64().expect("a number")).abs()
        }
        (Array(a), Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| deviation(a, b)).fold(0.0, f64::max)
        }
        (Object(a), Object(b)) if a.len() == b.len() => {
            a.iter().map(|(key, a)| deviation(a, &b[key])).fold(0.0, f64::max)
        }
        (a, b) if a == b => 0.0,
        _ => f64::INFINITY,
    }
}

#[test]
fn a_folder_says_what_the_arrays_say() {
    let dir = tempfile::tempdir().expect("a folder");
    let (images, file) = (dir.path().join("digits"), dir.path().join("digits.npz"));
    folder(&images, 1);
    arrays(&file);
    let (by_images, by_arrays) = (report_on(&images), report_on(&file));
    assert_eq!(by_images.verdict, by_arrays.verdict);
    let [a, b] = [&by_images, &by_arrays].map(|r| r.data.clone().expect("data"));
    assert_eq!(a.split_sha256, b.split_sha256);
    assert_ne!(a.sha256, b.sha256);
    assert_eq!(a.skipped, []);
    for part in ["layers", "outputs", "head"] {
        let [a, b] =
            [&by_images, &by_arrays].map(|r| serde_json::to_value(r).expect("JSON")[part].clone());
        assert!(deviation(&a, &b) < 1e-6, "{part}: {}", deviation(&a, &b));
    }
}

/// Exit code and stderr of a comparison; on an error nothing may have been written.
fn outcome(root: &Path, extra: &[&str]) -> (Option<i32>, String) {
    let work = tempfile::tempdir().expect("a folder");
    let [original, unlearned] = ["conv-original", "conv-head-flip"].map(|m| path(&model(m)));
    let data = path(root);
    let arguments =
        [&["compare", &original, &unlearned, "--data", &data, "--forget-classes", "3,8"], extra];
    let output = audit(work.path()).args(arguments.concat()).arg("--quiet").output().expect("run");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    if code == Some(2) {
        assert!(output.stdout.is_empty(), "{stderr}");
        assert_eq!(std::fs::read_dir(work.path()).expect("a folder").count(), 0, "{stderr}");
    }
    (code, stderr)
}

fn path(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn every_way_an_image_can_be_wrong() {
    let noise = RgbImage::from_fn(8, 8, |x, y| image::Rgb([x as u8 * 30, y as u8 * 30, 7]));
    let noise = DynamicImage::from(noise);
    let grey = DynamicImage::from(noise.to_luma8());
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 30);
        bytes
    };
    let jpeg = encoded(&grey, ImageFormat::Jpeg);
    let wide = encoded(&DynamicImage::new_luma8(9, 8), ImageFormat::Png);
    let deep = encoded(&DynamicImage::new_luma16(8, 8), ImageFormat::Png);
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("empty.png", Vec::new(), &["empty", "--skip-unreadable"]),
        ("text.png", b"hello, world".to_vec(), &["no image", "--skip-unreadable"]),
        ("cut.jpg", cut(jpeg), &["ends early", "--skip-unreadable"]),
        ("cut.png", cut(encoded(&grey, ImageFormat::Png)), &["ends early"]),
        ("wide.png", wide, &["8 x 9", "8 x 8", "--resize 10 --crop 8"]),
        ("deep.png", deep, &["8 bits", "convert"]),
        ("colour.png", encoded(&noise, ImageFormat::Png), &["colour", "convert"]),
    ];
    for (name, bytes, expected) in cases {
        let dir = tempfile::tempdir().expect("a folder");
        folder(dir.path(), 4);
        put(dir.path(), &format!("test/4/{name}"), &bytes);
        let (code, stderr) = outcome(dir.path(), &[]);
        assert_eq!(code, Some(2), "{name}: {stderr}");
        for text in [&["help: ", name][..], expected].concat() {
            assert!(stderr.contains(text), "{name}: {stderr}\ndoes not name {text:?}");
        }
    }
}

#[test]
fn unreadable_images_are_left_out_on_request() {
    let dir = tempfile::tempdir().expect("a folder");
    folder(dir.path(), 2);
    put(dir.path(), "train/4/empty.png", b"");
    put(dir.path(), "test/3/text.png", b"hello");
    let json = dir.path().join("report.json");
    let (code, stderr) = outcome(dir.path(), &["--skip-unreadable", "--json", &path(&json)]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    let report: Report = serde_json::from_slice(&std::fs::read(&json).expect("a report")).unwrap();
    assert!(report.notes.iter().any(|note| note.starts_with("2 unreadable images")));
    let skipped = report.data.expect("data").skipped;
    assert!(skipped[0].name.ends_with("train/4/empty.png"), "{skipped:?}");
    assert!(skipped[0].reason.contains("empty"));
    assert!(skipped[1].name.ends_with("test/3/text.png"));
    assert_eq!(skipped.len(), 2);
}

/// Images by copies of them are the images by their rows, whatever was left out before and among them.
#[test]
fn what_is_left_out_does_not_move_the_forgotten_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    let images = dir.path().join("images");
    folder(&images, 2);
    // Numbered first of all, and first of class 3.
    put(&images, "train/0/-.png", b"hello");
    put(&images, "train/3/-.png", b"hello");
    let files = |class: &str| {
        let entries = std::fs::read_dir(images.join("train").join(class)).expect("a class");
        let mut files: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
        files.sort();
        files
    };
    let before: usize = ["0", "1", "2"].into_iter().map(|class| files(class).len()).sum();
    let some = files("3").len() - 5;
    let rows: String = (before..before + some).map(|row| format!("{row}\n")).collect();
    let copies = dir.path().join("copies");
    std::fs::create_dir(&copies).expect("a folder");
    for file in &files("3")[..some] {
        std::fs::copy(file, copies.join(file.file_name().expect("a name"))).expect("copied");
    }
    let rows = path(&put(dir.path(), "rows.txt", rows.as_bytes()));
    let report = |option: &str, value: &str| -> Report {
        let work = tempfile::tempdir().expect("a folder");
        let [original, unlearned] = ["conv-original", "conv-head-flip"].map(|m| path(&model(m)));
        let json = path(&work.path().join("report.json"));
        let arguments = ["compare", &original, &unlearned, "--data", &path(&images), option, value];
        let output = audit(work.path())
            .args(arguments)
            .args(["--skip-unreadable", "--json", &json])
            .output()
            .expect("run");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1)), "{stderr}");
        serde_json::from_slice(&std::fs::read(&json).expect("a report")).expect("a report")
    };
    let by_rows = report("--forget-indices", &rows);
    let by_folder = report("--forget-folder", &path(&copies));
    let note = format!("1 of the {} samples to be forgotten", some);
    assert!(by_rows.notes.iter().any(|n| n.starts_with(&note)), "{:?}", by_rows.notes);
    assert_eq!(by_rows.outputs, by_folder.outputs);
    let [a, b] = [by_rows, by_folder].map(|report| report.data.expect("data").split_sha256);
    assert_eq!(a, b);
}

#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_count_where_they_are_images() {
    let dir = tempfile::tempdir().expect("a folder");
    folder(dir.path(), 4);
    let link = |name: &str| {
        std::os::unix::fs::symlink("nowhere", dir.path().join(name)).expect("a link");
    };
    link("train/3/notes.txt");
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    link("train/3/gone.png");
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(code == Some(2) && stderr.contains("gone.png: a link that leads nowhere"), "{stderr}");
    let (code, stderr) = outcome(dir.path(), &["--skip-unreadable"]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
}

#[test]
fn folders_that_hold_no_samples() {
    let dir = tempfile::tempdir().expect("a folder");
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(code == Some(2) && stderr.contains("no images"), "{stderr}");
    put(dir.path(), "readme.txt", b"hello");
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(code == Some(2) && stderr.contains("train/CLASS"), "{stderr}");
}

#[test]
fn a_class_of_the_test_set_only_is_a_class() {
    let dir = tempfile::tempdir().expect("a folder");
    folder(dir.path(), 2);
    std::fs::remove_dir_all(dir.path().join("train/5")).expect("removed");
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    // An eleventh class is more than the model has outputs.
    let image = png(&[9; 64]);
    put(dir.path(), "test/other/1.png", &image);
    let (code, stderr) = outcome(dir.path(), &[]);
    assert!(code == Some(2) && stderr.contains("10 classes"), "{stderr}");
}

#[test]
fn sizes_are_mended_by_the_flags_that_the_error_names() {
    let dir = tempfile::tempdir().expect("a folder");
    folder(dir.path(), 2);
    let tall = encoded(&DynamicImage::new_luma8(20, 31), ImageFormat::Png);
    put(dir.path(), "train/4/tall.png", &tall);
    let (code, stderr) = outcome(dir.path(), &["--resize", "10", "--crop", "8"]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    // The shorter edge alone leaves 12 x 8 of 31 x 20.
    let (code, stderr) = outcome(dir.path(), &["--resize", "8"]);
    assert!(code == Some(2) && stderr.contains("12 x 8 after preprocessing"), "{stderr}");
    let config = r#"{"size": {"height": 8, "width": 8}, "resample": 3, "do_normalize": false}"#;
    let config = path(&put(dir.path(), "config.json", config.as_bytes()));
    let (code, stderr) = outcome(dir.path(), &["--preprocess", &config]);
    assert!(matches!(code, Some(0 | 1)), "{stderr}");
    let (code, stderr) = outcome(&fixture("digits.npz"), &["--preprocess", &config]);
    assert!(code == Some(2) && stderr.contains("arrays are fed"), "{stderr}");
    for flags in [["--resize", "0"], ["--crop", "8x"], ["--interpolation", "bicubic"]] {
        let (code, stderr) = outcome(dir.path(), &flags);
        assert!(code == Some(2) && stderr.contains(flags[0]), "{stderr}");
    }
}
