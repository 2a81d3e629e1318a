//! stub
use super::Report;
/// stub
pub fn html(_: &Report) -> crate::Result<String> {
    Ok(String::new())
}
