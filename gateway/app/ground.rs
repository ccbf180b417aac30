//! What the machine must have for the gateway to start: found by what the start itself does, as far as that
//! can be done without making, changing or opening anything.

use std::{io, net::SocketAddr, path::Path, sync::Arc};

use policies::{Fault, facts::ModelFacts};

use super::{
    epoch::{Before, epoch},
    handover::{self, ListenAddresses},
    managed,
    pepper::{self, folder},
    real_now,
};
use crate::{
    config::{self, Config, Ground},
    edge::accept,
    record::Metrics,
    store,
};

/// Loads the configuration and finds out whatever a start would.
///
/// # Errors
/// Every fault of the configuration and of the machine for it, with its path.
pub fn check(path: &Path) -> Result<Config, Vec<Fault>> {
    let config = config::check(path, &faults, &managed::stored)?;
    match unprovable(&config) {
        Some(fault) => Err(vec![fault]),
        None => Ok(config),
    }
}

/// What is no fault of the configuration and yet to be known: an address or a ledger that somebody has
/// (the gateway that runs, it may be), a disk with too little room, where a start succeeds and nothing is
/// accepted, and keys whose time is over.
#[must_use]
pub fn notes(config: &Config) -> Vec<String> {
    let mut notes = in_charge(config);
    notes.extend(older(&config.ledger.sqlite));
    notes.extend(warnings(config));
    notes
}

/// What a model's engine serves from some release on, or not at all that is known.
fn of_engine((model, facts): (&config::Model, &ModelFacts)) -> Vec<String> {
    let Some(engine) = model.engine else { return Vec::new() };
    let native = model.dialects.iter().filter_map(|it| engine.native(it.code()));
    let mut notes: Vec<_> = native
        .filter(|it| it.since != "hosted")
        .map(|it| {
            format!(
                "model {}: an old `{}` does not serve `{}` ({}): does this one?",
                model.id, engine.name, it.dialect, it.since
            )
        })
        .collect();
    if !engine.kinds.contains(&facts.kind) {
        notes.push(format!(
            "model {}: no `{}` is known that serves models of kind \"{}\"",
            model.id,
            engine.name,
            facts.kind.code()
        ));
    }
    notes
}

/// The same of what a gateway that serves has for itself: the notes but for who has its addresses and ledger.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let least = config.ledger.disk_free_bytes_min;
    if let Some(free) = store::free_bytes(folder(&config.ledger)).filter(|free| *free < least) {
        notes.push(format!(
            "ledger.disk_free_bytes_min: {free} bytes are free, {least} must be: until they are, \
             nothing is accepted"
        ));
    }
    for model in &config.models {
        for endpoint in model.endpoints.iter().filter(|it| matches!(it.url.path(), "" | "/")) {
            notes.push(format!(
                "model {}: {} has no path; most servers of models answer under /v1",
                model.id, endpoint.url
            ));
        }
    }
    notes.extend(config.models.iter().zip(&config.policy.fleet().models).flat_map(of_engine));
    notes.extend(config.content.classes.idle().map(|(kind, class)| {
        format!(
            "data_class.content.{kind}: \"{class}\" is the lowest class, to which nothing is \
             raised: leave it away or name a higher one"
        )
    }));
    if config.policy_text.overrules_file {
        notes.push(
            "policy: two persons have approved another policy than the file has, and theirs is in force"
                .to_owned(),
        );
    }
    let admin = |it: &&config::Operator| it.role == config::Role::Admin;
    let admins = config.admin.operators.iter().filter(admin).count()
        + usize::from(config.admin.token.is_some());
    // How many have the tokens that an issuer signs, nobody knows here.
    let by_issuer = config.oidc.iter().any(|it| it.operators.have_admin());
    if config.two_persons.is_some() && admins < 2 && !by_issuer {
        notes.push(
            "audit.two_persons: there are not two operators of the role `admin`, and nobody can approve what \
             the only one proposes"
                .to_owned(),
        );
    }
    if config.keys.is_empty() && config.oidc.iter().all(|it| it.payers.is_empty()) {
        notes.push(
            "key: there is none yet, and so nobody can ask: `signalbox key create --name NAME` makes one"
                .into(),
        );
    }
    let now = jiff::Timestamp::now();
    for key in config.keys.iter().filter(|key| key.expires.is_some_and(|at| at <= now)) {
        notes.push(format!("key {}: it has expired, and opens nothing", key.name));
    }
    notes
}

/// That a start changes the form of a ledger that nobody has, for good.
fn older(path: &Path) -> Option<String> {
    let found = store::older(path).filter(|_| !store::held(path))?;
    Some(format!(
        "ledger.sqlite: {} has schema {found}, and `serve` brings it to schema {}, after which an older \
         build cannot read it: make a copy first, by `signalbox ledger backup FILE`",
        path.display(),
        store::LEDGER_SCHEMA
    ))
}

/// Who has the addresses and the ledger, and whether a start would take them over.
fn in_charge(config: &Config) -> Vec<String> {
    let ledger = config.ledger.sqlite.display();
    let doors = ListenAddresses { server: config.server.listen, admin: config.admin.listen };
    let older = store::older_in_use(&config.ledger.sqlite);
    let held = match handover::look(&config.ledger.sqlite, doors) {
        Ok(Some(pid)) => {
            let used = format!(
                "ledger.sqlite: {ledger} is in use, by a gateway that runs (process {pid})"
            );
            return vec![match older {
                Some(why) => format!("{used}, which `serve` could not take over from: {why}"),
                None => format!("{used}: `serve` would take over from it"),
            }];
        }
        _ if let Some(why) = older => {
            Some(format!(", which `serve` could not take over from: {why}"))
        }
        Ok(None) => store::held(&config.ledger.sqlite).then(|| {
            let found = handover::found(&config.ledger.sqlite);
            format!(", and cannot be asked to hand over: {found}")
        }),
        Err(why) => Some(format!(", which would not hand over to `serve`: {why}")),
    };
    let used =
        |addr| accept::bind(addr).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    let doors = [("server.listen", config.server.listen), ("admin.listen", config.admin.listen)];
    let doors = doors.into_iter().filter(|(_, addr)| used(*addr));
    let mut notes: Vec<String> = doors
        .map(|(path, addr)| {
            format!("{path}: {addr} is in use, by a gateway that runs or by another program")
        })
        .collect();
    notes.extend(
        held.map(|why| format!("ledger.sqlite: {ledger} is in use, by a gateway that runs{why}")),
    );
    notes
}

fn faults(ground: &Ground<'_>) -> Vec<Fault> {
    let listeners =
        [("server.listen", ground.server.listen), ("admin.listen", ground.admin.listen)];
    let listeners = listeners.into_iter().filter_map(|(path, addr)| listener(path, addr));
    listeners.chain(ledger(ground)).collect()
}

fn listener(path: &'static str, addr: SocketAddr) -> Option<Fault> {
    let error = accept::bind(addr).err().filter(|it| it.kind() != io::ErrorKind::AddrInUse)?;
    let expected = "an address of this machine, and a port that this user may open";
    Some(Fault::new(path, format!("{addr}: {error}"), expected))
}

/// The ledger, and the pepper beside it.
fn ledger(ground: &Ground<'_>) -> Option<Fault> {
    if let Err(found) = store::usable(&ground.ledger.sqlite) {
        let expected = "a ledger, or none yet, in a folder that this user may write to";
        return Some(Fault::new("ledger.sqlite", found, expected));
    }
    let (identity, ledger) = (ground.identity, ground.ledger);
    match pepper::present(identity, ledger) {
        Ok(found) => pepper::fault(identity, ledger, found.as_ref()),
        Err(error) => {
            let found = format!("{}: {error}", folder(ledger).join("pepper").display());
            let expected = "a secret of at least 32 bytes, or no file yet";
            Some(Fault::new("identity.pepper", found, expected))
        }
    }
}

/// What is wrong with whatever else a start prepares: connections to the backends, with the system's roots.
fn unprovable(config: &Config) -> Option<Fault> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let metrics = match Metrics::new(config.series_max) {
        Ok(metrics) => metrics,
        Err(error) => {
            return Some(Fault::new("metrics", error.to_string(), "metrics that can be kept"));
        }
    };
    let before = Before::Start(Arc::from("check"));
    let error = epoch(config, &metrics, before, real_now()).err()?;
    let expected = "backends that can be connected to, and the system's root certificates";
    Some(Fault::new("model", error.to_string(), expected))
}
