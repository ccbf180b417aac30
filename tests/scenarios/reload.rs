//! Other models, replicas and prices without a restart: whoever is being served does not notice.

use futures_util::future::join_all;
use serde_json::json;
use signalbox::{
    app::{Change, Reloaded},
    sim::InjectedFault,
    store::Entry,
};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask, binary, gateway::results, sim_backend::quick,
    streamed, wait, with,
};

/// A stream of so many tokens.
fn long(model: &str, tokens: u32) -> serde_json::Value {
    with(streamed(model), json!({ "max_tokens": tokens }))
}

/// Models `a`, or whatever it is called, behind the alias `all`.
fn serving(id: &str, up: &SimBackend) -> Setup {
    Setup::new().model(id, &up.urls()).and(&format!("[alias]\nall = [\"{id}\"]\n"))
}

fn changed(reloaded: &Reloaded) -> Vec<Change> {
    match reloaded {
        Reloaded::InForce { models, .. } => models.clone(),
        other => panic!("{other:?}"),
    }
}

/// Waits until a metric is as high as this.
async fn until(gateway: &Gateway, name: &str, expected: f64) {
    let look = async || {
        let sum = gateway.metrics().await.sum(name, &[]);
        if sum >= expected { Ok(()) } else { Err(sum) }
    };
    wait::found(&format!("{name} of {expected}"), look).await;
}

#[tokio::test]
async fn streams_of_a_model_that_is_gone_run_to_their_end_at_its_price() {
    let (old, new) = (SimBackend::with(quick().paced(0, 100)), SimBackend::start());
    let gateway = serving("a", &old).start().await;
    let request = long("all", 40);
    let streams = join_all((0..100).map(|_| Reply::of(gateway.post(&request))));
    let change = async {
        old.until(|seen| seen.requests == 100).await;
        let dearer = "id = \"b\"\nupstream_model = \"scripted\"\n\
                      price = { input_per_mtok = \"10\", output_per_mtok = \"20\" }\n";
        let endpoint = format!("[[model.endpoint]]\nurl = \"{}\"\n", new.urls()[0]);
        let other = format!("[alias]\nall = [\"b\"]\n[[model]]\n{dearer}{endpoint}");
        let other = Setup::new().and(&other);
        let said = changed(&gateway.reload(&other).await);
        assert_eq!(said, [Change::Removed("a".into()), Change::Added("b".into())]);
        let reply = gateway.ask(&ask("all")).await;
        assert_eq!((reply.status, reply.header("x-signalbox-model")), (200, "b"));
        assert_eq!(gateway.ask(&ask("a")).await.status, 404, "it is gone for new requests");
    };
    let (replies, ()) = tokio::join!(streams, change);
    for reply in &replies {
        assert!(reply.status == 200 && reply.done(), "{}", reply.text());
        assert_eq!(reply.header("x-signalbox-model"), "a");
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("signalbox_requests_total", &["model=\"a\""]) >= 100.0);
    assert_eq!(metrics.sum("signalbox_endpoint_up", &["model=\"a\""]), 0.0);
    assert_eq!(metrics.sum("signalbox_endpoint_up", &["model=\"b\""]), 1.0);
    let books = gateway.close().await;
    let of = |model: &'static str| {
        books.entries.iter().filter(move |it| it.model.as_deref() == Some(model))
    };
    assert_eq!((of("a").count(), of("b").count()), (100, 1));
    // One unit for a million tokens in and two for as many out, at a; ten times that at b.
    let price = |model: &'static str, times: u64| {
        let nano = |it: &Entry| (it.input_tokens + 2 * it.output_tokens) * 1_000 * times;
        let right =
            |it: &&Entry| it.cost.is_some_and(|cost| cost.nano().unsigned_abs() == nano(it));
        let wrong: Vec<_> = of(model).filter(|it| !right(it)).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    };
    price("a", 1);
    price("b", 10);
}

#[tokio::test]
async fn the_policy_has_changed_where_its_own_document_has() {
    let up = SimBackend::start();
    let policy = |version: &str| format!("version = \"{version}\"\n[default]\nroute = [\"a\"]\n");
    let with = |version: &str, more: &str| {
        let more = format!("[policy]\nfile = \"policy.toml\"\n{more}");
        Setup::new()
            .model("a", &up.urls())
            .operated()
            .and(&more)
            .file("policy.toml", policy(version).as_str())
    };
    let gateway = with("1", "").start().await;
    let team = "[[team]]\nname = \"cards\"\n";
    for (version, more, expected) in [
        ("1", team, vec!["teams"]),
        ("1", "[alias]\nfast = [\"a\"]\n", vec!["aliases", "teams"]),
        ("2", "[alias]\nfast = [\"a\"]\n", vec!["policy"]),
        ("3", team, vec!["policy", "aliases", "teams"]),
    ] {
        let Reloaded::InForce { changed, .. } = gateway.reload(&with(version, more)).await else {
            panic!("{version} {more} is not taken");
        };
        assert_eq!(changed, expected, "{version} {more}");
    }
    let url = format!("http://{}/admin/v1/audit", gateway.admin_addr());
    let trail = Reply::of(gateway.client.get(url).bearer_auth(KEY)).await.text();
    assert_eq!(trail.matches("\"policy.changed\"").count(), 2, "{trail}");
    assert_eq!(trail.matches("\"config.reloaded\"").count(), 4, "{trail}");
    gateway.close().await;
}

#[tokio::test]
async fn what_is_known_of_a_replica_stays_known() {
    let (bad, good) = (SimBackend::failing(InjectedFault::Status500), SimBackend::start());
    let urls = [bad.urls(), good.urls()].concat();
    let setup = || Setup::new().model("a", &urls);
    // Each begins otherwise, so that they spread.
    let apart = |at: usize| {
        let content = format!("{at}: what is a signal box for?");
        with(ask("a"), json!({ "messages": [{ "role": "user", "content": content }] }))
    };
    let gateway = setup().start().await;
    let out = async |expected: f64| {
        let up = gateway.metrics().await.sum("signalbox_endpoint_up", &["model=\"a\""]);
        assert_eq!(up, expected);
    };
    for at in 0..20 {
        assert_eq!(gateway.ask(&apart(at)).await.status, 200);
    }
    assert_eq!(gateway.metrics().await.sum("signalbox_ejections_total", &[]), 1.0);
    out(1.0).await;
    let before = bad.seen().requests;
    let other = SimBackend::start();
    let more = setup().model("b", &other.urls());
    assert_eq!(changed(&gateway.reload(&more).await), [Change::Added("b".into())]);
    out(1.0).await;
    for at in 0..20 {
        assert_eq!(gateway.ask(&apart(at)).await.status, 200);
    }
    // One may be the trial that its time brings; a replica without a past would see three.
    assert!(bad.seen().requests < before + 3, "a reload makes no ejected replica whole");
    let books = gateway.close().await;
    let failed = books.entries.iter().flat_map(results).filter(|it| it != "ok").count();
    assert!(failed <= 6, "{failed}");
}

#[tokio::test]
async fn places_and_queues_go_over_and_a_higher_limit_counts_at_once() {
    // Both are streams, and long enough for whatever a busy machine does between two looks.
    let up = SimBackend::with(quick().fixed(0, 100, 60_000));
    let narrow = |places: u32| {
        let setup = Setup::new().model("a", &up.urls());
        let setup = setup.endpoint(&format!("concurrency_max = {places}\n"));
        setup.and("[queue]\nwait_ms = 10000\n")
    };
    let gateway = narrow(1).start().await;
    let holder = gateway.post(&streamed("a")).send().await.expect("the place");
    let next = streamed("a");
    let waiting = Reply::of(gateway.post(&next));
    let others = async {
        until(&gateway, "signalbox_queue_waiting", 1.0).await;
        // The same once more: the holder's place is still taken, the one in line still waits.
        gateway.reload(&narrow(1).and("[media]\nhosts = [\"example.com\"]\n")).await;
        let metrics = gateway.metrics().await;
        assert_eq!(metrics.sum("signalbox_queue_waiting", &[]), 1.0);
        assert_eq!(metrics.sum("signalbox_endpoint_in_flight", &[]), 1.0);
        gateway.reload(&narrow(2)).await;
        until(&gateway, "signalbox_endpoint_in_flight", 2.0).await;
    };
    let (reply, ()) = tokio::join!(waiting, others);
    assert_eq!(reply.status, 200);
    assert!(holder.text().await.expect("a whole stream").ends_with("data: [DONE]\n\n"));
    let books = gateway.close().await;
    assert_eq!(books.verification.settled, 2);
}

#[tokio::test]
async fn a_storm_of_reloads_is_noticed_by_nobody() {
    let (one, two) = (SimBackend::start(), SimBackend::start());
    let both = [one.urls(), two.urls()].concat();
    let setups = [serving("a", &one), serving("a", &two), {
        Setup::new().model("b", &two.urls()).model("a", &both).and("[alias]\nall = [\"a\"]\n")
    }];
    let gateway = serving("a", &one).start().await;
    let request = |at: usize| if at.is_multiple_of(2) { streamed("all") } else { ask("all") };
    let ask = async |at: usize| Reply::of(gateway.post(&request(at))).await.status;
    let mut served = 0;
    for round in 0..60 {
        let asked = join_all((0..5).map(ask));
        let reloaded = async { gateway.reload(&setups[round % 3]).await };
        let (statuses, reloaded) = tokio::join!(asked, reloaded);
        assert!(round == 0 || matches!(reloaded, Reloaded::InForce { .. }), "{reloaded:?}");
        assert_eq!(statuses, [200; 5], "round {round}");
        served += 5;
    }
    let books = gateway.close().await;
    assert_eq!(books.verification.settled, served);
    assert!(books.entries.iter().all(|it| results(it) == ["ok"]), "an attempt failed");
}

#[tokio::test]
async fn what_takes_a_restart_is_named_and_changes_nothing() {
    let (old, new) = (SimBackend::start(), SimBackend::start());
    let gateway = serving("a", &old).start().await;
    let other = serving("b", &new).server("body_bytes_max = 5000\n");
    let other = other.and("[[team]]\nname = \"retail\"\n");
    let said = gateway.reload(&other).await;
    let Reloaded::NeedsRestart(changes) = said else { panic!("{said:?}") };
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["server.body_bytes_max: 33554432 -> 5000"]);
    assert_eq!(gateway.ask(&ask("all")).await.header("x-signalbox-model"), "a");
    assert_eq!(gateway.reload(&serving("a", &old)).await, Reloaded::Unchanged);
    gateway.close().await;
}

#[tokio::test]
async fn the_program_takes_other_models_at_a_signal_and_a_wrong_file_never() {
    let (old, new) = (SimBackend::with(quick().paced(0, 100)), SimBackend::start());
    let folder = serving("a", &old).write();
    let server = binary::Server::start(&folder.config()).await;
    let stream = server.post(&long("all", 60)).send().await.expect("a stream");
    let served = async || {
        let answer = server.post(&ask("all")).send().await.expect("an answer");
        answer.headers()["x-signalbox-model"].to_str().expect("a name").to_owned()
    };
    serving("b", &new).write_into(&folder);
    server.hangup().await;
    wait::answers("the other model serves", "b".to_owned(), served).await;
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    std::fs::write(folder.config(), text.replace("upstream_model", "upsteam_model")).expect("one");
    server.hangup().await;
    for _ in 0..20 {
        assert_eq!(served().await, "b");
    }
    assert!(stream.text().await.expect("a whole stream").ends_with("data: [DONE]\n\n"));
    let metrics = server.page("/metrics", KEY).await;
    let up = |line: &&str| line.starts_with("signalbox_endpoint_up");
    let up: Vec<_> = metrics.lines().filter(up).collect();
    assert!(up.len() == 1 && up[0].contains("model=\"b\""), "{up:?}");
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}
