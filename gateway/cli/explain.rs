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
    Fault,
    facts::{Draw, FleetView, ModelView},
};

use super::print::{self, err};
use crate::{
    directory::Directory,
    pipeline::{Asked, Decided, Present, explained},
    signals::SignalInputs,
    why::signals_in_words,
    wire,
};

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A request's body; standard input where none is named.
    request: Option<PathBuf>,
    /// The key that asks, by name; the first of the configuration where none is named.
    #[arg(long)]
    key: Option<String>,
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

/// Explains one request as the configuration stands, with every model healthy but those named.
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
    let request =
        wire::read(wire::Surface::first(), body, &limits).map_err(|failure| failure.to_string())?;
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
    let (headers, at) = (headers(args)?, jiff::Timestamp::now());
    let request = Box::new(request);
    let asked = Asked { principal, headers, request, at };
    let inputs = SignalInputs {
        hash: &|text| keys.user_hash(&asked.principal.caller.team_name, text),
        media_tokens_max: fleet.media_tokens_max(),
        budget_left: None,
        request: 0,
        at: zone.to_datetime(at),
    };
    let model = |id: &Arc<str>| ModelView {
        available: !args.down.iter().any(|down| **down == **id),
        ..ModelView::default()
    };
    let models = fleet.models.iter().map(|it| model(&it.id)).collect();
    let view = Arc::new(FleetView { version: 0, models });
    let present = Present::at(at, &config.policy, (Draw(0), &view));
    let decided = asked
        .decide(&config.policy, &inputs, |_| present, explained)
        .map_err(|failure| failure.to_string())?;
    if args.json {
        return Ok(format!("{:#}\n", decided.json()));
    }
    let Decided { signals, plan: explanation, .. } = decided;
    let currency = &config.ledger.currency;
    let cost_max = explanation.cost_max.as_ref().map(|most| format!("{most} {currency}"));
    let explanation = policies::Explanation { cost_max, ..explanation };
    Ok(format!("signals  {}\n{explanation}", signals_in_words(&signals)))
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
