//! Our own lines as requests: their gaps filled, with a text to work on where they need one, and tools
//! that are not wanted.

use std::collections::BTreeMap;

use classify::{Language, Task};

use crate::{
    own::Own,
    rows::{LangRow, OWN, Role, TaskRow},
};

/// How often a line with a gap is shown, each time with another text, and one without.
const FILLS: usize = 4;
const PLAIN: usize = 2;
/// How much all showings of a line count together, and of a hand's, which is shown once, as it is.
const WEIGHT: f32 = 5.0;
const HAND_WEIGHT: f32 = 1.8;
/// One of so many lines that ask for something else has tools beside it that are not wanted.
const UNWANTED_TOOLS: usize = 30;

/// Sentences to paste, and the draws that choose them.
struct Pastes<'a> {
    sentences: BTreeMap<Language, Vec<&'a str>>,
    tools: Vec<&'a str>,
    seed: u64,
}

impl<'a> Pastes<'a> {
    fn draw(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below.max(1) as u64) as usize
    }

    fn of(&mut self, many: &[&'a str]) -> &'a str {
        let at = self.draw(many.len());
        many.get(at).copied().unwrap_or("")
    }

    fn sentence(&mut self, language: Language) -> &'a str {
        let many = self.sentences.get(&language).cloned().unwrap_or_default();
        self.of(&many)
    }

    /// A text of one to twelve sentences.
    fn text(&mut self, language: Language) -> String {
        let few = [1, 1, 2, 3, 4, 6, 8, 12][self.draw(8)];
        (0..few).map(|_| self.sentence(language)).collect::<Vec<_>>().join(" ")
    }

    fn filled(&mut self, own: &Own, task: Task) -> String {
        // A text is often in another language than the request.
        let language = [Language::En, Language::ZhHans, own.language, own.language][self.draw(4)];
        let text = own.text().to_owned();
        if gaps(&text) {
            let mut text = text.replace("{}", &self.text(language));
            while text.contains("{s}") {
                text = text.replacen("{s}", self.sentence(language), 1);
            }
            return text;
        }
        if !bare(own, task) || own.hand.is_some() {
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

fn gaps(text: &str) -> bool {
    text.contains("{}") || text.contains("{s}")
}

/// An order to work on a text, without the text.
fn bare(own: &Own, task: Task) -> bool {
    use Task::{Classification, ClosedQa, Extraction, Rewriting, Summarization, Translation};
    let works = matches!(
        task,
        Summarization | Extraction | Classification | ClosedQa | Rewriting | Translation
    );
    works && own.turns.len() == 1 && own.text().chars().count() < 60 && !own.text().contains('\n')
}

/// Every line of ours as requests. What is asked for must be read from the instruction, however long
/// the text is, and tools that are there need not be what is wanted.
pub fn rows(own: &[Own], langs: &[LangRow]) -> Vec<TaskRow> {
    let mut pastes = Pastes { sentences: BTreeMap::new(), tools: Vec::new(), seed: 0x0BAD_5EED };
    let fit = |row: &&LangRow| {
        row.role == Role::Train
            && matches!(row.kind.as_str(), "sentence" | "chat")
            && row.source != OWN
    };
    for row in langs.iter().filter(fit) {
        pastes.sentences.entry(row.language).or_default().push(&row.text);
    }
    pastes.tools =
        own.iter().map(|own| own.tools.as_str()).filter(|tools| !tools.is_empty()).collect();
    let mut rows = Vec::new();
    for own in own {
        let Some(task) = own.task else { continue };
        let (showings, weight) = match own.hand {
            Some(_) => (1, HAND_WEIGHT),
            None if gaps(own.text()) || bare(own, task) => (FILLS, WEIGHT),
            None => (PLAIN, WEIGHT),
        };
        for _ in 0..showings {
            rows.push(row(own, task, &mut pastes, weight / showings as f32));
        }
    }
    rows
}

fn row(own: &Own, task: Task, pastes: &mut Pastes<'_>, weight: f32) -> TaskRow {
    let mut turns = own.turns.clone();
    if let Some(last) = turns.last_mut() {
        *last = pastes.filled(own, task);
    }
    let mut tools = own.tools.clone();
    if tools.is_empty() && (task == Task::ToolUse || pastes.draw(UNWANTED_TOOLS) == 0) {
        let all = pastes.tools.clone();
        tools = pastes.of(&all).to_owned();
    }
    TaskRow {
        system: own.system.clone(),
        turns,
        tools: u16::from(!tools.is_empty()) + tools.matches("; ").count() as u16,
        tools_text: tools,
        task,
        language: own.language,
        source: OWN.into(),
        hand: own.hand,
        role: Role::Train,
        weight,
    }
}
