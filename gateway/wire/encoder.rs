//! Answers in the dialect of their caller where his engine speaks another: each event of the engine's is
//! written anew as the events that say the same.

use bytes::Bytes;
use policies::Counts;

use super::{
    Surface,
    answer::{Plain, reasoning_in},
    delta::{Delta, Deltas},
    event::{Event, What},
    frame::{fields, only_data},
    label::AnswerLabel,
    messages, openai,
    request::Request,
    responses,
};
use crate::config::ReasoningField;

/// What an answer of an engine is that cannot be written as another.
const NO_JSON: &str = "the model's answer is not JSON";

/// Bytes of text and arguments of one answer, which some dialects repeat at its end: as many as a plain
/// answer may have.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Calls of tools in one answer: eight times as many as there may be tools.
const CALLS_MAX: u32 = 1_024;
/// What an answer is that has more.
const TOO_LONG: &str = "the model's answer is too long to be written for its caller";

/// Writes one streamed answer.
#[derive(Debug)]
pub(super) struct Encoder {
    writer: Writer,
    /// What events of the engine say.
    deltas: Deltas,
    kept: usize,
}

/// The dialect in which it is written.
#[derive(Debug)]
pub(super) enum Writer {
    /// By chat completions.
    Chat(Box<openai::Encoder>),
    /// By Messages.
    Messages(Box<messages::Encoder>),
    /// By Responses.
    Responses(Box<responses::Encoder>),
}

impl Encoder {
    /// The writer of an answer that has not begun, of an engine whose events say this.
    pub(super) fn new(writer: Writer, deltas: Deltas) -> Self {
        Self { writer, deltas, kept: 0 }
    }

    /// Whether it writes chat completions.
    pub(super) fn is_chat(&self) -> bool {
        matches!(self.writer, Writer::Chat(_))
    }

    /// The events that say what an event of the engine says; what they are to the gateway stays, but for
    /// usage: the caller gets that at the end.
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
        let read = (self.deltas)(data, &mut |delta| {
            if said.is_ok() {
                said = self.delta(delta, &mut out);
            }
        });
        match said.and(read.map_err(|_| NO_JSON)) {
            Ok(()) => {
                self.begin(&mut out);
                Event { bytes: out.into(), usage: false, ..event }
            }
            Err(why) => Event { what: What::Error(why.into()), ..event },
        }
    }

    /// The answer ends at its bound; whether that is said at its end.
    pub(super) fn at_length(&mut self) -> bool {
        match &mut self.writer {
            Writer::Chat(_) => return false,
            Writer::Messages(it) => it.at_length(),
            Writer::Responses(it) => it.at_length(),
        }
        true
    }

    /// What a whole stream ends with.
    pub(super) fn end(&mut self, counts: Counts) -> Bytes {
        let mut out = Vec::new();
        match &mut self.writer {
            Writer::Chat(it) => it.end(&mut out),
            Writer::Messages(it) => it.end(counts, &mut out),
            Writer::Responses(it) => it.end(counts, &mut out),
        }
        out.into()
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        match &mut self.writer {
            Writer::Chat(it) => it.begin(out),
            Writer::Messages(it) => it.begin(out),
            Writer::Responses(it) => it.begin(out),
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        bounded(&delta, &mut self.kept)?;
        match &mut self.writer {
            Writer::Messages(it) => return it.delta(delta, out),
            Writer::Chat(it) => it.delta(delta, out),
            Writer::Responses(it) => it.delta(delta, out),
        }
        Ok(())
    }
}

/// Holds an answer to its bounds, with so many bytes kept of it so far.
fn bounded(delta: &Delta<'_>, kept: &mut usize) -> Result<(), &'static str> {
    let (bytes, index) = match delta {
        Delta::Model(text)
        | Delta::Reasoning(text)
        | Delta::Text(text)
        | Delta::Refusal(text)
        | Delta::StopSequence(text) => (text.0.len(), 0),
        Delta::Call { index, id, name, arguments } => {
            let names = [id, name].into_iter().flatten().map(|it| it.0.len());
            let arguments = arguments.map_or(0, |it| it.bytes().len());
            (names.sum::<usize>() + arguments, *index)
        }
        Delta::Finish(_) => (0, 0),
    };
    *kept = kept.saturating_add(bytes);
    if *kept > KEPT_BYTES_MAX || index >= CALLS_MAX { Err(TOO_LONG) } else { Ok(()) }
}

/// A complete answer of an engine that was asked by the surface `spoken`, as the request's caller reads it:
/// with its reasoning in this field, where that is said.
///
/// # Errors
/// The engine says what his dialect cannot.
pub fn as_asked(
    request: &Request,
    spoken: &Surface,
    (label, reasoning): (&AnswerLabel, Option<ReasoningField>),
    (body, plain): (Bytes, &Plain),
) -> Result<Bytes, &'static str> {
    let moved = |body| match reasoning {
        Some(field) => reasoning_in(field, body),
        None => body,
    };
    // It is moved in a chat completion: as it came, or as it is written.
    let body = if spoken == Surface::first() { moved(body) } else { body };
    if spoken == request.surface() {
        return Ok(body);
    }
    let mut said = Vec::new();
    spoken.deltas()(body.trim_ascii(), &mut |delta| said.push(delta)).map_err(|_| NO_JSON)?;
    let mut kept = 0;
    said.iter().try_for_each(|delta| bounded(delta, &mut kept))?;
    let counts = plain.reported.unwrap_or_else(|| Counts {
        input: request.input_tokens().0,
        output: plain.counted_output.0,
        ..Counts::default()
    });
    let whole = request.surface().whole(request, label, (&said, counts));
    let whole = whole?.map_or(body, Bytes::from);
    Ok(if request.surface() == Surface::first() { moved(whole) } else { whole })
}
