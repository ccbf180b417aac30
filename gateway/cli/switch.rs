//! `signalbox model` and `signalbox endpoint`: what takes models and endpoints out of service and back, also
//! beside a gateway that serves.

use std::{path::Path, process::ExitCode};

use serde_json::Value;

use super::{
    managed::{Why, change, print_table},
    print::{err, out},
};
use crate::{
    app,
    config::{Switchable, Switching},
};

/// What can be done to models.
#[derive(Debug, clap::Subcommand)]
pub(super) enum ModelCommand {
    /// List the models and their endpoints with their switches.
    List {
        /// Print one object of JSON a line.
        #[arg(long)]
        json: bool,
    },
    /// Let a model get no further requests; what runs goes on to its end.
    Disable {
        /// Its id.
        model: String,
        #[command(flatten)]
        why: Why,
    },
    /// Let a model get requests again.
    Enable {
        /// Its id.
        model: String,
        #[command(flatten)]
        why: Why,
    },
}

/// What can be done to endpoints.
#[derive(Debug, clap::Subcommand)]
pub(super) enum EndpointCommand {
    /// Let an endpoint get no further requests; what runs there goes on to its end.
    Drain(Endpoint),
    /// Let an endpoint get requests again.
    Undrain(Endpoint),
}

/// One endpoint.
#[derive(Debug, clap::Args)]
pub(super) struct Endpoint {
    /// The id of its model.
    model: String,
    /// Its number, from 0, as `signalbox model list` says it.
    n: String,
    #[command(flatten)]
    why: Why,
}

/// Runs a command on models.
pub(super) fn model(path: &Path, command: &ModelCommand) -> ExitCode {
    let (model, off, why) = match command {
        ModelCommand::List { json } => return list(path, *json),
        ModelCommand::Disable { model, why } => (model, true, why),
        ModelCommand::Enable { model, why } => (model, false, why),
    };
    let said = if off { "is switched off" } else { "is switched on" };
    switch(path, (model, None, off), (&format!("the model `{model}` {said}"), why))
}

/// Runs a command on endpoints.
pub(super) fn endpoint(path: &Path, command: &EndpointCommand) -> ExitCode {
    let (Endpoint { model, n, why }, off) = match command {
        EndpointCommand::Drain(it) => (it, true),
        EndpointCommand::Undrain(it) => (it, false),
    };
    let said = if off { "is drained: nothing more begins there" } else { "gets requests again" };
    let said = format!("the endpoint {n} of `{model}` {said}");
    switch(path, (model, Some(n), off), (&said, why))
}

fn switch(
    path: &Path,
    (model, endpoint, off): (&str, Option<&String>, bool),
    (said, why): (&str, &Why),
) -> ExitCode {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let reason = why.text().to_owned();
    let switching = Switching { model: model.to_owned(), endpoint: endpoint.cloned(), off, reason };
    let edit = match switching.edit(&Switchable::all(&config.models), &config.managed) {
        Ok(edit) => edit,
        Err(error) => {
            err!("signalbox: {error}");
            return ExitCode::from(super::WRONG);
        }
    };
    match change(path, &[edit], why) {
        Ok(made) if made.is_empty() => err!("{said}: as before"),
        Ok(_) => err!("{said}"),
        Err(code) => return code,
    }
    ExitCode::SUCCESS
}

/// What a list shows: a line for each model, and one for each of its endpoints.
const COLUMNS: [&str; 6] = ["MODEL", "ENDPOINT", "STATE", "SINCE", "BY", "REASON"];

fn list(path: &Path, json: bool) -> ExitCode {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let all = app::switches(&config);
    if json {
        all.iter().for_each(|it| out!("{it}"));
        return ExitCode::SUCCESS;
    }
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    for model in &all {
        let on = model.get("enabled") == Some(&Value::Bool(true));
        rows.push(row(&text(model, "id"), "-", (if on { "on" } else { "off" }, model)));
        let endpoints = model.get("endpoints").and_then(Value::as_array);
        for it in endpoints.into_iter().flatten() {
            let drained = it.get("drained") == Some(&Value::Bool(true));
            let named = format!("{} {}", text(it, "n"), text(it, "url"));
            let state = if drained { "drained" } else { "on" };
            rows.push(row(&text(model, "id"), &named, (state, it)));
        }
    }
    print_table(&rows);
    ExitCode::SUCCESS
}

fn row(model: &str, endpoint: &str, (state, it): (&str, &Value)) -> Vec<String> {
    let mut row = vec![model.to_owned(), endpoint.to_owned(), state.to_owned()];
    row.extend(["since", "by", "reason"].map(|field| text(it, field)));
    row
}

fn text(it: &Value, field: &str) -> String {
    match it.get(field) {
        None | Some(Value::Null) => String::from("-"),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
