//! What a key may do and what is left for it, said to its own caller: `GET /v1/key`.

use bytes::Bytes;
use http::HeaderMap;
use policies::{Policy, facts::FleetView};

use super::{Failure, Gateway};
use crate::{
    account::Standing,
    wire::{BudgetCard, KeyCard, Left, LimitCard},
};

/// Answers a caller who he is, by his key alone. It counts for no limit, and leaves nothing behind.
///
/// # Errors
/// When no key is there, two differ, or the key is unknown or has expired.
pub(crate) fn whoami(gw: &Gateway, headers: &HeaderMap) -> Result<Bytes, Failure> {
    let at = (gw.sources.timestamp)();
    let epoch = gw.epoch.load();
    let principal = epoch.directory.authenticate(headers, at)?.principal;
    let caller = &*principal.caller;
    let standing = principal.account.standing(gw.now(), at);
    let allowed = epoch.policy.allowed(&caller.team_path, caller.key);
    let view = epoch.upstreams.fleet.view();
    let teams = &epoch.policy.fleet().teams;
    let path = caller.team_path.iter().filter_map(|at| teams.get(at.get()));
    let card = KeyCard {
        object: "key",
        name: &caller.key_name,
        team: &caller.team_name,
        teams: path.map(|team| &*team.name).collect(),
        expires: principal.expires.map(|moment| moment.to_string()),
        data_class: caller.data_class.code(),
        data_class_max: caller.data_class_max.code(),
        priority: caller.priority.name(),
        hints: caller.hints,
        feedback: caller.feedback,
        frontend: caller.frontend,
        tags: caller.tags.iter().map(|(name, value)| (&**name, &**value)).collect(),
        models: models(&epoch.policy, &allowed, &view),
        limits: limits(&standing),
        budgets: budgets(&standing, &epoch.names.currency),
    };
    Ok(card.bytes())
}

/// The names that `GET /v1/models` lists for the same caller.
fn models<'a>(policy: &'a Policy, allowed: &'a [bool], view: &FleetView) -> Vec<&'a str> {
    let off = |at: usize| view.models.get(at).is_some_and(|it| it.switched_off);
    let models = policy.fleet().models.iter().zip(allowed).enumerate();
    let models = models.filter(|(at, (_, allowed))| **allowed && !off(*at));
    let models = models.map(|(_, (model, _))| &*model.id);
    std::iter::once("auto").chain(models).chain(policy.aliases(allowed)).collect()
}

fn limits(standing: &Standing) -> Vec<LimitCard> {
    let left = |(limit, remaining)| Left { limit, remaining };
    let cards = standing.limits.iter().map(|it| LimitCard {
        of: it.of.clone(),
        requests_per_minute: it.requests.map(left),
        tokens_per_minute: it.tokens.map(left),
        concurrent: it.concurrent.map(left),
    });
    cards.collect()
}

fn budgets<'a>(standing: &Standing, currency: &'a str) -> Vec<BudgetCard<'a>> {
    let cards = standing.budgets.iter().map(|it| BudgetCard {
        of: it.of.clone(),
        window: it.reading.window,
        amount: it.reading.limit.to_string(),
        spent: it.reading.spent.to_string(),
        reserved: it.reading.reserved.to_string(),
        left: it.left.to_string(),
        currency,
        resets_at: it.reading.span.map(|(_, until)| until.to_string()),
        hard: it.reading.hard,
    });
    cards.collect()
}
