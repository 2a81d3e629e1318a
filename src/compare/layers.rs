//! Which layers are compared: chosen in the original, found again in the others, tapped in all.

use super::subject::Subject;
use crate::activations::{Source, Tap, find_taps};
use crate::onnx::{Layer, LayerKind, Pooling, Selection, choose_layers, match_layers};
use crate::runtime::Runtime;
use crate::verdict::{PerModel, UnmatchedLayer};
use crate::{Error, Result};

/// Why a layer of the automatic choice is missing when the user chose others.
const NOT_CHOSEN: &str = "not among --layers";

/// Layers that all models share, with one tap a layer and model, in the same order.
pub(super) struct Plan {
    pub layers: Vec<Layer>,
    pub original: Vec<Tap>,
    pub unlearned: Vec<Tap>,
    pub reference: Option<Vec<Tap>>,
    pub unmatched: Vec<UnmatchedLayer>,
}

impl Plan {
    /// What a reader should know of the choice.
    pub(super) fn notes(&self) -> Vec<String> {
        let left_out = self.unmatched.iter().filter(|l| l.reason != NOT_CHOSEN);
        let mut notes: Vec<String> =
            left_out.map(|l| format!("layer {} left out: {}", l.name, l.reason)).collect();
        let others =
            [("unlearned model", Some(&self.unlearned)), ("reference", self.reference.as_ref())];
        for (model, taps) in others {
            let pairs = self.original.iter().zip(taps.into_iter().flatten());
            let names = pairs.map(|(own, other)| (&own.layer.tensor, &other.layer.tensor));
            let renamed: Vec<_> = names.filter(|(own, other)| own != other).collect();
            if let Some((own, other)) = renamed.first() {
                notes.push(format!(
                    "{} of {} layers have another name in the {model} and were matched by their place \
                     in the graph: {own} to {other}{}",
                    renamed.len(),
                    self.layers.len(),
                    if renamed.len() > 1 { ", …" } else { "" },
                ));
            }
        }
        notes
    }
}

pub(super) fn plan(
    runtime: &Runtime,
    subjects: &PerModel<Subject>,
    selection: &Selection,
    source: &Source,
) -> Result<Plan> {
    let graph = subjects.original.graph()?;
    let head = &subjects.original.head;
    let automatic = choose_layers(&graph, head, &Selection::Automatic)?;
    let mut chosen = choose_layers(&graph, head, selection)?;
    let mut missing: Vec<Missing> = automatic
        .into_iter()
        .filter(|a| !chosen.iter().any(|c| c.tensor == a.tensor))
        .map(|layer| Missing { layer, reason: NOT_CHOSEN.into() })
        .collect();
    add_hidden_end(&mut chosen, subjects);

    let others = [Some(&subjects.unlearned), subjects.reference.as_ref()];
    let layers: Vec<Layer> = chosen.clone();
    let mut candidates: Vec<Candidate> =
        chosen.into_iter().map(|layer| Candidate { layer, taps: Vec::new() }).collect();
    let names = candidates.iter().map(|c| Some(c.layer.tensor.clone())).collect();
    add_taps(runtime, &subjects.original, names, source, &mut candidates, &mut missing)?;
    for other in others.into_iter().flatten() {
        let layers: Vec<Layer> = candidates.iter().map(|c| c.layer.clone()).collect();
        let names = match_layers(&layers, &graph, head, &other.graph()?, &other.head);
        add_taps(runtime, other, names, source, &mut candidates, &mut missing)?;
    }
    let ends = candidates.last().is_some_and(|c| c.layer.kind == LayerKind::HeadInput);
    let requested = matches!(selection, Selection::Patterns(_));
    let refused = missing.iter().find(|m| layers.contains(&m.layer));
    if !ends || (requested && refused.is_some()) {
        let problem = refused.map_or_else(|| "no layer can be tapped".into(), |m| m.reason.clone());
        return Err(Error::nothing(
            problem,
            "choose layers that both models have with --layers; `audit inspect` lists them",
        ));
    }
    let twins = twins(&candidates, subjects)?;
    drop_duplicates(&mut candidates, &twins);
    find_twin(&mut missing, &twins, subjects)?;

    let deepest = graph.weighted_depth(&head.input).max(1) as f64;
    let mut columns: Vec<Vec<Tap>> = vec![Vec::new(); 2 + usize::from(others[1].is_some())];
    for candidate in &candidates {
        let taps = candidate.taps.iter().cloned();
        columns.iter_mut().zip(taps).for_each(|(column, tap)| column.push(tap));
    }
    let mut columns = columns.into_iter();
    Ok(Plan {
        layers: candidates.into_iter().map(|c| c.layer).collect(),
        original: columns.next().unwrap_or_default(),
        unlearned: columns.next().unwrap_or_default(),
        reference: columns.next(),
        unmatched: missing
            .into_iter()
            .map(|m| UnmatchedLayer {
                name: m.layer.tensor,
                depth: m.layer.depth as f64 / deepest,
                reason: m.reason,
            })
            .collect(),
    })
}

/// Where the unlearned model's encoder ends before layers that the original doesn't have (a gate,
/// an MLP in front of the head), that end is compared with what the original's head reads: what was
/// put in front of a head must not hide the features.
fn add_hidden_end(chosen: &mut Vec<Layer>, subjects: &PerModel<Subject>) {
    let (own, theirs) = (&subjects.original.head, &subjects.unlearned.head);
    if own.features == own.input
        && theirs.features != theirs.input
        && let Some(head_input) = chosen.pop()
    {
        chosen.push(Layer { kind: LayerKind::Features, ..head_input.clone() });
        chosen.push(head_input);
    }
}

/// A layer of the original that is not compared.
struct Missing {
    layer: Layer,
    reason: String,
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
    missing: &mut Vec<Missing>,
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
            Err(reason) => missing.push(Missing { layer: candidate.layer, reason }),
        }
    }
    *candidates = kept;
    Ok(())
}

/// In each model the map whose mean over space is what is compared at the end, where there is one: the
/// last map pooled is often the head's input itself.
fn twins(candidates: &[Candidate], subjects: &PerModel<Subject>) -> Result<Vec<Option<String>>> {
    let models = [Some(&subjects.original), Some(&subjects.unlearned), subjects.reference.as_ref()];
    let end = candidates.iter().find(|c| is_end(&c.layer)).map_or(&[][..], |end| &end.taps);
    let twin = |(subject, tap): (&Subject, &Tap)| {
        let graph = subject.graph()?;
        Ok(graph.pooled_from(&tap.layer.tensor).map(str::to_owned))
    };
    models.into_iter().flatten().zip(end).map(twin).collect()
}

/// Of a map and its mean, where they are the same two in every model, one says it all.
fn drop_duplicates(candidates: &mut Vec<Candidate>, twins: &[Option<String>]) {
    candidates.retain(|c| {
        let is_twin = c.taps.iter().zip(twins).all(|(tap, twin)| {
            tap.layer.pooling == Pooling::MapMean && twin.as_ref() == Some(&tap.layer.tensor)
        });
        !is_twin || is_end(&c.layer)
    });
}

/// A map that was not chosen is not missing either where it and its mean are the same two in every
/// model.
fn find_twin(
    missing: &mut Vec<Missing>,
    twins: &[Option<String>],
    subjects: &PerModel<Subject>,
) -> Result<()> {
    let Some((Some(own), others)) = twins.split_first() else { return Ok(()) };
    let is_own = |m: &Missing| m.reason == NOT_CHOSEN && m.layer.tensor == *own;
    let Some(at) = missing.iter().position(is_own) else { return Ok(()) };
    let (graph, head) = (subjects.original.graph()?, &subjects.original.head);
    let models = [Some(&subjects.unlearned), subjects.reference.as_ref()];
    for (subject, twin) in models.into_iter().flatten().zip(others) {
        let layer = std::slice::from_ref(&missing[at].layer);
        let names = match_layers(layer, &graph, head, &subject.graph()?, &subject.head);
        if twin.is_none() || names.first() != Some(twin) {
            return Ok(());
        }
    }
    missing.remove(at);
    Ok(())
}

fn is_end(layer: &Layer) -> bool {
    matches!(layer.kind, LayerKind::HeadInput | LayerKind::Features)
}
