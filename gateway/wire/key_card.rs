//! A key as its caller sees it: what it may ask for, what binds it, and how much is left.

use bytes::Bytes;
use serde::{Serialize, Serializer};

/// The body of `GET /v1/key`.
#[derive(Debug, Serialize)]
pub struct KeyCard<'a> {
    /// Always `key`.
    pub object: &'static str,
    /// The key's name.
    pub name: &'a str,
    /// The name of its team.
    pub team: &'a str,
    /// The team and those above it, the nearest first.
    pub teams: Vec<&'a str>,
    /// The moment from which it is not valid any more, in RFC 3339.
    pub expires: Option<String>,
    /// The data class of its requests unless they state a higher one.
    pub data_class: &'static str,
    /// The highest data class that they may have.
    pub data_class_max: &'static str,
    /// Who comes first where requests wait.
    pub priority: &'static str,
    /// Whether its hint headers are believed.
    pub hints: bool,
    /// Whether it may tell values of its whole team's requests.
    pub feedback: bool,
    /// Whether the end users that it forwards are believed.
    pub frontend: bool,
    /// The tags that each of its requests has, as an object.
    #[serde(serialize_with = "object")]
    pub tags: Vec<(&'a str, &'a str)>,
    /// What it may ask for, as in `GET /v1/models`.
    pub models: Vec<&'a str>,
    /// What it and its teams may send, the key's own first.
    pub limits: Vec<LimitCard>,
    /// What it and its teams may spend, the key's own first.
    pub budgets: Vec<BudgetCard<'a>>,
}

/// The limits of a key or a team.
#[derive(Debug, Serialize)]
pub struct LimitCard {
    /// Whose they are, as `team cards`.
    pub of: String,
    /// Requests in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<Left>,
    /// Tokens in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<Left>,
    /// Requests at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<Left>,
}

/// A limit and what is left of it now.
#[derive(Debug, Serialize)]
pub struct Left {
    /// The most there may be.
    pub limit: u32,
    /// How many more there may be at this moment.
    pub remaining: u32,
}

/// A budget of a key or a team. Money is decimal text.
#[derive(Debug, Serialize)]
pub struct BudgetCard<'a> {
    /// Whose it is, as `team cards`.
    pub of: String,
    /// The window's name.
    pub window: &'static str,
    /// What may be spent in a window.
    pub amount: String,
    /// What was spent in this one.
    pub spent: String,
    /// What open requests have reserved.
    pub reserved: String,
    /// What is neither spent nor reserved.
    pub left: String,
    /// The ledger's currency, in which all of it is.
    pub currency: &'a str,
    /// The moment at which the next window begins, in RFC 3339; none where it never does.
    pub resets_at: Option<String>,
    /// Whether requests are refused when it is spent.
    pub hard: bool,
}

impl KeyCard<'_> {
    /// The card as JSON.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }
}

fn object<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_the_form_that_the_page_shows() {
        let card = KeyCard {
            object: "key",
            name: "chatbot",
            team: "cards",
            teams: vec!["cards", "bank"],
            expires: None,
            data_class: "internal",
            data_class_max: "secret",
            priority: "default",
            hints: true,
            feedback: false,
            frontend: true,
            tags: vec![("project", "loans")],
            models: vec!["auto", "qwen"],
            limits: vec![LimitCard {
                of: "key chatbot".into(),
                requests_per_minute: Some(Left { limit: 60, remaining: 59 }),
                tokens_per_minute: None,
                concurrent: Some(Left { limit: 4, remaining: 4 }),
            }],
            budgets: vec![BudgetCard {
                of: "team cards".into(),
                window: "month",
                amount: "500".into(),
                spent: "1.5".into(),
                reserved: "0".into(),
                left: "498.5".into(),
                currency: "USD",
                resets_at: Some("2027-01-31T16:00:00Z".into()),
                hard: true,
            }],
        };
        let expected = concat!(
            r#"{"object":"key","name":"chatbot","team":"cards","teams":["cards","bank"],"expires":null,"#,
            r#""data_class":"internal","data_class_max":"secret","priority":"default","hints":true,"#,
            r#""feedback":false,"frontend":true,"tags":{"project":"loans"},"models":["auto","qwen"],"#,
            r#""limits":[{"of":"key chatbot","requests_per_minute":{"limit":60,"remaining":59},"#,
            r#""concurrent":{"limit":4,"remaining":4}}],"budgets":[{"of":"team cards","window":"month","#,
            r#""amount":"500","spent":"1.5","reserved":"0","left":"498.5","currency":"USD","#,
            r#""resets_at":"2027-01-31T16:00:00Z","hard":true}]}"#
        );
        assert_eq!(card.bytes(), expected);
    }
}
