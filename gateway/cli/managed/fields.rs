//! Fields of keys and teams as options.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::expiry;
use crate::{
    cli::print::err,
    wire::{Unread, strict},
};

/// What options say of fields: the option, the field, and what it is to be; `null` takes it away.
type Options = Vec<(String, String, Value)>;

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
    /// The fields as the configuration has them, with what options of one command say beside, and with those
    /// that are taken away, as `null`.
    ///
    /// # Errors
    /// Two options say one field, which is told: nobody knows which of them was meant.
    pub(in crate::cli) fn object(
        &self,
        beside: &[(&str, Option<Value>)],
        unset: &[String],
    ) -> Result<Map<String, Value>, ExitCode> {
        let beside = beside.iter().filter_map(|(field, value)| {
            Some((format!("--{field}"), (*field).to_owned(), value.clone()?))
        });
        let set = self
            .set
            .iter()
            .map(|(field, value)| (format!("--set {field}=…"), field.clone(), value.clone()));
        let unset = unset.iter();
        let unset = unset.map(|field| (format!("--unset {field}"), field.clone(), Value::Null));
        once(self.own().into_iter().chain(beside).chain(set).chain(unset)).map_err(|wrong| {
            err!("signalbox: {wrong}");
            ExitCode::from(crate::cli::USAGE)
        })
    }

    /// What its own options say.
    fn own(&self) -> Options {
        let mut own = Options::new();
        let mut say = |field: &str, value: Value| {
            own.push((format!("--{}", field.replace('_', "-")), field.to_owned(), value));
        };
        match self.budget.as_slice() {
            [] => {}
            [one] => say("budget", one.clone()),
            several => say("budget", several.into()),
        }
        if !self.models.is_empty() {
            say("models", json!(self.models));
        }
        let texts = [("data_class", &self.data_class), ("data_class_max", &self.data_class_max)];
        for (name, text) in texts {
            if let Some(text) = text {
                say(name, text.as_str().into());
            }
        }
        let limits = [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("concurrent", self.concurrent),
        ];
        let limits = limits.into_iter().filter_map(|(name, it)| Some((name.into(), it?.into())));
        let limits: Map<String, Value> = limits.collect();
        if let Some(first) = limits.keys().next() {
            let option = format!("--{}", first.replace('_', "-"));
            own.push((option, "limits".into(), limits.into()));
        }
        own
    }
}

/// The fields of options, each of which is said once.
fn once(said: impl Iterator<Item = (String, String, Value)>) -> Result<Map<String, Value>, String> {
    let (mut fields, mut options) = (Map::new(), Map::new());
    for (option, field, value) in said {
        if let Some(before) = options.insert(field.clone(), option.clone().into()) {
            let before = before.as_str().unwrap_or_default();
            let field = policies::printable(&field);
            let option = policies::printable(&option);
            return Err(format!(
                "{field}: found both `{}` and `{option}`, expected one of them",
                policies::printable(before)
            ));
        }
        fields.insert(field, value);
    }
    Ok(fields)
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
    use clap::Parser;

    use super::*;

    /// A command with all that says fields.
    #[derive(Debug, Parser)]
    struct Said {
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        fields: Fields,
        #[arg(long)]
        unset: Vec<String>,
    }

    fn object(options: &[&str]) -> Result<Map<String, Value>, String> {
        let it = Said::try_parse_from(std::iter::once(&"set").chain(options)).unwrap();
        let unset = it.unset.iter();
        let unset = unset.map(|it| (format!("--unset {it}"), it.clone(), Value::Null));
        let set = it.fields.set.iter().map(|(a, b)| (format!("--set {a}=…"), a.clone(), b.clone()));
        let team = it.team.map(|it| (String::from("--team"), String::from("team"), it.into()));
        once(it.fields.own().into_iter().chain(team).chain(set).chain(unset))
    }

    #[test]
    fn two_options_that_say_one_field_are_none_and_the_field_is_named() {
        // Each field by whatever says it: any two of a row are one too many.
        let ways: [&[&[&str]]; 5] = [
            &[&["--budget", "7"], &["--set", "budget=[]"], &["--unset", "budget"]],
            &[&["--team", "bank"], &["--set", "team=\"a\""], &["--unset", "team"]],
            &[&["--models", "a,b"], &["--set", "models=[]"], &["--unset", "models"]],
            &[
                &["--concurrent", "2", "--tokens-per-minute", "9"],
                &["--set", "limits={}"],
                &["--unset", "limits"],
            ],
            &[&["--data-class", "public"], &["--set", "data_class=1"], &["--unset", "data_class"]],
        ];
        let fields = ["budget", "team", "models", "limits", "data_class"];
        for (field, ways) in fields.iter().zip(ways) {
            for (at, one) in ways.iter().enumerate() {
                assert_eq!(object(one).unwrap().len(), 1, "{one:?}");
                for other in ways.iter().skip(at + 1) {
                    let said = object(&[*one, *other].concat()).unwrap_err();
                    assert!(said.starts_with(&format!("{field}: found both `--")), "{said}");
                }
            }
        }
        let twice = object(&["--set", "a=1", "--set", "a=2"]).unwrap_err();
        assert_eq!(twice, "a: found both `--set a=…` and `--set a=…`, expected one of them");
        assert!(object(&["--set", "a=1", "--set", "b=1", "--unset", "c"]).is_ok());
    }

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
