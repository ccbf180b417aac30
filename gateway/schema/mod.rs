//! Whether an answer is of the form that its request asks for: an object of JSON, or JSON by a schema. Pure,
//! and bounded whatever a caller's schema or a model's text is like; it refuses to guess, and says so.

mod breach;
mod compiled;
mod evaluate;
mod pattern;

use serde_json::Value;

pub(crate) use self::breach::Breach;
use self::compiled::Schema;
use crate::wire::{AnswerFormat, Transcript};

/// Bytes of a schema; requests with a larger one are refused unless the limit is raised.
const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a text that is judged.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Objects and arrays within each other that are judged.
const DEPTH_MAX: usize = 127;
/// The most steps for an answer that its caller has had already: some ten milliseconds where they are checks,
/// and below a second where they are the worst of patterns.
const STEPS_MAX: usize = 2 * 1024 * 1024;
/// The most steps for an answer that its caller waits for, and others beside him: a millisecond of checks.
const STEPS_MAX_ON_THE_WAY: usize = STEPS_MAX / 16;

/// Whether the text of an answer is of the form that its request asked for: an object of JSON, or JSON that
/// is valid by the schema. Callers parse it as it is: text before it, or a fence around it, makes it wrong.
/// `format` in a schema is a remark, as the standard has it, and asserts nothing.
///
/// `None` where the answer is calls of tools; where schema or text is too large or too deep; where the schema
/// is wrong, refers to what is not in it, has a pattern that cannot be matched in linear time or a keyword
/// that is not known here; and where it takes too many steps.
pub(crate) fn schema_valid(format: &AnswerFormat, answer: &Transcript) -> Option<bool> {
    if !answer.calls.is_empty() {
        return None;
    }
    Ready::of(format)?.judge(&answer.text, STEPS_MAX).map(|it| it.is_ok())
}

/// What an answer to a request must hold to, as the request says it.
pub(crate) struct Asked<'a> {
    /// The form of its text.
    pub(crate) format: Option<AnswerFormat>,
    /// The tools that were offered, as JSON.
    pub(crate) tools: Option<&'a [u8]>,
    /// Whether there may be tools that are not among these.
    pub(crate) others: bool,
}

impl Asked<'_> {
    /// Where one of these answers does not hold to it; nothing where all do, and where that cannot be told. A
    /// refusal holds, and so do calls of tools instead of a text; calls must fit their tools.
    pub(crate) fn breach<'t>(
        &self,
        answers: impl Iterator<Item = &'t Transcript>,
    ) -> Option<Breach> {
        let ready = self.format.as_ref().and_then(Ready::of);
        let tools = self.tools.and_then(tools);
        let mut answers = answers.filter(|it| !it.refusal);
        answers.find_map(|it| match (&it.calls[..], &ready) {
            ([], Some(ready)) => ready.judge(&it.text, STEPS_MAX_ON_THE_WAY)?.err(),
            ([], None) => None,
            (calls, _) => {
                let tools = tools.as_ref()?;
                calls.iter().find_map(|call| self.wrong(tools, &call.name, &call.arguments))
            }
        })
    }

    /// What is wrong with a call of a tool.
    fn wrong(&self, tools: &[Tool], name: &str, arguments: &str) -> Option<Breach> {
        let Some(tool) = tools.iter().find(|it| it.name == name) else {
            return (!self.others).then(|| Breach::root("a call of a tool that was offered"));
        };
        // A tool that takes nothing is called with nothing or with an empty object.
        let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
        let ready = match &tool.takes {
            Takes::Text => return None,
            Takes::Object => Ready(None),
            Takes::Schema(parameters) => Ready(Some(Schema::compile(parameters)?)),
        };
        let breach = ready.judge(arguments, STEPS_MAX_ON_THE_WAY)?.err();
        breach.map(|it| it.of_call(name))
    }
}

/// A tool that was offered.
struct Tool {
    name: String,
    takes: Takes,
}

/// What a tool is called with.
enum Takes {
    Text,
    Object,
    Schema(Value),
}

impl Tool {
    /// A tool as it is offered: a function, wrapped or bare, or one that takes any text.
    fn read(mut it: Value) -> Self {
        let custom = it.get("custom").is_some();
        let inner = ["function", "custom"].into_iter().find_map(|name| match it.get_mut(name) {
            Some(inner @ Value::Object(_)) => Some(inner.take()),
            _ => None,
        });
        let mut of = inner.unwrap_or(it);
        let name = of.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let takes = match of.get_mut("parameters").map(Value::take) {
            _ if custom => Takes::Text,
            None | Some(Value::Null) => Takes::Object,
            Some(schema) => Takes::Schema(schema),
        };
        Self { name, takes }
    }
}

/// The tools of a list; nothing where it is too large to read.
fn tools(json: &[u8]) -> Option<Vec<Tool>> {
    let read = || serde_json::from_slice::<Vec<Value>>(json).ok();
    let known = if json.len() <= TEXT_BYTES_MAX { read()? } else { return None };
    Some(known.into_iter().map(Tool::read).collect())
}

/// What a text is judged by; any object where there is no schema.
struct Ready(Option<Schema>);

impl Ready {
    /// A form made ready; nothing where nothing can be judged by it.
    fn of(format: &AnswerFormat) -> Option<Self> {
        match format {
            AnswerFormat::Json => Some(Self(None)),
            AnswerFormat::Schema(bytes) if bytes.len() > SCHEMA_BYTES_MAX => None,
            AnswerFormat::Schema(bytes) => {
                Some(Self(Some(Schema::compile(&serde_json::from_slice(bytes).ok()?)?)))
            }
        }
    }

    /// Whether a text holds to it, and where it does not; nothing where that cannot be told in so many steps.
    fn judge(&self, text: &str, steps: usize) -> Option<Result<(), Breach>> {
        let (depth, closed) = brackets(text);
        // What never ends is told however long it is: small models fall into such loops.
        let broken = || Some(Err(Breach::root("JSON and nothing else")));
        if !closed {
            return broken();
        }
        if text.len() > TEXT_BYTES_MAX || depth > DEPTH_MAX {
            return None;
        }
        let Ok(value) = serde_json::from_str::<Value>(text) else { return broken() };
        match &self.0 {
            None if value.is_object() => Some(Ok(())),
            None => Some(Err(Breach::root("an object"))),
            Some(schema) if evaluate::valid(schema, &value, steps)? => Some(Ok(())),
            Some(schema) => Some(Err(breach::find(schema, &value, steps))),
        }
    }
}

/// Brackets that are open at once at most, those in strings left out; and whether all are closed at the end.
fn brackets(text: &str) -> (usize, bool) {
    let (mut open, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => open += 1,
            b'}' | b']' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    (most, open == 0 && !in_string)
}

#[cfg(test)]
mod tests;
