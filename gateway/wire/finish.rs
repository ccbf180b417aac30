//! How a choice says that it ended, in the words of many engines.

use super::span::Shape;

/// Parts of the reasons that the engine's own fault stands behind.
const FAILURES: [&str; 15] = [
    "error",
    "abort",
    "cancel",
    "timeout",
    "timed_out",
    "fail",
    "overload",
    "insufficient",
    "unavailable",
    "interrupt",
    "preempt",
    "exception",
    "crash",
    "disconnect",
    "shutdown",
];

/// Parts of the reasons that an answer may be empty for: a filter, a length, a refusal. They come first:
/// `ERROR_TOXIC` is a filter's.
const EXPLANATIONS: [&str; 20] = [
    "filter",
    "sensitive",
    "safety",
    "length",
    "limit",
    "max",
    "context",
    "refus",
    "block",
    "prohibit",
    "recitation",
    "policy",
    "moderat",
    "guard",
    "risk",
    "spii",
    "toxic",
    "language",
    "repetition",
    "repeat",
];

/// How a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It has not.
    None,
    /// The model had no more to say, or it ended in a word that does not say why it might be empty.
    Plain,
    /// For a reason that says why there may be nothing in it.
    Explained,
    /// By the engine's fault.
    Failed,
}

impl Finish {
    /// Reads the value of `finish_reason`.
    pub(super) fn read(shape: Shape, value: &[u8]) -> Self {
        match (shape, value) {
            // Some engines write an empty one until the end.
            (Shape::String, [_, _]) => Self::None,
            (Shape::String, [_, word @ .., _]) => Self::word(word),
            // Some say more than a word.
            (Shape::Object, _) if memchr::memmem::find(value, b"\"abort\"").is_some() => {
                Self::Failed
            }
            _ => Self::None,
        }
    }

    /// Reads a reason that is a word.
    pub(super) fn word(word: &[u8]) -> Self {
        // Nearly every answer ends so.
        if matches!(word, b"stop" | b"tool_calls") {
            return Self::Plain;
        }
        let holds = |parts: &[&str]| parts.iter().any(|it| holds(word, it.as_bytes()));
        match () {
            () if holds(&EXPLANATIONS) => Self::Explained,
            () if holds(&FAILURES) => Self::Failed,
            () => Self::Plain,
        }
    }
}

fn holds(word: &[u8], part: &[u8]) -> bool {
    word.windows(part.len()).any(|it| it.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_many_engines_are_told_apart() {
        for (finish, words) in [
            (
                Finish::Plain,
                "stop eos eos_token end_turn COMPLETE normal STOP OTHER load null_reason",
            ),
            (Finish::Plain, "tool_calls function_call stop_sequence malformed_function_call"),
            (Finish::Explained, "length max_tokens MAX_TOKENS content_filter SAFETY sensitive"),
            (Finish::Explained, "refusal model_length model_context_window_exceeded RECITATION"),
            (Finish::Explained, "ERROR_TOXIC ERROR_LIMIT repetition BLOCKLIST PROHIBITED_CONTENT"),
            (Finish::Failed, "error network_error abort aborted cancelled canceled USER_CANCEL"),
            (Finish::Failed, "insufficient_system_resource engine_overloaded TIMEOUT server_error"),
            (Finish::Failed, "failed failure interrupted internal_error unavailable"),
        ] {
            for word in words.split(' ') {
                assert_eq!(Finish::word(word.as_bytes()), finish, "{word}");
            }
        }
    }
}
