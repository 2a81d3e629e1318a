//! interim
use super::graph::Graph;
use std::collections::BTreeMap;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Weight,
    RunningMean,
    RunningVariance,
}
#[derive(Clone, Debug)]
pub struct Trainable {
    pub name: String,
    pub dims: Vec<usize>,
    pub role: Role,
}
pub fn trainable(graph: &Graph) -> Vec<Trainable> {
    let mut found: BTreeMap<String, Trainable> = BTreeMap::new();
    for &i in graph.order() {
        let node = graph.node(i);
        for (slot, input) in node.input.iter().enumerate() {
            let ok = match node.op_type() {
                "Conv" | "Gemm" | "LayerNormalization" => slot >= 1,
                "MatMul" | "Add" | "Mul" | "Concat" => true,
                _ => false,
            };
            if !ok {
                continue;
            }
            if let Some(c) = graph.constant(input)
                && c.tensor.is_float()
                && c.tensor.len().unwrap_or(0) >= 2
            {
                found.insert(
                    c.tensor.name().into(),
                    Trainable {
                        name: c.tensor.name().into(),
                        dims: c.tensor.dims().iter().map(|&d| d as usize).collect(),
                        role: Role::Weight,
                    },
                );
            }
        }
    }
    found.into_values().collect()
}
pub fn fresh(graph: &Graph, seed: u64) -> crate::Result<BTreeMap<String, Vec<f32>>> {
    let m = super::reinitialized(graph.model(), seed)?;
    let g = Graph::new(&m)?;
    let mut out = BTreeMap::new();
    for t in trainable(&g) {
        if let Some(c) = g.constant(&t.name) {
            out.insert(
                t.name.clone(),
                c.tensor.floats().unwrap_or_default().into_iter().map(|v| v as f32).collect(),
            );
        }
    }
    Ok(out)
}
