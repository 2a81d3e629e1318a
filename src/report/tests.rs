//! What both renderers for people owe to any report.

use super::clean::columns;
use super::remedy::remedy;
use super::sample::{compared, judged, judged_by, report, weights_only, without_values};
use super::standing::reasons;
use super::{BaselineSummary, Report, TextOptions, html, text};
use crate::verdict::rules::{RULES, help};
use crate::verdict::{Change, Label, Outcome, Policy, Position, Preset};

/// Breaks out of elements, attributes, terminals and lines.
const HOSTILE: &str = "</title><script>alert(1)</script>\" onload='x' & \u{1b}]0;owned\u{7}\u{1b}[2J\
                       \u{202e}gpj.exe\u{2066}\r\n::error::x\u{0}\u{9b}31m {{ 7*7 }} {% raw %}";

fn page(report: &Report) -> String {
    html(report).expect("a page")
}

fn plain(report: &Report, width: Option<u16>) -> String {
    text(report, &TextOptions { color: false, width })
}

/// A report in which every string that comes from outside is `text`.
fn tainted(text: &str) -> Report {
    let mut report = report(4, 10, true);
    let models = &mut report.models;
    for model in
        [&mut models.original, &mut models.unlearned].into_iter().chain(&mut models.reference)
    {
        model.path = text.into();
        model.sha256 = text.into();
        model.producer = text.into();
    }
    if let Some(data) = &mut report.data {
        data.path = text.into();
        data.sha256 = text.into();
        data.split_sha256 = text.into();
    }
    if let Some(provider) = &mut report.provider {
        provider.requested = text.into();
        provider.used = text.into();
        provider.reason = text.into();
    }
    if let Some(head) = &mut report.head {
        head.name = text.into();
    }
    for layer in &mut report.layers {
        layer.name = text.into();
        layer.unlearned_name = format!("{text}2");
        layer.reference_name = Some(format!("{text}3"));
    }
    for parameter in &mut report.weights.layers {
        parameter.name = text.into();
    }
    report.notes = vec![text.into()];
    report.command = vec![text.into(); 3];
    report.created = text.into();
    report.schema = text.into();
    report.tool.name = text.into();
    report.tool.version = text.into();
    report.tool.onnxruntime = Some(text.into());
    let mut report = judged(report);
    if let Some(policy) = &mut report.policy {
        policy.path = Some(text.into());
        policy.preset = text.into();
        policy.sha256 = text.into();
        policy.unused = vec![text.into()];
    }
    report.baseline = Some(BaselineSummary {
        path: text.into(),
        sha256: text.into(),
        created: text.into(),
        label: Label::Erased,
    });
    for finding in &mut report.findings {
        finding.set_at = Some(Position { line: u32::MAX, column: u32::MAX });
        finding.change = Some(Change::New);
        finding.rule = text.into();
        finding.message = text.into();
        finding.expected = text.into();
        finding.found = text.into();
    }
    report.verdict.reasons.push(text.into());
    report
}

fn dangerous(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Element names, in order, and nothing that only looks like one.
fn elements(page: &str) -> Vec<&str> {
    page.split('<')
        .skip(1)
        .map(|rest| rest.split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or_default())
        .collect()
}

#[test]
fn hostile_strings_add_no_markup_to_the_page() {
    // Same evidence, harmless and hostile names: the elements must be the same.
    let harmless = page(&tainted("x"));
    let hostile = page(&tainted(HOSTILE));
    assert_eq!(elements(&harmless), elements(&hostile));
    assert!(!hostile.contains("<script") && !hostile.contains("onload='"));
    assert!(hostile.contains("&lt;script&gt;"));
    assert!(hostile.contains("7*7"), "templates in names are not run");
}

#[test]
fn control_characters_reach_neither_output() {
    let report = tainted(HOSTILE);
    let outputs =
        [page(&report), plain(&report, None), plain(&report, Some(80)), plain(&report, Some(50))];
    for output in outputs {
        assert_eq!(output.chars().find(|c| dangerous(*c)), None);
        assert!(output.contains(char::REPLACEMENT_CHARACTER));
    }
}

#[test]
fn names_cannot_start_a_line_of_their_own() {
    let output = plain(&tainted(HOSTILE), None);
    assert!(!output.lines().any(|l| l.trim_start().starts_with("::error")));
}

#[test]
fn absurd_lengths_neither_swell_the_page_nor_break_the_table() {
    let report = tainted(&"x".repeat(10_000));
    assert!(page(&report).len() < 200_000);
    for line in plain(&report, Some(80)).lines() {
        assert!(columns(line) <= 80, "{line}");
    }
}

#[test]
fn the_page_asks_for_nothing_from_outside() {
    for report in [report(4, 10, true), report(4, 10, false), weights_only(), tainted("x")] {
        let page = page(&report);
        // A reader may follow a rule's id to its explanation; nothing else has an address.
        let links =
            RULES.iter().map(|rule| format!("<a href=\"{}\" rel=\"noreferrer\">", help(rule.id)));
        let page = links.fold(page, |page, link| page.replace(&link, ""));
        for outside in ["http:", "https:", "//", " src=", "href=", "@import", "url(", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}

#[test]
fn a_large_report_stays_small() {
    for reference in [true, false] {
        let length = page(&report(32, 20, reference)).len();
        assert!(length < 300_000, "{length} bytes");
    }
    let length = page(&report(32, 1000, true)).len();
    assert!(length < 300_000, "{length} bytes with 1000 classes");
}

#[test]
fn the_verdict_comes_first_on_the_page_and_last_in_the_terminal() {
    let report = report(4, 10, true);
    assert_eq!(report.verdict.label, Label::Superficial);
    let sentence = report.verdict.sentence.as_str();
    let page = page(&report);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text:?}"));
    let order = [
        sentence,
        "id=\"rules\"",
        "id=\"layers\"",
        "id=\"head\"",
        "id=\"weights\"",
        "id=\"details\"",
        "id=\"gaps\"",
        "id=\"inputs\"",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    let output = plain(&report, None);
    let last = output.lines().last().expect("a line");
    assert!(last.contains(sentence) && last.contains("superficial"), "{last}");
}

#[test]
fn failed_rules_come_before_passed_ones() {
    let page = page(&report(4, 10, true));
    let failed = page.rfind("data-name=\"outcome\"><span class=\"outcome failed\"");
    let passed = page.find("data-name=\"outcome\"><span class=\"outcome passed\"");
    assert!(failed.is_some() && passed.is_some() && failed < passed);
}

#[test]
fn every_layer_has_its_row_and_every_plot_its_table() {
    let page = page(&report(5, 10, true));
    assert_eq!(page.matches("class=\"plot\"").count(), 5, "four by layer, one for the head");
    assert_eq!(page.matches("<summary>the numbers</summary>").count(), 5);
    assert_eq!(page.matches("<rect class=\"hit\"").count(), 4 * 5 + 10);
}

#[test]
fn a_missing_value_is_never_a_number() {
    for reference in [true, false] {
        let report = without_values(report(3, 10, reference));
        let page = page(&report);
        assert!(!page.contains("NaN") && !page.contains("inf") && !page.contains("None"));
        assert!(page.contains("degenerate") && page.contains("too-few-samples"));
        // Plots by layer hold no marker, only the reason for its absence.
        let layers = page.split("id=\"layers\"").nth(1).and_then(|p| p.split("id=\"head\"").next());
        let layers = layers.expect("the section");
        assert_eq!(layers.matches("<circle").count(), 0);
        assert!(layers.matches("class=\"missing\"").count() >= 3 * 4);
        assert!(!layers.contains("<td>0.000</td>"));
        let output = plain(&report, Some(80));
        assert!(output.contains("– → –") && output.contains("degen."));
        assert!(!output.contains("NaN") && !output.contains("0.00 →"));
    }
}

#[test]
fn values_that_are_no_numbers_are_absent() {
    let mut report = report(3, 10, true);
    for layer in &mut report.layers {
        layer.cka.forget.debiased = Some(f64::NAN);
        layer.probe.unlearned.forget_ci = Some([f64::NEG_INFINITY, f64::NAN]);
        layer.few_shot.effect = Some(f64::INFINITY);
        layer.probe.unlearned.forget_accuracy = Some(1e300);
    }
    let page = page(&report);
    let svg: Vec<&str> =
        page.split("<svg").skip(1).filter_map(|s| s.split("</svg>").next()).collect();
    assert!(svg.iter().all(|s| !s.contains("NaN") && !s.contains("inf ")));
}

#[test]
fn without_samples_the_page_says_so() {
    let mut report = weights_only();
    let page_of_changed = page(&report);
    assert!(page_of_changed.contains("inconclusive"));
    assert!(page_of_changed.contains("No samples were given"));
    assert!(
        !page_of_changed.contains("id=\"layers\"") && !page_of_changed.contains("class=\"plot\"")
    );
    report.weights.encoder_identical = true;
    let report = judged(report);
    assert_eq!(report.verdict.label, Label::Superficial);
    assert!(page(&report).contains("superficial"));
    assert!(plain(&report, Some(80)).contains("only the weights are compared"));
}

#[test]
fn text_fits_the_terminal() {
    for report in [report(4, 10, true), report(32, 20, false), weights_only(), regressed(32)] {
        for width in [50, 80, 100, 120] {
            for line in plain(&report, Some(width)).lines() {
                assert!(columns(line) <= usize::from(width), "{width}: {line}");
            }
        }
    }
}

#[test]
fn a_narrow_terminal_drops_columns_a_log_keeps_all() {
    let report = report(4, 10, true);
    let wide = plain(&report, None);
    assert!(wide.contains("/features/stage0/block.0/conv2/Relu_0 "), "full names");
    assert!(!wide.contains("_output_0"));
    let narrow = plain(&report, Some(50));
    assert!(narrow.contains('…'));
    let heads = |output: &str| output.lines().find(|l| l.starts_with("layer")).map(str::to_owned);
    let count = |output: &str| heads(output).map_or(0, |l| l.split_whitespace().count());
    assert!(count(&narrow) < count(&wide));
    for output in [&wide, &narrow] {
        assert!(output.contains("gap to"), "what decides is never dropped");
    }
}

#[test]
fn colour_is_optional_and_never_alone() {
    let report = report(4, 10, true);
    let colored = text(&report, &TextOptions { color: true, width: Some(80) });
    assert!(colored.contains("\u{1b}[1;31m✗ superficial"));
    let mut bare = String::new();
    for (i, part) in colored.split('\u{1b}').enumerate() {
        bare.push_str(if i == 0 { part } else { part.split_once('m').map_or("", |p| p.1) });
    }
    assert_eq!(bare, plain(&report, Some(80)));
}

#[test]
fn every_label_is_explained() {
    let mut report = report(2, 10, false);
    let labels = [
        Label::Erased,
        Label::Superficial,
        Label::NotForgotten,
        Label::Damaged,
        Label::Inconclusive,
    ];
    for label in labels {
        report.verdict.label = label;
        report.verdict.sentence = label.sentence(false, true).to_owned();
        let page = page(&report);
        assert!(page.contains(label.as_str()) && page.contains("Next:"));
        assert!(page.contains(label.sentence(false, true)));
        let output = plain(&report, Some(80));
        assert!(output.contains(&format!("{}:", label.as_str())));
    }
}

/// A superficial model after a release that was better at every layer.
fn regressed(layers: usize) -> Report {
    let mut before = report(layers, 10, true);
    for layer in &mut before.layers {
        layer.probe.unlearned.forget_accuracy = Some(0.2);
        layer.few_shot.unlearned.forget = vec![Some(0.1)];
    }
    compared(report(layers, 10, true), &before)
}

#[test]
fn the_gate_stands_beside_the_verdict() {
    let report = report(4, 10, true);
    assert!(!report.passes());
    let output = plain(&report, None);
    let mut last = output.lines().rev();
    assert!(last.next().is_some_and(|l| l.starts_with("✗ superficial")));
    let gate = last.next().expect("a line");
    assert!(gate.starts_with("✗ gate shut: the preset default does not pass: "), "{gate}");
    assert!(gate.contains(" failed, no warnings."), "{gate}");
    let page = page(&report);
    assert!(page.contains("</span> gate shut</span> The preset default does not pass: "));
}

#[test]
fn an_open_gate_is_no_pass_of_the_verdict() {
    let report = judged_by(report(4, 10, true), &Policy::preset(Preset::Exploratory));
    assert!(report.passes());
    assert_eq!(report.verdict.label, Label::Superficial);
    let caveat = "This is no pass of the verdict";
    let output = plain(&report, None);
    let gate = output.lines().rev().nth(1).expect("a line");
    assert!(gate.starts_with("! gate open: ") && gate.contains(caveat), "{gate}");
    assert!(output.contains("! warning   few-shot-recovery") && !output.contains("✗ failed"));
    let page = page(&report);
    assert!(page.contains("<p class=\"gate open\">") && page.contains(caveat));
    assert!(page.contains("outcome warning") && !page.contains("outcome failed"));
    // And the other way round: erased, under a policy that asks for more.
    let mut erased = report;
    erased.verdict.label = Label::Erased;
    erased.gate.as_mut().expect("a gate").passed = false;
    assert!(plain(&erased, None).contains("gate shut: the preset exploratory does not pass"));
    assert!(plain(&erased, None).contains("The verdict on the model stands"));
}

#[test]
fn a_report_of_an_early_version_has_no_gate_to_show() {
    let mut report = report(4, 10, true);
    (report.gate, report.policy) = (None, None);
    assert!(!plain(&report, None).contains("gate") && !page(&report).contains("gate shut"));
}

#[test]
fn what_changed_since_the_baseline_is_said_and_does_not_flood() {
    let report = regressed(32);
    let worse = report.findings.iter().filter(|f| f.rule == "regression" && f.blocks()).count();
    assert!(worse >= 2 * 32 - 2, "{worse}");
    let output = plain(&report, Some(80));
    assert!(output.contains("baseline    reports/last-release.json (superficial, 2026-"));
    assert!(
        output.contains("encoder-unchanged") || output.contains("few-shot-recovery, unchanged")
    );
    assert!(output.contains("✗ failed    regression, worse"));
    assert!(output.contains("figures are no worse than the baseline's"));
    // Two measures that are worse everywhere are two entries, each with its deepest layers.
    assert_eq!(output.matches("regression, worse").count(), 2);
    assert!(output.lines().count() < 110, "{}", output.lines().count());
    let page = page(&report);
    assert!(page.len() < 300_000, "{}", page.len());
    assert!(page.contains("Compared with the baseline reports&#x2f;last-release.json"));
    assert!(page.contains("<span class=\"change\">worse</span>"));
    let passed = page.split("Checks that passed").nth(1).expect("the table");
    assert!(!passed.contains("index.html#regression"), "figures that stayed are only counted");
    // Its own baseline: nothing is new, nothing is listed twice.
    let same = compared(self::report(4, 10, true), &self::report(4, 10, true));
    assert!(plain(&same, None).contains("few-shot-recovery, unchanged"));
    assert!(!plain(&same, None).contains("failed    regression"));
    let unchanged = self::page(&same).matches("<span class=\"change\">unchanged</span>").count();
    assert_eq!(unchanged, same.findings.iter().filter(|f| f.blocks()).count());
}

#[test]
fn a_rule_is_explained_once_and_linked() {
    let report = report(4, 10, true);
    let page = page(&report);
    for rule in &RULES {
        let named = report.findings.iter().any(|f| f.rule == rule.id);
        let asks = rule.asks.replace('\'', "&#x27;");
        assert_eq!(page.matches(&asks).count(), usize::from(named), "{}", rule.id);
        assert_eq!(page.contains(&help(rule.id)), named, "{}", rule.id);
    }
}

#[test]
fn a_limit_says_where_it_is_set_and_an_override_without_a_layer_is_told() {
    let mut report = report(4, 10, true);
    let policy = report.policy.as_mut().expect("a policy");
    policy.path = Some("audit.toml".into());
    policy.unused = vec!["audit.toml:9:1: the override of cka-forget matches no layer".into()];
    let failed = report.findings.iter_mut().filter(|f| f.outcome == Outcome::Failed);
    failed.for_each(|f| f.set_at = Some(Position { line: 12, column: 3 }));
    for output in [plain(&report, None), page(&report)] {
        assert!(output.contains("audit.toml:12:3") && output.contains("audit.toml:9:1"));
    }
}

#[test]
fn what_is_said_of_several_layers_is_a_reason_once() {
    let report = report(6, 10, true);
    let message = "few-shot recovery of the forget set exceeds the reference's";
    let all = report.verdict.reasons.iter().filter(|r| r.starts_with(message)).count();
    assert!(all > 2, "{:?}", report.verdict.reasons);
    let reasons = reasons(&report);
    let said: Vec<&String> = reasons.iter().filter(|r| r.starts_with(message)).collect();
    assert_eq!(said.len(), 1, "{reasons:?}");
    assert!(said[0].contains("block.5"), "the deepest: {}", said[0]);
    assert!(said[0].ends_with(&format!("and the like at {} more layers", all - 1)), "{}", said[0]);
}

#[test]
fn a_repair_that_led_to_nothing_says_what_is_left_and_what_to_try() {
    let before = report(6, 10, true);
    let text = remedy(&before, &before);
    assert!(text.contains("Against it:\n- ") && text.contains("Next: `audit remediate`"), "{text}");
    assert_eq!(text.matches("- few-shot-recovery at ").count(), 1, "the deepest alone\n{text}");
    assert!(
        text.contains("- few-shot-recovery at /features/stage0/block.5/conv2/Relu_5: "),
        "{text}"
    );
    let undecided = without_values(report(6, 10, false));
    assert_eq!(undecided.verdict.label, Label::Inconclusive);
    let text = remedy(&before, &undecided);
    assert!(text.contains("Next: `audit retrain` makes a reference"), "{text}");
}
