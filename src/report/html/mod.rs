//! The report as one HTML file: offline, without scripts, light and dark.
//!
//! `plot` draws, `figures` and `head` decide what is drawn, `table` holds the numbers behind it,
//! `classes` those of each forget class, `summary` the words at the top, `rules` the findings, `inputs` the end of the page; `templates/` has the
//! markup and the style sheet.

mod classes;
mod figures;
mod head;
mod inputs;
mod plot;
mod rules;
mod summary;
mod table;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, escape_formatter};
use serde::Serialize;

use super::Report;
use super::clean::clean;
use crate::{Error, Result};
use figures::Figure;
use rules::Rules;
use summary::Summary;
use table::Table;

const PAGE: &str = include_str!("templates/page.html");
const PARTS: &str = include_str!("templates/parts.html");
const STYLE: &str = include_str!("templates/style.css");

/// Everything that the template shows.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    tool: String,
    created: &'a str,
    scope: String,
    summary: Summary,
    rules: Rules,
    baseline: Option<String>,
    figures: Vec<Figure>,
    outputs: Option<Table>,
    head: Option<Figure>,
    head_name: Option<&'a str>,
    mismatch: Option<Table>,
    weights: inputs::Weights,
    layers: Option<Table>,
    centers: Option<Table>,
    classes: Option<Table>,
    gaps: Vec<String>,
    notes: &'a [String],
    inputs: Vec<inputs::Block>,
    command: Vec<String>,
}

impl<'a> Page<'a> {
    fn new(report: &'a Report) -> Self {
        let layers = Some(report.layers.as_slice()).filter(|l| !l.is_empty());
        Self {
            style: STYLE,
            tool: format!("{} {}", report.tool.name, report.tool.version),
            created: &report.created,
            scope: summary::scope(report),
            summary: summary::summary(report),
            rules: rules::rules(report),
            baseline: summary::baseline(report),
            figures: figures::by_layer(report),
            outputs: report.outputs.as_ref().map(table::outputs),
            head: head::misalignment(report),
            head_name: report.head.as_ref().map(|h| h.name.as_str()),
            mismatch: report.head.as_ref().map(table::mismatch),
            weights: inputs::weights(report),
            layers: layers.map(table::layers),
            centers: layers.map(table::centers_and_spread),
            classes: classes::classes(report),
            gaps: super::gaps::gaps(report),
            notes: &report.notes,
            inputs: inputs::inputs(report),
            command: inputs::command(report),
        }
    }
}

/// The report as a page that needs nothing else: no request leaves it.
///
/// # Errors
/// None that a report can cause: the template is fixed and strict.
pub fn html(report: &Report) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(Error::internal)?);
    // Whatever reaches the page as a string is cleaned, then escaped; only what this module drew
    // itself is marked safe.
    environment.set_formatter(|out, state, value| match value.as_str() {
        Some(text) if !value.is_safe() => escape_formatter(out, state, &Value::from(clean(text))),
        _ => escape_formatter(out, state, value),
    });
    environment.add_template("parts.html", PARTS).map_err(Error::internal)?;
    environment.add_template("page.html", PAGE).map_err(Error::internal)?;
    let page = environment.get_template("page.html").map_err(Error::internal)?;
    page.render(Serde(Page::new(report))).map_err(Error::internal)
}
