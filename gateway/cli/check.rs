//! `signalbox check`

use std::{path::Path, process::ExitCode};

use policies::counted;

use super::print::{err, out};
use crate::{
    app::{self, AskedEndpoint},
    config::Config,
};

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print faults as JSON lines, and nothing else: none is no line.
    #[arg(long)]
    json: bool,
    /// Ask each backend for its models too, and print what is wrong with it. With --json a line each.
    #[arg(long)]
    online: bool,
}

/// Validates everything and prints every fault with path, found and expected.
pub(super) fn run(path: &Path, args: &Args) -> ExitCode {
    match judged(path) {
        Ok((config, good)) => {
            if args.json {
                err!("{good}");
            } else {
                out!("{good}");
            }
            if args.online {
                return super::asynchronous(online(config, args.json));
            }
            ExitCode::SUCCESS
        }
        Err(faults) if args.json => {
            for fault in &faults {
                out!(
                    "{}",
                    serde_json::json!({
                        "file": fault.file, "path": fault.path, "named": fault.named,
                        "line": fault.line, "column": fault.column,
                        "found": fault.found, "expected": fault.expected, "more": fault.more,
                    })
                );
            }
            ExitCode::from(super::WRONG)
        }
        Err(faults) => {
            super::print_faults(&faults);
            ExitCode::from(super::WRONG)
        }
    }
}

/// Validates everything, prints notes and warnings on standard error, and returns the closing line.
///
/// # Errors
/// Every fault.
pub(super) fn judged(path: &Path) -> Result<(Config, String), Vec<policies::Fault>> {
    let config = app::check(path)?;
    for note in app::notes(&config) {
        err!("note: {note}");
    }
    for unread in &config.unread_variables {
        err!("warning: {unread}");
    }
    for finding in config.dead_ends.iter().take(super::DEAD_ENDS_MAX) {
        err!("{finding}");
    }
    if let Some(more) = super::more_dead_ends(&config.dead_ends) {
        err!("policy: {more}");
    }
    let fleet = config.policy.fleet();
    let good = format!(
        "{}: good: {}, {}, {}, policy {}",
        path.display(),
        counted(fleet.models.len(), "model", "models"),
        counted(fleet.teams.len(), "team", "teams"),
        counted(fleet.keys.len(), "key", "keys"),
        config.policy.version(),
    );
    Ok((config, good))
}

/// Asks the backends, and prints a line for each.
async fn online(config: Config, json: bool) -> ExitCode {
    let asked = match app::ask_backends(&config).await {
        Ok(asked) => asked,
        Err(error) => {
            err!("signalbox: cannot ask backends: {error}");
            return ExitCode::FAILURE;
        }
    };
    let width = |text: fn(&AskedEndpoint) -> &str| {
        asked.iter().map(|it| text(it).chars().count()).max().unwrap_or(0)
    };
    let (model, url) = (width(|it| &it.model), width(|it| &it.url));
    for it in &asked {
        if json {
            out!("{}", as_json(it));
        } else {
            out!("{:model$}  {:url$}  {}", it.model, it.url, in_words(it));
        }
    }
    let wrong = asked.iter().filter(|it| it.found.is_err()).count();
    let endpoints = counted(asked.len(), "endpoint", "endpoints");
    let sum = match wrong {
        0 => format!("{endpoints} asked: good"),
        wrong => format!("{endpoints} asked: {wrong} wrong"),
    };
    if json {
        err!("{sum}");
    } else {
        out!("{sum}");
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::WRONG) }
}

fn in_words(asked: &AskedEndpoint) -> String {
    match &asked.found {
        Ok(Some(1)) => format!("good: it lists `{}`", asked.upstream_model),
        Ok(Some(n)) => format!("good: it lists {n} models, `{}` among them", asked.upstream_model),
        Ok(None) => String::from("good: it answers, without a list of models"),
        Err(fault) => format!("WRONG: {fault}"),
    }
}

fn as_json(asked: &AskedEndpoint) -> serde_json::Value {
    let fault = asked.found.as_ref().err();
    let did_you_mean = fault.and_then(|it| it.did_you_mean.as_deref());
    serde_json::json!({
        "model": *asked.model,
        "endpoint": asked.url,
        "upstream_model": asked.upstream_model,
        "good": fault.is_none(),
        "models": asked.found.as_ref().ok().copied().flatten(),
        "fault": fault.map(|it| it.kind.name()),
        "found": fault.map(|it| it.found.as_str()),
        "hint": fault.map(|it| it.hint.as_str()),
        "did_you_mean": did_you_mean,
    })
}
