//! Some that write one file: those that leave and their successor.

use std::{
    collections::BTreeMap,
    sync::{Barrier, Mutex},
    thread,
};

use super::*;
use crate::outcome::Caller;

impl Folder {
    fn join(&self) -> Sqlite {
        Sqlite::join(&self.file(), Durability::Process).unwrap()
    }

    fn faults(&self) -> Vec<String> {
        self.reader().verify().unwrap().faults
    }

    /// The files beside the ledger that say who lives.
    fn boots(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<_> = names.map(|it| it.into_string().unwrap()).collect();
        names.retain(|name| name.contains(".boot"));
        names.sort();
        names
    }
}

/// A request with its own key, quarter of an hour and reservation.
fn request(number: u64) -> Arc<Opened> {
    let mut opened = Opened::clone(&sample::opened(number, &sample::names()));
    opened.started_at_ms += i64::try_from(number % 3).unwrap() * schema::QUARTER_MS;
    opened.reserved = Money::from_nano(5_000 + i64::try_from(number).unwrap() * 11);
    let key_name = format!("key-{}", number % 2).into();
    opened.caller = Arc::new(Caller { key_name, ..Caller::clone(&opened.caller) });
    Arc::new(opened)
}

/// Its end, at a price of its own.
fn end(number: u64) -> Outcome {
    let mut outcome = sample::outcome(request(number));
    // A nano-unit a token.
    let input = 100 + u32::try_from(number).unwrap() * 7;
    outcome.charge.usage.counts = policies::Counts { input, ..policies::Counts::default() };
    outcome.charge.cost = Money::from_nano(input.into());
    outcome
}

fn in_use(opened: Result<Sqlite, StoreError>, folder: &Folder) {
    let error = opened.expect_err("it is in use").to_string();
    assert_eq!(error, format!("{} is in use by another signalbox", folder.file().display()));
}

#[test]
fn one_writes_and_one_may_join_and_a_third_is_kept_away() {
    let folder = Folder::new("third-one");
    let first = folder.open();
    assert!(first.predecessors().is_none());
    in_use(Sqlite::open(&folder.file(), Durability::Process), &folder);
    let second = folder.join();
    assert_eq!(second.predecessors().map(Predecessors::boots), Some(&[first.boot.number][..]));
    for third in [Sqlite::open, Sqlite::join] {
        in_use(third(&folder.file(), Durability::Process), &folder);
    }
    assert_eq!(folder.boots(), ["signalbox.db.boot-1", "signalbox.db.boot-2"]);
    // Once the one before it leaves, the second has a successor, and nobody else starts.
    first.departure().announce(true);
    in_use(Sqlite::open(&folder.file(), Durability::Process), &folder);
    let third = folder.join();
    let before = [first.boot.number, second.boot.number];
    assert_eq!(third.predecessors().map(Predecessors::boots), Some(&before[..]));
    in_use(Sqlite::join(&folder.file(), Durability::Process), &folder);
    drop((first, third));
    in_use(Sqlite::open(&folder.file(), Durability::Process), &folder);
    let third = folder.join();
    assert_eq!(third.predecessors().map(Predecessors::boots), Some(&[second.boot.number][..]));
    assert!(held(&folder.file()));
    // It stays in charge after all, as where its successor dies at the last word.
    second.departure().announce(true);
    second.departure().announce(false);
    in_use(Sqlite::join(&folder.file(), Durability::Process), &folder);
    drop((second, third));
    assert!(!held(&folder.file()));
    assert_eq!(folder.boots(), Vec::<String>::new());
    let alone = folder.join();
    assert!(alone.predecessors().is_none(), "nobody was there");
    assert_eq!(alone.boot.number, 5, "no number comes twice");
}

#[test]
fn one_starts_beside_those_that_leave_and_closes_what_they_leave_open() {
    let folder = Folder::new("leaving");
    let mut leaving = Vec::new();
    for number in 1..boot_limit() {
        let mut store = folder.open();
        store.write(&opens([request(number)])).unwrap();
        store.departure().announce(true);
        leaving.push(store);
    }
    let mut last = folder.open();
    assert_eq!(last.recovered().entries, 0);
    assert_eq!(last.predecessors().unwrap().boots().len(), leaving.len());
    last.departure().announce(true);
    in_use(Sqlite::open(&folder.file(), Durability::Process), &folder);
    assert_eq!(folder.faults(), Vec::<String>::new());
    leaving.truncate(1);
    last.upkeep();
    assert!(!last.predecessors().unwrap().gone());
    let verified = folder.reader().verify().unwrap();
    let found = (verified.open, verified.recovered, verified.faults);
    assert_eq!(found, (1, boot_limit() - 2, Vec::new()));
    // A killed one's file says nothing.
    drop((leaving, last));
    fs::write(folder.0.join("signalbox.db.boot-1"), "leaving\n").unwrap();
    assert!(folder.open().predecessors().is_none());
    assert_eq!(folder.faults(), Vec::<String>::new());
}

fn boot_limit() -> u64 {
    LIVING_MAX as u64
}

#[test]
fn an_earlier_version_that_runs_keeps_both_away_and_its_form_is_not_changed_under_its_hands() {
    let folder = Folder::new("earlier");
    let door = fs::File::create(boot::beside(&folder.file(), ".lock")).unwrap();
    door.try_lock().unwrap();
    for new in [Sqlite::open, Sqlite::join] {
        in_use(new(&folder.file(), Durability::Process), &folder);
    }
    assert!(held(&folder.file()));
    drop(door);
    let _first = folder.open();
    let connection = Connection::open(folder.file()).unwrap();
    for found in 1..migrate::NEWEST {
        connection.pragma_update(None, "user_version", found).unwrap();
        let joined = Sqlite::join(&folder.file(), Durability::Process);
        for told in [joined.err(), older_in_use(&folder.file())] {
            let told = told.map(|it| it.to_string()).unwrap_or_default();
            let takes = if found < 3 { "about 10 seconds" } else { "milliseconds" };
            let from = format!("it has schema {found}, and this build needs {}", migrate::NEWEST);
            assert!(told.starts_with(&from) && told.contains(takes), "{told}");
        }
        assert_eq!((usable(&folder.file()), older(&folder.file())), (Ok(()), Some(found)));
    }
    connection.pragma_update(None, "user_version", migrate::NEWEST + 1).unwrap();
    let newer = Sqlite::join(&folder.file(), Durability::Process);
    assert!(matches!(newer, Err(StoreError::Newer { .. })), "{newer:?}");
    // It stands in the log alone: the head of the file does not have it yet.
    assert!(usable(&folder.file()).unwrap_err().contains("this version knows"));
    connection.pragma_update(None, "user_version", migrate::NEWEST).unwrap();
    assert!(older(&folder.file()).is_none() && older_in_use(&folder.file()).is_none());
    assert_eq!(folder.boots(), ["signalbox.db.boot-1"]);
}

#[test]
fn of_those_who_start_at_one_moment_one_is_let_in() {
    let folder = Folder::new("rush");
    let rush = |how: fn(&Path, Durability) -> Result<Sqlite, StoreError>| {
        let (barrier, let_in) = (Barrier::new(6), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    barrier.wait();
                    match how(&folder.file(), Durability::Process) {
                        Ok(store) => let_in.lock().unwrap().push(store),
                        refused => in_use(refused, &folder),
                    }
                });
            }
        });
        let mut let_in = let_in.into_inner().unwrap();
        assert_eq!(let_in.len(), 1);
        let_in.pop().unwrap()
    };
    let first = rush(Sqlite::open);
    let second = rush(Sqlite::join);
    assert_eq!(second.predecessors().map(Predecessors::boots), Some(&[first.boot.number][..]));
}

#[test]
fn a_file_that_a_killed_one_has_left_is_no_life() {
    let folder = Folder::new("killed");
    let mut store = folder.open();
    store.write(&opens([request(1)])).unwrap();
    drop(store);
    // Who is killed removes nothing; only his lock is gone.
    fs::write(folder.0.join("signalbox.db.boot-1"), "").unwrap();
    assert!(!held(&folder.file()));
    let left = "1 entry is open and no gateway runs: the next start closes it at its reservation";
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.left_open, verified.notes), (1, vec![left.to_owned()]));
    assert_eq!(verified.faults, Vec::<String>::new(), "a crash is no fault of the books");
    let store = folder.open();
    assert_eq!((store.recovered().entries, store.boot.number), (1, 2));
    assert_eq!(folder.boots(), ["signalbox.db.boot-2"]);
    assert_eq!(folder.faults(), Vec::<String>::new());
}

#[test]
fn what_a_dead_predecessor_left_open_is_closed_by_the_one_that_writes() {
    let folder = Folder::new("dead");
    let mut old = folder.open();
    old.write(&opens([request(1), request(2)])).unwrap();
    let mut new = folder.join();
    assert_eq!(new.recovered().entries, 0, "they run");
    new.write(&opens([request(3)])).unwrap();
    new.upkeep();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.open, verified.faults), (3, Vec::new()));
    old.write(&settles([end(2)])).unwrap();
    drop(old);
    let predecessor = new.predecessors().cloned().unwrap();
    new.write(&whole([end(4)])).unwrap();
    assert!(!predecessor.gone());
    let left = "1 entry is open of a gateway that runs no more: the one that runs closes it at its \
                reservation within seconds";
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.notes, verified.faults), (vec![left.to_owned()], Vec::new()));
    new.upkeep();
    assert!(predecessor.gone());
    new.write(&settles([end(3)])).unwrap();
    let verified = folder.reader().verify().unwrap();
    let cost = Money::from_nano(5_011 + 114 + 121 + 128);
    let expected =
        Verification { settled: 3, recovered: 1, priced: 4, cost, ..Verification::default() };
    assert_eq!(verified, expected);
}

#[test]
fn a_dead_successor_is_closed_by_the_one_that_stays() {
    let folder = Folder::new("stays");
    let mut old = folder.open();
    old.write(&opens([request(1)])).unwrap();
    let mut new = folder.join();
    new.write(&opens([request(2)])).unwrap();
    drop(new);
    old.upkeep();
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.open, verified.recovered, verified.faults), (1, 1, Vec::new()));
    old.write(&settles([end(1)])).unwrap();
    // Likewise when the next one joins before anybody has looked.
    let mut new = folder.join();
    new.write(&opens([request(3)])).unwrap();
    drop(new);
    assert_eq!(folder.join().recovered().entries, 1);
    assert_eq!(folder.faults(), Vec::<String>::new());
}

#[test]
fn the_mark_does_not_pass_what_another_has_open() {
    let folder = Folder::new("two-marks");
    let mut old = folder.open();
    old.write(&opens([request(1)])).unwrap();
    let mut new = folder.join();
    let mark = |store: &Sqlite| recover::open_from(&store.connection).unwrap();
    for from in [0, 10_000] {
        new.write(&whole((from + 10..from + 5_010).map(end))).unwrap();
        assert_eq!(mark(&new), 1);
        assert_eq!(folder.faults(), Vec::<String>::new());
    }
    old.write(&settles([end(1)])).unwrap();
    new.write(&whole((20_000..25_000).map(end))).unwrap();
    assert_eq!(mark(&new), 15_002);
    // The other one, which remembers an earlier mark, does not move it back.
    old.write(&whole((30_000..30_010).map(end))).unwrap();
    assert_eq!(mark(&old), 15_012);
    drop((old, new));
    assert_eq!((folder.open().recovered().entries, folder.faults()), (0, Vec::new()));
}

#[test]
fn old_entries_may_be_removed_by_both() {
    let folder = Folder::new("both-keep");
    let (mut old, mut new) = (folder.open(), folder.join());
    for store in [&mut old, &mut new] {
        store.keep(keeper(3));
    }
    let wrote = |store: &mut Sqlite, from: u64| {
        store.write(&whole((from..from + 700).map(|number| on_day(number, 0)))).unwrap();
    };
    wrote(&mut old, 0);
    wrote(&mut new, 1_000);
    NOW_MS.set(sample::STARTED_MS + 4 * DAY_MS);
    while old.upkeep().more | new.upkeep().more {
        assert_eq!(folder.faults(), Vec::<String>::new());
    }
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.settled, verified.faults), (0, Vec::new()));
    wrote(&mut old, 2_000);
    wrote(&mut new, 3_000);
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.settled, verified.faults), (1_400, Vec::new()));
    let total: i64 = by_path(&folder, i64::MIN).iter().map(|it| it.2).sum();
    assert_eq!(total, 2_800 * 1_234);
}

#[test]
fn two_that_write_at_once_lose_nothing() {
    const GROUPS: u64 = 60;
    let folder = Folder::new("at-once");
    let stores = [folder.open(), folder.join()];
    thread::scope(|scope| {
        for (which, mut store) in (0u64..).zip(stores) {
            scope.spawn(move || {
                for group in 0..GROUPS {
                    let first = which * 10_000 + group * 10;
                    store.write(&opens((first..first + 4).map(request))).unwrap();
                    let mut group = settles((first..first + 3).map(end));
                    group.whole.extend((first + 4..first + 8).map(end));
                    store.write(&group).unwrap();
                    store.upkeep();
                }
                store.write(&settles((0..GROUPS).map(|it| end(which * 10_000 + it * 10 + 3))))
            });
        }
    });
    let verified = folder.reader().verify().unwrap();
    assert_eq!((verified.open, verified.settled), (0, 2 * GROUPS * 8));
    assert_eq!(verified.faults, Vec::<String>::new());
}

#[test]
fn a_group_that_finds_the_file_busy_is_written_later_and_once() {
    let folder = Folder::new("busy");
    let (mut store, other) = (folder.open(), Connection::open(folder.file()).unwrap());
    let mut group = opens([request(1)]);
    group.whole.extend([end(2)]);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.connection.busy_timeout(Duration::ZERO).unwrap();
    let busy = store.write(&group).expect_err("the other one writes");
    assert_eq!(busy.to_string(), StoreError::Locked.to_string());
    configure(&mut store.connection, Durability::Process).unwrap();
    // With its patience it only waits for the end of the other one's transaction.
    thread::scope(|scope| {
        let waits = scope.spawn(|| store.write(&group));
        other.execute_batch("COMMIT").unwrap();
        waits.join().unwrap().unwrap();
    });
    store.write(&settles([end(1), end(2)])).unwrap();
    let verified = folder.reader().verify().unwrap();
    let cost = Money::from_nano(107 + 114);
    assert_eq!(verified, Verification { settled: 2, priced: 2, cost, ..Verification::default() });
}

/// Nano-units by quarter and key.
type Cells = BTreeMap<(i64, String), i64>;

fn cell(opened: &Opened) -> (i64, String) {
    let at_ms = opened.started_at_ms.div_euclid(schema::QUARTER_MS) * schema::QUARTER_MS;
    (at_ms, opened.caller.key_name.to_string())
}

fn cells<'a>(opened: impl IntoIterator<Item = (&'a Opened, i64)>) -> Cells {
    let mut cells = Cells::new();
    for (opened, nano) in opened {
        *cells.entry(cell(opened)).or_default() += nano;
    }
    cells.retain(|_, nano| *nano != 0);
    cells
}

fn spent(spendings: &[Spending]) -> Cells {
    let mut cells = Cells::new();
    for it in spendings {
        assert_eq!((&*it.teams.join("<"), it.whole), ("retail<bank", true));
        *cells.entry((it.at_ms, it.key.clone())).or_default() += it.cost.nano();
    }
    cells
}

fn sum(of: &[&Cells]) -> Cells {
    let mut sum = Cells::new();
    for (cell, nano) in of.iter().flat_map(|cells| cells.iter()) {
        *sum.entry(cell.clone()).or_default() += nano;
    }
    sum.retain(|_, nano| *nano != 0);
    sum
}

/// What one of those that write does with one of a few requests.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open(usize),
    /// One of those that he has open, by this number.
    Close(usize, usize),
    Whole(usize),
    Upkeep(usize),
    /// The newest takes the balances, and the mark that goes with them.
    Mark,
    /// One of those before the newest ends, whatever it has open.
    Leave(usize),
    /// Another one succeeds the newest, which leaves.
    Join,
}

/// So many write at once.
const WRITERS: usize = 3;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..WRITERS).prop_map(Step::Open),
        6 => (0..WRITERS, 0..8usize).prop_map(|(who, which)| Step::Close(who, which)),
        3 => (0..WRITERS).prop_map(Step::Whole),
        1 => (0..WRITERS).prop_map(Step::Upkeep),
        1 => Just(Step::Mark),
        1 => (0..WRITERS).prop_map(Step::Leave),
        1 => Just(Step::Join),
    ];
    prop::collection::vec(step, 0..40)
}

/// Some stores on one file, and what must be in it.
struct Writers {
    folder: Folder,
    /// The oldest first; the last is in charge, and the others leave.
    stores: Vec<Sqlite>,
    /// What each of them has open.
    open: Vec<BTreeMap<u64, Arc<Opened>>>,
    closed: u64,
    recovered: u64,
    /// The next numbers of the requests.
    next: u64,
    mark: Option<(Cells, BootMark)>,
    /// What the newest has closed since the mark.
    since: Cells,
}

impl Writers {
    fn new() -> Self {
        let folder = Folder::new("writers");
        let (stores, open) = (vec![folder.open()], vec![BTreeMap::new()]);
        let (mark, since) = (None, Cells::new());
        let mut it = Self { folder, stores, open, closed: 0, recovered: 0, next: 0, mark, since };
        (1..WRITERS).for_each(|_| it.join());
        it
    }

    fn last(&self) -> usize {
        self.stores.len() - 1
    }

    fn closes(&mut self, who: usize, number: u64) {
        self.closed += 1;
        if who == self.last() {
            let end = end(number);
            let nano = end.charge.cost.nano();
            self.since = sum(&[&self.since, &cells([(&*end.opened, nano)])]);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Open(who) => {
                let (opened, who) = (request(self.next), who % self.stores.len());
                self.open[who].insert(self.next, Arc::clone(&opened));
                self.next += 1;
                self.stores[who].write(&opens([opened])).unwrap();
            }
            Step::Close(who, which) => {
                let who = who % self.stores.len();
                let open = &mut self.open[who];
                let Some(number) = open.keys().nth(which % open.len().max(1)).copied() else {
                    return;
                };
                open.remove(&number);
                self.stores[who].write(&settles([end(number)])).unwrap();
                self.closes(who, number);
            }
            Step::Whole(who) => {
                let (number, who) = (self.next, who % self.stores.len());
                self.next += 1;
                self.stores[who].write(&whole([end(number)])).unwrap();
                self.closes(who, number);
            }
            Step::Upkeep(who) => {
                let who = who % self.stores.len();
                self.stores[who].upkeep();
            }
            Step::Mark => {
                let before = &self.stores[..self.last()];
                let boots: Vec<i64> = before.iter().map(|it| it.boot.number).collect();
                let read = self.folder.reader().balances(i64::MIN, &boots, Default::default);
                let Balances { spendings, mark, .. } = read.unwrap();
                self.mark = Some((spent(&spendings), mark));
                self.since.clear();
            }
            Step::Leave(which) if self.last() > 0 => self.leave(which % self.last()),
            Step::Join if self.stores.len() < WRITERS => self.join(),
            Step::Leave(_) | Step::Join => {}
        }
    }

    fn leave(&mut self, which: usize) {
        drop(self.stores.remove(which));
        let left = self.open.remove(which);
        self.recovered += left.len() as u64;
        let last = self.last();
        self.stores[last].upkeep();
        let predecessors = self.stores[last].predecessors().unwrap();
        assert_eq!(predecessors.gone(), last == 0);
        // Those marked that have ended have said their last word: what they had closed and what was open.
        self.check();
        if let Some((_, mark)) = &self.mark {
            assert_eq!(mark.ended(), last == 0);
        }
    }

    fn join(&mut self) {
        let before: Vec<i64> = self.stores.iter().map(|it| it.boot.number).collect();
        let new = self.folder.join();
        assert_eq!(new.predecessors().map(Predecessors::boots), Some(&before[..]));
        // Until the one in charge leaves, it has this one successor.
        in_use(Sqlite::join(&self.folder.file(), Durability::Process), &self.folder);
        self.stores.last().unwrap().departure().announce(true);
        self.stores.push(new);
        self.open.push(BTreeMap::new());
        self.mark = None;
    }

    fn check(&mut self) {
        let before = self.open[..self.last()].iter().flat_map(BTreeMap::values);
        let reserved = cells(before.map(|it| (&**it, it.reserved.nano())));
        self.holds(&reserved);
        let verified = self.folder.reader().verify().unwrap();
        assert_eq!(verified.faults, Vec::<String>::new());
        let open = self.open.iter().map(|it| it.len() as u64).sum();
        let found = (verified.open, verified.settled, verified.recovered);
        assert_eq!(found, (open, self.closed, self.recovered));
    }

    /// The balances of the mark, the boots' money since and what the newest has closed since are the
    /// balances of now, and the boots reserve this.
    fn holds(&mut self, reserves: &Cells) {
        let Some((before, mark)) = &mut self.mark else { return };
        let reader = self.folder.reader();
        reader.of_boots(mark).unwrap();
        let (mut settled, mut reserved) = (Cells::new(), Cells::new());
        for it in mark.money() {
            assert_eq!((&*it.teams.join("<"), it.whole), ("retail<bank", true));
            settled.insert((it.at_ms, it.key.clone()), it.settled.nano());
            reserved.insert((it.at_ms, it.key.clone()), it.reserved.nano());
        }
        let now = spent(&reader.spendings(i64::MIN).unwrap());
        assert_eq!(sum(&[before, &settled, &self.since]), sum(&[&now]));
        assert_eq!(sum(&[&reserved]), *reserves);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// In whatever order some write, while one succeeds the other and any of those before ends: one entry
    /// each, sums agree, and the newest one's reads of the money of all before it miss nothing and count
    /// nothing twice.
    #[test]
    fn those_that_write_one_file_leave_a_right_ledger(steps in steps()) {
        let mut writers = Writers::new();
        for step in steps {
            writers.step(step);
            writers.check();
        }
    }
}
