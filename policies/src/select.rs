//! Selectors: ids, `*`, `family:…`, `tag:…`, each with a trailing `?` if it may find nothing.

use crate::{
    facts::{FleetFacts, ModelFacts, ModelIndex},
    fault::suggested,
    faults::Faults,
};

/// The models that a selector finds, in the order of the fleet. One that finds none and does not end in
/// `?` is a fault.
pub(crate) fn select(
    path: &str,
    selector: &str,
    fleet: &FleetFacts,
    faults: &mut Faults,
) -> Vec<ModelIndex> {
    let (name, optional) = match selector.strip_suffix('?') {
        Some(name) => (name, true),
        None => (selector, false),
    };
    let by = |found: &dyn Fn(&ModelFacts) -> bool| -> Vec<ModelIndex> {
        (0..).zip(&fleet.models).filter(|(_, it)| found(it)).map(|(at, _)| ModelIndex(at)).collect()
    };
    let found = match name.split_once(':') {
        Some(("family", family)) => by(&|it| it.family.as_deref() == Some(family)),
        Some(("tag", tag)) => by(&|it| it.tags.iter().any(|has| **has == *tag)),
        _ if name == "*" => by(&|_| true),
        _ => by(&|it| *it.id == *name),
    };
    if found.is_empty() && !optional {
        let what = "a model of the fleet, or a selector that finds one";
        faults.push_worded(path, selector, what, || {
            let known = known(name, fleet);
            suggested(selector, what, known.iter().map(String::as_str))
        });
    }
    found
}

/// What a selector like this one could have been.
fn known(name: &str, fleet: &FleetFacts) -> Vec<String> {
    let mut known: Vec<String> = fleet.models.iter().map(|it| it.id.to_string()).collect();
    if name.contains(':') {
        let families = fleet.models.iter().filter_map(|it| it.family.as_ref());
        let tags = fleet.models.iter().flat_map(|it| &it.tags);
        known = families.map(|it| format!("family:{it}")).collect();
        known.extend(tags.map(|it| format!("tag:{it}")));
    }
    known
}
