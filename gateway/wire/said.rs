//! What a backend says of a failure, in whatever form it comes: whose fault it is, and in what words.
//!
//! A status line, the body of a 200, an event of a stream and a choice of an answer all carry the same
//! few members, so they are read alike. Only failures are read here: a tree of JSON costs nobody time.

use serde_json::Value;

use super::{
    frame::fields,
    redact::{redact, without_key},
    too_long,
};
use crate::config::BoundNames;

/// Characters of a backend's message that a caller reads.
const MESSAGE_CHARS_MAX: usize = 500;
/// Bytes of a backend's error that are read at all.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Where engines put a status, as a number or as digits.
const NUMBERS: [&str; 7] =
    ["code", "status", "status_code", "statusCode", "http_status", "http_code", "error_code"];
/// Where they put the name of one.
const NAMES: [&str; 5] = ["code", "status", "type", "name", "reason"];
/// Where they put how long to wait, with the unit of a bare number.
const WAITS: [(&str, &str); 6] = [
    ("retry_after_ms", "ms"),
    ("retry_after", "s"),
    ("retry_after_seconds", "s"),
    ("retryAfter", "s"),
    ("retry-after", "s"),
    ("retryDelay", "s"),
];
/// What may repeat the caller's words.
const ECHOES: [&str; 5] = ["input", "messages", "prompt", "body", "usage"];

/// Parts of the names of failures, without what is no letter, and the status of each; the first that fits.
const KINDS: [(&str, u16); 38] = [
    ("contextlength", 400),
    ("contextsize", 400),
    ("contextwindow", 400),
    ("ratelimit", 429),
    ("toomanyrequest", 429),
    ("throttl", 429),
    ("quota", 429),
    ("resourceexhausted", 429),
    ("engineoverloaded", 429),
    ("authentication", 401),
    ("unauthorized", 401),
    ("apikey", 401),
    ("permission", 403),
    ("forbidden", 403),
    ("accessdenied", 403),
    ("notfound", 404),
    ("badrequest", 400),
    ("invalidrequest", 400),
    ("invalidargument", 400),
    ("invalidparam", 400),
    ("invalidvalue", 400),
    ("invalidprompt", 400),
    ("invalidtype", 400),
    ("invalidinput", 400),
    ("missingrequired", 400),
    ("unsupportedparam", 400),
    ("unsupportedvalue", 400),
    ("validation", 400),
    ("unprocessable", 422),
    ("contentfilter", 400),
    ("datainspection", 400),
    ("abovemaxlength", 400),
    ("toolarge", 413),
    ("unavailable", 503),
    ("overloaded", 503),
    ("timeout", 504),
    ("internal", 500),
    ("servererror", 500),
];

/// What is said of a credential that is not taken, in lower case.
const KEY_SIGNS: [&str; 4] =
    ["api key not valid", "api_key_invalid", "invalid api key", "incorrect api key"];
/// What is said of an account that has not paid.
const BILL_SIGNS: [&str; 8] = [
    "credit balance is too low",
    "insufficient balance",
    "insufficient_balance",
    "insufficient credit",
    "arrearage",
    "overdue-payment",
    "余额不足",
    "欠费",
];

/// What a prompt may hold beside text, in lower case.
const MEDIA: [&str; 6] = ["image", "audio", "video", "picture", "vision", "multimodal"];
/// How it is said that a model takes no such thing.
const UNTAKEN_SIGNS: [&str; 6] = [
    "not support",
    "n't support",
    "unsupported",
    "not a multimodal",
    "not multimodal",
    "missing data required for",
];

/// Fields that a failure speaks of, among those that the gateway writes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// `stream_options`, or its `include_usage`.
    pub usage: bool,
    /// Bounds on the output.
    pub bounds: BoundNames,
}

/// What a backend says of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The HTTP status that it states or names, from 400 on.
    pub status: Option<u16>,
    /// How long it asks to be left alone, as a span or a moment in any form.
    pub wait: Option<String>,
    message: Option<String>,
    /// All its words, in lower case.
    words: String,
}

impl Said {
    /// Reads the body of a failure, or the data of an event that is one.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let body = body.get(..body.len().min(ERROR_BYTES_MAX)).unwrap_or_default();
        let Ok(value) = serde_json::from_slice::<Value>(body.trim_ascii()) else {
            let words = String::from_utf8_lossy(body).to_lowercase();
            return Self { words, ..Self::default() };
        };
        let mut nodes = Vec::new();
        collect(&value, &mut nodes, 6);
        let mut words = String::new();
        nodes.iter().for_each(|node| spell(node, &mut words, 6));
        let words = words.to_lowercase();
        let stated = nodes.iter().find_map(|it| stated(it)).or_else(|| quoted(&words));
        let status = stated.or_else(|| nodes.iter().find_map(|it| named(it)));
        let message = nodes.iter().find_map(|it| message_in(it, 4));
        let wait = nodes.iter().find_map(|it| wait_in(it));
        let said = Self { status, wait, message, words };
        said.unwrapped()
    }

    /// The same, where the message holds a failure as JSON, as hosts hand on what their engines say.
    fn unwrapped(mut self) -> Self {
        let json = self.message.as_deref().and_then(|it| {
            let json = it.get(it.find('{')?..=it.rfind('}')?)?;
            serde_json::from_str::<Value>(json).ok()
        });
        let mut nodes = Vec::new();
        if let Some(json) = &json {
            collect(json, &mut nodes, 6);
        }
        self.status = self.status.or_else(|| nodes.iter().find_map(|it| stated(it)));
        self.status = self.status.or_else(|| nodes.iter().find_map(|it| named(it)));
        if self.message.as_ref().is_some_and(|it| it.trim_start().starts_with('{')) {
            let inner = nodes.iter().find_map(|it| message_in(it, 4));
            self.message = inner.or(self.message);
        }
        self
    }

    /// The status of a failure that is the gateway's, whatever calls it the caller's: its credential, its
    /// bill or its rate at this engine. Some answer 400 or 413 to that.
    #[must_use]
    pub fn is_ours(&self) -> Option<u16> {
        let says = |signs: &[&str]| signs.iter().any(|it| self.words.contains(it));
        match self.status {
            Some(status @ (401 | 402 | 429)) => Some(status),
            _ if says(&KEY_SIGNS) => Some(401),
            _ if says(&BILL_SIGNS) => Some(402),
            _ => None,
        }
    }

    /// The same of an event of a stream, with its field names.
    #[must_use]
    pub fn event(event: &[u8]) -> Self {
        let mut joined = Vec::new();
        fields(event.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(event), &mut joined);
        Self::read(&joined)
    }

    /// The message without addresses, hosts, keys and this credential, at most 500 characters; `None` if
    /// there is none in a form that engines use.
    #[must_use]
    pub fn message(&self, key: &str) -> Option<String> {
        let safe = redact(&without_key(self.message.clone()?, key));
        let short: String = safe.trim().chars().take(MESSAGE_CHARS_MAX).collect();
        (!short.is_empty()).then_some(short)
    }

    /// The message of an error as it may be shown, or that it has none.
    pub(super) fn text(body: &[u8]) -> Box<str> {
        let message = Self::read(body).message("");
        message.unwrap_or_else(|| "the backend sent an error without a message".into()).into()
    }

    /// The fields of ours that it speaks of, however it spells them (`stream options`, `maxTokens`). What it
    /// quotes of the request is nothing that it says.
    #[must_use]
    pub fn named(&self) -> Named {
        let letters: String =
            self.words.chars().filter(|it| !matches!(it, '_' | '-' | ' ')).collect();
        let says = |word: &str| letters.contains(word);
        Named {
            usage: says("streamoptions") || says("includeusage"),
            bounds: BoundNames {
                max_tokens: says("maxtokens"),
                max_completion_tokens: says("maxcompletiontokens"),
            },
        }
    }

    /// Whether it says that the model takes no images, or nothing of another kind that the prompt holds.
    #[must_use]
    pub fn is_untaken_medium(&self) -> bool {
        let says = |words: &[&str]| words.iter().any(|it| self.words.contains(it));
        says(&MEDIA) && says(&UNTAKEN_SIGNS)
    }

    /// Whether a request was refused because its prompt does not fit: by the words that engines have for
    /// it, by `sentences` that the operator knows, and by whether the prompt takes half of the model's
    /// context window, or more.
    #[must_use]
    pub fn is_too_long(&self, status: u16, half_full: bool, sentences: &[Box<str>]) -> bool {
        matches!(status, 400 | 413 | 422)
            && (sentences.iter().any(|it| self.words.contains(&**it))
                || too_long::says(&self.words, half_full)
                || status == 413 && (half_full || too_long::speaks(&self.words)))
    }
}

/// The objects that speak of a failure, the innermost first.
fn collect<'v>(value: &'v Value, nodes: &mut Vec<&'v Value>, depth: u8) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::Array(all) => all.iter().take(4).for_each(|it| collect(it, nodes, depth)),
        Value::Object(members) => {
            let inner = ["error", "errors", "base_resp"].iter().filter_map(|it| members.get(*it));
            inner.for_each(|it| collect(it, nodes, depth));
            match members.get("choices").and_then(Value::as_array) {
                Some(choices) => choices.iter().take(8).for_each(|choice| {
                    let inner = ["error", "finish_reason"].iter().filter_map(|it| choice.get(*it));
                    inner.filter(|it| it.is_object()).for_each(|it| collect(it, nodes, depth));
                }),
                None => nodes.push(value),
            }
        }
        Value::String(_) => nodes.push(value),
        _ => {}
    }
}

/// A number without a fraction: some write `400.0`.
fn whole(number: f64) -> Option<u16> {
    format!("{number}").parse().ok()
}

/// How long a failure says to wait, or one of its details says.
fn wait_in(node: &Value) -> Option<String> {
    let text = |value: &Value, unit| match value {
        Value::Number(number) => Some(format!("{number}{unit}")),
        Value::String(text) if text.parse::<f64>().is_ok() => Some(format!("{text}{unit}")),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let own = WAITS.iter().find_map(|(name, unit)| text(node.get(*name)?, unit));
    let parts = ["details", "metadata"].iter().filter_map(|it| node.get(*it));
    own.or_else(|| {
        parts.into_iter().find_map(|part| match part {
            Value::Array(all) => all.iter().take(8).find_map(wait_in),
            Value::Object(_) => wait_in(part),
            _ => None,
        })
    })
}

fn stated(node: &Value) -> Option<u16> {
    let number = |value: &Value| match value {
        Value::String(digits) => digits.trim().parse::<f64>().ok(),
        other => other.as_f64(),
    };
    let status = |code: u16| match code {
        400..=599 => Some(code),
        // MiniMax has numbers of its own.
        1002 | 1039 => Some(429),
        1004 | 1008 | 2049 => Some(401),
        1026 | 1042 | 2013 => Some(400),
        // So has Z.ai.
        1210..=1215 | 1261 | 1301 => Some(400),
        1302..=1305 => Some(429),
        _ => None,
    };
    NUMBERS.iter().filter_map(|it| node.get(*it)).find_map(|it| status(whole(number(it)?)?))
}

fn named(node: &Value) -> Option<u16> {
    let is_invalid = |it: &Value| it.get("loc").is_some() && it.get("msg").is_some();
    if node.get("detail").and_then(Value::as_array).is_some_and(|it| it.iter().any(is_invalid)) {
        return Some(422); // how a framework says which field is wrong
    }
    NAMES.iter().filter_map(|it| node.get(*it)?.as_str()).find_map(|name| {
        let letters = name.chars().filter(char::is_ascii_alphabetic);
        let letters: String = letters.map(|it| it.to_ascii_lowercase()).collect();
        KINDS.iter().find(|(part, _)| letters.contains(part)).map(|(_, status)| *status)
    })
}

/// A status within a message, as client libraries quote it.
fn quoted(words: &str) -> Option<u16> {
    ["error code: ", "status code: ", "status code "].iter().find_map(|before| {
        let status: u16 = words.split_once(before)?.1.get(..3)?.parse().ok()?;
        (400..600).contains(&status).then_some(status)
    })
}

/// Puts down every text of a value but those that may repeat what the caller wrote.
fn spell(value: &Value, words: &mut String, depth: u8) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value {
        Value::String(text) => {
            words.push_str(text);
            words.push('\n');
        }
        Value::Array(all) => all.iter().take(16).for_each(|it| spell(it, words, depth)),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !ECHOES.contains(&name.as_str()))
            .for_each(|(_, it)| spell(it, words, depth)),
        _ => {}
    }
}

/// `error`, `error.message`, `message`, `detail`, `detail[].msg`: where engines and the frameworks
/// they stand on put their text.
fn message_in(value: &Value, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts: Vec<String> =
                parts.iter().take(4).filter_map(|part| message_in(part, depth)).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        }
        Value::Object(members) => ["error", "message", "msg", "status_msg", "detail"]
            .iter()
            .filter_map(|name| members.get(*name))
            .find_map(|member| message_in(member, depth)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
