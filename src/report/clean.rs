//! Text from files and command lines, made fit to print.
//!
//! Names of tensors, classes and files are the input's, not ours. They may carry escape
//! sequences that drive a terminal, bidirectional controls that reorder what a reader sees, or
//! ten thousand characters. Escaping for HTML comes after this, in the renderer.

use unicode_width::UnicodeWidthChar;

/// More characters than this are cut in the middle.
const LIMIT: usize = 400;

/// `text` on one line, without control characters, at most a few hundred characters long.
///
/// Line breaks and tabs become spaces; other control characters (escape sequences among them),
/// bidirectional controls and invisible characters become `U+FFFD`, a run of them a single one,
/// so that a reader sees that something was there.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * LIMIT));
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push(' ');
            }
            c if c.is_control() || is_invisible(c) => {
                if !out.ends_with(char::REPLACEMENT_CHARACTER) {
                    out.push(char::REPLACEMENT_CHARACTER);
                }
            }
            c => out.push(c),
        }
    }
    let length = out.chars().count();
    if length <= LIMIT {
        return out;
    }
    let head = LIMIT * 2 / 3;
    let tail = length - (LIMIT - head - 1);
    let characters = out.chars().enumerate();
    let mut short = String::with_capacity(LIMIT);
    for (i, c) in characters {
        if i == head {
            short.push('…');
        }
        if i < head || i >= tail {
            short.push(c);
        }
    }
    short
}

/// Characters that change what others look like, or can't be seen at all. The joiners that
/// Persian, Indic scripts and emoji need (`U+200C`, `U+200D`) stay.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Cleaned `text` in at most `width` terminal columns, shortened in the middle: in a tensor's
/// name and in a path both ends tell more than what is between.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    let text = clean(text);
    if columns(&text) <= width {
        return text;
    }
    let room = width.saturating_sub(1);
    let take = |characters: &mut dyn Iterator<Item = char>, room: usize| {
        let mut used = 0;
        let mut taken = Vec::new();
        for c in characters {
            used += c.width().unwrap_or(0);
            if used > room {
                break;
            }
            taken.push(c);
        }
        taken
    };
    let head = take(&mut text.chars(), room / 2);
    let tail = take(&mut text.chars().rev(), room - room / 2);
    let middle = if width == 0 { "" } else { "…" };
    head.into_iter().chain(middle.chars()).chain(tail.into_iter().rev()).collect()
}

/// How many terminal columns `text` takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Cleaned `text`, escaped for HTML elements and attributes in double or single quotes.
pub(crate) fn escape(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_power_and_leave_a_trace() {
        assert_eq!(clean("a\u{1b}[31mred\u{1b}[0m"), "a\u{fffd}[31mred\u{fffd}[0m");
        assert_eq!(clean("\u{9b}31m\u{7}\u{0}\u{7f}x"), "\u{fffd}31m\u{fffd}x");
    }

    #[test]
    fn lines_are_joined() {
        assert_eq!(clean("a\r\nb\tc\u{2028}d"), "a  b c d");
    }

    #[test]
    fn bidirectional_and_invisible_characters_are_shown() {
        for c in ['\u{202e}', '\u{2066}', '\u{200f}', '\u{feff}', '\u{e0041}', '\u{ad}'] {
            assert_eq!(clean(&format!("a{c}{c}b")), "a\u{fffd}b", "{c:?}");
        }
    }

    #[test]
    fn readable_text_of_any_script_stays() {
        for text in ["/layer1/conv Zürich 猫 می\u{200c}خواهم 👩\u{200d}🔬", ""] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn absurd_lengths_are_cut_in_the_middle() {
        let text = clean(&format!("head{}tail", "x".repeat(10_000)));
        assert_eq!(text.chars().count(), LIMIT);
        assert!(text.starts_with("head") && text.ends_with("tail") && text.contains('…'));
        let exact = "é".repeat(LIMIT);
        assert_eq!(clean(&exact), exact);
    }

    #[test]
    fn shortened_names_keep_both_ends_and_fit() {
        assert_eq!(shorten("/layer3/layer3.1/Relu_1", 12), "/laye…Relu_1");
        assert_eq!(shorten("short", 12), "short");
        for width in 0..12 {
            assert!(columns(&shorten("猫猫猫猫猫猫猫猫", width)) <= width);
        }
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
    }
}
