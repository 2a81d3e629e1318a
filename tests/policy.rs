//! Policy files: broken ones with line, column and remedy, and what no policy can do.

mod common;

use forget_audit::Error;
use forget_audit::config::Config;
use forget_audit::verdict::rules::{RULES, help};

/// A file, the place and the text of the problem, and a part of the remedy.
const BROKEN: &[(&str, &str, &str, &str)] = &[
    ("[models\noriginal = 1", "1:8", "", "TOML syntax"),
    ("[data]\npath = \"a\"\npath = \"b\"", "3:1", "duplicate key", "TOML syntax"),
    ("[modles]\n", "1:2", "unknown key `modles` in the file", "did you mean `models`?"),
    ("[models]\nunlearnd = \"a\"", "2:1", "unknown key `unlearnd` in models", "`unlearned`"),
    ("[models]\noriginal = 3", "2:1", "models.original is of type integer", "text in quotes"),
    ("[models]\noriginal = \"\"", "2:1", "models.original is empty", "leave the key out"),
    ("models = 3", "1:1", "models is of type integer", "give a table: [models]"),
    ("[data]\nskip-unreadable = \"yes\"", "2:1", "of type string", "true or false"),
    (
        "[data]\nforget-classes = [1]\nforget-indices = \"f.txt\"",
        "3:1",
        "forget-classes and forget-indices both name the forget set",
        "keep one",
    ),
    ("[data]\nforget-classes = [[1]]", "2:1", "of type array", "class numbers or names"),
    ("[data]\nmean = [0.5, nan]", "2:1", "data.mean is of type array", "a list of numbers"),
    ("[measure]\nbatch-size = 0", "2:1", "measure.batch-size is 0", "from 1 to 65536"),
    ("[measure]\nseed = -1", "2:1", "measure.seed is -1", "a whole number from 0"),
    ("[runtime]\ndevice = \"gpu\"", "2:1", "there is no device \"gpu\"", "cuda:N"),
    ("[output]\ncolour = 1", "2:1", "unknown key `colour`", "there are: dir"),
    ("[policy]\npreset = \"lax\"", "2:1", "there is no preset \"lax\"", "default, strict"),
    ("[policy]\ndeep-from = 1.5", "2:1", "policy.deep-from is 1.5", "from 0 to 1"),
    ("[policy]\nhalf-way = nan", "2:1", "policy.half-way is NaN", "from 0 to 1"),
    (
        "[policy.rules.probe-recover]\nlevel = \"warn\"",
        "1:15",
        "unknown key `probe-recover` in policy.rules",
        "did you mean `probe-recovery`?",
    ),
    (
        "[policy.rules.samples]\nlevel = \"fatal\"",
        "2:1",
        "there is no level \"fatal\"",
        "\"off\", \"warn\" or \"error\"",
    ),
    (
        "[policy.rules.encoder-unchanged]\nlevel = \"off\"",
        "2:1",
        "encoder-unchanged can't be lowered to \"off\"",
        "--exit-zero",
    ),
    (
        "[policy.rules.evidence]\nlevel = \"warn\"",
        "2:1",
        "evidence can't be lowered",
        "--exit-zero",
    ),
    ("[policy.rules.samples]\n", "1:15", "the table of samples is empty", "set a level"),
    (
        "[policy.rules.samples]\nmax = 3",
        "2:1",
        "unknown key `max` in policy.rules.samples",
        "there are: level, min-forget",
    ),
    (
        "[policy.rules.probe-recovery]\nmax = 1.01",
        "2:1",
        "policy.rules.probe-recovery.max is 1.01",
        "from 0 to 1",
    ),
    (
        "[policy.rules.probe-recovery]\nmax = \"0.5\"",
        "2:1",
        "policy.rules.probe-recovery.max is of type string",
        "a number from 0 to 1",
    ),
    (
        "[policy.rules.probe-recovery]\nmax = 0.4\nmin = 0.6",
        "3:1",
        "probe-recovery can't be met: min is 0.6, max is 0.4",
        "let min be at most max",
    ),
    (
        "[policy.rules.probe-recovery]\nmin-above-reference = 0.06",
        "2:1",
        "min-above-reference is 0.06, max-above-reference is 0.05",
        "at most max-above-reference",
    ),
    (
        "[policy.rules.retain-cka]\nlevel = \"off\"\nmin = 0.5",
        "2:1",
        "retain-cka is off, yet limits are set",
        "warn or error",
    ),
    (
        "[policy.rules.retain-cka]\nlevel = \"error\"",
        "1:15",
        "retain-cka has a level but nothing to judge by",
        "set one of: min, max",
    ),
    (
        "[policy.rules.provider]\nlevel = \"error\"",
        "1:15",
        "provider has a level but nothing to judge by",
        "allowed = [\"cuda\"]",
    ),
    (
        "[policy.rules.provider]\nallowed = [\"tpu\"]",
        "2:1",
        "no provider \"tpu\"",
        "\"cpu\", \"cuda\"",
    ),
    ("[policy.rules.provider]\nallowed = []", "2:1", "no provider is allowed", "\"cuda\""),
    (
        "[[policy.rules.samples.layers]]\nmatch = \"a\"",
        "1:24",
        "unknown key `layers` in policy.rules.samples",
        "there are: level",
    ),
    (
        "[[policy.rules.cka-forget.layers]]\nmax = 0.5",
        "1:1",
        "an override of cka-forget names no layers",
        "match = ",
    ),
    (
        "[[policy.rules.cka-forget.layers]]\nmatch = \"a[\"\nmax = 0.5",
        "2:1",
        "\"a[\" is no pattern",
        "a layer's name",
    ),
    (
        "[[policy.rules.cka-forget.layers]]\nmatch = \"a\"",
        "1:1",
        "the override for \"a\" changes nothing",
        "set a level",
    ),
    (
        "[[policy.rules.cka-forget.layers]]\nmatch = \"a\"\nmaximum = 0.5\nmax = 1",
        "3:1",
        "unknown key `maximum` in policy.rules.cka-forget.layers",
        "did you mean `max`?",
    ),
    (
        "[policy.rules.cka-forget]\nmin = 0.4\n[[policy.rules.cka-forget.layers]]\nmatch = \"a\"\n\
         max = 0.3",
        "5:1",
        "cka-forget for \"a\" can't be met: min is 0.4, max is 0.3",
        "at most",
    ),
    (
        "[[policy.rules.cka-forget.layers]]\nmatch = \"a\"\nmax = 0.5\n\
         [[policy.rules.cka-forget.layers]]\nmatch = \"a\"\nmax = 0.4",
        "1:1",
        "the override for \"a\" is never used",
        "remove one",
    ),
    (
        "# comment\n\n[policy.rules]\n  samples = { min-forgot = 3 }",
        "4:15",
        "unknown key `min-forgot`",
        "did you mean `min-forget`?",
    ),
    ("[policy]\nhalf-way = 2\nx = 1\ny = 2", "2:1", "(2 more problems follow)", "from 0 to 1"),
];

#[test]
fn broken_files_are_told_with_line_column_and_remedy() {
    for (text, place, problem, remedy) in BROKEN {
        let error = match Config::parse("audit.toml", text) {
            Err(error @ Error::Input { .. }) => error,
            other => panic!("{text}\n{other:?}"),
        };
        let message = error.to_string();
        let expected = format!("audit.toml:{place}: ");
        assert!(message.starts_with(&expected), "{text}\n{message}");
        assert!(message.contains(problem), "{text}\n{message}");
        assert!(error.remedy().contains(remedy), "{text}\n{}", error.remedy());
    }
}

/// Every rule has its section, and each limit and default stands there.
#[test]
fn every_rule_is_documented() {
    let text = include_str!("../docs/rules.md");
    let sections: Vec<&str> = text.split("\n## ").skip(1).collect();
    let ids: Vec<&str> = sections.iter().map(|s| s.lines().next().unwrap_or_default()).collect();
    assert_eq!(ids, RULES.each_ref().map(|r| r.id));
    for (rule, section) in RULES.iter().zip(&sections) {
        for part in ["**Why it matters.**", "**How to mend it.**"] {
            assert!(section.contains(part), "{}: {part}", rule.id);
        }
        let refers = |key: &str| section.contains(&format!("`{key}`"));
        // "Limits as for" another rule names them there.
        for limit in rule.limits.iter().filter(|_| !section.contains("Limits as for")) {
            assert!(refers(limit.key.as_str()), "{}: {:?}", rule.id, limit.key);
        }
        assert!(help(rule.id).ends_with(&format!("#{}", rule.id)));
    }
}
