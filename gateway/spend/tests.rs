//! What is printed for sums that are known, and what always holds of it.

use proptest::prelude::*;

use super::*;
use crate::store::{ChargeLabels, ChargeSum, Charged};

pub(crate) const NOW: &str = "2026-11-29T16:05:00+00:00[UTC]";

pub(crate) fn window(since: &str, until: Option<&str>, now: &str) -> Window {
    let until = until.map(|it| point(it).unwrap());
    Window::between(point(since).unwrap(), until, &now.parse().unwrap()).unwrap()
}

pub(crate) fn sum(span: usize, teams: &[&str], model: Option<&str>, charged: Charged) -> ChargeSum {
    let labels = ChargeLabels {
        currency: "USD".to_owned(),
        price_version: "ccdd".to_owned(),
        teams: teams.iter().map(|it| (*it).to_owned()).collect(),
        key: "first".to_owned(),
        language: "ms".to_owned(),
        task: "banking".to_owned(),
        rule: "home".to_owned(),
        model: model.map(Into::into),
    };
    ChargeSum { span, labels: labels.into(), charged }
}

fn charged(requests: u64, cost_nano: i128) -> Charged {
    Charged {
        requests,
        tokens: [90, 10, 0, 40, 1].map(|it| it * requests),
        cost_nano,
        ..Charged::default()
    }
}

pub(crate) fn charges(sums: Vec<ChargeSum>) -> Charges {
    let team = |sum: &ChargeSum| sum.labels.teams.to_vec();
    let teams = sums.iter().flat_map(team).collect();
    Charges { sums, removed: Vec::new(), teams }
}

/// Three teams over two days: one row is of a request that a crash has cut, one request is open.
pub(crate) fn sample() -> Charges {
    let recovered = Charged { recovered: 1, recovered_nano: 5_000, ..charged(1, 5_000) };
    let recovered = Charged { tokens: [0; 5], ..recovered };
    let open = Charged { open: 1, reserved_nano: 30_000_000, ..Charged::default() };
    charges(vec![
        sum(0, &["retail", "bank"], Some("qwen"), charged(2, 1_500_000_000)),
        sum(0, &["retail", "bank"], None, recovered),
        sum(1, &["retail", "bank"], Some("qwen"), charged(1, 250_000_000)),
        sum(1, &["retail", "bank"], Some("qwen"), open),
        sum(1, &["bank"], Some("gemma"), charged(1, 249_995_000)),
        sum(1, &["other"], Some("gemma"), charged(4, 2_000_000_000)),
    ])
}

/// What a ledger with these charges answers.
pub(crate) fn answered(by: &[By], team: Option<&str>, charges: Charges) -> Answer {
    let (by, team) = (by.to_vec(), team.map(ToOwned::to_owned));
    let question = Question {
        window: window("yesterday", None, NOW),
        by,
        team,
        focus: false,
        true_cost: false,
        configured: false,
    };
    let days = question.window.days().unwrap();
    Answer { question, charges, real: None, days, attended: true }
}

fn printed(by: &[By], team: Option<&str>, form: Form, charges: Charges) -> String {
    answered(by, team, charges).document(form).unwrap()
}

#[test]
fn days_come_in_order_and_the_dearest_first_in_each() {
    let answer = answered(&[By::Team, By::Day], None, sample());
    let (text, beside) = (answer.document(Form::Csv).unwrap(), answer.report().notes());
    assert_eq!(
        text,
        "\
team,day,requests,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,\
cost,currency,share_percent
retail,2026-11-28,3,180,20,0,80,2,1.500005,USD,37.5
other,2026-11-29,4,360,40,0,160,4,2,USD,50.0
retail,2026-11-29,1,90,10,0,40,1,0.25,USD,6.3
bank,2026-11-29,1,90,10,0,40,1,0.249995,USD,6.2
"
    );
    // What is not in the rows does not disturb the program that reads them.
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn json_says_what_the_table_says() {
    let text = printed(&[By::Model], Some("retail"), Form::Json, sample());
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        report,
        serde_json::json!({
            "from": "2026-11-28T00:00:00.000Z", "to": "2026-11-29T16:05:00.000Z", "timezone": "UTC",
            "team": "retail", "by": ["model"],
            "rows": [
                { "model": "qwen", "requests": 3, "input_tokens": 270, "cached_input_tokens": 30,
                  "cache_write_tokens": 0, "output_tokens": 120, "reasoning_tokens": 3,
                  "cost": "1.75", "currency": "USD", "share_percent": 100.0 },
                { "model": null, "requests": 1, "input_tokens": 0, "cached_input_tokens": 0,
                  "cache_write_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0,
                  "cost": "0.000005", "currency": "USD", "share_percent": 0.0 },
            ],
            "sums": [
                { "requests": 4, "input_tokens": 270, "cached_input_tokens": 30,
                  "cache_write_tokens": 0, "output_tokens": 120, "reasoning_tokens": 3,
                  "cost": "1.750005", "currency": "USD", "recovered_requests": 1,
                  "recovered_cost": "0.000005", "open_requests": 1, "open_reserved": "0.03" },
            ],
            "removed": { "requests": 0, "cost": "0", "older_requests": 0, "older_cost": "0" },
            "left_open_requests": 0,
        })
    );
}

#[test]
fn focus_has_its_columns_and_a_row_for_each_day_and_set_of_labels() {
    let text = printed(&[], Some("bank"), Form::Focus, sample());
    let mut lines = text.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut ordered = heading.clone();
    ordered.sort_unstable_by_key(|name| (name.starts_with("x_"), *name));
    assert_eq!(heading, ordered);
    // Those that FOCUS 1.2 wants of everyone.
    for mandatory in [
        "BilledCost",
        "BillingAccountId",
        "BillingAccountName",
        "BillingCurrency",
        "BillingPeriodEnd",
        "BillingPeriodStart",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "ChargePeriodEnd",
        "ChargePeriodStart",
        "ContractedCost",
        "EffectiveCost",
        "InvoiceIssuerName",
        "ListCost",
        "PricingQuantity",
        "PricingUnit",
        "ProviderName",
        "PublisherName",
        "ServiceCategory",
        "ServiceName",
    ] {
        assert!(heading.contains(&mandatory), "{mandatory}");
    }
    assert_eq!(
        lines.next().unwrap(),
        "0.000005,bank,bank,Team,USD,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,,\
         \"1 request to (none), banking in ms; 1 recovered after a crash, charged with what was \
         reserved\",Usage-Based,2026-11-29T00:00:00Z,2026-11-28T00:00:00Z,0,Tokens,0.000005,0.000005,\
         Signalbox,0.000005,Standard,USD,0,Tokens,Signalbox,Signalbox,(none),(none),Model,\
         AI and Machine Learning,Signalbox,Generative AI,(none),Tokens,ccdd,retail,retail,Team,\
         \"{\"\"key\"\":\"\"first\"\",\"\"language\"\":\"\"ms\"\",\"\"rule\"\":\"\"home\"\",\
         \"\"task\"\":\"\"banking\"\"}\",0,0,0,0,0,1"
    );
    assert_eq!(lines.count(), 3);
    // Days and months of Singapore, in UTC as FOCUS wants it.
    let window =
        window("yesterday", Some("yesterday"), "2026-12-02T01:00:00+08:00[Asia/Singapore]");
    let days = window.days().unwrap();
    let of_one = charges(vec![sum(0, &["bank"], Some("m"), charged(1, 1))]);
    let text = focus::focus(&window, None, &of_one, &days).unwrap();
    assert!(text.contains(",2026-12-31T16:00:00Z,2026-11-30T16:00:00Z,Usage,"), "{text}");
    assert!(text.contains(",2026-12-01T16:00:00Z,2026-11-30T16:00:00Z,141,Tokens,"), "{text}");
}

#[test]
fn a_spreadsheet_takes_nothing_for_a_formula() {
    let cells =
        ["plain", "=1+1", "+1", "-1", "@x", "\tx", "a,b", "a\"b", "a\nb", "=a,\"b\"", " x", ""];
    let row = cells.map(|it| csv::Cell::Text(it.to_owned())).to_vec();
    let figures = ["-1", "0.5"].map(|it| csv::Cell::Plain(it.to_owned())).to_vec();
    let text = csv::document(["h"].into_iter(), [row, figures].into_iter());
    assert_eq!(
        text,
        "h\nplain,'=1+1,'+1,'-1,'@x,\"'\tx\",\"a,b\",\"a\"\"b\",\"a\nb\",\"'=a,\"\"b\"\"\",\" x\",\n-1,0.5\n"
    );
}

#[test]
fn money_is_exact_beyond_what_one_amount_can_be() {
    for (nano, text) in [
        (0, "0"),
        (1, "0.000000001"),
        (-1_500_000_000, "-1.5"),
        (12_000_000_000, "12"),
        (i128::from(i64::MAX) * 3, "27670116110.564327421"),
    ] {
        assert_eq!(decimal(nano), text);
    }
}

fn any_sums() -> impl Strategy<Value = Vec<ChargeSum>> {
    let teams = prop::sample::select(vec![vec!["a", "root"], vec!["b", "a", "root"], vec!["c"]]);
    let model = prop::sample::select(vec![Some("m"), Some("n"), None]);
    let currency = prop::sample::select(vec!["USD", "SGD"]);
    let one = (0..2_usize, teams, model, currency, 0..3_u64, 0..i64::MAX).prop_map(
        |(span, teams, model, currency, requests, cost)| {
            let cost = if requests > 0 { i128::from(cost) } else { 0 };
            let mut sum = sum(span, &teams, model, charged(requests, cost));
            std::sync::Arc::make_mut(&mut sum.labels).currency = currency.to_owned();
            sum
        },
    );
    prop::collection::vec(one, 0..20)
}

proptest! {
    /// Whatever rows are told apart by, they come to the same, and the sum is theirs.
    #[test]
    fn the_sum_is_that_of_the_rows(
        sums in any_sums(),
        by in prop::sample::subsequence(
            vec![By::Team, By::Key, By::Model, By::Language, By::Task, By::Rule, By::Day], 1..=7,
        ),
        team in prop::sample::select(vec![None, Some("a"), Some("root"), Some("c")]),
    ) {
        let charges = charges(sums);
        let window = window("yesterday", None, NOW);
        let days = window.days().unwrap();
        let team = team.map(ToOwned::to_owned);
        let of = |by| Report::of((window.clone(), by), team.clone(), (&charges, None), &days);
        let (report, whole) = (of(by), of(vec![By::Team]));
        prop_assert_eq!(&report.sums, &whole.sums);
        let mut all = std::collections::BTreeMap::<String, Charged>::new();
        for row in &report.rows {
            all.entry(row.currency.clone()).or_default().add(&row.charged);
            prop_assert!(report.share(row) <= 1_000);
        }
        let sums: Vec<_> = report.sums.iter().filter(|(_, sum)| sum.requests > 0).collect();
        prop_assert_eq!(all.iter().collect::<Vec<_>>(), sums);
        // Each row stands once.
        let labels = |row: &report::Row| (row.labels.clone(), row.currency.clone());
        let distinct: std::collections::BTreeSet<_> = report.rows.iter().map(labels).collect();
        prop_assert_eq!(distinct.len(), report.rows.len());
        // Every form says the same money: that of FOCUS, row by row, is the sum as well.
        let text = focus::focus(&window, team.as_deref(), &charges, &days).unwrap();
        let cost = |line: &str| line.split(',').next().map(nano).unwrap();
        let focused: i128 = text.lines().skip(1).map(cost).sum();
        prop_assert_eq!(focused, all.values().map(|it| it.cost_nano).sum::<i128>());
    }
}

/// A decimal in nano-units.
fn nano(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    whole.parse::<i128>().unwrap() * 1_000_000_000
        + format!("{fraction:0<9}").parse::<i128>().unwrap()
}

#[test]
fn a_team_is_asked_for_with_its_children_of_then() {
    let moved = || {
        charges(vec![
            sum(0, &["retail", "bank"], Some("m"), charged(1, 1)),
            sum(1, &["retail", "other"], Some("m"), charged(1, 10)),
        ])
    };
    let text = printed(&[By::Team], Some("bank"), Form::Csv, moved());
    assert!(text.contains("\nretail,1,90,10,0,40,1,0.000000001,USD,100.0\n"), "{text}");
    let text = printed(&[By::Team], Some("retail"), Form::Csv, moved());
    assert!(text.contains("\nretail,2,180,20,0,80,2,0.000000011,USD,100.0\n"), "{text}");
}
