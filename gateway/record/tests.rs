use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use policies::facts::Money;

use super::*;
use crate::{
    config::Durability,
    failure::{Kind, Stage},
    outcome::Ending,
    store::{Filter, Reader, Sqlite},
};

/// What a store was given: ids of opened, whole and settled entries, and the number of refusals.
type Written = (Vec<u64>, Vec<u64>, Vec<u64>, usize);

/// A store that waits for a verdict before each write.
struct Scripted {
    arrived: mpsc::Sender<Written>,
    verdicts: mpsc::Receiver<bool>,
}

/// The test's end of it.
struct Script {
    arrived: mpsc::Receiver<Written>,
    verdicts: mpsc::Sender<bool>,
}

fn scripted() -> (Scripted, Script) {
    let (arrived, arrivals) = mpsc::channel();
    let (verdicts, given) = mpsc::channel();
    (Scripted { arrived, verdicts: given }, Script { arrived: arrivals, verdicts })
}

impl LedgerStore for Scripted {
    fn write(&mut self, group: &Group) -> Result<(), StoreError> {
        let number = |id: &uuid::Uuid| (id.as_u128() & u128::from(u32::MAX)) as u64;
        let ids = |rows: &[Outcome]| rows.iter().map(|row| number(&row.opened.id)).collect();
        let written = (
            group.opened.keys().map(number).collect(),
            ids(&group.whole),
            ids(&group.settled),
            group.refused.len(),
        );
        // A test that has seen enough lets go of its end; the writes then succeed.
        let _ = self.arrived.send(written);
        match self.verdicts.recv() {
            Ok(true) | Err(_) => Ok(()),
            Ok(false) => Err(StoreError::Failed("the disk is full".into())),
        }
    }
}

impl Script {
    fn next(&self) -> Written {
        self.arrived.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn succeed(&self) {
        self.verdicts.send(true).unwrap();
    }

    fn fail(&self) {
        self.verdicts.send(false).unwrap();
    }
}

fn recorder(store: impl LedgerStore + Send + 'static) -> (Recorder, WriterHandle) {
    let (ledger, writer) = Ledger::start(store, Duration::ZERO).unwrap();
    (Recorder::new(Metrics::new(20_000).unwrap(), ledger, Log::none()), writer)
}

#[test]
fn what_comes_during_a_write_is_one_group() {
    let (store, script) = scripted();
    let (recorder, writer) = recorder(store);
    let names = sample::names();
    let (one, two) = (sample::opened(1, &names), sample::opened(2, &names));
    let _ = recorder.opened(Arc::clone(&one));
    assert_eq!(script.next(), (vec![1], vec![], vec![], 0));
    let _ = recorder.opened(Arc::clone(&two));
    recorder.closed(sample::outcome(two));
    recorder.closed(sample::outcome(one));
    let _ = recorder.opened(sample::opened(3, &names));
    recorder.refused(sample::refused(0, &names), None);
    assert_eq!(recorder.ledger().pending(), 6);
    script.succeed();
    let expected = (vec![3], vec![2], vec![1], 1);
    assert_eq!(script.next(), expected, "2 began and ended here: one insert");
    assert_eq!(recorder.ledger().pending(), 5);
    script.succeed();
    drop(script);
    writer.finish().unwrap();
    assert_eq!(recorder.ledger().pending(), 0);
}

#[tokio::test]
async fn a_number_is_durable_when_its_group_is_written_and_not_before() {
    let (store, script) = scripted();
    let (recorder, _writer) = recorder(store);
    let names = sample::names();
    let one = recorder.opened(sample::opened(1, &names));
    script.next();
    let two = recorder.opened(sample::opened(2, &names));
    let mut early = Box::pin(recorder.durable(one));
    assert!((&mut early).now_or_never().is_none());
    script.succeed();
    early.await.unwrap();
    script.next();
    let mut late = Box::pin(recorder.durable(two));
    assert!((&mut late).now_or_never().is_none());
    recorder.durable(one).await.unwrap();
    script.succeed();
    late.await.unwrap();
    let mut again = Box::pin(recorder.durable(two));
    assert!((&mut again).now_or_never().is_some(), "at once");
}

#[tokio::test]
async fn a_row_that_nobody_waits_for_is_gathered_and_flushed_when_somebody_does() {
    let (store, script) = scripted();
    let hour = Duration::from_secs(3_600);
    let pace = group::Pace { gather: Duration::ZERO, patience: hour, upkeep: hour };
    let (ledger, writer) = Ledger::paced(store, pace).unwrap();
    let recorder = Recorder::new(Metrics::new(20_000).unwrap(), ledger, Log::none());
    let names = sample::names();
    let one = sample::opened(1, &names);
    let commit = recorder.opened(Arc::clone(&one));
    let _ = recorder.opened(sample::opened(2, &names));
    recorder.closed(sample::outcome(one));
    assert!(script.arrived.try_recv().is_err(), "nobody waits");
    let mut waiting = Box::pin(recorder.durable(commit));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(script.next(), (vec![2], vec![1], vec![], 0));
    script.succeed();
    waiting.await.unwrap();
    recorder.refused(sample::refused(0, &names), None);
    drop(script);
    writer.finish().unwrap();
    assert_eq!(recorder.ledger().pending(), 0, "the end of the process does not wait either");
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_turns_waiters_away_and_is_repeated_with_nothing_lost() {
    let (store, script) = scripted();
    let (recorder, writer) = recorder(store);
    let names = sample::names();
    let one = sample::opened(1, &names);
    let commit = recorder.opened(Arc::clone(&one));
    assert_eq!(script.next(), (vec![1], vec![], vec![], 0));
    assert!(recorder.ledger().fault().is_none());
    script.fail();
    assert_eq!(script.next(), (vec![1], vec![], vec![], 0), "the same again");
    assert!(recorder.ledger().fault().is_some());
    let failure = recorder.durable(commit).await.unwrap_err();
    assert_eq!((failure.kind, failure.stage), (Kind::Unavailable, Stage::Record));
    recorder.closed(sample::outcome(one));
    script.fail();
    let expected = (vec![], vec![], vec![1], 0);
    assert_eq!(script.next(), expected, "its opening may be on disk: a delete as well");
    script.succeed();
    while recorder.ledger().pending() > 0 {
        thread::yield_now();
    }
    recorder.durable(commit).await.unwrap();
    assert!(recorder.ledger().fault().is_none());
    writer.finish().unwrap();
    assert!(recorder.ledger().fault().is_some(), "without a writer there are no books");
}

#[test]
fn the_end_of_the_process_flushes_all_and_gives_up_on_a_store_that_stays_broken() {
    let (store, script) = scripted();
    let (first, writer) = recorder(store);
    let names = sample::names();
    let _ = first.opened(sample::opened(1, &names));
    script.next();
    let _ = first.opened(sample::opened(2, &names));
    script.succeed();
    script.succeed();
    writer.finish().unwrap();
    assert_eq!(script.next().0, [2]);

    let (store, script) = scripted();
    let (second, writer) = recorder(store);
    let _ = second.opened(sample::opened(1, &names));
    for _ in 0..100 {
        script.fail();
    }
    let error = writer.finish().unwrap_err();
    assert_eq!(error.to_string(), "the store failed: the disk is full");
    assert_eq!(second.ledger().pending(), 1);
}

#[test]
fn a_panic_in_the_store_is_seen() {
    struct Broken;
    impl LedgerStore for Broken {
        fn write(&mut self, _: &Group) -> Result<(), StoreError> {
            panic!("as the test wants it");
        }
    }
    let (recorder, writer) = recorder(Broken);
    let _ = recorder.opened(sample::opened(1, &sample::names()));
    assert!(matches!(writer.finish(), Err(StoreError::WriterGone)));
    assert!(recorder.ledger().fault().is_some());
}

#[test]
fn a_flood_of_refusals_is_counted_and_does_not_grow_the_ledger() {
    let kept = Arc::new(Mutex::new(0));
    struct Counting(Arc<Mutex<usize>>);
    impl LedgerStore for Counting {
        fn write(&mut self, group: &Group) -> Result<(), StoreError> {
            *self.0.lock().unwrap() += group.refused.len();
            Ok(())
        }
    }
    let (recorder, writer) = recorder(Counting(Arc::clone(&kept)));
    let names = sample::names();
    for at_ms in [5_000, 5_999, 6_000] {
        for _ in 0..80 {
            recorder.refused(sample::refused(at_ms, &names), None);
        }
    }
    writer.finish().unwrap();
    assert_eq!(*kept.lock().unwrap(), 180);
    let text = recorder.metrics().expose().unwrap();
    let line = "signalbox_refusals_total{kind=\"rate_limited\",stage=\"admit\"} 240";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("\nsignalbox_refusals_unrecorded_total 60"), "{text}");
}

/// A file of its own for a test, removed at its end with all beside it.
struct Books(std::path::PathBuf);

impl Books {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("signalbox-{}-{test}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.join("signalbox.db")
    }
}

impl Drop for Books {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The sum of all lines of a metric.
fn total(text: &str, metric: &str) -> Money {
    let of = |line: &&str| line.starts_with(&format!("{metric}{{"));
    let value = |line: &str| Money::parse(line.rsplit(' ').next().unwrap()).unwrap();
    text.lines().filter(of).map(value).fold(Money::ZERO, Money::saturating_add)
}

#[test]
fn many_callers_leave_one_entry_each_and_sums_that_equal_the_counters() {
    const THREADS: u64 = 8;
    const EACH: u64 = 250;
    let books = Books::new("many");
    let store = Sqlite::open(&books.file(), Durability::Process).unwrap();
    let (recorder, writer) = recorder(store);
    let names = sample::names();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (recorder, names) = (recorder.clone(), &names);
            scope.spawn(move || {
                let mut under_way = Vec::new();
                for number in 0..EACH {
                    let opened = sample::opened(thread * EACH + number, names);
                    let _ = recorder.opened(Arc::clone(&opened));
                    under_way.push(opened);
                    // Some are closed at once, some together later.
                    if number % 3 == 0 {
                        under_way.drain(..).for_each(|opened| close(&recorder, opened));
                    }
                }
                under_way.drain(..).for_each(|opened| close(&recorder, opened));
            });
        }
    });
    writer.finish().unwrap();
    let reader = Reader::open(&books.file()).unwrap();
    let verified = reader.verify().unwrap();
    assert_eq!(verified.faults, Vec::<String>::new());
    assert_eq!((verified.open, verified.settled), (0, THREADS * EACH));
    let text = recorder.metrics().expose().unwrap();
    assert_eq!(total(&text, "signalbox_cost_total"), verified.cost);
    let requests = total(&text, "signalbox_requests_total").nano() / 1_000_000_000;
    assert_eq!(requests.unsigned_abs(), THREADS * EACH);
    let mut outcomes = BTreeMap::new();
    for entry in reader.entries(Filter::default()).unwrap() {
        *outcomes.entry(entry.outcome.unwrap()).or_insert(0) += 1;
    }
    for (outcome, count) in outcomes {
        let line = format!("model=\"qwen\",outcome=\"{outcome}\",task=\"banking\"}} {count}\n");
        assert!(text.contains(&line), "{line}");
    }
}

#[test]
fn a_wall_clock_that_jumps_changes_no_duration() {
    const DAY: i64 = 86_400_000;
    let books = Books::new("jumps");
    let store = Sqlite::open(&books.file(), Durability::Process).unwrap();
    let (recorder, writer) = recorder(store);
    let names = sample::names();
    // Each beside the one before: a second back, a day back, ten years ahead, to the epoch, and on.
    let jumps = [0, -1_000, -DAY, 3_650 * DAY, -sample::STARTED_MS, DAY, 0];
    for (number, jump) in (0_u64..).zip(jumps) {
        let mut opened = Arc::unwrap_or_clone(sample::opened(number, &names));
        opened.started_at_ms += jump;
        let stamp = u128::from(opened.started_at_ms.unsigned_abs()) << 80;
        opened.id = uuid::Uuid::from_u128(stamp | (7 << 76) | (2 << 62) | u128::from(number));
        let opened = Arc::new(opened);
        let _ = recorder.opened(Arc::clone(&opened));
        recorder.closed(sample::outcome(opened));
    }
    writer.finish().unwrap();
    let reader = Reader::open(&books.file()).unwrap();
    assert_eq!(reader.verify().unwrap().faults, Vec::<String>::new());
    let entries = reader.entries(Filter::default()).unwrap();
    assert_eq!(entries.len(), jumps.len());
    for it in entries {
        assert_eq!((it.first_token_ms, it.duration_ms), (Some(100.0), Some(500.0)), "{}", it.id);
        assert!(it.gateway_us.is_some_and(|it| it >= 0), "{}", it.id);
    }
    let text = recorder.metrics().expose().unwrap();
    let took = total(&text, "gen_ai_server_request_duration_seconds_sum").nano();
    assert_eq!(took, 500_000_000 * jumps.len() as i64);
    let negative = |line: &&str| line.rsplit(' ').next().is_some_and(|it| it.starts_with('-'));
    assert_eq!(text.lines().find(negative), None);
}

/// Ends a request in a way and at a price that depend on its id.
fn close(recorder: &Recorder, opened: Arc<Opened>) {
    let number = opened.id.as_u128() % 1_000_003;
    let mut outcome = sample::outcome(opened);
    // A nano-unit a token.
    let input = u32::try_from(number).unwrap() * 7 + 1;
    outcome.charge.usage.counts = policies::Counts { input, ..policies::Counts::default() };
    outcome.charge.cost = Money::from_nano(input.into());
    outcome.ending = match number % 4 {
        0 => Ending::Ok,
        1 => Ending::Cut,
        2 => Ending::Cancelled,
        _ => Ending::Failed(Kind::UpstreamError),
    };
    recorder.closed(outcome);
}

/// Processor time of one thread, or of all together, in microseconds. Linux only.
fn cpu_micros(thread: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{thread}/stat")).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // User and system time, in ticks of 10 ms.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() * 10_000.0).sum()
}

/// Each request lives 20 ms, as before a fast backend, and waits for its entry before it ends.
#[tokio::test]
#[ignore = "a measurement, for release builds: --ignored --nocapture cost_of_a_request"]
async fn cost_of_a_request() {
    const LIFE_MS: u32 = 20;
    for (durability, per_ms) in [
        (Durability::Process, 1),
        (Durability::Process, 5),
        (Durability::Power, 1),
        (Durability::Power, 5),
    ] {
        let books = Books::new("cost");
        let store = Sqlite::open(&books.file(), durability).unwrap();
        let (ledger, writer) = Ledger::start(store, Duration::from_millis(2)).unwrap();
        let recorder = Recorder::new(Metrics::new(20_000).unwrap(), ledger, Log::none());
        let names = sample::names();
        let requests = per_ms * 4_000_u32;
        let mut coming = (0..requests).map(|number| sample::opened(number.into(), &names));
        let mut under_way = std::collections::VecDeque::new();
        let (mut late, mut tick) = (0, tokio::time::interval(Duration::from_millis(1)));
        let (own, all) = (cpu_micros("thread-self"), cpu_micros("self"));
        while coming.len() > 0 || !under_way.is_empty() {
            tick.tick().await;
            for opened in coming.by_ref().take(per_ms as usize) {
                under_way.push_back((recorder.opened(Arc::clone(&opened)), opened));
            }
            while under_way.len() > (per_ms * LIFE_MS) as usize || coming.len() == 0 {
                let Some((commit, opened)) = under_way.pop_front() else { break };
                let mut durable = Box::pin(recorder.durable(commit));
                late += u32::from((&mut durable).now_or_never().is_none());
                recorder.closed(sample::outcome(opened));
            }
        }
        writer.finish().unwrap();
        let own = cpu_micros("thread-self") - own;
        let all = cpu_micros("self") - all;
        let each = |micros: f64| micros / f64::from(requests);
        println!(
            "{durability:?}, {per_ms},000 requests a second: writer {:.1} µs a request, callers \
             {:.1} µs with their timer; {late} of {requests} had to wait",
            each(all - own),
            each(own),
        );
    }
}

#[test]
#[ignore = "a measurement, for release builds: --ignored --nocapture cost_for_the_caller"]
fn cost_for_the_caller() {
    struct Nowhere;
    impl LedgerStore for Nowhere {
        fn write(&mut self, _: &Group) -> Result<(), StoreError> {
            Ok(())
        }
    }
    const REQUESTS: u32 = 200_000;
    let (ledger, _writer) = Ledger::start(Nowhere, Duration::from_millis(2)).unwrap();
    let recorder = Recorder::new(Metrics::new(20_000).unwrap(), ledger, Log::none());
    let opened = sample::opened(1, &sample::names());
    let mut outcomes: Vec<_> =
        (0..REQUESTS).map(|_| sample::outcome(Arc::clone(&opened))).collect();
    let began = cpu_micros("thread-self");
    while let Some(outcome) = outcomes.pop() {
        let _ = recorder.opened(Arc::clone(&outcome.opened));
        recorder.closed(outcome);
    }
    let took = cpu_micros("thread-self") - began;
    println!("opened and closed: {:.2} µs of the caller's time", took / f64::from(REQUESTS));
}

/// A store whose disk is as full as the test says, and which counts what is written.
struct Filling {
    low: Arc<AtomicBool>,
    full: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
}

impl LedgerStore for Filling {
    fn write(&mut self, group: &Group) -> Result<(), StoreError> {
        if self.full.load(Ordering::Acquire) {
            return Err(StoreError::Full);
        }
        let rows =
            group.opened.len() + group.whole.len() + group.settled.len() + group.refused.len();
        self.written.fetch_add(rows + group.in_force.len(), Ordering::AcqRel);
        Ok(())
    }

    fn upkeep(&mut self) -> Upkeep {
        Upkeep { low: self.low.load(Ordering::Acquire), ..Upkeep::default() }
    }
}

fn filling(low: bool) -> (Recorder, WriterHandle, [Arc<AtomicBool>; 2], Arc<AtomicUsize>) {
    let (is_low, is_full) = (Arc::new(AtomicBool::new(low)), Arc::<AtomicBool>::default());
    let written = Arc::<AtomicUsize>::default();
    let store = Filling {
        low: Arc::clone(&is_low),
        full: Arc::clone(&is_full),
        written: Arc::clone(&written),
    };
    let upkeep = Duration::from_millis(1);
    let pace = group::Pace { gather: Duration::ZERO, patience: Duration::ZERO, upkeep };
    let (ledger, writer) = Ledger::paced(store, pace).unwrap();
    let recorder = Recorder::new(Metrics::new(20_000).unwrap(), ledger, Log::none());
    (recorder, writer, [is_low, is_full], written)
}

/// Waits until the books take entries, or do not; returns what a caller is told.
fn until(recorder: &Recorder, accepts: bool) -> Result<(), Failure> {
    let from = std::time::Instant::now();
    while recorder.accepts().is_ok() != accepts {
        assert!(from.elapsed() < Duration::from_secs(20), "it does not come about");
        thread::yield_now();
    }
    recorder.accepts()
}

#[test]
fn a_configuration_comes_into_force_on_a_full_disk_and_is_written_when_there_is_room() {
    let (recorder, writer, [_, full], written) = filling(false);
    full.store(true, Ordering::Release);
    recorder.in_force(&sample::names());
    let _ = until(&recorder, false);
    assert_eq!((written.load(Ordering::Acquire), recorder.ledger().pending()), (0, 1));
    full.store(false, Ordering::Release);
    until(&recorder, true).unwrap();
    writer.finish().unwrap();
    assert_eq!(written.load(Ordering::Acquire), 1);
}

#[test]
fn below_the_free_space_nothing_is_accepted_and_it_recovers_by_itself() {
    let (recorder, writer, [low, _], written) = filling(true);
    let failure = recorder.accepts().expect_err("known before the first request");
    assert_eq!((failure.kind, failure.stage), (Kind::Unavailable, Stage::Record));
    assert!(failure.public.contains("disk"), "{}", failure.public);
    assert!(failure.retry_after.is_some());
    let fault = recorder.ledger().fault().unwrap_or_default();
    assert!(fault.contains("disk_free_bytes_min"), "{fault}");
    recorder.refused(sample::refused(0, &sample::names()), None);
    let text = recorder.metrics().expose().unwrap();
    assert!(text.contains("signalbox_refusals_unrecorded_total 1"), "it is counted, not kept");
    low.store(false, Ordering::Release);
    until(&recorder, true).unwrap();
    low.store(true, Ordering::Release);
    assert!(until(&recorder, false).is_err());
    // What runs already is entered to its end.
    let one = sample::opened(1, &sample::names());
    let _ = recorder.opened(Arc::clone(&one));
    recorder.closed(sample::outcome(one));
    writer.finish().unwrap();
    assert!((1..=2).contains(&written.load(Ordering::Acquire)), "{written:?}");
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_recovers_by_itself() {
    let (recorder, writer, [_, full], written) = filling(false);
    until(&recorder, true).unwrap();
    full.store(true, Ordering::Release);
    let one = sample::opened(1, &sample::names());
    let _ = recorder.opened(Arc::clone(&one));
    let failure = until(&recorder, false).expect_err("the disk is full");
    assert!(failure.public.contains("disk"), "{}", failure.public);
    assert_eq!(recorder.ledger().fault(), Some("the disk of the ledger is full"));
    recorder.closed(sample::outcome(one));
    full.store(false, Ordering::Release);
    until(&recorder, true).unwrap();
    writer.finish().unwrap();
    assert_eq!(recorder.ledger().pending(), 0);
    assert!((1..=2).contains(&written.load(Ordering::Acquire)), "{written:?}");
}

/// A caller is not held for the longest wait when it is known that there is nothing to wait for.
#[tokio::test]
async fn who_waits_for_a_full_disk_is_turned_away_at_once() {
    let (recorder, writer, [_, full], _) = filling(false);
    until(&recorder, true).unwrap();
    full.store(true, Ordering::Release);
    let began = std::time::Instant::now();
    let commit = recorder.opened(sample::opened(1, &sample::names()));
    let failure = recorder.durable(commit).await.expect_err("the disk is full");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(failure.public.contains("is full"), "{}", failure.public);
    let commit = recorder.opened(sample::opened(2, &sample::names()));
    assert!(recorder.durable(commit).now_or_never().is_some_and(|it| it.is_err()), "known by now");
    full.store(false, Ordering::Release);
    until(&recorder, true).unwrap();
    let commit = recorder.opened(sample::opened(3, &sample::names()));
    recorder.durable(commit).await.expect("there is room again");
    writer.finish().unwrap();
    let commit = recorder.opened(sample::opened(4, &sample::names()));
    let late = recorder.durable(commit).now_or_never();
    assert!(late.is_some_and(|it| it.is_err()), "nobody waits for a writer that has ended");
}

/// Another fault may be gone at the next try, some milliseconds later: only the second one in a row is known
/// to stay.
#[tokio::test]
async fn who_waits_is_turned_away_when_the_second_write_has_failed_too() {
    let (store, script) = scripted();
    let (recorder, writer) = recorder(store);
    let names = sample::names();
    let began = std::time::Instant::now();
    let commit = recorder.opened(sample::opened(1, &names));
    let mut waiting = Box::pin(recorder.durable(commit));
    assert!((&mut waiting).now_or_never().is_none());
    script.next();
    script.fail();
    script.next();
    assert!((&mut waiting).now_or_never().is_none(), "it may succeed yet");
    script.fail();
    script.next();
    assert!(waiting.await.is_err());
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(script);
    writer.finish().unwrap();
}
