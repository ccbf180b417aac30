//! The experiment of a request of the past: its unit, and the arm that it had.
//!
//! An arm follows from the unit and from what the moment said of the experiment: how many took part, what was
//! stopped or rolled back. The moment is not kept, and need not be: the entry holds the arm.

use policies::{
    Explanation, Policy, World,
    experiment::{ArmIndex, Experiment, ExperimentState, ExperimentView},
    facts::{Draw, FleetView, Signals},
};
use serde_json::{Map, Value};

use super::{column, past::set_unit};

/// The number that a column holds in hexadecimal.
fn hex(columns: &Map<String, Value>, name: &str) -> Option<u128> {
    let text = column(columns, name).filter(|text| text.len() == 32)?;
    u128::from_str_radix(text, 16).ok()
}

/// The experiment and the arm that an entry names, as this policy has them.
fn had<'a>(
    policy: &'a Policy,
    columns: &Map<String, Value>,
) -> Option<(usize, &'a Experiment, ArmIndex)> {
    let name = column(columns, "experiment")?;
    let arm = column(columns, "arm")?;
    let (at, experiment) =
        policy.experiments().iter().enumerate().find(|(_, it)| *it.name == *name)?;
    let place = experiment.arms.iter().position(|it| *it.name == *arm)?;
    Some((at, experiment, ArmIndex(u8::try_from(place).ok()?)))
}

/// A decision of the past made again, with the arm that its entry has, and with none where it has none.
pub(super) fn explained(
    policy: &Policy,
    columns: &Map<String, Value>,
    signals: &Signals,
    (fleet, draw): (&FleetView, Draw),
) -> Explanation {
    let decided = |signals: &Signals, at: usize, state: ExperimentState| {
        let mut states = vec![ExperimentState::default(); policy.experiments().len()];
        states.get_mut(at).into_iter().for_each(|it| *it = state.clone());
        let experiments = ExperimentView { states };
        policies::explain(policy, signals, World { fleet, experiments: &experiments }, draw)
    };
    let again = |at: usize, state| decided(signals, at, state);
    if let Some((at, experiment, arm)) = had(policy, columns) {
        let mut signals = signals.clone();
        // The unit as it was hashed, where the entry has it.
        if let Some(unit) = hex(columns, "unit") {
            set_unit(&mut signals, experiment.unit, unit);
        }
        return decided(&signals, at, ExperimentState::of_arm(experiment, arm));
    }
    let written = again(0, ExperimentState::default());
    let Some((at, arm)) = arm_of(policy, &written) else { return written };
    if column(columns, "state") == Some("refused") {
        // A refusal does not say which arm it was.
        return written;
    }
    let held = again(at, ExperimentState { enrol: Some(0.0), ..ExperimentState::default() });
    let rolled_back = vec![arm];
    let back = again(at, ExperimentState { rolled_back, ..ExperimentState::default() });
    let tried = columns.get("attempts").and_then(|it| it.get(0)?.get("model")?.as_str());
    let is = |it: &Explanation| it.plan.first().map(|it| &*it.model) == tried;
    if tried.is_some() && is(&back) && !is(&held) { back } else { held }
}

/// The arm of a decision that was made again.
fn arm_of(policy: &Policy, decision: &Explanation) -> Option<(usize, ArmIndex)> {
    let part = decision.experiment.as_ref()?;
    let arm = part.arm.as_deref()?;
    let named = |it: &Experiment| *it.name == *part.experiment;
    let at = policy.experiments().iter().position(named)?;
    let arms = &policy.experiments().get(at)?.arms;
    let place = arms.iter().position(|it| *it.name == *arm)?;
    Some((at, ArmIndex(u8::try_from(place).ok()?)))
}

/// Where the entry says another thing of its experiment than the decision made again.
pub(super) fn difference(columns: &Map<String, Value>, decision: &Explanation) -> Option<String> {
    let (name, arm) = (column(columns, "experiment")?, column(columns, "arm")?);
    let part = decision.experiment.as_ref().filter(|it| it.experiment == name);
    let Some(part) = part.filter(|it| it.arm.as_deref() == Some(arm)) else {
        return Some(format!(
            "then it was arm `{arm}` of `{name}`; made again it is not: whatever else is said here may be of \
             another arm"
        ));
    };
    let version = column(columns, "experiment_version").filter(|it| *it != part.version)?;
    Some(format!(
        "then the version of `{name}` was {version}; this version of signalbox reads it as {}",
        part.version
    ))
}

#[cfg(test)]
mod tests {
    use policies::{catalogue, compile, experiment::unit_of_key, facts::ModelView};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn policy(unit: &str, rest: &str) -> Policy {
        let document = format!(
            "[default]\nroute = [\"kimi-k2.6\"]\n\
             [[rule]]\nname = \"chat\"\nroute = [\"gpt-oss-120b\"]\nexperiment = \"ab\"\n\
             [[experiment]]\nname = \"ab\"\nunit = \"{unit}\"\nprimary = \"error\"\n{rest}\narms = [\
             {{ name = \"old\", share = 0.5, route = [\"gpt-oss-20b\"] }}, \
             {{ name = \"new\", share = 0.5, route = [\"qwen3.5-397b\"] }}]\n"
        );
        compile(&document, &catalogue()).expect("a policy")
    }

    const ID: &str = "019b7c4a-9e2f-7000-8000-00000000002a";

    /// The columns of an entry, with more of them.
    fn columns(more: Value) -> Map<String, Value> {
        let mut all = json!({
            "id": ID, "state": "settled", "team": "t", "key": "k", "requested_model": "auto",
            "operation": "chat", "language": "en", "task": "chat", "input_tokens_estimate": 10,
            "user": format!("{:032x}", 7), "session": format!("{:032x}", 9),
        });
        let (Some(columns), Value::Object(more)) = (all.as_object_mut(), more) else {
            unreachable!()
        };
        columns.extend(more);
        columns.clone()
    }

    fn again(policy: &Policy, columns: &Map<String, Value>) -> Explanation {
        let signals = super::super::past::signals(&super::super::past::row(columns));
        let models = vec![ModelView::default(); policy.fleet().models.len()];
        explained(policy, columns, &signals, (&FleetView { version: 0, models }, Draw(1)))
    }

    #[test]
    fn an_entry_has_the_units_that_its_request_had() {
        let columns = columns(json!({}));
        let signals = super::super::past::signals(&super::super::past::row(&columns));
        assert_eq!((signals.unit_user, signals.session), (Some(7), Some(9)));
        assert_eq!(signals.unit_key, Some(unit_of_key("k")));
        assert_eq!(signals.request, Uuid::try_parse(ID).expect("an id").as_u128());
    }

    #[test]
    fn a_decision_of_the_past_has_the_arm_that_it_had() {
        for unit in ["user", "key", "session", "request"] {
            let policy = policy(unit, "");
            for (arm, model) in [("old", "gpt-oss-20b"), ("new", "qwen3.5-397b")] {
                let columns = columns(json!({ "experiment": "ab", "arm": arm }));
                let decision = again(&policy, &columns);
                let part = decision.experiment.as_ref().expect("an experiment");
                assert_eq!((part.arm.as_deref(), &*decision.plan[0].model), (Some(arm), model));
                assert_eq!(difference(&columns, &decision), None);
            }
        }
    }

    #[test]
    fn an_entry_without_an_arm_was_held_out_or_rolled_back() {
        let policy = policy("user", "");
        let tried = |model: &str| columns(json!({ "attempts": [{ "model": model }] }));
        let code = |columns: &Map<String, Value>| {
            let decision = again(&policy, columns);
            let part = decision.experiment.expect("an experiment");
            (part.arm, part.outside, decision.plan[0].model.clone())
        };
        let held = (None, Some("held_out"), "gpt-oss-120b".to_owned());
        assert_eq!(code(&tried("gpt-oss-120b")), held);
        let back = (None, Some("rolled_back"), "gpt-oss-20b".to_owned());
        assert_eq!(code(&tried("gpt-oss-20b")), back);
    }

    #[test]
    fn what_cannot_be_made_again_is_said() {
        // Another unit's arm, as if the entry were of a user that takes no part.
        let policy = policy("user", "enrol = 0.0");
        let columns =
            columns(json!({ "experiment": "ab", "arm": "new", "experiment_version": "x" }));
        let said = difference(&columns, &again(&policy, &columns)).expect("a note");
        assert!(said.starts_with("then it was arm `new` of `ab`"), "{said}");
        let policy = self::policy("user", "");
        let said = difference(&columns, &again(&policy, &columns)).expect("a note");
        assert!(said.starts_with("then the version of `ab` was x"), "{said}");
    }
}
