//! How the parts of a turn are told: headings, tags, and lines of data.

use super::{hash::fold, spoken::LABEL_BYTES};

/// What announces the person's question.
const QUESTION: [&str; 51] = [
    "question",
    "user question",
    "the question",
    "my question",
    "query",
    "user query",
    "user",
    "q",
    "instruction",
    "instructions",
    "request",
    "user request",
    "user input",
    "prompt",
    "human",
    "customer",
    "current question",
    "final question",
    "问题",
    "提问",
    "用户问题",
    "用户",
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
/// What announces something else.
const OTHER: [&str; 34] = [
    "answer",
    "a",
    "context",
    "document",
    "documents",
    "passage",
    "article",
    "source",
    "sources",
    "assistant",
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
    "助手",
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
    let same = |known: &&str| {
        // The cheapest question first: most lines announce nothing.
        if known.len() != text.len() {
            return false;
        }
        let mut chars = text.chars().map(fold);
        known.chars().all(|wanted| chars.next() == Some(wanted)) && chars.next().is_none()
    };
    text.len() <= LABEL_BYTES && list.iter().any(same)
}

/// Whether a line begins with a known heading: whether it announces the question, and its length.
pub(super) fn heading(line: &str) -> Option<(bool, usize)> {
    let marks = |c: char| matches!(c, '#' | '*' | '-' | '_' | '[' | '【' | ' ');
    let bare = line.trim_start_matches(marks);
    let lead = line.len() - bare.len();
    let ends = |c: char| matches!(c, ':' | '：' | ']' | '】' | '\n');
    let window = bare.get(..super::sample::floor(bare, LABEL_BYTES)).unwrap_or("");
    let end = window.find(ends);
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
    let question = one_of(name, &QUESTION);
    if !question && !one_of(name, &OTHER) {
        return None;
    }
    let after = bare.get(end..).unwrap_or("");
    let said = after.trim_start_matches(|c: char| ends(c) || marks(c));
    Some((question, lead + bare.len() - said.len()))
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

/// Bytes of a line that are looked at.
const LINE_BYTES: usize = 160;

/// No words have so many ASCII characters and no space between them.
const SOLID: usize = 80;

/// Whether a line is a log's, a table's, a stack trace's or code.
pub(super) fn is_data(line: &str) -> bool {
    let bytes = line.as_bytes();
    let bytes = bytes.get(..LINE_BYTES).unwrap_or(bytes);
    let (mut marks, mut commas, mut tabs, mut wide) = (0, 0, 0, 0);
    if bytes.len() >= SOLID && bytes.iter().take(SOLID).all(u8::is_ascii_graphic) {
        return true;
    }
    let mut before = 0;
    for byte in bytes {
        match byte {
            b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'=' | b';' | b'|' | b'\\' | b'"' | b'_'
            | b'$' => {
                marks += 1;
            }
            b'\t' => tabs += 1,
            0x80.. => wide += 1,
            b' ' => {}
            _ if before == b',' => commas += 1,
            _ => {}
        }
        before = *byte;
    }
    if bytes.len() >= 4 && marks * 4 > bytes.len()
        || wide * 3 < bytes.len() && (commas >= 3 || tabs >= 2)
    {
        return true;
    }
    let bare = line.trim();
    stamped(bare.as_bytes()) || traced(bare) || wide * 3 < bytes.len() && coded(line, bare)
}

/// Whether a line begins with a moment, as those of a log do.
fn stamped(line: &[u8]) -> bool {
    let first = line.iter().take(32).take_while(|b| !b.is_ascii_alphabetic() || **b == b'T');
    let (digits, marks) = first.fold((0, 0), |(digits, marks), b| {
        (
            digits + usize::from(b.is_ascii_digit()),
            marks + usize::from(matches!(b, b':' | b'-' | b'/')),
        )
    });
    digits >= 6 && marks >= 2
}

fn traced(bare: &str) -> bool {
    const BEGIN: [&str; 12] = [
        "Traceback (",
        "File \"",
        "Caused by:",
        "Exception in thread",
        "goroutine ",
        "--- a/",
        "+++ b/",
        "INFO ",
        "WARN ",
        "ERROR ",
        "DEBUG ",
        "index ",
    ];
    let begins = BEGIN.iter().any(|it| bare.starts_with(it));
    // `index` is a word too.
    let begins = begins && (!bare.starts_with("index ") || bare.contains(".."));
    begins || bare.starts_with("at ") && bare.contains('(') && bare.ends_with(')') || failed(bare)
}

/// `java.lang.IllegalStateException: …`, `ValueError: …`.
fn failed(bare: &str) -> bool {
    let Some((name, _)) = bare.split_once(':') else { return false };
    !name.contains(' ') && (name.ends_with("Error") || name.ends_with("Exception"))
}

fn coded(line: &str, bare: &str) -> bool {
    const BEGIN: [&str; 16] = [
        "def ",
        "import ",
        "#include",
        "fn ",
        "let ",
        "const ",
        "var ",
        "public ",
        "private ",
        "return ",
        "if (",
        "for (",
        "while (",
        "} else",
        "//",
        "function ",
    ];
    let begins = BEGIN.iter().any(|it| bare.starts_with(it));
    let marked =
        bare.contains("()") || bare.contains(" = ") || bare.contains("->") || bare.contains("==");
    let ends = bare.ends_with(['{', '}', ';']) || bare.ends_with("):") || bare.ends_with("*/");
    let inset = line.starts_with("    ") || line.starts_with('\t');
    ends || begins && (marked || bare.contains(['(', '=', '.']))
        || inset && (marked || bare.ends_with(':'))
        || inset && bare.starts_with(['#', '@', '*'])
}
