//! `Einsum` of one or two operands: sums, permutations and one matrix product.

use crate::Result;
use crate::train::call::Call;
use crate::train::engine::Engine;
use crate::train::node::Node;
use crate::train::tensor::Tensor;
use crate::train::value::Value;

/// What stands for a dimension: a letter, or the dimension that an ellipsis covers, from the right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Letter(char),
    Covered(usize),
}

/// A tensor with a label for every dimension.
struct Operand<E: Engine> {
    tensor: Tensor<E>,
    labels: Vec<Label>,
}

/// `Einsum`.
pub fn einsum<E: Engine>(call: &mut Call<E>) -> Result<Vec<Value<E>>> {
    let node = call.node;
    let values = call.all();
    let equation: String =
        node.text("equation", "").chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != values.len() {
        let problem = format!("\"{equation}\" has {} terms, {} inputs", terms.len(), values.len());
        return Err(node.invalid(problem));
    }
    if values.iter().any(|value| !value.is_float()) {
        return Err(node.unsupported("integer operands"));
    }
    let mut operands = Vec::new();
    for (term, value) in terms.iter().zip(values) {
        let tensor = value.into_tensor(call.device);
        let labels = labels(node, term, Some(tensor.rank()))?;
        operands.push(Operand { tensor, labels });
    }
    let inputs: Vec<&[Label]> = operands.iter().map(|o| o.labels.as_slice()).collect();
    let output = match right {
        Some(right) => explicit(node, right, &inputs)?,
        None => implicit(&inputs),
    };
    if let Some(label) = output.iter().find(|l| !inputs.iter().any(|term| term.contains(l))) {
        return Err(node.invalid(format!("{label:?} of the output is in no input")));
    }
    let mut operands = operands.into_iter();
    let result = match (operands.next(), operands.next(), operands.next()) {
        (Some(only), None, None) => only.summed(|label| output.contains(&label)),
        (Some(a), Some(b), None) => product(node, a, b, &output)?,
        _ => return Err(node.unsupported("an Einsum of more than two operands")),
    };
    call.one(result.ordered(&output))
}

/// The labels of a term; `rank` tells how many dimensions an ellipsis covers.
fn labels(node: &Node, term: &str, rank: Option<usize>) -> Result<Vec<Label>> {
    let letters = term.replace("...", "");
    let covered = rank.map_or(0, |rank| rank.saturating_sub(letters.len()));
    let mut labels: Vec<Label> = Vec::new();
    for (i, part) in term.splitn(2, "...").enumerate() {
        if i == 1 {
            labels.extend((0..covered).rev().map(Label::Covered));
        }
        for letter in part.chars() {
            if !letter.is_ascii_alphabetic() {
                return Err(node.invalid(format!("\"{letter}\" in the term \"{term}\"")));
            }
            if labels.contains(&Label::Letter(letter)) {
                let what = format!("a repeated index in the term \"{term}\"");
                return Err(node.unsupported(what));
            }
            labels.push(Label::Letter(letter));
        }
    }
    match rank {
        Some(rank) if labels.len() != rank => {
            Err(node.invalid(format!("the term \"{term}\" for {rank} dimensions")))
        }
        _ => Ok(labels),
    }
}

/// The output's labels as written; its ellipsis covers what the inputs' cover.
fn explicit(node: &Node, term: &str, inputs: &[&[Label]]) -> Result<Vec<Label>> {
    let letters = term.replace("...", "").len();
    let covered = if term.contains("...") { most_covered(inputs) } else { 0 };
    labels(node, term, Some(letters + covered))
}

/// Without an arrow: covered dimensions, then letters that occur once, sorted.
fn implicit(inputs: &[&[Label]]) -> Vec<Label> {
    let all: Vec<char> = inputs
        .iter()
        .flat_map(|term| term.iter())
        .filter_map(|label| match label {
            Label::Letter(letter) => Some(*letter),
            Label::Covered(_) => None,
        })
        .collect();
    let once = |letter: &&char| all.iter().filter(|l| l == letter).count() == 1;
    let mut letters: Vec<char> = all.iter().filter(once).copied().collect();
    letters.sort_unstable();
    let covered = (0..most_covered(inputs)).rev().map(Label::Covered);
    covered.chain(letters.into_iter().map(Label::Letter)).collect()
}

fn most_covered(inputs: &[&[Label]]) -> usize {
    let covered = |label: &&Label| matches!(label, Label::Covered(_));
    inputs.iter().map(|term| term.iter().filter(covered).count()).max().unwrap_or(0)
}

/// Sums over what only one operand has, then one matrix product.
fn product<E: Engine>(
    node: &Node,
    a: Operand<E>,
    b: Operand<E>,
    output: &[Label],
) -> Result<Operand<E>> {
    let (in_a, in_b) = (a.labels.clone(), b.labels.clone());
    let a = a.summed(|label| output.contains(&label) || in_b.contains(&label));
    let b = b.summed(|label| output.contains(&label) || in_a.contains(&label));
    let (shared, own_a): (Vec<Label>, Vec<Label>) =
        a.labels.iter().partition(|label| b.labels.contains(label));
    let own_b: Vec<Label> = b.labels.iter().copied().filter(|l| !shared.contains(l)).collect();
    let (batch, inner): (Vec<Label>, Vec<Label>) =
        shared.iter().partition(|label| output.contains(label));
    let mut lengths = Vec::new();
    for label in batch.iter().chain(&inner) {
        let (x, y) = (a.length(*label), b.length(*label));
        if x != y && x != 1 && y != 1 {
            return Err(node.invalid(format!("{label:?} has lengths {x} and {y}")));
        }
        lengths.push(x.max(y));
    }
    let (batch_lengths, inner_lengths) = lengths.split_at(batch.len());
    let own_lengths = |operand: &Operand<E>, own: &[Label]| -> Vec<usize> {
        own.iter().map(|&label| operand.length(label)).collect()
    };
    let (lengths_a, lengths_b) = (own_lengths(&a, &own_a), own_lengths(&b, &own_b));
    let size = |lengths: &[usize]| lengths.iter().product::<usize>();
    let left = a
        .ordered(&[batch.as_slice(), &own_a, &inner].concat())
        .expand(&[batch_lengths, &lengths_a, inner_lengths].concat())
        .reshape(&[size(batch_lengths), size(&lengths_a), size(inner_lengths)]);
    let right = b
        .ordered(&[batch.as_slice(), &inner, &own_b].concat())
        .expand(&[batch_lengths, inner_lengths, &lengths_b].concat())
        .reshape(&[size(batch_lengths), size(inner_lengths), size(&lengths_b)]);
    let tensor = left.matmul(right).reshape(&[batch_lengths, &lengths_a, &lengths_b].concat());
    Ok(Operand { tensor, labels: [batch, own_a, own_b].concat() })
}

impl<E: Engine> Operand<E> {
    fn length(&self, label: Label) -> usize {
        self.labels.iter().position(|&l| l == label).map_or(1, |i| self.tensor.shape()[i])
    }

    /// Without the dimensions whose label is not `kept`: sums over them.
    fn summed(self, kept: impl Fn(Label) -> bool) -> Self {
        let shape = self.tensor.shape();
        let (stay, go): (Vec<usize>, Vec<usize>) =
            (0..shape.len()).partition(|&i| kept(self.labels[i]));
        let target: Vec<usize> = stay.iter().map(|&i| shape[i]).collect();
        let labels = stay.iter().map(|&i| self.labels[i]).collect();
        Self { tensor: self.tensor.sum(&go).reshape(&target), labels }
    }

    /// The tensor with its dimensions in the order of `labels`, which are all its own.
    fn ordered(self, labels: &[Label]) -> Tensor<E> {
        let order: Vec<usize> =
            labels.iter().filter_map(|l| self.labels.iter().position(|own| own == l)).collect();
        self.tensor.permute(&order)
    }
}
