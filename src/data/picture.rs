//! One encoded image: what its header says, and its pixels as 8-bit grey or RGB.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{
    ColorType, DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    RgbImage,
};

use super::resize::Size;
use crate::lfs::refuse_pointer;
use crate::{Error, Result};

/// Most pixels of an image; beyond it Pillow refuses an image as a decompression bomb, too.
const MAX_PIXELS: u64 = 178_956_970;

/// Most bytes that decoding one image may take: [`MAX_PIXELS`] in RGBA and room to work.
const MAX_ALLOCATION: u64 = 1 << 30;

const REPAIR: &str =
    "replace or remove the file, or leave unreadable images out with --skip-unreadable";

/// What a header says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub size: Size,
    /// Whether there is no colour; alpha is none.
    pub grey: bool,
}

/// An encoded image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub bytes: &'a [u8],
    /// For messages.
    pub name: &'a str,
    /// Whether an EXIF orientation is applied. That of a TIFF always is, as Pillow does it.
    pub upright: bool,
}

impl Picture<'_> {
    /// Reads the header; a JPEG is also looked through for its end, and a WebP held
    /// against the length in its header.
    ///
    /// # Errors
    /// Bytes that are no image of a supported format, are cut off, or are too large an image; more
    /// than 8 bits a channel.
    pub fn header(&self) -> Result<Header> {
        let (mut decoder, format) = open(self.bytes, self.name)?;
        let (width, height) = decoder.dimensions();
        let grey = !decoder.color_type().has_color();
        let size = match turned(self.orientation(&mut decoder, format)?) {
            true => Size { height: width, width: height },
            false => Size { height, width },
        };
        Ok(Header { size, grey })
    }

    /// Decodes the image into `pixels`: row by row, `channels` (1 or 3) bytes a pixel. Grey becomes
    /// RGB by repetition; alpha is dropped, as Pillow's `convert("RGB")` does.
    ///
    /// # Errors
    /// As [`Self::header`]; bytes that can't be decoded; colour where one channel is wanted.
    pub fn decode(&self, channels: usize, pixels: &mut Vec<u8>) -> Result<Size> {
        let name = self.name;
        let (mut decoder, format) = open(self.bytes, name)?;
        let (width, height) = decoder.dimensions();
        let (from, colour) = match decoder.color_type() {
            ColorType::L8 => (1, false),
            ColorType::La8 => (2, false),
            ColorType::Rgb8 => (3, true),
            ColorType::Rgba8 => (4, true),
            other => return Err(too_deep(name, &other)),
        };
        if colour && channels == 1 {
            return Err(Error::input(
                name,
                "a colour image, but the model takes grey ones",
                "convert the images to grey: Pillow's convert(\"L\")",
            ));
        }
        let orientation = self.orientation(&mut decoder, format)?;
        let total = usize::try_from(decoder.total_bytes())
            .map_err(|_| Error::input(name, "too large an image", REPAIR))?;
        pixels.clear();
        pixels.resize(total, 0);
        decoder.read_image(pixels).map_err(|error| undecodable(name, &error))?;
        match (from, channels) {
            (1, 3) => *pixels = pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
            (2, 3) => {
                *pixels = pixels.as_chunks::<2>().0.iter().flat_map(|&[l, _]| [l; 3]).collect()
            }
            _ => keep(pixels, from, channels),
        }
        match orientation {
            Orientation::NoTransforms => Ok(Size { height, width }),
            other => turn(pixels, Size { height, width }, channels, other),
        }
    }

    fn orientation(
        &self,
        decoder: &mut impl ImageDecoder,
        format: ImageFormat,
    ) -> Result<Orientation> {
        match self.upright || format == ImageFormat::Tiff {
            true => decoder.orientation().map_err(|error| undecodable(self.name, &error)),
            false => Ok(Orientation::NoTransforms),
        }
    }
}

/// Whether height and width change places.
fn turned(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

/// Turns an image of 1 or 3 channels; returns the new size.
fn turn(
    pixels: &mut Vec<u8>,
    size: Size,
    channels: usize,
    orientation: Orientation,
) -> Result<Size> {
    let raw = std::mem::take(pixels);
    let image = match channels {
        1 => GrayImage::from_raw(size.width, size.height, raw).map(DynamicImage::from),
        _ => RgbImage::from_raw(size.width, size.height, raw).map(DynamicImage::from),
    };
    let mut image = image.ok_or_else(|| Error::internal("pixels that are no image"))?;
    image.apply_orientation(orientation);
    let size = Size { height: image.height(), width: image.width() };
    *pixels = image.into_bytes();
    Ok(size)
}

/// Keeps the first `to` of each `from` channels.
fn keep(pixels: &mut Vec<u8>, from: usize, to: usize) {
    if from == to {
        return;
    }
    let count = pixels.len() / from;
    for pixel in 0..count {
        pixels.copy_within(pixel * from..pixel * from + to, pixel * to);
    }
    pixels.truncate(count * to);
}

fn open<'a>(bytes: &'a [u8], name: &str) -> Result<(impl ImageDecoder + 'a, ImageFormat)> {
    if bytes.is_empty() {
        return Err(Error::input(name, "the file is empty", REPAIR));
    }
    refuse_pointer(name, bytes)?;
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| undecodable(name, &ImageError::IoError(error)))?;
    let Some(format) = reader.format() else {
        return Err(Error::input(
            name,
            "the content is no image (PNG, JPEG, WebP, BMP, GIF or TIFF)",
            REPAIR,
        ));
    };
    let is_cut = match format {
        ImageFormat::Jpeg => jpeg_is_cut(bytes),
        ImageFormat::WebP => webp_is_cut(bytes),
        _ => false,
    };
    if is_cut {
        return Err(Error::input(name, "the image ends early", REPAIR));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_ALLOCATION);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|error| undecodable(name, &error))?;
    decoder.set_limits(limits).map_err(|error| undecodable(name, &error))?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(Error::input(name, format!("an image of {width} x {height} pixels"), REPAIR));
    }
    if u64::from(width).saturating_mul(u64::from(height)) > MAX_PIXELS {
        return Err(Error::input(
            name,
            format!("an image of {width} x {height} pixels, more than {MAX_PIXELS} in all"),
            "scale the image down, or leave it out with --skip-unreadable",
        ));
    }
    if !decoder_is_8_bit(decoder.color_type()) {
        return Err(too_deep(name, &decoder.original_color_type()));
    }
    Ok((decoder, format))
}

fn decoder_is_8_bit(color: ColorType) -> bool {
    matches!(color, ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8)
}

/// Libraries disagree on how such images become bytes, so none of the ways is taken silently.
fn too_deep(name: &str, color: &dyn std::fmt::Debug) -> Error {
    Error::input(
        name,
        format!("pixels of type {color:?}, but only 8 bits a channel are supported"),
        "convert the images to 8 bits a channel, as they were for training",
    )
}

fn undecodable(name: &str, error: &ImageError) -> Error {
    let problem = match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the image ends early".to_owned()
        }
        // Messages of several lines would tear the report apart.
        error => {
            let text = error.to_string();
            let line: Vec<&str> = text.split_whitespace().collect();
            format!("can't be decoded: {}", line.join(" "))
        }
    };
    Error::input(name, problem, REPAIR)
}

/// Whether no end-of-image marker follows the start of the pixels; the decoder would fill up a
/// JPEG that is cut off with grey.
fn jpeg_is_cut(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        match *rest {
            // Any number of fill bytes may stand before a marker.
            [0xff, 0xff, ..] => rest = rest.get(1..).unwrap_or_default(),
            [0xff, START_OF_SCAN, ref scan @ ..] => {
                return !scan.windows(2).any(|pair| pair == [0xff, END_OF_IMAGE]);
            }
            [0xff, _, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                rest = rest.get(length.saturating_add(2)..).unwrap_or_default();
            }
            [] | [_] => return true,
            // No marker where one should be: the decoder tells what is wrong.
            _ => return false,
        }
    }
}

/// Whether the header counts more bytes than there are, which Pillow refuses; the decoder stops at
/// the last pixel.
fn webp_is_cut(bytes: &[u8]) -> bool {
    // `RIFF`, then the length of what follows.
    let Some((length, rest)) = bytes.get(4..).and_then(<[u8]>::split_first_chunk) else {
        return true;
    };
    usize::try_from(u32::from_le_bytes(*length)).map_or(true, |length| length > rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn pixels(bytes: &[u8], channels: usize) -> Result<Vec<u8>> {
        let mut out = vec![9; 5];
        Picture { bytes, name: "a.png", upright: false }.decode(channels, &mut out)?;
        Ok(out)
    }

    fn header(bytes: &[u8], name: &str) -> Result<Header> {
        Picture { bytes, name, upright: false }.header()
    }

    /// A TIFF header and one directory that holds nothing but the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut bytes = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        bytes.extend([orientation, 0, 0, 0, 0, 0, 0]);
        bytes
    }

    /// Where the pixels `a b c` over `d e f` come to lie; by the table in the EXIF standard: what
    /// row 0 and column 0 are seen as.
    const TURNS: [(u8, u32, &[u8; 6]); 8] = [
        (1, 2, b"abcdef"),
        (2, 2, b"cbafed"),
        (3, 2, b"fedcba"),
        (4, 2, b"defabc"),
        (5, 3, b"adbecf"),
        (6, 3, b"daebfc"),
        (7, 3, b"fcebda"),
        (8, 3, b"cfbead"),
    ];

    #[test]
    fn upright_images_are_turned_as_exif_says() {
        use image::ImageEncoder;
        let grey: Vec<u8> = b"abcdef".to_vec();
        let rgb: Vec<u8> = grey.iter().flat_map(|&v| [v, 0, 255 - v]).collect();
        for (orientation, height, expected) in TURNS {
            for (channels, raw, color) in [
                (1, &grey, image::ExtendedColorType::L8),
                (3, &rgb, image::ExtendedColorType::Rgb8),
            ] {
                let mut bytes = Vec::new();
                let mut encoder = image::codecs::png::PngEncoder::new(&mut bytes);
                encoder.set_exif_metadata(exif(orientation)).unwrap();
                encoder.write_image(raw, 3, 2, color).unwrap();
                let mut out = Vec::new();
                let mut picture = Picture { bytes: &bytes, name: "a.png", upright: true };
                let size = Size { height, width: 5 - height };
                assert_eq!(picture.decode(channels, &mut out).unwrap(), size);
                assert_eq!(picture.header().unwrap().size, size);
                let seen: Vec<u8> = out.iter().copied().step_by(channels).collect();
                assert_eq!(&seen, expected, "orientation {orientation}");
                picture.upright = false;
                assert_eq!(
                    picture.decode(channels, &mut out).unwrap(),
                    Size { height: 2, width: 3 }
                );
                assert_eq!(&out, raw);
            }
        }
    }

    /// A grey TIFF of 3 x 2 pixels, laid down by hand: TIFF 6.0, baseline grey.
    fn tiff(orientation: u16) -> Vec<u8> {
        let entry = |tag: u16, kind: u16, value: u32| {
            let mut bytes = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
            bytes.extend(1u32.to_le_bytes());
            bytes.extend(value.to_le_bytes());
            bytes
        };
        let mut bytes = b"II\x2a\0\x0e\0\0\0abcdef".to_vec();
        let entries = [
            (256, 3),
            (257, 2),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (274, u32::from(orientation)),
            (277, 1),
            (278, 2),
            (279, 6),
        ];
        bytes.extend((entries.len() as u16).to_le_bytes());
        bytes.extend(entries.iter().flat_map(|&(tag, value)| entry(tag, 4, value)));
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn a_tiff_is_turned_wherever_it_lies() {
        for (orientation, height, expected) in TURNS {
            let bytes = tiff(orientation.into());
            assert_eq!(pixels(&bytes, 1).unwrap(), expected, "orientation {orientation}");
            let size = Size { height, width: 5 - height };
            assert_eq!(header(&bytes, "a.tif").unwrap().size, size);
        }
    }

    #[test]
    fn alpha_is_dropped_and_grey_repeated() {
        let rgba = image::RgbaImage::from_raw(2, 1, vec![1, 2, 3, 0, 4, 5, 6, 255]).unwrap();
        let rgba = encoded(&rgba.into(), ImageFormat::Png);
        assert_eq!(pixels(&rgba, 3).unwrap(), [1, 2, 3, 4, 5, 6]);
        let grey = image::GrayImage::from_raw(2, 1, vec![7, 8]).unwrap();
        let grey = encoded(&grey.into(), ImageFormat::Png);
        assert_eq!(pixels(&grey, 3).unwrap(), [7, 7, 7, 8, 8, 8]);
        assert_eq!(pixels(&grey, 1).unwrap(), [7, 8]);
        let both = image::GrayAlphaImage::from_raw(2, 1, vec![7, 0, 8, 9]).unwrap();
        let both = encoded(&both.into(), ImageFormat::Png);
        assert_eq!(pixels(&both, 3).unwrap(), [7, 7, 7, 8, 8, 8]);
        assert_eq!(pixels(&both, 1).unwrap(), [7, 8]);
        let size = Size { height: 1, width: 2 };
        assert_eq!(header(&both, "a.png").unwrap(), Header { size, grey: true });
        assert_eq!(header(&rgba, "a.png").unwrap(), Header { size, grey: false });
    }

    #[test]
    fn colour_into_grey_and_16_bits_are_refused() {
        let rgb = encoded(&DynamicImage::new_rgb8(2, 2), ImageFormat::Png);
        let error = pixels(&rgb, 1).unwrap_err();
        assert_eq!(error.to_string(), "a.png: a colour image, but the model takes grey ones");
        for deep in [DynamicImage::new_luma16(2, 2), DynamicImage::new_rgb16(2, 2)] {
            let bytes = encoded(&deep, ImageFormat::Png);
            let error = header(&bytes, "a.png").unwrap_err().to_string();
            assert!(error.contains("8 bits a channel"), "{error}");
            assert!(pixels(&bytes, 3).is_err());
        }
    }

    #[test]
    fn an_image_cut_at_any_byte_is_refused() {
        let picture = image::RgbImage::from_fn(24, 24, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let picture: DynamicImage = picture.into();
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(&picture, format);
            assert!(pixels(&bytes, 3).is_ok());
            // A PNG's last twelve bytes are its IEND chunk, which holds nothing.
            for end in 0..bytes.len() - 16 {
                let error = pixels(&bytes[..end], 3).unwrap_err().to_string();
                assert!(error.starts_with("a.png: "), "{error}");
            }
        }
        // A JPEG or WebP is found out by its header alone, so before any model runs.
        for format in [ImageFormat::Jpeg, ImageFormat::WebP] {
            let bytes = encoded(&picture, format);
            assert!(pixels(&bytes, 3).is_ok());
            for less in 1..=4 {
                let error = header(&bytes[..bytes.len() - less], "a.jpg").unwrap_err();
                assert_eq!(error.to_string(), "a.jpg: the image ends early");
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut png = encoded(&DynamicImage::new_luma8(1, 1), ImageFormat::Png);
        // IHDR: width and height at bytes 16 and 20; the checksum at 29 covers bytes 12 to 29.
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let checksum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&checksum.to_be_bytes());
        let error = header(&png, "bomb.png").unwrap_err().to_string();
        assert!(error.contains("65536 x 65536"), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xedb8_8320 * (c & 1)))
        })
    }

    #[test]
    fn what_is_no_image_is_named() {
        assert!(header(b"", "a.png").unwrap_err().to_string().contains("empty"));
        assert!(header(b"hello, world", "a.png").unwrap_err().to_string().contains("no image"));
        let garbage = [&b"\x89PNG\r\n\x1a\n"[..], &[7; 90]].concat();
        assert!(header(&garbage, "a.png").is_err());
        assert!(header(&[0xff, 0xd8, 0xff, 0xff, 0xff], "a.jpg").is_err());
    }
}
