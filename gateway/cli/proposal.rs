//! `signalbox proposal`: what waits for a second person, by the operators' API and with the operator's own
//! token. A command has no other way to approve: the file and the ledger name no person.

use std::{path::PathBuf, process::ExitCode};

use policies::printable;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    asking::{ask, segment},
    managed::print_table,
    operator::Operator,
    print::answer,
};

/// What can be done to proposals.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List proposals, the oldest first.
    List {
        /// Those in this state alone: open, approved, rejected, expired or superseded.
        #[arg(long)]
        state: Option<String>,
        /// Print one object of JSON a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        at: Operator,
    },
    /// Show one, with what it would change.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        at: Operator,
    },
    /// Approve one that somebody else has made: it is in force when this returns.
    Approve(Decision),
    /// Reject one, another's or one's own.
    Reject(Decision),
}

/// Options of `approve` and `reject`.
#[derive(Debug, clap::Args)]
pub(super) struct Decision {
    /// Its id.
    id: String,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    at: Operator,
}

/// Proposals that a list shows: as many as a page has.
const LISTED: usize = 1_000;

/// Runs the command.
pub(super) async fn run(named: Option<PathBuf>, command: Command) -> ExitCode {
    let done = match command {
        Command::List { state, json, at } => {
            let state = state.map(|it| format!("&state={}", segment(&it))).unwrap_or_default();
            let path = format!("/admin/v1/proposals?limit={LISTED}{state}");
            let asked = get(named, &at, &path).await;
            asked.map(|document| list(&document, json))
        }
        Command::Show { id, at } => {
            let path = format!("/admin/v1/proposals/{}", segment(&id));
            let asked = get(named, &at, &path).await;
            asked.map(|it| answer(format_args!("{it:#}\n")))
        }
        Command::Approve(it) => decide(named, &it, "approve").await,
        Command::Reject(it) => decide(named, &it, "reject").await,
    };
    done.map_or_else(|code| code, |()| ExitCode::SUCCESS)
}

async fn get(named: Option<PathBuf>, at: &Operator, path: &str) -> Result<Value, ExitCode> {
    ask(named, at, |client, url| client.request(Method::GET, format!("{url}{path}"))).await
}

async fn decide(named: Option<PathBuf>, it: &Decision, what: &str) -> Result<(), ExitCode> {
    let path = format!("/admin/v1/proposals/{}/{what}", segment(&it.id));
    let asked = ask(named, &it.at, |client, url| {
        let body = json!({ "reason": it.reason });
        client.request(Method::POST, format!("{url}{path}")).json(&body)
    });
    asked.await.map(|document| answer(format_args!("{}\n", line(&document))))
}

fn list(document: &Value, json: bool) {
    let all = document.get("proposals").and_then(Value::as_array).into_iter().flatten();
    if json {
        all.for_each(|it| answer(format_args!("{it}\n")));
        return;
    }
    let head = COLUMNS.map(str::to_owned).into();
    print_table(&std::iter::once(head).chain(all.map(cells)).collect::<Vec<_>>());
}

/// What a list of proposals shows.
const COLUMNS: [&str; 7] = ["ID", "STATE", "BY", "UNTIL", "CHANGES", "CONFLICT", "REASON"];

/// A proposal as a line of the list.
fn cells(it: &Value) -> Vec<String> {
    let text = |field: &str| {
        let text = it.get(field).and_then(Value::as_str).filter(|it| !it.is_empty());
        printable(text.unwrap_or("-")).into_owned()
    };
    let [id, state, by, until] = ["id", "state", "by", "expires"].map(text);
    vec![id, state, by, until, changes(it), text("conflict"), text("reason")]
}

/// Whatever a proposal changes, by kind and name.
fn changes(it: &Value) -> String {
    let of = |it: &Value| {
        let part = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or("-").to_owned();
        format!("{} {}", part("kind"), part("name"))
    };
    let changes = it.get("changes").and_then(Value::as_array);
    let changes: Vec<String> = changes.into_iter().flatten().map(of).collect();
    printable(&changes.join(", ")).into_owned()
}

/// A proposal in one line, as it is closed.
fn line(it: &Value) -> String {
    let text = |field: &str| it.get(field).and_then(Value::as_str).unwrap_or("-");
    let [id, state, by, until] =
        ["id", "state", "by", "expires"].map(|it| printable(text(it)).into_owned());
    let reason = match printable(text("reason")) {
        empty if matches!(&*empty, "" | "-") => String::new(),
        reason => format!(": {reason}"),
    };
    format!("{id}  {state}  by {by} until {until}  {}{reason}", changes(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_one_line_whatever_stands_in_it() {
        let it = json!({
            "id": "7", "state": "open", "by": "mei", "expires": "2026-12-01T00:00:00Z", "reason": "a\nb",
            "changes": [{ "kind": "team", "name": "bank" }, { "kind": "key", "name": "a" }],
        });
        let said = line(&it);
        assert!(
            said.starts_with("7  open  by mei until 2026-12-01T00:00:00Z  team bank, key a: a")
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(line(&Value::Null).starts_with("-  -"));
        let plain = json!({ "reason": "", "changes": [{ "kind": "team", "name": "p1" }] });
        assert!(line(&plain).ends_with("team p1"), "{}", line(&plain));
        assert_eq!(cells(&plain)[4..], ["team p1", "-", "-"]);
        assert_eq!((cells(&it).len(), &*cells(&it)[6]), (COLUMNS.len(), &*printable("a\nb")));
    }
}
