//! What operators have switched off: models, and endpoints that they drain. Each is a managed row. It binds
//! where the configuration has the model, and an endpoint by its URL: a list in another order drains nobody
//! else. A row of something that is not there does nothing.

use std::sync::Arc;

use policies::nearest;
use toml::Table;

use super::{Edit, Managed, ManagedKind, ManagedRow, ManagedState, Model};

/// A model, as switches know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Switchable {
    /// Its id.
    pub id: Arc<str>,
    /// The base URLs of its endpoints, in the order of the list.
    pub urls: Vec<Arc<str>>,
}

impl Switchable {
    /// The models of a configuration.
    #[must_use]
    pub(crate) fn all(models: &[Model]) -> Vec<Self> {
        let urls =
            |model: &Model| model.endpoints.iter().map(|it| it.url.to_string().into()).collect();
        models.iter().map(|it| Self { id: Arc::clone(&it.id), urls: urls(it) }).collect()
    }
}

/// What is switched off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switches<'a>(&'a Managed);

impl<'a> Switches<'a> {
    /// Those of what is managed.
    #[must_use]
    pub(crate) const fn of(managed: &'a Managed) -> Self {
        Self(managed)
    }

    /// The row by which this model is off, if it is.
    #[must_use]
    pub(crate) fn model(self, id: &str) -> Option<&'a ManagedRow> {
        self.row(ManagedKind::Model, id)
    }

    /// The row by which the endpoint of this URL of this model is drained, if it is.
    #[must_use]
    pub(crate) fn endpoint(self, id: &str, url: &str) -> Option<&'a ManagedRow> {
        self.row(ManagedKind::Endpoint, &endpoint_name(id, url))
    }

    /// The rows that do nothing, since these models have nothing that they mean; in words.
    #[must_use]
    pub(crate) fn idle(self, models: &[Switchable]) -> Vec<String> {
        let has = |row: &ManagedRow| match row.kind {
            ManagedKind::Endpoint => models
                .iter()
                .any(|it| it.urls.iter().any(|url| *endpoint_name(&it.id, url) == *row.name)),
            _ => models.iter().any(|it| it.id == row.name),
        };
        let rows = [ManagedKind::Model, ManagedKind::Endpoint].into_iter();
        let rows = rows.flat_map(|kind| self.0.active(kind)).filter(|row| !has(row));
        rows.map(|row| format!("{} `{}`", row.kind, row.name)).collect()
    }

    fn row(self, kind: ManagedKind, name: &str) -> Option<&'a ManagedRow> {
        let row = self.0.get(kind, name)?;
        (row.state == ManagedState::Active).then_some(&**row)
    }
}

/// The name of the row of an endpoint.
fn endpoint_name(model: &str, url: &str) -> String {
    format!("{model} {url}")
}

/// What is to be switched, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Switching {
    /// The model's id.
    pub model: String,
    /// The number of one of its endpoints, from 0; the model itself, without one.
    pub endpoint: Option<String>,
    /// Whether it is to get no further requests.
    pub off: bool,
    /// Why, in words; may be empty.
    pub reason: String,
}

/// Why nothing is switched: there is no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSwitchable {
    /// No model has this id; the message names the nearest.
    #[error("there is no model `{0}`{1}")]
    Model(String, String),
    /// The model has no endpoint of this number, but so many.
    #[error("the model `{0}` has no endpoint `{1}`: expected a number from 0 to {2}")]
    Endpoint(String, String, usize),
}

impl Switching {
    /// The change of the row that does it. A model that the configuration has no more may be switched on.
    ///
    /// # Errors
    /// There is no such model or endpoint.
    pub(crate) fn edit(
        &self,
        known: &[Switchable],
        managed: &Managed,
    ) -> Result<Edit, NotSwitchable> {
        let (kind, name, mut fields) = self.row(known, managed)?;
        let name: Arc<str> = name.into();
        if !self.off {
            return Ok(Edit::Remove { kind, name, version: None });
        }
        if !self.reason.is_empty() {
            fields.insert("reason".into(), self.reason.clone().into());
        }
        Ok(Edit::Put { kind, name, fields, version: None })
    }

    fn row(
        &self,
        known: &[Switchable],
        managed: &Managed,
    ) -> Result<(ManagedKind, String, Table), NotSwitchable> {
        let found = known.iter().find(|it| *it.id == *self.model);
        let Some(n) = &self.endpoint else {
            let stands = Switches::of(managed).model(&self.model).is_some();
            return match found {
                None if self.off || !stands => Err(self.no_model(known)),
                _ => Ok((ManagedKind::Model, self.model.clone(), Table::new())),
            };
        };
        let found = found.ok_or_else(|| self.no_model(known))?;
        // No sign, no blank and no zero before it: a number has one spelling.
        let at = n.parse().ok().filter(|at: &usize| at.to_string() == *n);
        let url = at.and_then(|at| found.urls.get(at));
        let url = url.ok_or_else(|| {
            let last = found.urls.len().saturating_sub(1);
            NotSwitchable::Endpoint(self.model.clone(), n.clone(), last)
        })?;
        let mut fields = Table::new();
        fields.insert("model".into(), self.model.clone().into());
        fields.insert("url".into(), url.to_string().into());
        Ok((ManagedKind::Endpoint, endpoint_name(&found.id, url), fields))
    }

    fn no_model(&self, known: &[Switchable]) -> NotSwitchable {
        let near = nearest(&self.model, known.iter().map(|it| &*it.id));
        let near = near.map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
        NotSwitchable::Model(self.model.clone(), near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Author;

    fn known() -> Vec<Switchable> {
        let of = |id: &str, urls: &[&str]| Switchable {
            id: id.into(),
            urls: urls.iter().map(|it| (*it).into()).collect(),
        };
        vec![of("a", &["http://x:1/v1", "http://x:2/v1"]), of("lab/b", &["http://x:1/v1"])]
    }

    fn switching(model: &str, endpoint: Option<&str>, off: bool) -> Switching {
        let endpoint = endpoint.map(str::to_owned);
        Switching { model: model.into(), endpoint, off, reason: "why".into() }
    }

    fn after(managed: &Managed, it: &Switching) -> Managed {
        let author = Author { by: "mei".into(), at_ms: 5, not_before_ms: 0, reason: "".into() };
        let edit = it.edit(&known(), managed).unwrap();
        assert!(!edit.is_so(managed));
        let (row, _) = edit.apply(managed, &author, |_, _| false).unwrap();
        managed.with(managed.last + 1, [row])
    }

    #[test]
    fn a_switch_binds_one_thing_until_it_is_undone_and_the_same_again_is_so_already() {
        let none = Managed::default();
        let model = after(&none, &switching("lab/b", None, true));
        let all = after(&model, &switching("a", Some("1"), true));
        let it = Switches::of(&all);
        assert!(it.model("lab/b").is_some() && it.model("a").is_none());
        assert!(it.endpoint("a", "http://x:2/v1").is_some());
        for (id, url) in [("a", "http://x:1/v1"), ("lab/b", "http://x:2/v1")] {
            assert!(it.endpoint(id, url).is_none(), "{id} {url}");
        }
        for again in [switching("lab/b", None, true), switching("a", Some("1"), true)] {
            assert!(again.edit(&known(), &all).unwrap().is_so(&all));
            let undo = Switching { off: false, ..again };
            let undone = after(&all, &undo);
            assert!(undo.edit(&known(), &undone).unwrap().is_so(&undone));
        }
    }

    #[test]
    fn what_the_configuration_has_no_more_does_nothing_and_a_model_can_be_cleared() {
        let all = after(&Managed::default(), &switching("lab/b", None, true));
        let all = after(&all, &switching("a", Some("0"), true));
        assert!(Switches::of(&all).idle(&known()).is_empty());
        let left = [Switchable { id: "a".into(), urls: vec!["http://x:2/v1".into()] }];
        let idle = ["model `lab/b`", "endpoint `a http://x:1/v1`"];
        assert_eq!(Switches::of(&all).idle(&left), idle);
        assert!(switching("lab/b", None, false).edit(&left, &all).is_ok());
        assert!(switching("lab/b", None, true).edit(&left, &all).is_err());
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        let refused = |model, endpoint| {
            let it = switching(model, endpoint, true).edit(&known(), &Managed::default());
            it.unwrap_err().to_string()
        };
        assert_eq!(refused("lab/c", None), "there is no model `lab/c`; did you mean `lab/b`?");
        for n in ["2", "-1", "+1", "", " 1", "1 ", "00", "01", "x", "１", "99999999999999999999999"]
        {
            let expected =
                format!("the model `a` has no endpoint `{n}`: expected a number from 0 to 1");
            assert_eq!(refused("a", Some(n)), expected);
        }
    }
}
