//! The rows of the table of surfaces.

use bytes::Bytes;
use policies::{
    Counts,
    facts::{Dialect, Operation},
};

use super::{
    Surface,
    parts::{Answers, Asks, Count, Described, Events, Judged},
};
use crate::wire::{
    What, answer, answer_format,
    chunk::{self, Look},
    delta,
    encoder::Writer,
    messages, openai, own, own_end, responses, rewritten, sse, transcript, vectors,
};

/// All that is served.
pub(super) static TABLE: [Surface; Surface::COUNT] = [
    Surface {
        dialect: Dialect::OpenAi,
        operation: Operation::Chat,
        path: "/chat/completions",
        count: None,
        row: 0,
        reader: |surface, body, limits, _| openai::chat(surface, body, limits),
        asks: None,
        described: Described { body: openai::chat_body, answer: openai::completion_answer },
        events: Events {
            done: own::done_event,
            keep_alive: own::comment,
            priced: own::with_bill,
            usage: own::usage_event,
            length: sse::length_event,
        },
        answers: Answers {
            writer: Some(|_, label| Writer::Chat(Box::new(openai::Encoder::new(label)))),
            whole: |_, label, (said, counts)| Ok(Some(openai::written(said, label, counts))),
            ..CHAT_ANSWERS
        },
        judged: CHAT_JUDGED,
    },
    Surface {
        dialect: Dialect::Anthropic,
        operation: Operation::Chat,
        path: "/messages",
        count: Some(Count {
            path: "/messages/count_tokens",
            usual: true,
            answer: |tokens| format!(r#"{{"input_tokens":{tokens}}}"#).into(),
        }),
        row: 1,
        reader: |surface, body, limits, purpose| {
            rewritten::read((surface, &messages::DIALECT), body, limits, purpose)
        },
        asks: Some(Asks { judge: messages::askable, write: messages::asked }),
        described: Described { body: messages::body, answer: messages::answer },
        events: Events {
            done: messages::stop_event,
            keep_alive: messages::ping_event,
            // Messages have no place for a bill, and no caller asks for one.
            priced: |event, _| event.clone(),
            usage: |_, _, _, _| Bytes::new(),
            length: messages::length_event,
        },
        answers: Answers {
            plain: messages::plain,
            look: |data, _, known| Ok(added(messages::data(data)?, known)),
            keeps: |what, _| *what == What::Done,
            closing: |kept, _| kept.unwrap_or_else(messages::stop_event),
            deltas: messages::deltas,
            writer: Some(|request, label| {
                let messages = messages::Encoder::new(
                    label,
                    request.input_tokens(),
                    request.hides_reasoning(),
                );
                Writer::Messages(Box::new(messages))
            }),
            whole: |request, label, (said, counts)| {
                let hidden = request.hides_reasoning();
                messages::whole(said, (label, hidden), counts).map(Some)
            },
        },
        judged: Judged {
            format: answer_format::response_format,
            transcript: messages::transcript,
            own_end: own_end::message,
        },
    },
    Surface {
        dialect: Dialect::Responses,
        operation: Operation::Chat,
        path: "/responses",
        count: Some(Count {
            path: "/responses/input_tokens",
            usual: false,
            answer: |tokens| {
                format!(r#"{{"object":"response.input_tokens","input_tokens":{tokens}}}"#).into()
            },
        }),
        row: 2,
        reader: |surface, body, limits, purpose| {
            rewritten::read((surface, &responses::DIALECT), body, limits, purpose)
        },
        asks: None,
        described: Described { body: responses::body, answer: responses::answer },
        events: Events {
            done: Bytes::new,
            keep_alive: own::comment,
            // As for Messages.
            priced: |event, _| event.clone(),
            usage: |_, _, _, _| Bytes::new(),
            // Its last event says it.
            length: |_, _| own::comment(),
        },
        answers: Answers {
            plain: responses::plain,
            look: |data, _, known| Ok(added(responses::data(data)?, known)),
            // Its first event tells what a last one of ours must say.
            keeps: |what, first| first && *what != What::Comment || *what == What::Done,
            closing: |kept, ended| {
                let kept = kept.unwrap_or_default();
                if ended { kept } else { responses::cut(&kept) }
            },
            // No engine is asked by it for a caller of another dialect.
            deltas: delta::deltas,
            writer: Some(|request, label| {
                let input = request.input_tokens();
                let responses = responses::Encoder::new(label, request.echo(), input);
                Writer::Responses(Box::new(responses))
            }),
            whole: |request, label, (said, counts)| {
                Ok(Some(responses::whole(said, (*label, request.echo()), counts)))
            },
        },
        judged: Judged {
            format: answer_format::response_format,
            transcript: responses::transcript,
            own_end: own_end::response,
        },
    },
    Surface {
        dialect: Dialect::OpenAi,
        operation: Operation::TextCompletion,
        path: "/completions",
        count: None,
        row: 3,
        reader: |surface, body, limits, _| openai::completion(surface, body, limits),
        asks: None,
        described: Described { body: openai::completion_body, answer: openai::completion_answer },
        events: Events {
            done: own::done_event,
            keep_alive: own::comment,
            priced: own::with_bill,
            usage: own::completion_usage_event,
            length: sse::completion_length_event,
        },
        answers: CHAT_ANSWERS,
        judged: CHAT_JUDGED,
    },
    Surface {
        dialect: Dialect::OpenAi,
        operation: Operation::Embeddings,
        path: "/embeddings",
        count: None,
        row: 4,
        reader: |surface, body, limits, _| openai::embeddings(surface, body, limits),
        asks: None,
        described: Described { body: openai::embeddings_body, answer: openai::embeddings_answer },
        events: NO_EVENTS,
        answers: Answers { plain: |answer| vectors::embeddings(answer, 1), ..CHAT_ANSWERS },
        judged: NO_TEXT,
    },
    Surface {
        dialect: Dialect::OpenAi,
        operation: Operation::Rerank,
        path: "/rerank",
        count: None,
        row: 5,
        reader: |surface, body, limits, _| openai::rerank(surface, body, limits),
        asks: None,
        described: Described { body: openai::rerank_body, answer: openai::rerank_answer },
        events: NO_EVENTS,
        answers: Answers { plain: vectors::rerank, ..CHAT_ANSWERS },
        judged: NO_TEXT,
    },
];

/// What is written into the streams of a surface that has none.
const NO_EVENTS: Events = Events {
    done: own::done_event,
    keep_alive: own::comment,
    priced: |event, _| event.clone(),
    usage: |_, _, _, _| Bytes::new(),
    length: |_, _| Bytes::new(),
};

/// How chats are read when they are over.
const CHAT_JUDGED: Judged = Judged {
    format: answer_format::response_format,
    transcript: transcript::chat,
    own_end: own_end::choices,
};

/// The same of answers that are no text: they are there or not.
const NO_TEXT: Judged = Judged { format: |_| None, transcript: |_, _| None, own_end: |_, _| true };

/// The events of these dialects tell some of the figures each: all that is known by now.
fn added((look, done): (Look, bool), known: Option<Counts>) -> (Look, bool) {
    (look.beside(known), done)
}

/// How chat completions are read, which nothing has to be written anew as.
const CHAT_ANSWERS: Answers = Answers {
    plain: answer::plain,
    look: |data, pattern, _| Ok((chunk::look(data, pattern)?, false)),
    keeps: |_, _| false,
    closing: |_, _| own::done_event(),
    deltas: delta::deltas,
    writer: None,
    whole: |_, _, _| Ok(None),
};
