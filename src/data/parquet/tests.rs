use std::fs::File;
use std::sync::Mutex;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::images::Images;
use super::shard::Shard;
use super::*;

const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";

/// A column of a row group, as it is written.
enum Column {
    Bytes(Vec<Option<Vec<u8>>>, i16),
    Longs(Vec<Option<i64>>),
    Bools(Vec<Option<bool>>),
}

/// `None` at the level below the value's own.
fn levels<T>(values: &[Option<T>], top: i16) -> Vec<i16> {
    values.iter().map(|v| if v.is_some() { top } else { top - 1 }).collect()
}

fn bytes(values: &[&str]) -> Column {
    Column::Bytes(values.iter().map(|v| Some(v.as_bytes().to_vec())).collect(), 1)
}

fn longs(values: &[i64]) -> Column {
    Column::Longs(values.iter().map(|&v| Some(v)).collect())
}

/// The bytes that row `row` of a test set has.
fn picture(row: usize) -> Vec<u8> {
    (0..row % 50 + 1).map(|i| (row * 7 + i) as u8).collect()
}

/// The image struct's two leaves for some rows.
fn pictures(rows: std::ops::Range<usize>) -> [Column; 2] {
    let path = rows.clone().map(|row| Some(format!("{row}.png").into_bytes())).collect();
    [Column::Bytes(rows.map(|row| Some(picture(row))).collect(), 2), Column::Bytes(path, 2)]
}

fn write(path: &Path, schema: &str, note: Option<&str>, groups: Vec<Vec<Column>>) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let note = note.map(|note| vec![KeyValue::new("huggingface".into(), note.to_owned())]);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_data_page_row_count_limit(10)
        .set_write_batch_size(10)
        .set_key_value_metadata(note)
        .build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties))
            .unwrap();
    for group in groups {
        let mut rows = writer.next_row_group().unwrap();
        for column in group {
            let mut leaf = rows.next_column().unwrap().unwrap();
            match (leaf.untyped(), column) {
                (ColumnWriter::ByteArrayColumnWriter(w), Column::Bytes(values, top)) => {
                    let levels = levels(&values, top);
                    let values: Vec<ByteArray> =
                        values.into_iter().flatten().map(ByteArray::from).collect();
                    w.write_batch(&values, Some(&levels), None).unwrap();
                }
                (ColumnWriter::Int64ColumnWriter(w), Column::Longs(values)) => {
                    let levels = levels(&values, 1);
                    let values: Vec<i64> = values.into_iter().flatten().collect();
                    w.write_batch(&values, Some(&levels), None).unwrap();
                }
                (ColumnWriter::BoolColumnWriter(w), Column::Bools(values)) => {
                    let levels = levels(&values, 1);
                    let values: Vec<bool> = values.into_iter().flatten().collect();
                    w.write_batch(&values, Some(&levels), None).unwrap();
                }
                _ => panic!("the schema has another column"),
            }
            leaf.close().unwrap();
        }
        rows.close().unwrap();
    }
    writer.close().unwrap();
}

/// A sound file of `rows` rows in groups of 100, labels counting up to `classes`.
fn sound(path: &Path, rows: usize, classes: usize, note: Option<&str>) {
    let groups = (0..rows).step_by(100).map(|first| {
        let rows = first..(first + 100).min(rows);
        let labels = rows.clone().map(|row| (row % classes) as i64).collect::<Vec<_>>();
        let mut group: Vec<Column> = pictures(rows).into();
        group.push(longs(&labels));
        group
    });
    write(path, SCHEMA, note, groups.collect());
}

fn open(path: &Path) -> Result<ParquetSets> {
    super::open(path, None)
}

fn problem(path: &Path) -> String {
    open(path).unwrap_err().to_string()
}

#[test]
fn one_file_is_the_only_set() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let note = r#"{"info": {"features": {"label":
        {"names": ["a", "b", "c"], "_type": "ClassLabel"}}}}"#;
    sound(&path, 250, 3, Some(note));
    let sets = open(&path).unwrap();
    assert!(sets.test.is_none());
    assert_eq!(sets.class_names.unwrap(), ["a", "b", "c"]);
    assert_eq!(sets.train.labels, (0..250).map(|row| row % 3).collect::<Vec<_>>());
    assert_eq!(sets.train.store.len(), 250);
    assert!(sets.columns.is_empty());
    let mut out = vec![1, 2, 3];
    for row in [0, 1, 99, 100, 249, 17, 249] {
        sets.train.store.read(row, &mut out).unwrap();
        assert_eq!(out, picture(row), "row {row}");
    }
    assert!(sets.train.store.name(120).ends_with("d.parquet: row 120"));
    assert!(sets.train.store.read(250, &mut out).is_err());
    assert!(!format!("{:?}", sets.train).is_empty());
}

#[test]
fn shards_follow_each_other_and_test_goes_before_validation() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    sound(&data.join("train-00001-of-00002.parquet"), 5, 2, None);
    sound(&data.join("train-00000-of-00002.parquet"), 130, 2, None);
    sound(&data.join("validation-00000-of-00001.parquet"), 7, 2, None);
    for folder in [dir.path(), &data] {
        assert!(recognise(folder));
        let sets = open(folder).unwrap();
        assert_eq!(sets.train.labels.len(), 135);
        assert_eq!(sets.test.unwrap().labels.len(), 7);
        assert_eq!(sets.files.len(), 3);
        let mut out = Vec::new();
        // The second shard's rows are counted on.
        sets.train.store.read(133, &mut out).unwrap();
        assert_eq!(out, picture(3));
        assert!(sets.train.store.name(133).contains("train-00001-of-00002.parquet: row 3"));
    }
    sound(&data.join("test-00000-of-00001.parquet"), 9, 2, None);
    assert_eq!(open(&data).unwrap().test.unwrap().labels.len(), 9);
    std::fs::remove_file(data.join("train-00001-of-00002.parquet")).unwrap();
    assert!(problem(&data).contains("1 of 2 files train-*.parquet are there"));
    assert!(!recognise(&data.join("nowhere")));
}

#[test]
fn labels_may_be_texts_and_other_columns_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let schema = "message schema {
        optional binary split (UTF8);
        optional group img { optional binary bytes; optional binary path (UTF8); }
        optional group other { optional binary bytes; }
        optional binary label (UTF8);
        optional int64 person;
        optional boolean forget;
        optional binary blob;
    }";
    let group = |labels: &[&str]| {
        let n = labels.len();
        let [image, path] = pictures(0..n);
        let other = Column::Bytes(vec![None; n], 2);
        let split = bytes(&["x"].repeat(n));
        let people = Column::Longs((0..n).map(|i| (i != 1).then_some(i as i64)).collect());
        let forget = Column::Bools((0..n).map(|i| Some(i == 2)).collect());
        vec![split, image, path, other, bytes(labels), people, forget, bytes(&["\u{1}"].repeat(n))]
    };
    write(
        &dir.path().join("train.parquet"),
        schema,
        None,
        vec![group(&["dog", "cat", "dog"]), group(&["ant"])],
    );
    write(&dir.path().join("test.parquet"), schema, None, vec![group(&["cat", "emu"])]);
    let sets = open(dir.path()).unwrap();
    // Sorted: ant, cat, dog, emu.
    assert_eq!(sets.class_names.unwrap(), ["ant", "cat", "dog", "emu"]);
    assert_eq!(sets.train.labels, [2, 1, 2, 0]);
    assert_eq!(sets.test.unwrap().labels, [1, 3]);
    let column = |name: &str| sets.columns[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(column("person"), ["0", "", "2", "0"]);
    assert_eq!(column("forget"), ["false", "false", "true", "false"]);
    assert_eq!(column("split"), ["x"; 4]);
    assert_eq!(sets.columns.len(), 3);
}

const TEXTS: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional binary label (UTF8);
}";

fn texts(path: &Path, labels: &[&str]) {
    let [image, paths] = pictures(0..labels.len());
    write(path, TEXTS, None, vec![vec![image, paths, bytes(labels)]]);
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn given_names_number_the_texts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    texts(&path, &["dog", "ape", "cat"]);
    let given = list(&["dog", "cat", "bird", "ape"]);
    let sets = super::open(&path, Some(&given)).unwrap();
    assert_eq!(sets.train.labels, [0, 3, 1]);
    assert_eq!(sets.class_names.unwrap(), given);
    let error = super::open(&path, Some(&list(&["dog", "apa", "cat"]))).unwrap_err().to_string();
    assert!(error.contains("\"ape\" is not among the 3 class names; the nearest"), "{error}");
    // Digits are names where a list says so, and else must be in order.
    texts(&path, &["8", "9", "10"]);
    let error = problem(&path);
    assert!(error.contains("label \"10\" is a number written as text"), "{error}");
    let given = list(&["8", "9", "10"]);
    assert_eq!(super::open(&path, Some(&given)).unwrap().train.labels, [0, 1, 2]);
    texts(&path, &["1", "0", "2"]);
    assert_eq!(open(&path).unwrap().train.labels, [1, 0, 2]);
}

#[test]
fn given_names_go_before_the_footer_s_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let note = r#"{"info": {"features": {"label":
        {"names": ["ape", "cat", "dog"], "_type": "ClassLabel"}}}}"#;
    sound(&path, 4, 3, Some(note));
    let load = |names: &[&str]| {
        let names = list(names);
        crate::data::numbering::by_names(super::load(&path, Some(&names))?, &names)
    };
    let data = load(&["dog", "cat", "ape"]).unwrap();
    assert_eq!(data.train.labels(), [2, 1, 0, 2]);
    assert_eq!(data.class_names.unwrap(), ["dog", "cat", "ape"]);
    let error = load(&["dog", "cat", "monkey"]).unwrap_err().to_string();
    assert!(error.contains("\"ape\", class 0 of the data, is not among"), "{error}");
    assert!(error.contains("\"monkey\" of the list is no class of the data"), "{error}");
}

#[test]
fn blocks_are_let_go_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    sound(&path, 1000, 2, None);
    // Room for one block or two of the twenty.
    let images = Images::with_budget(vec![Shard::open(&path).unwrap()], 8 << 10);
    let errors = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (images, errors) = (&images, &errors);
            scope.spawn(move || {
                let mut out = Vec::new();
                for i in 0..1000 {
                    // Ascending in two threads, scattered in the others.
                    let row = if thread < 2 { i } else { (i * 389 + thread) % 1000 };
                    images.read(row, &mut out).unwrap();
                    if out != picture(row) {
                        errors.lock().unwrap().push(row);
                    }
                }
            });
        }
    });
    assert!(errors.lock().unwrap().is_empty());
}

#[test]
fn rows_without_an_image_are_told_when_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let schema = "message schema {
        optional group image { optional binary bytes; optional binary path (UTF8); }
        optional int64 label;
    }";
    let names = Column::Bytes(vec![Some(b"a".to_vec()); 3], 2);
    let image = Column::Bytes(vec![Some(vec![7]), None, Some(Vec::new())], 2);
    write(&path, schema, None, vec![vec![image, names, longs(&[0, 1, 0])]]);
    let sets = open(&path).unwrap();
    let read = |row| {
        let mut out = Vec::new();
        sets.train.store.read(row, &mut out).map(|()| out).map_err(|e| e.to_string())
    };
    assert_eq!(read(0).unwrap(), [7]);
    assert!(read(1).unwrap_err().contains("d.parquet: row 1: the image is given by its path"));
    assert!(read(2).unwrap_err().contains("d.parquet: row 2: the image has 0 bytes"));
    let none = "message schema {
        optional group image { optional binary bytes; }
        optional int64 label;
    }";
    // A null at level 0 is a missing struct.
    let missing = Column::Bytes(vec![None; 1], 1);
    write(&path, none, None, vec![vec![missing, longs(&[0])]]);
    let error = open(&path).unwrap().train.store.read(0, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("row 0: there is no image"), "{error}");
}

#[test]
fn rows_without_a_class_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let names = r#"{"info": {"features": {"label": {"names": ["a"], "_type": "ClassLabel"}}}}"#;
    for (labels, note, expected) in [
        (longs(&[0, -1]), None, "d.parquet: row 1 of column `label`: label -1 is negative"),
        (Column::Longs(vec![Some(0), None]), None, "row 1 of column `label`: the row has no label"),
        (longs(&[0, 1]), Some(names), "label 1, but 1 classes are named"),
    ] {
        let [image, paths] = pictures(0..2);
        write(&path, SCHEMA, note, vec![vec![image, paths, labels]]);
        let error = problem(&path);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn schemas_without_images_or_labels_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let group = |columns: &str| format!("message schema {{ {columns} }}");
    let picture = || Column::Bytes(vec![Some(vec![1])], 2);
    write(&path, &group("optional int64 label;"), None, vec![vec![longs(&[0])]]);
    assert!(problem(&path).contains("no column of images (bytes and path); there are label"));
    let image = "optional group image { optional binary bytes; }";
    write(&path, &group(image), None, vec![vec![picture()]]);
    assert!(problem(&path).contains("no label column; there are image.bytes"));
    let two =
        "optional group a { optional binary bytes; } optional group b { optional binary bytes; }
        optional int64 label;";
    write(&path, &group(two), None, vec![vec![picture(), picture(), longs(&[0])]]);
    assert!(problem(&path).contains("several columns of images: a, b"));
    write(&path, &group(&format!("{image} optional int64 label;")), None, vec![]);
    assert!(problem(&path).contains("no rows"));
}

/// One row of many zeros, which pack to next to nothing.
fn bomb(path: &Path) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let packed = Compression::ZSTD(parquet::basic::ZstdLevel::default());
    let properties = WriterProperties::builder()
        .set_compression(packed)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for content in [vec![0; 65 << 20], b"0.png".to_vec()] {
        let mut leaf = rows.next_column().unwrap().unwrap();
        let ColumnWriter::ByteArrayColumnWriter(w) = leaf.untyped() else { panic!("no bytes") };
        w.write_batch(&[ByteArray::from(content)], Some(&[2]), None).unwrap();
        leaf.close().unwrap();
    }
    let mut leaf = rows.next_column().unwrap().unwrap();
    let ColumnWriter::Int64ColumnWriter(w) = leaf.untyped() else { panic!("no numbers") };
    w.write_batch(&[0], Some(&[1]), None).unwrap();
    leaf.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    bomb(&path);
    let error = problem(&path);
    assert!(error.contains("row group 0, column image.bytes"), "{error}");
    assert!(error.contains("looks like a decompression bomb"), "{error}");
    // A footer that says less is contradicted by the page.
    let mut bytes = std::fs::read(&path).unwrap();
    let unpacked = |n: u64| -> Vec<u8> {
        let mut zigzag = n << 1;
        let mut out = Vec::new();
        while zigzag > 0x7f {
            out.push((zigzag & 0x7f) as u8 | 0x80);
            zigzag >>= 7;
        }
        out.push(zigzag as u8);
        out
    };
    // The chunk's size is that of its one page and its header's.
    let footer = bytes.len()
        - 8
        - u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap()) as usize;
    let found = ((65u64 << 20) + 5..(65 << 20) + 200).find_map(|n| {
        let wanted = unpacked(n);
        let at = bytes[footer..].windows(wanted.len()).position(|window| window == wanted)?;
        Some((footer + at, wanted.len()))
    });
    let (at, len) = found.expect("the size in the footer");
    let low: Vec<u8> = (1..=len).map(|i| if i < len { 0x80 } else { 1 }).collect();
    bytes[at..at + len].copy_from_slice(&low);
    std::fs::write(&path, bytes).unwrap();
    let sets = open(&path).unwrap();
    let error = sets.train.store.read(0, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("a page of"), "{error}");
}

#[test]
fn images_of_a_parquet_file_are_upright() {
    use image::ImageEncoder;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    let mut png = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
    // Orientation 6: to be turned by a quarter to the right.
    let exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    encoder.write_image(&[0, 51, 102, 153, 204, 255], 3, 2, image::ExtendedColorType::L8).unwrap();
    let column = |bytes: &[u8]| Column::Bytes(vec![Some(bytes.to_vec())], 2);
    write(&path, SCHEMA, None, vec![vec![column(&png), column(b"0.png"), longs(&[0])]]);
    let data = crate::data::load(&path, &["x"], &Default::default()).unwrap();
    let dims = vec![None, Some(1), None, None];
    let spec = crate::data::InputSpec { name: "x".into(), dims };
    let (shape, values) = data.train.batch(&[0], &spec, &Default::default()).unwrap();
    assert_eq!(shape, [1, 1, 3, 2]);
    let fifths: Vec<f32> = values.iter().map(|value| (value * 5.0).round()).collect();
    assert_eq!(fifths, [3.0, 0.0, 4.0, 1.0, 5.0, 2.0]);
}

#[test]
fn damaged_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    sound(&path, 30, 3, None);
    let whole = std::fs::read(&path).unwrap();
    let n = whole.len();
    let mut long = whole.clone();
    long[n - 8..n - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (bytes, expected) in [
        (vec![], "damaged: the file is empty"),
        (b"PAR1".to_vec(), "4 bytes are no parquet file"),
        (b"version https://git-lfs.github.com/spec/v1".to_vec(), "a Git LFS pointer"),
        (whole[..n - 1].to_vec(), "the footer is missing"),
        (whole[..n / 2].to_vec(), "the footer is missing"),
        (long, "a footer of 4294967295 bytes does not fit"),
        ([b"PAR1", &whole[n - 200..]].concat(), "damaged"),
        ([&whole[..4], &whole[n - 8..]].concat(), "does not fit"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = problem(&path);
        assert!(error.contains("d.parquet") && error.contains(expected), "{error}");
    }
    assert!(problem(&dir.path().join("none.parquet")).contains("no such file"));
}

/// Whatever byte is wrong, the file is read or refused, without a panic.
#[test]
fn no_single_byte_makes_the_reader_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("d.parquet");
    sound(&path, 12, 3, Some("{}"));
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for value in [0, 0x7f, 0xff, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(sets) = open(&path) {
                let mut out = Vec::new();
                for row in 0..sets.train.store.len().min(20) {
                    let _ = sets.train.store.read(row, &mut out);
                }
            }
        }
    }
}
