//! An epoch from a configuration: the first one, and each that takes over from another.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use policies::{Policy, facts::ModelFacts};

use super::content_model;
use crate::{
    config::{self, Config, ProbeBy, Switches},
    directory::Directory,
    dispatch::{EndpointEvent, EndpointObserver, Upstreams, UpstreamsConfig},
    experiment::{Experiments, observe::Watch},
    fleet::{Endpoint, EndpointSeed, Fleet, Probe, Prober, Question, QueueLimits, ReplicasSeed},
    outcome::{EpochInfo, PolicyRecord},
    pipeline::{ArmTable, ContentHook, Epoch, HeaderCache},
    record::Metrics,
    wire::{ReadLimits, Surface},
};

/// How deep a body may nest.
const DEPTH_MAX: usize = 128;

/// What there was before an epoch.
pub(super) enum Before<'a> {
    /// Nothing: the process starts, as the replica of this name.
    Start(Arc<str>),
    /// Another one.
    Epoch(&'a Epoch),
}

/// The epoch of this configuration, still with the directory and the accounts of the one before. What is
/// known of a replica that the epoch `before` has too stays known: what is in call there, how fast it
/// answers, whether it is ejected, who waits; its idle connections serve on.
///
/// # Errors
/// When an address, a credential or the system's root certificates cannot be used.
pub(super) fn epoch(
    config: &Config,
    metrics: &Metrics,
    before: Before<'_>,
    now: Instant,
) -> io::Result<Epoch> {
    let (before, replica) = match before {
        Before::Start(replica) => (None, replica),
        Before::Epoch(before) => (Some(before), Arc::clone(&before.names.replica)),
    };
    metrics.keep_free(config::series_alone(config));
    let names = Arc::new(names(config, replica));
    let seeds = config.models.iter().map(|model| replicas(model, Switches::of(&config.managed)));
    let known = before.map(|it| &*it.upstreams.fleet);
    let ways = UpstreamsConfig {
        models: &config.models,
        fleet: Arc::new(Fleet::new(seeds.collect(), known, now)),
        observer: observer(metrics, &names),
        queue: QueueLimits { wait: config.queue.wait, length_max: config.queue.length_max },
    };
    let upstreams = Upstreams::new(ways, before.map(|it| &*it.upstreams))?;
    let zone = jiff::tz::TimeZone::get(config.policy.timezone());
    Ok(Epoch {
        directory: before
            .map_or_else(|| Arc::new(Directory::empty(&[])), |it| Arc::clone(&it.directory)),
        accounts: before.map_or_else(Arc::default, |it| Arc::clone(&it.accounts)),
        timezone: zone.map_err(io::Error::other)?,
        names,
        upstreams: Arc::new(upstreams),
        prober: prober(config, before.map(|it| &it.prober))?,
        limits: read_limits(config),
        content_classes: config.content.classes,
        content_hook: content_hook(config, metrics, before)?,
        feedback: config.feedback,
        media_tokens_max: config.policy.fleet().media_tokens_max(),
        header_cache: HeaderCache::new(&config.policy),
        experiments: experiments(config, before),
        watch: Watch::new(config.policy.experiments(), before.map(|it| &it.watch)),
        arms: ArmTable::new(&config.policy),
        created: created(&config.policy, before),
        policy: config.policy.clone(),
        config_hash: Arc::clone(&config.hash),
        managed_last: config.managed.last,
    })
}

/// Who is asked what texts contain, with the counters of that.
fn content_hook(
    config: &Config,
    metrics: &Metrics,
    before: Option<&Epoch>,
) -> io::Result<Option<ContentHook>> {
    let before = before.and_then(|it| it.content_hook.as_ref());
    let hook = content_model::hook(config.content.check.as_ref(), before)?;
    if hook.is_some() {
        metrics.begin_content_checks();
    }
    Ok(hook)
}

/// The experiments as they are now, with what operators and guards have changed in them.
fn experiments(config: &Config, before: Option<&Epoch>) -> Experiments {
    let now = jiff::Timestamp::now();
    Experiments::new(config.policy.experiments(), before.map(|it| &it.experiments), now)
}

/// When each name came into force: now, if the epoch before did not know it.
fn created(policy: &Policy, before: Option<&Epoch>) -> HashMap<Box<str>, i64> {
    let now = jiff::Timestamp::now().as_second();
    let models = &policy.fleet().models;
    let every = vec![true; models.len()];
    let names = models.iter().map(|it| &*it.id).chain(policy.aliases(&every)).chain(["auto"]);
    let since = |name: &str| before.and_then(|it| it.created.get(name).copied()).unwrap_or(now);
    names.map(|name| (name.into(), since(name))).collect()
}

fn names(config: &Config, replica: Arc<str>) -> EpochInfo {
    let fleet = config.policy.fleet();
    let by_hour = config.models.iter();
    let by_hour = by_hour.filter_map(|it| Some((Arc::clone(&it.id), it.by_hour?)));
    EpochInfo {
        replica,
        currency: Arc::clone(&config.ledger.currency),
        policy_version: config.policy.version().into(),
        policy_hash: config.policy.hash().into(),
        policy: Some(Arc::new(
            PolicyRecord::new(&config.policy, jiff::Timestamp::now().as_millisecond())
                .with_machines(by_hour.collect()),
        )),
        price_version: config::price_version(&fleet.models).into(),
        fleet: Arc::clone(fleet),
        experiments: config.policy.experiments().into(),
    }
}

/// A name for a replica that has none yet. The host's stands in it for people; the rest tells replicas
/// of one host apart.
pub(super) fn replica(random: u32) -> String {
    format!("{}-{random:08x}", hostname())
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { String::from("signalbox") } else { name.to_owned() }
}

/// Counts and logs what becomes of endpoints.
fn observer(metrics: &Metrics, names: &Arc<EpochInfo>) -> EndpointObserver {
    let (metrics, names) = (metrics.clone(), Arc::clone(names));
    Box::new(move |endpoint: &Endpoint, event: EndpointEvent| {
        let model = names.models().get(endpoint.model.get()).map_or("", |model| &model.id);
        match event {
            EndpointEvent::Ejected(cause) => {
                let endpoint = &*endpoint.label;
                tracing::warn!(
                    model,
                    endpoint,
                    cause,
                    "an endpoint is ejected: it failed too often"
                );
                metrics.ejected(model, endpoint, cause);
            }
            EndpointEvent::Back(out) => {
                let out_ms = u64::try_from(out.as_millis()).unwrap_or(u64::MAX);
                let endpoint = &*endpoint.label;
                tracing::info!(model, endpoint, out_ms, "an endpoint is back");
            }
            EndpointEvent::LastResort => {
                tracing::debug!(model, endpoint = &*endpoint.label, "asked as the last resort");
                metrics.last_resort(model);
            }
        }
    })
}

fn replicas(model: &config::Model, switches: Switches<'_>) -> ReplicasSeed {
    let switched_off = switches.model(&model.id).is_some();
    let seed = |endpoint: &config::Endpoint| seed(endpoint, (model, switched_off), switches);
    let endpoints = model.endpoints.iter().map(seed).collect();
    ReplicasSeed { id: Arc::clone(&model.id), switched_off, endpoints }
}

fn seed(
    endpoint: &config::Endpoint,
    (model, switched_off): (&config::Model, bool),
    switches: Switches<'_>,
) -> EndpointSeed {
    let authority = endpoint.url.authority().map_or("", http::uri::Authority::as_str);
    let url = endpoint.url.to_string();
    let drained = switches.endpoint(&model.id, &url).is_some();
    EndpointSeed {
        label: authority.into(),
        drained,
        closed: drained || switched_off,
        url: url.into(),
        weight: endpoint.weight,
        concurrency_max: endpoint.concurrency_max,
    }
}

/// How the replicas of a configuration are asked whether they are back.
pub(super) fn prober(config: &Config, before: Option<&Prober>) -> io::Result<Prober> {
    let of = |(model, facts): (&config::Model, &ModelFacts)| {
        let spoken = Surface::first().spoken(&model.dialects, false);
        let by = || match model.probe {
            ProbeBy::Models => Question::Models,
            ProbeBy::Completion => {
                let timeout = Duration::from_millis(facts.timeouts.first_token_ms.into());
                Question::Token { timeout, path: spoken.path }
            }
        };
        let probe = |endpoint: &config::Endpoint| {
            let credential = model.credential(endpoint).map_err(io::Error::other)?;
            let (base, model) = (endpoint.url.to_string(), model.upstream_model.clone());
            Ok(Probe { base, credential, version: spoken.version(), model, question: by() })
        };
        model.endpoints.iter().map(probe).collect()
    };
    let models = config.models.iter().zip(&config.policy.fleet().models);
    let probes = models.map(of).collect::<io::Result<_>>()?;
    match before {
        Some(before) => Ok(before.with(probes)),
        None => Prober::new(probes),
    }
}

/// What a request may ask for.
pub(crate) fn read_limits(config: &Config) -> ReadLimits {
    ReadLimits {
        depth_max: DEPTH_MAX,
        n_max: config.shield.n_max,
        tools_max: config.shield.tools_max,
        schema_bytes_max: config.shield.schema_bytes_max,
        logprobs_max: config.shield.logprobs_max,
        grammar_bytes_max: config.shield.grammar_bytes_max,
        media_hosts: config.media_hosts.clone(),
    }
}
