//! Writers of each format: numbers laid down by other libraries than the readers, where there are any.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use zip::write::SimpleFileOptions;

use crate::common::fixture;

/// One set of grey images of 8 x 8 bytes.
pub struct Set {
    pub images: Vec<u8>,
    pub labels: Vec<u8>,
}

/// The fixture's digits, rows sorted by class, training set first.
pub fn digits() -> [Set; 2] {
    let mut archive = zip::ZipArchive::new(File::open(fixture("digits.npz")).unwrap()).unwrap();
    let mut member = |name: &str| {
        let mut bytes = Vec::new();
        archive.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    ["train", "test"].map(|set| {
        let file = npyz::NpyFile::new(&member(&format!("x_{set}"))[..]).map(|f| f.into_vec::<u8>());
        let images = file.unwrap().unwrap();
        let file =
            npyz::NpyFile::new(&member(&format!("y_{set}"))[..]).map(|f| f.into_vec::<i64>());
        let labels = file.unwrap().unwrap();
        let mut rows: Vec<usize> = (0..labels.len()).collect();
        rows.sort_by_key(|&row| labels[row]);
        Set {
            images: rows.iter().flat_map(|&r| images[r * 64..(r + 1) * 64].to_vec()).collect(),
            labels: rows.iter().map(|&r| labels[r] as u8).collect(),
        }
    })
}

/// An array as npyz, an independent writer, lays it down.
fn npy(bytes: &[u8], shape: &[u64]) -> Vec<u8> {
    use npyz::WriterBuilder;
    let mut out = Vec::new();
    let options = npyz::WriteOptions::new().default_dtype().shape(shape);
    let mut writer = options.writer(&mut out).begin_nd().unwrap();
    writer.extend(bytes.iter().copied()).unwrap();
    writer.finish().unwrap();
    out
}

/// The four arrays by their keys; images of `shape`.
pub fn arrays(sets: &[Set; 2], shape: &[u64]) -> Vec<(String, Vec<u8>)> {
    let names = ["train", "test"];
    let of_set = |(set, name): (&Set, &str)| {
        let n = set.labels.len() as u64;
        let images = npy(&set.images, &[&[n], shape].concat());
        [(format!("x_{name}.npy"), images), (format!("y_{name}.npy"), npy(&set.labels, &[n]))]
    };
    sets.iter().zip(names).flat_map(of_set).collect()
}

pub fn npz(path: &Path, members: &[(String, Vec<u8>)]) {
    let mut writer = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, content) in members {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap();
}

pub fn folder(path: &Path, files: &[(String, Vec<u8>)]) {
    std::fs::create_dir(path).unwrap();
    for (name, content) in files {
        std::fs::write(path.join(name), content).unwrap();
    }
}

pub fn safetensors(path: &Path, sets: &[Set; 2]) {
    let mut tensors = Vec::new();
    for (set, name) in sets.iter().zip(["train", "test"]) {
        let n = set.labels.len();
        let view = |shape, data| TensorView::new(Dtype::U8, shape, data).unwrap();
        tensors.push((format!("x_{name}"), view(vec![n, 1, 8, 8], &set.images[..])));
        tensors.push((format!("y_{name}"), view(vec![n], &set.labels[..])));
    }
    std::fs::write(path, safetensors::serialize(tensors, None).unwrap()).unwrap();
}

fn idx(dims: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|&d| bytes.extend((d as u32).to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub fn idx_files(sets: &[Set; 2]) -> Vec<(String, Vec<u8>)> {
    let of_set = |(set, name): (&Set, &str)| {
        let n = set.labels.len();
        [
            (format!("{name}-images-idx3-ubyte"), idx(&[n, 8, 8], &set.images)),
            (format!("{name}-labels-idx1-ubyte"), idx(&[n], &set.labels)),
        ]
    };
    sets.iter().zip(["train", "t10k"]).flat_map(of_set).collect()
}

pub fn packed((name, content): (String, Vec<u8>)) -> (String, Vec<u8>) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&content).unwrap();
    (format!("{name}.gz"), encoder.finish().unwrap())
}

fn png(pixels: &[u8]) -> Vec<u8> {
    let image = image::GrayImage::from_raw(8, 8, pixels.to_vec()).unwrap();
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

impl Set {
    /// Each image as PNG with its label.
    fn pictures(&self) -> impl Iterator<Item = (Vec<u8>, u8)> {
        self.images.chunks_exact(64).map(png).zip(self.labels.iter().copied())
    }
}

/// `SET/CLASS/NUMBER.png`, or, with a table, `SET/NUMBER.png` and `SET/metadata.csv` with a column
/// that marks every third image.
pub fn image_folder(root: &Path, sets: &[Set; 2], table: bool) {
    named_folder(root, sets, table, &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

/// The same, each class called by its name.
pub fn named_folder(root: &Path, sets: &[Set; 2], table: bool, names: &[&str]) {
    for (set, name) in sets.iter().zip(["train", "test"]) {
        let mut lines = String::from("file_name,label,every_third\n");
        for (row, (bytes, label)) in set.pictures().enumerate() {
            let label = names[usize::from(label)];
            let file = match table {
                true => format!("{row:05}.png"),
                false => format!("{label}/{row:05}.png"),
            };
            let path = root.join(name).join(&file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            lines.push_str(&format!("{file},{label},{}\n", row % 3 == 0));
        }
        if table {
            std::fs::write(root.join(name).join("metadata.csv"), lines).unwrap();
        }
    }
}

/// `data/train-00000-of-00002.parquet` and so on, as the Hugging Face Hub lays image sets down.
pub fn parquet_folder(root: &Path, sets: &[Set; 2]) {
    write_parquet(root, sets, None);
}

/// The same, with the names of the classes as labels.
pub fn named_parquet(root: &Path, sets: &[Set; 2], names: &[&str]) {
    write_parquet(root, sets, Some(names));
}

fn write_parquet(root: &Path, sets: &[Set; 2], names: Option<&[&str]>) {
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    let schema = "message schema { optional group image { optional binary bytes; optional binary \
                  path (UTF8); } optional int64 label; }";
    let schema = match names {
        Some(_) => schema.replace("int64 label", "binary label (UTF8)"),
        None => schema.to_owned(),
    };
    let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(&schema).unwrap());
    std::fs::create_dir_all(root.join("data")).unwrap();
    for (set, name) in sets.iter().zip(["train", "test"]) {
        let rows: Vec<(Vec<u8>, u8)> = set.pictures().collect();
        for (shard, rows) in rows.chunks(rows.len().div_ceil(2)).enumerate() {
            let path = root.join(format!("data/{name}-{shard:05}-of-00002.parquet"));
            let properties = std::sync::Arc::new(WriterProperties::default());
            let file = File::create(path).unwrap();
            let mut writer = SerializedFileWriter::new(file, schema.clone(), properties).unwrap();
            for rows in rows.chunks(100) {
                let mut group = writer.next_row_group().unwrap();
                let n = rows.len();
                let images: Vec<ByteArray> =
                    rows.iter().map(|(bytes, _)| bytes.clone().into()).collect();
                let mut column = group.next_column().unwrap().unwrap();
                let image = column.typed::<ByteArrayType>();
                image.write_batch(&images, Some(&vec![2; n]), None).unwrap();
                column.close().unwrap();
                let mut column = group.next_column().unwrap().unwrap();
                let path = column.typed::<ByteArrayType>();
                path.write_batch(&[], Some(&vec![1; n]), None).unwrap();
                column.close().unwrap();
                let mut column = group.next_column().unwrap().unwrap();
                let levels = vec![1; n];
                let labels = rows.iter().map(|(_, label)| *label);
                match names {
                    Some(names) => {
                        let texts: Vec<ByteArray> =
                            labels.map(|label| names[usize::from(label)].into()).collect();
                        let column = column.typed::<ByteArrayType>();
                        column.write_batch(&texts, Some(&levels), None).unwrap();
                    }
                    None => {
                        let numbers: Vec<i64> = labels.map(i64::from).collect();
                        let column = column.typed::<Int64Type>();
                        column.write_batch(&numbers, Some(&levels), None).unwrap();
                    }
                }
                column.close().unwrap();
                group.close().unwrap();
            }
            writer.close().unwrap();
        }
    }
}
