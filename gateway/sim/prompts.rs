//! The demo's prompts: compiled in from `prompts.toml`, written as requests of the OpenAI API.

use std::fmt::Write;

use policies::facts::{DataClass, Language, Task};
use serde::Deserialize;
use serde_json::{Value, json};

/// One prompt, with what is to be recognised in it.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// In which language the person asks.
    pub language: Language,
    /// What is asked for.
    pub task: Task,
    /// Two languages in one sentence.
    pub mixed: bool,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// The class stated in the header, if any.
    pub data_class: Option<DataClass>,
    /// The person's words.
    pub text: String,
    /// The request: model `auto`, usage asked for where it is streamed.
    pub body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tool: Vec<Tool>,
    schema: Vec<Schema>,
    prompt: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tool {
    name: String,
    description: String,
    parameters: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema {
    name: String,
    schema: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    language: String,
    task: String,
    text: String,
    #[serde(default)]
    mixed: bool,
    stream: Option<bool>,
    data_class: Option<String>,
    #[serde(default)]
    before: Vec<Value>,
    #[serde(default)]
    tools: Vec<String>,
    schema: Option<String>,
    #[serde(default)]
    clauses: u32,
}

/// All prompts, in the order of the file.
///
/// # Errors
/// If the file is not as it must be, which a test rules out.
pub fn prompts() -> Result<Vec<Prompt>, String> {
    let file: File =
        toml::from_str(include_str!("prompts.toml")).map_err(|error| error.to_string())?;
    file.prompt.iter().map(|entry| prompt(&file, entry)).collect()
}

fn prompt(file: &File, entry: &Entry) -> Result<Prompt, String> {
    let missing = |what: &str| format!("{}: no such {what}", entry.text);
    let mut text = entry.text.trim().to_owned();
    if entry.clauses > 0 {
        text.push_str("\n\n");
        text.push_str(&contract(entry.clauses));
    }
    let mut messages = entry.before.clone();
    messages.push(json!({ "role": "user", "content": text }));
    let stream = entry.stream.unwrap_or(true);
    let mut body = json!({ "model": "auto", "messages": messages, "stream": stream });
    let mut put = |name: &str, value| {
        if let Some(fields) = body.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if stream {
        put("stream_options", json!({ "include_usage": true }));
    }
    let tools: Option<Vec<Value>> = entry.tools.iter().map(|name| tool(file, name)).collect();
    let tools = tools.ok_or_else(|| missing("tool"))?;
    if !tools.is_empty() {
        put("tools", tools.into());
    }
    if let Some(name) = &entry.schema {
        put("response_format", schema(file, name).ok_or_else(|| missing("schema"))?);
    }
    let class = entry.data_class.as_deref();
    let class = class.map(|class| DataClass::from_code(class).ok_or_else(|| missing("class")));
    Ok(Prompt {
        language: Language::from_code(&entry.language).ok_or_else(|| missing("language"))?,
        task: Task::from_code(&entry.task).ok_or_else(|| missing("task"))?,
        mixed: entry.mixed,
        stream,
        data_class: class.transpose()?,
        text,
        body,
    })
}

fn tool(file: &File, name: &str) -> Option<Value> {
    let tool = file.tool.iter().find(|tool| tool.name == name)?;
    let parameters: Value = serde_json::from_str(&tool.parameters).ok()?;
    let (name, description) = (&tool.name, &tool.description);
    let function = json!({ "name": name, "description": description, "parameters": parameters });
    Some(json!({ "type": "function", "function": function }))
}

fn schema(file: &File, name: &str) -> Option<Value> {
    let schema = file.schema.iter().find(|schema| schema.name == name)?;
    let value: Value = serde_json::from_str(&schema.schema).ok()?;
    let named = json!({ "name": name, "schema": value, "strict": true });
    Some(json!({ "type": "json_schema", "json_schema": named }))
}

/// A contract of so many clauses, no two alike, about 40 tokens each.
#[must_use]
pub fn contract(clauses: u32) -> String {
    let duties = [
        "delivers its audited accounts",
        "reports its cash flow",
        "confirms the insurance of each vessel",
        "states every change of ownership",
        "names its authorised signatories",
        "tells of any claim in court",
        "renews the valuation of the collateral",
    ];
    let places = ["to the agent", "to the security trustee", "to each lender", "to the auditor"];
    let limits = [
        "and pays a fee of %d dollars if it is late",
        "unless the amount in question is below %d thousand dollars",
        "and keeps the records for at least %d months",
        "with a copy to branch number %d",
        "as set out in schedule %d",
    ];
    let pick = |list: &[&'static str], n: u32| list.get(n as usize % list.len()).copied();
    let mut text = String::with_capacity(clauses as usize * 150);
    for n in 1..=clauses {
        let duty = pick(&duties, n).unwrap_or_default();
        let place = pick(&places, n / 7).unwrap_or_default();
        let limit =
            pick(&limits, n / 28).unwrap_or_default().replace("%d", &(n % 97 + 3).to_string());
        let days = n % 61 + 5;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "Clause {n}. Within {days} days of the end of quarter {}, the borrower {duty} {place}, \
             {limit}.",
            n % 4 + 1
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The languages in which the bank of the demo is asked.
    const LANGUAGES: [&str; 16] = [
        "en", "zh-Hans", "zh-Hant", "yue", "ms", "id", "ta", "th", "vi", "ja", "ko", "hi", "tl",
        "my", "km", "it",
    ];

    #[test]
    fn all_tasks_and_languages_are_asked_about() {
        let prompts = prompts().unwrap();
        assert!(prompts.len() >= 90, "{}", prompts.len());
        let texts: HashSet<&str> = prompts.iter().map(|prompt| &*prompt.text).collect();
        assert_eq!(texts.len(), prompts.len());
        for language in LANGUAGES {
            let count = prompts.iter().filter(|prompt| prompt.language.code() == language).count();
            assert!(count >= 3, "{language}: {count}");
        }
        for task in Task::ALL.iter().filter(|task| **task != Task::None) {
            let of_task: Vec<_> = prompts.iter().filter(|prompt| prompt.task == *task).collect();
            assert!(of_task.len() >= 3, "{task}: {}", of_task.len());
            assert!(of_task.iter().any(|prompt| prompt.language == Language::En), "{task}");
        }
    }

    #[test]
    fn every_kind_of_request_is_among_them() {
        let prompts = prompts().unwrap();
        let some = |count: usize, is: &dyn Fn(&Prompt) -> bool| {
            assert!(prompts.iter().filter(|prompt| is(prompt)).count() >= count);
        };
        let mixed: HashSet<_> =
            prompts.iter().filter(|prompt| prompt.mixed).map(|prompt| prompt.language).collect();
        assert!(mixed.len() >= 5, "{mixed:?}");
        some(5, &|prompt| prompt.body.get("tools").is_some());
        some(2, &|prompt| prompt.body.get("response_format").is_some());
        some(1, &|prompt| prompt.data_class == Some(DataClass::Confidential));
        some(1, &|prompt| prompt.body["messages"].as_array().unwrap().len() >= 4);
        some(3, &|prompt| prompt.text.split_whitespace().count() == 2);
        some(1, &|prompt| prompt.text.len() / 4 >= 40_000);
        let streamed = prompts.iter().filter(|prompt| prompt.stream).count() * 100 / prompts.len();
        assert!((60..80).contains(&streamed), "{streamed} percent");
    }

    #[test]
    fn a_contract_has_no_two_clauses_alike() {
        let text = contract(2_000);
        let clauses: HashSet<&str> =
            text.lines().map(|line| line.split_once(". ").unwrap().1).collect();
        assert_eq!(clauses.len(), 2_000);
    }
}
