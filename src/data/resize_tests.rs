//! Against Pillow 13.0.0: `fixtures/pillow.py` made `fixtures/pillow.npz`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::*;
use crate::data::archive::Archive;
use crate::data::decode::Purpose;
use crate::data::npy;
use crate::data::{Array, Values, picture};

fn arrays() -> BTreeMap<String, Array> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/pillow.npz");
    let mut archive = Archive::new(BufReader::new(File::open(path).unwrap()), "pillow").unwrap();
    let members = archive.members().to_vec();
    let mut read = |member| {
        let mut stream = archive.open(member).unwrap();
        let (size, reserve) = (stream.size, stream.reserve);
        npy::read(&mut stream, size, reserve, "pillow", Purpose::Input).unwrap()
    };
    members.iter().map(|m| (m.name.replace(".npy", ""), read(m))).collect()
}

fn bytes(array: &Array) -> &[u8] {
    match array.values() {
        Values::U8(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

fn size(array: &Array) -> (Size, usize) {
    let length = |i: usize| u32::try_from(array.shape()[i]).unwrap();
    let channels = array.shape().get(2).copied().unwrap_or(1);
    (Size { height: length(0), width: length(1) }, channels)
}

fn largest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn resizing_is_within_one_grey_level_of_pillow() {
    let arrays = arrays();
    let mut seen: BTreeMap<&str, (u8, usize)> = BTreeMap::new();
    let mut resampler = Resampler::default();
    for (name, expected) in &arrays {
        let parts: Vec<&str> = name.split('-').collect();
        let [image, filter, _] = parts[..] else { continue };
        if !image.starts_with("image_") {
            continue;
        }
        let source = &arrays[image];
        let ((from, channels), (to, _)) = (size(source), size(expected));
        let mut out = Vec::new();
        let image = Pixels { bytes: bytes(source), size: from, channels };
        resampler.resize(Filter::from_name(filter).unwrap(), image, to, &mut out).unwrap();
        let difference = largest(&out, bytes(expected));
        let entry = seen.entry(filter).or_default();
        *entry = (entry.0.max(difference), entry.1 + 1);
    }
    // Seen: 0 for nearest, 1 for all others.
    assert_eq!(seen["bilinear"].1 + seen["bicubic"].1, 120);
    assert!(seen.values().all(|&(difference, _)| difference <= 1), "{seen:?}");
}

#[test]
fn decoding_is_pillow_s() {
    let arrays = arrays();
    let mut seen = BTreeMap::new();
    for (name, file) in &arrays {
        let Some(kind) = name.strip_prefix("file-") else { continue };
        let expected = &arrays[&format!("pixels-{kind}")];
        let mut pixels = Vec::new();
        let picture = picture::Picture { bytes: bytes(file), name: kind, upright: false };
        let decoded = picture.decode(3, &mut pixels).unwrap();
        assert_eq!((decoded, 3), size(expected), "{kind}");
        seen.insert(kind, largest(&pixels, bytes(expected)));
    }
    assert_eq!(seen.len(), 19);
    for (kind, difference) in seen {
        // JPEG decoders differ in how they round and how they enlarge colour that was stored at
        // half the resolution; everything else is exact. Seen: 2 at full resolution, 5 and 7 at
        // half, 10 at half and quality 75.
        let most = match kind {
            "jpeg-grey" | "jpeg-cmyk" => 1,
            "jpeg-444" => 2,
            "jpeg-420" | "jpeg-422" | "jpeg-progressive" => 10,
            _ => 0,
        };
        assert!(difference <= most, "{kind}: {difference}");
    }
}

#[test]
fn filters_have_pillow_s_numbers() {
    // PIL.Image.Resampling: NEAREST 0, LANCZOS 1, BILINEAR 2, BICUBIC 3, BOX 4, HAMMING 5.
    for (number, name) in
        ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"].into_iter().enumerate()
    {
        let number = u64::try_from(number).unwrap();
        assert_eq!(Filter::from_pillow(number), Filter::from_name(name));
        assert!(Filter::from_name(name).is_some());
    }
    assert_eq!(Filter::from_pillow(6), None);
}
