//! What a reader should know of how the samples were read.

use super::{Data, Forget, ForgetSpec, Splits};

/// A sentence for each choice that was made: images left out, fallbacks of a format, what became of
/// `spec`, classes that nothing is measured on.
pub fn notes(data: &Data, spec: &ForgetSpec, forget: &Forget, splits: &Splits) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(first) = data.skipped.first() {
        notes.push(match data.skipped.len() {
            1 => format!("1 unreadable image was left out: {}", first.name),
            n => format!("{n} unreadable images were left out, such as {}", first.name),
        });
    }
    notes.extend(data.notes.iter().cloned());
    notes.extend(forget.note());
    let named = matches!(spec, ForgetSpec::Classes(_));
    if matches!(forget, Forget::Classes(_)) && !named {
        notes.push(
            "the samples to be forgotten are all training samples of their classes, and judged as \
             classes"
                .into(),
        );
    }
    notes.extend(splits.note());
    notes
}
