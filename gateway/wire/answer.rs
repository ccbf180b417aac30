//! A plain answer: whether it is one, and what it used.

use std::fmt;

use bytes::Bytes;
use policies::{Counts, facts::Tokens};

use super::{
    chunk::{self, Look, Pattern},
    reasoning::Form,
    said::Said,
    usage,
};
use crate::config::ReasoningField;

/// What a complete answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// What the backend says it used, if that can be true.
    pub reported: Option<Counts>,
    /// Output counted by us: four bytes a token.
    pub counted_output: Tokens,
    /// Whether any choice has text, a tool call, reasoning or a refusal.
    pub has_content: bool,
}

/// A body with status 200 that is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What it is instead.
    pub why: Why,
}

/// What a body is that is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing.
    Empty,
    /// A web page: something in between answered.
    Html,
    /// Anything else that is not a JSON object, or half of one.
    NotJson,
    /// An error, with its text as it may be shown.
    Error(Box<str>),
    /// An object without choices.
    NoChoices,
    /// An object without vectors or ranks.
    NoItems,
    /// So many vectors, where others were asked for.
    Vectors {
        /// Those that came.
        found: u32,
        /// Those that were asked for.
        asked: u32,
    },
    /// Choices that are done, with nothing in them and no output used.
    Silent,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Empty => f.write_str("the backend's answer is empty"),
            Why::Html => f.write_str("the backend's answer is a web page"),
            Why::NotJson => f.write_str("the backend's answer is not JSON"),
            // Its text is for the caller: it may repeat the prompt, and this goes to the log.
            Why::Error(_) => f.write_str("the backend answered with an error"),
            Why::NoChoices => f.write_str("the backend's answer has no choices"),
            Why::NoItems => f.write_str("the backend's answer has no vectors and no ranks"),
            Why::Vectors { found, asked } => {
                write!(f, "the backend's answer has {found} vectors where {asked} were asked for")
            }
            Why::Silent => f.write_str("the backend's answer has nothing in it"),
        }
    }
}

impl std::error::Error for Invalid {}

/// A body that could be an answer.
pub(super) fn something(body: &Bytes) -> Result<&[u8], Invalid> {
    match body.trim_ascii() {
        [] => Err(Invalid { why: Why::Empty }),
        [b'<', ..] => Err(Invalid { why: Why::Html }),
        text => Ok(text),
    }
}

/// Reads a complete answer of the OpenAI dialect. The bytes are the caller's to have as they are.
///
/// # Errors
/// What it is if it is no answer.
pub fn plain(body: &Bytes) -> Result<Plain, Invalid> {
    let invalid = |why| Err(Invalid { why });
    let text = something(body)?;
    let Ok(look) = chunk::look(text, &mut Pattern::default()) else {
        return invalid(Why::NotJson);
    };
    if super::utf8::utf8(text).is_none() {
        return invalid(Why::NotJson);
    }
    judged(text, &look, look.choices > 0)
}

/// What an answer is of which so much is known, and whether it is of the kind that was asked for.
pub(super) fn judged(text: &[u8], look: &Look, is_one: bool) -> Result<Plain, Invalid> {
    let invalid = |why| Err(Invalid { why });
    // Of several choices one that is good makes an answer: each says for itself how it ended.
    if look.error || look.all_failed() {
        return invalid(Why::Error(Said::text(text)));
    }
    if !is_one {
        return invalid(Why::NoChoices);
    }
    let silent = |counts: &Counts| counts.output == 0 && counts.reasoning == 0;
    if look.contents == 0 && !look.explained && look.usage.as_ref().is_none_or(silent) {
        return invalid(Why::Silent);
    }
    Ok(Plain {
        reported: look.usage.filter(|counts| look.contents == 0 || !silent(counts)),
        counted_output: usage::counted(look.contents, look.content_bytes),
        has_content: look.contents > 0,
    })
}

/// A complete answer with its reasoning in this field.
#[must_use]
pub fn reasoning_in(field: ReasoningField, body: Bytes) -> Bytes {
    Form::whole(field, &body).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(body: &'static str) -> Why {
        plain(&Bytes::from_static(body.as_bytes())).unwrap_err().why
    }

    #[test]
    fn an_answer_is_counted() {
        let body = r#" {"id":"x","choices":[{"index":0,"message":{"role":"assistant",
            "content":"Hello there"},"finish_reason":"stop"}],
            "usage":{"prompt_tokens":9,"completion_tokens":2}} "#;
        let answer = plain(&Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(answer.reported, Some(Counts { input: 9, output: 2, ..Counts::default() }));
        assert_eq!(answer.counted_output, Tokens(3));
        assert!(answer.has_content);
    }

    #[test]
    fn a_tool_call_is_content_and_an_impossible_usage_is_not_believed() {
        let body = r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","type":
            "function","function":{"name":"pay","arguments":"{}"}}]}}],
            "usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
        let answer = plain(&Bytes::from_static(body.as_bytes())).unwrap();
        assert!(answer.has_content);
        assert_eq!(answer.reported, None, "content without output tokens");
    }

    #[test]
    fn what_is_no_answer_is_named() {
        assert_eq!(why("  \n"), Why::Empty);
        assert_eq!(why("<!doctype html><html>"), Why::Html);
        assert_eq!(why("upstream connect error"), Why::NotJson);
        assert_eq!(why("[]"), Why::NotJson);
        assert_eq!(why(r#"{"choices":[{"message":{"content":"ha"#), Why::NotJson);
        assert_eq!(why(r#"{"choices":[]}"#), Why::NoChoices);
        assert_eq!(why(r#"{"choices":[{"message":{"content":""}}]}"#), Why::Silent);
        assert_eq!(why(r#"{"ok":true}"#), Why::NoChoices);
        assert_eq!(why(r#"{"error":{"message":"no memory"}}"#), Why::Error("no memory".into()));
        assert_eq!(
            why(r#"{"object":"error","message":"no memory","code":500}"#),
            Why::Error("no memory".into())
        );
    }

    #[test]
    fn the_choices_say_how_they_ended() {
        let body = |choices: &str, used: u32| {
            let usage = format!(r#"{{"prompt_tokens":9,"completion_tokens":{used}}}"#);
            Bytes::from(format!(r#"{{"choices":[{choices}],"usage":{usage}}}"#))
        };
        let choice = |at: u32, text: &str, end: &str| {
            let message = format!(r#"{{"role":"assistant","content":"{text}"}}"#);
            format!(r#"{{"index":{at},"message":{message},"finish_reason":"{end}"}}"#)
        };
        for end in ["content_filter", "length", "sensitive"] {
            assert!(plain(&body(&choice(0, "", end), 0)).is_ok(), "{end}");
        }
        for end in ["error", "network_error", "abort", "insufficient_system_resource"] {
            let failed = plain(&body(&choice(0, "a", end), 1)).unwrap_err();
            assert!(matches!(failed.why, Why::Error(_)), "{end}");
            let both = [choice(0, "a", end), choice(1, "b", "stop")].join(",");
            assert!(plain(&body(&both, 2)).is_ok(), "{end}: the other choice is good");
            let both = [choice(0, "a", end), choice(1, "b", end)].join(",");
            assert!(plain(&body(&both, 2)).is_err(), "{end}: none is");
        }
        assert_eq!(plain(&body(&choice(0, "", "stop"), 0)).unwrap_err().why, Why::Silent);
        assert!(plain(&body(&choice(0, "", "stop"), 1)).is_ok(), "a token was used");
        let both = [choice(0, "", "stop"), choice(1, "b", "stop")].join(",");
        assert!(plain(&body(&both, 1)).is_ok());
    }
}
