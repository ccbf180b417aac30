//! What operators see of models and their endpoints, and how they switch them off and on: for the operators'
//! API, and for commands beside it.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value, json};

use super::{
    in_force::InForce,
    manage::{failure, moment},
    managed::change_here,
};
use crate::{
    config::{Author, Config, Managed, ManagedRow, NotSwitchable, Switchable, Switches, Switching},
    edge::admin::Switchboard,
    failure::{Failure, Kind, Stage, shown},
    fleet::{Endpoint, Fleet},
};

/// How operators see and switch models and endpoints.
pub(super) fn switchboard(in_force: &Arc<InForce>) -> Switchboard {
    let [a, b, c] = [(); 3].map(|()| Arc::clone(in_force));
    Switchboard {
        models: Box::new(move || json!({ "models": resources(&a) })),
        model: Box::new(move |id| resource(&b, id)),
        switch: Box::new(move |switching, author| {
            let in_force = Arc::clone(&c);
            Box::pin(async move { switch(&in_force, switching, author).await })
        }),
    }
}

/// Switches, and says how the model is then, and whether that is a change.
async fn switch(
    in_force: &Arc<InForce>,
    switching: Switching,
    author: Author,
) -> Result<Value, Failure> {
    in_force.gateway.recorder.accepts()?;
    let known = known(&in_force.gateway.epoch.load().upstreams.fleet);
    let managed = in_force.read.load_full();
    let edit = switching.edit(&known, &managed.managed).map_err(|it| absent(&it))?;
    let changed = change_here(in_force, vec![edit], author).await;
    let changed = !changed.map_err(|error| failure(&error))?.is_empty();
    let mut it = match resource(in_force, &switching.model) {
        Ok(it) => it,
        // A switch of a model that is gone is gone as well.
        Err(_) => json!({ "id": switching.model, "enabled": true, "endpoints": [] }),
    };
    if let Some(it) = it.as_object_mut() {
        it.insert("changed".into(), changed.into());
    }
    Ok(it)
}

fn absent(why: &NotSwitchable) -> Failure {
    // What was asked for may be long, or no text that can be shown.
    let (param, why) = match why {
        NotSwitchable::Model(id, near) => ("id", NotSwitchable::Model(shown(id), near.clone())),
        NotSwitchable::Endpoint(id, n, end) => {
            ("n", NotSwitchable::Endpoint(shown(id), shown(n), *end))
        }
    };
    let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, why.to_string());
    failure.with_status(404).coded("not_found").at(param)
}

/// The models of a fleet, as switches know them.
fn known(fleet: &Fleet) -> Vec<Switchable> {
    let mut all: Vec<Switchable> = fleet
        .waiting()
        .map(|(id, _)| Switchable { id: Arc::clone(id), urls: Vec::new() })
        .collect();
    for endpoint in fleet.endpoints() {
        if let Some(model) = all.get_mut(endpoint.model.get()) {
            model.urls.push(Arc::clone(&endpoint.url));
        }
    }
    all
}

fn resource(in_force: &InForce, id: &str) -> Result<Value, Failure> {
    let epoch = in_force.gateway.epoch.load();
    let known = known(&epoch.upstreams.fleet);
    let at = known.iter().position(|it| *it.id == *id);
    let found = at.and_then(|at| resources(in_force).into_iter().nth(at));
    found.ok_or_else(|| {
        // It is said as it is to who would switch it.
        let switching =
            Switching { model: id.into(), endpoint: None, off: true, reason: String::new() };
        match switching.edit(&known, &Managed::default()) {
            Err(why) => absent(&why),
            Ok(_) => absent(&NotSwitchable::Model(id.into(), String::new())),
        }
    })
}

/// Each model, with all that is known of its endpoints.
fn resources(in_force: &InForce) -> Vec<Value> {
    let (epoch, read) = (in_force.gateway.epoch.load(), in_force.read.load());
    let (fleet, now) = (&epoch.upstreams.fleet, in_force.gateway.now());
    let switches = Switches::of(&read.managed);
    let view = fleet.view();
    let models = fleet.waiting().zip(&view.models).enumerate();
    let resource = |(at, ((id, waiting), view)): (usize, ((&Arc<str>, usize), &_))| {
        let policies::facts::ModelView { available, switched_off, first_token_ms, .. } = *view;
        let endpoints = fleet.endpoints().filter(|it| it.model.get() == at);
        let endpoints = endpoints.map(|it| endpoint(it, switches.endpoint(id, &it.url), now));
        let mut it = switch_of(id, switches.model(id));
        it.insert("available".into(), (available && !switched_off).into());
        it.insert("waiting".into(), waiting.into());
        it.insert("first_token_ms".into(), json!(first_token_ms));
        it.insert("endpoints".into(), endpoints.collect());
        Value::Object(it)
    };
    models.map(resource).collect()
}

fn switch_of(id: &str, row: Option<&ManagedRow>) -> Map<String, Value> {
    let mut it = Map::new();
    it.insert("id".into(), id.into());
    it.insert("enabled".into(), row.is_none().into());
    say(&mut it, row);
    it
}

/// Since when something is off, by whom and why.
fn say(it: &mut Map<String, Value>, row: Option<&ManagedRow>) {
    let Some(row) = row else { return };
    it.insert("since".into(), json!(moment(row.changed.at_ms)));
    it.insert("by".into(), (&*row.changed.by).into());
    let reason = row.fields.get("reason").and_then(toml::Value::as_str);
    it.insert("reason".into(), json!(reason));
}

fn endpoint(endpoint: &Endpoint, row: Option<&ManagedRow>, now: Instant) -> Value {
    let mut it = endpoint_of(endpoint.index.into(), &endpoint.label, &endpoint.url, row);
    // Of one that has not answered yet nothing is said.
    it.insert("up".into(), json!(endpoint.live(now)));
    it.insert("in_flight".into(), endpoint.in_flight().into());
    Value::Object(it)
}

fn endpoint_of(n: usize, label: &str, url: &str, row: Option<&ManagedRow>) -> Map<String, Value> {
    let mut it = Map::new();
    it.insert("n".into(), n.into());
    it.insert("endpoint".into(), label.into());
    it.insert("url".into(), url.into());
    it.insert("drained".into(), row.is_some().into());
    say(&mut it, row);
    it
}

/// Each model of a configuration with its switches, as a command lists them: without what only a server
/// knows.
#[must_use]
pub fn switches(config: &Config) -> Vec<Value> {
    let switches = Switches::of(&config.managed);
    let resource = |model: &crate::config::Model| {
        let endpoint = |(n, it): (usize, &crate::config::Endpoint)| {
            let (url, label) = (it.url.to_string(), it.url.authority().map(ToString::to_string));
            let row = switches.endpoint(&model.id, &url);
            Value::Object(endpoint_of(n, &label.unwrap_or_default(), &url, row))
        };
        let mut it = switch_of(&model.id, switches.model(&model.id));
        it.insert("endpoints".into(), model.endpoints.iter().enumerate().map(endpoint).collect());
        Value::Object(it)
    };
    config.models.iter().map(resource).collect()
}
