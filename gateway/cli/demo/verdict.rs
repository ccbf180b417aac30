//! What came of a replayed day, from the ledger and from what its callers saw, and whether all was as it
//! must be.

use std::{collections::HashMap, time::Duration};

use policies::facts::Money;
use tokio::time::{Instant, sleep};

use super::{
    BoxError, SETTLED_WITHIN,
    acts::scene::Scene,
    day::{Caller, KIOSK_SPENT_AT, MINUTE_MS, OUTAGE, SLOW, clock},
    drive::Asked,
    folder::Folder,
    six_decimals,
    table::{Cell, Side, draw},
};
use crate::store::{Entry, Filter, Reader};

/// How many of a hundred callers may see an error while a model is away.
const OUTAGE_ERRORS_MAX: f64 = 2.0;
/// How far from its time the kiosk's budget may end, and how long after its first refusal a smaller request
/// may still be served, in minutes.
const BUDGET_MINUTES: u64 = 60;

const COLUMNS: [(&str, Side); 7] = [
    ("team", Side::Left),
    ("requests", Side::Right),
    ("ok", Side::Right),
    ("failed", Side::Right),
    ("in", Side::Right),
    ("out", Side::Right),
    ("USD", Side::Right),
];

/// One request of the day: when it came, who asked, what was seen of it.
#[derive(Debug)]
pub(super) struct Record {
    /// Milliseconds of the day since its beginning.
    pub at_ms: u64,
    /// Who asked.
    pub caller: Caller,
    /// What came of it.
    pub asked: Asked,
}

impl Record {
    /// Whether it was answered to its end.
    pub(super) fn is_ok(&self) -> bool {
        self.asked.error.is_none()
    }

    /// Whether it was not let in, for a limit or a budget.
    pub(super) fn is_refused(&self) -> bool {
        self.asked.status == Some(429)
    }

    /// Whether it broke.
    pub(super) fn is_failed(&self) -> bool {
        !self.is_ok() && !self.is_refused()
    }
}

/// The day as it is judged.
pub(super) struct Verdict<'a> {
    /// Its requests.
    pub records: &'a [Record],
    /// The ledger's entries since its beginning.
    pub entries: &'a [Entry],
    /// What the kiosk may spend, by the configuration, and what it has spent, by the ledger.
    pub kiosk: (Money, Money),
    /// How many minutes of the day were replayed.
    pub minutes: u64,
    /// Whether the policy is the one that the day is about.
    pub has_preset: bool,
}

/// The ledger's entries since then, once each answered request is settled or the time for it is over.
pub(super) async fn entries(
    folder: &Folder,
    since_ms: i64,
    records: &[Record],
) -> Result<Vec<Entry>, BoxError> {
    let started = Instant::now();
    loop {
        let filter = Filter { since_ms, limit: 0 };
        let read = Reader::open(&folder.ledger()).and_then(|reader| reader.entries(filter));
        let entries = read.map_err(|error| format!("cannot read the ledger: {error}"))?;
        let settled = by_id(&entries);
        let mut answered = records.iter().filter(|it| it.is_ok());
        let all = answered.all(|it| settled.contains_key(it.asked.id.as_deref().unwrap_or("")));
        let none_open = entries.iter().all(|it| it.state != "open");
        if (all && none_open) || started.elapsed() > SETTLED_WITHIN {
            return Ok(entries);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn by_id(entries: &[Entry]) -> HashMap<&str, Vec<&Entry>> {
    let mut by_id: HashMap<&str, Vec<&Entry>> = HashMap::with_capacity(entries.len());
    for entry in entries {
        by_id.entry(&entry.id).or_default().push(entry);
    }
    by_id
}

impl Verdict<'_> {
    /// The summary, without the table of teams.
    pub(super) fn scene(&self, title: &str) -> Scene {
        let mut scene = Scene::new(title);
        let count = |is: &dyn Fn(&Record) -> bool| self.records.iter().filter(|it| is(it)).count();
        scene.caller(&format!(
            "{} requests: {} ok, {} failed, {} refused",
            self.records.len(),
            count(&Record::is_ok),
            count(&Record::is_failed),
            count(&Record::is_refused),
        ));
        if let Some(error) = self.records.iter().find(|it| it.is_failed()) {
            let said = error.asked.error.as_deref().unwrap_or_default();
            scene.caller(&format!("the first that failed, at {}: {said}", clock(error.at_ms)));
        }
        self.books(&mut scene);
        self.outage(&mut scene);
        self.slow(&mut scene);
        self.budget(&mut scene);
        scene
    }

    /// Each request that was let in has one entry, a settled one.
    fn books(&self, scene: &mut Scene) {
        let by_id = by_id(self.entries);
        let (mut accepted, mut wrong) = (0, 0);
        for record in self.records {
            let its = by_id.get(record.asked.id.as_deref().unwrap_or(""));
            match its.map_or(&[][..], Vec::as_slice) {
                [] if !record.is_ok() => {}
                [entry] if entry.state == "settled" => accepted += 1,
                _ => wrong += 1,
            }
        }
        let cost = Money::from_nano(self.entries.iter().map(nano).fold(0, i64::saturating_add));
        scene.books(&format!(
            "{accepted} accepted, each with one settled entry, for {} USD",
            six_decimals(cost)
        ));
        scene.must(wrong == 0, &format!("{wrong} requests lack their one settled entry"));
    }

    /// Hardly a caller saw that a model was away.
    fn outage(&self, scene: &mut Scene) {
        if self.minutes < OUTAGE.until_min {
            return;
        }
        let theirs = || self.records.iter().filter(|it| OUTAGE.has(it.at_ms));
        let (all, failed) = (theirs().count(), theirs().filter(|it| it.is_failed()).count());
        let by_id = by_id(self.entries);
        let tried = |it: &&Record| {
            let its = by_id.get(it.asked.id.as_deref().unwrap_or("")).and_then(|all| all.first());
            its.and_then(|it| it.attempts.as_deref()).is_some_and(|it| it.contains(OUTAGE.model))
        };
        let moved = theirs().filter(|it| it.is_ok()).filter(tried).count();
        let share = failed as f64 * 100.0 / all.max(1) as f64;
        scene.books(&format!(
            "{} away from {} to {}: {all} requests came, {failed} failed ({share:.1} %); {moved} were tried \
             there first",
            OUTAGE.model,
            clock(OUTAGE.from_min * MINUTE_MS),
            clock(OUTAGE.until_min * MINUTE_MS),
        ));
        scene.must(
            share <= OUTAGE_ERRORS_MAX,
            &format!("at most {OUTAGE_ERRORS_MAX} % of the callers see that it is away"),
        );
    }

    /// What the slow model's first tokens were like, in that while and else.
    fn slow(&self, scene: &mut Scene) {
        if self.minutes < SLOW.until_min {
            return;
        }
        let by_id = by_id(self.entries);
        let median = |slow: bool| {
            let at_it = |it: &&Record| SLOW.has(it.at_ms) == slow;
            let entry = |it: &Record| by_id.get(it.asked.id.as_deref()?)?.first().copied();
            let of_it = self.records.iter().filter(at_it).filter_map(entry);
            let of_it = of_it.filter(|it| it.model.as_deref() == Some(SLOW.model));
            let mut all: Vec<f64> = of_it.filter_map(|it| it.first_token_ms).collect();
            quantile(&mut all, 0.5)
        };
        scene.books(&format!(
            "{} slow from {} to {}: its first token came after {:.0} ms in the middle, else after {:.0}",
            SLOW.model,
            clock(SLOW.from_min * MINUTE_MS),
            clock(SLOW.until_min * MINUTE_MS),
            median(true),
            median(false),
        ));
    }

    /// The kiosk's budget holds, and is spent when it is meant to be.
    fn budget(&self, scene: &mut Scene) {
        let (limit, spent) = self.kiosk;
        let kiosk = || self.records.iter().filter(|it| it.caller == Caller::Kiosk);
        let refused = kiosk().filter(|it| it.is_refused());
        let first = refused.clone().map(|it| it.at_ms).min();
        let ended = first.map_or("not spent".to_owned(), |first| {
            format!("spent at {}, {} requests refused since", clock(first), refused.count())
        });
        scene.books(&format!(
            "the kiosk's budget: {ended}; {} of {} USD",
            six_decimals(spent),
            six_decimals(limit)
        ));
        scene.must(spent <= limit, "no more is spent than there is");
        if !self.has_preset || self.minutes < KIOSK_SPENT_AT + BUDGET_MINUTES {
            return;
        }
        let near =
            first.is_some_and(|it| (it / MINUTE_MS).abs_diff(KIOSK_SPENT_AT) <= BUDGET_MINUTES);
        let meant = clock(KIOSK_SPENT_AT * MINUTE_MS);
        scene.must(near, &format!("the kiosk's budget is spent at about {meant}"));
        let over =
            |it: &&Record| first.is_some_and(|at| it.at_ms > at + BUDGET_MINUTES * MINUTE_MS);
        let after = kiosk().filter(over).filter(|it| it.is_ok()).count();
        scene.must(after == 0, &format!("{after} requests of the kiosk were served after its end"));
    }

    /// What each team's requests came to, by the ledger.
    pub(super) fn teams(&self) -> String {
        let mut teams: Vec<&str> = self.entries.iter().map(|it| it.team.as_str()).collect();
        teams.sort_unstable();
        teams.dedup();
        let row = |name: &str, of: &dyn Fn(&Entry) -> bool| {
            let its: Vec<&Entry> = self.entries.iter().filter(|it| of(it)).collect();
            let ok = its.iter().filter(|it| it.outcome.as_deref() == Some("ok")).count();
            let money = its.iter().map(|it| nano(it)).fold(0, i64::saturating_add);
            let cells = [
                name.to_owned(),
                its.len().to_string(),
                ok.to_string(),
                (its.len() - ok).to_string(),
                its.iter().map(|it| it.input_tokens).sum::<u64>().to_string(),
                its.iter().map(|it| it.output_tokens).sum::<u64>().to_string(),
                six_decimals(Money::from_nano(money)),
            ];
            cells.map(Cell::plain).to_vec()
        };
        let mut rows: Vec<Vec<Cell>> =
            teams.iter().map(|team| row(team, &|it| it.team == *team)).collect();
        rows.push(row("all", &|_| true));
        draw(&COLUMNS, &rows, false)
    }
}

/// What an entry cost.
fn nano(entry: &Entry) -> i64 {
    entry.cost.map_or(0, Money::nano)
}

/// The value below which this share of all lies; 0 where there is none.
pub(super) fn quantile(all: &mut [f64], share: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    let at = (all.len() as f64 * share) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied().unwrap_or_default()
}
