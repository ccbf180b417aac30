//! `signalbox ledger verify --metrics`: the counters of a gateway that runs, held against its entries.
//!
//! Counters begin with a process, and the ledger has all there is: so the process says its number, by which
//! its entries are found. While requests end, both grow: the counters are read before the ledger and after
//! it, and what the ledger has must lie between.

use std::{collections::BTreeMap, path::Path, time::Duration};

use policies::{counted, facts::Money};

use crate::{
    cli::top::{Source, samples},
    store::{self, Counted, CountedRow},
};

/// A counter is raised before its row is on its way to the disk: so often, and so long after, it is looked
/// whether the ledger has what they had.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The types of tokens, in the order of the ledger's columns.
const TOKENS: [&str; 5] = ["input", "cached_input", "cache_write", "output", "reasoning"];
const REQUESTS: &str = "signalbox_requests_total";
const COST: &str = "signalbox_cost_total";
const TOKENS_TOTAL: &str = "signalbox_tokens_total";
const BOOT: &str = "signalbox_ledger_boot";

/// Sums by the counter and those of its labels that the ledger keeps as they are: requests and tokens, and
/// nano-units of money.
type Figures = BTreeMap<String, i64>;

/// What a gateway says at one moment.
#[derive(Debug, PartialEq, Eq)]
struct Scrape {
    replica: String,
    boot: i64,
    figures: Figures,
}

/// What has come of the comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// The number of the process.
    pub(super) boot: i64,
    /// How many figures were compared.
    pub(super) figures: usize,
    /// Why none were, in words.
    pub(super) note: Option<String>,
    /// What differs, in words.
    pub(super) faults: Vec<String>,
}

fn key(metric: &str, labels: &[(&str, &str)]) -> String {
    let labels = labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    format!("{metric}{{{}}}", labels.collect::<Vec<_>>().join(","))
}

fn add(figures: &mut Figures, key: String, more: i64) {
    let sum = figures.entry(key).or_default();
    *sum = sum.saturating_add(more);
}

/// What the ledger has.
fn of_ledger(rows: &[CountedRow]) -> Figures {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let mut figures = Figures::new();
    for row in rows {
        let (team, model) = (&*row.team, row.model.as_deref().unwrap_or("unknown"));
        let requests = key(REQUESTS, &[("model", model), ("outcome", &row.outcome)]);
        add(&mut figures, requests, whole(row.requests));
        add(&mut figures, key(COST, &[("team", team), ("model", model)]), row.cost.nano());
        for (kind, count) in TOKENS.into_iter().zip(row.tokens) {
            let tokens = key(TOKENS_TOTAL, &[("team", team), ("model", model), ("type", kind)]);
            add(&mut figures, tokens, whole(count));
        }
    }
    // There is no line of what has never come about.
    figures.retain(|_, sum| *sum != 0);
    figures
}

/// What the text of `/metrics` says.
fn of_metrics(text: &str) -> Result<Scrape, String> {
    let (mut process, mut figures) = (None, Figures::new());
    for it in samples(text) {
        let of = |names: &[&'static str]| {
            let labels: Vec<_> = names.iter().map(|name| (*name, it.label(name))).collect();
            key(it.name, &labels)
        };
        let key = match it.name {
            BOOT => {
                process = Some((it.label("replica").to_owned(), exact(it.value)?));
                continue;
            }
            REQUESTS => of(&["model", "outcome"]),
            COST => of(&["team", "model"]),
            TOKENS_TOTAL => of(&["team", "model", "type"]),
            _ => continue,
        };
        let value = Money::parse(&it.value.to_string());
        let more = match value {
            Ok(money) if it.name == COST => money.nano(),
            Err(_) if it.name == COST => {
                return Err(format!("{key} is {}, too large to be told exactly", it.value));
            }
            _ => exact(it.value)?,
        };
        add(&mut figures, key, more);
    }
    figures.retain(|_, sum| *sum != 0);
    let (replica, boot) = process.ok_or_else(|| {
        format!("there is no `{BOOT}` in its metrics: it is no Signalbox of this version")
    })?;
    Ok(Scrape { replica, boot, figures })
}

/// A count, which a double holds up to 2^53.
#[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
fn exact(value: f64) -> Result<i64, String> {
    let whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    if whole { Ok(value as i64) } else { Err(format!("{value} is no count")) }
}

fn at(figures: &Figures, key: &str) -> i64 {
    figures.get(key).copied().unwrap_or(0)
}

/// Whether the ledger has all that the counters had.
fn has_all(ledger: &Figures, before: &Figures) -> bool {
    before.iter().all(|(key, counted)| at(ledger, key) >= *counted)
}

/// What the ledger has below what was counted before it was read, or above what was counted after.
fn differences(ledger: &Figures, before: &Figures, after: &Figures) -> Vec<String> {
    let mut keys: Vec<&String> = ledger.keys().chain(before.keys()).chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let shown = |key: &str, value: i64| match key.starts_with(COST) {
        true => Money::from_nano(value).to_string(),
        false => value.to_string(),
    };
    let difference = |key: &String| {
        let (has, from, to) = (at(ledger, key), at(before, key), at(after, key));
        let counts = match from == to {
            true => shown(key, from),
            false => format!("{} to {}", shown(key, from), shown(key, to)),
        };
        let told = || format!("{key}: the ledger has {}, the gateway {counts}", shown(key, has));
        (has < from || has > to).then(told)
    };
    keys.into_iter().filter_map(difference).collect()
}

/// Compares the counters of the gateway with its entries in this ledger, or says why that cannot be.
pub(super) async fn compare(ledger: &Path, source: &Source) -> Result<Compared, String> {
    let scrape = async || {
        let text = source.text().await.map_err(|error| error.to_string())?;
        of_metrics(&text)
    };
    let before = scrape().await?;
    let process = (&*before.replica, before.boot);
    let mut figures = Figures::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let found = store::counted(ledger, process);
        figures = match found.map_err(|error| format!("{}: {error}", ledger.display()))? {
            Counted::All(rows) => of_ledger(&rows),
            Counted::Removed => return Ok(removed(before.boot)),
            Counted::Stranger => {
                return Err(format!(
                    "this gateway writes another ledger than {}: it is process {} of {}",
                    ledger.display(),
                    before.boot,
                    before.replica
                ));
            }
        };
        if has_all(&figures, &before.figures) {
            break;
        }
    }
    let after = scrape().await?;
    if (&*after.replica, after.boot) != process {
        return Err(String::from("another process has answered meanwhile: ask again"));
    }
    let faults = differences(&figures, &before.figures, &after.figures);
    Ok(Compared { boot: before.boot, figures: figures.len(), note: None, faults })
}

fn removed(boot: i64) -> Compared {
    let note = format!(
        "the counters of process {boot} are not compared: some of its entries were too old to be kept"
    );
    Compared { boot, note: Some(note), ..Compared::default() }
}

impl Compared {
    /// What was compared, on one line.
    pub(super) fn line(&self) -> String {
        let figures = u64::try_from(self.figures).unwrap_or(u64::MAX);
        let figures = counted(figures, "figure", "figures");
        match (&self.note, self.faults.is_empty()) {
            (Some(_), _) => format!("metrics: nothing of process {} compared", self.boot),
            (None, true) => {
                format!("metrics: {figures} of process {} equal the ledger's", self.boot)
            }
            (None, false) => {
                let many = u64::try_from(self.faults.len()).unwrap_or(u64::MAX);
                let differ = counted(many, "differs", "differ");
                format!("metrics: {figures} of process {}, {differ}", self.boot)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(team: &str, model: &str, cost: i64) -> CountedRow {
        CountedRow {
            team: team.into(),
            model: Some(model.into()),
            outcome: "ok".into(),
            requests: 2,
            cost: Money::from_nano(cost),
            tokens: [7, 0, 0, 5, 0],
        }
    }

    const TEXT: &str = "# HELP signalbox_cost_total Money\n\
        signalbox_ledger_boot{replica=\"r\"} 3\n\
        signalbox_requests_total{language=\"ms\",model=\"m\",outcome=\"ok\",task=\"chat\"} 1\n\
        signalbox_requests_total{language=\"en\",model=\"m\",outcome=\"ok\",task=\"chat\"} 1\n\
        signalbox_requests_total{language=\"en\",model=\"m\",outcome=\"cut\",task=\"chat\"} 0\n\
        signalbox_cost_total{currency=\"USD\",language=\"ms\",model=\"m\",task=\"chat\",team=\"a\"} 0.1\n\
        signalbox_cost_total{currency=\"USD\",language=\"en\",model=\"m\",task=\"chat\",team=\"a\"} \
        4000000.000000001\n\
        signalbox_tokens_total{model=\"m\",team=\"a\",type=\"input\"} 7\n\
        signalbox_tokens_total{model=\"m\",team=\"a\",type=\"output\"} 5\n\
        signalbox_attempts_total{model=\"m\",result=\"ok\"} 9\n";

    #[test]
    fn both_are_read_to_the_billionth_by_the_labels_that_the_ledger_keeps() {
        let scrape = of_metrics(TEXT).unwrap();
        assert_eq!((&*scrape.replica, scrape.boot), ("r", 3));
        let ledger = of_ledger(&[row("a", "m", 4_000_000_100_000_001)]);
        assert_eq!(scrape.figures, ledger);
        assert_eq!(differences(&ledger, &scrape.figures, &scrape.figures), Vec::<String>::new());
        let less = of_ledger(&[row("a", "m", 4_000_000_100_000_000)]);
        assert_eq!(
            differences(&less, &scrape.figures, &scrape.figures),
            [
                "signalbox_cost_total{team=\"a\",model=\"m\"}: the ledger has 4000000.1, the gateway \
              4000000.100000001"
            ]
        );
        assert!(of_metrics("signalbox_requests_total 1\n").unwrap_err().contains(BOOT));
        let large = TEXT.replace(" 0.1\n", " 0.12345678901\n");
        assert!(of_metrics(&large).unwrap_err().contains("too large to be told exactly"));
        let half = TEXT.replace(" 7\n", " 7.5\n");
        assert!(of_metrics(&half).unwrap_err().contains("is no count"));
    }

    fn figures() -> impl Strategy<Value = Figures> {
        proptest::collection::btree_map("[a-d]", 1_i64..50, 0..4)
    }

    proptest! {
        #[test]
        fn what_lies_between_is_right_and_all_else_is_named(
            before in figures(), more in figures(), part in 0_i64..=100, wrong in figures()
        ) {
            let mut after = before.clone();
            more.iter().for_each(|(key, more)| add(&mut after, key.clone(), *more));
            let between: Figures = after
                .iter()
                .map(|(key, to)| {
                    let from = at(&before, key);
                    (key.clone(), from + (to - from) * part / 100)
                })
                .collect();
            prop_assert_eq!(differences(&between, &before, &after), Vec::<String>::new());
            prop_assert!(has_all(&between, &before));
            let named = differences(&wrong, &before, &after);
            let all = ["a", "b", "c", "d"];
            let out = |key: &&&str| {
                !(at(&before, key)..=at(&after, key)).contains(&at(&wrong, key))
            };
            prop_assert_eq!(named.len(), all.iter().filter(out).count());
        }
    }
}
