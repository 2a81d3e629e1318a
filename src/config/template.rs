//! What `audit init` writes: every key with a comment on it, those with a default commented out.

use std::fmt::Write;

use crate::verdict::Policy;
use crate::verdict::rules::{RULES, Rule, help};

/// What is known of a project when its file is written.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// The model before unlearning.
    pub original: Option<String>,
    /// The model after unlearning.
    pub unlearned: Option<String>,
    /// The model retrained without the forget set.
    pub reference: Option<String>,
    /// File or folder of the samples.
    pub data: Option<String>,
    /// Classes to forget.
    pub forget_classes: Vec<String>,
}

/// The text of an `audit.toml`.
pub fn template(known: &Template) -> String {
    let mut out = String::from(
        "# What `audit compare` reads when it is given no models, and the policy of `audit gate`.\n\
         # The command line wins over this file. Paths are relative to this file.\n\n",
    );
    out.push_str("[models]\n");
    value(
        &mut out,
        "original",
        known.original.as_deref(),
        "original.onnx",
        "the model before unlearning",
    );
    value(
        &mut out,
        "unlearned",
        known.unlearned.as_deref(),
        "unlearned.onnx",
        "the model after unlearning",
    );
    value(
        &mut out,
        "reference",
        known.reference.as_deref(),
        "retrained.onnx",
        "retrained from fresh weights without the forget set; `audit retrain` makes one.\n\
         # Give one when a release depends on the verdict",
    );
    out.push_str("\n[data]\n");
    value(
        &mut out,
        "path",
        known.data.as_deref(),
        "data",
        "samples: a folder with train/CLASS/*.png and test/CLASS/*.png, .npz, .parquet, …",
    );
    let classes: Vec<String> = known.forget_classes.iter().map(|c| class(c)).collect();
    let (mark, classes) = match classes.as_slice() {
        [] => ("# ", "3, \"cat\"".to_owned()),
        classes => ("", classes.join(", ")),
    };
    let _ = writeln!(
        out,
        "# the forget set: classes by number or name, or one of the three keys after it\n\
         {mark}forget-classes = [{classes}]"
    );
    out.push_str(DATA);
    out.push_str(REST);
    policy(&mut out);
    out
}

/// Keys of `[data]` that nothing is known of.
const DATA: &str = r#"# forget-indices = "forget.txt"  # row numbers of the training set: .txt, .csv, .json, .npy
# forget-folder = "data/forget"  # the forgotten training images, or copies of them
# forget-column = "forget"       # a column of the metadata: true, or "COLUMN=VALUE"
# class-names = "classes.txt"    # the model's classes in their order, one a line
# images: as a Hugging Face preprocessor_config.json or timm's config.json says, or by these keys
# preprocess = "preprocessor_config.json"
# resize = 256                   # the shorter side; or [height, width]
# crop = 224                     # from the centre; or [height, width]
# interpolation = "bilinear"     # as Pillow resizes: bilinear or bicubic
# mean = [0.485, 0.456, 0.406]   # subtracted after scaling to [0, 1]: one value, or one a channel
# std = [0.229, 0.224, 0.225]    # divided by after that
# skip-unreadable = false        # leave images out that can't be read; the report lists them
"#;

const REST: &str = r#"
[measure]
# layers = ["/layer4/*"]         # layers to tap, names and globs; chosen from the graph by default
# batch-size = 64                # samples run at once; fewer for large images by default
# seed = 0                       # of every random draw

[runtime]
# device = "auto"                # auto, cpu, cuda or cuda:N; auto falls back to the CPU and says so
# threads = 2                    # for one operator; ONNX Runtime's choice by default
# onnxruntime = "libonnxruntime.so"  # the library; looked for by default

[output]
# dir = "reports"                # folder of the JSON and the HTML report
# json = "reports/unlearned.json"
# html = "reports/unlearned.html"
# format = ["text"]              # text, json, html, markdown, junit, sarif, github; "junit=out.xml" for a file
# attest = "reports/unlearned.intoto.json"  # an in-toto statement to sign
# baseline = "baseline.json"     # an earlier report: what became worse since?

"#;

fn value(out: &mut String, key: &str, known: Option<&str>, example: &str, comment: &str) {
    let (mark, text) = match known {
        Some(known) => ("", known),
        None => ("# ", example),
    };
    let _ = writeln!(out, "# {comment}\n{mark}{key} = {}", quoted(text));
}

/// A class number as such, all else in quotes: `04` may be a name, and is not what 4 is.
fn class(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(number) if number.to_string() == text => number.to_string(),
        _ => quoted(text),
    }
}

/// A basic string: JSON's escapes are TOML's, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn policy(out: &mut String) {
    let defaults = Policy::default();
    let _ = write!(
        out,
        "# What a model must meet. Each rule has a level: \"off\", \"warn\" (reported) or \"error\" (the gate\n\
         # fails). What each means: docs/rules.md, {}\n\
         # A limit above or below a reference that is set here fails where no reference is given.\n\
         [policy]\n\
         # default; strict (a reference is required, less damage allowed); exploratory (rules only warn)\n\
         preset = \"default\"\n\
         # deep-from = {:.3}              # layers from this share of the depth on are judged\n\
         # half-way = {}                 # recovery convicts from this share of the way from the reference to\n\
         #                               # the original on: two honest retrains differ by less\n",
        help("").trim_end_matches('#'),
        defaults.deep,
        defaults.half_way,
    );
    for rule in &RULES {
        out.push('\n');
        section(out, rule);
    }
}

fn section(out: &mut String, rule: &Rule) {
    let _ = writeln!(out, "# [policy.rules.{}]  # {}", rule.id, rule.asks);
    match rule.pinned {
        true => out.push_str("# level = \"error\"  # can't be lowered\n"),
        false => {
            let _ = writeln!(out, "# level = \"{}\"", rule.severity.as_str());
        }
    }
    for limit in rule.limits {
        let key = limit.key.as_str();
        let _ = match limit.default {
            Some(value) => writeln!(out, "# {key} = {value}  # {}", limit.key.what()),
            None => writeln!(out, "# {key} =   # {}; not set", limit.key.what()),
        };
    }
    if rule.id == "provider" {
        out.push_str("# allowed = [\"cuda\"]  # where models must have run: \"cpu\", \"cuda\"\n");
    }
    if rule.by_layer && rule.id == "cka-forget" {
        out.push_str(
            "# [[policy.rules.cka-forget.layers]]  # another level or other limits at single layers\n\
             # match = \"/layer4/*\"\n\
             # max = 0.5\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;

    /// What a file that was written for `classes` says they are.
    fn read_back(classes: &[&str]) -> Vec<String> {
        let forget_classes = classes.iter().map(|&c| c.to_owned()).collect();
        let text = template(&Template { forget_classes, ..Template::default() });
        Config::parse("audit.toml", &text).expect("valid").data.forget_classes.expect("classes")
    }

    /// Folders are named 01 to 10 as often as not: class 4 is another one than the class 04.
    #[test]
    fn a_name_that_looks_like_a_number_stays_a_name() {
        for text in ["04", "+4", "-4", "0", "10", "4294967296", "1e3", "0x1", "1_0", "true"] {
            assert_eq!(read_back(&[text]), [text]);
        }
        assert_eq!(read_back(&["04", "9", "cat"]), ["04", "9", "cat"]);
        assert_eq!((class("04"), class("4")), ("\"04\"".into(), "4".into()));
    }

    proptest! {
        #[test]
        fn a_class_is_read_back_as_it_was_named(
            any in ".*",
            digits in "[+-]?[0-9]{1,12}",
            controls in "[\\x00-\\x20\\x7f-\\u{a0}\"'\\\\]*",
        ) {
            for text in [any, digits, controls] {
                prop_assert_eq!(read_back(&[&text]), [text]);
            }
        }
    }

    /// Uncommented, every default says what holds without it.
    #[test]
    fn a_template_says_the_defaults() {
        let text = template(&Template::default());
        let config = Config::parse("audit.toml", &text).expect("valid");
        assert_eq!(config.policy.sha256(), Policy::default().sha256());
        let defaults = ["deep-from", "match", "max = 0.5", "[[policy", "allowed"];
        let lines = text.lines().skip_while(|l| *l != "[policy]").map(|line| {
            let bare = line.strip_prefix("# ").unwrap_or(line);
            let keep = bare.contains(" = ") && !defaults.iter().any(|d| bare.starts_with(d))
                || bare.starts_with("[policy.rules");
            if keep && !bare.contains(" =   #") { bare.to_owned() } else { String::new() }
        });
        let mut uncommented: Vec<String> = lines.collect();
        uncommented[0] = "[policy]".into();
        let uncommented = uncommented.join("\n");
        // These two have nothing to judge by until somebody sets a limit.
        let config = Config::parse("audit.toml", &uncommented)
            .unwrap_or_else(|e| panic!("{e}\n{uncommented}"));
        let defaults = Policy::default();
        for rule in &RULES {
            let limits = |policy: &Policy| {
                let limits = policy.setting(rule.id).map(|s| s.limits.clone());
                limits
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(k, l)| (k, l.value))
                    .collect::<Vec<_>>()
            };
            assert_eq!(limits(&config.policy), limits(&defaults), "{}", rule.id);
            let severity = |policy: &Policy| policy.severity(rule.id, None);
            assert_eq!(severity(&config.policy), severity(&defaults), "{}", rule.id);
        }
    }

    #[test]
    fn what_is_known_is_filled_in() {
        let known = Template {
            original: Some("a \"b\".onnx".into()),
            unlearned: Some("c.onnx".into()),
            reference: None,
            data: Some("photos".into()),
            forget_classes: vec!["3".into(), "tabby cat".into()],
        };
        let config = Config::parse("audit.toml", &template(&known)).expect("valid");
        assert_eq!(config.models.original.as_deref(), Some("a \"b\".onnx".as_ref()));
        assert_eq!(config.models.reference, None);
        assert_eq!(config.data.path.as_deref(), Some("photos".as_ref()));
        assert_eq!(config.data.forget_classes, Some(vec!["3".into(), "tabby cat".into()]));
    }

    #[test]
    fn lines_fit_a_screen() {
        for line in template(&Template::default()).lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }
}
