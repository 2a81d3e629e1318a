//! stub
/// What a model's input looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// The graph input's name.
    pub name: String,
    /// Dimensions, `None` where dynamic.
    pub dims: Vec<Option<usize>>,
}
