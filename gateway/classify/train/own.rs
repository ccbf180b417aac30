//! Our own material: lines of language, task and text, written for this crate.

use std::{collections::HashMap, path::Path};

use classify::{Language, Task};

use crate::rows::stop;

/// One line of our own: a language, a task (or none: it only teaches the language), a request.
pub struct Own {
    pub language: Language,
    pub task: Option<Task>,
    /// `[system]`: what the system says.
    pub system: String,
    /// `[tools]`: what is attached, as `name: description; …`.
    pub tools: String,
    /// The user's turns, the oldest first.
    pub turns: Vec<String>,
    /// Whose hand it is, where the file says so: a number of all hands.
    pub hand: Option<u32>,
}

impl Own {
    /// The last turn: the instruction.
    pub fn text(&self) -> &str {
        self.turns.last().map_or("", String::as_str)
    }
}

/// Our own lines, from every `.tsv` of the folder, in the order of names and lines.
pub fn material(folder: &Path) -> Vec<Own> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| stop(folder, &error.to_string()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "tsv"))
        .collect();
    paths.sort();
    let (mut own, mut hands) = (Vec::new(), 0);
    for path in paths {
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| stop(&path, &error.to_string()));
        let (mut hand, mut known) = (None, HashMap::new());
        for (at, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty()) {
            // Such a line says whose hand the lines below it are.
            if line.starts_with("# ") {
                hand = Some(*known.entry(line).or_insert_with(|| {
                    hands += 1;
                    hands
                }));
                continue;
            }
            let row = read(line).unwrap_or_else(|expected| {
                stop(&path, &format!("line {at}: expected {expected}, found `{line}`"))
            });
            own.push(Own { hand, ..row });
        }
    }
    own
}

fn read(line: &str) -> Result<Own, &'static str> {
    let mut parts = line.splitn(3, '\t');
    let language = parts.next().and_then(Language::from_code).ok_or("a language's code")?;
    let task = match parts.next().ok_or("language TAB task TAB text")? {
        "-" => None,
        code => Some(Task::from_code(code).ok_or("a task's code")?),
    };
    let text = parts.next().ok_or("language TAB task TAB text")?.replace("\\n", "\n");
    let mut own = Own {
        language,
        task,
        system: String::new(),
        tools: String::new(),
        turns: Vec::new(),
        hand: None,
    };
    // What stands before the first mark is the user's.
    let mut mark = "user";
    let mut rest = text.as_str();
    loop {
        let next = ["system", "tools", "assistant", "user"]
            .iter()
            .filter_map(|mark| Some((rest.find(&format!("[{mark}]"))?, *mark)))
            .min();
        let part = rest.get(..next.map_or(rest.len(), |(at, _)| at)).unwrap_or("").trim();
        match mark {
            _ if part.is_empty() => {}
            "system" => own.system = part.to_owned(),
            "tools" => own.tools = part.to_owned(),
            // What the model said is not looked at.
            "assistant" => {}
            _ => own.turns.push(part.to_owned()),
        }
        let Some((at, found)) = next else { break };
        rest = rest.get(at + found.len() + 2..).unwrap_or("");
        mark = found;
    }
    if own.turns.is_empty() { Err("something that the user says") } else { Ok(own) }
}
