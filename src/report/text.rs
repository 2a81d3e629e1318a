//! stub
use super::Report;
/// o
pub struct TextOptions { pub color: bool, pub width: Option<u16> }
/// stub
pub fn text(_: &Report, _: &TextOptions) -> String {
    String::new()
}
