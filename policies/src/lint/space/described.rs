//! What an area has of a dimension, where a list of values would say it badly.

use crate::{
    facts::Needs,
    lint::values::{FREE_NEEDS, LONG_CONTEXT_FROM, Value},
    set::BitSet,
};

/// Needs that all of them have, and the sizes of input that are there.
pub(super) fn input(values: &[&Value]) -> String {
    let inputs = || {
        values.iter().filter_map(|value| match value {
            Value::Input(needs, tokens) => Some((needs.without(Needs::LONG_CONTEXT), *tokens)),
            _ => None,
        })
    };
    let all = |need: &Needs| inputs().all(|(needs, _)| needs.contains(*need));
    let none = |need: &Needs| inputs().all(|(needs, _)| !needs.contains(*need));
    let free = || Needs::NAMES.iter().take(FREE_NEEDS);
    let mut said: Vec<String> =
        free().filter(|(need, _)| all(need)).map(|(_, name)| format!("needs {name}")).collect();
    said.extend(
        free().filter(|(need, _)| none(need)).map(|(_, name)| format!("no need of {name}")),
    );
    let (least, most) = inputs()
        .fold((u32::MAX, 0), |(least, most), (_, tokens)| (least.min(tokens), most.max(tokens)));
    match (least, most) {
        (0, LONG_CONTEXT_FROM..) => {}
        (0, most) => said.push(format!("input_tokens up to {most}")),
        (least, _) => said.push(format!("input_tokens from {least}")),
    }
    said.join(", ")
}

/// Where a share lies; `values` are all that there are, the largest first.
pub(super) fn confidence(values: &[Value], set: &BitSet) -> String {
    let at = |nth: usize| match values.get(nth) {
        Some(Value::Confidence(sure, named)) => Some((*sure, *named)),
        _ => None,
    };
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for nth in set.iter() {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == nth => *last = nth,
            _ => runs.push((nth, nth)),
        }
    }
    let said = |&(high, low): &(usize, usize)| {
        let from = match (at(low), at(low + 1)) {
            (_, None) => None,
            (Some((sure, true)), _) => Some(format!("from {sure}")),
            (_, Some((next, _))) => Some(format!("above {next}")),
        };
        let to = match (at(high), high.checked_sub(1).and_then(at)) {
            (_, None) => None,
            (Some((sure, true)), _) => Some(format!("up to {sure}")),
            (_, Some((next, _))) => Some(format!("below {next}")),
        };
        from.into_iter().chain(to).collect::<Vec<_>>().join(" and ")
    };
    format!("confidence {}", runs.iter().rev().map(said).collect::<Vec<_>>().join(" or "))
}
