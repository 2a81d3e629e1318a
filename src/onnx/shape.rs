//! Shapes of constants where a node reads them.

use super::graph::{Graph, attribute, integer};

/// The shape under which the constant tensor `name` is read: that of what is stored, seen through
/// transpositions, other shapes and arithmetic with other constants. `Slice` and `Expand` count as the
/// whole. `None` behind anything else.
pub(super) fn shape(graph: &Graph, name: &str) -> Option<Vec<i64>> {
    shape_within(graph, name, 16)
}

/// [`shape`], through at most `most` nodes: a longer chain is no exporter's work.
fn shape_within(graph: &Graph, name: &str, most: usize) -> Option<Vec<i64>> {
    if let Some(stored) = graph.stored(name) {
        return Some(stored.dims().to_vec());
    }
    let most = most.checked_sub(1)?;
    let node = graph.producer_node(name)?;
    let input = |slot: usize| shape_within(graph, node.input.get(slot)?, most);
    let listed = |name: &str| {
        let second = node.input.get(1).and_then(|n| graph.constant(n)?.tensor.integers());
        second.or_else(|| attribute(node, name).map(|a| a.ints.clone()))
    };
    if is_binary(node.op_type()) {
        // What is not known, the length of a vector for one, counts as no larger than the rest.
        return match (input(0), input(1)) {
            (Some(a), Some(b)) => Some(broadcast(a, &b)),
            (a, b) => a.or(b),
        };
    }
    let mut dims = input(0)?;
    let rank = dims.len();
    let axis = |axis: i64, rank: usize| {
        let counted = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
        usize::try_from(counted).ok().filter(|&a| a < rank)
    };
    match node.op_type() {
        "Identity" | "Cast" | "Slice" | "Expand" => Some(dims),
        "Transpose" => match attribute(node, "perm") {
            Some(order) => {
                let moved = |&from: &i64| dims.get(usize::try_from(from).ok()?).copied();
                order.ints.iter().map(moved).collect()
            }
            None => {
                dims.reverse();
                Some(dims)
            }
        },
        "Reshape" => {
            let mut target = listed("shape")?;
            for (i, d) in target.iter_mut().enumerate().filter(|(_, d)| **d == 0) {
                *d = *dims.get(i)?;
            }
            let (all, known) = (product(&dims)?, product(&target)?.checked_neg()?);
            // A single -1 makes the product negative, and the rest of it is what it stands for.
            for d in target.iter_mut().filter(|d| **d == -1) {
                *d = all.checked_div(known)?;
            }
            Some(target)
        }
        "Flatten" => {
            let at = usize::try_from(integer(node, "axis", 1)).ok().filter(|&a| a <= rank)?;
            let (rows, columns) = dims.split_at(at);
            Some(vec![product(rows)?, product(columns)?])
        }
        "Unsqueeze" => {
            let axes = listed("axes")?;
            let rank = rank + axes.len();
            let mut axes: Vec<usize> =
                axes.iter().map(|&a| axis(a, rank)).collect::<Option<_>>()?;
            axes.sort_unstable();
            for at in axes {
                dims.insert(at.min(dims.len()), 1);
            }
            Some(dims)
        }
        "Squeeze" => {
            let axes: Option<Vec<usize>> = match listed("axes") {
                Some(axes) => Some(axes.iter().map(|&a| axis(a, rank)).collect::<Option<_>>()?),
                None => None,
            };
            let gone = |i: usize, d: i64| axes.as_ref().map_or(d == 1, |all| all.contains(&i));
            let left = dims.iter().enumerate().filter(|&(i, &d)| !gone(i, d));
            Some(left.map(|(_, &d)| d).collect())
        }
        _ => None,
    }
}

fn is_binary(op: &str) -> bool {
    matches!(op, "Add" | "Sub" | "Mul" | "Div")
}

fn product(dims: &[i64]) -> Option<i64> {
    dims.iter().try_fold(1i64, |n, &d| n.checked_mul(d))
}

fn broadcast(mut a: Vec<i64>, b: &[i64]) -> Vec<i64> {
    while a.len() < b.len() {
        a.insert(0, 1);
    }
    for (a, &b) in a.iter_mut().rev().zip(b.iter().rev()) {
        *a = (*a).max(b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::super::testing::Network;
    use super::*;

    #[test]
    fn shapes_are_those_that_readers_see() {
        let model = Network::new()
            .weight("w", &[3, 5, 2, 8])
            .weight("scale", &[8])
            .integers("to", &[0, -1])
            .integers("one", &[1])
            .integers("front", &[0, -1])
            .op_with("Transpose", &["w"], "turned", &[("perm", &[3, 2, 0, 1])])
            .op("Mul", &["w", "scale"], "scaled")
            .op("Reshape", &["turned", "to"], "rows")
            .op("Transpose", &["rows"], "columns")
            .op("Unsqueeze", &["columns", "front"], "wide")
            .op("Squeeze", &["wide"], "narrow")
            .op_with("Flatten", &["w"], "flat", &[("axis", &[3])])
            .op("Relu", &["x"], "y")
            .model();
        let graph = Graph::new(&model).expect("a graph");
        for (name, dims) in [
            ("turned", vec![8, 2, 3, 5]),
            ("scaled", vec![3, 5, 2, 8]),
            ("rows", vec![8, 30]),
            ("columns", vec![30, 8]),
            ("wide", vec![1, 30, 8, 1]),
            ("narrow", vec![30, 8]),
            ("flat", vec![30, 8]),
        ] {
            assert_eq!(shape(&graph, name), Some(dims), "{name}");
        }
        assert_eq!(shape(&graph, "y"), None);
    }
}
