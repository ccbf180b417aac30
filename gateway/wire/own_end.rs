//! Whether a whole answer ended because the model had no more to say: neither at a bound on its length, nor
//! by a filter, nor in words that leave it open. For answers that are kept to be given again.

use super::{
    finish::Finish,
    frame::{Framer, fields, only_data},
    json::{Json, Path, object},
    scan::JsonError,
};

/// A reason of Messages for an answer that waits to go on.
const PAUSE: &[u8] = b"pause_turn";

/// Whether every choice of a chat completion, or of an older one, ended by itself.
pub(super) fn choices(streamed: bool, answer: &[u8]) -> bool {
    // Of each choice its number, and whether it ended so.
    let mut choices: Vec<(u64, bool)> = Vec::new();
    let read = each(streamed, answer, |name, value| {
        if name != b"choices" {
            return Some(());
        }
        for (position, choice) in value.items(Path::Top("choices")).ok()?.into_iter().enumerate() {
            let members = choice.members(Path::Top("choices")).ok()?;
            let index = members.get("index").map(|it| number(it.bytes));
            let index = index.unwrap_or(Some(position as u64))?;
            let ended = members.get("finish_reason").map(|it| Finish::read(it.shape, it.bytes));
            let ended = ended.unwrap_or(Finish::None);
            let well = ended == Finish::Plain;
            match choices.iter_mut().find(|(known, _)| *known == index) {
                _ if !matches!(ended, Finish::None | Finish::Plain) => return None,
                Some((_, before)) => *before |= well,
                None => choices.push((index, well)),
            }
        }
        Some(())
    });
    read.is_some() && !choices.is_empty() && choices.iter().all(|(_, well)| *well)
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether a message ended by itself.
pub(super) fn message(streamed: bool, answer: &[u8]) -> bool {
    let mut ended = false;
    let mut reason = |value: Json<'_>| {
        let Some(word) = value.text_if().map(|it| it.0) else { return Some(()) };
        ended = true;
        (Finish::word(word) == Finish::Plain && word != PAUSE).then_some(())
    };
    let read = each(streamed, answer, |name, value| match name {
        b"stop_reason" => reason(value),
        b"delta" => {
            let members = value.members(Path::Top("delta")).ok()?;
            members.get("stop_reason").map_or(Some(()), &mut reason)
        }
        _ => Some(()),
    });
    read.is_some() && ended
}

/// Whether a response is completed.
pub(super) fn response(streamed: bool, answer: &[u8]) -> bool {
    let mut completed = false;
    let read = each(streamed, answer, |name, value| {
        let word = value.text_if().map(|it| it.0);
        completed |= match name {
            b"type" if streamed => word == Some(b"response.completed"),
            b"status" if !streamed => word == Some(b"completed"),
            _ => false,
        };
        Some(())
    });
    read.is_some() && completed
}

/// Calls for each member of each event, or of a whole answer; nothing where that cannot be read, or where it
/// stops.
fn each(
    streamed: bool,
    answer: &[u8],
    mut member: impl FnMut(&[u8], Json<'_>) -> Option<()>,
) -> Option<()> {
    let mut event = |data: &[u8]| {
        let wrong = JsonError { what: "no end of its own", at: 0 };
        object(data, |name, value| member(name, value).ok_or(wrong)).ok()
    };
    if !streamed {
        return event(answer.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(answer));
    }
    let (mut framer, mut joined, mut rest) = (Framer::default(), Vec::new(), answer);
    while !rest.is_empty() {
        let length = framer.end_of_event(rest).unwrap_or(rest.len()).min(rest.len());
        let (one, after) = rest.split_at(length);
        rest = after;
        let data = match only_data(one) {
            Some(data) if framer.is_one_line() => data,
            _ => {
                joined.clear();
                fields(one, &mut joined);
                &joined
            }
        };
        let data = data.trim_ascii();
        if !data.is_empty() && !data.starts_with(b"[DONE]") {
            event(data)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One answer as it is, and its parts as events.
    fn both(kind: fn(bool, &[u8]) -> bool, whole: &str, events: &[&str]) -> [bool; 2] {
        let stream: String = events.iter().map(|it| format!("data: {it}\n\n")).collect();
        [kind(false, whole.as_bytes()), kind(true, format!("{stream}: x\n\n").as_bytes())]
    }

    #[test]
    fn a_chat_ends_by_itself_if_each_of_its_choices_does() {
        for (words, ends) in [
            (&["stop"][..], true),
            (&["tool_calls"], true),
            (&["stop", "eos"], true),
            (&["length"], false),
            (&["content_filter"], false),
            (&["stop", "length"], false),
            (&["abort"], false),
            (&[""], false),
            (&[], false),
        ] {
            let choice = |(at, word): (usize, &&str)| {
                format!(r#"{{"index":{at},"message":{{"content":"x"}},"finish_reason":"{word}"}}"#)
            };
            let all: Vec<_> = words.iter().enumerate().map(choice).collect();
            let whole = format!(r#"{{"id":"a","choices":[{}]}}"#, all.join(","));
            let events: Vec<_> = all.iter().map(|it| format!(r#"{{"choices":[{it}]}}"#)).collect();
            let mut events: Vec<&str> = events.iter().map(|it| &**it).collect();
            events.extend([r#"{"choices":[],"usage":{}}"#, "[DONE]"]);
            assert_eq!(both(choices, &whole, &events), [ends; 2], "{words:?}");
        }
        let open = r#"{"choices":[{"index":1,"delta":{}},{"index":0,"finish_reason":"stop"}]}"#;
        assert_eq!(both(choices, open, &[open]), [false; 2], "one has not ended");
        assert_eq!(both(choices, "[1]", &["{"]), [false; 2]);
    }

    #[test]
    fn messages_and_responses_say_it_in_their_own_words() {
        for (word, ends) in [
            ("end_turn", true),
            ("tool_use", true),
            ("stop_sequence", true),
            ("max_tokens", false),
            ("refusal", false),
            ("pause_turn", false),
        ] {
            let whole = format!(r#"{{"type":"message","stop_reason":"{word}"}}"#);
            let event = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}"}}}}"#);
            let start = r#"{"type":"message_start","message":{"stop_reason":null}}"#;
            let events = [start, &event, r#"{"type":"message_stop"}"#];
            assert_eq!(both(message, &whole, &events), [ends; 2], "{word}");
        }
        for (word, ends) in [("completed", true), ("incomplete", false), ("failed", false)] {
            let whole = format!(r#"{{"object":"response","status":"{word}"}}"#);
            let event = format!(r#"{{"type":"response.{word}","response":{whole}}}"#);
            let start = r#"{"type":"response.created","response":{"status":"in_progress"}}"#;
            assert_eq!(both(response, &whole, &[start, &event]), [ends; 2], "{word}");
        }
    }
}
