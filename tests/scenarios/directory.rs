//! Teams, keys, limits and budgets change while requests run: who is not meant notices nothing, and what
//! was spent stays spent.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use signalbox::app::Reloaded;

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask, binary, sim_backend::quick, streamed, wait, with,
};

pub(super) const ANN: &str = "sk-ann-0123456789abcdef0123456789abcdef";
const BEN: &str = "sk-ben-0123456789abcdef0123456789abcdef";

/// The keys of Ann and Ben, each where it is stated.
fn keys(setup: Setup) -> Setup {
    setup.file("ann.key", ANN).file("ben.key", BEN)
}

pub(super) fn ann(lines: &str) -> String {
    format!("[[key]]\nname = \"ann\"\nsecret = \"file:ann.key\"\n{lines}\n")
}

fn ben(lines: &str) -> String {
    format!("[[key]]\nname = \"ben\"\nsecret = \"file:ben.key\"\n{lines}\n")
}

pub(super) fn serving(up: &SimBackend, sections: &str) -> Setup {
    keys(Setup::new().model("a", &up.urls())).and(sections)
}

/// A request with this key, not yet sent.
pub(super) fn post(
    gateway: &Gateway,
    key: &str,
    body: &serde_json::Value,
) -> reqwest::RequestBuilder {
    let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(key);
    request.header("content-type", "application/json").body(body.to_string())
}

pub(super) async fn status(gateway: &Gateway, key: &str) -> u16 {
    Reply::of(post(gateway, key, &ask("a"))).await.status
}

/// One with the code of its refusal.
pub(super) async fn refused(gateway: &Gateway, key: &str) -> (u16, String) {
    let reply = Reply::of(post(gateway, key, &ask("a"))).await;
    (reply.status, reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The same of the program.
async fn status_of(server: &binary::Server, key: &str) -> u16 {
    let answer = server.post_with(key, &ask("a")).send().await.expect("an answer");
    answer.status().as_u16()
}

pub(super) fn in_force(reloaded: &Reloaded) {
    assert!(matches!(reloaded, Reloaded::InForce { .. }), "{reloaded:?}");
}

#[tokio::test]
async fn keys_come_and_go_and_an_open_request_ends_as_it_began() {
    let up = SimBackend::with(quick().paced(0, 100));
    let gateway = serving(&up, &ann("")).start().await;
    assert_eq!((status(&gateway, ANN).await, status(&gateway, BEN).await), (200, 401));
    let long = with(streamed("a"), json!({ "max_tokens": 60 }));
    let open = post(&gateway, ANN, &long).send().await.expect("a stream");
    in_force(&gateway.reload(&serving(&up, &ben(""))).await);
    assert_eq!(refused(&gateway, ANN).await, (401, "invalid_api_key".into()));
    assert_eq!((status(&gateway, BEN).await, status(&gateway, KEY).await), (200, 200));
    assert!(open.text().await.expect("a whole stream").ends_with("data: [DONE]\n\n"));
    // The same secret under another name is another key.
    in_force(&gateway.reload(&serving(&up, &ann("").replace("\"ann\"", "\"anna\""))).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    let books = gateway.close().await;
    let names: Vec<_> = books.entries.iter().map(|it| it.key.clone()).collect();
    let count = |name: &str| names.iter().filter(|it| *it == name).count();
    assert_eq!((count("ann"), count("ben"), count("anna"), count("scenario")), (2, 1, 1, 1));
}

#[tokio::test]
async fn a_reload_under_load_fails_nobody_else() {
    let up = SimBackend::start();
    let gateway = serving(&up, &ann("")).start().await;
    let mut served = 0;
    for round in 0..40 {
        let sections = match round % 4 {
            0 => ann("") + &ben(""),
            1 => ben("limits = { requests_per_minute = 100000 }"),
            2 => ann("budget = { amount = \"5\", window = \"day\" }") + "[[team]]\nname = \"x\"\n",
            _ => "[[team]]\nname = \"bank\"\n".to_owned() + &ann("team = \"bank\""),
        };
        let others = join_all((0..6).map(|_| status(&gateway, KEY)));
        let reloaded = async { gateway.reload(&serving(&up, &sections)).await };
        let (statuses, reloaded) = tokio::join!(others, reloaded);
        in_force(&reloaded);
        assert_eq!(statuses, [200; 6], "round {round}");
        served += 6;
    }
    let books = gateway.close().await;
    assert_eq!(books.verification.settled, served);
}

/// A budget of so much a month for the key, and whether it is hard.
pub(super) fn budget(amount: &str) -> String {
    format!("budget = {{ amount = \"{amount}\", window = \"month\" }}")
}

/// The spent figure of a team, as the metrics have it.
async fn spent(gateway: &Gateway, team: &str) -> f64 {
    let team = format!("team=\"{team}\"");
    gateway.metrics().await.sum("signalbox_budget_spent", &[&team])
}

#[tokio::test]
async fn what_was_spent_stays_spent_and_a_raised_budget_serves_at_once() {
    let up = SimBackend::start();
    // One request costs some millionths; the reservation is what its longest answer would.
    let dear = |amount: &str| serving(&up, &ann(&budget(amount)));
    let gateway = dear("1").start().await;
    assert_eq!(status(&gateway, ANN).await, 200);
    in_force(&gateway.reload(&dear("0.000000001")).await);
    assert_eq!(refused(&gateway, ANN).await.0, 429);
    in_force(&gateway.reload(&dear("1")).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    // Gone and back again: nothing is given back.
    in_force(&gateway.reload(&serving(&up, &ben(""))).await);
    in_force(&gateway.reload(&dear("0.000000001")).await);
    let (status_code, code) = refused(&gateway, ANN).await;
    assert_eq!((status_code, code.as_str()), (429, "budget_exceeded"), "it is spent");
    in_force(&gateway.reload(&serving(&up, &ann(""))).await);
    assert_eq!(status(&gateway, ANN).await, 200, "no budget binds any more");
    gateway.close().await;
}

#[tokio::test]
async fn a_team_keeps_what_was_spent_under_every_change_and_the_ledger_says_the_same() {
    let up = SimBackend::start();
    let team = |budget: &str| format!("[[team]]\nname = \"bank\"\n{budget}\n");
    let bank = budget("1");
    let with_budget = || serving(&up, &(team(&bank) + &ann("team = \"bank\"")));
    let gateway = with_budget().start().await;
    assert_eq!(status(&gateway, ANN).await, 200);
    let one = spent(&gateway, "bank").await;
    assert!(one > 0.0);
    // The key moves away; its money stays where it was spent.
    in_force(&gateway.reload(&serving(&up, &(team(&bank) + &ann("")))).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    assert!((spent(&gateway, "bank").await - one).abs() < 1e-12);
    // The budget goes and comes again, and counts what was spent meanwhile.
    in_force(&gateway.reload(&serving(&up, &(team("") + &ann("team = \"bank\"")))).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    in_force(&gateway.reload(&with_budget()).await);
    assert!((spent(&gateway, "bank").await - 2.0 * one).abs() < 1e-12);
    gateway.close().await;
}

#[tokio::test]
async fn limits_change_without_a_fresh_burst() {
    let up = SimBackend::start();
    let limited =
        |most: u32| serving(&up, &ann(&format!("limits = {{ requests_per_minute = {most} }}")));
    let gateway = limited(3).start().await;
    for _ in 0..3 {
        assert_eq!(status(&gateway, ANN).await, 200);
    }
    assert_eq!(status(&gateway, ANN).await, 429);
    in_force(&gateway.reload(&limited(2)).await);
    assert_eq!(status(&gateway, ANN).await, 429, "a reload fills no bucket");
    in_force(&gateway.reload(&limited(5)).await);
    for _ in 0..3 {
        assert_eq!(status(&gateway, ANN).await, 200);
    }
    assert_eq!(status(&gateway, ANN).await, 429, "two of the five were used: all that two allow");
    in_force(&gateway.reload(&serving(&up, &ann(""))).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    gateway.close().await;
}

#[tokio::test]
async fn who_waits_for_money_is_served_when_a_budget_is_raised() {
    let up = SimBackend::with(quick().paced(0, 100));
    // Room for one reservation, not for two.
    let setup =
        |amount: &str| serving(&up, &ann(&budget(amount))).and("[budget]\nwait_ms = 20000\n");
    let long = with(streamed("a"), json!({ "max_tokens": 2000 }));
    let gateway = setup("0.0080").start().await;
    let holder = post(&gateway, ANN, &long).send().await.expect("a stream");
    assert_eq!(holder.status(), 200, "it holds its reservation");
    let waiting = Reply::of(post(&gateway, ANN, &long));
    let raise = async {
        // Nothing tells that it waits: it would be refused at once if it could not.
        tokio::task::yield_now().await;
        in_force(&gateway.reload(&setup("0.1000")).await);
    };
    let (reply, ()) = tokio::join!(waiting, raise);
    assert!(reply.status == 200 && reply.done(), "{}", reply.text());
    drop(holder);
    gateway.close().await;
}

#[tokio::test]
async fn the_program_refuses_a_removed_key_within_a_second_and_no_wrong_file_changes_it() {
    let up = SimBackend::start();
    let folder = serving(&up, &(ann("") + &ben(""))).write();
    let server = binary::Server::start(&folder.config()).await;
    let asked = |key| status_of(&server, key);
    assert_eq!((asked(ANN).await, asked(BEN).await), (200, 200));
    serving(&up, &ann("")).write_into(&folder);
    let began = std::time::Instant::now();
    wait::answers("the removed key is refused", 401, || asked(BEN)).await;
    // A debug build on a busy machine; the file is looked at more often than once a second.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(asked(ANN).await, 200);
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    let wrong = text.replace("file:ann.key", "file:no-such.key");
    std::fs::write(folder.config(), wrong).expect("a wrong one");
    server.hangup().await;
    for _ in 0..10 {
        assert_eq!((asked(ANN).await, asked(BEN).await), (200, 401));
    }
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

/// A team, with these lines.
pub(super) fn team(name: &str, lines: &str) -> String {
    format!("[[team]]\nname = \"{name}\"\n{lines}\n")
}

/// What the configuration of a setup is refused for.
fn faults(setup: &Setup) -> Vec<String> {
    let folder = setup.write();
    let loaded = signalbox::config::load(Some(&folder.config()));
    loaded.expect_err("a fault").iter().map(ToString::to_string).collect()
}

/// Waits until a team has spent something.
async fn pays(gateway: &Gateway, team: &str) {
    let look = async || {
        let spent = spent(gateway, team).await;
        if spent > 0.0 { Ok(()) } else { Err(spent) }
    };
    wait::found("the request is paid for", look).await;
}

#[tokio::test]
async fn a_key_that_moves_while_its_request_is_open_pays_where_it_began() {
    let up = SimBackend::with(quick().paced(0, 100));
    let teams = team("bank", &(budget("1") + "\nlimits = { concurrent = 1 }"))
        + &team("retail", &(budget("1") + "\nlimits = { concurrent = 1 }"));
    let within = |name: &str| serving(&up, &(teams.clone() + &ann(&format!("team = \"{name}\""))));
    let gateway = within("bank").start().await;
    let long = with(streamed("a"), json!({ "max_tokens": 60 }));
    let open = post(&gateway, ANN, &long).send().await.expect("a stream");
    assert_eq!(status(&gateway, ANN).await, 429, "the place of the bank is taken");
    in_force(&gateway.reload(&within("retail")).await);
    assert_eq!(status(&gateway, ANN).await, 200, "retail has its own");
    let retail = spent(&gateway, "retail").await;
    assert!(open.text().await.expect("a whole stream").ends_with("data: [DONE]\n\n"));
    pays(&gateway, "bank").await;
    assert!((spent(&gateway, "retail").await - retail).abs() < 1e-12);
    in_force(&gateway.reload(&within("bank")).await);
    assert_eq!(status(&gateway, ANN).await, 200, "the place of the bank is free again");
    let books = gateway.close().await;
    let teams: Vec<_> = books.entries.iter().map(|it| it.team.as_str()).collect();
    assert_eq!(teams, ["bank", "retail", "bank"]);
}

#[tokio::test]
async fn a_team_goes_with_its_keys_and_never_from_under_them() {
    let up = SimBackend::with(quick().paced(0, 100));
    let bank = || team("bank", &budget("1")) + &ann("team = \"bank\"");
    let gateway = serving(&up, &bank()).start().await;
    let long = with(streamed("a"), json!({ "max_tokens": 60 }));
    let open = post(&gateway, ANN, &long).send().await.expect("a stream");
    let said = faults(&serving(&up, &(ann("team = \"bank\"") + &ben("team = \"bank\""))));
    assert_eq!(said.len(), 2, "{said:?}");
    let at = |nth: usize| {
        said[nth].contains(&format!(": key[{nth}] \"")) && said[nth].contains("\".team: found")
    };
    assert!(at(0) && at(1) && said[0].contains("found `bank`"), "{said:?}");
    in_force(&gateway.reload(&serving(&up, "")).await);
    assert_eq!(status(&gateway, ANN).await, 401);
    assert!(open.text().await.expect("a whole stream").ends_with("data: [DONE]\n\n"));
    // It comes again, and what was spent while it was gone is counted.
    gateway.until(|books| books.verification.settled == 1).await;
    in_force(&gateway.reload(&serving(&up, &bank())).await);
    pays(&gateway, "bank").await;
    assert_eq!(status(&gateway, ANN).await, 200);
    gateway.close().await;
}

#[tokio::test]
async fn a_limit_lowered_below_what_is_in_use_ends_nothing_and_binds_who_comes() {
    let up = SimBackend::with(quick().paced(0, 100));
    let at_once = |most: u32| serving(&up, &ann(&format!("limits = {{ concurrent = {most} }}")));
    let gateway = at_once(3).start().await;
    let long = with(streamed("a"), json!({ "max_tokens": 60 }));
    let open = join_all((0..3).map(|_| post(&gateway, ANN, &long).send())).await;
    in_force(&gateway.reload(&at_once(1)).await);
    assert_eq!(refused(&gateway, ANN).await.0, 429, "three of one place are taken");
    for stream in open {
        let text = stream.expect("a stream").text().await.expect("a whole stream");
        assert!(text.ends_with("data: [DONE]\n\n"));
    }
    wait::answers("a place is free", 200, || status(&gateway, ANN)).await;
    gateway.close().await;
}

#[tokio::test]
async fn keys_expire_are_renewed_and_change_their_secrets() {
    let up = SimBackend::start();
    let until = |year: u32| ann(&format!("expires = \"{year}-01-31T00:00:00Z\""));
    let gateway = serving(&up, &(until(2020) + &ben(""))).start().await;
    assert_eq!((status(&gateway, ANN).await, status(&gateway, BEN).await), (401, 200));
    in_force(&gateway.reload(&serving(&up, &(until(2120) + &ben("")))).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    in_force(&gateway.reload(&serving(&up, &(until(2020) + &ben("")))).await);
    assert_eq!(status(&gateway, ANN).await, 401);
    // Only the files of the secrets differ: the configuration reads the same.
    let swapped = || Setup::new().model("a", &up.urls()).file("ann.key", BEN).file("ben.key", ANN);
    in_force(&gateway.reload(&swapped().and(&(until(2120) + &ben("")))).await);
    assert_eq!((status(&gateway, ANN).await, status(&gateway, BEN).await), (200, 200));
    let new = "sk-new-0123456789abcdef0123456789abcdef";
    let rotated = swapped().file("ann.key", new).and(&(until(2120) + &ben("")));
    in_force(&gateway.reload(&rotated).await);
    assert_eq!(status(&gateway, new).await, 200);
    assert_eq!((status(&gateway, BEN).await, status(&gateway, ANN).await), (401, 200));
    let books = gateway.close().await;
    let names: Vec<_> = books.entries.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(names, ["ben", "ann", "ben", "ann", "ann", "ben"]);
}

#[tokio::test]
async fn the_names_of_teams_that_went_stay_in_the_metrics_beside_the_new_ones() {
    let up = SimBackend::start();
    let called = |name: &str| {
        serving(&up, &(team(name, &budget("1")) + &ann(&format!("team = \"{name}\""))))
    };
    let gateway = called("bank").start().await;
    assert_eq!(status(&gateway, ANN).await, 200);
    in_force(&gateway.reload(&called("bank-sg")).await);
    assert_eq!(status(&gateway, ANN).await, 200);
    gateway.until(|books| books.verification.settled == 2).await;
    let metrics = gateway.metrics().await;
    for name in ["bank", "bank-sg"] {
        let name = format!("team=\"{name}\"");
        assert!(metrics.sum("signalbox_cost_total", &[&name]) > 0.0, "{name}");
    }
    let budgets = |team: &str| metrics.sum("signalbox_budget_limit", &[team]);
    assert_eq!((budgets("team=\"bank\""), budgets("team=\"bank-sg\"")), (0.0, 1.0));
    gateway.close().await;
}

#[tokio::test]
async fn the_program_takes_a_rotated_secret_at_a_signal_and_no_file_that_is_half_written() {
    let up = SimBackend::start();
    let folder = serving(&up, &(ann("") + &ben(""))).write();
    let server = binary::Server::start(&folder.config()).await;
    let asked = |key| status_of(&server, key);
    let whole = std::fs::read_to_string(folder.config()).expect("the configuration");
    let new = "sk-new-0123456789abcdef0123456789abcdef";
    std::fs::write(folder.0.join("ann.key"), new).expect("a key");
    // Empty, then in its place by a rename: what is between the two is never in force.
    std::fs::write(folder.config(), "").expect("an empty one");
    server.hangup().await;
    assert_eq!((asked(ANN).await, asked(BEN).await), (200, 200));
    std::fs::write(folder.0.join("next.toml"), &whole).expect("the next one");
    std::fs::rename(folder.0.join("next.toml"), folder.config()).expect("in its place");
    server.hangup().await;
    wait::answers("the new secret serves", 200, || asked(new)).await;
    assert_eq!((asked(ANN).await, asked(BEN).await), (401, 200));
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
