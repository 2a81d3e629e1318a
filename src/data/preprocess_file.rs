//! Preprocessing as the libraries that models come from write it down: `preprocessor_config.json`
//! of transformers, `config.json` of timm.

use std::path::Path;

use serde_json::{Map, Value};

use super::preprocess::{Centre, Filter, Preprocess, Resize, Size};
use super::{Normalization, text_file};
use crate::{Error, Result};

/// Longest edge that a file or an option may ask for.
pub const MAX_EDGE: u32 = 16_384;

/// Keys of `preprocessor_config.json` that say nothing about what becomes of an image here.
const IGNORED: [&str; 14] = [
    "_valid_processor_keys",
    "auto_map",
    "data_format",
    "default_to_square",
    "device",
    "disable_grouping",
    "do_convert_rgb",
    "feature_extractor_type",
    "image_processor_type",
    "input_data_format",
    "processor_class",
    "return_tensors",
    "transformers_version",
    "type",
];

/// How the names of image processors with an arithmetic of their own begin, and what it is.
const REFUSED: [(&str, &str); 2] = [
    ("Levit", "resizes in a way of its own that is not supported"),
    ("Perceiver", "crops before it resizes, which is not supported"),
];

/// How the names of the image processors begin that resize by `crop_pct`.
const CONVNEXT: &str = "ConvNext";

/// timm's defaults (timm.data.constants): `IMAGENET_DEFAULT_MEAN`, `IMAGENET_DEFAULT_STD`.
const TIMM_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const TIMM_STD: [f64; 3] = [0.229, 0.224, 0.225];

impl Preprocess {
    /// Reads a `preprocessor_config.json` (transformers) or a `config.json` with `pretrained_cfg`
    /// or its keys (timm).
    ///
    /// # Errors
    /// A file that can't be read or is neither; a key whose meaning is not known here, by name.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = text_file::read(path)?;
        let keys =
            Keys { subject: path.display().to_string(), map: text_file::object(path, &text)? };
        match keys.map.get("pretrained_cfg") {
            Some(Value::Object(map)) => timm(&Keys {
                subject: format!("{}: pretrained_cfg", keys.subject),
                map: map.clone(),
            }),
            _ if keys.map.contains_key("input_size") => timm(&keys),
            _ if ["size", "do_resize", "image_mean"].iter().any(|k| keys.map.contains_key(*k)) => {
                transformers(&keys)
            }
            _ => Err(Error::input(
                &keys.subject,
                "no preprocessing: neither `size` and `image_mean` (transformers) nor \
                 `input_size` (timm) is there",
                "give the preprocessor_config.json or timm's config.json of the model",
            )),
        }
    }
}

/// The object that is read, with its name for messages.
struct Keys {
    subject: String,
    map: Map<String, Value>,
}

impl Keys {
    /// The value of a key; `null` is as good as absent.
    fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn refuse(&self, key: &str, problem: &str) -> Error {
        let value = self.map.get(key).map(ToString::to_string).unwrap_or_default();
        Error::input(
            format!("{}: `{key}`", self.subject),
            match value.as_str() {
                "" => problem.to_owned(),
                value => format!("{value}: {problem}"),
            },
            "state what the model was trained with by --resize, --crop, --interpolation, --mean \
             and --std",
        )
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.refuse(key, "neither true nor false")),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let number = value.as_f64().filter(|n| n.is_finite() && *n > 0.0);
        number.map(Some).ok_or_else(|| self.refuse(key, "not a positive number"))
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }

    /// One number or a list of them.
    fn channels(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let numbers: Option<Vec<f64>> = match value {
            Value::Array(values) => values.iter().map(Value::as_f64).collect(),
            value => value.as_f64().map(|v| vec![v]),
        };
        numbers.map(Some).ok_or_else(|| self.refuse(key, "not a list of numbers"))
    }

    fn edge(&self, key: &str, value: &Value) -> Result<u32> {
        let edge = value.as_u64().and_then(|v| u32::try_from(v).ok());
        let edge = edge.filter(|v| (1..=MAX_EDGE).contains(v));
        edge.ok_or_else(|| self.refuse(key, &format!("not a length from 1 to {MAX_EDGE}")))
    }

    fn normalization(&self, mean: &[f64], std: &[f64]) -> Result<Normalization> {
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect();
        Normalization::new(narrow(mean), narrow(std)).map_err(|error| {
            Error::input(&self.subject, error, "mend mean and standard deviation in the file")
        })
    }
}

/// `{"shortest_edge": n}`, `{"height": h, "width": w}` or a whole number.
enum Dimensions {
    Number(u32),
    Shortest(u32),
    Exact(Size),
}

fn dimensions(keys: &Keys, key: &str) -> Result<Option<Dimensions>> {
    let Some(value) = keys.get(key) else { return Ok(None) };
    let known = "neither a whole number, {\"shortest_edge\"} nor {\"height\", \"width\"}";
    let Value::Object(map) = value else {
        return keys.edge(key, value).map(|n| Some(Dimensions::Number(n)));
    };
    let given: Vec<&str> =
        map.iter().filter(|(_, v)| !v.is_null()).map(|(k, _)| k.as_str()).collect();
    Ok(Some(
        match (given.as_slice(), map.get("shortest_edge"), map.get("height"), map.get("width")) {
            ([_], Some(edge), _, _) => Dimensions::Shortest(keys.edge(key, edge)?),
            ([_, _], _, Some(height), Some(width)) => Dimensions::Exact(Size {
                height: keys.edge(key, height)?,
                width: keys.edge(key, width)?,
            }),
            _ => return Err(keys.refuse(key, known)),
        },
    ))
}

fn transformers(keys: &Keys) -> Result<Preprocess> {
    let kind = keys.text("image_processor_type").or_else(|| keys.text("feature_extractor_type"));
    let kind = kind.unwrap_or_default();
    if let Some((_, problem)) = REFUSED.iter().find(|(name, _)| kind.starts_with(name)) {
        let key = match keys.map.contains_key("image_processor_type") {
            true => "image_processor_type",
            false => "feature_extractor_type",
        };
        return Err(keys.refuse(key, problem));
    }
    if keys.get("crop_pct").is_some() && !kind.starts_with(CONVNEXT) {
        return Err(keys.refuse("crop_pct", "of an image processor that is not ConvNeXT's"));
    }
    const READ: [&str; 11] = [
        "do_resize",
        "size",
        "resample",
        "do_center_crop",
        "crop_size",
        "crop_pct",
        "do_rescale",
        "rescale_factor",
        "do_normalize",
        "image_mean",
        "image_std",
    ];
    for (key, value) in &keys.map {
        let off = value.is_null() || *value == Value::Bool(false);
        if !off && !READ.contains(&key.as_str()) && !IGNORED.contains(&key.as_str()) {
            return Err(keys.refuse(key, "a step that is not supported"));
        }
    }
    let mut found = Preprocess::default();
    // Fast processors run torchvision's functions, the others transformers' own.
    if !kind.ends_with("Fast") {
        found.centre = Centre::Transformers;
    }
    let size = dimensions(keys, "size")?;
    if keys.flag("do_resize", size.is_some())? {
        let size =
            size.ok_or_else(|| keys.refuse("size", "missing, though `do_resize` is true"))?;
        let number = keys.get("resample");
        let number =
            number.ok_or_else(|| keys.refuse("resample", "missing, so the filter is unknown"))?;
        found.filter = number
            .as_u64()
            .and_then(Filter::from_pillow)
            .ok_or_else(|| keys.refuse("resample", "none of Pillow's filters, 0 to 5"))?;
        resize_like(&mut found, keys, kind, size)?;
    }
    let crop = dimensions(keys, "crop_size")?;
    if keys.flag("do_center_crop", crop.is_some())? {
        found.crop = match crop {
            Some(Dimensions::Number(edge)) => Some(Size::square(edge)),
            Some(Dimensions::Exact(size)) => Some(size),
            Some(Dimensions::Shortest(_)) => {
                return Err(keys.refuse("crop_size", "a crop needs height and width"));
            }
            None => {
                return Err(keys.refuse("crop_size", "missing, though `do_center_crop` is true"));
            }
        };
    }
    found.rescale = match keys.flag("do_rescale", true)? {
        true => keys.number("rescale_factor")?.unwrap_or(found.rescale),
        false => 1.0,
    };
    let mean = keys.channels("image_mean")?;
    if mean.is_none() && keys.get("do_normalize").is_none() {
        let problem = "missing, as is `image_mean`, so mean and deviation are the library's";
        return Err(keys.refuse("do_normalize", problem));
    }
    if keys.flag("do_normalize", mean.is_some())? {
        let std = keys.channels("image_std")?;
        let [mean, std] = [("image_mean", mean), ("image_std", std)].map(|(key, values)| {
            values.ok_or_else(|| keys.refuse(key, "missing, though `do_normalize` is true"))
        });
        found.normalization = keys.normalization(&mean?, &std?)?;
    }
    Ok(found)
}

/// A bare number means a square to ViT's kin and the shorter edge to the rest. ConvNeXT resizes
/// below 384 to `size / crop_pct` and cuts the centre out, from 384 on without regard to
/// proportions.
fn resize_like(found: &mut Preprocess, keys: &Keys, kind: &str, size: Dimensions) -> Result<()> {
    const SQUARE: [&str; 4] = ["ViT", "DeiT", "Beit", "EfficientNet"];
    let crop_pct = keys.number("crop_pct")?;
    found.resize = Some(match size {
        Dimensions::Exact(_) if crop_pct.is_some() => {
            return Err(keys.refuse("crop_pct", "goes with a shortest edge, not height and width"));
        }
        Dimensions::Exact(size) => Resize::Exact(size),
        Dimensions::Number(edge) | Dimensions::Shortest(edge) if kind.starts_with(CONVNEXT) => {
            if edge >= 384 {
                Resize::Exact(Size::square(edge))
            } else {
                found.crop = Some(Size::square(edge));
                Resize::ShortestEdge(divided(keys, edge, crop_pct.unwrap_or(224.0 / 256.0))?)
            }
        }
        Dimensions::Shortest(edge) => Resize::ShortestEdge(edge),
        Dimensions::Number(edge) if SQUARE.iter().any(|s| kind.starts_with(s)) => {
            Resize::Exact(Size::square(edge))
        }
        Dimensions::Number(_) if kind.is_empty() => {
            return Err(keys.refuse("size", "a square or the shorter edge, which is left open"));
        }
        Dimensions::Number(edge) => Resize::ShortestEdge(edge),
    });
    Ok(())
}

/// `floor(edge / crop_pct)`.
fn divided(keys: &Keys, edge: u32, crop_pct: f64) -> Result<u32> {
    let length = (f64::from(edge) / crop_pct).floor();
    if !(1.0..=f64::from(MAX_EDGE)).contains(&length) {
        return Err(keys.refuse("crop_pct", "leaves no sensible size to resize to"));
    }
    // Whole and within u32, so the conversion is exact.
    Ok(length as u32)
}

fn timm(keys: &Keys) -> Result<Preprocess> {
    let input = match keys.get("input_size") {
        Some(Value::Array(dims)) => match dims.as_slice() {
            [_, height, width] => Size {
                height: keys.edge("input_size", height)?,
                width: keys.edge("input_size", width)?,
            },
            _ => return Err(keys.refuse("input_size", "not [channels, height, width]")),
        },
        _ => return Err(keys.refuse("input_size", "missing or not [channels, height, width]")),
    };
    let crop_pct = keys.number("crop_pct")?.unwrap_or(0.875);
    let scaled = Size {
        height: divided(keys, input.height, crop_pct)?,
        width: divided(keys, input.width, crop_pct)?,
    };
    let resize = match keys.text("crop_mode").unwrap_or("center") {
        "squash" => Resize::Exact(scaled),
        "center" if scaled.height == scaled.width => Resize::ShortestEdge(scaled.height),
        "center" => {
            return Err(keys.refuse("input_size", "not a square, which timm resizes by a ratio"));
        }
        _ => return Err(keys.refuse("crop_mode", "neither \"center\" nor \"squash\"")),
    };
    let filter = Filter::from_name(keys.text("interpolation").unwrap_or("bicubic"))
        .ok_or_else(|| keys.refuse("interpolation", "not a filter that is always the same"))?;
    let mean = keys.channels("mean")?.unwrap_or_else(|| TIMM_MEAN.to_vec());
    let std = keys.channels("std")?.unwrap_or_else(|| TIMM_STD.to_vec());
    Ok(Preprocess {
        resize: Some(resize),
        filter,
        crop: Some(input),
        normalization: keys.normalization(&mean, &std)?,
        ..Preprocess::default()
    })
}

#[cfg(test)]
#[path = "preprocess_file_tests.rs"]
mod tests;
