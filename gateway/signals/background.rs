//! Requests that chat front ends make beside a talk, of which its people see nothing: a title for it, tags,
//! questions that could follow, a search. They are recognised by how they begin, and get a tag by which
//! policies can send them to a small model.

use crate::outcome::Tag;

/// The name of the tag.
const NAME: &str = "background";
/// Its value.
const VALUE: &str = "true";
/// As much of an instruction says what it is for.
const HEAD_BYTES: usize = 320;
/// How Open WebUI and what has grown out of it begin all of theirs.
const HEADING: &str = "### task:";
/// The talk that they are made of stands in such a tag. What is answered from documents begins with the same
/// heading, and is its person's own question.
const TALK: &str = "<chat_history>";
/// How the others begin theirs, after a polite word.
const VERBS: [&str; 10] = [
    "analyze this ",
    "generate ",
    "create ",
    "write ",
    "provide ",
    "suggest ",
    "summarize ",
    "summarise ",
    "give ",
    "come up with ",
];
/// What they are to make of a talk.
const WANTED: [&str; 5] = [" title", " tags", "follow-up", "followup", " topic"];
/// What they are to make it of.
const OF: [&str; 6] =
    ["conversation", "chat history", "this chat", "our chat", "the chat", "user's first message"];

/// The tag of a request whose last turn is this one, if it is made in the background.
pub(super) fn tag(turn: &str) -> Option<Tag> {
    is_background(turn).then(|| (NAME.into(), VALUE.into()))
}

fn is_background(turn: &str) -> bool {
    let text = turn.trim_start();
    let Some(first) = text.as_bytes().first() else { return false };
    // Nearly every instruction is none by its first letter.
    if !matches!(first.to_ascii_lowercase(), b'#' | b'a' | b'g' | b'c' | b'w' | b'p' | b's') {
        return false;
    }
    let head = text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or_default();
    let head = head.to_ascii_lowercase();
    if head.starts_with(HEADING) {
        let all = text.to_ascii_lowercase();
        return all.contains(TALK);
    }
    let asks = head.strip_prefix("please ").unwrap_or(&head);
    VERBS.iter().any(|it| asks.starts_with(it))
        && WANTED.iter().any(|it| asks.contains(it))
        && OF.iter().any(|it| asks.contains(it))
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
            "Generate 3 tags for this chat, as a JSON list.",
            "Suggest three follow-up questions to the conversation above.",
            "Come up with a topic for the chat: two words",
            "Analyze this conversation: its language, and a title of five words",
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
            "Analyze this quarter's figures by branch.",
            "Write a title for my essay about rain.",
            "Give me the topic of chapter 3.",
            "Generate test data: names and account tags.",
            "Summarize this conversation between Ann and Ben.",
            "What title would suit our conversation?",
            "请为这段对话写一个标题",
            long.as_str(),
        ] {
            assert!(!is_background(turn), "{turn}");
        }
    }
}
