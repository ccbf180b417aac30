//! Our own instructions as requests: their gaps filled, with a text to work on where they need one.

use std::collections::BTreeMap;

use classify::{Language, Task};

use crate::data::{LangRow, OWN, Own, TaskRow};

/// How often each line is shown, each time with another text.
const FILLS: usize = 6;
/// How much each showing counts.
const WEIGHT: f32 = 0.7;

/// Sentences to paste, and the draws that choose them.
struct Pastes<'a> {
    sentences: BTreeMap<Language, Vec<&'a str>>,
    seed: u64,
}

impl Pastes<'_> {
    fn draw(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below.max(1) as u64) as usize
    }

    fn sentence(&mut self, language: Language) -> String {
        let many = self.sentences.get(&language).map_or(0, Vec::len);
        let at = self.draw(many);
        self.sentences
            .get(&language)
            .and_then(|all| all.get(at))
            .map_or_else(String::new, |it| (*it).to_owned())
    }

    /// A text of one to twelve sentences.
    fn text(&mut self, language: Language) -> String {
        let few = [1, 1, 2, 3, 4, 6, 8, 12][self.draw(8)];
        (0..few).map(|_| self.sentence(language)).collect::<Vec<_>>().join(" ")
    }

    fn filled(&mut self, own: &Own, task: Task) -> String {
        // A text is often in another language than the request.
        let language = [Language::En, Language::ZhHans, own.language, own.language][self.draw(4)];
        let mut text = own.text.clone();
        if text.contains("{}") || text.contains("{s}") {
            text = text.replace("{}", &self.text(language));
            while text.contains("{s}") {
                text = text.replacen("{s}", &self.sentence(language), 1);
            }
            return text;
        }
        if !works_on_text(task) || text.len() > 240 {
            return text;
        }
        let paste = self.text(language);
        match self.draw(5) {
            0 => text,
            1 => format!("{paste}\n\n{text}"),
            2 => format!("{text}\n\n{paste}"),
            3 => format!("{text}\n```\n{paste}\n```"),
            _ => format!("{text} {paste}"),
        }
    }
}

fn works_on_text(task: Task) -> bool {
    use Task::{Classification, ClosedQa, Extraction, Rewriting, Summarization, Translation};
    matches!(task, Summarization | Extraction | Classification | ClosedQa | Rewriting | Translation)
}

/// Every line of ours as requests. What is asked for must be read from the instruction, however long
/// the text is, and tools that are there need not be what is wanted.
pub fn rows(own: &[Own], langs: &[LangRow]) -> Vec<TaskRow> {
    let mut pastes = Pastes { sentences: BTreeMap::new(), seed: 0x0BAD_5EED };
    for row in langs.iter().filter(|row| row.kind == "sentence" || row.kind == "chat") {
        pastes.sentences.entry(row.language).or_default().push(&row.text);
    }
    let mut rows = Vec::new();
    for own in own {
        let Some(task) = own.task else { continue };
        for _ in 0..FILLS {
            let text = pastes.filled(own, task);
            let tools = u16::from(task == Task::ToolUse || pastes.draw(12) == 0) * 2;
            rows.push(TaskRow {
                system: String::new(),
                turns: vec![text],
                tools,
                task,
                language: own.language,
                source: OWN.into(),
                weight: WEIGHT,
            });
        }
    }
    rows
}
