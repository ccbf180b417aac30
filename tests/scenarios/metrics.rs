//! What a scrape says: true, valid, and no longer however many callers make up names.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{
    Gateway, KEY, Setup, SimBackend, ask,
    exposition::{Exposition, promtool},
    streamed, wait, with,
};

async fn scraped(gateway: &Gateway) -> Exposition {
    Exposition::of(&gateway.admin("/metrics").await.text())
}

/// A licence and a version as nobody should write them, and somebody may.
const NASTY: &str = "MIT \"or\" \\so\nup 1\r\u{2028}模型 {le=\"1\"} 7";

/// A gateway with something of everything that has a metric.
async fn of_everything(up: &SimBackend) -> Gateway {
    let licence = format!("licence = {}\nfamily = \"qwen3\"\nzone = \"on_prem\"\n", json!(NASTY));
    let budgets = "[[team]]\nname = \"cards\"\nbudget = [{ amount = \"5\", window = \"day\" }, \
                   { amount = \"90.5\", window = \"week\" }, { amount = \"7\", window = \"total\", \
                   hard = false }]\n";
    let setup = Setup::new().model_with("a", &up.urls(), &licence).and(budgets);
    setup.key("team = \"cards\"\n").start().await
}

#[tokio::test]
async fn a_scrape_is_valid_by_the_letter_and_by_prometheus_own_tool() {
    let up = SimBackend::start();
    let gateway = of_everything(&up).await;
    for request in [ask("a"), streamed("a"), ask("nobody")] {
        gateway.ask(&request).await;
    }
    let text = gateway.admin("/metrics").await.text();
    let all = Exposition::of(&text);
    let info = all.named("signalbox_model_info").next().expect("a model");
    assert_eq!(info.label("licence"), NASTY);
    assert_eq!((info.label("family"), info.label("zone"), info.value), ("qwen3", "on_prem", 1.0));
    let said = promtool(&text);
    assert!(said.as_deref().unwrap_or_default().is_empty(), "{said:?}\n{text}");
    gateway.close().await;
}

#[tokio::test]
async fn a_help_text_says_in_what_its_metric_is_measured() {
    let up = SimBackend::start();
    let gateway = of_everything(&up).await;
    gateway.ask(&streamed("a")).await;
    for (name, help) in scraped(&gateway).await.helps {
        let unit = match &*name {
            it if it.contains("_seconds") => "econds",
            it if it.ends_with("_bytes") => "ytes",
            it if it.ends_with("_total") && !it.contains("_cost_") => "Number of",
            it if it.contains("_budget_") && !it.ends_with("_hard") => "in units of the currency",
            "signalbox_cost_total" | "signalbox_price" => "in units of the ledger's currency",
            it if it.ends_with("_info") => "always 1",
            _ => "",
        };
        let counted = help.starts_with("Number of") || help.contains("1 or 0");
        assert!(help.contains(unit) && (!unit.is_empty() || counted), "{name}: {help}");
    }
    gateway.close().await;
}

#[tokio::test]
async fn budgets_of_every_window_prices_and_expiries_are_there() {
    let up = SimBackend::start();
    let gateway = of_everything(&up).await;
    gateway.ask(&ask("a")).await;
    let all = scraped(&gateway).await;
    let spent = all.value("signalbox_cost_total", &[]).expect("a charge");
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    for (window, limit, hard, days) in
        [("day", 5.0, 1.0, Some(1.0)), ("week", 90.5, 1.0, Some(7.0)), ("total", 7.0, 0.0, None)]
    {
        let of = |name: &str| {
            let name = format!("signalbox_budget_{name}");
            all.value(&name, &[("team", "cards"), ("window", window), ("currency", "USD")])
        };
        assert_eq!((of("limit"), of("hard")), (Some(limit), Some(hard)), "{window}");
        assert_eq!((of("spent"), of("reserved")), (Some(spent), Some(0.0)), "{window}");
        let span = of("window_start_timestamp_seconds").zip(of("window_end_timestamp_seconds"));
        assert_eq!(span.map(|(from, until)| (until - from) / 86_400.0), days, "{window}");
        assert!(span.is_none_or(|(from, until)| from < now && until > now - 5.0), "{window}");
    }
    let price = |kind| all.value("signalbox_price", &[("model", "a"), ("type", kind)]);
    let prices = ["input", "cached_input", "cache_write", "output", "reasoning"].map(price);
    assert_eq!(prices, [1.0, 1.0, 1.0, 2.0, 2.0].map(Some));
    assert!(all.value("signalbox_ledger_disk_free_bytes", &[]).is_some_and(|it| it > 0.0));
    assert!(all.value("signalbox_attempt_seconds_count", &[("model", "a")]) == Some(1.0));
    assert!(all.value("process_start_time_seconds", &[]).is_some_and(|it| it <= now));
    assert!(all.value("process_cpu_seconds_total", &[]).is_some_and(|it| it > 0.0));
    gateway.close().await;
}

#[tokio::test]
async fn keys_that_expire_soon_are_counted_and_those_that_have_are_not() {
    let up = SimBackend::start();
    let key = |(at, days): (usize, i64)| {
        let moment = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days - 1);
        format!("[[key]]\nname = \"k{at}\"\nhash = \"hmac-sha256:{at:064x}\"\nexpires = {moment}\n")
    };
    let keys: String = [-3, 1, 7, 8, 30, 31, 400].into_iter().enumerate().map(key).collect();
    let gateway = Setup::new().model("a", &up.urls()).and(&keys).start().await;
    let all = scraped(&gateway).await;
    let within = |days| all.value("signalbox_keys_expiring", &[("within", days)]);
    assert_eq!((within("7d"), within("30d")), (Some(2.0), Some(4.0)));
    gateway.close().await;
}

#[tokio::test]
async fn the_gauge_of_readiness_says_what_readyz_does() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).server("drain_grace_ms = 60000\n");
    let gateway = setup.start().await;
    let ready = |all: &Exposition| {
        ["not_draining", "ledger", "backends"]
            .map(|check| all.value("signalbox_ready", &[("check", check)]).expect("a check"))
    };
    assert_eq!(ready(&scraped(&gateway).await), [1.0; 3]);
    assert_eq!(gateway.admin("/readyz").await.status, 200);
    up.kill(0).await;
    for _ in 0..3 {
        gateway.ask(&ask("a")).await;
    }
    wait::answers("no backend", 503, async || gateway.admin("/readyz").await.status).await;
    assert_eq!(ready(&scraped(&gateway).await), [1.0, 1.0, 0.0]);
    let (client, admin) = (gateway.client.clone(), format!("http://{}", gateway.admin_addr()));
    let page = async |path: &str| {
        let answer = client.get(format!("{admin}{path}")).send().await.expect("it still answers");
        answer.text().await.expect("a text")
    };
    let look = async {
        wait::found("it drains", async || {
            let text = page("/readyz").await;
            if text.contains("draining") { Ok(()) } else { Err(text) }
        })
        .await;
        ready(&Exposition::of(&page("/metrics").await))
    };
    // Its callers have a minute to notice; nobody waits for that here.
    tokio::select! {
        _ = gateway.close() => panic!("it has ended"),
        ready = look => assert_eq!(ready, [0.0, 1.0, 0.0]),
    }
}

/// What a configuration needs by itself, as the fault says that refuses less.
fn alone(setup: &Setup) -> usize {
    let folder = setup.write();
    let faults = signalbox::config::load(Some(&folder.config())).expect_err("too many lines");
    let [fault] = &*faults else { panic!("{faults:?}") };
    assert_eq!(fault.path, "metrics.series_max");
    let number = fault.expected.strip_prefix("at least ").and_then(|it| it.split(',').next());
    number.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{fault}"))
}

#[tokio::test]
async fn with_no_line_to_spare_languages_and_tasks_fold_and_sums_stay_right() {
    let up = SimBackend::start();
    let setup = |cap: usize| {
        let team = |at: usize| {
            format!(
                "[[team]]\nname = \"t{at}\"\nbudget = {{ amount = \"9\" }}\n\
                 [[key]]\nname = \"k{at}\"\nteam = \"t{at}\"\nhash = \"hmac-sha256:{at:064x}\"\n"
            )
        };
        let teams: String = (1..40).map(team).collect();
        let setup = ["a", "b", "c"].iter().fold(Setup::new(), |it, id| it.model(id, &up.urls()));
        setup.and(&format!("[metrics]\nseries_max = {cap}\n{teams}"))
    };
    let cap = alone(&setup(1_000));
    let gateway = setup(cap).start().await;
    let mut asked = 0;
    for model in ["a", "b", "c"] {
        for language in ["ms", "ta", "zh-Hans", "en", "th", "id"] {
            for task in ["banking", "coding", "chat", "math"] {
                let request = gateway.post(&streamed(model)).header("x-signalbox-task", task);
                let request = request.header("x-signalbox-language", language);
                assert_eq!(request.send().await.expect("an answer").status(), 200);
                asked += 1;
            }
        }
    }
    wait::answers("all are closed", f64::from(asked), async || {
        gateway.metrics().await.sum("signalbox_requests_total", &[])
    })
    .await;
    let all = scraped(&gateway).await;
    assert!(all.lines.len() <= cap, "{} lines of {cap}", all.lines.len());
    let folded = all.named("signalbox_series_folded_total").map(|it| it.value).sum::<f64>();
    assert!(folded > 0.0, "{} lines of {cap}", all.lines.len());
    let of = |label, value| all.named("signalbox_cost_total").any(|it| it.label(label) == value);
    assert!(!of("team", "other") && !of("model", "other") && !of("currency", "other"));
    gateway.close().await;
}

/// A hundred thousand in a full run.
fn many() -> usize {
    if std::env::var_os("SIGNALBOX_TEST_FULL").is_some() { 100_000 } else { 2_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_of_a_caller_makes_a_line() {
    let up = SimBackend::start();
    let setup = Setup::new().model("a", &up.urls()).and("[[team]]\nname = \"cards\"\n");
    let gateway = setup.start().await;
    let told = |nth: usize, random: u64| {
        let text = format!("{nth}-{random:x}-\"模型\\n");
        let body = match nth % 4 {
            0 => ask(&text),
            1 => with(ask("a"), json!({ "user": text })),
            2 => with(ask("a"), json!({ "messages": [{ "role": text, "content": text }] })),
            _ => ask("a"),
        };
        let mut request = gateway.post(&body);
        if nth % 4 == 3 {
            request = request
                .header("x-signalbox-session", format!("{random:x}"))
                .header("x-signalbox-tags", format!("k{random:x}=v{nth}"))
                .header("x-signalbox-language", ["ms", "ta", "en", "xx-unknown"][nth / 4 % 4])
                .header("x-request-id", format!("r{random:x}"))
                .header("user-agent", format!("agent/{random:x}"))
                .header(format!("x-{random:x}"), "1");
        }
        if nth % 16 == 5 {
            request = gateway.client.post(gateway.url(&format!("/v1/{random:x}"))).bearer_auth(KEY);
        } else if nth % 16 == 9 {
            let key = format!("sk-sb-{random:043x}");
            let url = gateway.url("/v1/chat/completions");
            request = gateway.client.post(url).bearer_auth(key).body(ask("a").to_string());
        }
        request
    };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut requests = 0..many();
    while !requests.is_empty() {
        let some = requests.by_ref().take(64).map(|nth| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(nth as u64 | 1);
            told(nth, random)
        });
        join_all(some.collect::<Vec<_>>().into_iter().map(|it| async {
            let answer = it.send().await.expect("an answer");
            answer.bytes().await.expect("a whole body")
        }))
        .await;
    }
    let all = scraped(&gateway).await;
    assert!(all.lines.len() < 1_000, "{} lines", all.lines.len());
    let values = |label| all.lines.iter().map(|it| it.label(label)).collect::<BTreeSet<_>>();
    assert_eq!(values("model"), BTreeSet::from(["", "a"]));
    assert_eq!(values("team"), BTreeSet::from(["", "default"]));
    assert!(values("language").len() <= 6, "{:?}", values("language"));
    let asked = |name| all.named(name).map(|it| it.value).sum::<f64>();
    let sum = asked("signalbox_requests_total") + asked("signalbox_refusals_total");
    assert!((sum - many() as f64).abs() < 0.5, "{sum} of {}", many());
    gateway.close().await;
}
