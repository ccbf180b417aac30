//! Experiments of a gateway that serves: each bound of a guard, what operators see of it, and a policy that
//! is edited while they run.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::{Value, json};
use signalbox::{app::Reloaded, config, sim::InjectedFault, store::Reader};

use crate::harness::{
    Gateway, KEY, Reply, Setup, SimBackend, ask, binary, gateway::client, sim_backend::quick, wait,
    with,
};

const HEADER: &str = "x-signalbox-experiment";

/// A rule for all chat with an experiment by this unit and of these lines.
fn policy(unit: &str, lines: &str) -> String {
    format!(
        "version = \"1\"\n[default]\nroute = [\"good\"]\n\
         [[rule]]\nname = \"talk\"\nwhen = {{ operation = [\"chat\"] }}\nroute = [\"good\"]\nretry = 0\n\
         experiment = \"ab\"\n\
         [[experiment]]\nname = \"ab\"\nunit = \"{unit}\"\nprimary = \"error\"\n{lines}\n"
    )
}

/// A control, an arm that keeps its bounds, and one that may not.
const THREE: &str = "arms = [\n  { name = \"old\", share = 0.3, route = [\"good\"] },\n\
     \x20 { name = \"near\", share = 0.3, route = [\"near\"] },\n\
     \x20 { name = \"new\", share = 0.4, route = [\"bad\"] },\n]\n";

fn setup([good, near, bad]: [&SimBackend; 3], policy: &str) -> Setup {
    Setup::new()
        .operated()
        .model("good", &good.urls())
        .priced("near", &near.urls(), ("1.80", "3.60"), "")
        .priced("bad", &bad.urls(), ("10.00", "20.00"), "")
        .and("[policy]\nfile = \"policy.toml\"\n")
        .file("policy.toml", policy)
}

async fn one(gateway: &Gateway) -> Value {
    gateway.operator("/admin/v1/experiments/ab").await.json()
}

async fn asked(gateway: &Gateway) -> Reply {
    gateway.ask(&ask("auto")).await
}

async fn tell(gateway: &Gateway, answer: &Reply, value: bool) {
    let id = answer.header("x-signalbox-id");
    let body = json!({ "request_id": id, "name": "success", "value": value }).to_string();
    let told = client().post(gateway.url("/v1/feedback")).bearer_auth(KEY).body(body);
    assert_eq!(Reply::of(told).await.status, 202);
}

/// Asks until the arm `new` is rolled back, and so often that the others have shown what they are. Callers of
/// `new` never have what they want, every second one of the others has.
async fn until_rolled_back(gateway: &Gateway) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::<String, usize>::new();
    for at in 0..400 {
        let answer = asked(gateway).await;
        let arm = answer.header(HEADER).to_owned();
        if answer.status == 200 && !arm.is_empty() {
            let liked = arm != "ab=new" && seen.get(&arm).is_none_or(|it| it % 2 == 0);
            tell(gateway, &answer, liked).await;
        }
        *seen.entry(arm).or_default() += 1;
        let enough = |arm: &str| seen.get(arm).is_some_and(|it| *it >= 25);
        if enough("ab=old") && enough("ab=near") && one(gateway).await["state"] == "rolled_back" {
            return seen;
        }
        assert!(at < 399, "{seen:?}: {}", one(gateway).await);
    }
    seen
}

/// Columns of the newest entries, the newest first.
fn newest(gateway: &Gateway, column: &str, count: u32) -> Vec<Option<String>> {
    let connection = Connection::open(gateway.ledger()).expect("the ledger");
    let sql = format!("SELECT {column} FROM ledger ORDER BY id DESC LIMIT {count}");
    let mut select = connection.prepare(&sql).expect("the view");
    select.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("rows")
}

/// One bound, which the arm `new` breaks and the arm `near` nearly does.
async fn rolls_back(metric: &str, bound: &str, bad: SimBackend) {
    let (good, near) = (SimBackend::start(), SimBackend::start());
    let policy = policy("request", &format!("{THREE}guard = {{ {bound}, requests_min = 5 }}\n"));
    let gateway = setup([&good, &near, &bad], &policy).start().await;
    assert_eq!(one(&gateway).await["state"], "running");
    let guard = async |arm: &str| {
        let labels = ["experiment=\"ab\"".to_owned(), format!("arm=\"{arm}\"")];
        let labels = [&*labels[0], &*labels[1], &*format!("metric=\"{metric}\"")];
        gateway.metrics().await.sum("signalbox_experiment_guard", &labels)
    };
    assert_eq!(guard("new").await, 0.0);
    if metric == "error" {
        // One failure of some 30 requests is above the bound, and no evidence.
        near.fail_times(InjectedFault::Status500, 1).await;
    }
    let seen = until_rolled_back(&gateway).await;
    assert!(seen["ab=new"] >= 5, "not before `requests_min`: {seen:?}");
    let it = one(&gateway).await;
    let [old, near, new] = [0, 1, 2].map(|at| it["arms"][at].clone());
    assert_eq!(
        (&new["guard"][0]["metric"], &new["guard"][0]["state"]),
        (&json!(metric), &json!("broken")),
        "{it}"
    );
    assert_eq!(new["rolled_back"]["by"], "guard", "{it}");
    for arm in [&old, &near] {
        assert_eq!(
            (&arm["rolled_back"], &arm["guard"][0]["state"]),
            (&Value::Null, &json!("ok")),
            "{it}"
        );
    }
    assert_eq!((guard("new").await, guard("near").await, guard("old").await), (1.0, 0.0, 0.0));

    the_others_go_on(&gateway, &bad).await;
    // It stands in the books, once.
    let changes = async || {
        let reader = Reader::open(&gateway.ledger()).expect("a ledger");
        let changes = reader.experiment_changes().expect("its changes");
        let words = |it: &signalbox::outcome::ExperimentChange| {
            (it.change.name().to_owned(), it.arm.as_deref().map(str::to_owned), it.by.to_string())
        };
        changes.iter().map(words).collect::<Vec<_>>()
    };
    let rolled_back = ("rolled_back".to_owned(), Some("new".to_owned()), "guard".to_owned());
    wait::answers("the record", vec![rolled_back], changes).await;
    gateway.close().await;
}

/// The arm's requests get the control's route and name no arm; the others go on.
async fn the_others_go_on(gateway: &Gateway, bad: &SimBackend) {
    let before = bad.seen().requests;
    let mut after = BTreeSet::new();
    for _ in 0..30 {
        let answer = asked(gateway).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let arm = answer.header(HEADER).to_owned();
        let model = if arm == "ab=near" { "near" } else { "good" };
        assert_eq!(answer.header("x-signalbox-model"), model, "{arm}");
        after.insert(arm);
    }
    assert_eq!(bad.seen().requests, before);
    let expected = ["", "ab=near", "ab=old"].map(str::to_owned);
    assert_eq!(after, BTreeSet::from(expected));
    let arms: BTreeSet<_> =
        newest(gateway, "arm", 30).into_iter().map(Option::unwrap_or_default).collect();
    assert_eq!(arms, ["", "near", "old"].map(str::to_owned).into(), "of the entries");
}

#[tokio::test]
async fn an_arm_that_fails_too_often_is_rolled_back() {
    rolls_back("error", "error_rate_max = 0.03", SimBackend::failing(InjectedFault::Status500))
        .await;
}

#[tokio::test]
async fn an_arm_that_is_too_slow_is_rolled_back() {
    let slow = SimBackend::with(quick().fixed(800, 1, 0));
    rolls_back("first_token_ms", "first_token_p95_ms_max = 700", slow).await;
}

/// An answer costs some 2, 3.6 and 20 millionths a token.
#[tokio::test]
async fn an_arm_that_is_too_dear_is_rolled_back() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let probe = setup(up.each_ref(), &policy("request", THREE)).start().await;
    let cost = async |model: &str| -> f64 {
        let answer = probe.ask(&ask(model)).await;
        let cost = answer.header("x-signalbox-cost").parse();
        cost.unwrap_or_else(|_| panic!("{} {:?} {}", answer.status, answer.headers, answer.text()))
    };
    let (near, dear) = (cost("near").await, cost("bad").await);
    assert!(dear > 3.0 * near, "{near} {dear}");
    probe.close().await;
    let bound = near * 1.15;
    rolls_back("cost", &format!("cost_mean_max = \"{bound:.9}\""), SimBackend::start()).await;
}

#[tokio::test]
async fn an_arm_that_its_callers_do_not_like_is_rolled_back() {
    rolls_back("success", "feedback_min = { success = 0.45 }", SimBackend::start()).await;
}

/// Runs a command beside the gateway; its exit code and both of its texts.
async fn run(gateway: &Gateway, arguments: &[&str]) -> (i32, String, String) {
    let config = gateway.ledger().with_file_name("signalbox.toml");
    let out = binary::run(&config, arguments).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

async fn report(gateway: &Gateway) -> Value {
    let (code, json, error) = run(gateway, &["experiment", "report", "ab", "--json"]).await;
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&json).expect("JSON")
}

/// What the contract says of a report: each field and what it holds.
fn is_report(it: &Value) {
    let all = |place: &Value, names: &[&str]| {
        for name in names {
            assert!(place.get(name).is_some(), "`{name}` is missing: {place}");
        }
    };
    let top =
        "experiment state since unit alpha holdout arms comparisons srm guard segments verdict";
    all(it, &top.split(' ').collect::<Vec<_>>());
    all(&it["holdout"], &["units", "requests"]);
    all(&it["srm"], &["p", "ok"]);
    all(&it["verdict"], &["decision", "arm", "text"]);
    let list = |name: &str| it[name].as_array().expect("a list").clone();
    for arm in list("arms") {
        all(&arm, &["name", "control", "share", "units", "requests", "metrics"]);
        let metrics = arm["metrics"].as_object().expect("by name");
        let all_there = metrics.contains_key("error") && metrics.contains_key("cost");
        assert!(all_there || arm["units"] == 0, "{arm}");
        metrics.values().for_each(|metric| all(metric, &["n", "mean", "low", "high"]));
    }
    for comparison in list("comparisons") {
        let names = "arm control metric primary difference low high significant";
        all(&comparison, &names.split(' ').collect::<Vec<_>>());
    }
    list("guard").iter().for_each(|it| all(it, &["arm", "metric", "value", "bound", "state"]));
    let decisions = ["ship", "keep_control", "continue", "stop"];
    assert!(decisions.contains(&it["verdict"]["decision"].as_str().expect("a word")), "{it}");
}

#[tokio::test]
async fn lists_and_reports_are_read_beside_a_gateway_that_serves() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let guard = format!("{THREE}guard = {{ error_rate_max = 0.1 }}\n");
    let gateway = setup(up.each_ref(), &policy("user", &guard)).start().await;
    let before = report(&gateway).await;
    is_report(&before);
    assert_eq!(before["since"], Value::Null, "nothing has been asked");
    for user in 0..30 {
        let body = with(ask("auto"), json!({ "user": format!("u{user}") }));
        assert_eq!(gateway.ask(&body).await.status, 200);
    }
    gateway
        .until(|books| books.entries.iter().filter(|it| it.state == "settled").count() == 30)
        .await;
    let report = report(&gateway).await;
    is_report(&report);
    let units: u64 = (0..3).filter_map(|at| report["arms"][at]["units"].as_u64()).sum();
    assert_eq!((&report["state"], units), (&json!("running"), 30), "{report}");
    assert!(report["since"].as_str().is_some_and(|it| it.starts_with("20")), "{report}");
    let (code, table, _) = run(&gateway, &["experiment", "report", "ab"]).await;
    assert!(code == 0 && table.contains("near") && table.contains("running"), "{table}");
    let (code, paper, _) =
        run(&gateway, &["experiment", "report", "ab", "--format", "markdown"]).await;
    assert!(code == 0 && paper.starts_with("# "), "{paper}");
    let folder = gateway.ledger().with_file_name("paper");
    let out = folder.display().to_string();
    let (code, text, written) = run(&gateway, &["experiment", "report", "ab", "--out", &out]).await;
    assert_eq!((code, &*text), (0, ""), "{written}");
    let written = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it is written");
    assert!(written("ab.md").contains("ab.svg") && written("ab.svg").contains("<svg"));
    let (code, _, error) = run(&gateway, &["experiment", "report", "ba"]).await;
    assert!(code == 2 && error.contains("an experiment of the policy: ab"), "{code}: {error}");

    the_lists_are_read(&gateway).await;
    what_is_no_experiment_is_not_found(&gateway).await;
    gateway.close().await;
}

async fn the_lists_are_read(gateway: &Gateway) {
    let (code, list, _) = run(gateway, &["experiment", "list"]).await;
    assert!(code == 0 && list.contains("ab") && list.contains("old, near, new"), "{list}");
    let (code, list, _) = run(gateway, &["experiment", "list", "--json"]).await;
    let line: Value = serde_json::from_str(&list).expect("one line");
    assert_eq!((code, &line["experiment"], &line["state"]), (0, &json!("ab"), &json!("running")));
    let url = format!("http://{}", gateway.admin_addr());
    let live = ["experiment", "list", "--live", "--url", &url];
    let (code, list, _) = run(gateway, &live).await;
    assert!(code == 0 && list.starts_with("ab: running, 100 %") && list.contains("near"), "{list}");
    let (code, list, _) = run(gateway, &[&live[..], &["--json"]].concat()).await;
    let live: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!((code, &live), (0, &gateway.operator("/admin/v1/experiments").await.json()));
    assert_eq!(live["experiments"], json!([one(gateway).await]));
}

async fn what_is_no_experiment_is_not_found(gateway: &Gateway) {
    for (name, status) in [
        ("ba", 404),
        ("ab%2F", 404),
        ("%00", 404),
        ("%FF", 404),
        ("AB", 404),
        ("..%2f..%2fkeys", 404),
        ("ab%20", 404),
        (&*"x".repeat(4_000), 404),
    ] {
        let reply = gateway.operator(&format!("/admin/v1/experiments/{name}")).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(
            (&error["code"], &error["param"]),
            (&json!("experiment_not_found"), &json!("name")),
            "{error}"
        );
        assert!(reply.text().len() < 1_000, "{}", reply.text());
    }
}

/// The arm of each of these users.
async fn arms(gateway: &Gateway, users: usize) -> Vec<String> {
    let mut arms = Vec::new();
    for user in 0..users {
        let answer = gateway.ask(&with(ask("auto"), json!({ "user": format!("u{user}") }))).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        arms.push(answer.header(HEADER).to_owned());
    }
    arms
}

#[tokio::test]
async fn an_edit_of_arms_is_a_new_version_and_whoever_can_keeps_his_arm() {
    let up = [SimBackend::start(), SimBackend::start(), SimBackend::start()];
    let lines = |arms: &[(&str, f64, &str)], more: &str| {
        let one = |(name, share, model): &(&str, f64, &str)| {
            format!("{{ name = \"{name}\", share = {share}, route = [\"{model}\"] }}")
        };
        format!("arms = [{}]\n{more}\n", arms.iter().map(one).collect::<Vec<_>>().join(", "))
    };
    let two = lines(&[("old", 0.5, "good"), ("near", 0.5, "near")], "");
    let whole = |lines: &str| setup(up.each_ref(), &policy("user", lines));
    let gateway = whole(&two).start().await;
    let version = async || one(&gateway).await["version"].as_str().expect("a text").to_owned();
    let since = async || report(&gateway).await["since"].clone();
    let reloaded = async |lines: &str| {
        let done = gateway.reload(&whole(lines)).await;
        assert!(matches!(done, Reloaded::InForce { .. }), "{done:?}");
    };
    let (first, first_version) = (arms(&gateway, 40).await, version().await);
    assert_ne!(since().await, Value::Null);

    // A share of those who take part, or a guard, is no new version.
    reloaded(&format!("{two}enrol = 0.9\nguard = {{ error_rate_max = 0.5 }}")).await;
    assert_eq!(version().await, first_version);
    reloaded(&two).await;
    assert_eq!((version().await, arms(&gateway, 40).await), (first_version.clone(), first.clone()));

    // An arm more: who does not get it keeps what he had. Another control: everybody keeps it.
    let three = [("old", 0.4, "good"), ("near", 0.4, "near"), ("new", 0.2, "bad")];
    reloaded(&lines(&three, "")).await;
    assert_ne!(version().await, first_version);
    assert_eq!(since().await, Value::Null, "nothing was asked of this version yet");
    let more = arms(&gateway, 40).await;
    let moved: Vec<_> = first.iter().zip(&more).filter(|(before, now)| before != now).collect();
    assert!((1..=20).contains(&moved.len()), "{moved:?}");
    assert!(moved.iter().all(|(_, now)| *now == "ab=new"), "{moved:?}");
    assert_ne!(since().await, Value::Null);
    let second_version = version().await;
    reloaded(&lines(&three, "control = \"near\"")).await;
    assert_ne!(version().await, second_version);
    assert_eq!(arms(&gateway, 40).await, more);
    assert_eq!(one(&gateway).await["arms"][1]["control"], true);
    let versions: BTreeSet<_> =
        newest(&gateway, "experiment_version", 10_000).into_iter().collect();
    assert_eq!(versions.len(), 3, "{versions:?}");

    // Back to the first one: what was asked of it counts, and everybody has his arm again.
    reloaded(&two).await;
    assert_eq!((version().await, arms(&gateway, 40).await), (first_version.clone(), first));
    let report = report(&gateway).await;
    let requests: u64 = (0..2).filter_map(|at| report["arms"][at]["requests"].as_u64()).sum();
    assert_eq!((&report["version"], requests), (&json!(first_version), 120), "{report}");

    // By another unit it is another version as well.
    let by_request = setup(up.each_ref(), &policy("request", &two));
    gateway.reload(&by_request).await;
    assert_ne!(version().await, first_version);
    assert_eq!(one(&gateway).await["arms"][0]["requests"], 0, "other units are other evidence");
    gateway.close().await;
}

/// What was rolled back is so for its version, whenever that is in force; what was stopped stays so.
#[tokio::test]
async fn a_rollback_belongs_to_its_version_and_a_stop_to_the_experiment() {
    let (good, near) = (SimBackend::start(), SimBackend::start());
    let bad = SimBackend::failing(InjectedFault::Status500);
    let guard = "guard = { error_rate_max = 0.03, requests_min = 5 }\n";
    let whole =
        |arms: &str| setup([&good, &near, &bad], &policy("user", &format!("{arms}{guard}")));
    let other = THREE.replace("route = [\"bad\"]", "route = [\"good\"]");
    let gateway = whole(THREE).start().await;
    for at in 0..60 {
        gateway.ask(&with(ask("auto"), json!({ "user": format!("u{at}") }))).await;
    }
    assert_eq!(one(&gateway).await["state"], "rolled_back");
    let back = arms(&gateway, 40).await;
    assert!(!back.iter().any(|arm| arm == "ab=new"), "{back:?}");
    gateway.reload(&whole(&other)).await;
    // At once, and not only when somebody looks at it.
    let live = arms(&gateway, 40).await;
    assert_eq!(one(&gateway).await["state"], "running");
    assert!(live.iter().any(|arm| arm == "ab=new"), "{live:?}");
    gateway.reload(&whole(THREE)).await;
    assert_eq!(arms(&gateway, 40).await, back, "the same version is rolled back as before");
    assert_eq!(one(&gateway).await["state"], "rolled_back");
    let url = format!("http://{}/admin/v1/experiments/ab/stop", gateway.admin_addr());
    let stop = Reply::of(client().post(url).bearer_auth(KEY).body(r#"{"reason": "why"}"#)).await;
    assert_eq!(stop.status, 200, "{}", stop.text());
    gateway.reload(&whole(&other)).await;
    assert_eq!(one(&gateway).await["state"], "stopped", "an edit does not start what was stopped");
    assert!(arms(&gateway, 20).await.iter().all(String::is_empty));
    // A renamed experiment is another one.
    let named = policy("user", &other).replace("\"ab\"", "\"abc\"");
    gateway.reload(&setup([&good, &near, &bad], &named)).await;
    assert!(arms(&gateway, 20).await.iter().all(|arm| arm.starts_with("abc=")));
    assert_eq!(gateway.operator("/admin/v1/experiments/ab").await.status, 404);
    gateway.close().await;
}

#[test]
fn a_rule_has_one_experiment_and_an_experiment_one_name() {
    let up = || "http://127.0.0.1:9/v1".to_owned();
    let two = "arms = [{ name = \"old\", share = 0.5, route = [\"good\"] }, \
               { name = \"new\", share = 0.5, route = [\"good\"] }]\n";
    let whole = policy("user", two);
    for (policy, path, told) in [
        (
            whole.replace("experiment = \"ab\"\n", "experiment = [\"ab\", \"cd\"]\n"),
            "rule[0]",
            "a list",
        ),
        (
            whole.replace("experiment = \"ab\"\n", "experiment = \"ab\"\nexperiment = \"ab\"\n"),
            "",
            "for the second time",
        ),
        (whole.replace("experiment = \"ab\"\n", "experiment = \"ba\"\n"), "rule[0]", "found `ba`"),
        (
            format!(
                "{whole}[[experiment]]\nname = \"ab\"\nunit = \"user\"\nprimary = \"error\"\n{two}"
            ),
            "experiment[1]",
            "ab",
        ),
    ] {
        let setup = Setup::new().model("good", &[up()]).and("[policy]\nfile = \"policy.toml\"\n");
        let folder = setup.file("policy.toml", &policy).write();
        let faults = config::load(Some(&folder.config())).expect_err("a wrong policy");
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let found = text.iter().any(|it| it.contains(path) && it.contains(told));
        assert!(found, "{path} {told}: {text:#?}");
    }
}
