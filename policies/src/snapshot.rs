//! A fleet as values that can be written down and read again, so that a past decision can be made again as
//! it was made then.
//!
//! Of the keys it holds the names that rules mention and no more: there may be very many of them, and a key
//! comes and goes without the policy being another one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    facts::{
        AliasTarget, FleetFacts, KeyFacts, KeyIndex, Language, ModelFacts, ModelKind, Money, Needs,
        Price, TeamFacts, TeamIndex, Timeouts, Tokens,
    },
    policy::Policy,
};

/// All of a fleet that a decision reads, as plain values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FleetSnapshot {
    models: Vec<Model>,
    teams: Vec<Team>,
    aliases: Vec<Alias>,
    /// The names of the keys that rules mention.
    keys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    id: String,
    /// Absent where it is a chat model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vector_space: Option<String>,
    family: Option<String>,
    tags: Vec<String>,
    zone: Option<String>,
    licence: Option<String>,
    languages: Vec<String>,
    capabilities: Vec<String>,
    context_tokens_max: u32,
    output_tokens_max: u32,
    output_tokens_default: u32,
    media_tokens_max: u32,
    held_tokens_max: u32,
    price: Option<Prices>,
    timeouts: Timeouts,
}

/// Nano-units of the ledger's currency for a million tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Prices {
    input_nano: i64,
    cached_input_nano: i64,
    cache_write_nano: i64,
    output_nano: i64,
    reasoning_nano: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Team {
    name: String,
    /// The place of the team above it in the list.
    parent: Option<u16>,
    models: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Alias {
    pattern: String,
    /// Models or selectors; without them, the rules decide.
    models: Option<Vec<String>>,
}

fn texts<'a>(of: impl IntoIterator<Item = &'a (impl AsRef<str> + ?Sized + 'a)>) -> Vec<String> {
    of.into_iter().map(|it| it.as_ref().to_owned()).collect()
}

impl FleetSnapshot {
    /// The fleet that this policy was compiled against.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let fleet = policy.fleet();
        let team = |team: &TeamFacts| Team {
            name: team.name.to_string(),
            parent: team.parent.map(|it| it.0),
            models: texts(team.models.iter()),
        };
        let alias = |(pattern, target): &(Box<str>, AliasTarget)| Alias {
            pattern: pattern.to_string(),
            models: match target {
                AliasTarget::Auto => None,
                AliasTarget::Route(models) => Some(texts(models)),
            },
        };
        Self {
            models: fleet.models.iter().map(Model::of).collect(),
            teams: fleet.teams.iter().map(team).collect(),
            aliases: fleet.aliases.iter().map(alias).collect(),
            keys: texts(policy.named_keys()),
        }
    }

    /// The fleet again, in which this key may use these models, and that key's place.
    #[must_use]
    pub fn fleet(&self, key: &str, models: &[String]) -> (FleetFacts, KeyIndex) {
        let boxed = |list: &[String]| list.iter().map(|it| it.as_str().into()).collect();
        let team = |team: &Team| TeamFacts {
            name: team.name.as_str().into(),
            parent: team.parent.map(TeamIndex),
            models: boxed(&team.models),
        };
        let alias = |alias: &Alias| {
            let target = alias.models.as_ref().map_or(AliasTarget::Auto, |models| {
                AliasTarget::Route(models.iter().map(|it| it.as_str().into()).collect())
            });
            (alias.pattern.as_str().into(), target)
        };
        let all: Arc<[Box<str>]> = Arc::from([Box::from("*")]);
        let named = self.keys.iter().map(String::as_str).filter(|it| *it != key);
        let other = |name: &str| KeyFacts { name: name.into(), models: Arc::clone(&all) };
        let own = KeyFacts { name: key.into(), models: boxed(models) };
        let fleet = FleetFacts {
            models: self.models.iter().map(Model::facts).collect(),
            teams: self.teams.iter().map(team).collect(),
            keys: [own].into_iter().chain(named.map(other)).collect(),
            aliases: self.aliases.iter().map(alias).collect(),
        };
        (fleet, KeyIndex(0))
    }
}

impl Model {
    fn of(facts: &ModelFacts) -> Self {
        let text = |it: &Option<Arc<str>>| it.as_deref().map(str::to_owned);
        Self {
            id: facts.id.to_string(),
            kind: (facts.kind != ModelKind::Chat).then(|| facts.kind.code().to_owned()),
            vector_space: text(&facts.vector_space),
            family: text(&facts.family),
            tags: texts(&facts.tags),
            zone: text(&facts.zone),
            licence: text(&facts.licence),
            languages: facts.languages.iter().map(|it| it.code().to_owned()).collect(),
            capabilities: facts.capabilities.names().map(str::to_owned).collect(),
            context_tokens_max: facts.context_tokens_max.0,
            output_tokens_max: facts.output_tokens_max.0,
            output_tokens_default: facts.output_tokens_default.0,
            media_tokens_max: facts.media_tokens_max.0,
            held_tokens_max: facts.held_tokens_max.0,
            price: facts.price.map(|it| Prices {
                input_nano: it.input.nano(),
                cached_input_nano: it.cached_input.nano(),
                cache_write_nano: it.cache_write.nano(),
                output_nano: it.output.nano(),
                reasoning_nano: it.reasoning.nano(),
            }),
            timeouts: facts.timeouts,
        }
    }

    fn facts(&self) -> ModelFacts {
        let text = |it: &Option<String>| it.as_deref().map(Arc::from);
        let needs = self.capabilities.iter().filter_map(|it| Needs::from_code(it));
        ModelFacts {
            id: self.id.as_str().into(),
            kind: self.kind.as_deref().and_then(ModelKind::from_code).unwrap_or_default(),
            vector_space: text(&self.vector_space),
            family: text(&self.family),
            tags: self.tags.iter().map(|it| it.as_str().into()).collect(),
            zone: text(&self.zone),
            licence: text(&self.licence),
            languages: self.languages.iter().filter_map(|it| Language::from_code(it)).collect(),
            capabilities: needs.fold(Needs::NONE, Needs::with),
            context_tokens_max: Tokens(self.context_tokens_max),
            output_tokens_max: Tokens(self.output_tokens_max),
            output_tokens_default: Tokens(self.output_tokens_default),
            media_tokens_max: Tokens(self.media_tokens_max),
            held_tokens_max: Tokens(self.held_tokens_max),
            price: self.price.as_ref().map(|it| Price {
                input: Money::from_nano(it.input_nano),
                cached_input: Money::from_nano(it.cached_input_nano),
                cache_write: Money::from_nano(it.cache_write_nano),
                output: Money::from_nano(it.output_nano),
                reasoning: Money::from_nano(it.reasoning_nano),
            }),
            timeouts: self.timeouts,
        }
    }
}
