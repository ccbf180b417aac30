//! What was charged agrees with the view `ledger`, and entries are followed to their end.

use std::collections::BTreeMap;

use super::*;

const FIRST_MS: i64 = sample::STARTED_MS;

fn span(from_ms: i64, to_ms: i64) -> Span {
    Span { from_ms, to_ms }
}

const ALL: Apart = Apart { caller: true, shape: true, model: true };

/// A request of this number, begun so much later, of this language.
fn request(number: u64, after_ms: i64, language: Language) -> Arc<Opened> {
    let signals = sample::signals(language, Task::Chat);
    let mut opened = Opened::clone(&sample::opened_with(number, sample::names(), signals));
    opened.started_at_ms += after_ms;
    Arc::new(opened)
}

/// What the view says of the time of a span, by language: requests, tokens and nano-units.
fn viewed(folder: &Folder, it: Span) -> BTreeMap<String, (i64, i64, i64)> {
    let connection = Connection::open(folder.file()).unwrap();
    let mut select = connection
        .prepare(
            "SELECT language, count(*), sum(coalesce(input_tokens + cached_input_tokens + \
             cache_write_tokens + output_tokens + reasoning_tokens, 0)), sum(cost_nano) FROM ledger \
             WHERE state <> 'open' AND started_at >= ?1 AND started_at < ?2 GROUP BY 1",
        )
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?)));
    let rows = select.query_map([it.from_ms, it.to_ms].map(started_at), row).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

/// The same from the sums.
fn charged(charges: &Charges, span: usize) -> BTreeMap<String, (i64, i64, i64)> {
    let mut found = BTreeMap::new();
    for sum in charges.sums.iter().filter(|it| it.span == span && it.charged.requests > 0) {
        let at: &mut (i64, i64, i64) = found.entry(sum.labels.language.clone()).or_default();
        at.0 += sum.charged.requests.cast_signed();
        at.1 += sum.charged.tokens.iter().sum::<u64>().cast_signed();
        at.2 += i64::try_from(sum.charged.cost_nano).unwrap();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Each entry is in the one span in which it began, at what it cost.
    #[test]
    fn charges_are_those_of_the_view(
        requests in prop::collection::vec((0..5_000_i64, 0..3_usize, any::<bool>()), 1..40),
        mut bounds in prop::collection::vec(0..5_000_i64, 1..5),
    ) {
        bounds.push(5_000);
        bounds.sort_unstable();
        bounds.dedup();
        let folder = Folder::new("charges");
        let mut store = folder.open();
        for (number, (after_ms, language, ends)) in (1..).zip(&requests) {
            let language = [Language::Ms, Language::En, Language::Th][*language];
            let opened = request(number, *after_ms, language);
            let group = if *ends { whole([sample::outcome(opened)]) } else { opens([opened]) };
            store.write(&group).unwrap();
        }
        let spans = bounds.windows(2).map(|it| span(FIRST_MS + it[0], FIRST_MS + it[1]));
        let spans: Vec<Span> = spans.collect();
        for apart in [ALL, Apart { shape: true, ..Apart::default() }] {
            let charges = folder.reader().charges(&spans, apart).unwrap();
            for (at, span) in spans.iter().enumerate() {
                prop_assert_eq!(charged(&charges, at), viewed(&folder, *span));
            }
            let open: u64 = charges.sums.iter().map(|it| it.charged.open).sum();
            let within = |ms: i64| (bounds[0]..5_000).contains(&ms);
            let left = requests.iter().filter(|(ms, _, ends)| !ends && within(*ms)).count();
            prop_assert_eq!(open, left as u64);
        }
    }
}

#[test]
fn labels_are_those_of_then_and_only_what_is_asked_for() {
    let folder = Folder::new("charge-labels");
    let mut store = folder.open();
    store.write(&whole([sample::outcome(request(1, 0, Language::Ms))])).unwrap();
    store.write(&opens([request(2, 0, Language::Ms)])).unwrap();
    let spans = [span(FIRST_MS, FIRST_MS + 1)];
    let charges = folder.reader().charges(&spans, ALL).unwrap();
    let labels = ChargeLabels {
        currency: "USD".into(),
        price_version: "ccdd".into(),
        teams: ["retail".into(), "bank".into()].into(),
        key: "chatbot".into(),
        language: "ms".into(),
        task: "chat".into(),
        rule: "malay".into(),
        model: Some("qwen".into()),
    };
    let ended = charges.sums.iter().find(|it| it.charged.requests == 1).unwrap();
    assert_eq!(*ended.labels, labels);
    assert_eq!((ended.charged.tokens, ended.charged.cost_nano), ([90, 10, 0, 40, 1], 1_234));
    let open = charges.sums.iter().find(|it| it.charged.open == 1).unwrap();
    assert_eq!((&open.labels.model, open.charged.reserved_nano), (&None, 5_000));
    assert_eq!(charges.teams.iter().collect::<Vec<_>>(), ["bank", "retail"]);
    let whole = folder.reader().charges(&spans, Apart::default()).unwrap();
    assert_eq!(whole.sums.len(), 1, "{whole:?}");
    assert_eq!((whole.sums[0].charged.requests, whole.sums[0].charged.open), (1, 1));
    assert_eq!(whole.sums[0].labels.teams.len(), 0);
}

#[test]
fn a_recovered_entry_counts_at_what_it_reserved() {
    let folder = Folder::new("charge-recovered");
    let mut store = folder.open();
    store.write(&opens([request(1, 0, Language::Ms)])).unwrap();
    drop(store);
    drop(folder.open());
    let charges = folder.reader().charges(&[span(FIRST_MS, FIRST_MS + 1)], ALL).unwrap();
    let [sum] = &*charges.sums else { panic!("{charges:?}") };
    assert_eq!((sum.charged.requests, sum.charged.recovered, sum.charged.open), (1, 1, 0));
    assert_eq!((sum.charged.cost_nano, sum.charged.recovered_nano), (5_000, 5_000));
}

#[test]
fn what_is_removed_is_known_by_its_balances() {
    let folder = Folder::new("charge-removed");
    let mut store = folder.open();
    store.keep(keeper(3));
    store.write(&whole((0..3).map(|number| on_day(number, 0)))).unwrap();
    store.write(&whole([on_day(9, 4)])).unwrap();
    let removed = |from_ms, to_ms| {
        let charges = folder.reader().charges(&[span(from_ms, to_ms)], Apart::default()).unwrap();
        let of = |it: &Removed| (it.at_ms > 0, it.teams.join("<"), it.requests, it.cost_nano);
        charges.removed.iter().map(of).collect::<Vec<_>>()
    };
    let later = FIRST_MS + 10 * DAY_MS;
    assert_eq!(removed(0, later), []);
    kept(&mut store, FIRST_MS + 5 * DAY_MS);
    let sum = (true, "retail<bank".to_owned(), 3, 3 * 1_234);
    assert_eq!(removed(0, later), vec![sum.clone()]);
    assert_eq!(removed(FIRST_MS - DAY_MS, FIRST_MS + 1), [sum]);
    assert_eq!(removed(FIRST_MS + DAY_MS, later), [], "that time is whole");
    // Later only the sum is left: it may be of any time before the oldest entry.
    store.write(&whole([on_day(10, 400)])).unwrap();
    kept(&mut store, FIRST_MS + 400 * DAY_MS);
    let sum = (false, "retail<bank".to_owned(), 4, 4 * 1_234);
    assert_eq!(removed(FIRST_MS + 300 * DAY_MS, later * 2), [sum]);
    assert_eq!(removed(FIRST_MS + 401 * DAY_MS, later * 2), []);
}

#[test]
fn entries_are_followed_in_whatever_order_they_end() {
    let folder = Folder::new("follow");
    let mut store = folder.open();
    let requests: Vec<_> =
        (0..6).map(|at| request(at, i64::try_from(at).unwrap() * 1_000, Language::Ms)).collect();
    let open = |store: &mut Sqlite, at: usize| {
        store.write(&opens([Arc::clone(&requests[at])])).unwrap();
    };
    let settle = |store: &mut Sqlite, at: usize| {
        store.write(&settles([sample::outcome(Arc::clone(&requests[at]))])).unwrap();
    };
    let reader = folder.reader();
    let read = |following: &mut Following| {
        let settled = reader.settled(following).unwrap();
        let id = |columns: &serde_json::Map<_, serde_json::Value>| {
            let id = columns["id"].as_str().unwrap();
            requests.iter().position(|it| it.id.to_string() == id).unwrap()
        };
        settled.entries.iter().map(id).collect::<Vec<_>>()
    };
    open(&mut store, 0);
    open(&mut store, 1);
    settle(&mut store, 0);
    let mut now = reader.follow(None).unwrap();
    assert_eq!(read(&mut now), [0_usize; 0], "what has ended before is past");
    open(&mut store, 2);
    open(&mut store, 3);
    settle(&mut store, 3);
    assert_eq!(read(&mut now), [3]);
    assert_eq!(read(&mut now), [0_usize; 0]);
    settle(&mut store, 1);
    settle(&mut store, 2);
    assert_eq!(read(&mut now), [1, 2]);
    // One that a crash has left open ends by its recovery, while it is followed.
    open(&mut store, 4);
    drop(store);
    assert_eq!(read(&mut now), [0_usize; 0]);
    let mut store = folder.open();
    assert_eq!(read(&mut now), [4]);
    open(&mut store, 5);
    settle(&mut store, 5);
    assert_eq!(read(&mut now), [5]);
    let mut since = reader.follow(Some(FIRST_MS + 2_000)).unwrap();
    assert_eq!(read(&mut since), [2, 3, 4, 5]);
    assert_eq!(read(&mut since), [0_usize; 0]);
}

#[test]
fn a_long_past_is_followed_in_steps() {
    let folder = Folder::new("follow-steps");
    let mut store = folder.open();
    let many = (0..1_005).map(|number| sample::outcome(request(number, 0, Language::Ms)));
    store.write(&whole(many)).unwrap();
    let reader = folder.reader();
    let mut following = reader.follow(Some(0)).unwrap();
    let mut read = || {
        let settled = reader.settled(&mut following).unwrap();
        (settled.entries.len(), settled.more)
    };
    assert_eq!([read(), read(), read()], [(1_000, true), (5, false), (0, false)]);
}
