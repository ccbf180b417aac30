//! How the parts of a turn are told: headings, speakers and tags.

use super::{hash::fold, sample};

/// The longest label.
const LABEL_BYTES: usize = 48;

/// What announces the person's question.
static QUESTION: Names = Names::of(&[
    "question",
    "user question",
    "the question",
    "my question",
    "query",
    "user query",
    "q",
    "original query",
    "follow up input",
    "instruction",
    "instructions",
    "request",
    "user request",
    "user input",
    "prompt",
    "current question",
    "final question",
    "问题",
    "提问",
    "用户问题",
    "用户提问",
    "我的问题",
    "指令",
    "请求",
    "问",
    "問題",
    "提問",
    "用戶問題",
    "使用者問題",
    "我的問題",
    "指示",
    "質問",
    "依頼",
    "질문",
    "요청",
    "pregunta",
    "domanda",
    "frage",
    "pergunta",
    "вопрос",
    "câu hỏi",
    "คำถาม",
    "pertanyaan",
    "soalan",
    "tanong",
    "प्रश्न",
    "கேள்வி",
    "မေးခွန်း",
    "សំណួរ",
]);
/// Who asks, in a talk that is written down.
static ASKING: Names = Names::of(&["user", "human", "customer", "用户", "用戶"]);
/// Who answers.
static ANSWERING: Names = Names::of(&[
    "assistant",
    "agent",
    "ai",
    "bot",
    "chatbot",
    "support",
    "model",
    "system",
    "助手",
]);
/// What announces the question amid a line.
const AMID: [&str; 10] = [
    "question",
    "query",
    "user input",
    "follow up input",
    "query is as follows",
    "问题",
    "问题是",
    "問題",
    "問題是",
    "質問",
];
/// Keys of JSON under which the question stands.
static KEYS: Names = Names::of(&[
    "question",
    "query",
    "user_query",
    "user_question",
    "user_input",
    "prompt",
    "instruction",
    "message",
]);
/// What announces something else.
static OTHER: Names = Names::of(&[
    "answer",
    "input",
    "task",
    "a",
    "context",
    "document",
    "documents",
    "passage",
    "article",
    "source",
    "sources",
    "reference",
    "references",
    "background",
    "history",
    "helpful answer",
    "your answer",
    "final answer",
    "response",
    "options",
    "output",
    "回答",
    "答案",
    "答",
    "上下文",
    "背景",
    "文档",
    "资料",
    "参考资料",
    "文章",
    "コンテキスト",
    "답변",
    "맥락",
    "contexto",
]);
/// Tags in which the person's question stands.
static QUESTION_TAGS: Names = Names::of(&[
    "user_query",
    "query",
    "question",
    "user_question",
    "user_input",
    "user_request",
    "user_message",
    "instruction",
    "instructions",
    "request",
    "prompt",
    "user",
    "ask",
    "userquery",
    "user_prompt",
    "task",
]);
/// Tags in which something else stands, though text follows them on their line.
static MATERIAL_TAGS: Names = Names::of(&[
    "context",
    "document",
    "documents",
    "doc",
    "passage",
    "article",
    "source",
    "sources",
    "data",
    "text",
    "content",
    "file",
    "code",
    "email",
    "history",
    "search_results",
    "results",
    "chunk",
    "snippet",
    "reference",
    "references",
    "transcript",
    "contract",
    "report",
]);

/// Names that are told whatever their case.
struct Names {
    all: &'static [&'static str],
    /// Bits for the first letters and the lengths that there are.
    likely: [u64; 4],
}

impl Names {
    #[allow(clippy::indexing_slicing, reason = "a constant: a slip stops the compiler")]
    const fn of(all: &'static [&'static str]) -> Self {
        let (mut likely, mut at) = ([0; 4], 0);
        while at < all.len() {
            let (word, bit) = Self::place(all[at].as_bytes()[0], all[at].len());
            likely[word] |= bit;
            at += 1;
        }
        Self { all, likely }
    }

    /// The word and the bit in it of a first byte, whose case is no matter, and a length.
    const fn place(first: u8, length: usize) -> (usize, u64) {
        ((first & 0x1F) as usize / 8, 1 << (first as usize % 8 * 8 + length % 8))
    }

    /// Whether a text is one of these.
    fn hold(&self, text: &str) -> bool {
        let Some(first) = text.as_bytes().first().filter(|_| text.len() <= LABEL_BYTES) else {
            return false;
        };
        // The cheapest question first: most lines announce nothing. A letter of ASCII folds into one, and a
        // digit into none that a name begins with.
        let (word, bit) = Self::place(*first, text.len());
        if first.is_ascii() && self.likely.get(word).is_some_and(|it| it & bit == 0) {
            return false;
        }
        let same = |known: &&str| {
            let mut chars = text.chars().map(fold);
            known.chars().all(|wanted| chars.next() == Some(wanted)) && chars.next().is_none()
        };
        self.all.iter().filter(|known| known.len() == text.len()).any(same)
    }
}

/// What a heading announces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heading {
    /// The person's question.
    Question,
    /// What somebody says who asks.
    Asking,
    /// What somebody says who answers.
    Answering,
    /// Something else: the context, a document, the answer.
    Other,
}

/// Bytes of a line in which what ends a heading is looked for.
pub(super) const HEADING_BYTES: usize = LABEL_BYTES + 8;

/// The known heading that a line begins with, and its length. `marked` says whether a colon or a bracket
/// stands within so many bytes.
pub(super) fn heading(line: &str, marked: bool) -> Option<(Heading, usize)> {
    let bytes = line.as_bytes();
    if !marked && !matches!(bytes.first(), Some(b'#' | b'*' | b'[')) {
        let begin = bytes.get(..HEADING_BYTES).unwrap_or(bytes);
        if begin.is_ascii() {
            return None;
        }
    }
    let marks = |c: char| matches!(c, '#' | '*' | '-' | '_' | '[' | '【' | ' ');
    let bare = line.trim_start_matches(marks);
    let lead = line.len() - bare.len();
    let ends = |c: char| matches!(c, ':' | '：' | ']' | '】' | '\n');
    let window = bare.get(..sample::floor(bare, LABEL_BYTES)).unwrap_or("");
    let end = if window.is_ascii() {
        memchr::memchr3(b':', b']', b'\n', window.as_bytes())
    } else {
        window.find(ends)
    };
    let marked = line.starts_with(['#', '*', '[', '【']);
    let end = match end {
        Some(end) => end,
        None if marked && bare.len() <= LABEL_BYTES => bare.len(),
        None => return None,
    };
    let name = bare
        .get(..end)?
        .trim_end_matches(marks)
        .trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ');
    let kinds: [(Heading, &Names); 4] = [
        (Heading::Question, &QUESTION),
        (Heading::Asking, &ASKING),
        (Heading::Answering, &ANSWERING),
        (Heading::Other, &OTHER),
    ];
    let (kind, _) = kinds.into_iter().find(|(_, names)| names.hold(name))?;
    let after = bare.get(end..).unwrap_or("");
    let said = after.trim_start_matches(|c: char| ends(c) || marks(c));
    Some((kind, lead + bare.len() - said.len()))
}

/// An opening tag at the beginning of a line.
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    /// Bytes from `<` to `>`.
    pub(super) length: usize,
    pub(super) question: bool,
    pub(super) material: bool,
}

impl<'a> Tag<'a> {
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let inside = line.strip_prefix('<')?;
        let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let length = inside.bytes().take_while(|b| named(*b)).count();
        let name =
            inside.get(..length).filter(|name| name.starts_with(|c: char| c.is_alphabetic()))?;
        let end = inside.bytes().take(200).position(|b| b == b'>')?;
        if inside.get(..end)?.ends_with('/') {
            return None;
        }
        let question = QUESTION_TAGS.hold(name);
        Some(Self { name, length: end + 2, question, material: MATERIAL_TAGS.hold(name) })
    }
}

/// Colons of a line that are looked at.
const COLONS_MAX: usize = 12;

/// The question that is announced amid a line, or stands under a key of JSON.
pub(super) fn amid(line: &str) -> Option<&str> {
    let told = |at: usize, mark: usize| announced(line.get(..at)?, line.get(at + mark..)?);
    // The byte is found much faster than the characters.
    if line.is_ascii() {
        let colons = memchr::memchr_iter(b':', line.as_bytes()).take(COLONS_MAX);
        return colons.filter_map(|at| told(at, 1)).last();
    }
    if !sample::holds(line.as_bytes(), b':') && !line.contains('：') {
        return None;
    }
    let colons = line.match_indices([':', '：']).take(COLONS_MAX);
    colons.filter_map(|(at, mark)| told(at, mark.len())).last()
}

/// What a colon announces, by what stands on both sides of it.
fn announced<'a>(before: &str, after: &'a str) -> Option<&'a str> {
    if let Some(key) = before.trim_end().strip_suffix('"') {
        let key = key.rsplit('"').next().unwrap_or("");
        let value = after.trim_start().strip_prefix('"').filter(|_| KEYS.hold(key))?;
        let quotes = value.match_indices('"').map(|(at, _)| at);
        let mut ends = quotes.filter(|at| !value.get(..*at).is_some_and(|it| it.ends_with('\\')));
        return value.get(..ends.next().unwrap_or(value.len()));
    }
    // No name ends with any other letter.
    if !matches!(
        before.as_bytes().last(),
        Some(b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b's' | b'S' | 0x80..)
    ) {
        return None;
    }
    let ends = |name: &&str| {
        let Some(at) = before.len().checked_sub(name.len()) else { return false };
        let same = before.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(name));
        let rest = before.get(..at).unwrap_or("");
        same && (!name.is_ascii() || rest.ends_with([' ', '.', '*']))
    };
    if !AMID.iter().any(ends) {
        return None;
    }
    // The answer's heading may stand on the same line.
    let end =
        ["Answer:", "Context:", "回答：", "答案："].iter().filter_map(|it| after.find(it)).min();
    after.get(..end.unwrap_or(after.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_whatever_its_case() {
        let lists = [&QUESTION, &ASKING, &ANSWERING, &KEYS, &OTHER, &QUESTION_TAGS, &MATERIAL_TAGS];
        for list in lists {
            for name in list.all {
                assert!(list.hold(name) && list.hold(&name.to_uppercase()), "{name}");
                assert!(!list.hold(&format!("{name}{name}")), "{name}");
            }
            assert!(!list.hold("") && !list.hold("12"));
        }
    }
}
