//! Case tables: policies tested like code. A file names a policy and a fleet, and lists cases of what
//! is given and what is expected.
//!
//! ```toml
//! policy = "../presets/bank.toml"
//! fleet = "catalogue"
//!
//! [[case]]
//! name = "Malay questions go to Qwen"
//! given = { language = "ms", task = "open_qa" }
//! expect = { rule = "regional-languages", model = "qwen3.5-397b" }
//! ```

use std::{fmt, sync::Arc};

use toml::{Table, Value};

use crate::{
    decide::decide,
    document::{Faults, Section, items, kind},
    facts::{
        DataClass, Draw, FleetFacts, FleetView, Language, ModelIndex, ModelView, Money, Needs,
        Operation, Signals, Task, Tokens,
    },
    fault::Fault,
    plan::{Plan, Reason, Refusal},
    policy::{Policy, compile},
};

/// What a file's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The policy's path, relative to the file.
    pub policy: String,
    /// The fleet: `catalogue`, or a configuration's path.
    pub fleet: String,
}

/// How a table of cases came out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Cases that came out as expected.
    pub passed: usize,
    /// The others.
    pub failed: Vec<Difference>,
}

/// A case that came out otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The case's name.
    pub case: String,
    /// What differs: field, expected, found.
    pub fields: Vec<(String, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.case)?;
        for (field, expected, found) in &self.fields {
            writeln!(f, "  {field}")?;
            writeln!(f, "  - {expected}")?;
            writeln!(f, "  + {found}")?;
        }
        Ok(())
    }
}

/// Reads the header of a table.
///
/// # Errors
/// When the document is no TOML, or the header is not whole.
pub fn header(document: &str) -> Result<Header, Vec<Fault>> {
    let table: Table = document
        .parse()
        .map_err(|error: toml::de::Error| vec![Fault::new("document", error.message(), "TOML")])?;
    let text = |key: &str| {
        let expected = "a path at the top of the file";
        let found = table.get(key).and_then(Value::as_str);
        found.map(str::to_owned).ok_or_else(|| vec![Fault::new(key, "no text", expected)])
    };
    Ok(Header { policy: text("policy")?, fleet: text("fleet")? })
}

/// Runs a table of cases against a policy's document.
///
/// # Errors
/// When table or policy have faults: nothing is run then.
pub fn run(document: &str, policy: &str, fleet: &FleetFacts) -> Result<Report, Vec<Fault>> {
    let policy = compile(policy, fleet)?;
    let table: Table = document
        .parse()
        .map_err(|error: toml::de::Error| vec![Fault::new("document", error.message(), "TOML")])?;
    let mut faults = Faults::new();
    let mut root = Section::root(&table);
    root.text("policy", &mut faults);
    root.text("fleet", &mut faults);
    let sections = root.tables("case", &mut faults);
    let cases: Vec<Case> =
        sections.into_iter().map(|section| case(section, fleet, &mut faults)).collect();
    root.close(&mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut report = Report::default();
    for case in cases {
        match case.differs(&policy) {
            fields if fields.is_empty() => report.passed += 1,
            fields => report.failed.push(Difference { case: case.name, fields }),
        }
    }
    Ok(report)
}

struct Case {
    name: String,
    signals: Signals,
    fleet: FleetView,
    draw: Draw,
    expect: Expect,
}

#[derive(Default)]
struct Expect {
    rule: Option<String>,
    model: Option<String>,
    then: Option<Vec<String>>,
    refusal: Option<String>,
}

fn case(mut section: Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Case {
    let name = section.text("name", faults).unwrap_or("a case without a name").to_owned();
    let mut draw = Draw(0);
    let mut signals = Signals::chat("auto");
    let mut view = FleetView { version: 0, models: vec![ModelView::default(); fleet.models.len()] };
    if let Some(value) = section.get("given") {
        let mut given = Section::of(section.at("given"), value, faults);
        signals = given_signals(&mut given, fleet, faults);
        down(&mut given, fleet, &mut view, faults);
        draw = Draw(number(&mut given, "draw", faults).unwrap_or(0).into());
        given.close(faults);
    }
    let mut expect = Expect::default();
    match section.get("expect") {
        Some(value) => {
            let mut it = Section::of(section.at("expect"), value, faults);
            let owned = |text: Option<&str>| text.map(str::to_owned);
            expect.rule = owned(it.text("rule", faults));
            expect.model = owned(it.text("model", faults));
            expect.refusal = owned(it.text("refusal", faults));
            let then = it.list("then");
            expect.then = then.map(|list| {
                list.iter().filter_map(|(_, value)| value.as_str()).map(str::to_owned).collect()
            });
            it.close(faults);
        }
        None => {
            let expected = "what should come out: rule, model, then, refusal";
            faults.push(Fault::new(section.at("expect"), "nothing", expected));
        }
    }
    section.close(faults);
    Case { name, signals, fleet: view, draw, expect }
}

fn number(section: &mut Section<'_>, key: &'static str, faults: &mut Faults) -> Option<u32> {
    section.read(key, "a number", faults, |value| u32::try_from(value.as_integer()?).ok())
}

fn label<T>(
    section: &mut Section<'_>,
    key: &'static str,
    faults: &mut Faults,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    section.read(key, "a known label", faults, |value| read(value.as_str()?))
}

fn given_signals(it: &mut Section<'_>, fleet: &FleetFacts, faults: &mut Faults) -> Signals {
    let mut signals = Signals::chat(it.text("model", faults).unwrap_or("auto"));
    signals.language = label(it, "language", faults, Language::from_code).unwrap_or(Language::En);
    signals.task = label(it, "task", faults, Task::from_code).unwrap_or(Task::Chat);
    signals.data_class =
        label(it, "data_class", faults, DataClass::from_code).unwrap_or(DataClass::Public);
    signals.operation =
        label(it, "operation", faults, Operation::from_code).unwrap_or(Operation::Chat);
    signals.stream = it.read("stream", "true or false", faults, Value::as_bool).unwrap_or(false);
    let share = |value: &Value| value.as_float().map(|it| it as f32);
    let confidence = it.read("confidence", "a number from 0 to 1", faults, share).unwrap_or(1.0);
    (signals.language_confidence, signals.task_confidence) = (confidence, confidence);
    for (path, need) in it.list("needs").unwrap_or_default() {
        match need.as_str().and_then(Needs::from_code) {
            Some(need) => signals.needs = signals.needs.with(need),
            None => faults.push(Fault::new(path, kind(need), "a need")),
        }
    }
    let input = number(it, "input_tokens", faults).unwrap_or(100);
    signals.input_tokens = Tokens(input);
    if input > 32_768 {
        signals.needs = signals.needs.with(Needs::LONG_CONTEXT);
    }
    let bound = number(it, "input_tokens_bound", faults);
    signals.input_tokens_bound = Tokens(bound.unwrap_or_else(|| input.saturating_mul(4)));
    signals.output_tokens_asked = number(it, "output_tokens_max", faults).map(Tokens);
    signals.budget_left =
        it.read("budget_left", "money", faults, |value| Money::parse(value.as_str()?).ok());
    for (path, tag) in it.list("tags").unwrap_or_default() {
        match tag.as_str().and_then(|tag| tag.split_once('=')) {
            Some((key, value)) => signals.tags.push((key.into(), value.into())),
            None => faults.push(Fault::new(path, kind(tag), "k=v")),
        }
    }
    team(it, fleet, &mut signals, faults);
    signals
}

/// Puts the request under a team, with all its ancestors.
fn team(it: &mut Section<'_>, fleet: &FleetFacts, signals: &mut Signals, faults: &mut Faults) {
    let Some(name) = it.text("team", faults) else { return };
    let position = |name: &str| fleet.teams.iter().position(|team| *team.name == *name);
    let mut at = position(name).and_then(|at| u16::try_from(at).ok());
    if at.is_none() {
        let known = fleet.teams.iter().map(|team| &*team.name);
        faults.push(Fault::unknown(it.at("team"), name, "a team of the fleet", known));
    }
    while let Some(index) = at {
        signals.team_path.push(crate::facts::TeamIndex(index));
        let parent = fleet.teams.get(usize::from(index)).and_then(|team| team.parent);
        at = parent.map(|parent| parent.0).filter(|parent| *parent < index);
    }
}

/// Models that take no requests in this case.
fn down(it: &mut Section<'_>, fleet: &FleetFacts, view: &mut FleetView, faults: &mut Faults) {
    let Some(value) = it.get("down") else { return };
    for (path, item) in items(it.at("down"), value) {
        let at = item.as_str().and_then(|id| fleet.models.iter().position(|it| *it.id == *id));
        match at.and_then(|at| view.models.get_mut(at)) {
            Some(model) => model.available = false,
            None => faults.push(Fault::new(path, kind(item), "a model of the fleet")),
        }
    }
}

impl Case {
    /// What came out otherwise: field, expected, found.
    fn differs(&self, policy: &Policy) -> Vec<(String, String, String)> {
        let decided = decide(policy, &self.signals, &self.fleet, self.draw);
        let found = Found::of(&decided, policy);
        let mut fields = Vec::new();
        let mut compare = |field: &str, expected: &Option<String>, found: &str| {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != found) {
                fields.push((field.to_owned(), expected.clone(), found.to_owned()));
            }
        };
        compare("rule", &self.expect.rule, &found.rule);
        compare("model", &self.expect.model, found.models.first().map_or("(refused)", |it| it));
        let then = self.expect.then.as_ref().map(|then| then.join(", "));
        compare("then", &then, &found.models.get(1..).unwrap_or_default().join(", "));
        let refusal = self.expect.refusal.clone().or(Some(String::from("(none)")));
        compare("refusal", &refusal, found.refusal);
        fields
    }
}

struct Found {
    rule: Arc<str>,
    models: Vec<String>,
    refusal: &'static str,
}

impl Found {
    fn of(decided: &Result<Plan, Refusal>, policy: &Policy) -> Self {
        let id = |model: ModelIndex| {
            policy.fleet().models.get(model.get()).map_or_else(String::new, |it| it.id.to_string())
        };
        match decided {
            Ok(plan) => Self {
                rule: Arc::clone(&plan.rule),
                models: plan.attempts.iter().map(|it| id(it.model)).collect(),
                refusal: "(none)",
            },
            Err(refusal) => Self {
                rule: Arc::clone(&refusal.rule),
                models: Vec::new(),
                refusal: reason_code(&refusal.reason),
            },
        }
    }
}

/// The code of a reason, as case tables spell it and as callers read it.
fn reason_code(reason: &Reason) -> &'static str {
    match reason {
        Reason::UnknownModel => "model_not_found",
        Reason::ModelForbidden => "model_forbidden",
        Reason::PolicyForbidden(_) => "policy_forbidden",
        Reason::NoCapableModel(_) => "no_capable_model",
        Reason::ContextTooLong { .. } => "context_length_exceeded",
        Reason::NoneAvailable => "no_capacity",
    }
}
