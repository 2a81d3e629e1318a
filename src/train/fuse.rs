//! Patterns of nodes that one operation computes faster and with less memory.

use std::collections::{HashMap, HashSet};

use super::host::Host;
use super::node::Node;

/// Replaces GELU written out, `x / sqrt(2)`, `Erf`, `+ 1`, and the product of that with `x` and a
/// half in any order, as exporters for operator sets before 20 write it. Nothing in between may be
/// read by others or be among `outputs`.
pub fn gelu(nodes: Vec<Node>, constants: &HashMap<String, Host>, outputs: &[String]) -> Vec<Node> {
    let graph = Nodes::new(&nodes, constants, outputs);
    let mut last = HashMap::new();
    let mut gone = HashSet::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, n)| n.op == "Erf") {
        if let Some((x, mut parts)) = graph.around(index, node) {
            let end = parts.pop().expect("the last product");
            gone.extend(parts);
            last.insert(end, x);
        }
    }
    let fused = |(index, node): (usize, Node)| match last.get(&index) {
        Some(x) => node.replaced("Gelu", vec![x.clone()]),
        None => node,
    };
    let kept = nodes.into_iter().enumerate().filter(|(index, _)| !gone.contains(index));
    kept.map(fused).collect()
}

struct Nodes<'a> {
    nodes: &'a [Node],
    producer: HashMap<&'a str, usize>,
    /// Who reads a tensor; outputs of the graph are read once more.
    readers: HashMap<&'a str, Vec<usize>>,
    constants: &'a HashMap<String, Host>,
}

impl<'a> Nodes<'a> {
    fn new(nodes: &'a [Node], constants: &'a HashMap<String, Host>, outputs: &'a [String]) -> Self {
        let (mut producer, mut readers) = (HashMap::new(), HashMap::<&str, Vec<usize>>::new());
        for (index, node) in nodes.iter().enumerate() {
            producer.extend(node.outputs.iter().map(|o| (o.as_str(), index)));
            for input in &node.inputs {
                readers.entry(input).or_default().push(index);
            }
        }
        for output in outputs {
            readers.entry(output).or_default().extend([usize::MAX; 2]);
        }
        Self { nodes, producer, readers, constants }
    }

    /// What GELU is taken of and the nodes that take it, around `erf`; the last one writes it.
    fn around(&self, index: usize, erf: &'a Node) -> Option<(String, Vec<usize>)> {
        let scaled = self.made_for(erf.inputs.first()?, index)?;
        let x = match self.nodes[scaled].op.as_str() {
            "Div" => {
                let [x, root] = &self.nodes[scaled].inputs[..] else { return None };
                self.is(root, std::f64::consts::SQRT_2).then_some(x.as_str())?
            }
            "Mul" => self.other(scaled, std::f64::consts::FRAC_1_SQRT_2)?,
            _ => return None,
        };
        let plus = self.only_reader(index)?;
        let added = self.nodes[plus].op == "Add" && self.other(plus, 1.0).is_some();
        let first = added.then(|| self.only_reader(plus)).flatten()?;
        let mut parts = vec![scaled, index, plus];
        let factor = self.partner(first, &self.nodes[plus].outputs[0])?;
        let half_of_x = |tensor: &str| {
            let half = self.made_for(tensor, first)?;
            let halved = self.nodes[half].op == "Mul" && self.other(half, 0.5) == Some(x);
            halved.then_some(half)
        };
        if let Some(half) = half_of_x(factor) {
            parts.extend([half, first]);
            return Some((x.to_owned(), parts));
        }
        let second = self.only_reader(first)?;
        let rest = self.partner(second, &self.nodes[first].outputs[0])?;
        let whole = factor == x && self.is(rest, 0.5) || self.is(factor, 0.5) && rest == x;
        parts.extend([first, second]);
        whole.then(|| (x.to_owned(), parts))
    }

    /// The node that writes `tensor`, which only the node `reader` reads, once.
    fn made_for(&self, tensor: &str, reader: usize) -> Option<usize> {
        let index = *self.producer.get(tensor)?;
        (self.only_reader(index)? == reader).then_some(index)
    }

    /// The node that alone reads what the node `index` writes.
    fn only_reader(&self, index: usize) -> Option<usize> {
        match self.readers.get(self.nodes[index].outputs.first()?.as_str())?[..] {
            [reader] => Some(reader),
            _ => None,
        }
    }

    /// The other factor of the product `index`.
    fn partner(&self, index: usize, tensor: &str) -> Option<&'a str> {
        match &self.nodes[index].inputs[..] {
            [a, b] if self.nodes[index].op == "Mul" && a == tensor => Some(b),
            [a, b] if self.nodes[index].op == "Mul" && b == tensor => Some(a),
            _ => None,
        }
    }

    /// The operand of the node `index` beside the number `value`.
    fn other(&self, index: usize, value: f64) -> Option<&'a str> {
        match &self.nodes[index].inputs[..] {
            [a, b] if self.is(b, value) => Some(a),
            [a, b] if self.is(a, value) => Some(b),
            _ => None,
        }
    }

    /// Whether `tensor` is the constant `value`, to the rounding of an exporter's `f32`.
    fn is(&self, tensor: &str, value: f64) -> bool {
        let close = |v: f32| (f64::from(v) - value).abs() < 1e-6 * value;
        // More dimensions than the other operand's would be another shape.
        let one = self.constants.get(tensor).filter(|c| c.shape.is_empty());
        one.is_some_and(|c| c.to_floats().iter().all(|&v| close(v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::proto::onnx::NodeProto;
    use crate::train::host::HostData;

    fn node(op: &str, inputs: [&str; 2], output: &str) -> Node {
        let input = inputs.into_iter().filter(|i| !i.is_empty()).map(str::to_owned).collect();
        let op_type = Some(op.to_owned());
        Node::new(
            &NodeProto { op_type, input, output: vec![output.into()], ..Default::default() },
            17,
        )
    }

    fn operators(products: &[[&str; 3]], outputs: &[&str]) -> Vec<String> {
        let number = |v: f32| Host::scalar(HostData::Float(vec![v]));
        let constants =
            [("root", number(2f32.sqrt())), ("one", number(1.0)), ("half", number(0.5))];
        let constants = constants.map(|(name, value)| (name.to_owned(), value)).into();
        let mut nodes = vec![
            node("Div", ["x", "root"], "s"),
            node("Erf", ["s", ""], "e"),
            node("Add", ["one", "e"], "a"),
        ];
        nodes.extend(products.iter().map(|[a, b, to]| node("Mul", [a, b], to)));
        let outputs: Vec<String> = outputs.iter().map(|&o| o.to_owned()).collect();
        let fused = gelu(nodes, &constants, &outputs);
        assert_eq!(fused.last().expect("a node").outputs, ["y"]);
        fused.into_iter().map(|n| n.op).collect()
    }

    #[test]
    fn all_orders_of_the_product_are_found() {
        let orders = [
            [["x", "a", "m"], ["m", "half", "y"]],
            [["half", "a", "m"], ["x", "m", "y"]],
            [["x", "half", "m"], ["m", "a", "y"]],
        ];
        for products in orders {
            assert_eq!(operators(&products, &["y"]), ["Gelu"], "{products:?}");
        }
    }

    #[test]
    fn what_is_read_elsewhere_or_is_another_formula_stays() {
        let products = [["x", "a", "m"], ["m", "half", "y"]];
        assert_eq!(operators(&products, &["y", "e"]).len(), 5);
        assert_eq!(operators(&[["x", "a", "m"], ["m", "one", "y"]], &["y"]).len(), 5);
        assert_eq!(operators(&[["z", "a", "m"], ["m", "half", "y"]], &["y"]).len(), 5);
        let both = [["x", "a", "m"], ["m", "m", "q"], ["m", "half", "y"]];
        assert_eq!(operators(&both, &["y", "q"]).len(), 6);
    }
}
