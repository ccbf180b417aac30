//! Answers in the dialect of their caller where his engine speaks another: each event of a chat completion is
//! written anew as the events that say the same.

use bytes::Bytes;
use policies::{Counts, facts::Dialect};

use super::{
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
    /// The writer of the answer to this request; nothing where its engines speak its dialect anyway.
    pub(super) fn new(request: &Request, label: AnswerLabel) -> Option<Self> {
        match request.surface().dialect {
            Dialect::OpenAi => None,
            Dialect::Responses => {
                let echo = request.native.as_ref().map(|it| it.echo()).unwrap_or_default();
                let responses = responses::Encoder::new(label, echo, request.input_tokens());
                Some(Self::Responses(Box::new(responses)))
            }
            Dialect::Anthropic => {
                let messages = messages::Encoder::new(label, request.input_tokens());
                Some(Self::Messages(Box::new(messages)))
            }
        }
    }

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

/// A whole answer in the dialect of the request's caller, of what a chat completion says.
///
/// # Errors
/// What the engine says cannot be said there.
pub(super) fn whole(
    request: &Request,
    label: &AnswerLabel,
    (body, plain): (&Bytes, &Plain),
) -> Result<Bytes, &'static str> {
    let mut said = Vec::new();
    deltas(body.trim_ascii(), &mut |delta| said.push(delta)).map_err(|_| NO_JSON)?;
    let counts = plain.reported.unwrap_or_else(|| Counts {
        input: request.input_tokens().0,
        output: plain.counted_output.0,
        ..Counts::default()
    });
    match request.surface().dialect {
        Dialect::OpenAi => Ok(body.clone()),
        Dialect::Responses => {
            let echo = request.native.as_ref().map(|it| it.echo()).unwrap_or_default();
            Ok(responses::whole(&said, (*label, echo), counts).into())
        }
        Dialect::Anthropic => messages::whole(&said, label, counts).map(Bytes::from),
    }
}
