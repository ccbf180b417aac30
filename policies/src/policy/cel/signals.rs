//! What an expression can know of a request.

use std::sync::Arc;

use cel::{
    Context,
    common::types::{CelBool, CelDouble, CelInt, CelString},
};

use super::kind::{Scalar, Type};
use crate::{
    facts::{
        CoarseTask, Complexity, Content, DataClass, Dialect, FleetFacts, Language, Needs,
        Operation, Signals, Task, TeamIndex,
    },
    policy::DAYS,
};

/// A variable of the language: a signal under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    Language,
    Languages,
    LanguageConfidence,
    Task,
    CoarseTask,
    TaskConfidence,
    Confidence,
    Complexity,
    Contains,
    DataClass,
    Operation,
    Dialect,
    Stream,
    Model,
    Team,
    Teams,
    Key,
    Tags,
    Needs,
    InputTokens,
    OutputTokensMax,
    Hour,
    Minute,
    Weekday,
}

impl Variable {
    /// Every variable with its name and its type.
    pub(super) const ALL: [(Self, &'static str, Type); 24] = [
        (Self::Language, "language", Type::One(Scalar::Text)),
        (Self::Languages, "languages", Type::Many(Scalar::Text)),
        (Self::LanguageConfidence, "language_confidence", Type::One(Scalar::Double)),
        (Self::Task, "task", Type::One(Scalar::Text)),
        (Self::CoarseTask, "coarse_task", Type::One(Scalar::Text)),
        (Self::TaskConfidence, "task_confidence", Type::One(Scalar::Double)),
        (Self::Confidence, "confidence", Type::One(Scalar::Double)),
        (Self::Complexity, "complexity", Type::One(Scalar::Text)),
        (Self::Contains, "contains", Type::Many(Scalar::Text)),
        (Self::DataClass, "data_class", Type::One(Scalar::Text)),
        (Self::Operation, "operation", Type::One(Scalar::Text)),
        (Self::Dialect, "dialect", Type::One(Scalar::Text)),
        (Self::Stream, "stream", Type::One(Scalar::Bool)),
        (Self::Model, "model", Type::One(Scalar::Text)),
        (Self::Team, "team", Type::One(Scalar::Text)),
        (Self::Teams, "teams", Type::Many(Scalar::Text)),
        (Self::Key, "key", Type::One(Scalar::Text)),
        (Self::Tags, "tags", Type::Texts),
        (Self::Needs, "needs", Type::Many(Scalar::Text)),
        (Self::InputTokens, "input_tokens", Type::One(Scalar::Int)),
        (Self::OutputTokensMax, "output_tokens_max", Type::One(Scalar::Int)),
        (Self::Hour, "hour", Type::One(Scalar::Int)),
        (Self::Minute, "minute", Type::One(Scalar::Int)),
        (Self::Weekday, "weekday", Type::One(Scalar::Text)),
    ];

    /// Whether a caller may state it by a header.
    pub(super) fn hintable(self) -> bool {
        use Variable::{
            CoarseTask, Confidence, Language, LanguageConfidence, Languages, Task, TaskConfidence,
        };
        matches!(
            self,
            Language
                | Languages
                | LanguageConfidence
                | Task
                | CoarseTask
                | TaskConfidence
                | Confidence
        )
    }

    /// Whether it is a number from 0 to 1.
    pub(super) fn is_share(self) -> bool {
        matches!(self, Self::LanguageConfidence | Self::TaskConfidence | Self::Confidence)
    }

    /// The condition of `when` that asks for the same, or for what it follows from.
    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Languages => "language",
            Self::CoarseTask => "task",
            Self::LanguageConfidence | Self::TaskConfidence => "confidence",
            Self::Teams => "team",
            Self::Tags => "tag",
            Self::Hour | Self::Minute => "hours",
            _ => Self::ALL.iter().find(|(it, ..)| *it == self).map_or("", |(_, name, _)| name),
        }
    }

    /// Puts its value where an expression finds it.
    pub(super) fn put<'v>(
        self,
        context: &mut Context<'_, 'v>,
        signals: &'v Signals,
        names: &'v Names,
    ) {
        let found = Self::ALL.iter().find(|(it, ..)| *it == self);
        let Some((_, name, _)) = found else { return };
        let mut text = |text: &'v str| {
            context.add_variable_as_val(*name, Box::new(CelString::from(text)));
        };
        match self {
            Self::Language => text(signals.language.code()),
            Self::Task => text(signals.task.code()),
            Self::CoarseTask => text(signals.task.coarse().code()),
            Self::Complexity => text(signals.complexity.code()),
            Self::DataClass => text(signals.data_class.code()),
            Self::Operation => text(signals.operation.code()),
            Self::Dialect => text(signals.dialect.code()),
            Self::Model => text(&signals.requested),
            Self::Team => text(signals.team_path.first().map_or("", |team| names.team(*team))),
            Self::Key => text(names.keys.get(signals.key.get()).map_or("", |key| key)),
            Self::Weekday => text(DAYS.get(usize::from(signals.at.weekday)).map_or("", |day| day)),
            _ => self.other(context, name, signals, names),
        }
    }

    /// What is no text.
    fn other<'v>(
        self,
        context: &mut Context<'_, 'v>,
        name: &'static str,
        signals: &'v Signals,
        names: &'v Names,
    ) {
        let texts = |all: Vec<&str>| -> Vec<cel::Value> {
            all.into_iter().map(|it| cel::Value::String(Arc::new(it.to_owned()))).collect()
        };
        let all = match self {
            Self::Languages => texts(signals.languages.iter().map(|(it, _)| it.code()).collect()),
            Self::Teams => texts(signals.team_path.iter().map(|it| names.team(*it)).collect()),
            Self::Needs => texts(signals.needs.names().collect()),
            Self::Contains => {
                texts(signals.contains.found().map(|(kind, _)| kind.code()).collect())
            }
            Self::Tags => {
                let tags: std::collections::HashMap<String, String> =
                    signals.tags.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
                context.add_variable_from_value(name, tags);
                return;
            }
            Self::Stream => {
                context.add_variable_as_val(name, Box::new(CelBool::from(signals.stream)));
                return;
            }
            _ => {
                self.number(context, name, signals);
                return;
            }
        };
        context.add_variable_from_value(name, cel::Value::List(Arc::new(all)));
    }

    fn number(self, context: &mut Context<'_, '_>, name: &'static str, signals: &Signals) {
        let whole = match self {
            Self::InputTokens => i64::from(signals.input_tokens.0),
            Self::OutputTokensMax => signals.output_tokens_asked.map_or(0, |it| i64::from(it.0)),
            Self::Hour => i64::from(signals.at.minute / 60),
            Self::Minute => i64::from(signals.at.minute % 60),
            _ => {
                let sure = match self {
                    Self::LanguageConfidence => signals.language_confidence,
                    Self::TaskConfidence => signals.task_confidence,
                    _ => signals.confidence(),
                };
                context.add_variable_as_val(name, Box::new(CelDouble::from(shortest(sure))));
                return;
            }
        };
        context.add_variable_as_val(name, Box::new(CelInt::from(whole)));
    }
}

/// The number that a person would write: 0.6 stays 0.6, though single precision has it as 0.60000002.
fn shortest(sure: f32) -> f64 {
    sure.to_string().parse().unwrap_or_else(|_| f64::from(sure))
}

/// Names of teams and keys, where an expression asks for them.
#[derive(Clone)]
pub(super) struct Names {
    teams: Arc<[Arc<str>]>,
    keys: Arc<[Arc<str>]>,
}

impl Names {
    pub(super) fn of(fleet: &FleetFacts, asked: &[Variable]) -> Self {
        let teams = asked.iter().any(|it| matches!(it, Variable::Team | Variable::Teams));
        let keys = asked.contains(&Variable::Key);
        Self {
            teams: fleet.teams.iter().filter(|_| teams).map(|it| Arc::clone(&it.name)).collect(),
            keys: fleet.keys.iter().filter(|_| keys).map(|it| Arc::clone(&it.name)).collect(),
        }
    }

    fn team(&self, team: TeamIndex) -> &str {
        self.teams.get(team.get()).map_or("", |name| name)
    }
}

/// All that a variable can be, where that is a closed set.
pub(super) fn labels(variable: &str) -> Option<Vec<&'static str>> {
    let codes = |codes: &mut dyn Iterator<Item = &'static str>| Some(codes.collect());
    match variable {
        "language" | "languages" => codes(&mut Language::ALL.iter().map(|it| it.code())),
        "task" => codes(&mut Task::ALL.iter().map(|it| it.code())),
        "coarse_task" => codes(&mut CoarseTask::ALL.iter().map(|it| it.code())),
        "complexity" => codes(&mut Complexity::ALL.iter().map(|it| it.code())),
        "contains" => codes(&mut Content::ALL.iter().map(|it| it.code())),
        "data_class" => codes(&mut DataClass::ALL.iter().map(|it| it.code())),
        "operation" => codes(&mut Operation::ALL.iter().map(|it| it.code())),
        "dialect" => codes(&mut Dialect::ALL.iter().map(|it| it.code())),
        "needs" => codes(&mut Needs::NAMES.iter().map(|(_, name)| *name)),
        "weekday" => codes(&mut DAYS.iter().copied()),
        _ => None,
    }
}
