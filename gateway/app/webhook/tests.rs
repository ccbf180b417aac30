use policies::facts::{Money, Window};

use super::*;

fn alert(share: &str, spent: i64) -> BudgetAlert {
    BudgetAlert {
        team: Some("cards".into()),
        key: None,
        window: Window::Month,
        window_start: Some("2026-10-31T16:00:00Z".parse().unwrap()),
        share: config::Share::of(share.parse().unwrap()).unwrap(),
        spent: Money::from_nano(spent),
        limit: Money::from_nano(500_000_000_000),
    }
}

#[test]
fn a_signature_is_the_keyed_hash_of_moment_and_body() {
    // `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec-0123456789abcdef`
    let found = signature(&Secret::new("whsec-0123456789abcdef"), 1_700_000_000, "{\"a\":1}");
    assert_eq!(
        found,
        "t=1700000000,v1=d77c78ac4da074c56908b55eac30358b2a7bfc573be4c76819af5102e8dcf939"
    );
}

#[test]
fn the_same_share_of_the_same_window_has_the_same_id_whoever_tells_it() {
    let at = |text: &str| text.parse().unwrap();
    let (now, later) = (at("2026-11-23T12:00:00Z"), at("2026-11-23T12:00:05Z"));
    let (id, body) = message(&alert("0.8", 400_000_000_001), now, "EUR");
    let it: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "id": id.to_string(), "type": "budget.alert", "at": "2026-11-23T12:00:00Z",
        "owner": { "team": "cards" }, "window": "month", "window_start": "2026-10-31T16:00:00Z",
        "share": 0.8, "spent": "400.000000001", "limit": "500", "currency": "EUR",
    });
    assert_eq!(it, expected);
    assert_eq!(message(&alert("0.8", 410_000_000_000), later, "EUR").0, id);
    assert_ne!(message(&alert("1", 400_000_000_001), now, "EUR").0, id);
    let key = BudgetAlert { team: None, key: Some("cards".into()), ..alert("0.8", 1) };
    assert_ne!(message(&key, now, "EUR").0, id, "a key of the team's name is another owner");
    let next = BudgetAlert { window_start: None, ..alert("0.8", 1) };
    assert_ne!(message(&next, now, "EUR").0, id);
}
