//! `signalbox experiment list --live`, `stop` and `resume`: the experiments of a gateway that runs, by its
//! operators' API.

use std::{path::PathBuf, process::ExitCode};

use policies::printable;
use reqwest::Method;
use serde_json::{Value, json};

use super::super::{
    asking::{ask, segment},
    operator::Operator,
    print,
};

/// Options of `stop` and `resume`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SwitchArgs {
    /// The experiment.
    name: String,
    /// Why, on one line; it is kept in the books.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    at: Operator,
}

/// What an operator wants of an experiment.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Switch {
    Stop,
    Resume,
}

impl Switch {
    fn path(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Resume => "resume",
        }
    }
}

/// Says how the experiments of a gateway that runs stand.
pub(in crate::cli) async fn live(named: Option<PathBuf>, at: &Operator, as_json: bool) -> ExitCode {
    let asked = ask(named, at, |client, url| {
        client.request(Method::GET, format!("{url}/admin/v1/experiments"))
    });
    let document = match asked.await {
        Ok(document) => document,
        Err(code) => return code,
    };
    if as_json {
        print::answer(format_args!("{document}\n"));
        return ExitCode::SUCCESS;
    }
    let all = document.get("experiments").and_then(Value::as_array).cloned().unwrap_or_default();
    if all.is_empty() {
        print::answer(format_args!("The policy in force has no experiment.\n"));
    }
    all.iter().for_each(|it| print::answer(format_args!("{}", in_words(it))));
    ExitCode::SUCCESS
}

/// Stops or resumes an experiment.
pub(in crate::cli) async fn switch(
    named: Option<PathBuf>,
    switch: Switch,
    args: SwitchArgs,
) -> ExitCode {
    let name = segment(&args.name);
    let asked = ask(named, &args.at, |client, url| {
        let url = format!("{url}/admin/v1/experiments/{name}/{}", switch.path());
        client.request(Method::POST, url).json(&json!({ "reason": args.reason }))
    });
    match asked.await {
        Ok(document) => {
            if document.get("changed") == Some(&Value::Bool(false)) {
                print::answer(format_args!("Nothing has changed:\n"));
            }
            print::answer(format_args!("{}", in_words(&document)));
            ExitCode::SUCCESS
        }
        Err(code) => code,
    }
}

/// An experiment, and a line for each arm.
fn in_words(it: &Value) -> String {
    let text = |it: &Value, key: &str| {
        let text = it.get(key).and_then(Value::as_str).unwrap_or_default();
        printable(text).into_owned()
    };
    let number = |it: &Value, key: &str| it.get(key).and_then(Value::as_f64).unwrap_or_default();
    let why = |it: &Value| match it {
        Value::Object(_) => {
            format!(" since {} ({}): {}", text(it, "at"), text(it, "by"), text(it, "reason"))
        }
        _ => String::new(),
    };
    let part = |key: &str| it.get(key).unwrap_or(&Value::Null);
    let enrolled = 100.0 * number(it, "enrol");
    let mut out = format!(
        "{}: {}{}, {enrolled} % of the units take part\n",
        text(it, "name"),
        text(it, "state"),
        why(part("stopped")),
    );
    for arm in part("arms").as_array().into_iter().flatten() {
        let back = match arm.get("rolled_back") {
            Some(back @ Value::Object(_)) => format!(", rolled back{}", why(back)),
            _ => String::new(),
        };
        out += &format!(
            "  {}{}: {:.1} % of them, {} units, {} requests{back}\n",
            text(arm, "name"),
            if arm.get("control") == Some(&Value::Bool(true)) { " (control)" } else { "" },
            100.0 * number(arm, "share"),
            number(arm, "units"),
            number(arm, "requests"),
        );
        for bound in arm.get("guard").and_then(Value::as_array).into_iter().flatten() {
            let value = bound.get("value").and_then(Value::as_f64);
            let value = value.map_or_else(|| "nothing yet".to_owned(), |it| format!("{it:.6}"));
            let (metric, state) = (text(bound, "metric"), text(bound, "state"));
            let what = if metric == "first_token_ms" { " (share above the bound)" } else { "" };
            let limit = number(bound, "bound");
            out += &format!("    {metric}{what}: {value}, bound {limit}: {state}\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_is_said_in_words() {
        let it = json!({
            "name": "chat", "state": "rolled_back", "stopped": null, "enrol": 0.5, "arms": [
                { "name": "a", "control": true, "share": 0.5, "units": 7, "requests": 9, "guard": [] },
                { "name": "b", "control": false, "share": 0.5, "units": 1, "requests": 50,
                  "rolled_back": { "at": "2026-12-01T00:00:00Z", "by": "guard", "reason": "error" },
                  "guard": [{ "metric": "error", "value": 0.3, "bound": 0.02, "state": "broken" },
                            { "metric": "cost", "value": null, "bound": 0.004, "state": "ok" }] },
            ],
        });
        assert_eq!(
            in_words(&it),
            "chat: rolled_back, 50 % of the units take part\n  \
             a (control): 50.0 % of them, 7 units, 9 requests\n  \
             b: 50.0 % of them, 1 units, 50 requests, \
             rolled back since 2026-12-01T00:00:00Z (guard): error\n    \
             error: 0.300000, bound 0.02: broken\n    \
             cost: nothing yet, bound 0.004: ok\n"
        );
        // What is no experiment is no panic.
        assert!(in_words(&Value::Null).starts_with(": , 0 %"));
    }
}
