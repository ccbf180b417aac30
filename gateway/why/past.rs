//! A request of the past as it was decided: its signals from the columns of the books.

use std::collections::{BTreeMap, HashMap};

use jiff::{Timestamp, tz::TimeZone};
use policies::{
    Policy,
    experiment::{ExperimentState, ExperimentView, UnitKind, unit_of_key},
    facts::{
        Complexity, Content, Contents, DataClass, KeyIndex, Language, Needs, Operation, Signals,
        Task, TeamIndex, Tokens,
    },
    replay::{Past, Served},
};
use serde_json::{Map, Value};
use smallvec::SmallVec;
use uuid::Uuid;

use crate::store::{PastArm, PastRow};

/// Teams and keys of a policy by their names, and its clock.
pub(crate) struct Callers {
    teams: HashMap<String, SmallVec<[TeamIndex; 4]>>,
    keys: HashMap<String, KeyIndex>,
    zone: TimeZone,
}

impl Callers {
    /// Those of this policy.
    ///
    /// # Errors
    /// There is no time zone of its name.
    pub(crate) fn of(policy: &Policy) -> Result<Self, jiff::Error> {
        let fleet = policy.fleet();
        let path = |at: u16| {
            let parent = |team: &TeamIndex| fleet.teams.get(team.get()).and_then(|it| it.parent);
            std::iter::successors(Some(TeamIndex(at)), parent).take(fleet.teams.len()).collect()
        };
        Ok(Self {
            teams: (0..)
                .zip(&fleet.teams)
                .map(|(at, it)| (it.name.to_string(), path(at)))
                .collect(),
            keys: (0..)
                .zip(&fleet.keys)
                .map(|(at, it)| (it.name.to_string(), KeyIndex(at)))
                .collect(),
            zone: TimeZone::get(policy.timezone())?,
        })
    }

    /// The request as it would be decided by this policy, whose experiments were like that; `None` if nobody
    /// of that name may ask.
    pub(crate) fn past(
        &self,
        policy: &Policy,
        mut experiments: ExperimentView,
        row: PastRow,
    ) -> Option<Past> {
        let mut signals = signals(&row);
        signals.team_path = self.teams.get(&row.team)?.clone();
        signals.key = *self.keys.get(&row.key)?;
        if let Some(arm) = &row.arm {
            moment(policy, arm, &mut signals, &mut experiments);
        }
        let at = Timestamp::from_millisecond(row.at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        signals.at = crate::signals::civil(self.zone.to_datetime(at));
        let served =
            |model: String| Served { model: model.into(), counts: row.counts, cost: row.cost };
        Some(Past {
            signals,
            experiments,
            arm: row.arm.map(|it| (it.experiment.into(), it.name.into())),
            draw: policies::facts::Draw(row.draw),
            team: row.team.into(),
            served: row.model.map(served),
        })
    }
}

/// What the columns say of the request itself, whoever has asked and whenever.
pub(super) fn signals(row: &PastRow) -> Signals {
    let mut signals = Signals::chat(&row.requested);
    signals.operation = Operation::from_code(&row.operation).unwrap_or(signals.operation);
    signals.stream = row.stream;
    signals.language = Language::from_code(&row.language).unwrap_or(Language::Und);
    signals.task = Task::from_code(&row.task).unwrap_or(Task::Chat);
    #[allow(clippy::cast_possible_truncation, reason = "it was single before it was written")]
    let single = |sure: f64| sure as f32;
    signals.language_confidence = single(row.confidence.0);
    signals.task_confidence = single(row.confidence.1);
    signals.needs =
        row.needs.split(',').filter_map(Needs::from_code).fold(Needs::NONE, Needs::with);
    signals.complexity = Complexity::from_code(&row.complexity).unwrap_or(Complexity::Easy);
    signals.contains = row.contains;
    signals.data_class = DataClass::from_code(&row.data_class).unwrap_or(DataClass::Public);
    signals.input_tokens = Tokens(row.input_tokens);
    signals.input_tokens_bound = Tokens(row.input_tokens);
    signals.output_tokens_asked = row.output_tokens_asked.map(Tokens);
    signals.n = row.n;
    signals.session = row.session.map(u128::from_be_bytes);
    signals.unit_user = row.user.map(u128::from_be_bytes);
    signals.unit_key = Some(unit_of_key(&row.key));
    // Older refusals have no id; the draw of a request is its own as well.
    signals.request = row.id.map_or(row.draw.into(), |id| id.as_u128());
    let tags = row.tags.as_deref().and_then(|tags| serde_json::from_str(tags).ok());
    let tags: Option<BTreeMap<String, String>> = tags;
    signals.tags = tags.into_iter().flatten().map(|(k, v)| (k.into(), v.into())).collect();
    signals
}

/// Gives the signals a unit of this kind.
pub(super) fn set_unit(signals: &mut Signals, kind: UnitKind, unit: u128) {
    match kind {
        UnitKind::User => signals.unit_user = Some(unit),
        UnitKind::Key => signals.unit_key = Some(unit),
        UnitKind::Session => signals.session = Some(unit),
        UnitKind::Request => signals.request = unit,
    }
}

/// What this policy's experiments were for a request of the past. The version that it took part in was not
/// stopped then, nor was its arm rolled back, whatever else the moment says.
fn moment(policy: &Policy, arm: &PastArm, signals: &mut Signals, view: &mut ExperimentView) {
    let mut all = policy.experiments().iter().enumerate();
    let Some((at, it)) = all.find(|(_, it)| *it.name == *arm.experiment) else { return };
    set_unit(signals, it.unit, u128::from_be_bytes(arm.unit));
    if *it.version != *arm.version {
        return;
    }
    let shares: Option<Vec<f64>> =
        arm.shares.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let shares = shares.filter(|shares| shares.len() == it.arms.len()).unwrap_or_default();
    if let Some(state) = view.states.get_mut(at) {
        *state = ExperimentState { shares, ..ExperimentState::default() };
    }
}

/// What a request contained, of the counts that its row shows.
fn contents(counts: Option<&Value>) -> Contents {
    let counts = counts.and_then(Value::as_object).into_iter().flatten();
    counts.fold(Contents::NONE, |mut contents, (kind, count)| {
        let count = count.as_u64().map_or(0, |it| u16::try_from(it).unwrap_or(u16::MAX));
        Content::from_code(kind).into_iter().for_each(|kind| contents.add_many(kind, count));
        contents
    })
}

/// The columns of an entry or a refusal as a row of the past. How it was served is not in it.
pub(super) fn row(columns: &Map<String, Value>) -> PastRow {
    let text = |name: &str| super::column(columns, name).unwrap_or_default().to_owned();
    let number = |name: &str| columns.get(name).and_then(Value::as_u64);
    let small = |name: &str| number(name).and_then(|it| u32::try_from(it).ok());
    let real = |name: &str| columns.get(name).and_then(Value::as_f64).unwrap_or_default();
    let at: Option<Timestamp> = text("started_at").parse().ok();
    let hash = |name| {
        let text = super::column(columns, name).filter(|text| text.len() == 32)?;
        u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
    };
    PastRow {
        at_ms: at.map_or(0, Timestamp::as_millisecond),
        team: text("team"),
        key: text("key"),
        id: Uuid::try_parse(&text("id")).ok(),
        user: hash("user"),
        session: hash("session"),
        tags: columns.get("tags").filter(|it| it.is_object()).map(ToString::to_string),
        operation: text("operation"),
        stream: number("stream") == Some(1),
        requested: text("requested_model"),
        language: text("language"),
        task: text("task"),
        confidence: (real("language_confidence"), real("task_confidence")),
        needs: text("needs"),
        complexity: text("complexity"),
        contains: contents(columns.get("contains")),
        data_class: text("data_class"),
        input_tokens: small("input_tokens_estimate").unwrap_or_default(),
        output_tokens_asked: small("output_tokens_asked"),
        n: number("n").and_then(|it| u8::try_from(it).ok()).unwrap_or(1).max(1),
        draw: text("draw").parse().unwrap_or_default(),
        ..PastRow::default()
    }
}
