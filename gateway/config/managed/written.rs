//! Faults of rows, told by the places at which somebody has just written them: whoever asks for a change
//! knows nothing of the paths that the store has.

use std::sync::Arc;

use policies::Fault;

use super::ManagedKind;

/// Faults of a whole with these rows, those of the rows by `place` of the row's number and the field. Others
/// keep their paths, which begin with `store.` where they are of other rows.
pub(crate) fn as_written(
    faults: Vec<Fault>,
    rows: &[(ManagedKind, &Arc<str>)],
    place: impl Fn(usize) -> String,
) -> Vec<Fault> {
    let told = |it: Fault| match field(&it.path, rows) {
        Some((nth, field)) => Fault { path: format!("{}{field}", place(nth)), ..it },
        None => it,
    };
    faults.into_iter().map(told).collect()
}

/// The number of the row that a path is of, and the field; of a row itself, its name.
fn field<'a>(path: &'a str, rows: &[(ManagedKind, &Arc<str>)]) -> Option<(usize, &'a str)> {
    let path = path.strip_prefix("store.")?;
    let of = |(nth, (kind, name)): (usize, &(ManagedKind, &Arc<str>))| {
        let rest = path.strip_prefix(kind.name())?.strip_prefix('.')?.strip_prefix(&***name)?;
        match rest.strip_prefix('.') {
            Some(field) => Some((name.len(), nth, field)),
            None => rest.is_empty().then_some((name.len(), nth, "name")),
        }
    };
    // Names may have points in them: the longest that fits is meant.
    let (_, nth, field) = rows.iter().enumerate().filter_map(of).max_by_key(|(long, ..)| *long)?;
    Some((nth, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_row_is_told_by_where_it_was_written_and_any_other_as_it_is() {
        let [a, b] = ["a", "a.team"].map(Arc::from);
        let rows = [(ManagedKind::Key, &a), (ManagedKind::Key, &b), (ManagedKind::Team, &a)];
        for (path, told) in [
            ("store.key.a.budget[0].amount", "keys[0].budget[0].amount"),
            ("store.key.a.team", "keys[1].name"),
            ("store.key.a.team.models[2]", "keys[1].models[2]"),
            ("store.key.a", "keys[0].name"),
            ("store.team.a.parent", "keys[2].parent"),
            ("store.key.ab.team", "store.key.ab.team"),
            ("store.team.b.parent", "store.team.b.parent"),
            ("rule[0].when", "rule[0].when"),
            ("", ""),
        ] {
            let fault = Fault::new(path, "1", "2");
            let it = as_written(vec![fault], &rows, |nth| format!("keys[{nth}]."));
            assert_eq!(it[0].path, told, "{path}");
        }
    }
}
