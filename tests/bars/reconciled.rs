//! Many requests of all kinds, of many keys, teams and models: the ledger, the counters, the budgets and the
//! backends' own books say the same, to the billionth.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use policies::facts::Money;
use serde_json::{Value, json};
use signalbox::sim::InjectedFault;

use super::{Operator, by, full};
use crate::{
    harness::{
        Books, Gateway, Setup, SimBackend, ask,
        gateway::{Samples, results},
        streamed, with,
    },
    scenarios::reconciliation::agree,
};

const SECTIONS: &str = "[alias]\nany = [\"a\", \"b\"]\n\
    [[team]]\nname = \"bank\"\nbudget = { amount = \"100000\", window = \"total\" }\n\
    [[team]]\nname = \"cards\"\nparent = \"bank\"\nbudget = { amount = \"50000\", window = \"total\" }\n\
    [[team]]\nname = \"loans\"\nparent = \"bank\"\nbudget = { amount = \"50000\", window = \"total\" }\n";
const TEAMS: [&str; 3] = ["bank", "cards", "loans"];
const KEYS: usize = 9;
/// Requests at once.
const AT_ONCE: usize = 32;

/// The nth request: plain or a stream, of one model or of any of two.
fn request(nth: usize) -> Value {
    let model = ["any", "a", "b"][nth / 2 % 3];
    let request = if nth.is_multiple_of(2) { ask(model) } else { streamed(model) };
    with(request, json!({ "max_tokens": 8 + nth % 57 }))
}

/// Asks and reads to the end; every tenth caller hangs up, before there is an answer or in the midst of it.
/// Those ask the model `c` alone: what a backend has written and nobody has read, both sides cannot know.
async fn one(gateway: &Gateway, nth: usize, key: &str) {
    if !nth.is_multiple_of(10) {
        let answer = by(gateway, key, &request(nth)).send().await.expect("an answer");
        assert!(answer.bytes().await.is_ok());
        return;
    }
    let asked = by(gateway, key, &streamed("c")).send();
    let patience = Duration::from_millis(nth as u64 / 10 % 20);
    if let Ok(Ok(mut answer)) = tokio::time::timeout(patience, asked).await {
        let _ = tokio::time::timeout(patience, answer.chunk()).await;
    }
}

/// What a backend says of itself, held against the entries that it served and the attempts that it saw.
fn backend_agrees(model: &str, up: &SimBackend, books: &Books) -> (u64, u64) {
    let seen = up.seen();
    let attempts = |entry: &signalbox::store::Entry| -> Vec<Value> {
        serde_json::from_str(entry.attempts.as_deref().unwrap_or("[]")).expect("JSON")
    };
    let sent = books.entries.iter().flat_map(attempts).filter(|it| it["model"] == model).count();
    assert_eq!(sent as u64, seen.requests, "requests that {model} has seen");
    let served = books.entries.iter().filter(|it| it.model.as_deref() == Some(model));
    let served: Vec<_> = served.filter(|it| it.outcome.as_deref() == Some("ok")).collect();
    assert_eq!(served.len() as u64, seen.completed, "answers of {model}");
    let sum = |of: fn(&signalbox::store::Entry) -> u64| served.iter().map(|it| of(it)).sum::<u64>();
    let tokens = (sum(|it| it.input_tokens), sum(|it| it.output_tokens));
    assert_eq!(tokens, (seen.prompt_tokens, seen.completion_tokens), "tokens of {model}");
    (seen.requests, seen.completed)
}

fn nano(units: f64) -> i64 {
    (units * 1e9).round() as i64
}

/// Money by team and by model, of the ledger and of the counters; and what budgets say that they have spent.
fn money_agrees(metrics: &Samples, books: &Books) {
    let mut cells: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    let mut teams: BTreeMap<&str, i64> = BTreeMap::new();
    for it in &books.entries {
        let cost = it.cost.map_or(0, Money::nano);
        *teams.entry(&it.team).or_default() += cost;
        if let Some(model) = &it.model {
            *cells.entry((&it.team, model)).or_default() += cost;
        }
    }
    for ((team, model), cost) in cells {
        let labels = [&*format!("team=\"{team}\""), &*format!("model=\"{model}\"")];
        assert_eq!(nano(metrics.sum("signalbox_cost_total", &labels)), cost, "{team}, {model}");
    }
    for team in TEAMS {
        let counts = |it: &str| it == team || team == "bank" && TEAMS.contains(&it);
        let expected: i64 = teams.iter().filter(|it| counts(it.0)).map(|it| it.1).sum();
        let label = format!("team=\"{team}\"");
        assert_eq!(nano(metrics.sum("signalbox_budget_spent", &[&label])), expected, "{team}");
        assert_eq!(nano(metrics.sum("signalbox_budget_reserved", &[&label])), 0, "{team}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_books_agree_to_the_billionth() {
    let requests = if full() { 100_000 } else { 3_000 };
    let ups: Vec<SimBackend> = (0..3).map(|_| SimBackend::start()).collect();
    let setup = Setup::new().operated().model("a", &ups[0].urls());
    let setup = setup.priced("b", &ups[1].urls(), ("0.35", "1.17"), "");
    let gateway = setup.model("c", &ups[2].urls()).and(SECTIONS).start().await;
    for up in &ups {
        up.fail_one_in(InjectedFault::Status500, 5).await;
    }
    let operator = Operator::at(gateway.admin_addr());
    let mut keys = Vec::new();
    for nth in 0..KEYS {
        let fields = json!({ "name": format!("key-{nth}"), "team": TEAMS[nth % 3] });
        keys.push(operator.key(fields).await);
    }
    let began = Instant::now();
    let all = stream::iter(0..requests).map(|nth| one(&gateway, nth, &keys[nth % KEYS]));
    all.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    let took = began.elapsed().as_secs_f64();
    gateway.until(|books| books.verification.open == 0).await;
    let metrics = gateway.metrics().await;
    let refused = metrics.sum("signalbox_refusals_total", &[]);
    let books = agree(gateway).await;
    money_agrees(&metrics, &books);
    let [a, b] = [("a", &ups[0]), ("b", &ups[1])].map(|(id, up)| backend_agrees(id, up, &books));
    let faults = books.entries.iter().flat_map(results).filter(|it| it != "ok").count();
    let of = |outcome: &str| {
        books.entries.iter().filter(|it| it.outcome.as_deref() == Some(outcome)).count()
    };
    println!(
        "bar reconciliation: {requests} requests of {KEYS} keys in {took:.0} s: {} entries ({} ok, {} \
         cancelled, {} failed), {refused} refused, {faults} attempts not ok; {} spent in the ledger, the \
         counters and the budgets alike; the backends' own books of {} requests and {} answers agree",
        books.entries.len(),
        of("ok"),
        of("cancelled"),
        of("failed"),
        books.verification.cost,
        a.0 + b.0,
        a.1 + b.1,
    );
    assert!(of("cancelled") > 0 && faults > 0 && of("ok") * 2 > requests);
}
