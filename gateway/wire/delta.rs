//! What an answer says, piece by piece, and how a chat completion says it, whole or a chunk of one: for the
//! writers of answers in other dialects. Texts are the engine's own bytes, escapes and all.

use super::{
    finish::Finish,
    json::{Json, Text},
    scan::{JsonError, Scanner, Shape},
};

/// A piece of an answer, in the order in which it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delta<'a> {
    /// The model that answers, by its engine's name.
    Model(Text<'a>),
    /// More reasoning.
    Reasoning(Text<'a>),
    /// More text.
    Text(Text<'a>),
    /// More of a text that says why the model will not.
    Refusal(Text<'a>),
    /// A call of a tool, or more of it.
    Call {
        /// Which one, where several are called.
        index: u32,
        /// Its id, at its begin.
        id: Option<Text<'a>>,
        /// The name of the tool, at its begin.
        name: Option<Text<'a>>,
        /// More of what it is called with.
        arguments: Option<CallArguments<'a>>,
    },
    /// The text that it was told to end at, and has.
    StopSequence(Text<'a>),
    /// How it ended.
    Finish(Reason),
}

/// Says piece by piece what an answer, or the data of an event of one, holds.
pub(super) type Deltas = for<'a> fn(&'a [u8], &mut dyn FnMut(Delta<'a>)) -> Result<(), JsonError>;

/// What a call is called with, as engines write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallArguments<'a> {
    /// JSON in a string, or a piece of one.
    Text(Text<'a>),
    /// The object itself, as some engines have it.
    Object(&'a [u8]),
}

impl<'a> CallArguments<'a> {
    /// As they are written.
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(Text(bytes)) | Self::Object(bytes) => bytes,
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The model had no more to say.
    Stop,
    /// It has reached its bound.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// It was kept from saying more.
    Filter,
}

impl Reason {
    /// What an engine's word for it means.
    pub(super) fn of(word: &[u8]) -> Option<Self> {
        let says = |part: &str| {
            word.windows(part.len()).any(|it| it.eq_ignore_ascii_case(part.as_bytes()))
        };
        Some(match word {
            b"" => return None,
            b"stop" | b"eos" | b"stop_sequence" | b"end_turn" => Self::Stop,
            _ if says("tool_call") || says("function_call") || says("tool_use") => Self::ToolCalls,
            // It was left open: its caller cannot go on with it.
            b"pause_turn" => Self::Length,
            _ if Finish::word(word) != Finish::Explained => Self::Stop,
            _ if ["length", "max", "limit", "context", "repe"].into_iter().any(says) => {
                Self::Length
            }
            _ => Self::Filter,
        })
    }
}

/// Names under which engines put reasoning; the same text may stand under several.
const REASONING: [&[u8]; 4] = [b"reasoning_content", b"reasoning", b"reasoning_text", b"thinking"];

/// Says piece by piece what the first choice of an answer, or of a chunk of one, holds.
///
/// # Errors
/// It is no JSON object.
pub(super) fn deltas<'a>(data: &'a [u8], each: &mut dyn FnMut(Delta<'a>)) -> Result<(), JsonError> {
    let (mut choice, mut model) = (None, None);
    let mut scanner = Scanner::lenient(data);
    if scanner.shape()? != Shape::Object {
        return Err(JsonError { what: "no object", at: scanner.at() });
    }
    scanner.object(|scanner, key| {
        match &*key.name() {
            b"model" => model = Json::next(scanner)?.text_if(),
            b"choices" if scanner.shape()? == Shape::Array => {
                scanner.array(|scanner, _| {
                    let it = Json::next(scanner)?;
                    if it.shape == Shape::Object && index(it.bytes)? == 0 {
                        choice.get_or_insert(it.bytes);
                    }
                    Ok::<_, JsonError>(())
                })?;
            }
            _ => scanner.skip()?,
        }
        Ok::<_, JsonError>(())
    })?;
    if let Some(model) = model.filter(|it| !it.is_empty()) {
        each(Delta::Model(model));
    }
    choice.map_or(Ok(()), |choice| one(choice, each))
}

/// The position that a choice or a call states; it is the first where it states none.
fn index(object: &[u8]) -> Result<u32, JsonError> {
    let mut index = 0;
    Scanner::lenient(object).object(|scanner, key| {
        let name = key.name();
        let value = Json::next(scanner)?;
        if *name == *b"index" {
            let digits = std::str::from_utf8(value.bytes).ok();
            index = digits.and_then(|it| it.parse().ok()).unwrap_or_default();
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(index)
}

fn one<'a>(choice: &'a [u8], each: &mut dyn FnMut(Delta<'a>)) -> Result<(), JsonError> {
    let (mut finish, mut matched) = (None, None);
    Scanner::lenient(choice).object(|scanner, key| {
        let name = key.name();
        let value = Json::next(scanner)?;
        match (&*name, value.shape) {
            (b"delta" | b"message", Shape::Object) => message(value.bytes, each)?,
            (b"finish_reason", Shape::String) => {
                finish = value.text_if().and_then(|it| Reason::of(it.0));
            }
            // vLLM and SGLang name it; other words under this name say something else.
            (b"stop_reason" | b"matched_stop", Shape::String) => matched = value.text_if(),
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    if let (Some(Reason::Stop), Some(text)) = (finish, matched) {
        each(Delta::StopSequence(text));
    }
    finish.into_iter().for_each(|it| each(Delta::Finish(it)));
    Ok(())
}

/// Reasoning comes before the text, and the text before calls, in whatever order the members stand.
fn message<'a>(object: &'a [u8], each: &mut dyn FnMut(Delta<'a>)) -> Result<(), JsonError> {
    let mut reasoning: Option<(usize, Text<'a>)> = None;
    let (mut content, mut refusal, mut calls, mut function) = (None, None, None, None);
    Scanner::lenient(object).object(|scanner, key| {
        let name = key.name();
        let value = Json::next(scanner)?;
        match &*name {
            b"content" => content = Some(value),
            b"refusal" => refusal = value.text_if(),
            b"tool_calls" => calls = Some(value),
            b"function_call" => function = Some(value),
            name => {
                let rank = REASONING.iter().position(|it| *it == name);
                let text = value.text_if().filter(|it| !it.is_empty());
                if let Some((rank, text)) = rank.zip(text)
                    && reasoning.is_none_or(|(known, _)| rank < known)
                {
                    reasoning = Some((rank, text));
                }
            }
        }
        Ok::<_, JsonError>(())
    })?;
    if let Some((_, text)) = reasoning {
        each(Delta::Reasoning(text));
    }
    content.map_or(Ok(()), |it| texts(it, each))?;
    if let Some(text) = refusal.filter(|it| !it.is_empty()) {
        each(Delta::Refusal(text));
    }
    if let Some(calls) = calls.filter(|it| it.shape == Shape::Array) {
        Scanner::lenient(calls.bytes).array(|scanner, position| {
            let it = Json::next(scanner)?;
            if it.shape == Shape::Object { call(it.bytes, position, each) } else { Ok(()) }
        })?;
    }
    match function {
        Some(it) if it.shape == Shape::Object => called(it.bytes, (0, None), each),
        _ => Ok(()),
    }
}

/// A text, or the texts of an array of parts.
fn texts<'a>(value: Json<'a>, each: &mut dyn FnMut(Delta<'a>)) -> Result<(), JsonError> {
    if let Some(text) = value.text_if() {
        if !text.is_empty() {
            each(Delta::Text(text));
        }
        return Ok(());
    }
    if value.shape != Shape::Array {
        return Ok(());
    }
    Scanner::lenient(value.bytes).array(|scanner, _| {
        let part = Json::next(scanner)?;
        if part.shape != Shape::Object {
            return Ok(());
        }
        Scanner::lenient(part.bytes).object(|scanner, key| {
            let name = key.name();
            let text = Json::next(scanner)?.text_if().filter(|it| !it.is_empty());
            if let (b"text", Some(text)) = (&*name, text) {
                each(Delta::Text(text));
            }
            Ok(())
        })
    })
}

fn call<'a>(
    object: &'a [u8],
    position: usize,
    each: &mut dyn FnMut(Delta<'a>),
) -> Result<(), JsonError> {
    let (mut at, mut id, mut function) = (None, None, None);
    Scanner::lenient(object).object(|scanner, key| {
        let name = key.name();
        let value = Json::next(scanner)?;
        match &*name {
            b"index" => at = std::str::from_utf8(value.bytes).ok().and_then(|it| it.parse().ok()),
            b"id" => id = value.text_if().filter(|it| !it.is_empty()),
            b"function" if value.shape == Shape::Object => function = Some(value.bytes),
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    let index = at.unwrap_or(u32::try_from(position).unwrap_or(u32::MAX));
    match function {
        Some(function) => called(function, (index, id), each),
        None => {
            each(Delta::Call { index, id, name: None, arguments: None });
            Ok(())
        }
    }
}

/// The function of a call.
fn called<'a>(
    object: &'a [u8],
    (index, id): (u32, Option<Text<'a>>),
    each: &mut dyn FnMut(Delta<'a>),
) -> Result<(), JsonError> {
    let (mut name, mut arguments) = (None, None);
    Scanner::lenient(object).object(|scanner, key| {
        let known = key.name();
        let value = Json::next(scanner)?;
        match (&*known, value.shape) {
            (b"name", Shape::String) => name = value.text_if().filter(|it| !it.is_empty()),
            (b"arguments", Shape::String) => {
                let text = value.text_if().filter(|it| !it.is_empty());
                arguments = text.map(CallArguments::Text);
            }
            (b"arguments", Shape::Object) => arguments = Some(CallArguments::Object(value.bytes)),
            _ => {}
        }
        Ok::<_, JsonError>(())
    })?;
    each(Delta::Call { index, id, name, arguments });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(data: &str) -> Vec<String> {
        let mut all = Vec::new();
        let text = |it: Text<'_>| it.plain().into_owned();
        deltas(data.as_bytes(), &mut |it| {
            all.push(match it {
                Delta::Model(it) => format!("model {}", text(it)),
                Delta::Reasoning(it) => format!("reasoning {}", text(it)),
                Delta::Text(it) => format!("text {}", text(it)),
                Delta::Refusal(it) => format!("refusal {}", text(it)),
                Delta::Call { index, id, name, arguments } => {
                    let part = |it: Option<Text<'_>>| it.map(text).unwrap_or_default();
                    let arguments = match arguments {
                        Some(CallArguments::Text(it)) => text(it),
                        Some(CallArguments::Object(it)) => String::from_utf8_lossy(it).into(),
                        None => String::new(),
                    };
                    format!("call {index} {} {} {arguments}", part(id), part(name))
                }
                Delta::StopSequence(it) => format!("at {}", text(it)),
                Delta::Finish(reason) => format!("{reason:?}"),
            });
        })
        .unwrap();
        all
    }

    #[test]
    fn an_answer_says_reasoning_text_and_calls_in_this_order() {
        let whole = r#"{"model":"m","choices":[{"finish_reason":"tool_calls","index":0,"message":{
            "tool_calls":[{"id":"a","function":{"arguments":"{\"x\":1}","name":"f"}},
                {"id":"b","function":{"name":"g","arguments":{"y":2}}}],
            "content":"hi\n","reasoning":"why","reasoning_content":"why"}},
            {"index":1,"message":{"content":"another choice"}}]}"#;
        let expected = [
            "model m",
            "reasoning why",
            "text hi\n",
            "call 0 a f {\"x\":1}",
            "call 1 b g {\"y\":2}",
            "ToolCalls",
        ];
        assert_eq!(said(whole), expected);
    }

    #[test]
    fn a_chunk_says_what_is_new() {
        for (chunk, expected) in [
            (r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, &[][..]),
            (r#"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#, &["text a"]),
            (r#"{"choices":[{"delta":{"content":[{"type":"text","text":"b"}]}}]}"#, &["text b"]),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":2,"function":{"arguments":"{"}}]}}]}"#,
                &["call 2   {"],
            ),
            (r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#, &["Length"]),
            (
                r#"{"choices":[{"delta":{},"finish_reason":"stop","stop_reason":"END"}]}"#,
                &["at END", "Stop"],
            ),
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, &[]),
            (
                r#"{"choices":[{"delta":{"refusal":"no"},"finish_reason":"content_filter"}]}"#,
                &["refusal no", "Filter"],
            ),
        ] {
            assert_eq!(said(chunk), expected, "{chunk}");
        }
    }
}
