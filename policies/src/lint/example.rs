//! A request as `given` of a case table, so that it can be pasted there.

use crate::{
    cases::INPUT_TOKENS,
    facts::{Complexity, DataClass, FleetFacts, Operation, Signals},
    policy::DAYS,
};

/// What of the signals is not what a table takes for granted.
pub(super) fn given(signals: &Signals, fleet: &FleetFacts) -> String {
    let mut said: Vec<String> = Vec::new();
    if &*signals.requested != "auto" {
        said.push(format!("model = \"{}\"", signals.requested));
    }
    said.push(format!("language = \"{}\"", signals.language));
    said.push(format!("task = \"{}\"", signals.task));
    if signals.data_class != DataClass::Public {
        said.push(format!("data_class = \"{}\"", signals.data_class));
    }
    if signals.complexity != Complexity::Easy {
        said.push(format!("complexity = \"{}\"", signals.complexity));
    }
    let contains: Vec<String> =
        signals.contains.found().map(|(kind, _)| format!("\"{kind}\"")).collect();
    if !contains.is_empty() {
        said.push(format!("contains = [{}]", contains.join(", ")));
    }
    if signals.operation != Operation::Chat {
        said.push(format!("operation = \"{}\"", signals.operation));
    }
    if signals.stream {
        said.push("stream = true".into());
    }
    let needs: Vec<String> = signals.needs.names().map(|need| format!("\"{need}\"")).collect();
    if !needs.is_empty() {
        said.push(format!("needs = [{}]", needs.join(", ")));
    }
    if signals.input_tokens.0 != INPUT_TOKENS {
        said.push(format!("input_tokens = {}", signals.input_tokens));
    }
    if let Some(asked) = signals.output_tokens_asked {
        said.push(format!("output_tokens_max = {asked}"));
    }
    if signals.confidence() < 1.0 {
        said.push(format!("confidence = {}", signals.confidence()));
    }
    if let Some(left) = signals.budget_left {
        said.push(format!("budget_left = \"{left}\""));
    }
    said.extend(tags(signals));
    let team = signals.team_path.first().and_then(|team| fleet.teams.get(team.get()));
    if let Some(team) = team.filter(|_| fleet.teams.len() > 1) {
        said.push(format!("team = \"{}\"", team.name));
    }
    let key = fleet.keys.get(signals.key.get()).filter(|_| signals.key.get() > 0);
    said.extend(key.map(|key| format!("key = \"{}\"", key.name)));
    if signals.at.minute != 0 {
        said.push(format!(
            "time = \"{:02}:{:02}\"",
            signals.at.minute / 60,
            signals.at.minute % 60
        ));
    }
    let day = DAYS.get(usize::from(signals.at.weekday)).filter(|_| signals.at.weekday > 0);
    said.extend(day.map(|day| format!("weekday = \"{day}\"")));
    format!("{{ {} }}", said.join(", "))
}

/// All tags in one list, if there are any.
fn tags(signals: &Signals) -> Option<String> {
    let tag = |(key, value): &(Box<str>, Box<str>)| format!("\"{key}={value}\"");
    let tags: Vec<String> = signals.tags.iter().map(tag).collect();
    (!tags.is_empty()).then(|| format!("tags = [{}]", tags.join(", ")))
}
