//! Why a rule lets a model serve no such request, in words for the caller.

use crate::{
    facts::{ModelIndex, RuleIndex, Signals},
    plan::{Skip, Why},
    policy::{Policy, Rule},
};

/// Models that are named at the most.
const MODELS_MAX: usize = 6;

/// Why the models of a refused request were forbidden: what each of them is, and where which rule keeps such
/// requests. `None` where no rule forbade any.
#[must_use]
pub fn forbidden_in_words(policy: &Policy, signals: &Signals, why: &Why) -> Option<String> {
    let forbidden = why.skipped.iter().filter_map(|(model, skip)| match skip {
        Skip::Guard(rule) => Some((*model, *rule)),
        _ => None,
    });
    // Models that are forbidden in the same words stand together.
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let mut more = 0_usize;
    for (at, (model, rule)) in forbidden.enumerate() {
        let Some((is, keeps)) = one(policy, signals, model, rule) else { continue };
        if at >= MODELS_MAX {
            more += 1;
            continue;
        }
        match groups.iter_mut().find(|(other, _)| *other == keeps) {
            Some((_, models)) => models.push(is),
            None => groups.push((keeps, vec![is])),
        }
    }
    let groups = groups.iter().map(|(keeps, models)| format!("{}, and {keeps}", models.join(", ")));
    let mut text = groups.collect::<Vec<_>>().join("; ");
    if more > 0 {
        text += &format!("; and {more} more");
    }
    (!text.is_empty()).then_some(text)
}

/// What one model is, and what the rule does with such requests.
fn one(
    policy: &Policy,
    signals: &Signals,
    model: ModelIndex,
    rule: RuleIndex,
) -> Option<(String, String)> {
    let facts = policy.fleet().models.get(model.get())?;
    let rule = policy.rules.get(rule.get())?;
    let (is, keeps) = rule.limits.in_words(facts, &requests(rule, signals, policy))?;
    let what = if rule.route.is_none() { "guard" } else { "rule" };
    Some((format!("{} {is}", facts.id), format!("the {what} `{}` {keeps}", rule.name)))
}

/// The requests that a rule speaks of, by what this one is in each respect that its `when` names.
fn requests(rule: &Rule, signals: &Signals, policy: &Policy) -> String {
    let said = rule.when.checks(signals).filter_map(|(dimension, _)| {
        Some(match dimension {
            "data_class" => format!("of data class {}", signals.data_class),
            "language" => format!("in language {}", signals.language),
            "task" => format!("of task {}", signals.task),
            "operation" => format!("for {}", signals.operation),
            "stream" if signals.stream => String::from("that stream"),
            "stream" => String::from("that do not stream"),
            "team" => {
                let team = policy.fleet().teams.get(signals.team_path.first()?.get())?;
                format!("of team {}", team.name)
            }
            "key" => String::from("of this key"),
            "model" => format!("for `{}`", signals.requested),
            "tag" => String::from("with these tags"),
            "needs" if signals.needs.is_empty() => String::from("without special needs"),
            "needs" => {
                format!("that need {}", signals.needs.names().collect::<Vec<_>>().join(", "))
            }
            "contains" if signals.contains.is_empty() => {
                String::from("that contain nothing of this")
            }
            "contains" => {
                let kinds = signals.contains.found().map(|(kind, _)| kind.code());
                format!("that contain {}", kinds.collect::<Vec<_>>().join(", "))
            }
            "complexity" => format!("that are {}", signals.complexity),
            "confidence" => String::from("recognised this surely"),
            "input_tokens" => format!("of about {} input tokens", signals.input_tokens),
            "output_tokens_max" => String::from("for an answer of this length"),
            "budget_left" => String::from("with this budget left"),
            "hours" | "weekday" => String::from("at this time"),
            _ => String::from("such as this one"),
        })
    });
    let mut said: Vec<String> = said.collect();
    said.dedup();
    if said.is_empty() {
        String::from("all requests")
    } else {
        format!("requests {}", said.join(" "))
    }
}
