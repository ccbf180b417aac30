//! What comes of the day's experiment: an arm that is rolled back, and what the report says in the end.

use serde_json::Value;

use super::{
    BoxError,
    acts::scene::Scene,
    day::{CUT, clock},
    experiment::{BROKEN, NAME, PRIMARY},
    folder::Folder,
    gateway::itself,
    verdict::Record,
};
use crate::{
    outcome::{ExperimentAction, ExperimentChange},
    store::Reader,
};

/// The experiment while the day goes on.
pub(super) struct Trial<'a> {
    folder: &'a Folder,
    /// Which moment of the day came when, in milliseconds since 1970: a busy machine is late with some.
    passed: Vec<(i64, u64)>,
    since_ms: i64,
    /// How many rollbacks have been told of.
    told: usize,
}

impl<'a> Trial<'a> {
    /// The experiment of a day that begins now.
    pub(super) fn new(folder: &'a Folder, since_ms: i64) -> Self {
        Self { folder, passed: Vec::new(), since_ms, told: 0 }
    }

    /// A moment of the day has come.
    pub(super) fn passes(&mut self, at_ms: u64) {
        self.passed.push((jiff::Timestamp::now().as_millisecond(), at_ms));
    }

    /// A line for each rollback that has not been told of.
    pub(super) fn news(&mut self) -> Result<Vec<String>, BoxError> {
        let all = Reader::open(&self.folder.ledger()).and_then(|it| it.experiment_changes())?;
        let is_new = |it: &ExperimentChange| {
            it.change == ExperimentAction::RolledBack && it.at_ms >= self.since_ms
        };
        let lines = all.iter().filter(|it| is_new(it)).skip(self.told).map(|it| {
            let later = self.passed.partition_point(|(unix_ms, _)| *unix_ms <= it.at_ms);
            let before = later.checked_sub(1).and_then(|at| self.passed.get(at));
            let at = clock(before.map_or(0, |(_, at_ms)| *at_ms));
            let arm = it.arm.as_deref().unwrap_or("all");
            format!("{at}  rolled back: {arm} of {}, {}", it.experiment, it.reason)
        });
        let lines: Vec<_> = lines.collect();
        self.told += lines.len();
        Ok(lines)
    }

    /// What the report says, and whether the arm that broke is rolled back by itself.
    pub(super) async fn judge(
        &self,
        records: &[Record],
        minutes: u64,
        scene: &mut Scene,
    ) -> Result<(), BoxError> {
        let arguments = ["experiment", "report", NAME, "--json"];
        let run = itself(&self.folder.config(), &arguments)?.output().await?;
        if !run.status.success() {
            let said = String::from_utf8_lossy(&run.stderr);
            return Err(format!("experiment report: {said}").into());
        }
        let report: Value = serde_json::from_slice(&run.stdout)?;
        let told = || records.iter().filter_map(|it| it.asked.told);
        let arms = report.get("arms").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let named: Vec<String> = arms.iter().map(arm).collect();
        scene.books(&format!(
            "experiment {NAME}: `{PRIMARY}` was told of {} answers; users by arm: {}",
            told().count(),
            named.join(", ")
        ));
        let verdict = report.pointer("/verdict/text").and_then(Value::as_str).unwrap_or_default();
        scene.books(&format!("signalbox experiment report {NAME}: {verdict}"));
        scene.must(told().all(|it| it), "whatever is told of an answer is taken");
        let is_back = |it: &Value| name(it) == BROKEN && is_rolled_back(it);
        scene.must(
            minutes < CUT.until_min || arms.iter().any(is_back),
            &format!("the guard rolls `{BROKEN}` back"),
        );
        Ok(())
    }
}

fn name(arm: &Value) -> &str {
    arm.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn is_rolled_back(arm: &Value) -> bool {
    arm.get("rolled_back").and_then(Value::as_bool) == Some(true)
}

fn arm(it: &Value) -> String {
    let units = it.get("units").and_then(Value::as_u64).unwrap_or(0);
    let back = if is_rolled_back(it) { " (rolled back)" } else { "" };
    format!("{} {units}{back}", name(it))
}
