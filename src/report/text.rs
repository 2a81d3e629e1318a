//! stub
use super::Report;
/// stub
pub fn text(_: &Report) -> String {
    String::new()
}
