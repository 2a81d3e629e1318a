//! The page in a real browser: nothing on the console, nothing cut off on a phone, every chart with
//! its table, every folded part with its content, and text that can be read in both colour schemes.
//! Skipped, with a notice, where there is no Chromium.
#![cfg(unix)]

#[path = "browser/chromium.rs"]
mod chromium;
mod common;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{report, request};
use forget_audit::compare::compare;
use forget_audit::gate::{Baseline, against, apply};
use forget_audit::report::{Report, from_json, html};
use forget_audit::verdict::{Label, Policy, Preset};
use serde::Deserialize;

const LIMIT: Duration = Duration::from_secs(120);

/// A phone and a desk.
const WIDTHS: [u32; 2] = [400, 1280];

const SCHEMES: [&str; 2] = ["light", "dark"];

/// What `browser/measure.js` says of a page at one width in one scheme.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Seen {
    problems: Vec<String>,
    /// How many pieces of text were looked at, and the least contrast among them.
    texts: usize,
    least: f64,
    charts: usize,
    folded: usize,
    heading: String,
    gate: Option<String>,
}

/// What a browser makes of a page.
struct Shown {
    /// Width, scheme and what was seen.
    views: Vec<(u32, &'static str, Seen)>,
    /// What went to the console.
    console: Vec<String>,
}

impl Shown {
    /// Every complaint, with where it was.
    fn problems(&self) -> Vec<String> {
        let views = self.views.iter().flat_map(|(width, scheme, seen)| {
            seen.problems.iter().map(move |p| format!("{width} {scheme}: {p}"))
        });
        views.chain(self.console.iter().map(|line| format!("console: {line}"))).collect()
    }
}

/// Shows every page at both widths in both schemes; `None` where there is no browser.
fn show(pages: &[String]) -> Option<Vec<Shown>> {
    let Some(browser) = chromium::find() else {
        // Past the capture of a test's output: a test that passes shows none.
        let notice = b"skipped tests of the page: no chromium or google-chrome on the PATH\n";
        let _ = std::io::stderr().write_all(notice);
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mut frames = String::new();
    for (i, page) in pages.iter().enumerate() {
        std::fs::write(folder.path().join(format!("page-{i}.html")), page).expect("a page");
        for width in WIDTHS {
            for scheme in SCHEMES {
                frames.push_str(&format!(
                    "<iframe src=\"page-{i}.html\" style=\"border:0;width:{width}px;height:900px;\
                     color-scheme:{scheme}\"></iframe>\n"
                ));
            }
        }
    }
    let around = format!(
        "<!doctype html><meta charset=\"utf-8\"><script>{}</script>\n{frames}<pre id=\"result\">\
         </pre>",
        include_str!("browser/measure.js")
    );
    let path = folder.path().join("around.html");
    std::fs::write(&path, around).expect("a page");
    let output = chromium::open(&browser, &path, LIMIT).unwrap_or_else(|e| panic!("{e}"));
    let result = output.stdout.split("<pre id=\"result\">").nth(1);
    let result = result.and_then(|r| r.split("</pre>").next()).filter(|r| !r.is_empty());
    let result = result.unwrap_or_else(|| panic!("no result; {}", output.stderr));
    let mut seen = serde_json::from_str::<Vec<Seen>>(result).expect("JSON").into_iter();
    let console: Vec<&str> = output.stderr.lines().filter(|l| l.contains(":CONSOLE")).collect();
    let shown = (0..pages.len()).map(|i| Shown {
        views: WIDTHS
            .iter()
            .flat_map(|&width| SCHEMES.map(|scheme| (width, scheme)))
            .map(|(width, scheme)| (width, scheme, seen.next().expect("a view")))
            .collect(),
        console: console
            .iter()
            .filter(|l| l.contains(&format!("page-{i}.html")) || l.contains("around.html"))
            .map(|&l| l.to_owned())
            .collect(),
    });
    Some(shown.collect())
}

fn page(report: &Report) -> String {
    html(report).expect("a page")
}

fn superficial() -> Report {
    report("conv-original", "conv-random-label", Some("conv-retrained"))
}

fn example() -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/example/head-flip.json");
    let text = std::fs::read_to_string(path).expect("the example");
    from_json(&text, "the example").expect("a report")
}

/// Names as long as files and graphs may have them, without a place to break.
fn long_names(mut report: Report) -> Report {
    let long = |name: &str| format!("{name}{}", "x".repeat(300));
    for layer in &mut report.layers {
        layer.name = long(&layer.name);
        layer.unlearned_name = long("other");
    }
    report.models.unlearned.path = long("models/");
    report.provider.as_mut().expect("a provider").reason = long("because");
    report.head.as_mut().expect("a head").name = long("head");
    let mut policy = Policy::default();
    policy.path = Some(long("audit.toml"));
    apply(&mut report, &policy);
    report.verdict.reasons.push(long("a reason"));
    report.policy.as_mut().expect("a policy").unused = vec![long("audit.toml:3:1: no layer ")];
    report
}

/// Reports of every kind, with a word that the heading must have and the gate's.
fn reports() -> Vec<(&'static str, Report, Label, Option<&'static str>)> {
    let erased = report("conv-original", "conv-retrained", None);
    let reference = report("conv-original", "conv-retrained", Some("conv-retrained"));
    let shut = superficial();
    let mut open = shut.clone();
    apply(&mut open, &Policy::preset(Preset::Exploratory));
    let mut worse = shut.clone();
    let baseline = Baseline { report: &reference, path: "reports/last.json", sha256: "0" };
    against(&mut worse, &Policy::default(), &baseline).expect("comparable");
    let mut early = example();
    (early.gate, early.policy) = (None, None);
    let mut alone = request("vit-original", "vit-neg-grad", None);
    alone.samples = None;
    let alone = compare(&alone, &common::Silent).expect("a report");
    let (shut_word, open_word) = (Some("gate shut"), Some("gate open"));
    vec![
        ("erased", erased, Label::Erased, open_word),
        ("superficial", shut.clone(), Label::Superficial, shut_word),
        ("superficial, gate open", open, Label::Superficial, open_word),
        ("worse than its baseline", worse, Label::Superficial, shut_word),
        ("early version", early, Label::Superficial, None),
        ("weights only", alone, Label::Inconclusive, shut_word),
        ("long names", long_names(shut), Label::Superficial, shut_word),
    ]
}

#[test]
fn pages_hold_in_a_browser() {
    let reports = reports();
    let pages: Vec<String> = reports.iter().map(|(_, report, ..)| page(report)).collect();
    let Some(shown) = show(&pages) else { return };
    let mut problems = Vec::new();
    for ((name, report, label, gate), shown) in reports.iter().zip(shown) {
        problems.extend(shown.problems().into_iter().map(|p| format!("{name}, {p}")));
        for (.., seen) in &shown.views {
            // Nothing was passed over: the page was there and was looked at.
            assert!(seen.texts > 60, "{name}: {} texts", seen.texts);
            assert!(seen.least >= 3.0 && seen.least < 21.0, "{name}: {}", seen.least);
            assert!(seen.folded > 0, "{name}");
            assert_eq!(seen.charts, if report.layers.is_empty() { 0 } else { 5 }, "{name}");
            let (sentence, label) = (report.verdict.sentence.as_str(), label.as_str());
            assert!(seen.heading.contains(label), "{name}: {}", seen.heading);
            assert!(seen.heading.contains(sentence), "{name}: {}", seen.heading);
            let shows = seen.gate.as_deref();
            assert_eq!(shows.is_some(), gate.is_some(), "{name}");
            assert!(shows.unwrap_or_default().contains(gate.unwrap_or_default()), "{name}");
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// `page` with `addition` at its end.
fn with(page: &str, addition: &str) -> String {
    page.replace("<footer>", &format!("{addition}<footer>"))
}

/// The checks above can fail, each for its reason alone, and only where it applies.
#[test]
fn broken_pages_are_found_out() {
    let page = page(&example());
    let without_table = {
        let begin = page.find("<details><summary>the numbers</summary>").expect("a table");
        let end = begin + page[begin..].find("</details>").expect("its end") + "</details>".len();
        format!("{}{}", &page[..begin], &page[end..])
    };
    let dark = "@media (prefers-color-scheme: dark)";
    let low = "color: #888; background: #999";
    // A copy, what is said of it, and in how many of the four views.
    let cases: Vec<(String, &str, usize)> = vec![
        (page.clone(), "", 0),
        (with(&page, "<p style=\"width: 500px\">wide</p>"), "overflow: ", 2),
        (
            with(&page, "<pre>no end </pre>".replace("end", &"x".repeat(90)).as_str()),
            "overflow: ",
            2,
        ),
        (with(&page, &format!("<p style=\"{low}\">faint</p>")), "of \"faint\" in p", 4),
        (
            with(&page, &format!("<style>{dark} {{ .kicker {{ {low} }} }}</style>")),
            "in p.kicker",
            2,
        ),
        (with(&page, "<style>.plot text.name { fill: #999 }</style>"), "in text.name", 2),
        (with(&page, "<style>svg .f { fill: #999 }</style>"), "of a marker in ", 2),
        (with(&page, "<style>text.name { font-size: 40px }</style>"), "runs into the plot", 4),
        (with(&page, "<style>footer { opacity: .5 }</style>"), "in footer", 4),
        (with(&page, "<style>h3::after { content: 'x'; color: #888 }</style>"), "in h3", 2),
        (without_table, "chart: ", 4),
        (with(&page, "<svg viewBox=\"0 0 9 9\"></svg>"), "chart: \"unnamed\" has no table", 4),
        (with(&page, "<details><summary>empty</summary></details>"), "\"empty\" has nothing", 4),
        (with(&page, "<style>details > div { display: none }</style>"), "has nothing in it", 4),
        (with(&page, "<script>document.title = 1</script>"), "Content Security Policy", 4),
        (with(&page, "<img src=\"https://example.org/x.png\">"), "Content Security Policy", 4),
    ];
    let pages: Vec<String> = cases.iter().map(|(page, ..)| page.clone()).collect();
    let Some(shown) = show(&pages) else { return };
    for ((_, expected, views), shown) in cases.iter().zip(shown) {
        let problems = shown.problems();
        if expected.is_empty() {
            assert!(problems.is_empty(), "{problems:#?}");
            continue;
        }
        assert!(problems.iter().all(|p| p.contains(expected)), "{expected}: {problems:#?}");
        let found = shown.views.iter().filter(|(.., s)| !s.problems.is_empty()).count();
        assert_eq!(found.max(shown.console.len()), *views, "{expected}: {problems:#?}");
    }
}

#[test]
fn a_browser_that_hangs_is_ended_with_its_children() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let browser = folder.path().join("browser");
    let alive = folder.path().join("alive");
    // The child says every moment that it is alive.
    let script = format!(
        "#!/bin/sh\n(while :; do echo >>'{}'; sleep 0.05; done) &\nsleep 600\n",
        alive.display()
    );
    std::fs::write(&browser, script).expect("a script");
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o700)).expect("permissions");
    let begin = Instant::now();
    let result = chromium::open(&browser, Path::new("/"), Duration::from_millis(500));
    assert!(result.err().is_some_and(|e| e.starts_with("no end after")));
    assert!(begin.elapsed() < Duration::from_secs(30));
    let size = || std::fs::metadata(&alive).expect("it ran").len();
    let before = size();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(size(), before);
}
