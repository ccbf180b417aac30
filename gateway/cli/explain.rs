//! `signalbox explain`: the decision for one request, with nothing sent.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use policies::{
    Explanation, Fault,
    facts::{Contents, Draw, FleetView, ModelView},
};

use super::print::{self, err};
use crate::{
    config::{Switchable, Switches},
    directory::Directory,
    pipeline::{Asked, Decided, EXPLAINED, Present},
    signals::SignalInputs,
    why::signals_in_words,
    wire::{self, Surface, form},
};

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A request's body; standard input where none is named.
    request: Option<PathBuf>,
    /// The key that asks, by name; the first of the configuration where none is named.
    #[arg(long)]
    key: Option<String>,
    /// The API that the body is of: chat, messages, responses, completions, embeddings or rerank; where none
    /// is named, it is told by the body's form.
    #[arg(long, value_parser = form::named)]
    api: Option<&'static Surface>,
    /// A header of the request, such as `x-signalbox-data-class: confidential`; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A model that is down, by id; may be repeated.
    #[arg(long = "down", value_name = "MODEL")]
    down: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Explains one request as the configuration and the switches stand, with every model healthy but those
/// named.
pub(super) fn run(path: &Path, args: &Args) -> ExitCode {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match text(&config, args) {
        Ok(text) => {
            print::answer(format_args!("{text}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            err!("signalbox: {error}");
            ExitCode::FAILURE
        }
    }
}

fn text(config: &crate::config::Config, args: &Args) -> Result<String, String> {
    let body = body(args).map_err(|error| format!("cannot read the request: {error}"))?;
    let limits = crate::app::read_limits(config);
    let (surface, request) = read(args.api, body, &limits)?;
    // Hashes of users and sessions only have to be told apart here.
    let keys = Directory::unbound(b"explain", &config.keys, &config.teams);
    let principal = keys.named(args.key.as_deref()).ok_or_else(|| {
        let known = config.keys.iter().map(|key| &*key.name);
        Fault::unknown("--key", args.key.as_deref().unwrap_or_default(), "a key", known).to_string()
    })?;
    let fleet = config.policy.fleet();
    let known = || fleet.models.iter().map(|it| &*it.id);
    if let Some(none) = args.down.iter().find(|down| !known().any(|id| id == **down)) {
        return Err(Fault::unknown("--down", none, "a model of the fleet", known()).to_string());
    }
    let zone = jiff::tz::TimeZone::get(config.policy.timezone()).map_err(|it| it.to_string())?;
    let (headers, at, request) = (headers(args)?, jiff::Timestamp::now(), Box::new(request));
    let asked = Asked { principal, subject: None, headers, request, checked: Contents::NONE, at };
    let inputs = SignalInputs {
        hash: &|text| keys.user_hash(&asked.principal.caller.team_name, text),
        subject: asked.subject,
        content_classes: &config.content.classes,
        checked: asked.checked,
        media_tokens_max: fleet.media_tokens_max(),
        budget_left: None,
        budget_free: None,
        request: 0,
        at: zone.to_datetime(at),
    };
    let switches = Switches::of(&config.managed);
    let model = |(id, urls): (&Arc<str>, &[Arc<str>])| ModelView {
        switched_off: switches.model(id).is_some(),
        available: !args.down.iter().any(|down| **down == **id)
            && !urls.iter().all(|url| switches.endpoint(id, url).is_some()),
        ..ModelView::default()
    };
    let known = Switchable::all(&config.models);
    let models = known.iter().map(|it| model((&it.id, &it.urls))).collect();
    let view = Arc::new(FleetView { version: 0, models });
    let present = Present::at(at, &config.policy, (Draw(0), &view));
    let signals = asked.signals(&inputs).map_err(|it| it.to_string())?;
    let classed = (signals, &config.content.classes);
    let decided = asked.decide(&config.policy, classed, |_| present, EXPLAINED);
    let decided = decided.map_err(|it| it.to_string())?;
    let notes = notes(config, &decided.plan);
    Ok(if args.json {
        as_json(&decided, surface, &notes)
    } else {
        in_words(config, decided, surface, &notes)
    })
}

fn as_json(decided: &Decided<Explanation>, surface: &Surface, notes: &[&'static str]) -> String {
    let mut json = decided.json();
    if let Some(all) = json.as_object_mut() {
        all.insert("api".into(), form::api(surface).into());
        if !notes.is_empty() {
            all.insert("note".into(), notes.join("; ").into());
        }
    }
    format!("{json:#}\n")
}

fn in_words(
    config: &crate::config::Config,
    decided: Decided<Explanation>,
    surface: &Surface,
    notes: &[&'static str],
) -> String {
    let Decided { signals, plan: explanation, .. } = decided;
    let currency = &config.ledger.currency;
    let cost_max = explanation.cost_max.as_ref().map(|most| format!("{most} {currency}"));
    let explanation = Explanation { cost_max, ..explanation };
    let notes: String = notes.iter().map(|note| format!("note     {note}\n")).collect();
    let other = *surface != *Surface::first();
    let api = if other { format!("api      {}\n", form::api(surface)) } else { String::new() };
    format!("{api}signals  {}\n{explanation}{notes}", signals_in_words(&signals))
}

/// A request by the API that is named, or else by the one whose form it has.
fn read(
    named: Option<&'static Surface>,
    body: Bytes,
    limits: &wire::ReadLimits,
) -> Result<(&'static Surface, wire::Request), String> {
    let surface = named.unwrap_or_else(|| told(&body));
    let request = wire::read(surface, body, limits).map_err(|failure| {
        if named.is_some() || *surface == *Surface::first() {
            return failure.to_string();
        }
        let api = form::api(surface);
        format!("{failure} (read as `{api}` by its form; --api names another)")
    })?;
    Ok((surface, request))
}

/// The surface that a body has the form of.
fn told(body: &[u8]) -> &'static Surface {
    let keys: Option<serde_json::Map<_, _>> = serde_json::from_slice(body).ok();
    keys.map_or_else(Surface::first, |keys| form::of_form(&keys))
}

/// What has to be known of what is said here.
fn notes(config: &crate::config::Config, explanation: &Explanation) -> Vec<&'static str> {
    let unasked = config.content.check.as_ref().map(|_| UNASKED);
    guessed(explanation).into_iter().chain(unasked).collect()
}

/// What has to be known of contents where a model is asked for them.
const UNASKED: &str =
    "the model of [content] is not asked here, and may find more; `POST /v1/route` asks it";

/// What has to be known of an arm that is said here: all units but keys are hashes that only a server makes.
fn guessed(explanation: &Explanation) -> Option<&'static str> {
    let part = explanation.experiment.as_ref()?;
    let hashed = part.arm.is_some() || part.outside == Some("held_out");
    (part.unit != "key" && hashed).then_some(
        "the arm is one that such a request can have: the server hashes users and sessions with a secret of \
         its own; `POST /v1/route` says which arm it gives",
    )
}

fn body(args: &Args) -> io::Result<Bytes> {
    let body = match &args.request {
        Some(path) => Bytes::from(std::fs::read(path)?),
        None => {
            let mut body = Vec::new();
            io::stdin().lock().read_to_end(&mut body)?;
            body.into()
        }
    };
    // Some editors begin a file with a mark of its encoding.
    Ok(if body.starts_with("\u{feff}".as_bytes()) { body.slice(3..) } else { body })
}

fn headers(args: &Args) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for header in &args.headers {
        let (name, value) =
            header.split_once(':').ok_or_else(|| format!("`{header}` is not `name: value`"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use policies::{catalogue, compile, explain, facts::Signals};

    use super::*;

    #[test]
    fn an_arm_of_a_hashed_unit_is_said_to_be_a_guess() {
        let note = |unit: &str, user: Option<u128>| {
            let policy = format!(
                "[default]\nroute = [\"gpt-oss-20b\"]\n\
                 [[rule]]\nname = \"r\"\nroute = [\"gpt-oss-120b\"]\nexperiment = \"ab\"\n\
                 [[experiment]]\nname = \"ab\"\nunit = \"{unit}\"\nprimary = \"error\"\narms = [\
                 {{ name = \"a\", share = 0.5 }}, {{ name = \"b\", share = 0.5 }}]\n"
            );
            let policy = compile(&policy, &catalogue()).expect("a policy");
            let models = vec![ModelView::default(); policy.fleet().models.len()];
            let signals = Signals { unit_user: user, unit_key: Some(1), ..Signals::chat("auto") };
            let view = FleetView { version: 0, models };
            guessed(&explain(&policy, &signals, &view, Draw(0))).is_some()
        };
        assert!(note("user", Some(1)) && note("request", None));
        assert!(!note("user", None) && !note("key", None));
    }
}
