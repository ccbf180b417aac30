//! `signalbox sim`: the simulated fleet alone, until Ctrl-C.

mod help;
mod ready;
mod stand_in;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use serde_json::{Map, Value, json};

use crate::sim::{Fleet, ModelSpec, Pace, Setting, ten};

/// Serves a simulated fleet of open models on loopback: ten, or those of the configuration that --config
/// names, at its addresses.
#[derive(clap::Args, Debug)]
#[command(after_long_help = help::control())]
pub(super) struct Args {
    /// First port: the control address; the replicas take the ports after it [default: any]
    #[arg(long, value_name = "PORT")]
    listen_base: Option<u16>,
    /// How many times faster than real models
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = speed)]
    speed: f64,
    /// Only these models
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Replicas of each model [default: each model's own number]
    #[arg(long, value_name = "N")]
    replicas: Option<u8>,
    /// Fixed pace: milliseconds before the first byte of every answer
    #[arg(long, value_name = "N")]
    latency_ms: Option<u32>,
    /// Fixed pace: pieces of content in every answer [default: 20]
    #[arg(long, value_name = "N")]
    chunks: Option<u32>,
    /// Fixed pace: microseconds between two pieces of a stream [default: 0]
    #[arg(long, value_name = "N")]
    chunk_interval_us: Option<u32>,
    /// What becomes of a request for another model than the one that is there: served all the same, or
    /// refused with 404 as real engines do
    #[arg(long, value_name = "WAY", value_enum, default_value_t = UnknownModels::Answer)]
    unknown_models: UnknownModels,
    /// Write a configuration with which `signalbox serve` starts before this fleet: into a folder, or a file
    /// whose name ends in .toml
    #[arg(long, value_name = "DIR|FILE")]
    write_config: Option<PathBuf>,
    /// Print the addresses as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What becomes of a request for a model that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum UnknownModels {
    Answer,
    Refuse,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 10000 is expected".into()),
    }
}

impl Args {
    /// Those of all models that are asked for, as they are asked for; or the first name that there is not.
    fn specs(&self, all: Vec<ModelSpec>) -> Result<Vec<ModelSpec>, &str> {
        if let Some(unknown) = self.only.iter().find(|id| all.iter().all(|spec| *spec.id != ***id))
        {
            return Err(unknown);
        }
        let fixed = self.latency_ms.or(self.chunks).or(self.chunk_interval_us).is_some();
        let mut specs = all;
        specs.retain(|spec| self.only.is_empty() || self.only.iter().any(|id| **id == *spec.id));
        for spec in &mut specs {
            spec.replicas = self.replicas.unwrap_or(spec.replicas).max(1);
            spec.refuses_unknown = self.unknown_models == UnknownModels::Refuse;
            if fixed {
                spec.pace = Pace::Fixed {
                    latency_ms: self.latency_ms.unwrap_or(0),
                    chunks: self.chunks.unwrap_or(20),
                    chunk_interval_us: self.chunk_interval_us.unwrap_or(0),
                };
            }
        }
        Ok(specs)
    }

    /// What does not go together with a configuration whose addresses are taken.
    fn beside_config(&self) -> Option<&'static str> {
        match (self.replicas, &self.write_config) {
            (Some(_), _) => Some("--replicas beside --config, whose endpoints are the replicas"),
            (_, Some(_)) => Some("--write-config beside --config: say one of them"),
            _ => None,
        }
    }
}

/// Starts the fleet, prints where it is, and serves until Ctrl-C.
pub(super) async fn run(args: Args, config: Option<PathBuf>) -> ExitCode {
    let wrong = |code, wrong: String| {
        let _ = writeln!(io::stderr(), "signalbox: {wrong}");
        ExitCode::from(code)
    };
    let all = match config {
        None => ten(),
        Some(path) => {
            if let Some(beside) = args.beside_config() {
                return wrong(super::USAGE, beside.to_owned());
            }
            let config = match super::load(&path) {
                Ok(config) => config,
                Err(code) => return code,
            };
            let (specs, notes) = stand_in::specs(&config);
            for note in notes {
                let _ = writeln!(io::stderr(), "note: {note}");
            }
            if specs.is_empty() {
                let none = format!("{}: no endpoint on loopback to stand in for", path.display());
                return wrong(super::WRONG, none);
            }
            specs
        }
    };
    let specs = match args.specs(all) {
        Ok(specs) => specs,
        Err(unknown) => return wrong(64, format!("no such model in the fleet: {unknown}")),
    };
    let setting = Setting { port_base: args.listen_base, speed: args.speed };
    let fleet = match Fleet::start(&specs, setting) {
        Ok(fleet) => fleet,
        Err(error) => return wrong(1, format!("the fleet cannot listen: {error}")),
    };
    let written = args.write_config.as_deref().map(|path| ready::write(path, &specs, &fleet));
    let written = match written.transpose() {
        Ok(written) => written,
        Err(error) => return wrong(1, error),
    };
    if let Err(error) = print(&fleet, args.json, written.as_deref()) {
        super::print::end(&error);
    }
    let _ = tokio::signal::ctrl_c().await;
    fleet.shutdown().await;
    ExitCode::SUCCESS
}

fn print(fleet: &Fleet, as_json: bool, written: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        let models = fleet.models().map(|id| (id.to_owned(), json!(fleet.urls(id))));
        let models = Value::Object(models.collect::<Map<_, _>>());
        writeln!(out, "{}", json!({ "control": fleet.control_url(), "models": models }))?;
        if let Some(written) = written {
            super::print::err!("{written}");
        }
    } else {
        writeln!(out, "{:<18} {}", "control", fleet.control_url())?;
        for id in fleet.models() {
            writeln!(out, "{id:<18} {}", fleet.urls(id).join("  "))?;
        }
        if let Some(written) = written {
            writeln!(out, "\n{written}")?;
        }
    }
    out.flush()
}
