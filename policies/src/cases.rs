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
//!
//! `given` takes model, language, task, confidence, complexity, contains, data_class, operation, stream,
//! needs, input_tokens, input_tokens_bound, output_tokens_max, n, budget_left, tags, team, key, time,
//! weekday, user, session, request and draw; of the fleet `down` (models), `first_token_ms` and `in_flight`
//! (by model); of the rule's experiment `arm`, which the request then has if it takes part. `expect` takes
//! rule, model (the first), then (the others, in order), skipped (models left out), cost_max, refusal,
//! experiment, and arm or `none`.
//! A table may add `[alias]`, `[[team]]` (name, parent, models, data_class_max) and `[[key]]` (name,
//! models, data_class_max) to its fleet. The refusal `data_class_forbidden` comes where the class of what is
//! given, or the one that its contents raise it to, is above what its key or a team may send.

mod classes;
mod expect;
mod given;

use std::{collections::HashSet, fmt, sync::Arc};

use toml::{Table, Value};

pub use self::classes::{Bounds, Classes, NoClasses};
pub(crate) use self::given::INPUT_TOKENS;
use self::{
    classes::Owned,
    expect::{DATA_CLASS_FORBIDDEN, Expect, reason_code},
    given::Given,
};
use crate::{
    decide::{World, decide},
    document::{Faults, Section, locate},
    facts::{FleetFacts, ModelIndex},
    fault::Fault,
    not_toml::not_toml,
    plan::{Plan, Refusal, Skip},
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
    /// The line of the table on which that stands.
    pub line: Option<usize>,
    /// What differs: field, expected, found.
    pub fields: Vec<(String, String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.case)?;
        for (field, expected, found) in &self.fields {
            write!(f, "\n  {field}: expected {expected}, came {found}")?;
        }
        Ok(())
    }
}

/// Reads the header of a table.
///
/// # Errors
/// When the document is no TOML, or the header is not whole.
pub fn header(document: &str) -> Result<Header, Vec<Fault>> {
    let table: Table =
        document.parse().map_err(|error: toml::de::Error| vec![not_toml(document, &error)])?;
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
/// When table or policy have faults: nothing is run then. Those of the policy name it as the table does.
pub fn run(document: &str, policy: &str, fleet: &FleetFacts) -> Result<Report, Vec<Fault>> {
    run_classed(document, policy, fleet, &NoClasses)
}

/// Does the same where the fleet says who may send which data class, and what contents raise it to.
///
/// # Errors
/// As [`run`].
pub fn run_classed(
    document: &str,
    policy: &str,
    fleet: &FleetFacts,
    classes: &dyn Classes,
) -> Result<Report, Vec<Fault>> {
    let table: Table =
        document.parse().map_err(|error: toml::de::Error| vec![not_toml(document, &error)])?;
    let mut faults = Faults::new();
    let mut root = Section::root(&table);
    let named = root.text("policy", &mut faults);
    root.text("fleet", &mut faults);
    let (fleet, own) = given::fleet(&mut root, fleet, &mut faults);
    let owned = Owned { classes, own };
    let compiled = compile(policy, &fleet).map_err(|faults| {
        let named = |fault: Fault| match named {
            Some(name) => fault.in_file(name),
            None => fault,
        };
        faults.into_iter().map(named).collect::<Vec<_>>()
    });
    let policy = compiled?;
    let cases = all(&mut root, &policy, &mut faults);
    root.close(&mut faults);
    if !faults.is_empty() {
        let mut faults = faults.into_vec();
        locate(document, &mut faults);
        return Err(faults);
    }
    let mut report = Report::default();
    for (at, mut case) in cases.into_iter().enumerate() {
        case.given.forbidden = owned.forbids(&mut case.given.signals, policy.fleet());
        match case.differs(&policy) {
            fields if fields.is_empty() => report.passed += 1,
            fields => {
                let mut place = [Fault::new(format!("case[{at}].name"), "", "")];
                locate(document, &mut place);
                let [Fault { line, .. }] = place;
                report.failed.push(Difference { case: case.name, line, fields });
            }
        }
    }
    Ok(report)
}

/// The cases of a table: a table without any tests nothing, and one of two of the same name is a slip.
fn all(root: &mut Section<'_>, policy: &Policy, faults: &mut Faults) -> Vec<Case> {
    let before = faults.count();
    let sections = root.tables("case", faults);
    if sections.is_empty() && faults.count() == before {
        faults.push(Fault::new("case", "no [[case]]", "at least one: this tests nothing"));
    }
    let mut taken = HashSet::new();
    let each = sections.into_iter();
    each.map(|section| case(section, policy, &mut taken, faults)).collect()
}

struct Case {
    name: String,
    given: Given,
    expect: Expect,
}

fn case<'a>(
    mut section: Section<'a>,
    policy: &Policy,
    taken: &mut HashSet<&'a str>,
    faults: &mut Faults,
) -> Case {
    let fleet = policy.fleet();
    let (expected, wrong) =
        ("a name of its own, by which a case that fails is called", section.at("name"));
    let name = match (section.get("name"), section.text("name", faults)) {
        (None, _) | (_, Some("")) => {
            faults.push(Fault::new(wrong, "nothing", expected));
            ""
        }
        (_, Some(name)) if !taken.insert(name) => {
            faults.push(Fault::new(wrong, format!("`{name}` for the second time"), expected));
            name
        }
        (_, name) => name.unwrap_or_default(),
    };
    let name = name.to_owned();
    let given = match section.get("given") {
        Some(value) => {
            let mut given = Section::of(section.at("given"), value, faults);
            let read = given::given(&mut given, policy, faults);
            given.close(faults);
            read
        }
        None => Given::nothing(fleet),
    };
    let expect = match section.get("expect") {
        Some(value) => {
            expect::expect(Section::of(section.at("expect"), value, faults), policy, faults)
        }
        None => {
            faults.push(Fault::new(section.at("expect"), "nothing", expect::SOMETHING));
            Expect::default()
        }
    };
    section.close(faults);
    Case { name, given, expect }
}

impl Case {
    /// What came out otherwise: field, expected, found.
    fn differs(&self, policy: &Policy) -> Vec<(String, String, String)> {
        let Given { signals, fleet, experiments, draw, forbidden } = &self.given;
        let world = World { fleet, experiments };
        let found = match forbidden {
            true => Found::forbidden(),
            false => Found::of(decide(policy, signals, world, *draw), policy),
        };
        let mut fields = Vec::new();
        let mut compare = |field: &str, expected: Option<String>, found: &str| {
            let said = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
            if let Some(expected) = expected.filter(|expected| expected != found) {
                fields.push((field.to_owned(), said(&expected), said(found)));
            }
        };
        let expect = &self.expect;
        let joined = |list: &Option<Vec<String>>| list.as_ref().map(|list| list.join(", "));
        let (first, then) = match found.models.split_first() {
            Some((first, then)) => (first.as_str(), then.join(", ")),
            None => ("none: it is refused", String::new()),
        };
        compare("rule", expect.rule.clone(), &found.rule);
        compare("model", expect.model.clone(), first);
        compare("then", joined(&expect.then), &then);
        compare("skipped", joined(&expect.skipped), &found.skipped.join(", "));
        compare("cost_max", expect.cost_max.clone(), &found.cost_max);
        compare("experiment", expect.experiment.clone(), &found.experiment);
        compare("arm", expect.arm.clone(), &found.arm);
        compare("refusal", Some(expect.refusal.unwrap_or(NO_REFUSAL).into()), found.refusal);
        fields
    }
}

const NO_REFUSAL: &str = "none";

struct Found {
    rule: Arc<str>,
    models: Vec<String>,
    skipped: Vec<String>,
    cost_max: String,
    refusal: &'static str,
    experiment: String,
    arm: String,
}

impl Found {
    /// What is refused before anything is decided.
    fn forbidden() -> Self {
        Self {
            rule: "".into(),
            models: Vec::new(),
            skipped: Vec::new(),
            cost_max: String::new(),
            refusal: DATA_CLASS_FORBIDDEN,
            experiment: expect::NO_ARM.to_owned(),
            arm: expect::NO_ARM.to_owned(),
        }
    }

    fn of(decided: Result<Plan, Refusal>, policy: &Policy) -> Self {
        let id = |model: ModelIndex| {
            policy.fleet().models.get(model.get()).map_or_else(String::new, |it| it.id.to_string())
        };
        let arm = match &decided {
            Ok(plan) => plan.arm,
            Err(refusal) => refusal.arm,
        };
        let experiment = arm.and_then(|it| policy.experiment(it.experiment));
        let named = arm.and_then(|it| experiment?.arm(it.arm));
        let arm = named.map_or(expect::NO_ARM, |it| &*it.name).to_owned();
        let experiment = experiment.map_or(expect::NO_ARM, |it| &*it.name).to_owned();
        let (rule, why, models, cost_max, refusal) = match decided {
            Ok(plan) => {
                let models = plan.attempts.iter().map(|it| id(it.model)).collect();
                (plan.rule, plan.why, models, plan.cost_max.to_string(), NO_REFUSAL)
            }
            Err(refusal) => {
                let code = reason_code(&refusal.reason);
                (refusal.rule, refusal.why, Vec::new(), String::new(), code)
            }
        };
        // A plan that is long enough leaves out nobody for a reason of theirs.
        let left_out = why.skipped.iter().filter(|(_, skip)| *skip != Skip::Enough);
        let skipped = left_out.map(|(model, _)| id(*model)).collect();
        Self { rule, models, skipped, cost_max, refusal, experiment, arm }
    }
}
