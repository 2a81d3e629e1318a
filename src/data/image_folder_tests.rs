use std::io::Cursor;

use super::*;
use crate::data::load as load_any;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = image::DynamicImage::new_luma8(width, height);
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    names.iter().for_each(|name| put(dir.path(), name, &png(4, 4)));
    dir
}

fn read(dir: &tempfile::TempDir) -> Result<Data> {
    load_any(dir.path(), &["x"], &LoadOptions::default())
}

fn named(dir: &tempfile::TempDir, names: &[&str]) -> Result<Data> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let options = LoadOptions { class_names: Some(names), ..LoadOptions::default() };
    load_any(dir.path(), &["x"], &options)
}

fn names(data: &Data) -> Vec<&str> {
    data.class_names.iter().flatten().map(String::as_str).collect()
}

#[test]
fn classes_are_the_folders_of_both_sets() {
    let dir = folder(&["train/b/1.png", "train/a/2.png", "test/c/1.png", "test/a/deep/er/1.png"]);
    std::fs::create_dir(dir.path().join("test/B")).unwrap();
    let data = read(&dir).unwrap();
    assert_eq!(names(&data), ["B", "a", "b", "c"]);
    assert_eq!(data.train.labels(), [1, 2]);
    assert_eq!(data.test.as_ref().unwrap().labels(), [1, 3]);
    assert_eq!(data.files.len(), 4);
}

#[test]
fn one_set_may_lie_in_train_or_at_the_root() {
    for prefix in ["", "train/"] {
        let files = ["cat/1.png", "dog/1.png"].map(|name| format!("{prefix}{name}"));
        let dir = folder(&files.each_ref().map(String::as_str));
        let data = read(&dir).unwrap();
        assert_eq!((names(&data), data.test.is_none()), (vec!["cat", "dog"], true));
    }
    // Beside other folders `train` is a class: of vehicles, say.
    let data = read(&folder(&["train/1.png", "plane/1.png"])).unwrap();
    assert_eq!(names(&data), ["plane", "train"]);
}

#[test]
fn any_usual_name_of_the_test_folder_will_do() {
    for name in ["test", "val", "valid", "validation"] {
        let dir = folder(&["train/a/1.png", &format!("{name}/a/1.png")]);
        assert_eq!(read(&dir).unwrap().test.unwrap().len(), 1);
    }
}

#[test]
fn given_names_fix_the_order_and_may_be_more() {
    let dir = folder(&["a/1.png", "b/1.png"]);
    let data = named(&dir, &["z", "b", "y", "a"]).unwrap();
    assert_eq!(data.train.labels(), [3, 1]);
    assert_eq!(names(&data), ["z", "b", "y", "a"]);
    let error = named(&dir, &["a", "c"]).unwrap_err().to_string();
    assert!(error.contains("\"b\" is not among the 2 class names"), "{error}");
}

#[test]
fn a_table_names_labels_and_what_else_is_known() {
    let dir = folder(&["train/1.png", "train/2.png", "test/1.png", "train/unlisted.png"]);
    put(dir.path(), "train/metadata.csv", b"file_name,label,user\n2.png,dog,ann\n1.png,cat,bob\n");
    put(dir.path(), "test/metadata.jsonl", br#"{"file_name": "1.png", "label": "dog"}"#);
    let data = read(&dir).unwrap();
    assert_eq!(data.train.labels(), [1, 0]);
    assert_eq!(data.test.as_ref().unwrap().labels(), [1]);
    assert_eq!(data.columns["user"], ["ann", "bob"]);
    assert_eq!(data.files.len(), 5);
}

#[test]
fn a_table_at_the_root_serves_both_sets() {
    let dir = folder(&["train/1.png", "val/1.png"]);
    let table = b"file_name,label,user\nval/1.png,7,ann\ntrain/1.png,5,bob\n";
    put(dir.path(), "metadata.csv", table);
    let data = read(&dir).unwrap();
    assert_eq!((data.train.labels(), names(&data).len()), (&[5][..], 0));
    assert_eq!(data.test.as_ref().unwrap().labels(), [7]);
    assert_eq!(data.columns["user"], ["bob"]);
    let dir = folder(&["1.png", "2.png"]);
    put(dir.path(), "metadata.csv", b"file_name,label\n1.png,a\n3.png,b\n");
    let error = read(&dir).unwrap_err().to_string();
    assert!(error.contains("line 3: there is no file") && error.contains("3.png"), "{error}");
}

#[test]
fn folders_without_class_folders_are_refused() {
    for (files, problem) in [
        (&[][..], "no images"),
        (&["notes.txt"], "no images"),
        (&["a/.hidden.png"], "no images"),
        (&["1.png"], "outside of any class folder"),
        (&["train/1.png", "test/a/1.png"], "outside of any class folder"),
        (&["a/1.png", "2.png"], "beside the class folders"),
        (&["train/a/1.txt", "test/a/1.png"], "train: no images"),
    ] {
        let error = read(&folder(files)).unwrap_err().to_string();
        assert!(error.contains(problem), "{files:?}: {error}");
    }
}

#[test]
fn unreadable_images_are_errors_or_left_out_with_their_rows() {
    let dir = folder(&["train/1.png", "train/2.png", "train/3.png", "test/1.png", "test/2.png"]);
    let table = b"file_name,label,user\n1.png,0,a\n2.png,1,b\n3.png,1,c\n";
    put(dir.path(), "train/metadata.csv", table);
    put(dir.path(), "test/metadata.csv", b"file_name,label\n1.png,0\n2.png,1\n");
    put(dir.path(), "train/2.png", b"");
    put(dir.path(), "test/1.png", &png(9, 9)[..60]);
    let error = read(&dir).unwrap_err().to_string();
    assert!(error.ends_with("2.png: the file is empty"), "{error}");
    let options = LoadOptions { skip_unreadable: true, ..LoadOptions::default() };
    let data = load_any(dir.path(), &["x"], &options).unwrap();
    assert_eq!(data.train.labels(), [0, 1]);
    assert_eq!(data.columns["user"], ["a", "c"]);
    assert_eq!(data.test.as_ref().unwrap().labels(), [1]);
    let skipped: Vec<_> = data.skipped.iter().map(|s| (&s.name[..], &s.reason[..])).collect();
    assert!(skipped[0].0.ends_with("train/2.png") && skipped[0].1.contains("empty"));
    assert!(skipped[1].0.ends_with("test/1.png"), "{skipped:?}");
    assert_eq!((skipped.len(), data.files.len()), (2, 5));
    put(dir.path(), "test/2.png", b"x");
    let error = load_any(dir.path(), &["x"], &options).unwrap_err().to_string();
    assert!(error.contains("none of 2 images can be read"), "{error}");
}

#[test]
fn sets_go_by_their_names_in_any_case() {
    for (train, test) in
        [("Train", "Test"), ("TRAINING", "testing"), ("train", "eval"), ("train", "Dev")]
    {
        let data =
            read(&folder(&[&format!("{train}/a/1.png"), &format!("{test}/b/1.png")])).unwrap();
        assert_eq!(names(&data), ["a", "b"]);
        assert_eq!(data.test.unwrap().labels(), [1]);
    }
    let dir = folder(&["Train/1.png", "VAL/1.png"]);
    put(dir.path(), "metadata.csv", b"file_name,label\nTrain/1.png,0\nVAL/1.png,1\n");
    assert_eq!(read(&dir).unwrap().test.unwrap().labels(), [1]);
    for files in [
        ["train/a/1.png", "Train/a/1.png", "test/a/1.png"],
        ["train/a/1.png", "training/a/1.png", "test/a/1.png"],
    ] {
        let error = read(&folder(&files)).unwrap_err().to_string();
        assert!(error.contains("by its name the same set as"), "{error}");
    }
}

#[test]
fn sets_are_never_taken_for_classes() {
    for files in [
        &["train/a/1.png", "holdout/a/1.png"][..],
        &["Testing/a/1.png", "holdout/a/1.png"],
        &["test/a/1.png"],
        &["dev/a/1.png", "val/b/1.png"],
    ] {
        let error = read(&folder(files)).unwrap_err().to_string();
        assert!(error.contains("called like a set and holds folders"), "{files:?}: {error}");
    }
}

/// A folder of four images and a table of these labels.
fn table(labels: &[&str]) -> tempfile::TempDir {
    let dir = folder(&["1.png", "2.png", "3.png", "4.png"]);
    let rows = (1..).zip(labels).map(|(i, label)| format!("{i}.png,{label}\n")).collect::<String>();
    put(dir.path(), "metadata.csv", format!("file_name,label\n{rows}").as_bytes());
    dir
}

#[test]
fn numbers_in_a_table_are_the_model_s_however_they_are_written() {
    for labels in [["3", "11", "0", "2"], ["3.0", "11.0", "0.0", "2.0"], [" 3", " 11", " 0", " 2"]]
    {
        let data = read(&table(&labels)).unwrap();
        assert_eq!((data.train.labels(), names(&data).len()), (&[3, 11, 0, 2][..], 0));
        let error = named(&table(&labels), &["a", "b", "c"]).unwrap_err().to_string();
        assert!(error.contains("label 3, but only 3 classes are named"), "{error}");
    }
    for odd in ["-1", "3.5", "cat"] {
        let error = read(&table(&["0", "1", odd, "2"])).unwrap_err().to_string();
        assert!(error.contains("line 4: label") && error.contains(odd), "{error}");
    }
}

#[test]
fn given_names_serve_tables_as_they_serve_folders() {
    let data = named(&table(&["cat", "ape", "dog", "cat"]), &["dog", "cat", "ape"]).unwrap();
    assert_eq!(data.train.labels(), [1, 2, 0, 1]);
    let data = named(&table(&["0", "1", "2", "1"]), &["dog", "cat", "ape"]).unwrap();
    assert_eq!((data.train.labels(), names(&data)), (&[0, 1, 2, 1][..], vec!["dog", "cat", "ape"]));
    // Digits that are no numbers of four classes are names.
    let data = named(&table(&["8", "9", "7", "6"]), &["9", "8", "7", "6"]).unwrap();
    assert_eq!(data.train.labels(), [1, 0, 2, 3]);
    let error = named(&table(&["0", "1", "2", "1"]), &["2", "1", "0"]).unwrap_err();
    assert!(error.to_string().contains("line 2: label 0 is the name of class 2"), "{error}");
    assert!(error.remedy().contains("leave --class-names out"), "{}", error.remedy());
}

#[test]
fn a_table_and_class_folders_must_speak_of_the_same_classes() {
    let dir = folder(&["train/1.png", "train/2.png", "test/a/1.png", "test/b/1.png"]);
    put(dir.path(), "train/metadata.csv", b"file_name,label\n1.png,0\n2.png,1\n");
    let error = read(&dir).unwrap_err().to_string();
    assert!(error.contains("line 2: label 0 is a number, but the other set"), "{error}");
    let data = named(&dir, &["b", "a"]).unwrap();
    assert_eq!((data.train.labels(), data.test.unwrap().labels()), (&[0, 1][..], &[1, 0][..]));
}

#[test]
fn what_torchvision_numbers_otherwise_is_told() {
    let twelve: Vec<String> = (0..12).map(|class| format!("train/{class}/1.png")).collect();
    let mut files: Vec<&str> = twelve.iter().map(String::as_str).collect();
    files.push("test/0/1.png");
    let dir = folder(&files);
    let data = read(&dir).unwrap();
    assert_eq!(names(&data)[..4], ["0", "1", "10", "11"]);
    assert!(data.notes[0].contains("folder 10 is class 2"), "{:?}", data.notes);
    let given: Vec<String> = (0..12).map(|class| class.to_string()).collect();
    let data = named(&dir, &given.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert_eq!((data.train.labels()[2], data.notes.len()), (10, 0));
    let data = read(&folder(&files[..10])).unwrap();
    assert_eq!((data.notes.len(), &data.numbered_otherwise), (0, &None));
    // Rows of the test set are never named by number.
    for (gif, told) in [("train/0/2.gif", true), ("test/0/2.gif", false), ("train/.x/1.png", true)]
    {
        put(dir.path(), gif, &png(4, 4));
        let data = read(&dir).unwrap();
        std::fs::remove_file(dir.path().join(gif)).unwrap();
        let file = data.numbered_otherwise;
        assert_eq!(file.map(|file| file.ends_with(gif)), told.then_some(true));
    }
}
