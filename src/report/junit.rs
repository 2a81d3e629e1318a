//! The report as JUnit XML, after the schema of Jenkins' xUnit plugin (`junit-10.xsd`).

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::clean::clean;
use super::format::help_on;
use super::model::Report;
use crate::verdict::{Finding, Outcome};
use crate::{Error, Result};

/// One suite, a test case for each finding. What keeps the gate shut is a failure; a warning is a
/// test that passed and says so on its output.
///
/// # Errors
/// None that input can cause.
pub fn junit(report: &Report) -> Result<String> {
    let mut bytes = Vec::new();
    write(report, &mut Writer::new_with_indent(&mut bytes, b' ', 2)).map_err(Error::internal)?;
    let mut text = String::from_utf8(bytes).map_err(Error::internal)?;
    text.push('\n');
    Ok(text)
}

fn write(report: &Report, out: &mut Writer<&mut Vec<u8>>) -> std::io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let tests = report.findings.len().to_string();
    let failures = report.findings.iter().filter(|f| f.blocks()).count().to_string();
    let name = format!("audit {}", valid(&report.models.unlearned.path));
    let timestamp = valid(&report.created);
    out.create_element("testsuites")
        .with_attributes([
            ("name", "audit"),
            ("tests", tests.as_str()),
            ("failures", failures.as_str()),
            ("errors", "0"),
        ])
        .write_inner_content(|out| {
            out.create_element("testsuite")
                .with_attributes([
                    ("name", name.as_str()),
                    ("tests", tests.as_str()),
                    ("failures", failures.as_str()),
                    ("errors", "0"),
                    ("timestamp", timestamp.trim_end_matches('Z')),
                ])
                .write_inner_content(|out| suite(report, out))?;
            Ok(())
        })?;
    Ok(())
}

fn suite(report: &Report, out: &mut Writer<&mut Vec<u8>>) -> std::io::Result<()> {
    out.create_element("properties").write_inner_content(|out| {
        for (name, value) in properties(report) {
            out.create_element("property")
                .with_attributes([("name", name), ("value", value.as_str())])
                .write_empty()?;
        }
        Ok(())
    })?;
    for (at, finding) in report.findings.iter().enumerate() {
        test_case(report, at, finding, out)?;
    }
    Ok(())
}

fn properties(report: &Report) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("verdict", report.verdict.label.as_str().to_owned()),
        ("passed", report.passes().to_string()),
        ("original.sha256", valid(&report.models.original.sha256)),
        ("unlearned.sha256", valid(&report.models.unlearned.sha256)),
    ];
    if let Some(reference) = &report.models.reference {
        all.push(("reference.sha256", valid(&reference.sha256)));
    }
    if let Some(data) = &report.data {
        all.push(("data.sha256", valid(&data.sha256)));
        all.push(("split.sha256", valid(&data.split_sha256)));
    }
    if let Some(policy) = &report.policy {
        all.push(("policy.sha256", valid(&policy.sha256)));
    }
    all
}

fn test_case(
    report: &Report,
    at: usize,
    finding: &Finding,
    out: &mut Writer<&mut Vec<u8>>,
) -> std::io::Result<()> {
    let place = |f: &Finding| (f.rule.clone(), f.layer.clone());
    let before = &report.findings[..at];
    // A name twice would be one test to most readers of these files.
    let nth = before.iter().filter(|f| place(f) == place(finding)).count();
    let mut name = valid(finding.layer.as_deref().unwrap_or("model"));
    if nth > 0 {
        name = format!("{name} ({})", nth + 1);
    }
    let class = format!("audit.{}", valid(&finding.rule));
    let case = out
        .create_element("testcase")
        .with_attributes([("name", name.as_str()), ("classname", class.as_str())]);
    let detail = format!(
        "{}\nexpected: {}\nfound: {}\n{}",
        valid(&finding.message),
        valid(&finding.expected),
        valid(&finding.found),
        help_on(&finding.rule).unwrap_or_default(),
    );
    if finding.outcome == Outcome::Passed {
        case.write_empty()?;
        return Ok(());
    }
    let (message, kind) = (valid(&finding.message), valid(&finding.rule));
    case.write_inner_content(|out| {
        if finding.blocks() {
            out.create_element("failure")
                .with_attributes([("type", kind.as_str()), ("message", message.as_str())])
                .write_text_content(BytesText::new(&detail))?;
        } else {
            out.create_element("system-out")
                .write_text_content(BytesText::new(&format!("warning: {detail}")))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Text without what XML 1.0 can't hold; the writer escapes the rest.
fn valid(text: &str) -> String {
    clean(text).chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;

    use super::*;
    use crate::report::sample::report;

    /// The elements in order; panics where the text is not well-formed.
    fn elements(text: &str) -> Vec<String> {
        let mut reader = Reader::from_str(text);
        let mut names = Vec::new();
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Start(tag) | Event::Empty(tag) => names.push(format!("{:?}", tag.name())),
                Event::Eof => return names,
                _ => {}
            }
        }
    }

    proptest! {
        // Expected: the production `Char` of XML 1.0, and that no name adds an element.
        #[test]
        fn any_text_leaves_the_document_well_formed(text in any::<String>(), odd in any::<char>()) {
            let mut report = report(2, 10, true);
            let harmless = elements(&junit(&report).expect("XML"));
            for finding in &mut report.findings {
                finding.rule = format!("{}{odd}{text}", finding.rule);
                finding.layer = finding.layer.as_ref().map(|l| format!("{l}{odd}{text}"));
                finding.message = format!("]]>{odd}{text}");
            }
            report.models.unlearned.path = text;
            let shown = junit(&report).expect("XML");
            let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}'
                | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
            prop_assert_eq!(shown.chars().find(|c| !allowed(*c)), None);
            prop_assert_eq!(elements(&shown), harmless);
        }
    }
}
