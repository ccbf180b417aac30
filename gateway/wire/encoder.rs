//! Answers in the dialect of their caller where his engine speaks another: each event of a chat completion is
//! written anew as the events that say the same.

use bytes::Bytes;
use policies::Counts;

use super::{
    Surface,
    answer::Plain,
    delta::{Delta, deltas},
    event::{Event, What},
    frame::{fields, only_data},
    label::AnswerLabel,
    messages,
    request::Request,
    responses,
};

/// What an answer of an engine cannot be written as, where it is no chat completion after all.
const NO_JSON: &str = "the model's answer is not JSON";

/// Writes one streamed answer.
#[derive(Debug)]
pub(super) enum Encoder {
    /// By Messages.
    Messages(Box<messages::Encoder>),
    /// By Responses.
    Responses(Box<responses::Encoder>),
}

impl Encoder {
    /// The events that say what an event of a chat completion says; what they are to the gateway stays.
    pub(super) fn event(&mut self, event: Event) -> Event {
        match event.what {
            What::Content | What::Other | What::Finish => {}
            What::Usage | What::Comment | What::Done => {
                return Event { bytes: Bytes::new(), ..event };
            }
            What::Error(_) => return event,
        }
        let mut joined = Vec::new();
        let bytes = event.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&event.bytes);
        let one_line = |data: &&[u8]| memchr::memchr2(b'\n', b'\r', data).is_none();
        let data = only_data(bytes).filter(one_line).unwrap_or_else(|| {
            fields(bytes, &mut joined);
            &joined
        });
        let (mut out, mut said) = (Vec::with_capacity(2 * data.len()), Ok(()));
        let read = deltas(data, &mut |delta| {
            if said.is_ok() {
                said = self.delta(delta, &mut out);
            }
        });
        match said.and(read.map_err(|_| NO_JSON)) {
            Ok(()) => {
                self.begin(&mut out);
                Event { bytes: out.into(), ..event }
            }
            Err(why) => Event { what: What::Error(why.into()), ..event },
        }
    }

    /// The answer ends at its bound.
    pub(super) fn at_length(&mut self) {
        match self {
            Self::Messages(it) => it.at_length(),
            Self::Responses(it) => it.at_length(),
        }
    }

    /// What a whole stream ends with.
    pub(super) fn end(&mut self, counts: Counts) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Messages(it) => it.end(counts, &mut out),
            Self::Responses(it) => it.end(counts, &mut out),
        }
        out.into()
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Messages(it) => it.begin(out),
            Self::Responses(it) => it.begin(out),
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        match self {
            Self::Messages(it) => it.delta(delta, out),
            Self::Responses(it) => {
                it.delta(delta, out);
                Ok(())
            }
        }
    }
}

/// A complete answer of an engine that was asked by the surface `spoken`, as the request's caller reads it.
///
/// # Errors
/// The engine says what his dialect cannot.
pub fn as_asked(
    request: &Request,
    spoken: &Surface,
    label: &AnswerLabel,
    (body, plain): (Bytes, &Plain),
) -> Result<Bytes, &'static str> {
    if std::ptr::eq(spoken, request.surface()) {
        return Ok(body);
    }
    let mut said = Vec::new();
    deltas(body.trim_ascii(), &mut |delta| said.push(delta)).map_err(|_| NO_JSON)?;
    let counts = plain.reported.unwrap_or_else(|| Counts {
        input: request.input_tokens().0,
        output: plain.counted_output.0,
        ..Counts::default()
    });
    let whole = request.surface().whole(request, label, (&said, counts));
    whole.map(|it| it.map_or(body.clone(), Bytes::from))
}
