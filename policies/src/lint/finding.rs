//! What was found: how bad, where, in words, with an example.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{document::locate, fault::Fault, policy::Rule};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The policy does not load.
    Error,
    /// It loads, and somebody should look.
    Warning,
    /// It loads, and may well be meant.
    Note,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Earlier rules serve or refuse every request that it could route.
    Dead,
    /// Two rules have the same conditions.
    SameConditions,
    /// Data of a class that a guard keeps in a zone can leave it.
    Leak,
    /// A guard can be evaded by what a caller states.
    Hintable,
    /// Constraints leave a route no model.
    EmptyRoute,
    /// Requests that models of the fleet could serve are refused: by a rule that passes none on, or at last
    /// by the default route.
    Gap,
    /// A model of a route is too small for every request that the rule routes.
    Context,
    /// One name that callers ask for can lead to vectors of two spaces.
    VectorSpaces,
    /// An experiment in which no request can take part.
    NeverEnrols,
    /// Guards forbid every model of an arm, for whatever the experiment's rules route.
    ArmForbidden,
    /// No model of an arm can do what everything that the experiment's rules route needs.
    ArmUnable,
    /// Two arms of an experiment are the same.
    SameArms,
    /// An arm gets fewer of the units that there are than its verdict waits for.
    FewUnits,
    /// The shadow of an experiment may or can never be asked.
    ShadowForbidden,
    /// The proofs were given up for their size.
    Unproved,
}

impl Kind {
    /// How bad a finding of this kind is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Dead
            | Self::SameConditions
            | Self::Leak
            | Self::VectorSpaces
            | Self::ArmForbidden => Severity::Error,
            Self::SameArms => Severity::Note,
            _ => Severity::Warning,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub kind: Kind,
    /// The rule or the experiment it is about, or `default`.
    pub rule: String,
    /// The policy's document, as whoever reads the finding knows it; absent where only one is spoken of.
    pub file: Option<Arc<str>>,
    /// The line of the document, from 1, where it is known.
    pub line: Option<usize>,
    /// Where it stands, such as `rule[3]`.
    pub path: String,
    /// What is wrong, in words.
    pub says: String,
    /// A request that shows it, as `given` of a case table.
    pub example: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        write!(f, "{severity}: {} `{}`: {}", self.path, self.rule, self.says)?;
        if let Some(example) = &self.example {
            write!(f, "\n  for example given = {example}")?;
        }
        Ok(())
    }
}

/// What is told where proofs were given up.
pub(super) const UNPROVED: &str = "the rules are too many or too entangled to prove everything";

/// Says of each finding in which document it stands, and on which line.
pub fn place(findings: &mut [Finding], document: &str, file: &str) {
    let fault = |finding: &Finding| Fault::new(&*finding.path, "", "");
    let mut faults: Vec<Fault> = findings.iter().map(fault).collect();
    locate(document, &mut faults);
    let file: Arc<str> = file.into();
    for (finding, fault) in findings.iter_mut().zip(faults) {
        (finding.file, finding.line) = (Some(Arc::clone(&file)), fault.line);
    }
}

impl Finding {
    /// As a fault of the policy's document.
    pub(super) fn fault(&self) -> Fault {
        let wanted = match self.kind {
            Kind::Dead => "a rule that can route",
            Kind::SameConditions => "conditions of its own",
            Kind::VectorSpaces => "one vector space for each name that is asked for",
            Kind::ArmForbidden => "a model that a rule with this experiment allows",
            _ => "guards that let nothing through",
        };
        let example = self
            .example
            .as_ref()
            .map_or_else(String::new, |it| format!("; for example given = {it}"));
        Fault::new(
            self.path.clone(),
            format!("`{}`", self.rule),
            format!("{wanted}: {}{example}", self.says),
        )
    }
}

/// What a dead rule is told; `by` is the one rule that leaves it nothing, if one alone does.
pub(super) fn never_routes(by: Option<&Rule>) -> String {
    let by = by.map_or_else(
        || "the rules before it take".to_owned(),
        |rule| format!("`{}` takes", rule.name),
    );
    format!("it never routes: {by} every request that it matches")
}

/// What a gap is told: at a rule that passes nothing on, or at the default route.
pub(super) fn gap(needing: &str, at_a_rule: bool) -> String {
    let whose = if at_a_rule { "the rule passes none on" } else { "this route is the last" };
    format!(
        "requests that need {needing} find no model here, though the fleet has one, and {whose}: they are \
         refused"
    )
}
