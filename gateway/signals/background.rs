//! Requests that chat front ends make beside a talk, of which its people see nothing: a title for it, tags,
//! questions that could follow, a search. They are recognised by how they begin, and get a tag by which
//! policies can send them to a small model. What people ask themselves must not be taken for one: a title
//! is meant only where it is what the sentence asks for, in a word or two, of a talk.

use smallvec::SmallVec;

use crate::outcome::Tag;

/// The name of the tag.
const NAME: &str = "background";
/// Its value.
const VALUE: &str = "true";
/// As much of an instruction says what it is for.
const HEAD_BYTES: usize = 320;
/// How Open WebUI and what has grown out of it begin all of theirs, behind three `#`.
const HEADING: &str = "task:";
/// The talk that they are made of stands in such a tag. What is answered from documents begins with the same
/// heading, and is its person's own question.
const TALK: &str = "<chat_history>";
/// Words before what is asked for.
const BEFORE: [&str; 14] = [
    "please",
    "could",
    "can",
    "would",
    "you",
    "now",
    "based",
    "on",
    "given",
    "our",
    "this",
    "the",
    "above",
    "following",
];
/// How it is asked for.
const VERBS: [&str; 7] = ["generate", "create", "write", "provide", "suggest", "give", "make"];
/// What may stand between that and the thing itself; and numbers, and `5-word` and the like.
const BETWEEN: [&str; 30] = [
    "a",
    "an",
    "the",
    "me",
    "us",
    "one",
    "two",
    "three",
    "four",
    "five",
    "short",
    "brief",
    "concise",
    "catchy",
    "descriptive",
    "simple",
    "clear",
    "good",
    "single",
    "word",
    "words",
    "broad",
    "relevant",
    "few",
    "some",
    "suitable",
    "fitting",
    "possible",
    "up",
    "to",
];
/// The things.
const THINGS: [&str; 3] = ["title", "titles", "tags"];
/// Things that are two words, of which `follow-up` is the first.
const QUESTIONS: [&str; 4] = ["question", "questions", "prompt", "prompts"];
/// How it goes on behind the thing: `a title deed` is another one.
const ON: [&str; 15] = [
    "for",
    "of",
    "that",
    "from",
    "to",
    "in",
    "based",
    "summarizing",
    "summarising",
    "summing",
    "describing",
    "which",
    "with",
    "without",
    "max",
];
/// What they are made of, behind one of the first.
const WHICH: [&str; 5] = ["this", "our", "the", "following", "above"];
const TALKS: [&str; 5] = ["conversation", "chat", "dialogue", "dialog", "discussion"];
/// So many words after the thing at the most.
const AFTER_MAX: usize = 14;

/// The tag of a request whose last turn is this one, if it is made in the background.
pub(super) fn tag(turn: &str) -> Option<Tag> {
    is_background(turn).then(|| (NAME.into(), VALUE.into()))
}

fn is_background(turn: &str) -> bool {
    let text = turn.trim_start();
    // Nearly every instruction is none by its first word.
    if let Some(rest) = text.strip_prefix("###") {
        let heading = rest.trim_start().get(..HEADING.len());
        return heading.is_some_and(|it| it.eq_ignore_ascii_case(HEADING)) && text.contains(TALK);
    }
    let first = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if !among(&VERBS, first) && !among(&BEFORE, first) {
        return false;
    }
    asks(text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or_default())
}

/// Whether a word is one of these, in any case.
fn among(words: &[&str], word: &str) -> bool {
    words.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// Whether an instruction asks for such a thing, and for nothing else before it.
fn asks(head: &str) -> bool {
    let word = |it| str::trim_matches(it, |c: char| !c.is_ascii_alphanumeric());
    let words: SmallVec<[&str; 48]> = head.split_whitespace().map(word).take(48).collect();
    let lead = |it: &&&str| among(&BEFORE, it) || among(&TALKS, it);
    let from = words.iter().take_while(lead).count();
    let (before, rest) = words.split_at_checked(from).unwrap_or_default();
    let Some((verb, rest)) = rest.split_first() else { return false };
    let between = |it: &&&str| {
        among(&BETWEEN, it) || it.starts_with(|c: char| c.is_ascii_digit()) || it.contains("-word")
    };
    let skipped = rest.iter().take_while(between).count();
    let after = match rest.get(skipped..).unwrap_or_default() {
        [thing, after @ ..] if among(&THINGS, thing) => after,
        [kind, thing, after @ ..] if among(&["follow-up"], kind) && among(&QUESTIONS, thing) => {
            after
        }
        _ => return false,
    };
    let after = after.get(..after.len().min(AFTER_MAX)).unwrap_or_default();
    let itself = after.first().is_none_or(|it| among(&ON, it));
    among(&VERBS, verb) && itself && (of_a_talk(before) || of_a_talk(after))
}

/// Whether these words name a talk that is there. `The chat` is more often one of something else.
fn of_a_talk(words: &[&str]) -> bool {
    words.windows(2).any(|pair| match pair {
        ["the", "chat"] => false,
        [which, talk] => among(&WHICH, which) && among(&TALKS, talk),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_front_ends_ask_beside_a_talk_is_recognised() {
        let heading = "### Task:\nMake a heading of three words.\n### Guidelines:\n- Be short.\n### Output:\n\
            JSON\n### Chat History:\n<chat_history>\nUSER: hello\n</chat_history>";
        for turn in [
            heading,
            &format!("\n {heading}"),
            "Please generate a short title that sums up our conversation, without quotes.",
            "Provide a title of five words or less for the conversation below.\n\nUser: 你好",
            "Provide a concise, 5-word-or-less title for the following conversation: hi",
            "Generate 3 tags for this chat, as a JSON list.",
            "Suggest three follow-up questions to the conversation above.",
            "Based on our conversation above, generate a short title.",
            "Could you generate a title for this conversation?",
            "Write a title (max 6 words) for the following chat",
        ] {
            assert!(is_background(turn), "{turn}");
        }
    }

    #[test]
    fn what_people_ask_is_not() {
        let long =
            format!("Write a letter. {} It has a title and a conversation.", "So. ".repeat(99));
        for turn in [
            "",
            "  ",
            "### Task:\nTranslate this notice into Thai.",
            "### Task: write a function\n### Output: Rust",
            "### Task:\nAnswer from the context.\n### Guidelines:\n- Cite.\n### Output:\ntext\n<context>\n\
             <source>a</source>\n</context>\n<user_query>\nWhat is the rate?\n</user_query>",
            "Write a title for my essay about rain.",
            "Write a title deed for the flat that we had the conversation about.",
            "Give me the topic of chapter 3.",
            "Give me a good title for a talk about the chat service.",
            "Generate test data: names and account tags.",
            "Generate a Kubernetes manifest for our chat service with labels and tags.",
            "Summarize this conversation between Ann and Ben.",
            "Suggest a follow-up email to the client after the conversation.",
            "Write a follow-up letter based on the conversation we had about her mortgage.",
            "Provide a legal opinion on the title to the property discussed in this conversation.",
            "Write a SQL query that returns the title of each conversation in our database.",
            "Analyze this conversation for signs of fraud, by topic.",
            "Write a thesis on the topic of conversation analysis.",
            "What title would suit our conversation?",
            "Please write to the customer: this conversation was recorded.",
            "请为这段对话写一个标题",
            long.as_str(),
        ] {
            assert!(!is_background(turn), "{turn}");
        }
    }
}
