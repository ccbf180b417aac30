//! A request as it goes to a backend of the same dialect: the caller's own bytes, with the few fields
//! that are ours put in. Everything else, unknown fields and white space included, stays as it was.

use bytes::Bytes;
use policies::facts::Tokens;
use smallvec::SmallVec;

use super::{
    request::{Limit, Request},
    scan::Span,
};

/// What is changed on the way to a backend.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// The model's name at its engine.
    pub model: &'a str,
    /// Whether to ask for usage at the end of a stream.
    pub ask_usage: bool,
    /// A bound that the answer must not pass, if there is one.
    pub output_tokens_max: Option<Tokens>,
}

/// A body in slices, to be sent one after the other.
#[derive(Clone, Debug)]
pub struct Body {
    /// The slices.
    pub slices: SmallVec<[Bytes; 8]>,
    /// Their length together.
    pub len: usize,
}

type Edits = SmallVec<[(Span, Bytes); 4]>;

impl Request {
    /// The body for a backend of the same dialect. Nothing of the caller's is copied.
    #[must_use]
    pub fn to_upstream(&self, edit: &Edit<'_>) -> Body {
        let mut edits = Edits::new();
        let model = quoted(edit.model);
        if self.fields.model_span.of(&self.body) != model.as_ref() {
            edits.push((self.fields.model_span, model));
        }
        if edit.ask_usage {
            self.ask_usage(&mut edits);
        }
        if let Some(max) = edit.output_tokens_max {
            self.bound(max, &mut edits);
        }
        // Insertions at the same place stay in the order in which they were made.
        edits.sort_by_key(|(span, _)| span.from);
        self.spliced(&edits)
    }

    fn at_the_top(&self) -> Span {
        Span { from: self.fields.open, to: self.fields.open }
    }

    fn ask_usage(&self, edits: &mut Edits) {
        const WHOLE: &[u8] = br#"{"include_usage":true}"#;
        let edit = match &self.fields.stream_options {
            None => {
                let field = br#""stream_options":{"include_usage":true},"#;
                (self.at_the_top(), Bytes::from_static(field))
            }
            Some(options) if options.null || !options.filled => {
                (options.span, Bytes::from_static(WHOLE))
            }
            Some(options) => match options.include_usage {
                Some((_, true)) => return,
                Some((span, false)) => (span, Bytes::from_static(b"true")),
                None => {
                    let inside = options.span.from + 1;
                    let field = br#""include_usage":true,"#;
                    (Span { from: inside, to: inside }, Bytes::from_static(field))
                }
            },
        };
        edits.push(edit);
    }

    fn bound(&self, max: Tokens, edits: &mut Edits) {
        let number = || Bytes::from(max.to_string());
        let stated = [self.fields.max_tokens, self.fields.max_completion_tokens];
        let over = |limit: &&Limit| limit.tokens > max;
        for limit in stated.iter().flatten().filter(over) {
            edits.push((limit.span, number()));
        }
        if stated.iter().all(Option::is_none) {
            let field = format!(r#""max_tokens":{max},"#);
            edits.push((self.at_the_top(), field.into()));
        }
    }

    fn spliced(&self, edits: &Edits) -> Body {
        let mut slices = SmallVec::new();
        let mut at = 0;
        for (span, new) in edits {
            let (from, to) = (span.from as usize, span.to as usize);
            if from > at {
                slices.push(self.body.slice(at..from));
            }
            slices.push(new.clone());
            at = to.max(at);
        }
        if at < self.body.len() {
            slices.push(self.body.slice(at..));
        }
        let len = slices.iter().map(Bytes::len).sum();
        Body { slices, len }
    }
}

/// A text as JSON.
fn quoted(text: &str) -> Bytes {
    let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
    if text.bytes().all(plain) {
        return [b"\"", text.as_bytes(), b"\""].concat().into();
    }
    serde_json::to_vec(text).unwrap_or_default().into()
}
