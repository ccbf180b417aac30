//! What operators see of what is managed, and how they change it: for the operators' API.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use policies::Fault;
use serde_json::{Map, Value, json};

use super::{
    in_force::InForce,
    managed::{ChangeError, change_here},
    propose::{PROPOSED, ProposalRefused, waiting},
    query,
    rows::RefusedAt,
    spend::misused,
};
use crate::{
    config::{
        Config, Edit, ManagedKind, ManagedRow, ManagedState, ProposalState, ReadFrom, as_written,
    },
    directory,
    edge::admin::{Manage, Minted, Place},
    failure::{Failure, Kind, Stage},
    pipeline::Gateway,
    record::StoreError,
    spend::Wrong,
    store::Reader,
};

/// How operators see and change what is managed.
pub(super) fn manager(in_force: &Arc<InForce>) -> Manage {
    let [a, b, c, d] = [(); 4].map(|()| Arc::clone(in_force));
    Manage {
        change: Box::new(move |edits, author, place| {
            let in_force = Arc::clone(&a);
            Box::pin(async move {
                in_force.gateway.recorder.accepts()?;
                let named = |it: &Edit| (it.row().0, Arc::clone(it.row().1));
                let asked: Vec<_> = edits.iter().map(named).collect();
                let changed = change_here(&in_force, edits, author).await;
                let rows = changed.map_err(|error| failure_in(error, &asked, place))?;
                Ok(waiting(&rows, (in_force.gateway.sources.timestamp)().as_millisecond()))
            })
        }),
        one: Box::new(move |kind, name| {
            let (in_force, name) = (Arc::clone(&b), name.to_owned());
            Box::pin(async move {
                let read = in_force.read.load_full();
                let it = resource(&read, (kind, &name), &Shown::new(&in_force.gateway, false))?;
                let mut one = [it];
                used(&in_force, kind, &mut one).await;
                one.into_iter().next()
            })
        }),
        page: Box::new(move |kind, query| {
            let in_force = Arc::clone(&c);
            let asked = PageAsked::read(query).map_err(|wrong| misused(&wrong));
            Box::pin(async move {
                let asked = asked?;
                let read = in_force.read.load_full();
                let shown = Shown::new(&in_force.gateway, asked.hashes);
                let (mut resources, next) = page(&read, kind, &asked, &shown);
                used(&in_force, kind, &mut resources).await;
                let list = [(format!("{kind}s"), resources.into()), ("next".into(), json!(next))];
                Ok(Value::Object(list.into_iter().collect()))
            })
        }),
        mint: Box::new(move || {
            let key = directory::new_key(rand::random());
            let hash = d.gateway.epoch.load().directory.hash_line(&key);
            Minted { key, hash }
        }),
    }
}

/// All of a kind, as a command lists them.
///
/// # Errors
/// The ledger cannot be read.
pub fn listed(config: &Config, kind: ManagedKind, hashes: bool) -> Result<Vec<Value>, StoreError> {
    let shown = Shown { now: Timestamp::now(), hashes };
    let read = config.read_from();
    let all = PageAsked { limit: usize::MAX, ..PageAsked::default() };
    let (mut resources, _) = page(&read, kind, &all, &shown);
    if kind == ManagedKind::Key {
        let names: Vec<String> = resources.iter().filter_map(named).collect();
        let written = match Reader::open(&config.ledger.sqlite) {
            Ok(reader) => reader.key_uses(&names)?,
            Err(StoreError::Absent) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        say_used(&mut resources, |name| written.get(name).copied());
    }
    Ok(resources)
}

fn named(it: &Value) -> Option<String> {
    it.get("name").and_then(Value::as_str).map(str::to_owned)
}

fn say_used(resources: &mut [Value], last: impl Fn(&str) -> Option<i64>) {
    for it in resources {
        let at = named(it).and_then(|name| last(&name)).and_then(moment);
        if let Some(it) = it.as_object_mut() {
            it.insert("last_used_at".into(), json!(at));
        }
    }
}

/// Says of keys when they were last used: here, or by any process on the ledger as far as that is written.
async fn used(in_force: &InForce, kind: ManagedKind, resources: &mut [Value]) {
    if kind != ManagedKind::Key {
        return;
    }
    let names: Vec<String> = resources.iter().filter_map(named).collect();
    let ledger = in_force.ledger.clone();
    let read = move || Reader::open(&ledger)?.key_uses(&names);
    let read = tokio::task::spawn_blocking(read).await;
    let written = read.ok().and_then(Result::ok).unwrap_or_default();
    let directory = &in_force.gateway.epoch.load().directory;
    say_used(resources, |name| directory.last_used(name).max(written.get(name).copied()));
}

/// Resources of a page where nobody says how many.
const LIMIT: usize = 100;
/// Resources of a page at the most.
const LIMIT_MAX: usize = 1_000;

/// Which page is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct PageAsked {
    /// Those after this name.
    after: String,
    /// How many at the most.
    limit: usize,
    /// Those of this team alone.
    team: Option<String>,
    /// Those in this state alone.
    state: Option<String>,
    /// Whether the hashes of keys are shown.
    hashes: bool,
}

impl PageAsked {
    fn read(query: &str) -> Result<Self, Vec<Wrong>> {
        let mut asked = Self { limit: LIMIT, ..Self::default() };
        query::read(query, |name, value| asked.take(name, value))?;
        Ok(asked)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "after" => value.clone_into(&mut self.after),
            "limit" => {
                let limit = value.parse().ok().filter(|it| (1..=LIMIT_MAX).contains(it));
                self.limit =
                    limit.ok_or_else(|| format!("expected a number from 1 to {LIMIT_MAX}"))?;
            }
            "team" => self.team = Some(value.into()),
            "state" if ["active", "expired", "revoked"].contains(&value) => {
                self.state = Some(value.into());
            }
            "state" => return Err("expected `active`, `expired` or `revoked`".into()),
            "hashes" if ["true", "false"].contains(&value) => self.hashes = value == "true",
            "hashes" => return Err("expected `true` or `false`".into()),
            _ => {
                let known = "`after`, `limit`, `team`, `state` and `hashes`";
                return Err(format!("there is no such parameter: expected {known}"));
            }
        }
        Ok(())
    }
}

/// What resources are shown with.
struct Shown {
    now: Timestamp,
    /// Whether the hashes of keys are shown.
    hashes: bool,
}

impl Shown {
    fn new(gateway: &Gateway, hashes: bool) -> Self {
        Self { now: (gateway.sources.timestamp)(), hashes }
    }
}

pub(super) fn moment(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|it| it.to_string())
}

/// A page of those of a kind, of the file and of the store, in the order of their names.
fn page(
    read: &ReadFrom,
    kind: ManagedKind,
    asked: &PageAsked,
    shown: &Shown,
) -> (Vec<Value>, Option<String>) {
    let mut file = read.file_names(kind, &asked.after).peekable();
    let mut store = read.managed.after(kind, &asked.after).map(|row| &*row.name).peekable();
    let mut names = std::iter::from_fn(|| match (file.peek(), store.peek()) {
        (Some(a), Some(b)) if a <= b => file.next(),
        (Some(_), None) => file.next(),
        _ => store.next(),
    });
    let mut resources = Vec::new();
    let (mut last, mut more) = (None, false);
    for name in names.by_ref() {
        let Some(resource) = resource(read, (kind, name), shown) else { continue };
        let fits = |(field, wanted): (&str, &Option<String>)| {
            wanted.as_ref().is_none_or(|it| resource.get(field).and_then(Value::as_str) == Some(it))
        };
        if !fits(("team", &asked.team)) || !fits(("state", &asked.state)) {
            continue;
        }
        if resources.len() == asked.limit {
            more = true;
            break;
        }
        last = Some(name);
        resources.push(resource);
    }
    (resources, last.filter(|_| more).map(str::to_owned))
}

/// One of them, as operators read it; a removed one is none.
fn resource(read: &ReadFrom, (kind, name): (ManagedKind, &str), shown: &Shown) -> Option<Value> {
    let mut it = Map::new();
    it.insert("name".into(), name.into());
    let fields = match (read.in_file(kind, name), read.managed.get(kind, name)) {
        (Some(fields), _) => {
            it.insert("source".into(), "file".into());
            it.insert("state".into(), "active".into());
            fields
        }
        (None, Some(row)) if row.state != ManagedState::Removed => {
            it.insert("source".into(), "store".into());
            of_store(row, shown.hashes, &mut it);
            &row.fields
        }
        _ => return None,
    };
    let expires = fields.get("expires").and_then(toml::Value::as_str);
    let expires: Option<Timestamp> = expires.and_then(|it| it.parse().ok());
    if expires.is_some_and(|at| at <= shown.now) && it.get("state") == Some(&"active".into()) {
        it.insert("state".into(), "expired".into());
    }
    if kind == ManagedKind::Key {
        it.insert("team".into(), "default".into());
    }
    // Neither a hash nor where a secret is to be found.
    for (field, value) in
        fields.iter().filter(|(it, _)| !["name", "hash", "secret"].contains(&&***it))
    {
        it.insert(field.clone(), serde_json::to_value(value).unwrap_or_default());
    }
    Some(Value::Object(it))
}

fn of_store(row: &ManagedRow, hashes: bool, it: &mut Map<String, Value>) {
    it.insert("state".into(), row.state.name().into());
    it.insert("version".into(), row.version.into());
    for (name, done) in [("created", &row.created), ("changed", &row.changed)] {
        it.insert(format!("{name}_at"), json!(moment(done.at_ms)));
        it.insert(format!("{name}_by"), (&*done.by).into());
    }
    let Some(credential) = &row.credential else { return };
    if let Some((_, until_ms)) = credential.previous {
        it.insert("previous_until".into(), json!(moment(until_ms)));
    }
    if hashes {
        let hash = credential.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        it.insert("hash".into(), format!("hmac-sha256:{hash}").into());
    }
}

/// A change that was not made, as the operator is told who has written it at this place.
fn failure_in(error: ChangeError, asked: &[(ManagedKind, Arc<str>)], place: Place) -> Failure {
    let at = |nth: usize| match place {
        Place::Body => String::new(),
        Place::Keys => format!("keys[{nth}]."),
    };
    match error {
        ChangeError::Faults(faults) => {
            let asked: Vec<_> = asked.iter().map(|(kind, name)| (*kind, name)).collect();
            failure(&ChangeError::Faults(as_written(faults, &asked, at)))
        }
        ChangeError::Refused(RefusedAt { nth, .. }) => {
            let (mut it, at) = (failure(&error), at(nth));
            it.param = it.param.map(|param| format!("{at}{param}").into());
            if let Some(listed) = at.strip_suffix('.') {
                it.public = format!("{listed}: {}", it.public).into();
            }
            it
        }
        error => failure(&error),
    }
}

/// The field in which somebody has written the first of these faults, if he has written one of them.
fn field(faults: &[Fault]) -> Option<String> {
    let first = faults.iter().find(|it| !it.path.starts_with("store."))?;
    let of_policy = first.file.as_deref() == Some(PROPOSED);
    let field = if of_policy { "document" } else { &first.path };
    (!field.is_empty()).then(|| field.to_owned())
}

/// When to come again with a change that was not made: whoever is in its way may be gone by then.
const COME_BACK_AFTER: Duration = Duration::from_secs(5);

/// A change that was not made, as operators are told.
pub(super) fn failure(error: &ChangeError) -> Failure {
    use crate::config::EditRefused as Refused;
    let invalid = |status: u16, code: &'static str| {
        let failure = Failure::new(Kind::InvalidRequest, Stage::Receive, error.to_string());
        failure.with_status(status).coded(code)
    };
    match error {
        ChangeError::Refused(refused) => match &refused.why {
            Refused::Exists(..) | Refused::Revoked(_) => invalid(409, "name_taken").at("name"),
            Refused::Ended(_) => invalid(409, "key_revoked").at("name"),
            Refused::InUse(..) => invalid(409, "team_in_use").at("name"),
            Refused::Absent(..) => invalid(404, "not_found").at("name"),
            Refused::InFile(..) => invalid(409, "stands_in_file").at("name"),
            Refused::Version(..) | Refused::Gone(..) => invalid(412, "version_differs"),
            Refused::Used(..) => invalid(409, "hash_taken").at("hash"),
            Refused::Overlap(..) => invalid(409, "overlap_runs").at("end_overlap"),
            Refused::Unknown(field, ..) => invalid(400, "invalid_value").at(field.to_string()),
            Refused::Field(field, ..) => invalid(400, "invalid_value").at(field.to_string()),
        },
        ChangeError::Faults(faults) => {
            Failure { param: field(faults).map(Into::into), ..invalid(400, "invalid_value") }
        }
        ChangeError::Proposal(refused) => match refused {
            ProposalRefused::Absent(_) => invalid(404, "not_found").at("id"),
            ProposalRefused::Expired | ProposalRefused::Closed(ProposalState::Expired) => {
                invalid(409, "proposal_expired")
            }
            ProposalRefused::Closed(_) => invalid(409, "proposal_closed"),
            ProposalRefused::Own(_) => {
                let failure = Failure::new(Kind::Forbidden, Stage::Receive, error.to_string());
                failure.coded("own_approval")
            }
            ProposalRefused::Conflict(_) => invalid(409, "proposal_conflicts"),
            ProposalRefused::Off => invalid(409, "two_persons_off"),
            ProposalRefused::Many => invalid(409, "too_many_proposals"),
        },
        ChangeError::Store(_, StoreError::Full) => unavailable(&"the ledger's disk is full"),
        ChangeError::Busy | ChangeError::Store(..) => unavailable(error),
        ChangeError::Written(_) => {
            Failure::new(Kind::Unavailable, Stage::Record, error.to_string()).after(COME_BACK_AFTER)
        }
    }
}

fn unavailable(why: &dyn std::fmt::Display) -> Failure {
    let public = format!("nothing was changed: {why}");
    Failure::new(Kind::Unavailable, Stage::Record, public).after(COME_BACK_AFTER)
}
