//! `when` of an `[[oidc.rule]]` and an `[[oidc.operator]]`: what a token has to say.

use policies::{
    Fault,
    document::{Faults, Section, items, kind},
};

/// A claim and its values, of which a token must have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The name of the claim; dots lead into objects.
    pub claim: Box<str>,
    /// The values.
    pub values: Vec<Box<str>>,
}

const EXPECTED: &str = "claims and their values, such as { groups = [\"retail\"] }";

/// Reads `when`, which must stand there.
pub(super) fn conditions(it: &mut Section<'_>, faults: &mut Faults) -> Vec<Condition> {
    let path = it.at("when");
    let Some(value) = it.get("when") else {
        faults.push(Fault::new(path, "nothing", EXPECTED));
        return Vec::new();
    };
    let Some(table) = value.as_table().filter(|it| !it.is_empty()) else {
        let found = if value.is_table() { "nothing".into() } else { kind(value) };
        faults.push(Fault::new(path, found, EXPECTED));
        return Vec::new();
    };
    let mut all = Vec::with_capacity(table.len());
    for (claim, values) in table {
        let path = format!("{path}.{claim}");
        let mut found = Vec::new();
        for (path, value) in items(path.clone(), values) {
            match value.as_str().filter(|it| !it.is_empty()) {
                Some(text) => found.push(text.into()),
                None => faults.push(Fault::new(path, kind(value), "a text that is not empty")),
            }
        }
        if values.as_array().is_some_and(Vec::is_empty) || claim.is_empty() {
            faults.push(Fault::new(
                path,
                "nothing",
                "at least one value of a claim that has a name",
            ));
        }
        all.push(Condition { claim: claim.as_str().into(), values: found });
    }
    all
}
