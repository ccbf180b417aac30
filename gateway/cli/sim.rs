//! `signalbox sim`: the simulated fleet alone, until Ctrl-C.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde_json::{Map, Value, json};

use crate::sim::{Fleet, ModelSpec, Pace, Setting, ten};

/// Serves a simulated fleet of ten open models on loopback.
#[derive(clap::Args, Debug)]
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
    /// Print the addresses as one line of JSON
    #[arg(long)]
    json: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.01..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err("a number from 0.01 to 10000 is expected".into()),
    }
}

impl Args {
    /// The models asked for, or the first name that there is not.
    fn specs(&self) -> Result<Vec<ModelSpec>, &str> {
        let all = ten();
        if let Some(unknown) = self.only.iter().find(|id| all.iter().all(|spec| *spec.id != ***id))
        {
            return Err(unknown);
        }
        let fixed = self.latency_ms.or(self.chunks).or(self.chunk_interval_us).is_some();
        let mut specs = all;
        specs.retain(|spec| self.only.is_empty() || self.only.iter().any(|id| **id == *spec.id));
        for spec in &mut specs {
            spec.replicas = self.replicas.unwrap_or(spec.replicas).max(1);
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
}

/// Starts the fleet, prints where it is, and serves until Ctrl-C.
pub(super) async fn run(args: Args) -> ExitCode {
    let specs = match args.specs() {
        Ok(specs) => specs,
        Err(unknown) => {
            let _ = writeln!(io::stderr(), "signalbox: no such model in the fleet: {unknown}");
            return ExitCode::from(64);
        }
    };
    let setting = Setting { port_base: args.listen_base, speed: args.speed };
    let fleet = match Fleet::start(&specs, setting) {
        Ok(fleet) => fleet,
        Err(error) => {
            let _ = writeln!(io::stderr(), "signalbox: the fleet cannot listen: {error}");
            return ExitCode::from(1);
        }
    };
    if print(&fleet, args.json).is_err() {
        return ExitCode::from(1);
    }
    let _ = tokio::signal::ctrl_c().await;
    fleet.shutdown().await;
    ExitCode::SUCCESS
}

fn print(fleet: &Fleet, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        let models = fleet.models().map(|id| (id.to_owned(), json!(fleet.urls(id))));
        let models = Value::Object(models.collect::<Map<_, _>>());
        writeln!(out, "{}", json!({ "control": fleet.control_url(), "models": models }))?;
    } else {
        writeln!(out, "{:<18} {}", "control", fleet.control_url())?;
        for id in fleet.models() {
            writeln!(out, "{id:<18} {}", fleet.urls(id).join("  "))?;
        }
    }
    out.flush()
}
