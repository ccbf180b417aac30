//! What a simulated model says: a pure function of the request and the model, so that the same
//! prompt always has the same answer, the same usage and the same price.

use serde_json::{Map, Value, json};

use super::{
    ask::{Ask, Choice, Function, pieces, tokens},
    spec::ModelSpec,
    voice,
};

/// One answer, before it is written down for the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    /// Reasoning before the content.
    pub reasoning: String,
    /// Text, or the arguments of the call.
    pub content: String,
    /// The function called, if one is.
    pub call: Option<String>,
    /// Why it ended.
    pub finish: &'static str,
    /// What was used, over all choices.
    pub used: Used,
    /// Hash of the prompt; the answer's id.
    pub seed: u64,
}

/// Tokens of one request as its engine tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// The prompt, cached tokens included.
    pub prompt: u32,
    /// Of these, read from the cache.
    pub cached: u32,
    /// The answer, reasoning included.
    pub completion: u32,
    /// Of these, reasoning.
    pub reasoning: u32,
}

/// What this model answers; `Err` holds the tokens asked for where they exceed its context.
pub(super) fn compose(spec: &ModelSpec, ask: &Ask) -> Result<Reply, u32> {
    let needed = ask.prompt_tokens.saturating_add(ask.max_tokens.unwrap_or(1));
    if needed > spec.context_tokens_max {
        return Err(needed);
    }
    let seed = ask.seed ^ u64::from(tokens(&spec.id));
    let english = voice::of("");
    let mut reasoning = match spec.reasoning_tokens_max {
        0 => String::new(),
        most => {
            clip(&english.speak(seed.rotate_left(17), 6), most / 2 + seed as u32 % (most / 2 + 1))
        }
    };
    let called = called(ask);
    let mut content = match (called, &ask.schema) {
        (Some(function), _) => {
            let root = &function.parameters;
            fill((root, root), &ask.prompt, "arguments", 8).to_string()
        }
        (None, Some(schema)) => filled(schema, &ask.prompt).to_string(),
        (None, None) => text(ask, seed),
    };
    let mut finish = if called.is_some() { "tool_calls" } else { "stop" };
    let room = ask.max_tokens.unwrap_or(u32::MAX);
    let thought = tokens(&reasoning).min(room);
    if thought + tokens(&content) > room {
        reasoning = clip(&reasoning, thought);
        content = clip(&content, room - thought);
        finish = "length";
    }
    let used = Used {
        prompt: ask.prompt_tokens,
        cached: if spec.prefix_cache { ask.prefix_tokens / 16 * 16 } else { 0 },
        completion: (thought + tokens(&content)) * ask.n,
        reasoning: thought * ask.n,
    };
    let call = called.map(|function| function.name.clone());
    Ok(Reply { reasoning, content, call, finish, used, seed })
}

fn clip(text: &str, tokens: u32) -> String {
    pieces(text).take(tokens as usize).collect()
}

fn text(ask: &Ask, seed: u64) -> String {
    let said = voice::of(&ask.prompt).speak(seed, 2 + (seed % 6) as usize);
    let code = ["```", "def ", "SELECT ", "function", "Rust", "Python", "SQL"];
    if code.iter().any(|sign| ask.prompt.contains(sign)) {
        return format!("```python\ndef answer():\n    return {}\n```\n{said}", seed % 1_000);
    }
    said
}

/// The function that the prompt seems to ask for: the one it must call, of several the first that was not
/// called yet; else, unless a result has come, the first that shares a word with the prompt; else, where
/// the prompt is a sentence in another script, the first.
fn called(ask: &Ask) -> Option<&Function> {
    match &ask.choice {
        Choice::None => None,
        Choice::Named(name) => ask.functions.iter().find(|function| function.name == *name),
        Choice::Required => {
            let fresh = |function: &&Function| !ask.called.contains(&function.name);
            ask.functions.iter().find(fresh).or(ask.functions.last())
        }
        Choice::Auto if ask.after_tool => None,
        Choice::Auto => {
            let prompt = ask.prompt.to_lowercase();
            let shares = |function: &&Function| {
                let said = format!("{} {}", function.name, function.description).to_lowercase();
                said.split(|c: char| !c.is_alphanumeric())
                    .any(|word| word.len() > 3 && prompt.contains(word))
            };
            let foreign = ask.prompt.chars().filter(|c| !c.is_ascii()).nth(7).is_some();
            let first = if foreign { ask.functions.first() } else { None };
            ask.functions.iter().find(shares).or(first)
        }
    }
}

/// An object of any shape, or one that follows the schema.
fn filled(schema: &Value, prompt: &str) -> Value {
    if schema.is_null() {
        return json!({ "answer": voice::of(prompt).speak(0, 1) });
    }
    fill((schema, schema), prompt, "answer", 8)
}

/// A value that follows a JSON schema, as far as schemas are used in practice; it may refer to others in
/// the root.
fn fill((schema, root): (&Value, &Value), prompt: &str, name: &str, depth: u8) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    let meant = schema.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#'));
    if let Some(meant) = meant.and_then(|it| root.pointer(it)) {
        return fill((meant, root), prompt, name, depth - 1);
    }
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema.get("anyOf").or(schema.get("oneOf")).and_then(|any| any.get(0)) {
        return fill((first, root), prompt, name, depth - 1);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind {
        Some("string") => string(prompt, name),
        Some("integer") => json!(number(prompt).unwrap_or(1)),
        Some("number") => json!(number(prompt).unwrap_or(1) as f64),
        Some("boolean") => Value::Bool(true),
        Some("null") => Value::Null,
        Some("array") => match schema.get("items") {
            Some(items) => Value::Array(vec![fill((items, root), prompt, name, depth - 1)]),
            None => Value::Array(Vec::new()),
        },
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields = properties.into_iter().flatten().map(|(name, schema)| {
                (name.clone(), fill((schema, root), prompt, name, depth - 1))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

/// Digits of the prompt for what sounds like a number, else its first words.
fn string(prompt: &str, name: &str) -> Value {
    let numeric = ["account", "number", "id", "amount", "date", "card"];
    match number(prompt) {
        Some(number) if numeric.iter().any(|word| name.contains(word)) => json!(number.to_string()),
        _ => {
            let text: String = prompt.chars().take(32).collect();
            json!(text.trim())
        }
    }
}

fn number(prompt: &str) -> Option<u64> {
    let digits = prompt.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty())?;
    digits.parse().ok()
}
