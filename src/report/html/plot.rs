//! A dot plot as inline SVG: one row a layer or class, one marker shape and colour a series.
//!
//! Rows run from top to bottom, so that names stand upright at any number of them; a thin line
//! joins the markers of a series to its profile. Colours come from the page's style sheet.

use super::super::clean::{escape, shorten};
use super::super::format::finite;

/// A figure with its caption data; [`Plot::svg`] draws it.
#[derive(Default)]
pub(super) struct Plot {
    /// What the figure shows, for those who can't see it.
    pub title: String,
    /// Left and right end of the axis.
    pub range: [f64; 2],
    /// Distance between grid lines.
    pub step: f64,
    /// What the axis measures.
    pub axis: String,
    /// A labelled vertical line.
    pub guide: Option<(f64, String)>,
    /// What the figures right of the plot are.
    pub value_head: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// Drawn in this order, later ones on top.
    pub series: Vec<Series>,
}

/// One line of a plot.
#[derive(Default)]
pub(super) struct Row {
    /// Short name.
    pub label: String,
    /// Full name and values, shown on pointing.
    pub tooltip: String,
    /// Set in bold.
    pub strong: bool,
    /// The figure right of the plot.
    pub value: String,
    /// The figure broke a rule.
    pub failed: bool,
    /// Why there is no value to plot.
    pub problem: Option<String>,
    /// Where values fall by chance.
    pub band: Option<[f64; 2]>,
}

/// The same quantity in every row.
pub(super) struct Series {
    /// Its name in the key.
    pub name: String,
    /// Its class in the style sheet.
    pub class: &'static str,
    /// Its marker.
    pub shape: Shape,
    /// Whether the joining line is dashed.
    pub dashed: bool,
    /// Whether there is none.
    pub scattered: bool,
    /// A value a row.
    pub points: Vec<Option<f64>>,
    /// An interval a row; may be empty.
    pub intervals: Vec<Option<[f64; 2]>>,
    /// Moves markers down, so that intervals of two series stay apart.
    pub shift: f64,
}

/// Markers that differ without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A filled disc.
    Disc,
    /// A ring, wide enough to be seen around a disc.
    Ring,
    /// A filled square.
    Square,
    /// A hollow square.
    Frame,
    /// A hollow diamond.
    Diamond,
    /// A vertical stroke.
    Tick,
    /// A plus.
    Plus,
}

impl Series {
    /// A series joined by a solid line, without intervals.
    pub(super) fn new(
        name: &str,
        class: &'static str,
        shape: Shape,
        points: Vec<Option<f64>>,
    ) -> Self {
        let name = name.to_owned();
        let (dashed, scattered) = (false, false);
        Self { name, class, shape, dashed, scattered, points, intervals: Vec::new(), shift: 0.0 }
    }

    /// The same with a dashed line.
    pub(super) fn dashed(self) -> Self {
        Self { dashed: true, ..self }
    }

    /// The same without a joining line: the rows have no order.
    pub(super) fn scattered(self) -> Self {
        Self { scattered: true, ..self }
    }

    /// The same with intervals.
    pub(super) fn with_intervals(self, intervals: Vec<Option<[f64; 2]>>) -> Self {
        Self { intervals, ..self }
    }

    /// The same, `shift` lower.
    pub(super) fn shifted(self, shift: f64) -> Self {
        Self { shift, ..self }
    }

    /// Whether there is anything to draw.
    pub(super) fn is_empty(&self) -> bool {
        self.points.iter().all(|p| finite(*p).is_none())
    }

    /// The marker alone, for the key.
    pub(super) fn key(&self) -> String {
        let dash = if self.dashed { " dashed" } else { "" };
        let line = if self.scattered { "" } else { "<path class=\"line\" d=\"M1 7H25\"/>" };
        format!(
            "<svg class=\"key {}{dash}\" viewBox=\"0 0 26 14\" aria-hidden=\"true\">{line}{}</svg>",
            self.class,
            self.shape.at(13.0, 7.0)
        )
    }
}

impl Shape {
    /// The marker with its centre at `x`, `y`. Class `f` is filled, `h` hollow.
    fn at(self, x: f64, y: f64) -> String {
        match self {
            Self::Disc => format!("<circle class=\"f\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\"/>"),
            Self::Ring => format!("<circle class=\"h\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.4\"/>"),
            Self::Square => {
                format!("<path class=\"f\" d=\"M{:.1} {:.1}h6.6v6.6h-6.6z\"/>", x - 3.3, y - 3.3)
            }
            Self::Frame => {
                format!("<path class=\"h\" d=\"M{:.1} {:.1}h8.4v8.4h-8.4z\"/>", x - 4.2, y - 4.2)
            }
            Self::Diamond => {
                format!("<path class=\"h\" d=\"M{x:.1} {:.1}l5.6 5.6-5.6 5.6-5.6-5.6z\"/>", y - 5.6)
            }
            Self::Tick => format!("<path class=\"h\" d=\"M{x:.1} {:.1}v11\"/>", y - 5.5),
            Self::Plus => format!(
                "<path class=\"h\" d=\"M{:.1} {y:.1}h9M{x:.1} {:.1}v9\"/>",
                x - 4.5,
                y - 4.5
            ),
        }
    }
}

const WIDTH: f64 = 440.0;
const LEFT: f64 = 132.0;
const RIGHT: f64 = 376.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 40.0;

impl Plot {
    /// The drawing. Every text in it is cleaned and escaped.
    pub(super) fn svg(&self) -> String {
        let pitch = if self.rows.len() > 12 { 20.0 } else { 26.0 };
        let base = TOP + pitch * self.rows.len() as f64;
        let mut out = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">",
            base + BOTTOM,
            escape(&self.title)
        );
        self.frame(&mut out, pitch, base);
        for (i, row) in self.rows.iter().enumerate() {
            self.row(&mut out, row, TOP + pitch * (i as f64 + 0.5));
        }
        for series in &self.series {
            self.draw(&mut out, series, pitch);
        }
        for (i, row) in self.rows.iter().enumerate() {
            if !row.tooltip.is_empty() {
                let top = TOP + pitch * i as f64;
                out.push_str(&format!(
                    "<rect class=\"hit\" y=\"{top:.0}\" width=\"{WIDTH}\" height=\"{pitch:.0}\">\
                     <title>{}</title></rect>",
                    escape(&row.tooltip)
                ));
            }
        }
        out.push_str("</svg>");
        out
    }

    fn x(&self, value: f64) -> f64 {
        let [low, high] = self.range;
        LEFT + (value.clamp(low, high) - low) / (high - low) * (RIGHT - LEFT)
    }

    /// Grid, axis, guide and what the columns are.
    fn frame(&self, out: &mut String, pitch: f64, base: f64) {
        let [low, high] = self.range;
        let mut grid = String::new();
        let steps = ((high - low) / self.step).round().clamp(1.0, 20.0) as u32;
        for i in 0..=steps {
            let value = low + self.step * f64::from(i);
            let x = self.x(value);
            grid.push_str(&format!("M{x:.1} {TOP}V{base:.1}"));
            let value = if value.abs() < 1e-9 { 0.0 } else { value };
            let digits = if self.step == 0.25 { 2 } else { usize::from(self.step < 1.0) };
            out.push_str(&format!(
                "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\">{value:.digits$}</text>",
                base + 15.0
            ));
        }
        for i in 0..self.rows.len() {
            let y = TOP + pitch * (i as f64 + 0.5);
            grid.push_str(&format!("M{LEFT} {y:.1}H{RIGHT}"));
        }
        out.push_str(&format!("<path class=\"grid\" d=\"{grid}\"/>"));
        out.push_str(&format!(
            "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            (LEFT + RIGHT) / 2.0,
            base + 32.0,
            escape(&self.axis)
        ));
        out.push_str(&format!(
            "<text class=\"head end\" x=\"{WIDTH}\" y=\"14\">{}</text>",
            escape(&self.value_head)
        ));
        if let Some((at, label)) = &self.guide {
            let x = self.x(*at);
            let (dx, end) = if x > (LEFT + RIGHT) / 2.0 { (-4.0, " end") } else { (4.0, "") };
            out.push_str(&format!(
                "<path class=\"guide\" d=\"M{x:.1} 8V{base:.1}\"/>\
                 <text class=\"head{end}\" x=\"{:.1}\" y=\"14\">{}</text>",
                x + dx,
                escape(label)
            ));
        }
    }

    fn row(&self, out: &mut String, row: &Row, y: f64) {
        // What fits left of the plot, bold letters being wider.
        let (strong, fits) = if row.strong { (" strong", 16) } else { ("", 18) };
        let text = y + 4.0;
        out.push_str(&format!(
            "<text class=\"name{strong}\" x=\"0\" y=\"{text:.1}\">{}</text>",
            escape(&shorten(&row.label, fits))
        ));
        let (class, mark) = if row.failed { (" failed", "✗ ") } else { ("", "") };
        out.push_str(&format!(
            "<text class=\"value end{class}\" x=\"{WIDTH}\" y=\"{text:.1}\">{mark}{}</text>",
            escape(&row.value)
        ));
        if let Some([low, high]) = row.band.filter(|b| b.iter().all(|v| v.is_finite())) {
            let (left, right) = (self.x(low), self.x(high));
            out.push_str(&format!(
                "<rect class=\"band\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"10\"/>",
                y - 5.0,
                (right - left).max(1.0)
            ));
        }
        if let Some(problem) = &row.problem {
            out.push_str(&format!(
                "<path class=\"missing\" d=\"M{:.1} {:.1}l7 7m0-7l-7 7\"/>\
                 <text class=\"problem\" x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
                LEFT + 4.0,
                y - 3.5,
                LEFT + 17.0,
                escape(problem)
            ));
        }
    }

    fn draw(&self, out: &mut String, series: &Series, pitch: f64) {
        if series.is_empty() {
            return;
        }
        let mut line = String::new();
        let mut whiskers = String::new();
        let mut markers = String::new();
        let mut joined = false;
        for (i, point) in series.points.iter().enumerate() {
            let y = TOP + pitch * (i as f64 + 0.5) + series.shift;
            let Some(value) = finite(*point) else {
                joined = false;
                continue;
            };
            let x = self.x(value);
            line.push_str(&format!("{}{x:.1} {y:.1}", if joined { 'L' } else { 'M' }));
            joined = true;
            markers.push_str(&series.shape.at(x, y));
            let interval = series.intervals.get(i).copied().flatten();
            if let Some([low, high]) = interval.filter(|b| b.iter().all(|v| v.is_finite())) {
                let (left, right) = (self.x(low), self.x(high));
                whiskers.push_str(&format!("M{left:.1} {:.1}v6m0-3H{right:.1}m0-3v6", y - 3.0));
            }
        }
        let dash = if series.dashed { " dashed" } else { "" };
        out.push_str(&format!("<g class=\"{}{dash}\">", series.class));
        if !series.scattered {
            out.push_str(&format!("<path class=\"line\" d=\"{line}\"/>"));
        }
        if !whiskers.is_empty() {
            out.push_str(&format!("<path class=\"whisker\" d=\"{whiskers}\"/>"));
        }
        out.push_str(&markers);
        out.push_str("</g>");
    }
}

/// A range of round numbers around `values`, never narrower than `least`, and its grid step.
pub(super) fn around(values: impl Iterator<Item = f64>, least: [f64; 2]) -> ([f64; 2], f64) {
    let [mut low, mut high] = least;
    for value in values.filter(|v| v.is_finite()) {
        low = low.min(value.max(-20.0));
        high = high.max(value.min(20.0));
    }
    let width = high - low;
    let steps = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0];
    let step = steps.into_iter().find(|s| width / s <= 6.0).unwrap_or(10.0);
    ([(low / step).floor() * step, (high / step).ceil() * step], step)
}
