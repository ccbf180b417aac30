//! How the parts of a turn are told: headings, speakers and tags.

use super::{hash::fold, sample, spoken::LABEL_BYTES};

/// What announces the person's question.
const QUESTION: [&str; 49] = [
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
];
/// Who asks, in a talk that is written down.
const ASKING: [&str; 5] = ["user", "human", "customer", "用户", "用戶"];
/// Who answers.
const ANSWERING: [&str; 9] =
    ["assistant", "agent", "ai", "bot", "chatbot", "support", "model", "system", "助手"];
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
const KEYS: [&str; 8] = [
    "question",
    "query",
    "user_query",
    "user_question",
    "user_input",
    "prompt",
    "instruction",
    "message",
];
/// What announces something else.
const OTHER: [&str; 34] = [
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
];
/// Tags in which the person's question stands.
const QUESTION_TAGS: [&str; 16] = [
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
];
/// Tags in which something else stands, though text follows them on their line.
const MATERIAL_TAGS: [&str; 24] = [
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
];

/// Whether a text is one of these, whatever its case.
fn one_of(text: &str, list: &[&str]) -> bool {
    // A letter of ASCII folds into one, and a digit into none that a name begins with.
    let first = text.as_bytes().first().map(u8::to_ascii_lowercase);
    let ascii = first.is_some_and(|it| it.is_ascii());
    let same = |known: &&str| {
        // The cheapest questions first: most lines announce nothing.
        if known.len() != text.len() || known.as_bytes().first() != first.as_ref() && ascii {
            return false;
        }
        let mut chars = text.chars().map(fold);
        known.chars().all(|wanted| chars.next() == Some(wanted)) && chars.next().is_none()
    };
    text.len() <= LABEL_BYTES && list.iter().any(same)
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
    let kinds: [(Heading, &[&str]); 4] = [
        (Heading::Question, &QUESTION),
        (Heading::Asking, &ASKING),
        (Heading::Answering, &ANSWERING),
        (Heading::Other, &OTHER),
    ];
    let (kind, _) = kinds.into_iter().find(|(_, names)| one_of(name, names))?;
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
        let question = one_of(name, &QUESTION_TAGS);
        Some(Self { name, length: end + 2, question, material: one_of(name, &MATERIAL_TAGS) })
    }
}

/// Colons of a line that are looked at.
const COLONS_MAX: usize = 12;

/// The question that is announced amid a line, or stands under a key of JSON.
pub(super) fn amid(line: &str) -> Option<&str> {
    // The byte is found much faster than the characters; most lines have none.
    if !sample::holds(line.as_bytes(), b':') && (line.is_ascii() || !line.contains('：')) {
        return None;
    }
    let told = |at: usize, mark: usize| announced(line.get(..at)?, line.get(at + mark..)?);
    if line.is_ascii() {
        let mut from = 0;
        let colons = std::iter::from_fn(|| {
            let at = from + sample::find(line.as_bytes().get(from..)?, b':')?;
            from = at + 1;
            Some(at)
        });
        return colons.take(COLONS_MAX).filter_map(|at| told(at, 1)).last();
    }
    let colons = line.match_indices([':', '：']).take(COLONS_MAX);
    colons.filter_map(|(at, mark)| told(at, mark.len())).last()
}

/// What a colon announces, by what stands on both sides of it.
fn announced<'a>(before: &str, after: &'a str) -> Option<&'a str> {
    if let Some(key) = before.trim_end().strip_suffix('"') {
        let key = key.rsplit('"').next().unwrap_or("");
        let value = after.trim_start().strip_prefix('"').filter(|_| one_of(key, &KEYS))?;
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
