//! Fields of keys and teams as options.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::expiry;
use crate::wire::{Unread, strict};

/// What may be said of a key or a team.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Fields {
    /// What it may spend, such as 50/month or 2.50/day; a month's without a window; several times for several
    /// windows.
    #[arg(long, value_name = "AMOUNT/WINDOW", value_parser = budget, allow_hyphen_values = true)]
    budget: Vec<Value>,
    /// The models that it may use, ids and selectors, separated by commas.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Requests in a minute.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    requests_per_minute: Option<u32>,
    /// Tokens in a minute.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    tokens_per_minute: Option<u32>,
    /// Requests at once.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    concurrent: Option<u32>,
    /// The class of its requests unless they say more.
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    /// The highest class that it may send.
    #[arg(long, value_name = "CLASS")]
    data_class_max: Option<String>,
    /// Any field of the configuration, as JSON: --set feedback=true, --set priority='"batch"'.
    #[arg(long, value_name = "FIELD=JSON", value_parser = field)]
    set: Vec<(String, Value)>,
}

/// Expiry of a key.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Expires {
    /// Not valid from then on: a span such as 90d, or a moment.
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = expiry, allow_hyphen_values = true)]
    pub(in crate::cli) expires: Option<Timestamp>,
}

impl Fields {
    /// As the configuration has them.
    pub(in crate::cli) fn object(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        match self.budget.as_slice() {
            [] => {}
            [one] => drop(fields.insert("budget".into(), one.clone())),
            several => drop(fields.insert("budget".into(), several.into())),
        }
        if !self.models.is_empty() {
            fields.insert("models".into(), json!(self.models));
        }
        let limits = [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("concurrent", self.concurrent),
        ];
        let limits = limits.into_iter().filter_map(|(name, it)| Some((name.into(), it?.into())));
        let limits: Map<String, Value> = limits.collect();
        if !limits.is_empty() {
            fields.insert("limits".into(), limits.into());
        }
        let texts = [("data_class", &self.data_class), ("data_class_max", &self.data_class_max)];
        for (name, text) in texts {
            if let Some(text) = text {
                fields.insert(name.into(), text.as_str().into());
            }
        }
        fields.extend(self.set.iter().cloned());
        fields
    }
}

fn budget(text: &str) -> Result<Value, String> {
    let (amount, window) = text.split_once('/').unwrap_or((text, "month"));
    if amount.is_empty() || window.is_empty() || amount.starts_with("--") {
        return Err("expected an amount and a window, such as 50/month".into());
    }
    if amount.starts_with('-') {
        return Err("expected an amount that is not negative, such as 50/month".into());
    }
    Ok(json!({ "amount": amount, "window": window }))
}

fn field(text: &str) -> Result<(String, Value), String> {
    let (name, json) = text.split_once('=').ok_or("expected FIELD=JSON, such as feedback=true")?;
    let value = strict(json.as_bytes()).map_err(|error| match error {
        Unread::Twice(_) => format!("what stands after `{name}=` is no JSON: {error}"),
        Unread::NotJson(_) => format!(
            "what stands after `{name}=` is no JSON ({error}): a text stands in quotes, '\"batch\"'"
        ),
    })?;
    Ok((name.into(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_an_amount_and_a_window_and_what_it_is_not_is_told() {
        assert_eq!(budget("2.50/day"), Ok(json!({ "amount": "2.50", "window": "day" })));
        assert_eq!(budget("50"), Ok(json!({ "amount": "50", "window": "month" })));
        for (wrong, told) in [
            ("", "an amount and a window"),
            ("/day", "an amount and a window"),
            ("5/", "an amount and a window"),
            ("--team", "an amount and a window"),
            ("-5/day", "not negative"),
            ("-5", "not negative"),
        ] {
            assert!(budget(wrong).unwrap_err().contains(told), "{wrong}");
        }
    }

    #[test]
    fn a_field_is_json_in_which_no_key_stands_twice() {
        assert_eq!(field("feedback=true"), Ok(("feedback".into(), true.into())));
        let twice = field(r#"budget={"amount":"5","amount":"9"}"#).unwrap_err();
        assert!(twice.contains("the key `amount` stands in it twice"), "{twice}");
        assert!(field("priority=batch").unwrap_err().contains("stands in quotes"));
    }
}
