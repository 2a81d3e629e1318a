//! Names there are, for messages about one that isn't.

/// Names listed in a message, at most.
const SHOWN: usize = 20;

/// Likeness from which a name counts as a near one, of 1.
const NEAR: f64 = 0.75;

/// `did you mean …?` for near names, else the list of all there are.
pub(super) fn remedy<'a>(wanted: &str, there: impl Iterator<Item = &'a str> + Clone) -> String {
    let wanted = wanted.to_lowercase();
    let mut near: Vec<(f64, &str)> = there
        .clone()
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let near: Vec<String> = near.iter().take(3).map(|(_, name)| format!("`{name}`")).collect();
    let all = list(there);
    if near.is_empty() {
        format!("choose from those there are: {all}")
    } else {
        format!("did you mean {}? there are: {all}", near.join(" or "))
    }
}

/// The first names, separated by commas.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names = names;
    let mut text = names.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
    let more = names.count();
    if more > 0 {
        text.push_str(&format!(", … ({more} more)"));
    }
    text
}
