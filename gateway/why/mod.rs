//! **Why**: a past request explained from the books, for the command `why` and for operators' tools.
//!
//! The decision is made again from what is kept: the signals, the draw, the policy and its fleet. What is not
//! kept (outages, load and latency of that moment, budgets left, the shares of several languages) may have
//! led to another one; where the books show that it has, a note says so. Nothing here reads a file or waits.

mod bill;
mod experiment;
mod past;
mod text;

use policies::{
    Explanation, FleetSnapshot, Policy, compile,
    experiment::ExperimentView,
    facts::{Draw, FleetView, ModelView},
    preset,
};
use serde::Serialize;
use serde_json::{Map, Value};

use self::bill::Bill;
pub(crate) use self::{past::Callers, text::signals_in_words};
use crate::store::{KeptRequest, PastRow};

/// What is said where nobody knows what a key could use.
const LISTS_REMOVED: &str = "a list of what keys could use is missing here: its row was removed, so that \
     this key may have had another one then, and another plan for that alone";

/// All that is known of one request.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    /// The columns of its entry or of its refusal.
    request: Map<String, Value>,
    /// The decision, made again with every model healthy; none where it never came to one, or where what it
    /// was made from is not kept.
    decision: Option<Explanation>,
    /// Who closes it, in words, where it is open and its process is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    left_open: Option<&'static str>,
    /// What has to be known about the above, in words.
    notes: Vec<String>,
    /// What was tried, in order.
    attempts: Vec<Value>,
    /// What was reserved and charged; none of a refusal.
    money: Option<Bill>,
}

/// A column that holds a text.
fn column<'a>(columns: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    columns.get(name)?.as_str()
}

impl Account {
    /// Explains what the books have of a request.
    pub(crate) fn of(kept: KeptRequest) -> Self {
        let (mut decision, mut notes) = match again(&kept) {
            Ok((decision, note)) => (Some(decision), note.into_iter().collect()),
            Err(note) => (None, vec![note]),
        };
        if let Some(decision) = &mut decision {
            // What it could cost was reckoned with a bound on the input that is not kept.
            decision.cost_max = None;
            // Of a model that there is not, no rule is near.
            if column(&kept.columns, "failure_kind") == Some("unknown_model") {
                decision.near.clear();
            }
            notes.extend(kept.lists_removed.then(|| LISTS_REMOVED.to_owned()));
            notes.extend(experiment::difference(&kept.columns, decision));
            notes.extend(differences(&kept.columns, decision));
        }
        let money = Bill::of(&kept);
        let attempts = kept.columns.get("attempts").and_then(Value::as_array);
        let attempts = attempts.cloned().unwrap_or_default();
        let (request, left_open) = (kept.columns, kept.left_open);
        Self { request, decision, left_open, notes, attempts, money }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        let plan = all.pointer_mut("/decision/plan").and_then(Value::as_array_mut);
        for candidate in plan.into_iter().flatten().filter_map(Value::as_object_mut) {
            // What only the moment could say: it is not kept.
            candidate.retain(|name, _| name != "in_flight" && name != "first_token_ms");
        }
        all
    }

    fn column(&self, name: &str) -> Option<&str> {
        column(&self.request, name)
    }
}

/// The decision made again, or why it cannot be; and what may be doubted of it.
fn again(kept: &KeptRequest) -> Result<(Explanation, Option<String>), String> {
    let text = |name| column(&kept.columns, name).unwrap_or_default();
    let early = text("language").is_empty() || text("stage") == "classify";
    if text("state") == "refused" && early {
        return Err("it was refused before anything was decided".into());
    }
    let hash = text("policy_hash");
    let Some((document, fleet)) = &kept.policy else {
        return Err(missing(kept, (text("policy_version"), hash)));
    };
    let unreadable = |why: String| {
        format!(
            "the policy {hash} as it is kept cannot be read by this version of signalbox: {why}"
        )
    };
    let fleet: FleetSnapshot =
        serde_json::from_str(fleet).map_err(|error| unreadable(error.to_string()))?;
    let models = kept.key_models.as_deref().map(serde_json::from_str);
    let models: Vec<String> = models
        .transpose()
        .map_err(|error| unreadable(error.to_string()))?
        .unwrap_or_else(|| vec!["*".into()]);
    let (fleet, _) = fleet.fleet(text("key"), &models);
    let policy = compile(document, &fleet).map_err(|faults| {
        unreadable(faults.first().map_or_else(String::new, ToString::to_string))
    })?;
    let note = (policy.hash() != hash).then(|| other_hash(&policy, hash));
    let row = past::row(&kept.columns);
    let draw = Draw(row.draw);
    let past =
        |row: PastRow| Callers::of(&policy).ok()?.past(&policy, ExperimentView::default(), row);
    let past =
        past(row).ok_or_else(|| unreadable("its team or its time zone is unknown".into()))?;
    let healthy = vec![ModelView::default(); policy.fleet().models.len()];
    let view = FleetView { version: 0, models: healthy };
    let decision = experiment::explained(&policy, &kept.columns, &past.signals, (&view, draw));
    Ok((decision, note))
}

/// That this build reckons another hash of a policy than the one by which it is kept.
fn other_hash(policy: &Policy, hash: &str) -> String {
    let version = policy.version();
    let preset = preset::of_version(version);
    let changed = preset.filter(|name| preset::document(name) != Some(policy.document()));
    let since = match changed {
        Some(name) => format!("; the program's own preset `{name}` has changed since"),
        None => String::new(),
    };
    format!(
        "the policy {version} is kept as {hash}, and this build of signalbox reckons another hash of it: \
         another build wrote it{since}. Whether its row was changed by hand, `signalbox ledger verify` knows"
    )
}

/// That there is no policy of this version and hash, and for what cause.
fn missing(kept: &KeptRequest, (version, hash): (&str, &str)) -> String {
    let policy = match hash {
        "" => "the policy that decided".to_owned(),
        _ => format!("the policy {version} ({hash})"),
    };
    let cause = match kept.policy_was_kept {
        Some(true) => "is missing here: its row was removed",
        _ if hash.is_empty() => "is missing here: the row that names it was removed",
        Some(false) => "is not kept here: an earlier version of signalbox decided",
        None => {
            "is not kept here: an earlier version of signalbox decided, or its row was removed \
             (`signalbox ledger verify` knows once this version's server has run on the file)"
        }
    };
    format!("{policy} {cause}, so that only what the row itself says is shown")
}

/// Where the books show that the decision was another one than that made again.
fn differences(columns: &Map<String, Value>, decision: &Explanation) -> Vec<String> {
    const NOT_KEPT: &str = "outages, switches, load and latency of that moment, the budget left and the \
         shares of several languages are not kept";
    let mut notes = Vec::new();
    let (rule, again) = (column(columns, "rule"), decision.rule.as_deref());
    if let (Some(rule), Some(again)) = (rule, again)
        && rule != again
    {
        notes.push(format!(
            "then `{rule}` chose the models; made again with every model healthy it is `{again}`: {NOT_KEPT}"
        ));
    }
    let refused = column(columns, "state") == Some("refused");
    match (refused, &decision.refusal) {
        (true, None) if column(columns, "stage") == Some("decide") => notes.push(format!(
            "then it was refused; made again with every model healthy there is a plan: {NOT_KEPT}"
        )),
        (true, None) if column(columns, "stage") == Some("admit") => {
            notes
                .push("the plan was made, and the request refused before anything was sent".into());
        }
        (false, Some(_)) => notes.push(format!(
            "then it was accepted; made again with every model healthy it is refused: {NOT_KEPT}"
        )),
        _ => notes.extend(other_models(columns, decision, NOT_KEPT)),
    }
    notes
}

/// Where other models were asked than the plan made again says.
fn other_models(
    columns: &Map<String, Value>,
    decision: &Explanation,
    not_kept: &str,
) -> Option<String> {
    let tried = columns.get("attempts")?.as_array()?.iter();
    let tried: Vec<&str> = tried.filter_map(|it| it.get("model")?.as_str()).collect();
    let (first, planned) = (tried.first()?, decision.plan.first()?);
    let in_plan = |model: &&str| decision.plan.iter().any(|it| it.model == **model);
    if let Some(other) = tried.iter().find(|it| !in_plan(it)) {
        return Some(format!(
            "then `{other}` was asked, which is not in the plan made again with every model healthy: \
             {not_kept}"
        ));
    }
    (**first != *planned.model).then(|| {
        format!(
            "then `{first}` was asked first; made again with every model healthy it is `{}`: {not_kept}",
            planned.model
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_of_another_build_is_named_by_the_hash_it_is_kept_by() {
        let bank = preset::document("bank").unwrap_or_default();
        let changed = "the program's own preset `bank` has changed since";
        for (document, says) in [
            (bank.replacen("bank-2026-11.3", "bank-2026-11", 1), true),
            (format!("{bank}\n# Another text of the same version.\n"), true),
            (bank.to_owned(), false),
            (bank.replacen("bank-2026-11.3", "mine", 1), false),
        ] {
            let policy = compile(&document, &policies::catalogue()).unwrap();
            let told = other_hash(&policy, "0123456789abcdef");
            assert!(told.contains("is kept as 0123456789abcdef, and this build"), "{told}");
            assert!(!told.contains(policy.hash()), "no third hash: {told}");
            assert_eq!(told.contains(changed), says, "{told}");
        }
    }
}
