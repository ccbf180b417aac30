//! A request's texts, and what they contain: all that is passed on is read once, from the first to the last,
//! as it stands in the body; what is escaped is resolved on the way, a window at a time.

mod gathered;
mod seams;
mod walk;

use std::borrow::Cow;

use classify::{ContentStream, Contents};
use memchr::memchr;
use smallvec::SmallVec;

use self::{
    gathered::Gathered,
    seams::Seams,
    walk::{Piece, strings, talk},
};
use super::{
    Request,
    escape::{self, Held},
    span::Span,
    utf8::text_of,
};

/// Members that are not longer, keys and all, have no room for anything that is looked for.
const MEMBERS_BYTES_MIN: usize = 13;

/// What a whole request contains, by kind: messages of every role with their tool calls, prompts, texts to
/// embed, the query and the documents of a ranking, and every other member that an engine is sent.
#[must_use]
pub(crate) fn contents(request: &Request) -> Contents {
    let (sent, mut reader) = (Sent::of(request), Reader::default());
    sent.members(|json| reader.text(json));
    sent.talk(&mut |piece| match piece {
        Piece::Text(raw, message) => {
            reader.text(raw);
            reader.seams.part(raw, message);
        }
        Piece::Beside(raw) | Piece::Own(raw) => reader.text(raw),
    });
    reader.found()
}

/// The texts of the whole request, the talk from the oldest on and what stands beside it first, in so many
/// bytes at the most: of a longer one the first and the last half of them.
#[must_use]
pub(crate) fn texts(request: &Request, bytes_max: usize) -> Vec<String> {
    let (mut gathered, mut unescaped) = (Gathered::new(bytes_max), String::new());
    let mut gather = |raw: &str| {
        if memchr(b'\\', raw.as_bytes()).is_none() {
            gathered.push(raw);
            return;
        }
        unescaped.clear();
        escape::unescape(raw.as_bytes(), &mut unescaped);
        gathered.push(&unescaped);
    };
    let sent = Sent::of(request);
    sent.members(|json| strings(json, &mut gather));
    sent.talk(&mut |piece| match piece {
        Piece::Text(raw, _) | Piece::Beside(raw) => gather(raw),
        Piece::Own(json) => strings(json, &mut gather),
    });
    gathered.into_texts()
}

/// The bytes that an engine is sent, and where in them the talk stands.
struct Sent<'a> {
    body: &'a [u8],
    /// A query without its quotes, by which documents are ranked, whatever it begins with.
    query: Option<Span>,
    /// Messages, prompts, inputs or documents.
    talk: Span,
    model: Span,
    /// Whether what stands around the talk may say something.
    members_say: bool,
}

impl<'a> Sent<'a> {
    /// What a caller of another dialect has sent is more than what of it was written anew.
    fn of(request: &'a Request) -> Self {
        if let Some(native) = &request.native {
            let (talk, model) = (native.talk, native.model);
            return Self { body: &native.body, query: None, talk, model, members_say: true };
        }
        let (said, model) = (request.messages_span, quoted(request.model.span));
        let (body, members_say) = (&request.body, request.members_say);
        match request.documents_span {
            Some(talk) => Self { body, query: Some(said), talk, model, members_say },
            None => Self { body, query: None, talk: said, model, members_say },
        }
    }

    /// Hands out the talk.
    fn talk(&self, each: &mut impl FnMut(Piece<'a>)) {
        if let Some(query) = self.query {
            each(Piece::Beside(text(query.of(self.body))));
        }
        talk(text(self.talk.of(self.body)), each);
    }

    /// Hands out what stands around the talk and the name of the model, a run of members at a time.
    fn members(&self, mut each: impl FnMut(&'a str)) {
        if !self.members_say {
            return;
        }
        let known = [Some(self.model), self.query.map(quoted), Some(self.talk)];
        let mut known: SmallVec<[Span; 3]> = known.into_iter().flatten().collect();
        known.sort_unstable_by_key(|it| it.start);
        let mut from = 0;
        let end = Span::new(self.body.len(), self.body.len());
        for span in known.into_iter().chain([end]) {
            let members = Span { start: from, end: span.start }.of(self.body);
            if members.len() >= MEMBERS_BYTES_MIN {
                each(text(members));
            }
            from = from.max(span.end);
        }
    }
}

/// A string with its quotes.
fn quoted(text: Span) -> Span {
    Span { start: text.start.saturating_sub(1), end: text.end + 1 }
}

/// A part of a body: it was found to be text when it was read.
fn text(bytes: &[u8]) -> &str {
    match text_of(bytes) {
        Cow::Borrowed(text) => text,
        Cow::Owned(_) => "",
    }
}

/// Texts, as they come.
#[derive(Default)]
struct Reader<'a> {
    found: Contents,
    /// What stands behind escapes, and what reads it where that is long; made for the first such text.
    held: Held,
    escaped: Option<ContentStream>,
    seams: Seams<'a>,
}

impl Reader<'_> {
    /// Reads one text as it is written.
    fn text(&mut self, raw: &str) {
        if !escape::has_any(raw) {
            self.found.join(&classify::contents(raw));
            return;
        }
        if raw.len() < escape::PART_BYTES {
            let found = &mut self.found;
            return escape::parts(raw, &mut self.held, |whole| {
                found.join(&classify::contents(whole));
            });
        }
        let stream = self.escaped.get_or_insert_default();
        escape::parts(raw, &mut self.held, |part| stream.push(part));
        stream.end();
    }

    fn found(self) -> Contents {
        let mut found = self.found;
        if let Some(stream) = self.escaped {
            found.join(&stream.found());
        }
        self.seams.found(found)
    }
}

#[cfg(test)]
mod tests;
