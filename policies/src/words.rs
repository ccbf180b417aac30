//! A decision in one line, for callers and operators who read it in an answer's head.

use std::fmt::Write;

use crate::{
    explain::{reason_text, skip_text},
    plan::{Plan, Refusal, Why},
    policy::Policy,
};

/// Models that are named at the most, of those that the plan tries and of those that it leaves out.
const MODELS_MAX: usize = 8;

/// Why this plan: its rule, the guards that bound it, its models, and why it leaves out others.
#[must_use]
pub fn plan_in_words(plan: &Plan, policy: &Policy) -> String {
    let ids = plan.attempts.iter().map(|it| policy.model_id(it.model));
    let mut text = format!("rule {}{}", plan.rule, guards(&plan.why, policy));
    list(&mut text, "; plan ", ids.map(str::to_owned));
    left_out(&mut text, &plan.why, policy);
    text
}

/// Why there is no plan.
#[must_use]
pub fn refusal_in_words(refusal: &Refusal, policy: &Policy) -> String {
    let rule = if refusal.rule.is_empty() { "none" } else { &refusal.rule };
    let mut text = format!("rule {rule}{}", guards(&refusal.why, policy));
    list(&mut text, "; no plan: ", [reason_text(&refusal.reason, policy)].into_iter());
    left_out(&mut text, &refusal.why, policy);
    text
}

fn guards(why: &Why, policy: &Policy) -> String {
    let mut text = String::new();
    list(&mut text, "; guards ", why.guards.iter().map(|at| policy.rule_name(*at).to_owned()));
    text
}

fn left_out(text: &mut String, why: &Why, policy: &Policy) {
    let said = why
        .skipped
        .iter()
        .map(|(model, skip)| format!("{} ({})", policy.model_id(*model), skip_text(skip, policy)));
    list(text, "; without ", said);
}

fn list(text: &mut String, head: &str, mut items: impl ExactSizeIterator<Item = String>) {
    let Some(first) = items.next() else { return };
    // A text takes all that is written to it.
    let _ = write!(text, "{head}{first}");
    for item in items.by_ref().take(MODELS_MAX - 1) {
        let _ = write!(text, ", {item}");
    }
    if items.len() > 0 {
        let _ = write!(text, " and {} more", items.len());
    }
}
