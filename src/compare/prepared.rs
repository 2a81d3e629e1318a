//! How samples were made ready, as a digest: figures of two reports can be compared only where it is
//! the same.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::data::{Preprocess, Resize, Size};

/// SHA-256 of what is done to samples before the model, and of the classes' names in the order of
/// their numbers. What has no effect (a filter where nothing is resized) is left out.
pub(super) fn sha256(preprocess: &Preprocess, class_names: Option<&[String]>) -> String {
    crate::hex::hex(&Sha256::digest(text(preprocess, class_names)))
}

fn text(preprocess: &Preprocess, class_names: Option<&[String]>) -> String {
    let Preprocess { resize, filter, crop, centre, rescale, normalization } = preprocess;
    let mut text = String::from("forget-audit/preprocess/1\n");
    // Writing to a string can't fail.
    let by = |size: &Size| format!("{}x{}", size.height, size.width);
    let _ = match resize {
        Some(Resize::ShortestEdge(edge)) => writeln!(text, "resize {edge} {filter:?}"),
        Some(Resize::Exact(size)) => writeln!(text, "resize {} {filter:?}", by(size)),
        None => Ok(()),
    };
    if let Some(size) = crop {
        let _ = writeln!(text, "crop {} {centre:?}", by(size));
    }
    let _ = writeln!(text, "rescale {rescale:?}");
    let pairs = normalization.pairs();
    // One value serves all channels.
    let same = pairs.iter().all(|pair| Some(pair) == pairs.first());
    for (mean, std) in pairs.iter().take(if same { 1 } else { pairs.len() }) {
        // -0 subtracts what 0 does.
        let _ = writeln!(text, "mean {:?} std {std:?}", mean + 0.0);
    }
    for name in class_names.unwrap_or_default() {
        let _ = writeln!(text, "class {name:?}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Centre, Filter, Normalization};

    #[test]
    fn it_follows_whatever_changes_a_sample() {
        let names = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>();
        let size = |n| Size { height: n, width: n };
        let base = Preprocess::default();
        let with = |change: &dyn Fn(&mut Preprocess)| {
            let mut changed = base.clone();
            change(&mut changed);
            sha256(&changed, None)
        };
        let norm = |mean: &[f32], std: &[f32]| {
            let normalization = Normalization::new(mean.into(), std.into()).unwrap();
            with(&|p| p.normalization = normalization.clone())
        };
        let mut all = vec![
            sha256(&base, None),
            sha256(&base, Some(&names(&["a", "b"]))),
            sha256(&base, Some(&names(&["b", "a"]))),
            sha256(&base, Some(&names(&["a\"\nclass \"b"]))),
            with(&|p| p.resize = Some(Resize::ShortestEdge(8))),
            with(&|p| p.resize = Some(Resize::Exact(size(8)))),
            with(&|p| (p.resize, p.filter) = (Some(Resize::ShortestEdge(8)), Filter::Bicubic)),
            with(&|p| p.crop = Some(size(8))),
            with(&|p| (p.crop, p.centre) = (Some(size(8)), Centre::Transformers)),
            with(&|p| p.rescale = 1.0),
            norm(&[0.5], &[1.0]),
            norm(&[0.0], &[0.5]),
            norm(&[0.5, 0.5, 0.4], &[1.0]),
            norm(&[0.5, 0.4, 0.5], &[1.0]),
        ];
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        // The same to every sample.
        assert_eq!(norm(&[0.5; 3], &[2.0]), norm(&[0.5], &[2.0; 3]));
        assert_eq!(norm(&[-0.0], &[1.0]), sha256(&base, None));
        assert_eq!(with(&|p| p.filter = Filter::Bicubic), sha256(&base, None));
    }
}
