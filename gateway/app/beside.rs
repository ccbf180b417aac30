//! What the processes before this one still spend, while they end their requests: read from the ledger,
//! and counted in the budgets until the last of them has ended.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::past;
use crate::{
    account::{Accounts, Beside, Cost, SetAside, told_so_far},
    config::Team,
    pipeline::Gateway,
    record::StoreError,
    store::{BootMark, BootMoney, Reader},
};

/// How often the ledger is read.
const READ_EVERY: Duration = Duration::from_millis(100);
/// After so long everything is in the ledger that was admitted before the hand-over: a group is written
/// within milliseconds.
const ON_DISK_AFTER: Duration = Duration::from_secs(2);

/// The money of the processes before this one.
pub(super) struct PredecessorMoney {
    reader: Reader,
    mark: BootMark,
    beside: Beside,
    /// For each row that was read, the teams for which it counts.
    teams: Vec<Vec<Arc<str>>>,
    tree: Vec<Team>,
    /// In which budgets alone it is counted, where not in all that are in force.
    only: Option<Arc<Accounts>>,
}

impl PredecessorMoney {
    /// What their entries cost from this mark on, by the teams of today.
    pub(super) fn new((reader, mark): past::Marked, tree: Vec<Team>) -> Self {
        Self { reader, mark, beside: Beside::default(), teams: Vec::new(), tree, only: None }
    }

    /// The same, counted in these budgets alone: those that are new since the others are counted.
    pub(super) fn only_in(self, accounts: Accounts) -> Self {
        Self { only: Some(Arc::new(accounts)), ..self }
    }

    /// Counts what they have open in those budgets; so many processes may have come to their end.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn begin_only(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.read()?;
        if let Some(only) = self.only.clone() {
            self.count(&only, now);
        }
        Ok(())
    }

    /// Counts what they have spent since the mark and have open, and what the one that leaves may still
    /// spend. Nothing is admitted by this process before.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn begin(
        &mut self,
        accounts: &Accounts,
        aside: &[SetAside],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.read()?;
        self.count(accounts, now);
        self.beside.hold(accounts, aside, now);
        // The one before has told of it: it looked when it gave way.
        told_so_far(accounts, now);
        Ok(())
    }

    /// Counts on until all of them have ended. The one that leaves reserves nothing more after its grace.
    pub(super) async fn follow(mut self, gateway: Arc<Gateway>, grace: Duration) {
        let mut waited = Duration::ZERO;
        loop {
            tokio::time::sleep(READ_EVERY).await;
            waited += READ_EVERY;
            let read = tokio::task::spawn_blocking(move || {
                let read = self.read();
                (self, read)
            });
            let Ok((this, read)) = read.await else { return };
            self = this;
            if let Err(error) = read {
                let from =
                    "what the processes before this one spend cannot be read from the ledger";
                tracing::warn!(%error, "{from}: it is tried again");
                continue;
            }
            let of_all = || Arc::clone(&gateway.epoch.load().accounts);
            let accounts = self.only.clone().unwrap_or_else(of_all);
            self.count(&accounts, (gateway.sources.timestamp)());
            if self.mark.ended() {
                return self.beside.end();
            }
            if waited >= ON_DISK_AFTER {
                self.beside.settle_down();
            }
            if waited >= grace.saturating_add(ON_DISK_AFTER) {
                self.beside.end();
            }
        }
    }

    fn read(&mut self) -> Result<(), StoreError> {
        self.reader.of_boots(&mut self.mark)
    }

    fn count(&mut self, accounts: &Accounts, now: Timestamp) {
        for (row, money) in self.mark.money().iter().enumerate() {
            if self.teams.len() <= row {
                self.teams.push(past::teams_of(money, &self.tree));
            }
            let BootMoney { key, settled, reserved, .. } = money;
            let Ok(at) = Timestamp::from_millisecond(money.at_ms) else { continue };
            let teams = self.teams.get(row).map_or(&[][..], |it| it);
            let cost = Cost { teams, key, at, settled: *settled, reserved: *reserved };
            self.beside.count(accounts, row, cost, now);
        }
    }
}
