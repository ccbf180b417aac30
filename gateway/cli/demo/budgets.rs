//! What the demo's teams may spend, and what its machines cost.

use std::path::Path;

use policies::facts::Money;

use crate::store::{Dimension, Reader, Sum};

/// What the team `kiosk` may spend in a run of the acts.
const KIOSK: Money = Money::from_nano(700_000);
/// What `bank` and `retail-banking` may spend in a month, where the acts are played: far more than they do.
const ROOMY: [i64; 2] = [1_000_000_000_000, 500_000_000_000];
/// What a request of the replayed day costs in the mean.
const MEAN_NANO: i64 = 260_000;
/// What the two may spend in a replayed day: a part of what all of it costs in the mean, in hundredths, and
/// room for what is reserved for requests under way.
const OF_THE_DAY: [(i64, i64); 2] = [(120, 3_000_000_000), (75, 2_000_000_000)];

/// What an hour of a replica costs in a replayed day, by model. It is of the day's own size, as the budgets
/// are: with so little traffic, machines at a real price would be idle nearly all of the time.
const DAY_MACHINES: [(&str, &str); 3] =
    [("qwen3.5-397b", "0.08"), ("gpt-oss-120b", "0.02"), ("deepseek-v3.2", "0.08")];

/// What an hour of one of a model's machines costs in a replayed day; nothing where nobody pays by the hour.
pub(super) fn day_per_hour(model: &str) -> Option<&'static str> {
    DAY_MACHINES.into_iter().find(|(id, _)| *id == model).map(|(_, per_hour)| per_hour)
}

/// The budgets of the demo's teams.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    /// Of `bank`, which all other teams belong to.
    pub bank: Money,
    /// Of `retail-banking`.
    pub retail: Money,
    /// Of `kiosk`.
    pub kiosk: Money,
}

impl Budgets {
    /// For the acts, on this ledger.
    pub(super) fn acts(ledger: &Path) -> Self {
        let [bank, retail] = ROOMY.map(Money::from_nano);
        Self { bank, retail, kiosk: plus(spent(ledger, Some("kiosk")), KIOSK) }
    }

    /// For a replayed day of so many requests: of the day's own size, beyond what earlier runs have spent.
    pub(super) fn day(ledger: &Path, requests: usize, kiosk: Money) -> Self {
        let cost = MEAN_NANO.saturating_mul(i64::try_from(requests).unwrap_or(i64::MAX));
        let [bank, retail] = OF_THE_DAY.map(|(hundredths, room)| {
            Money::from_nano((cost.saturating_mul(hundredths) / 100).saturating_add(room))
        });
        Self {
            bank: plus(spent(ledger, None), bank),
            retail: plus(spent(ledger, Some("retail-banking")), retail),
            kiosk: plus(spent(ledger, Some("kiosk")), kiosk),
        }
    }
}

fn plus(one: Money, other: Money) -> Money {
    Money::from_nano(one.nano().saturating_add(other.nano()))
}

/// What a team has spent, or all of them, as the ledger says; nothing where there is none yet.
pub(super) fn spent(ledger: &Path, team: Option<&str>) -> Money {
    let sums = Reader::open(ledger).and_then(|it| it.sums(&[Dimension::Team], 0));
    let is_theirs =
        |sum: &Sum| team.is_none_or(|team| sum.group.first().is_some_and(|group| group == team));
    let theirs = sums.unwrap_or_default().into_iter().filter(is_theirs);
    theirs.fold(Money::from_nano(0), |all, sum| plus(all, sum.cost))
}
