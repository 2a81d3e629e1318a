//! The `[policy]` table.

use std::collections::BTreeMap;

use super::document::{Placed, Section};
use crate::verdict::rules::{Key, RULES, Rule};
use crate::verdict::{Limit, Override, Policy, Position, Preset, Setting, Severity};

/// Reads the policy; problems are noted in the section's source.
pub(super) fn policy(section: Option<&Section>) -> Policy {
    let Some(section) = section else { return Policy::default() };
    let preset = section.string("preset").and_then(|name| {
        let found = Preset::ALL.into_iter().find(|p| p.as_str() == name.value);
        if found.is_none() {
            let all = Preset::ALL.map(Preset::as_str).join(", ");
            let problem = format!("there is no preset \"{}\"", name.value);
            section.source().problem(name.at, problem, format!("give one of: {all}"));
        }
        found
    });
    let mut policy = Policy::preset(preset.unwrap_or_default());
    policy.path = Some(section.source().path().to_owned());
    if let Some(deep) = section.number("deep-from", (0.0, 1.0)) {
        policy.deep = deep.value;
    }
    if let Some(half_way) = section.number("half-way", (0.0, 1.0)) {
        policy.half_way = half_way.value;
    }
    if let Some(rules) = section.section("rules") {
        for rule in &RULES {
            if let Some(table) = rules.section(rule.id) {
                read_rule(rule, &table, &mut policy);
            }
        }
        rules.finish(&RULES.each_ref().map(|r| r.id));
    }
    section.finish(&["preset", "deep-from", "half-way", "rules"]);
    policy
}

fn read_rule(rule: &Rule, table: &Section, policy: &mut Policy) {
    let note = |at: Position, problem: String, remedy: &str| {
        table.source().problem(at, problem, remedy);
    };
    let id = rule.id;
    let level = level(table);
    if let Some(level) = level.as_ref().filter(|l| rule.pinned && l.value != Severity::Error) {
        let problem = format!(
            "{id} can't be lowered to \"{}\": no policy passes what it finds",
            level.value.as_str()
        );
        note(level.at, problem, "leave the level out; --exit-zero makes a job that only reports");
    }
    let limits = limits(rule, table);
    let mut known: Vec<&str> = vec!["level"];
    known.extend(rule.limits.iter().map(|l| l.key.as_str()));
    let mut demands = !limits.is_empty();
    if id == "provider" {
        known.push("allowed");
        if let Some(allowed) = providers(table) {
            policy.providers = allowed;
            demands = true;
        }
    }
    let demands_itself = demands;
    let mut overrides = Vec::new();
    if rule.by_layer {
        known.push("layers");
        overrides =
            table.sections("layers").iter().filter_map(|t| read_override(rule, t)).collect();
        demands |= !overrides.is_empty();
    }
    if table.keys().next().is_none() {
        note(
            table.at,
            format!("the table of {id} is empty"),
            "set a level or a limit, or remove it",
        );
    }
    table.finish(&known);
    if let Some(level) = level.as_ref().filter(|l| l.value == Severity::Off && demands) {
        note(
            level.at,
            format!("{id} is off, yet limits are set for it"),
            "remove the limits, or set the level to warn or error",
        );
    }
    policy.change(id, |setting| {
        // Overrides alone set nothing for other layers.
        setting.set_at = (level.is_some() || demands_itself).then_some(table.at);
        setting.limits.extend(limits);
        setting.overrides = overrides;
        // Who sets limits for a rule that is off by default wants it applied.
        setting.severity = match level {
            Some(level) => level.value,
            None if demands && setting.severity == Severity::Off => Severity::Error,
            None => setting.severity,
        };
    });
    let Some(setting) = policy.setting(id) else { return };
    contradictions(rule, setting, table);
    let nothing =
        setting.limits.is_empty() && setting.overrides.iter().all(|o| o.limits.is_empty());
    let judges_limits = matches!(id, "retain-cka" | "head-mismatch");
    let nothing = judges_limits && nothing || id == "provider" && !demands;
    if nothing && setting.severity != Severity::Off {
        let remedy = match id {
            "provider" => "set allowed = [\"cuda\"] or [\"cpu\"]".to_owned(),
            _ => format!("set one of: {}", known[1..].join(", ")),
        };
        note(table.at, format!("{id} has a level but nothing to judge by"), &remedy);
    }
}

fn level(table: &Section) -> Option<Placed<Severity>> {
    let name = table.string("level")?;
    let severity = match name.value.as_str() {
        "off" => Severity::Off,
        "warn" => Severity::Warn,
        "error" => Severity::Error,
        other => {
            let problem = format!("there is no level \"{other}\"");
            table.source().problem(name.at, problem, "give \"off\", \"warn\" or \"error\"");
            return None;
        }
    };
    Some(Placed { value: severity, at: name.at })
}

fn limits(rule: &Rule, table: &Section) -> BTreeMap<Key, Limit> {
    let limit = |spec: &crate::verdict::rules::LimitSpec| {
        let found = table.number(spec.key.as_str(), spec.range)?;
        Some((spec.key, Limit { value: found.value, set_at: Some(found.at) }))
    };
    rule.limits.iter().filter_map(limit).collect()
}

fn providers(table: &Section) -> Option<Vec<String>> {
    let allowed = table.strings("allowed")?;
    for name in allowed.value.iter().filter(|n| !["cpu", "cuda"].contains(&n.as_str())) {
        let problem = format!("there is no provider \"{name}\"");
        table.source().problem(allowed.at, problem, "give \"cpu\", \"cuda\" or both");
    }
    if allowed.value.is_empty() {
        let problem = "no provider is allowed, so nothing could pass";
        table.source().problem(allowed.at, problem, "give \"cpu\", \"cuda\" or both");
    }
    Some(allowed.value)
}

fn read_override(rule: &Rule, table: &Section) -> Option<Override> {
    let source = table.source();
    let pattern = table.string("match");
    let level = level(table);
    let limits = limits(rule, table);
    let mut known = vec!["match", "level"];
    known.extend(rule.limits.iter().map(|l| l.key.as_str()));
    table.finish(&known);
    let Some(pattern) = pattern else {
        if !table.keys().any(|k| k.value == "match") {
            let problem = format!("an override of {} names no layers", rule.id);
            source.problem(
                table.at,
                problem,
                "add match = \"NAME\", globs such as \"/layer4/*\" are allowed",
            );
        }
        return None;
    };
    let glob = match globset::Glob::new(&pattern.value) {
        Ok(glob) => glob.compile_matcher(),
        Err(e) => {
            let problem = format!("\"{}\" is no pattern ({})", pattern.value, e.kind());
            source.problem(pattern.at, problem, "give a layer's name; * and ? stand for anything");
            return None;
        }
    };
    if level.is_none() && limits.is_empty() && !table.keys().any(|k| k.value == "level") {
        let problem = format!("the override for \"{}\" changes nothing", pattern.value);
        source.problem(table.at, problem, "set a level or a limit in it, or remove it");
    }
    let severity = level.map(|l| l.value);
    Some(Override { layers: glob, severity, limits, set_at: Some(table.at) })
}

/// Limits that no figure can meet together, in the rule and in each of its overrides.
fn contradictions(rule: &Rule, setting: &Setting, table: &Section) {
    let pairs = [(Key::Min, Key::Max), (Key::MinAboveReference, Key::MaxAboveReference)];
    let check = |get: &dyn Fn(Key) -> Option<Limit>, place: &str| {
        for (low, high) in pairs {
            let (Some(least), Some(most)) = (get(low), get(high)) else { continue };
            if least.value <= most.value {
                continue;
            }
            let at = least.set_at.max(most.set_at).unwrap_or(table.at);
            let problem = format!(
                "{}{place} can't be met: {} is {}, {} is {}",
                rule.id,
                low.as_str(),
                least.value,
                high.as_str(),
                most.value
            );
            let remedy = format!("let {} be at most {}", low.as_str(), high.as_str());
            table.source().problem(at, problem, remedy);
        }
    };
    check(&|key| setting.limits.get(&key).copied(), "");
    for (i, o) in setting.overrides.iter().enumerate() {
        // What contradicts itself without the override is told once, above.
        if !o.limits.is_empty() {
            let place = format!(" for \"{}\"", o.layers.glob());
            check(&|key| o.limits.get(&key).or_else(|| setting.limits.get(&key)).copied(), &place);
        }
        let later = setting.overrides[i + 1..].iter();
        let same = |l: &&Override| {
            let decides = |key: &Key| l.limits.contains_key(key);
            l.layers.glob() == o.layers.glob()
                && (o.severity.is_none() || l.severity.is_some())
                && o.limits.keys().all(decides)
        };
        if let (Some(_), Some(at)) = (later.clone().find(same), o.set_at) {
            let problem = format!(
                "the override for \"{}\" is never used: a later one replaces it",
                o.layers.glob()
            );
            table.source().problem(at, problem, "remove one of the two");
        }
    }
}
