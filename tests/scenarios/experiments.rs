//! Experiments on live traffic: who gets which arm, how an arm is asked, and what its callers and operators
//! see of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox::{app::Reloaded, sim::InjectedFault};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask,
    engine::{Engine, answer, usage},
    streamed, with,
};

const HEADER: &str = "x-signalbox-experiment";
/// Half of the users are asked as before, half of them otherwise.
const ARMS: &str = r#"arms = [
    { name = "old", share = 0.5, route = ["a"] },
    { name = "new", share = 0.5, route = ["b"], params = PARAMS, system_suffix = "Answer \"politely\"." },
]
"#;

/// What the arm `new` sets.
const PARAMS: &str = "{ temperature = 0.25, reasoning_effort = \"low\" }";

/// A rule for all chat with an experiment of these lines, over models `a` and `b`, with a default route `c`.
fn policy(lines: &str) -> String {
    format!(
        "version = \"v1\"\n[default]\nroute = [\"c\"]\n\
         [[rule]]\nname = \"home\"\nwhen = {{ data_class = [\"confidential\", \"secret\"] }}\n\
         require = {{ zone = [\"on_prem\"] }}\n\
         [[rule]]\nname = \"chat\"\nwhen = {{ operation = [\"chat\"] }}\nroute = [\"c\"]\nretry = 0\n\
         experiment = \"ab\"\n\
         [[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n{}\n",
        lines.replace("PARAMS", PARAMS)
    )
}

fn setup([a, b, c]: [&SimBackend; 3], lines: &str) -> Setup {
    Setup::new()
        .model_with("a", &a.urls(), "zone = \"on_prem\"\ncapabilities = [\"reasoning\"]\n")
        .model_with("b", &b.urls(), "zone = \"cloud\"\ncapabilities = [\"reasoning\"]\n")
        .model_with("c", &c.urls(), "zone = \"on_prem\"\ncapabilities = [\"reasoning\"]\n")
        .and("[policy]\nfile = \"policy.toml\"\n[identity]\npepper = \"file:secret\"\n")
        .file("policy.toml", &policy(lines))
        .file("secret", "a pepper that all replicas of this gateway have")
        .key("data_class_max = \"confidential\"\n")
}

fn of(user: &str) -> Value {
    with(ask("auto"), json!({ "user": user }))
}

/// The arm of each user, as the answers say it.
async fn arms(gateway: &Gateway, users: u32) -> BTreeMap<u32, String> {
    let mut arms = BTreeMap::new();
    for user in 0..users {
        let reply = gateway.ask(&of(&format!("user-{user}"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let arm = reply.header(HEADER).to_owned();
        let model = match &*arm {
            "ab=old" => "a",
            "ab=new" => "b",
            _ => "c",
        };
        assert_eq!(reply.header("x-signalbox-model"), model, "{arm}");
        arms.insert(user, arm);
    }
    arms
}

/// A user of this arm.
async fn user(gateway: &Gateway, arm: &str) -> String {
    let arms = arms(gateway, 16).await;
    let found = arms.iter().find(|(_, it)| *it == arm).map(|(user, _)| *user);
    format!("user-{}", found.expect("one of sixteen users"))
}

#[tokio::test]
async fn a_user_keeps_its_arm_on_every_replica_and_through_restarts_and_reloads() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let whole = || setup(up.each_ref(), ARMS);
    let one = whole().start().await;
    let first = arms(&one, 24).await;
    for arm in ["ab=old", "ab=new"] {
        assert!((4..=20).contains(&first.values().filter(|it| **it == arm).count()), "{first:?}");
    }
    assert_eq!(arms(&one, 24).await, first, "again");
    // Fewer take part: those keep their arm, and no answer to the others names one.
    let half = one.reload(&setup(up.each_ref(), &format!("enrol = 0.5\n{ARMS}"))).await;
    assert!(matches!(half, Reloaded::InForce { .. }), "{half:?}");
    let fewer = arms(&one, 24).await;
    let held: Vec<u32> = (0..24).filter(|user| fewer[user].is_empty()).collect();
    assert!((4..=20).contains(&held.len()), "{fewer:?}");
    assert!((0..24).all(|user| fewer[&user].is_empty() || fewer[&user] == first[&user]));
    one.reload(&whole()).await;
    assert_eq!(arms(&one, 24).await, first, "all of them again");
    // Another replica beside it, and one that starts after it, agree without asking anybody.
    let two = whole().start().await;
    assert_eq!(arms(&two, 24).await, first);
    one.close().await;
    two.close().await;
    let later = whole().start().await;
    assert_eq!(arms(&later, 24).await, first);
    later.close().await;
}

#[tokio::test]
async fn an_arm_is_asked_with_its_parameters_and_its_suffix_and_nothing_else_is_touched() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let gateway = setup(up.each_ref(), ARMS).start().await;
    let (old, new) = (user(&gateway, "ab=old").await, user(&gateway, "ab=new").await);
    let send = async |body: String| {
        let request = gateway.client.post(gateway.url("/v1/chat/completions")).bearer_auth(KEY);
        Reply::of(request.body(body)).await
    };
    // `M` is the model as it is called there; what is between them is the caller's, byte for byte.
    const SYSTEM: &str = r#"{"role":"system","content":"Be kind."}"#;
    const KIND: &str = r#"{"role":"system","content":"Be kind.\n\nAnswer \"politely\"."}"#;
    const ALONE: &str = r#"{"role":"system","content":"Answer \"politely\"."},"#;
    const PART: &str = r#"{"type":"text","text":"Short."}"#;
    const PARTS: &str =
        r#"{"type":"text","text":"Short."},{"type":"text","text":"\n\nAnswer \"politely\"."}"#;
    const HI: &str = r#" {"role" : "user","content":"Hi \u00e9"}"#;
    let whole = |text: &str| {
        let all = [("SYSTEM", SYSTEM), ("KIND", KIND), ("ALONE", ALONE), ("PARTS", PARTS)];
        let text = all.iter().fold(text.to_owned(), |text, (name, it)| text.replace(name, it));
        let text = text.replace("ADDED", r#"LOW"temperature":0.25,"#);
        let text = text.replace("LOW", r#""reasoning_effort":"low","#);
        text.replace("PART", PART).replace("HI", HI)
    };
    for (written, sent) in [
        (
            r#" {"messages" : [SYSTEM,HI] ,"model":"M", "temperature": 1.50e0,"x":[ 1,2 ],"user":"U"} "#,
            r#" {LOW"messages" : [KIND,HI] ,"model":"M", "temperature": 0.25,"x":[ 1,2 ],"user":"U"} "#,
        ),
        (
            r#"{"model":"M","user":"U","reasoning_effort":"high","messages":[HI]}"#,
            r#"{"temperature":0.25,"model":"M","user":"U","reasoning_effort":"low","messages":[ALONEHI]}"#,
        ),
        (
            r#"{"model":"M","user":"U","messages":[{"role":"developer","content":[PART]},HI]}"#,
            r#"{ADDED"model":"M","user":"U","messages":[{"role":"developer","content":[PARTS]},HI]}"#,
        ),
    ] {
        let (written, sent) = (whole(written), whole(sent));
        for stream in ["", r#""stream":true,"stream_options":{"include_usage":true},"#] {
            let body = |text: &str, model: &str, user: &str| {
                let text = text.replace("\"M\"", &format!("{stream}\"M\"")).replace(
                    &format!("\"model\":{stream}\"M\""),
                    &format!("{stream}\"model\":\"{model}\""),
                );
                text.replace("\"U\"", &format!("\"{user}\""))
            };
            let reply = send(body(&written, "auto", &new)).await;
            assert_eq!((reply.status, reply.header(HEADER)), (200, "ab=new"), "{}", reply.text());
            let seen = up[1].seen().last.expect("a request").body;
            assert_eq!(String::from_utf8_lossy(&seen), body(&sent, "scripted", &new));
            // The other arm says nothing but its route: all of its requests is the caller's.
            let reply = send(body(&written, "auto", &old)).await;
            assert_eq!((reply.status, reply.header(HEADER)), (200, "ab=old"), "{}", reply.text());
            let seen = up[0].seen().last.expect("a request").body;
            assert_eq!(String::from_utf8_lossy(&seen), body(&written, "scripted", &old));
        }
    }
    gateway.close().await;
}

#[tokio::test]
async fn a_request_without_a_unit_takes_no_part_and_is_counted() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let gateway = setup(up.each_ref(), ARMS).start().await;
    for _ in 0..3 {
        let reply = gateway.ask(&ask("auto")).await;
        assert_eq!((reply.status, reply.header(HEADER)), (200, ""), "{}", reply.text());
        assert_eq!(
            (reply.header("x-signalbox-rule"), reply.header("x-signalbox-model")),
            ("chat", "c")
        );
    }
    arms(&gateway, 8).await;
    // Who asks for one model takes no part, whoever he is.
    let pinned = gateway.ask(&with(ask("a"), json!({ "user": "user-1" }))).await;
    assert_eq!((pinned.status, pinned.header(HEADER)), (200, ""));
    let metrics = gateway.metrics().await;
    let unassigned = |labels: &[&str]| metrics.sum("signalbox_experiment_unassigned_total", labels);
    assert_eq!(unassigned(&["experiment=\"ab\""]), 3.0);
    assert_eq!(unassigned(&[]), 3.0);
    assert_eq!(metrics.sum("signalbox_experiment_requests_total", &[]), 8.0);
    gateway.close().await;
}

#[tokio::test]
async fn a_guard_binds_arms_as_everything_else() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let gateway = setup(up.each_ref(), ARMS).start().await;
    for user in 0..16 {
        for body in [
            of(&format!("user-{user}")),
            with(streamed("auto"), json!({ "user": user.to_string() })),
        ] {
            let request = gateway.post(&body).header("x-signalbox-data-class", "confidential");
            let reply = Reply::of(request).await;
            assert_eq!((reply.status, reply.header(HEADER)), (200, ""), "{}", reply.text());
            assert_eq!(reply.header("x-signalbox-model"), "c", "the rule's own route");
        }
    }
    let [_, cloud, _] = &up;
    assert_eq!(cloud.seen().requests, 0, "nothing confidential went there");
    gateway.close().await;
}

#[tokio::test]
async fn the_failures_of_an_arm_name_it_and_are_counted_for_it() {
    let (a, c) = (SimBackend::start(), SimBackend::start());
    let broken = SimBackend::failing(InjectedFault::Status500);
    let gateway = setup([&a, &broken, &c], ARMS).start().await;
    let mut seen = BTreeMap::new();
    for user in 0..16 {
        for body in [
            of(&format!("user-{user}")),
            with(streamed("auto"), json!({ "user": format!("user-{user}") })),
        ] {
            let reply = gateway.ask(&body).await;
            let arm = reply.header(HEADER).to_owned();
            assert_eq!(reply.status == 200, arm == "ab=old", "{} {}", reply.status, reply.text());
            *seen.entry((arm, reply.status == 200)).or_insert(0.0) += 1.0;
        }
    }
    assert_eq!(seen.len(), 2, "both arms: {seen:?}");
    let metrics = gateway.metrics().await;
    for ((arm, well), count) in &seen {
        let (arm, outcome) = (&arm[3..], if *well { "ok" } else { "failed" });
        let (arm, outcome) = (format!("arm=\"{arm}\""), format!("outcome=\"{outcome}\""));
        let sum = metrics
            .sum("signalbox_experiment_requests_total", &["experiment=\"ab\"", &arm, &outcome]);
        assert_eq!(sum, *count, "{arm} {outcome}");
    }
    assert_eq!(metrics.sum("signalbox_experiment_requests_total", &[]), 32.0);
    gateway.close().await;
}

#[tokio::test]
async fn a_hard_budget_is_never_passed_because_of_a_suffix() {
    // A token costs 0.001. All that the caller writes is reserved with 1.3, and the suffix with 8 more.
    let suffix = "x".repeat(8_000);
    let arms = format!(
        "arms = [{{ name = \"one\", share = 0.5, system_suffix = \"{suffix}\" }}, \
         {{ name = \"two\", share = 0.5, system_suffix = \"{suffix}\" }}]\n"
    );
    // An engine for which nearly every byte is a token.
    let engine = Engine::start(|body| {
        let messages = body["messages"].to_string();
        answer("so", &usage(u32::try_from(messages.len()).unwrap_or(0) + 500, 1))
    });
    let engine = engine.await;
    let lines = "zone = \"on_prem\"\noutput_tokens_max = 100\noutput_tokens_default = 10\n";
    for (amount, served) in [("5.00", 0), ("14.00", 1), ("24.00", 2)] {
        let budget =
            format!("budget = {{ amount = \"{amount}\", window = \"total\", hard = true }}\n");
        let gateway = Setup::new()
            .priced("c", &engine.urls(), ("1000.00", "2000.00"), lines)
            .and("[policy]\nfile = \"policy.toml\"\n")
            .file("policy.toml", &policy(&arms))
            .key(&budget)
            .start()
            .await;
        let (mut answered, mut spent) = (0, 0.0);
        for _ in 0..4 {
            let reply = gateway.ask(&with(of("user-1"), json!({ "max_tokens": 1 }))).await;
            assert!(reply.status == 200 || reply.status == 429, "{}", reply.text());
            assert!(reply.header(HEADER).starts_with("ab="), "refusals of an arm name it too");
            if reply.status == 200 {
                answered += 1;
                spent += reply.header("x-signalbox-cost").parse::<f64>().expect("a number");
            }
        }
        assert_eq!(answered, served, "{amount}");
        let amount: f64 = amount.parse().expect("a number");
        let each = if served == 0 { 8.5 } else { spent / f64::from(served) };
        assert!(spent <= amount && each > 8.0, "{spent} of {amount}");
        gateway.close().await;
    }
}

#[tokio::test]
async fn the_decision_that_is_asked_for_names_the_arm_and_why_there_is_none() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let gateway = setup(up.each_ref(), ARMS).start().await;
    let new = user(&gateway, "ab=new").await;
    let route = async |body: &Value| {
        let request = gateway.client.post(gateway.url("/v1/route")).bearer_auth(KEY);
        Reply::of(request.body(body.to_string())).await.json()["decision"].clone()
    };
    let decision = route(&of(&new)).await;
    let part = &decision["experiment"];
    assert_eq!(
        (&part["experiment"], &part["arm"], &part["unit"]),
        (&json!("ab"), &json!("new"), &json!("user")),
        "{decision}"
    );
    assert_eq!(decision["plan"][0]["model"], "b", "{decision}");
    let part = &route(&ask("auto")).await["experiment"];
    assert_eq!((&part["arm"], &part["outside"]), (&Value::Null, &json!("no_unit")), "{part}");
    let pinned = route(&with(ask("a"), json!({ "user": new }))).await;
    assert_eq!(pinned["experiment"], Value::Null);
    gateway.close().await;
}

#[tokio::test]
async fn before_the_first_step_of_a_ramp_nobody_takes_part() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let ramp = |from: &str| format!("ramp = [{{ from = \"{from}\", enrol = 1.0 }}]\n{ARMS}");
    let gateway = setup(up.each_ref(), &ramp("2999-01-01T00:00:00Z")).start().await;
    assert!(arms(&gateway, 6).await.values().all(String::is_empty));
    gateway.reload(&setup(up.each_ref(), &ramp("2001-01-01T00:00:00Z"))).await;
    assert!(!arms(&gateway, 6).await.values().any(String::is_empty));
    gateway.close().await;
}
