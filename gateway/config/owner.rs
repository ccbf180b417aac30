//! What a team and a key have in common: a name of its own, money, limits, models and classes of data.
//! One reader serves both lists, so that a key of the configuration means the same in each.

use std::{
    collections::HashSet,
    sync::{Arc, LazyLock},
};

use policies::{
    Fault,
    document::{Faults, Path, Section},
    facts::{DataClass, Tokens},
};

use super::{
    budget::{Budget, budgets},
    fields::{data_class, optional_number, texts, word},
    names::unique,
    tags::tags,
};
use crate::outcome::{Priority, Tags};

/// How fast a key or team may go; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// Tokens in a minute, input and output together.
    pub tokens_per_minute: Option<Tokens>,
    /// Requests at once.
    pub concurrent: Option<u32>,
}

/// Characters of the text that says who answers for a team or a key.
const OWNER_CHARS_MAX: usize = 200;
/// The list of who names no models: there may be many thousands of them.
static EVERY: LazyLock<Arc<[Box<str>]>> = LazyLock::new(|| Arc::new(["*".into()]));

/// A team or a key as it stands in the file, without what only one of them has.
pub(super) struct Owner {
    /// Where it stands in the file, such as `team[2]`; empty where nobody wrote it down.
    pub(super) path: Path,
    pub(super) name: Arc<str>,
    pub(super) budgets: Vec<Budget>,
    pub(super) limits: Limits,
    pub(super) models: Arc<[Box<str>]>,
    pub(super) data_class: Option<DataClass>,
    pub(super) data_class_max: Option<DataClass>,
    pub(super) priority: Option<Priority>,
    /// Who answers for it.
    pub(super) owned_by: Option<Arc<str>>,
    pub(super) tags: Tags,
}

impl Owner {
    /// One that says nothing but its name: it is bound by nothing.
    pub(super) fn unbound(name: &str) -> Self {
        Self {
            path: Path::default(),
            name: name.into(),
            budgets: Vec::new(),
            limits: Limits::default(),
            models: Arc::clone(&EVERY),
            data_class: None,
            data_class_max: None,
            priority: None,
            owned_by: None,
            tags: Tags::default(),
        }
    }

    /// Reads what teams and keys have in common. `taken` are the names of its list so far.
    pub(super) fn read<'a>(
        it: &mut Section<'a>,
        taken: &mut HashSet<&'a str>,
        faults: &mut Faults,
    ) -> Self {
        let name = unique(it, "name", taken, faults).into();
        let models = it.get("models").is_some().then(|| texts(it, "models", faults));
        let priorities = Priority::ALL.map(|it| (it.name(), Some(it)));
        Self {
            path: it.path().clone(),
            name,
            priority: word(it, "priority", &priorities, None, faults),
            budgets: budgets(it, faults),
            limits: limits(it, faults),
            models: models.map_or_else(
                || Arc::clone(&EVERY),
                |list| list.into_iter().map(|(_, model)| model.into()).collect(),
            ),
            data_class: data_class(it, "data_class", faults),
            data_class_max: data_class(it, "data_class_max", faults),
            owned_by: owned_by(it, faults),
            tags: tags(it, faults),
        }
    }

    /// The effective default class and ceiling below those of its team or parent. A default above the
    /// ceiling would refuse every request; it is said where it begins.
    pub(super) fn classes(
        &self,
        above: Option<(DataClass, DataClass)>,
        faults: &mut Faults,
    ) -> (DataClass, DataClass) {
        let (class, most) = above.unwrap_or((DataClass::Public, DataClass::Secret));
        let fine = class <= most;
        let class = self.data_class.map_or(class, |own| own.max(class));
        let most = self.data_class_max.map_or(most, |own| own.min(most));
        if fine && class > most {
            let key = if self.data_class.is_some() { "data_class" } else { "data_class_max" };
            let found = format!("requests of class {class}, and a ceiling of {most}");
            let expected = "a default class up to the lowest `data_class_max` of key and teams";
            faults.push(Fault::new(self.path.at(key), found, expected));
        }
        (class, most)
    }
}

/// Who answers for a team or a key, in words.
fn owned_by(it: &mut Section<'_>, faults: &mut Faults) -> Option<Arc<str>> {
    let expected = "a text of 1 to 200 characters without control characters";
    it.read("owner", expected, faults, |value| {
        let text = value.as_str()?;
        let fits = (1..=OWNER_CHARS_MAX).contains(&text.chars().count());
        (fits && !text.chars().any(char::is_control)).then(|| text.into())
    })
}

fn limits(it: &mut Section<'_>, faults: &mut Faults) -> Limits {
    let mut it = it.section("limits", faults);
    let mut number = |key| {
        let said = optional_number(&mut it, key, 1..=u64::from(u32::MAX), faults);
        said.and_then(|number| u32::try_from(number).ok())
    };
    let limits = Limits {
        requests_per_minute: number("requests_per_minute"),
        tokens_per_minute: number("tokens_per_minute").map(Tokens),
        concurrent: number("concurrent"),
    };
    it.close(faults);
    limits
}
