//! Which layers are compared: chosen in the original, found again in the others, tapped in all.

use super::subject::Subject;
use crate::activations::{Source, Tap, find_taps};
use crate::onnx::{Layer, LayerKind, Pooling, Selection, choose_layers, match_layers};
use crate::runtime::Runtime;
use crate::verdict::PerModel;
use crate::{Error, Result};

/// Layers that all models share, with one tap a layer and model, in the same order.
pub(super) struct Plan {
    pub layers: Vec<Layer>,
    pub original: Vec<Tap>,
    pub unlearned: Vec<Tap>,
    pub reference: Option<Vec<Tap>>,
    pub notes: Vec<String>,
}

pub(super) fn plan(
    runtime: &Runtime,
    subjects: &PerModel<Subject>,
    selection: &Selection,
    source: &Source,
) -> Result<Plan> {
    let graph = subjects.original.graph()?;
    let head = &subjects.original.head;
    let chosen = choose_layers(&graph, head, selection)?;
    let others = [Some(&subjects.unlearned), subjects.reference.as_ref()];

    let mut candidates: Vec<Candidate> =
        chosen.into_iter().map(|layer| Candidate { layer, taps: Vec::new() }).collect();
    let mut refusals = Vec::new();
    let names = candidates.iter().map(|c| Some(c.layer.tensor.clone())).collect();
    add_taps(runtime, &subjects.original, names, source, &mut candidates, &mut refusals)?;
    for other in others.into_iter().flatten() {
        let layers: Vec<Layer> = candidates.iter().map(|c| c.layer.clone()).collect();
        let names = match_layers(&layers, &graph, head, &other.graph()?, &other.head);
        add_taps(runtime, other, names, source, &mut candidates, &mut refusals)?;
    }
    drop_duplicates(&mut candidates, subjects)?;
    let required = matches!(selection, Selection::Patterns(_));
    let ends = candidates.last().is_some_and(|c| c.layer.tensor == head.input);
    if !ends || (required && !refusals.is_empty()) {
        let problem =
            refusals.into_iter().next().unwrap_or_else(|| "no layer can be tapped".into());
        return Err(Error::nothing(
            problem,
            "choose layers that both models have with --layers; `audit inspect` lists them",
        ));
    }
    let mut taps = candidates.iter().map(|c| c.taps.clone());
    let mut columns: Vec<Vec<Tap>> = vec![Vec::new(); 2 + usize::from(others[1].is_some())];
    for row in taps.by_ref() {
        columns.iter_mut().zip(row).for_each(|(column, tap)| column.push(tap));
    }
    let mut columns = columns.into_iter();
    Ok(Plan {
        layers: candidates.into_iter().map(|c| c.layer).collect(),
        original: columns.next().unwrap_or_default(),
        unlearned: columns.next().unwrap_or_default(),
        reference: columns.next(),
        notes: refusals.into_iter().map(|r| format!("layer left out: {r}")).collect(),
    })
}

/// A layer with the taps of the models seen so far.
struct Candidate {
    layer: Layer,
    taps: Vec<Tap>,
}

/// Adds one model's taps; a candidate without one is dropped and the reason kept.
fn add_taps(
    runtime: &Runtime,
    subject: &Subject,
    names: Vec<Option<String>>,
    source: &Source,
    candidates: &mut Vec<Candidate>,
    refusals: &mut Vec<String>,
) -> Result<()> {
    let model = subject.model.path().display();
    let found: Vec<String> = names.iter().flatten().cloned().collect();
    let graph = subject.graph()?;
    let mut taps = find_taps(runtime, &graph, &subject.head, &found, &|inputs, samples| {
        source.trial(inputs, samples)
    })?
    .into_iter();
    let mut kept = Vec::with_capacity(candidates.len());
    for (mut candidate, name) in candidates.drain(..).zip(names) {
        let tensor = &candidate.layer.tensor;
        let tap = match name {
            None => Err(format!("{model} has no counterpart of \"{tensor}\"")),
            Some(name) => taps
                .next()
                .ok_or_else(|| Error::internal("fewer taps than tensors"))?
                .map_err(|why| format!("\"{name}\" of {model}: {why}")),
        };
        match tap {
            Ok(tap) => {
                candidate.taps.push(tap);
                kept.push(candidate);
            }
            Err(why) => refusals.push(why),
        }
    }
    *candidates = kept;
    Ok(())
}

/// The last map pooled is often the head's input itself: one of the two says it all.
fn drop_duplicates(candidates: &mut Vec<Candidate>, subjects: &PerModel<Subject>) -> Result<()> {
    let graph = subjects.original.graph()?;
    let Some(vector) = candidates.iter().find(|c| is_end(c) && is_vector(c)) else { return Ok(()) };
    let pooled_from = graph
        .ancestors(&vector.layer.tensor)
        .iter()
        .rev()
        .map(|&i| graph.node(i))
        .find(|n| !matches!(n.op_type(), "Flatten" | "Reshape" | "Squeeze" | "Identity"))
        .filter(|n| matches!(n.op_type(), "GlobalAveragePool" | "ReduceMean"))
        .and_then(|n| n.input.first().cloned());
    if let Some(map) = pooled_from {
        candidates.retain(|c| {
            let pooled = matches!(c.taps.first().map(|t| t.layer.pooling), Some(Pooling::MapMean));
            !(pooled && c.layer.tensor == map && c.layer.kind == LayerKind::Residual)
        });
    }
    Ok(())
}

fn is_end(candidate: &Candidate) -> bool {
    matches!(candidate.layer.kind, LayerKind::HeadInput | LayerKind::Features)
}

fn is_vector(candidate: &Candidate) -> bool {
    matches!(candidate.taps.first().map(|t| t.layer.pooling), Some(Pooling::None))
}
