//! A request's texts, and what they contain: every text of the talk is read once, from the first to the
//! last, as it stands in the body; what is escaped is resolved on the way, a window at a time.

mod gathered;

use classify::{ContentStream, Contents};
use memchr::{memchr, memchr2};

use self::gathered::Gathered;
use super::{Request, escape, utf8::text_of};

/// Keys whose values are none of what is said: names of the format's own, and what is no text.
const NOT_SAID: [&str; 10] = [
    "role",
    "type",
    "id",
    "tool_call_id",
    "detail",
    "format",
    "data",
    "file_id",
    "file_data",
    "media_type",
];
/// Keys of what is said, however it begins; in a list there are none.
const SAID: [&str; 4] = ["", "content", "text", "arguments"];
/// A picture or a file within an address.
const DATA_URL: &str = "data:";

/// What the texts of the whole talk contain, by kind: messages of every role with their tool calls,
/// prompts, texts to embed, the query and the documents of a ranking.
#[must_use]
pub(crate) fn contents(request: &Request) -> Contents {
    let mut reader = Reader::default();
    each_text(request, |raw| reader.text(raw));
    reader.found()
}

/// The texts of the whole talk, the oldest first, in so many bytes at the most: of a longer talk the first
/// and the last half of them.
#[must_use]
pub(crate) fn texts(request: &Request, bytes_max: usize) -> Vec<String> {
    let (mut gathered, mut unescaped) = (Gathered::new(bytes_max), String::new());
    each_text(request, |raw| {
        if memchr(b'\\', raw.as_bytes()).is_none() {
            gathered.push(raw);
            return;
        }
        unescaped.clear();
        escape::parts(raw, |part| unescaped.push_str(part));
        gathered.push(&unescaped);
    });
    gathered.into_texts()
}

/// Hands out every text of the talk as it is written.
fn each_text(request: &Request, mut each: impl FnMut(&str)) {
    let said = text_of(request.messages_span.of(&request.body));
    let Some(documents) = request.documents_span else {
        return strings(&said, &mut each);
    };
    // What documents are ranked by is a text without its quotes, whatever it begins with.
    each(&said);
    strings(&text_of(documents.of(&request.body)), &mut each);
}

/// Texts, as they come.
#[derive(Default)]
struct Reader {
    found: Contents,
    /// Made for the first text with escapes.
    escaped: Option<ContentStream>,
}

impl Reader {
    /// Reads one text as it is written.
    fn text(&mut self, raw: &str) {
        if memchr(b'\\', raw.as_bytes()).is_none() {
            self.found.join(&classify::contents(raw));
            return;
        }
        let stream = self.escaped.get_or_insert_default();
        escape::parts(raw, |part| stream.push(part));
        stream.end();
    }

    fn found(self) -> Contents {
        let mut found = self.found;
        if let Some(stream) = self.escaped {
            found.join(&stream.found());
        }
        found
    }
}

/// Hands out every string of some JSON that is known to be right, but for keys and what is not said.
fn strings(json: &str, each: &mut impl FnMut(&str)) {
    let (mut rest, mut key) = (json, "");
    while let Some(string) = next(rest) {
        let (text, behind) = string;
        rest = behind;
        if behind.trim_ascii_start().starts_with(':') {
            key = text;
            continue;
        }
        let media = text.starts_with(DATA_URL) && !SAID.contains(&key);
        if !media && !NOT_SAID.contains(&key) {
            each(text);
        }
        key = "";
    }
}

/// The next string of some JSON as it is written, and what comes behind it.
fn next(json: &str) -> Option<(&str, &str)> {
    let from = memchr(b'"', json.as_bytes())? + 1;
    let mut at = from;
    loop {
        let found = at + memchr2(b'"', b'\\', json.as_bytes().get(at..)?)?;
        if json.as_bytes().get(found) == Some(&b'"') {
            return Some((json.get(from..found)?, json.get(found + 1..)?));
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests;
