//! Reasoning within the text: `<think>…</think>` at its very start; or all before `</think>`, where the
//! engine's template has opened the tag in the prompt. Pure; any split of the text gives the same parts.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";
/// White space before a text that is longer begins the text.
const SPACE_MAX: usize = 256;

/// How far the text of one choice has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    /// At its start: white space, or the begin of the tag.
    Start(String),
    /// Without a tag so far, and held back: a template may have opened one.
    Unsure(String),
    /// Within the reasoning; what may be the begin of the closing tag.
    Within(String),
    /// White space after the closing tag is dropped.
    After,
    /// What follows is text.
    Plain,
}

impl Default for Text {
    fn default() -> Self {
        Self::Start(String::new())
    }
}

/// What a piece of text turned out to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    /// Reasoning, without its tags.
    pub(super) reasoning: String,
    /// All else.
    pub(super) content: String,
    /// A tag was closed that had not been opened.
    pub(super) closed: bool,
}

impl Text {
    /// Takes the next piece. Text that begins without a tag is held back for a closing one that begins
    /// within so many bytes; with none, nothing is.
    pub(super) fn push(&mut self, piece: &str, most: usize, parts: &mut Parts) {
        match self {
            Self::Plain => parts.content.push_str(piece),
            Self::Start(held) => {
                held.push_str(piece);
                let held = std::mem::take(held);
                let rest = Self::after_space(&held);
                let spaced = held.len() - rest.len() > SPACE_MAX;
                if !spaced && let Some(rest) = rest.strip_prefix(OPEN) {
                    *self = Self::Within(String::new());
                    self.push(rest, most, parts);
                } else if !spaced && OPEN.starts_with(rest) {
                    *self = Self::Start(held);
                } else {
                    *self = Self::Unsure(String::new());
                    self.push(&held, most, parts);
                }
            }
            Self::Unsure(held) => {
                held.push_str(piece);
                self.closes(piece.len(), most, parts);
            }
            Self::Within(held) => {
                held.push_str(piece);
                let mut reasoning = std::mem::take(held);
                if let Some(at) = reasoning.find(CLOSE) {
                    let rest = reasoning.split_off(at);
                    *self = Self::After;
                    self.push(rest.get(CLOSE.len()..).unwrap_or_default(), most, parts);
                } else {
                    *held = reasoning.split_off(reasoning.len() - begun(&reasoning));
                }
                parts.reasoning.push_str(&reasoning);
            }
            Self::After => {
                let rest = Self::after_space(piece);
                if !rest.is_empty() {
                    *self = Self::Plain;
                    parts.content.push_str(rest);
                }
            }
        }
    }

    /// Looks at what is held without a tag, of which so many bytes are new.
    fn closes(&mut self, new: usize, most: usize, parts: &mut Parts) {
        let Self::Unsure(held) = self else { return };
        let known = held.len().saturating_sub(new + CLOSE.len());
        let from = (known..=held.len()).find(|at| held.is_char_boundary(*at)).unwrap_or(0);
        let tags = held.get(from..).unwrap_or_default().match_indices(CLOSE);
        // Between backticks it is spoken of.
        let spoken_of = |at: &usize| held.get(..*at).is_some_and(|text| text.ends_with('`'));
        let found = tags.map(|(at, _)| from + at).find(|at| !spoken_of(at));
        let Some(at) = found.filter(|at| *at <= most && most > 0) else {
            // A closing tag may have begun within the bound.
            if most == 0 || found.is_some() || held.len() >= most.saturating_add(CLOSE.len()) {
                self.release(parts);
            }
            return;
        };
        if held.get(..at).is_some_and(|text| text.contains(OPEN)) {
            return self.release(parts);
        }
        let mut reasoning = std::mem::take(held);
        let rest = reasoning.split_off(at);
        parts.reasoning.push_str(&reasoning);
        parts.closed = true;
        *self = Self::After;
        self.push(rest.get(CLOSE.len()..).unwrap_or_default(), most, parts);
    }

    /// What was held without a tag is content after all.
    pub(super) fn release(&mut self, parts: &mut Parts) {
        if let Self::Unsure(held) = self {
            parts.content.push_str(held);
            *self = Self::Plain;
        }
    }

    /// Nothing more comes: what was held is what it looked like.
    pub(super) fn end(&mut self, parts: &mut Parts) {
        match std::mem::replace(self, Self::Plain) {
            Self::Start(held) | Self::Unsure(held) => parts.content.push_str(&held),
            Self::Within(held) => parts.reasoning.push_str(&held),
            Self::After | Self::Plain => {}
        }
    }

    fn after_space(text: &str) -> &str {
        text.trim_ascii_start()
    }
}

/// Bytes at the end that may be the begin of the closing tag.
fn begun(text: &str) -> usize {
    let mut lengths = (1..CLOSE.len()).rev();
    let fits = |length: &usize| CLOSE.get(..*length).is_some_and(|begin| text.ends_with(begin));
    lengths.find(fits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reasoning and content of a text that comes in these pieces.
    fn parts<'a>(pieces: impl IntoIterator<Item = &'a str>, most: usize) -> (String, String) {
        let (mut text, mut parts) = (Text::default(), Parts::default());
        pieces.into_iter().for_each(|piece| text.push(piece, most, &mut parts));
        text.end(&mut parts);
        (parts.reasoning, parts.content)
    }

    #[test]
    fn only_at_the_start_a_tag_means_reasoning() {
        let long = " ".repeat(SPACE_MAX + 1);
        let late = format!("{long}<think>x");
        for (text, reasoning, content) in [
            ("", "", ""),
            ("Hello", "", "Hello"),
            ("<think>a b</think>\n\nHello", "a b", "Hello"),
            ("\n <think>\na\n</think>Hello\n", "\na\n", "Hello\n"),
            ("<think></think>Hello", "", "Hello"),
            ("<think>no end", "no end", ""),
            ("<think>no end</thin", "no end</thin", ""),
            ("<think>a < b </ c</think>d", "a < b </ c", "d"),
            ("<thinking>x", "", "<thinking>x"),
            ("<thi", "", "<thi"),
            (" \n", "", " \n"),
            ("Use <think>x</think>.", "", "Use <think>x</think>."),
            ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
            ("</think>x", "", "</think>x"),
            (&late, "", &late),
        ] {
            assert_eq!(parts([text], 0), (reasoning.into(), content.into()), "{text:?}");
        }
    }

    #[test]
    fn a_tag_that_the_template_opened_is_closed_in_the_text() {
        for (text, reasoning, content) in [
            ("two and two</think>\n\nFour.", "two and two", "Four."),
            ("</think>Four.", "", "Four."),
            ("\n</think>\nFour.", "\n", "Four."),
            ("思</think>四", "思", "四"),
            ("no tag at all", "", "no tag at all"),
            ("<think>a</think>b</think>c", "a", "b</think>c"),
            ("a</think>b</think>c", "a", "b</think>c"),
            // A tag that is opened in the text is part of it.
            ("Use <think>x</think>.", "", "Use <think>x</think>."),
            // One that is spoken of is, too; a real one may follow.
            ("Say `</think>`", "", "Say `</think>`"),
            ("a `</think>` b</think>c", "a `</think>` b", "c"),
            // Too late.
            ("0123456789abcdef</think>", "0123456789abcdef", ""),
            ("0123456789abcdefg</think>", "", "0123456789abcdefg</think>"),
            ("a</thin", "", "a</thin"),
        ] {
            assert_eq!(parts([text], 16), (reasoning.into(), content.into()), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            words in prop::collection::vec(
                prop::sample::select(vec![
                    "<think>", "</think>", "<", "/", "think", ">", " ", "\n", "思", "a", "</", "<thi", "`",
                ]),
                0..20,
            ),
            cuts in prop::collection::vec(0usize..80, 0..12),
            most in prop::sample::select(vec![0, 8, 16, usize::MAX]),
        ) {
            let text = words.concat();
            let mut cuts: Vec<usize> =
                cuts.into_iter().filter(|at| text.is_char_boundary(*at)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).filter_map(|it| text.get(it[0]..it[1]));
            prop_assert_eq!(parts(pieces, most), parts([&*text], most));
        }

        #[test]
        fn nothing_of_a_text_without_the_tag_is_lost(
            text in "[ a-z<>/]{0,40}", most in prop::sample::select(vec![0, 8, 16, usize::MAX]),
        ) {
            prop_assume!(!text.contains(OPEN) && !text.contains(CLOSE));
            prop_assert_eq!(parts([&*text], most), (String::new(), text.clone()));
        }
    }
}
