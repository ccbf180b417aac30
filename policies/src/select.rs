//! Selectors: ids, `*`, `family:…`, `tag:…`, each with a trailing `?` if it may find nothing.

use crate::{
    facts::{FleetFacts, ModelFacts, ModelIndex},
    fault::Fault,
};

/// The models that a selector finds, in the order of the fleet.
///
/// # Errors
/// When it finds none and does not end in `?`.
pub(crate) fn select(
    path: &str,
    selector: &str,
    fleet: &FleetFacts,
) -> Result<Vec<ModelIndex>, Fault> {
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
    if !found.is_empty() || optional {
        return Ok(found);
    }
    let ids = fleet.models.iter().map(|model| &*model.id);
    Err(Fault::unknown(path, selector, "a model of the fleet, or a selector that finds one", ids))
}
