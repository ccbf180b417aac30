//! Fields of keys and teams as options.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::expiry;

/// What may be said of a key or a team.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct Fields {
    /// What it may spend, such as 50/month or 2.50/day; several times for several windows.
    #[arg(long, value_name = "AMOUNT/WINDOW", value_parser = budget)]
    budget: Vec<Value>,
    /// The models that it may use, ids and selectors, separated by commas.
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Requests in a minute.
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Tokens in a minute.
    #[arg(long, value_name = "N")]
    tokens_per_minute: Option<u32>,
    /// Requests at once.
    #[arg(long, value_name = "N")]
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
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = expiry)]
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
    if amount.is_empty() || window.is_empty() {
        return Err("expected an amount and a window, such as 50/month".into());
    }
    Ok(json!({ "amount": amount, "window": window }))
}

fn field(text: &str) -> Result<(String, Value), String> {
    let (name, json) = text.split_once('=').ok_or("expected FIELD=JSON, such as feedback=true")?;
    let value = serde_json::from_str(json).map_err(|error| {
        format!(
            "what stands after `{name}=` is no JSON ({error}): a text stands in quotes, '\"batch\"'"
        )
    })?;
    Ok((name.into(), value))
}
