//! What `scripts/bench images` measures on: a folder of JPEGs, and how fast they become batches.
//!
//! `images make FOLDER COUNT` writes COUNT images of 224 x 224 in ten classes, a tenth of them for
//! testing. `images feed FOLDER` prepares all batches without a model and prints images a second.

use std::path::Path;
use std::time::Instant;

use forget_audit::data::{InputSpec, LoadOptions, load};
use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const EDGE: u32 = 224;
const BATCH: usize = 64;

fn main() -> Fallible<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["make", folder, count] => make(Path::new(folder), count.parse()?),
        ["feed", folder] => feed(Path::new(folder)),
        _ => Err("usage: images make FOLDER COUNT | images feed FOLDER".into()),
    }
}

fn make(folder: &Path, count: u32) -> Fallible<()> {
    for class in 0..10 {
        for set in ["train", "test"] {
            std::fs::create_dir_all(folder.join(format!("{set}/{class}")))?;
        }
    }
    (0..count).into_par_iter().try_for_each(|number| {
        let class = number % 10;
        let set = if number / 10 % 10 == 0 { "test" } else { "train" };
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&picture(number, class))?;
        std::fs::write(folder.join(format!("{set}/{class}/{number:06}.jpg")), bytes)?;
        Ok(())
    })
}

/// A pattern of the class's own frequency and tint, shifted and under noise of its own.
fn picture(number: u32, class: u32) -> image::RgbImage {
    let mut state = number.wrapping_mul(2_654_435_761).wrapping_add(1);
    let shift = number % 97;
    image::RgbImage::from_fn(EDGE, EDGE, |x, y| {
        // Marsaglia's xorshift: quick, and random enough for grain.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let wave = ((x + shift) * (class + 1) / 9 + y * (10 - class) / 9) % 64;
        let grain = state % 32;
        let level = |tint: u32| u8::try_from((wave * 2 + grain + tint * 9) % 256).unwrap_or(0);
        image::Rgb([level(class), level(9 - class), level(5)])
    })
}

fn feed(folder: &Path) -> Fallible<()> {
    let options = LoadOptions::default();
    let start = Instant::now();
    let data = load(folder, &["input"], &options)?;
    let loaded = start.elapsed().as_secs_f64();
    let dims = vec![None, Some(3), Some(224), Some(224)];
    let spec = InputSpec { name: "input".into(), dims };
    let (start, count) = (Instant::now(), data.train.len());
    let rows: Vec<usize> = (0..count).collect();
    let prepared = data.train.feed(&spec, &options.preprocess)?;
    let mut batch = Vec::new();
    for rows in rows.chunks(BATCH) {
        prepared.fill_f32(rows, &mut batch)?;
    }
    let speed = count as f64 / start.elapsed().as_secs_f64();
    println!("{{\"load_seconds\": {loaded:.2}, \"images_per_second\": {speed:.0}}}");
    Ok(())
}
