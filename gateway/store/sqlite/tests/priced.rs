//! Each cost is reckoned again from the tokens and the prices that its entry names.

use crate::outcome::{AttemptRecord, AttemptResult};
use policies::{
    Counts,
    facts::{ModelFacts, ModelIndex, Price},
};
use rusqlite::Connection;

use super::*;

/// Prices of the models `a`, `b` and `free`.
fn priced() -> Arc<EpochInfo> {
    let price = |input, output| Price {
        input: Money::from_nano(input),
        output: Money::from_nano(output),
        ..Price::default()
    };
    let model = |id: &str, price| ModelFacts { id: id.into(), price, ..ModelFacts::default() };
    let mut names = EpochInfo::clone(&sample::names());
    let mut fleet = policies::facts::FleetFacts::clone(&names.fleet);
    fleet.models = vec![
        model("a", Some(price(1_000_001, 3_000_000))),
        model("b", Some(price(10_000_000, 20_000_000))),
        model("free %d}] \"x\"", None),
        model("twin", Some(price(1_000_001, 3_000_000))),
    ];
    names.fleet = Arc::new(fleet);
    names.policy = None;
    names.price_version = "abcd".into();
    Arc::new(names)
}

/// A request that these attempts served, for this much.
fn request(
    number: u64,
    attempts: &[(u16, AttemptResult)],
    tokens: (u32, u32),
    nano: i64,
) -> Outcome {
    let mut outcome = sample::outcome(sample::opened(number, &priced()));
    let one = outcome.attempt_log.attempts[0].clone();
    outcome.attempt_log.attempts = attempts
        .iter()
        .map(|(model, result)| AttemptRecord {
            model: ModelIndex(*model),
            result: Some(*result),
            ..one.clone()
        })
        .collect();
    outcome.attempt_log.committed =
        attempts.iter().position(|(_, it)| *it == AttemptResult::Ok).map(|at| at as u8);
    outcome.charge.usage.counts = Counts { input: tokens.0, output: tokens.1, ..Counts::default() };
    outcome.charge.cost = Money::from_nano(nano);
    outcome
}

/// What verifying says of these requests: entries priced and not, and the faults of costs.
fn found(test: &str, requests: Vec<Outcome>) -> (u64, u64, Vec<String>) {
    let folder = Folder::new(test);
    let mut store = folder.open();
    store.write(&whole(requests)).unwrap();
    let verified = folder.reader().verify().unwrap();
    // No policy of these models is kept.
    let faults = verified.faults.into_iter().filter(|it| it.contains("costs")).collect();
    (verified.priced, verified.unpriced, faults)
}

/// 100 and 10 tokens: 130.0001 nano-units of `a`, 1,200 of `b`.
const TOKENS: (u32, u32) = (100, 10);
use AttemptResult::{Cancelled, Connect, Cut, Ok as Whole, Status, Timeout};

#[test]
fn whatever_cost_the_gateway_can_charge_is_right() {
    let requests = vec![
        request(1, &[(0, Whole)], TOKENS, 131),
        request(2, &[(1, Cut)], TOKENS, 1_200),
        request(3, &[(2, Whole)], TOKENS, 0),
        request(4, &[], (0, 0), 0),
        request(5, &[(0, Status)], (0, 0), 0),
        // Nothing but the answer of `b` can have cost anything.
        request(6, &[(0, Connect), (0, Status), (1, Whole)], TOKENS, 1_200),
        // Each of two attempts at one price was rounded up.
        request(7, &[(0, Timeout), (3, Whole)], TOKENS, 131),
        request(8, &[(0, Timeout), (3, Whole)], TOKENS, 132),
        // Somewhere between both prices.
        request(9, &[(0, Timeout), (1, Whole)], TOKENS, 131),
        request(10, &[(0, Timeout), (1, Whole)], TOKENS, 700),
        request(11, &[(0, Cancelled), (1, Whole)], TOKENS, 1_201),
    ];
    assert_eq!(found("priced", requests), (8, 3, Vec::new()));
}

#[test]
fn a_cost_that_the_prices_do_not_make_is_named_with_what_they_make() {
    for (attempts, nano, told) in [
        (
            &[(0, Whole)][..],
            130,
            "costs 0.00000013, and by its tokens and the price table abcd it costs 0.000000131",
        ),
        (&[(0, Whole)], 132, "it costs 0.000000131"),
        (&[(2, Whole)], 1, "it costs 0"),
        (&[(0, Status)], 131, "it costs 0"),
        (&[(0, Timeout), (3, Whole)], 133, "it costs from 0.000000131 to 0.000000132"),
        (&[(0, Timeout), (1, Whole)], 130, "it costs from 0.000000131 to 0.000001201"),
        (&[(0, Timeout), (1, Whole)], 1_202, "it costs from 0.000000131 to 0.000001201"),
    ] {
        let (_, _, faults) = found("mispriced", vec![request(1, attempts, TOKENS, nano)]);
        assert!(faults.len() == 1 && faults[0].ends_with(told), "{attempts:?} {nano}: {faults:?}");
        assert!(faults[0].contains(&sample::id(1).to_string()), "{faults:?}");
    }
}

/// Whoever changes a cost with its balance and its checksum has the sums right, and the price against him;
/// and whoever changes the price, every entry.
#[test]
fn money_that_is_changed_by_hand_is_found_by_the_price_alone() {
    for (by_hand, faults) in [
        (
            "UPDATE entry_close SET cost_nano = cost_nano + 5; UPDATE balance SET cost_nano = cost_nano + 15",
            3,
        ),
        ("UPDATE price SET input_nano = input_nano + 1000000 WHERE model = 'qwen'", 3),
        ("UPDATE entry_close SET output_tokens = output_tokens + 1 WHERE seq = 2", 1),
        ("UPDATE result SET model = model", 0),
    ] {
        let folder = Folder::new("priced-by-hand");
        let mut store = folder.open();
        let one = |number| sample::outcome(sample::opened(number, &sample::names()));
        store.write(&whole((1..4).map(one))).unwrap();
        drop(store);
        let connection = Connection::open(folder.file()).unwrap();
        connection.execute_batch(by_hand).unwrap();
        let resealed = "UPDATE entry_close SET checksum = NULL; UPDATE price SET checksum = NULL;
                        UPDATE boot SET checksum = NULL; UPDATE entry SET checksum = NULL";
        connection.execute_batch(resealed).unwrap();
        let verified = folder.reader().verify().unwrap();
        assert_eq!(verified.faults.len(), faults, "{by_hand}: {:?}", verified.faults);
        assert_eq!(verified.priced, 3);
        assert!(verified.faults.iter().all(|it| it.contains("price table ccdd")), "{by_hand}");
    }
}

#[test]
fn what_was_recovered_costs_what_it_had_reserved_and_more_faults_are_counted() {
    let folder = Folder::new("priced-recovered");
    let mut store = folder.open();
    store.write(&opens((1..31).map(|number| sample::opened(number, &sample::names())))).unwrap();
    drop(store);
    drop(folder.open());
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.priced, verified.unpriced, verified.faults), (30, 0, Vec::new()));
    let connection = Connection::open(folder.file()).unwrap();
    let by_hand = "UPDATE entry_close SET cost_nano = 4999, checksum = NULL;
                   UPDATE balance SET cost_nano = 30 * 4999; UPDATE boot SET checksum = NULL;
                   UPDATE entry SET checksum = NULL";
    connection.execute_batch(by_hand).unwrap();
    let faults = folder.reader().verify().unwrap().faults;
    assert_eq!(faults.len(), 21);
    let told = "costs 0.000004999, and was recovered at its reservation, which was 0.000005";
    assert!(faults[0].ends_with(told), "{faults:?}");
    assert_eq!(faults[20], "10 more entries cost something else than by their price tables");
}

/// Where no prices are kept, as of an earlier version's entries, nothing is said of costs.
#[test]
fn an_entry_without_its_prices_is_counted_and_believed() {
    let folder = Folder::new("unpriced");
    let mut store = folder.open();
    store.write(&whole([sample::outcome(sample::opened(1, &sample::names()))])).unwrap();
    drop(store);
    let connection = Connection::open(folder.file()).unwrap();
    let earlier = "DELETE FROM price; DELETE FROM policy; \
                   DELETE FROM meta WHERE name = 'policies_from'";
    connection.execute_batch(earlier).unwrap();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.priced, verified.unpriced, verified.faults), (0, 1, Vec::new()));
}
