//! `[[oidc]]`: whose tokens are taken in place of a key, where that issuer's keys are, for which team a token
//! asks, and which one is an operator's.
//!
//! All tokens of one issuer are one key to limits, budgets, policy and books: `oidc(NAME)`, which no
//! configured key can be called. Behind it stands one payer for each team and class of data that its rules
//! lead to; none, where its tokens are for operators alone.

mod operators;

use std::{collections::HashSet, sync::Arc, time::Duration};

use policies::{
    Fault,
    document::{Faults, Section},
    facts::{DataClass, KeyFacts, KeyIndex, TeamIndex},
};
use toml::Value;

pub use self::operators::{OperatorRule, TokenOperators};
use super::{
    Credential, Key,
    algorithm::{TokenAlgorithm, algorithms},
    fields::{data_class, number, texts_of},
    key_source::{KeySource, key_source},
    outside::Outside,
    owner::Owner,
    team::ReadTeam,
    when::{Condition, conditions},
};

/// `[[oidc]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Its name.
    pub name: Arc<str>,
    /// The `iss` of its tokens, exact.
    pub issuer: Box<str>,
    /// One of these must be among the `aud` of a caller's token; nothing where no caller comes by one.
    pub audience: Vec<Box<str>>,
    /// Where its keys are.
    pub source: KeySource,
    /// By which its tokens may be signed.
    pub algorithms: Vec<TokenAlgorithm>,
    /// By how much its clock and ours may differ.
    pub leeway: Duration,
    /// The claim that says who the user is.
    pub user: Box<str>,
    /// How often its keys are asked for.
    pub refresh: Duration,
    /// Which token asks for whom; the first that matches counts, and a token that none matches is refused.
    pub rules: Vec<TokenRule>,
    /// Who asks: one for each team and class of data that a rule leads to, all of one name.
    pub payers: Vec<Key>,
    /// Whose tokens open the operators' door.
    pub operators: TokenOperators,
}

/// `[[oidc.rule]]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// What its tokens say, all of it; nothing for any token.
    pub when: Vec<Condition>,
    /// The place of who asks, among the issuer's payers.
    pub payer: usize,
}

/// An issuer as the policy and as the gateway see it.
pub(super) struct ReadOidc {
    pub(super) facts: KeyFacts,
    pub(super) oidc: Oidc,
}

/// The name of the key that all tokens of an issuer are.
fn key_name(name: &str) -> Arc<str> {
    format!("oidc({name})").into()
}

/// Reads all issuers. Their keys stand behind the `keys` that are configured.
pub(super) fn issuers(
    sections: Vec<Section<'_>>,
    (teams, keys): (&[ReadTeam], usize),
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> Vec<ReadOidc> {
    let (mut taken, mut issuers) = (HashSet::new(), HashSet::new());
    let mut all: Vec<ReadOidc> = Vec::with_capacity(sections.len());
    for mut it in sections {
        let key = KeyIndex(u32::try_from(keys + all.len()).unwrap_or(u32::MAX));
        let owner = Owner::read(&mut it, &mut taken, faults);
        let path = it.at("issuer");
        let read = issuer(it, owner, (teams, key), outside, faults);
        let issuer = &read.oidc.issuer;
        if !issuer.is_empty() && !issuers.insert(issuer.clone()) {
            let found = format!("`{issuer}` for the second time");
            faults.push(Fault::new(path, found, "an issuer of its own"));
        }
        all.push(read);
    }
    all
}

fn issuer(
    mut it: Section<'_>,
    owner: Owner,
    (teams, index): (&[ReadTeam], KeyIndex),
    outside: &Outside<'_>,
    faults: &mut Faults,
) -> ReadOidc {
    let name =
        stated(&mut it, "issuer", "the `iss` of its tokens, at most 1000 characters", faults);
    let (audience, operators) = audiences(&mut it, faults);
    let source = key_source(&mut it, name, outside, faults);
    let algorithms = algorithms(&mut it, faults);
    let leeway = number(&mut it, "leeway_seconds", 60, 0..=300, faults);
    let refresh = number(&mut it, "refresh_seconds", 300, 10..=86_400, faults);
    let user = claim(&mut it, "user", faults);
    let payer = payer(&mut it, &owner, index, faults);
    let mut payers = Payers { payer, teams, all: Vec::new() };
    let rules = rules(&mut it, &owner, &mut payers, faults);
    let payers = payers.all;
    it.close(faults);
    let facts = KeyFacts { name: key_name(&owner.name), models: owner.models };
    let (leeway, refresh) = (Duration::from_secs(leeway), Duration::from_secs(refresh));
    let (name, issuer) = (owner.name, name.into());
    #[rustfmt::skip]
    let oidc = Oidc {
        name, issuer, audience, source, algorithms, leeway, user, refresh, rules, payers, operators,
    };
    ReadOidc { facts, oidc }
}

/// One who asks by the issuer's tokens, but for his team.
fn payer(it: &mut Section<'_>, owner: &Owner, index: KeyIndex, faults: &mut Faults) -> Key {
    Key {
        name: key_name(&owner.name),
        team: TeamIndex(0),
        credential: Credential::Token(index),
        budgets: owner.budgets.clone(),
        limits: owner.limits,
        data_class: owner.data_class,
        data_class_max: owner.data_class_max,
        priority: owner.priority,
        hints: it.read("hints", "true or false", faults, Value::as_bool).unwrap_or(true),
        feedback: it.read("feedback", "true or false", faults, Value::as_bool).unwrap_or_default(),
        // A token names its user itself.
        frontend: false,
        owner: owner.owned_by.clone(),
        tags: owner.tags.clone(),
        expires: None,
    }
}

/// For whom a token must be at the callers' door, and whose tokens open the operators'. Where no caller comes
/// by one, it is enough that the operators' audience is stated.
fn audiences(it: &mut Section<'_>, faults: &mut Faults) -> (Vec<Box<str>>, TokenOperators) {
    let audience = audience(it, "audience", faults);
    let operators = operators::operators(it, &audience, faults);
    let for_callers = ["audience", "team", "rule"].iter().any(|key| it.get(key).is_some());
    if audience.is_empty() && (for_callers || operators.audience.is_empty()) {
        let expected = "at least one `aud` that stands for this gateway";
        faults.push(Fault::new(it.at("audience"), "nothing", expected));
    }
    (audience, operators)
}

/// The values of `aud` under this key.
fn audience(it: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Vec<Box<str>> {
    let expected = ("a text that is not empty", not_empty as fn(&str) -> bool);
    texts_of(it, key, expected, faults).into_iter().map(Into::into).collect()
}

fn not_empty(text: &str) -> bool {
    !text.is_empty()
}

/// The name of a claim under this key; `sub` where none stands there.
fn claim(it: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Box<str> {
    let name = it.text(key, faults).unwrap_or("sub");
    if name.is_empty() {
        faults.push(Fault::new(it.at(key), "nothing", "the name of a claim, such as \"sub\""));
    }
    name.into()
}

/// The longest name of an issuer.
const ISSUER_BYTES_MAX: usize = 1_000;

/// A text that must stand there.
fn stated<'a>(
    it: &mut Section<'a>,
    key: &'static str,
    expected: &str,
    faults: &mut Faults,
) -> &'a str {
    let fits = |text: &&str| (1..=ISSUER_BYTES_MAX).contains(&text.len());
    if it.get(key).is_none() {
        faults.push(Fault::new(it.at(key), "nothing", expected));
    }
    it.read(key, expected, faults, |value: &Value| value.as_str().filter(fits)).unwrap_or_default()
}

/// Who asks by the tokens of one issuer, as far as it is known.
struct Payers<'a> {
    /// One of them, but for its team and its class.
    payer: Key,
    teams: &'a [ReadTeam],
    all: Vec<Key>,
}

impl Payers<'_> {
    /// The team of this name, with its default class and its ceiling.
    fn team(
        &self,
        name: &str,
        path: String,
        faults: &mut Faults,
    ) -> Option<(TeamIndex, (DataClass, DataClass))> {
        let found = self.teams.iter().position(|it| *it.team.name == *name);
        if found.is_none() {
            let known = self.teams.iter().map(|it| &*it.team.name);
            faults.push_unknown(path, name, "a team", known);
        }
        let at = found?;
        Some((TeamIndex(u16::try_from(at).ok()?), self.teams.get(at)?.classes))
    }

    /// The place of who asks for this team, by requests of this class at the least.
    fn of(&mut self, team: TeamIndex, class: Option<DataClass>) -> usize {
        let data_class = self.payer.data_class.max(class);
        let payer = Key { team, data_class, ..self.payer.clone() };
        self.all.iter().position(|it| *it == payer).unwrap_or_else(|| {
            self.all.push(payer);
            self.all.len() - 1
        })
    }
}

/// The rules in their order, and behind them the issuer's own team if it names one.
fn rules(
    it: &mut Section<'_>,
    owner: &Owner,
    payers: &mut Payers<'_>,
    faults: &mut Faults,
) -> Vec<TokenRule> {
    let mut rules = Vec::new();
    let team = it.text("team", faults);
    let path = it.at("team");
    let team = team.and_then(|name| payers.team(name, path, faults));
    let (class, most) = owner.classes(team.map(|it| it.1), faults);
    // What is wrong with the issuer by itself is said once.
    let fine = class <= most;
    let sections = it.tables("rule", faults);
    let for_nobody = sections.is_empty() && it.get("operator").is_none();
    if for_nobody && it.get("team").is_none() {
        let expected = "the team of its tokens, or at least one [[oidc.rule]] or [[oidc.operator]]";
        faults.push(Fault::new(it.at("team"), "nothing", expected));
    }
    for section in sections {
        rules.extend(rule(section, payers, fine, faults));
    }
    rules
        .extend(team.map(|(team, _)| TokenRule { when: Vec::new(), payer: payers.of(team, None) }));
    rules
}

fn rule(
    mut it: Section<'_>,
    payers: &mut Payers<'_>,
    fine: bool,
    faults: &mut Faults,
) -> Option<TokenRule> {
    let when = conditions(&mut it, faults);
    let class = data_class(&mut it, "data_class", faults);
    let path = it.at("team");
    let team = match it.text("team", faults) {
        Some(name) => payers.team(name, path, faults),
        None => {
            if it.get("team").is_none() {
                faults.push(Fault::new(path, "nothing", "the team of the tokens that it matches"));
            }
            None
        }
    };
    if let Some((_, (of_team, most))) = team {
        let least = of_team.max(payers.payer.data_class.max(class).unwrap_or(of_team));
        let most = payers.payer.data_class_max.map_or(most, |own| own.min(most));
        if fine && least > most {
            let key = if class.is_some() { "data_class" } else { "team" };
            let found = format!("requests of class {least}, and a ceiling of {most}");
            let expected = "a default class up to the lowest `data_class_max` of issuer and teams";
            faults.push(Fault::new(it.at(key), found, expected));
        }
    }
    it.close(faults);
    let (team, _) = team?;
    Some(TokenRule { when, payer: payers.of(team, class) })
}

#[cfg(test)]
mod tests;
