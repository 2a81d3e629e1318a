//! What the classes are called, by the note that the `datasets` library leaves in the footer.

use serde_json::Value;

use super::labels;
use super::shard::Shard;
use crate::{Error, Result};

/// Longest note that is parsed; the names of all classes of ImageNet-21k fit.
const MAX_NOTE: usize = 4 << 20;

/// The names on which all shards that tell them agree.
///
/// # Errors
/// Shards that name the classes differently.
pub(super) fn told<'a>(shards: impl Iterator<Item = &'a Shard>) -> Result<Option<Vec<String>>> {
    let mut agreed: Option<(Vec<String>, &str)> = None;
    for shard in shards {
        let Some(names) = of_shard(shard) else { continue };
        match &agreed {
            None => agreed = Some((names, &shard.subject)),
            Some((others, _)) if *others == names => {}
            Some((_, other)) => {
                return Err(Error::input(
                    &shard.subject,
                    format!("the classes are named otherwise than in {other}"),
                    "give shards of one data set",
                ));
            }
        }
    }
    Ok(agreed.map(|(names, _)| names))
}

fn of_shard(shard: &Shard) -> Option<Vec<String>> {
    let note = shard.note("huggingface").filter(|note| note.len() <= MAX_NOTE)?;
    let label = labels::column(shard).ok()?.0;
    parse(note, label)
}

/// `info.features.LABEL.names` of a ClassLabel; `None` where the note says nothing of the kind.
fn parse(note: &str, label: &str) -> Option<Vec<String>> {
    let note: Value = serde_json::from_str(note).ok()?;
    let feature = note.get("info")?.get("features")?.get(label)?;
    if feature.get("_type")?.as_str()? != "ClassLabel" {
        return None;
    }
    let names = feature.get("names")?.as_array()?;
    names.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_class_label_has_names() {
        let note = |feature: &str| format!(r#"{{"info": {{"features": {{"label": {feature}}}}}}}"#);
        let names = note(r#"{"names": ["cat", "dog"], "_type": "ClassLabel"}"#);
        assert_eq!(parse(&names, "label").unwrap(), ["cat", "dog"]);
        assert_eq!(parse(&names, "fine_label"), None);
        assert_eq!(parse(&note(r#"{"dtype": "int64", "_type": "Value"}"#), "label"), None);
        assert_eq!(parse(&note(r#"{"names": [1], "_type": "ClassLabel"}"#), "label"), None);
        assert_eq!(parse(&note("null"), "label"), None);
        assert_eq!(parse("{", "label"), None);
        assert_eq!(parse(&"[".repeat(100_000), "label"), None);
    }
}
