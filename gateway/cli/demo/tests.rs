//! How well the classifier reads the demo's prompts.

use classify::{Prompt, Reading, classify};
use serde_json::Value;

use crate::sim::prompts::{self, prompts};

/// As the gateway reads it: the person's turns, the system's words, tools and schema.
fn reading(prompt: &prompts::Prompt) -> Reading {
    let body = &prompt.body;
    let of_role = |role: &str| -> Vec<&str> {
        let messages = body["messages"].as_array().unwrap().iter();
        let said = messages.filter(|message| message["role"] == role);
        said.map(|message| message["content"].as_str().unwrap()).collect()
    };
    let (system, turns) = (of_role("system").join("\n"), of_role("user"));
    let tools = body.get("tools").map_or_else(String::new, Value::to_string);
    classify(&Prompt {
        system: &system,
        turns: &turns,
        tools: body.get("tools").and_then(Value::as_array).map_or(0, Vec::len) as u16,
        tools_text: &tools,
        json_schema: body.get("response_format").is_some(),
        has_media: false,
    })
}

#[test]
fn each_prompt_of_the_chat_is_read_as_the_rule_of_the_experiment_wants_it() {
    let prompts = prompts().unwrap();
    let chat: Vec<_> = prompts.iter().filter(|it| super::day::is_of_chat(it)).collect();
    assert!(chat.len() >= 4, "{}", chat.len());
    for prompt in chat {
        let read = reading(prompt);
        let as_if = prompts::Prompt { language: read.language, task: read.task, ..prompt.clone() };
        assert!(
            super::day::is_of_chat(&as_if),
            "{}, {}: {}",
            read.language,
            read.task,
            prompt.text
        );
    }
}

#[test]
fn most_prompts_are_read_as_they_are_meant() {
    let prompts = prompts().unwrap();
    let (mut languages, mut tasks) = (0, 0);
    for prompt in &prompts {
        let reading = reading(prompt);
        let right = (reading.language == prompt.language, reading.task == prompt.task);
        languages += usize::from(right.0);
        tasks += usize::from(right.1);
        if right != (true, true) {
            let start: String = prompt.text.chars().take(60).collect();
            let (language, task) = (reading.language, reading.task);
            println!("{language} ({}), {task} ({}): {start}", prompt.language, prompt.task);
        }
    }
    let count = prompts.len();
    println!("language {languages} of {count}, task {tasks} of {count}");
    assert!(languages * 100 >= count * 95, "language {languages} of {count}");
    assert!(tasks * 100 >= count * 85, "task {tasks} of {count}");
}
