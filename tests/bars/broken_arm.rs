//! An arm of which three of ten requests fail, at fifty requests a second: how long it takes until it is
//! rolled back, and how many requests it has met by then.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{
    KEY, Setup, SimBackend, ask,
    binary::Server,
    byte_backend::{ByteBackend, Play, Step},
    gateway::{Folder, client},
    with,
};

const PER_SECOND: u32 = 50;
const WITHIN: Duration = Duration::from_secs(60);
/// Requests of the broken arm at the most.
const TOUCHED_MAX: usize = 400;

const POLICY: &str = "version = \"1\"\n\
     [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n\
     arms = [\n  { name = \"old\", share = 0.5, route = [\"good\"] },\n\
     \x20 { name = \"new\", share = 0.5, route = [\"broken\"] },\n]\n\
     guard = { error_rate_max = 0.1 }\n\
     [[rule]]\nname = \"talk\"\nwhen = { operation = [\"chat\"] }\nroute = [\"good\"]\nretry = 0\n\
     experiment = \"ab\"\n\
     [default]\nroute = [\"good\"]\n";

/// A backend of which three of ten requests fail, in no order.
async fn broken() -> ByteBackend {
    let body = json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "scripted",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": "It keeps trains apart." } }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17 }
    })
    .to_string();
    let play = |nth: u64| {
        let mixed = nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
        let is_broken = (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) % 10 < 3;
        let (status, body) =
            if is_broken { ("500 Internal Server Error", "{}") } else { ("200 OK", &*body) };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Play::from(vec![Step::Send([head.as_bytes(), body.as_bytes()].concat())])
    };
    ByteBackend::listing((0..2_000).map(play).collect()).await
}

fn folder(good: &SimBackend, broken: &ByteBackend) -> Folder {
    let setup = Setup::new().model("good", &good.urls()).model("broken", &broken.urls());
    let setup = setup.and("[policy]\nfile = \"policy.toml\"\n").file("policy.toml", POLICY);
    let folder = setup.write();
    let text = fs::read_to_string(folder.config()).expect("the configuration");
    let guarded = text.replacen("[admin]\n", "[admin]\ntoken = \"file:caller.key\"\n", 1);
    fs::write(folder.config(), guarded).expect("the configuration");
    folder
}

async fn serve(folder: &Folder) -> Server {
    let server = Server::anywhere(&folder.config()).await;
    server.ready().await;
    server
}

async fn state(server: &Server) -> String {
    let url = format!("http://{}/admin/v1/experiments/ab", server.admin_addr());
    let page = client().get(url).bearer_auth(KEY).send().await.expect("a page");
    let it: Value = page.json().await.expect("an experiment");
    it["state"].as_str().expect("a state").to_owned()
}

/// The request of a new user: its status, and whether it was one of the broken arm.
async fn asked(request: reqwest::RequestBuilder) -> (u16, bool) {
    let answer = request.send().await.expect("an answer");
    let arm = answer.headers().get("x-signalbox-experiment").cloned();
    let is_broken = arm.is_some_and(|it| it == "ab=new");
    let status = answer.status().as_u16();
    answer.bytes().await.expect("its body");
    (status, is_broken)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_arm_is_rolled_back_within_a_minute_and_stays_so_after_kill_9() {
    let (good, broken) = (SimBackend::start(), broken().await);
    let folder = folder(&good, &broken);
    let server = serve(&folder).await;
    let new_user = |server: &Server, user: usize| {
        server.post(&with(ask("auto"), json!({ "user": format!("u{user}") })))
    };
    let mut beat = tokio::time::interval(Duration::from_secs(1) / PER_SECOND);
    let (began, mut sent) = (Instant::now(), Vec::new());
    let took = loop {
        beat.tick().await;
        sent.push(tokio::spawn(asked(new_user(&server, sent.len()))));
        // Asked ten times a second.
        if sent.len() % 5 == 0 && state(&server).await == "rolled_back" {
            break began.elapsed();
        }
        assert!(began.elapsed() < WITHIN, "it is not rolled back");
    };
    let mut seen = Vec::new();
    for it in sent {
        seen.push(it.await.expect("a task"));
    }
    let touched = seen.iter().filter(|(_, is_broken)| *is_broken).count();
    let failed = seen.iter().filter(|(status, _)| *status != 200).count();
    println!(
        "bar broken: an arm of which 30 % fail, at {PER_SECOND} a second: rolled back after {:.1} s, \
         {touched} of {} requests were its own, {failed} of them failed; at most {} s and \
         fewer than {TOUCHED_MAX}",
        took.as_secs_f64(),
        seen.len(),
        WITHIN.as_secs()
    );
    assert!(touched < TOUCHED_MAX && failed <= touched, "{touched} {failed}");
    // At once: what is not durable now is lost.
    server.kill().await;
    let before = broken.requests();
    let server = serve(&folder).await;
    assert_eq!(state(&server).await, "rolled_back");
    let mut statuses = HashSet::new();
    for user in 0..100 {
        statuses.insert(asked(new_user(&server, user)).await);
    }
    assert_eq!((statuses, broken.requests()), (HashSet::from([(200, false)]), before));
}
