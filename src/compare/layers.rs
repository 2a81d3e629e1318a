//! Which layers are compared: chosen in the original, found again in the others, tapped in all.

use super::subject::Subject;
use crate::activations::{Source, Tap, find_taps};
use crate::onnx::{Graph, Layer, LayerKind, Pooling, Selection, choose_layers, match_layers};
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
    drop_duplicates(&mut candidates, subjects)?;
    let twins = twins(&missing, &candidates, subjects)?;
    missing.retain(|m| !twins.contains(&m.layer.tensor));

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

/// Layers that were not chosen, but whose mean over space is what is compared at the end in every
/// model: nothing about them is missing.
fn twins(
    missing: &[Missing],
    candidates: &[Candidate],
    subjects: &PerModel<Subject>,
) -> Result<Vec<String>> {
    let Some(end) = candidates.iter().find(|c| is_end(&c.layer)) else { return Ok(Vec::new()) };
    let original = subjects.original.graph()?;
    let others = [Some(&subjects.unlearned), subjects.reference.as_ref()];
    let others = others.into_iter().flatten().map(|s| Ok((s, s.graph()?)));
    let others: Vec<(&Subject, Graph)> = others.collect::<Result<_>>()?;
    let read = |graph: &Graph, tap: &Tap, tensor: &str| {
        graph.pooled_from(&tap.layer.tensor) == Some(tensor)
    };
    let (own_tap, taps) = end.taps.split_first().ok_or_else(|| Error::internal("no taps"))?;
    let is_twin = |layer: &Layer| {
        let pooled = read(&original, own_tap, &layer.tensor);
        let layers = std::slice::from_ref(layer);
        pooled
            && others.iter().zip(taps).all(|((subject, graph), tap)| {
                let names =
                    match_layers(layers, &original, &subjects.original.head, graph, &subject.head);
                names.first().and_then(Option::as_deref).is_some_and(|name| read(graph, tap, name))
            })
    };
    let unchosen = missing.iter().filter(|m| m.reason == NOT_CHOSEN && is_twin(&m.layer));
    Ok(unchosen.map(|m| m.layer.tensor.clone()).collect())
}

/// The last map pooled is often the head's input itself: where that is so in every model, one of
/// the two says it all.
fn drop_duplicates(candidates: &mut Vec<Candidate>, subjects: &PerModel<Subject>) -> Result<()> {
    let models = [Some(&subjects.original), Some(&subjects.unlearned), subjects.reference.as_ref()];
    let graphs = models.into_iter().flatten().map(Subject::graph).collect::<Result<Vec<_>>>()?;
    let Some(end) = candidates.iter().find(|c| is_end(&c.layer)) else { return Ok(()) };
    let sources: Vec<Option<String>> = graphs
        .iter()
        .zip(&end.taps)
        .map(|(graph, tap)| graph.pooled_from(&tap.layer.tensor).map(str::to_owned))
        .collect();
    candidates.retain(|c| {
        let pooled = c.taps.iter().zip(&sources).all(|(tap, source)| {
            tap.layer.pooling == Pooling::MapMean && source.as_ref() == Some(&tap.layer.tensor)
        });
        !pooled || is_end(&c.layer)
    });
    Ok(())
}

fn is_end(layer: &Layer) -> bool {
    matches!(layer.kind, LayerKind::HeadInput | LayerKind::Features)
}
