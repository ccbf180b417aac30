//! What the log says when a gateway serves: how it came to that, and by what. Some lines that stand together,
//! or one JSON object. No secret, and of backends no more than scheme, host and path.

use std::path::Path;

use http::Uri;
use policies::Policy;
use serde_json::{Value, json};
use tracing::Level;

use super::{Running, handover::Predecessor};
use crate::{
    config::{self, Config, LogFormat},
    log::{Line, Log},
    pipeline::Epoch,
    store::{Recovered, Sqlite},
};

/// Models that are listed, each in a line.
const MODELS_MAX: usize = 100;
/// The place by which a filter finds these lines.
const TARGET: &str = "signalbox::start";

/// How a gateway came to serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    /// The entries that a crash had left open.
    pub recovered: Recovered,
    /// The process that it has taken over from.
    pub predecessor: Option<u32>,
}

impl Started {
    /// With this ledger, and after this process if there was one.
    pub(super) fn after(predecessor: Option<&Predecessor>, store: &Sqlite) -> Self {
        Self { recovered: store.recovered(), predecessor: predecessor.map(Predecessor::pid) }
    }
}

/// A warning that stands in the block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartWarning {
    /// What is to be known.
    pub says: String,
    /// Its fields, by name.
    pub fields: Vec<(&'static str, String)>,
}

/// Says it, with these warnings.
pub(super) fn say(running: &Running, (config, path): (&Config, &Path), warnings: &[StartWarning]) {
    let epoch = running.gateway.epoch.load_full();
    let block = Block { running, config, epoch: &epoch, path: shown_path(path) };
    let log = &running.log;
    let mut lines = Vec::new();
    if tracing::enabled!(target: TARGET, Level::INFO) {
        let said = match log.format() {
            LogFormat::Text => block.text(),
            LogFormat::Json => vec![block.json()],
        };
        lines.extend(said.into_iter().map(|line| (Level::INFO, line)));
    }
    if tracing::enabled!(target: TARGET, Level::WARN) {
        if let Some(variable) = log.variable().filter(|_| lines.is_empty()) {
            let text = format!(
                "RUST_LOG is `{variable}` and wins over `log.level`, which is `{}`: by what this serves is \
                 said at `info`, and is not shown",
                config.log.level
            );
            lines.push((Level::WARN, sentence(log, &text)));
        }
        lines.extend(warnings.iter().map(|warning| {
            let mut line = sentence(log, &format!("check: {}", warning.says));
            warning.fields.iter().for_each(|(name, value)| line.text(name, value));
            (Level::WARN, line)
        }));
    }
    log.block(TARGET, lines);
}

fn sentence(log: &Log, text: &str) -> Line {
    let mut line = Line::new(log.format());
    line.message(text);
    line
}

/// What a gateway serves by.
struct Block<'a> {
    running: &'a Running,
    config: &'a Config,
    epoch: &'a Epoch,
    path: String,
}

impl Block<'_> {
    fn text(&self) -> Vec<Line> {
        let Self { running, config, epoch, path } = self;
        let (names, version) = (&epoch.names, env!("CARGO_PKG_VERSION"));
        let pid = std::process::id();
        let mut said = vec![
            format!("signalbox {version} serves: replica {}, process {pid}", names.replica),
            format!("configuration {path}, hash {}", epoch.config_hash),
            format!(
                "policy {}, version {}, hash {}: {}",
                policy_place(config),
                names.policy_version,
                names.policy_hash,
                rules(&epoch.policy)
            ),
            format!(
                "{} at the prices {}, in {}",
                several(config.models.len(), "model"),
                names.price_version,
                names.currency
            ),
        ];
        said.extend(config.models.iter().take(MODELS_MAX).map(|model| {
            let urls: Vec<String> = endpoints(model).collect();
            format!("model {}: {}", model.id, urls.join(", "))
        }));
        if let Some(more) = config.models.len().checked_sub(MODELS_MAX).filter(|more| *more > 0) {
            said.push(format!("and {}", several(more, "more model")));
        }
        said.push(format!("callers at {}, operators at {}", running.addr, running.admin_addr));
        said.push(self.ledger());
        said.push(self.handover());
        said.push(self.log());
        said.iter().map(|text| sentence(&running.log, text)).collect()
    }

    fn ledger(&self) -> String {
        let Recovered { entries, cost } = self.running.started.recovered;
        let ledger = shown_path(&self.config.ledger.sqlite);
        match entries {
            0 => format!("ledger {ledger}: no entry had been left open"),
            _ => format!(
                "ledger {ledger}: {} recovered, at {cost} {} in all",
                several(usize::try_from(entries).unwrap_or(usize::MAX), "open entry"),
                self.epoch.names.currency
            ),
        }
    }

    fn handover(&self) -> String {
        let before = match self.running.started.predecessor {
            Some(pid) => format!("taken over from process {pid}"),
            None => String::from("no process served before it"),
        };
        let after = match self.running.incumbent {
            Some(_) => "a successor can take over",
            None => "no successor can take over",
        };
        format!("hand-over: {before}; {after}")
    }

    fn log(&self) -> String {
        let (log, settings) = (&self.running.log, &self.config.log);
        let level = match log.variable() {
            Some(level) => format!("`{level}` by RUST_LOG, which wins over `{}`", settings.level),
            None => format!("`{}`", settings.level),
        };
        let access =
            if settings.access { "each request leaves a line" } else { "no line of requests" };
        format!("log: level {level}, {access}")
    }

    fn json(&self) -> Line {
        let Self { running, config, epoch, path } = self;
        let (names, log) = (&epoch.names, &running.log);
        let mut line = sentence(log, "serving");
        line.text("version", env!("CARGO_PKG_VERSION"));
        line.text("replica", &names.replica);
        line.number("pid", std::process::id());
        line.text("config", path);
        line.text("config_hash", &epoch.config_hash);
        line.text("policy", &policy_place(config));
        line.text("policy_version", &names.policy_version);
        line.text("policy_hash", &names.policy_hash);
        line.number("rules", epoch.policy.rule_names().count());
        line.text("price_version", &names.price_version);
        line.text("currency", &names.currency);
        let model = |model: &config::Model| {
            let endpoints: Vec<String> = endpoints(model).collect();
            json!({ "id": &*model.id, "endpoints": endpoints })
        };
        let models: Value = config.models.iter().take(MODELS_MAX).map(model).collect();
        line.number("models", config.models.len());
        line.json("model", &models);
        line.shown("addr", running.addr);
        line.shown("admin", running.admin_addr);
        line.text("ledger", &shown_path(&config.ledger.sqlite));
        line.number("recovered", running.started.recovered.entries);
        line.shown("recovered_cost", running.started.recovered.cost);
        if let Some(pid) = running.started.predecessor {
            line.number("predecessor", pid);
        }
        line.number("handover", running.incumbent.is_some());
        line.text("log_level", log.variable().unwrap_or(&config.log.level));
        line.number("rust_log", log.variable().is_some());
        line.number("access", config.log.access);
        line
    }
}

fn shown_path(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn policy_place(config: &Config) -> String {
    match &config.policy_file {
        Some(file) => shown_path(file),
        None => String::from("of the program"),
    }
}

fn rules(policy: &Policy) -> String {
    several(policy.rule_names().count(), "rule")
}

fn several(number: usize, what: &str) -> String {
    match (number, what.strip_suffix("entry")) {
        (1, _) => format!("1 {what}"),
        (_, Some(what)) => format!("{number} {what}entries"),
        (_, None) => format!("{number} {what}s"),
    }
}

fn endpoints(model: &config::Model) -> impl Iterator<Item = String> {
    model.endpoints.iter().map(|it| shown(&it.url))
}

/// A base URL without whatever could be a secret in one; the configuration takes none with it.
fn shown(url: &Uri) -> String {
    let authority = url.authority().map_or("", http::uri::Authority::as_str);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = if url.path() == "/" { "" } else { url.path() };
    format!("{}://{host}{path}", url.scheme_str().unwrap_or("http"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_could_be_a_secret() {
        for (url, said) in [
            ("http://10.0.0.1:8000/v1", "http://10.0.0.1:8000/v1"),
            (
                "https://user:secret@models.example.com/v1?key=secret",
                "https://models.example.com/v1",
            ),
            ("http://localhost/", "http://localhost"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), said);
        }
    }

    #[test]
    fn what_is_counted_agrees_with_its_number() {
        assert_eq!(several(1, "open entry"), "1 open entry");
        assert_eq!(several(3, "open entry"), "3 open entries");
        assert_eq!((several(0, "rule"), several(1, "rule")), ("0 rules".into(), "1 rule".into()));
    }
}
