//! Lines of a given width: hanging indents, tables, colour where it is wanted.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::TextOptions;
use super::layers::Columns;
use crate::report::clean::{clean, columns};

/// Where the text of an entry begins.
const INDENT: usize = 12;

/// Text that grows downwards.
pub(super) struct Paper {
    text: String,
    width: usize,
    color: bool,
}

impl Paper {
    /// An empty sheet.
    pub(super) fn new(options: &TextOptions) -> Self {
        let width = options.width.map_or(usize::MAX, |w| usize::from(w).max(2 * INDENT));
        Self { text: String::new(), width, color: options.color }
    }

    /// Everything that was written.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// An empty line, never two, and none at the top.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A word on the left, cleaned `text` beside it.
    pub(super) fn entry(&mut self, word: &str, text: &str) {
        let word = format!("{word:<INDENT$}");
        let word = if word.trim().is_empty() { word } else { self.paint(&word, None, false) };
        self.hang(&word, INDENT, INDENT, &clean(text));
    }

    /// Cleaned `text` over the whole width.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.hang("", 0, 0, &clean(text));
    }

    /// A coloured word on the left, `text` beside it.
    pub(super) fn heading(&mut self, word: &str, color: Color, text: &str) {
        let lead = self.paint(word, Some(color), true);
        let used = columns(word);
        let space = if used < INDENT { INDENT - used } else { 1 };
        self.hang(&format!("{lead}{}", " ".repeat(space)), used + space, INDENT, &clean(text));
    }

    /// A coloured word and a sentence after it.
    pub(super) fn sentence(&mut self, word: &str, color: Color, text: &str) {
        let lead = self.paint(&format!("{word}:"), Some(color), true);
        self.hang(&format!("{lead} "), columns(word) + 2, 2, &clean(text));
    }

    /// A table, as many of its columns as fit.
    pub(super) fn table(&mut self, mut content: Columns) {
        let gap = if self.width < 60 { 1 } else { 2 };
        content.fit(self.width, gap);
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if self.color {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(content.heads().map(|head| Cell::new(head).add_attribute(Attribute::Dim)));
        for row in content.rows() {
            table.add_row(row);
        }
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_padding((if i == 0 { 0 } else { gap as u16 }, 0));
            if i > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.trim_fmt().lines() {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// `lead`, `used` columns wide, then `text`, its further lines indented.
    fn hang(&mut self, lead: &str, used: usize, indent: usize, text: &str) {
        let mut lines = wrap(text, self.width.saturating_sub(used), self.width - indent);
        let first = lines.next().unwrap_or_default();
        self.text.push_str(format!("{lead}{first}").trim_end());
        self.text.push('\n');
        for line in lines {
            self.text.push_str(&format!("{:indent$}{line}\n", ""));
        }
    }

    fn paint(&self, text: &str, color: Option<Color>, bold: bool) -> String {
        if !self.color {
            return text.into();
        }
        let code = match color {
            Some(Color::Red) => "31",
            Some(Color::Yellow) => "33",
            Some(Color::Green) => "32",
            _ => "2",
        };
        format!("\u{1b}[{}{code}m{text}\u{1b}[0m", if bold { "1;" } else { "" })
    }
}

/// Lines of at most `width` columns, the first of at most `first`; words that are longer, such as
/// paths, are broken.
fn wrap(text: &str, first: usize, width: usize) -> impl Iterator<Item = String> {
    let mut lines = vec![String::new()];
    let mut room = first.max(1);
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = columns(word);
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            (room, used) = (width.max(1), 0);
        }
        let space = usize::from(used > 0);
        for c in " ".repeat(space).chars().chain(word.chars()) {
            let one = columns(c.encode_utf8(&mut [0; 4]));
            if used + one > room {
                lines.push(String::new());
                (room, used) = (width.max(1), 0);
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            used += one;
        }
    }
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_and_long_ones_break() {
        let lines = |text, width| wrap(text, width, width).collect::<Vec<_>>();
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(lines("", 4), [""]);
        assert_eq!(lines("猫猫猫", 4), ["猫猫", "猫"]);
    }
}
