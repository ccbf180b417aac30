//! A request's text in, a reading out.

use smallvec::SmallVec;

use crate::{
    Complexity, Language, Task, content,
    model::{
        asked::{self, Asked},
        complexity, follow, han, heat, lang, sample,
        short::{self, Doubt},
        target, task, tools,
    },
};

/// Turns before the last that are asked which Chinese it is.
const TURNS_MAX: usize = 4;

/// What is known of a request's text. Borrowed; nothing is copied.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// What the system says, or its beginning.
    pub system: &'a str,
    /// The user's turns that have text, the oldest first; the last is the instruction.
    pub turns: &'a [&'a str],
    /// How many tools are attached.
    pub tools: u16,
    /// Their names and descriptions: the JSON that was sent, or its beginning.
    pub tools_text: &'a str,
    /// Whether the answer must be JSON.
    pub json_schema: bool,
    /// Whether images or sounds come along.
    pub has_media: bool,
}

impl<'a> Prompt<'a> {
    /// A single turn and nothing else.
    #[must_use]
    pub fn of(turns: &'a [&'a str]) -> Self {
        Self { system: "", turns, tools: 0, tools_text: "", json_schema: false, has_media: false }
    }
}

/// What a text was read as.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The language in which the person asks; `und` where the text does not say.
    pub language: Language,
    /// Calibrated probability that it is right, 0 to 1.
    pub language_confidence: f32,
    /// Languages by their share of the text (0 to 1), the largest first; mixed text names both.
    pub languages: SmallVec<[(Language, f32); 3]>,
    /// For translations: the language that the request names as the target.
    pub target_language: Option<Language>,
    /// What is asked for.
    pub task: Task,
    /// Calibrated probability that it is right, 0 to 1.
    pub task_confidence: f32,
    /// How much it asks of a model.
    pub complexity: Complexity,
}

/// Reads a request. Pure; bounded work whatever the length; never panics.
#[must_use]
pub fn classify(prompt: &Prompt<'_>) -> Reading {
    let (prompt, asked) = settled(prompt);
    Reading::of(&prompt, &asked)
}

/// The turns of a request that say what is asked for, and what the last of them asks in.
fn settled<'a>(prompt: &Prompt<'a>) -> (Prompt<'a>, Asked<'a>) {
    let Some(model) = lang::model() else { return (*prompt, Asked::default()) };
    let last = prompt.turns.last().copied().unwrap_or("");
    let asked = asked::of(last, model);
    let Some(doubt) = short::doubt(last, asked.language) else {
        return (*prompt, written(prompt, asked, model));
    };
    // Too little to go by: the turns before say language and task.
    let mut unsure = None;
    for at in (1..prompt.turns.len()).rev() {
        let turns = prompt.turns.get(..at).unwrap_or_default();
        let before = turns.last().copied().unwrap_or("");
        let earlier = asked::of(before, model);
        let said = short::doubt(before, earlier.language);
        if said.is_none_or(|said| said.speaks(&earlier)) {
            if !doubt.gives_way(&asked, &earlier) {
                return (*prompt, doubt.alone(asked));
            }
            return (Prompt { turns, ..*prompt }, earlier);
        }
        if let Some(said @ Doubt::Unsure(_)) = said
            && unsure.is_none()
        {
            unsure = Some((turns, said, earlier));
        }
    }
    // No turn speaks for itself: one of few words still says more than one without any.
    match unsure {
        Some((turns, said, earlier)) if !matches!(doubt, Doubt::Unsure(_)) => {
            (Prompt { turns, ..*prompt }, said.alone(earlier))
        }
        _ => (*prompt, doubt.alone(asked)),
    }
}

/// What a turn asks in, where its characters leave open which Chinese that is: the last turns before it that
/// say it.
fn written<'a>(prompt: &Prompt<'a>, asked: Asked<'a>, model: &lang::Model<'_>) -> Asked<'a> {
    let (last, before) = prompt.turns.split_last().unwrap_or((&"", &[]));
    let han = matches!(asked.language.0, Language::ZhHans | Language::ZhHant | Language::Ja);
    if before.is_empty() || !han || !han::alike(last) {
        return asked;
    }
    let chinese = |it: &Asked<'_>| {
        matches!(it.language.0, Language::ZhHans | Language::ZhHant | Language::Yue)
    };
    let told = before.iter().rev().take(TURNS_MAX).filter(|turn| !han::alike(turn));
    let talk = told.map(|turn| asked::of(turn, model)).find(chinese);
    match talk {
        Some(talk) => asked.written(&talk),
        None => asked,
    }
}

/// The turns of a request that say what is asked for, and the instruction where it stands apart from the
/// beginning of the last of them: what the trainer's features are made of.
#[doc(hidden)]
#[must_use]
pub fn said<'a>(prompt: &Prompt<'a>) -> (Prompt<'a>, Option<&'a str>) {
    let (prompt, asked) = settled(prompt);
    (prompt, asked.instruction)
}

impl Reading {
    /// The reading of a request whose last turn is known.
    fn of(prompt: &Prompt<'_>, asked: &Asked<'_>) -> Self {
        let (task, task_confidence) = task_of(prompt, asked);
        let last = prompt.turns.last().copied().unwrap_or("");
        let before = Some(follow::instruction(prompt)).filter(|it| !std::ptr::eq(*it, last));
        let texts = asked.instruction.into_iter().chain([last]).chain(before);
        let named = || texts.into_iter().find_map(target::read);
        Self {
            language: asked.language.0,
            language_confidence: asked.language.1,
            languages: asked.languages(),
            target_language: if task == Task::Translation { named() } else { None },
            task,
            task_confidence,
            complexity: complexity::read(prompt, task),
        }
    }
}

/// The task, and how sure that is. A request without a letter or a digit asks for none that could be told.
fn task_of(prompt: &Prompt<'_>, asked: &Asked<'_>) -> (Task, f32) {
    let (head, tail) = sample::ends(follow::instruction(prompt));
    let said = |text: &str| text.chars().any(char::is_alphanumeric);
    let Some(model) = task::model().filter(|_| said(head) || said(tail)) else {
        return (Task::None, 0.0);
    };
    task::read(prompt, asked.instruction, &model.heated(heat::of(asked.language.0)))
}

/// Reads the language alone: the best, how sure that is, and all with a fair share. It is a guess
/// whatever the length: the floor of evidence is [`classify`]'s.
#[must_use]
pub fn language(text: &str) -> (Language, f32, SmallVec<[(Language, f32); 3]>) {
    let Some(model) = lang::model() else { return (Language::Und, 0.0, SmallVec::new()) };
    let asked = asked::of(text, model);
    (asked.language.0, asked.language.1, asked.languages())
}

/// The best of what was found, for the trainer's measures.
#[doc(hidden)]
#[must_use]
pub fn best_of(found: &lang::Found) -> (Language, f32) {
    asked::best(found)
}

/// Loads what is loaded once, so that no request pays for it.
pub fn warm() {
    let _ = classify(&Prompt::of(&["warm"]));
    let _ = target::read("");
    han::Chinese::default().words("");
    tools::warm();
    content::warm();
}
