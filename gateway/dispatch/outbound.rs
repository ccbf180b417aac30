//! What dispatch has for the caller of a stream, as values: how each is written in bytes is for the
//! pipeline and `wire` to say.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    attempt::{Attempt, Events},
    judge::AttemptError,
    target::UpstreamRequest,
};
use crate::wire::{self, What};

/// What the caller reads in a stream that breaks.
pub(super) const CUT: &str = "the model's answer broke off";

/// A piece of a stream for the caller.
pub(crate) enum Piece {
    /// Events as the backend wrote them.
    Content(Bytes),
    /// An event with usage, which gets the cost before it is passed on.
    Usage(Bytes),
    /// A place for usage and cost where the backend told none; and the last event of a hint, from which
    /// a chunk of ours learns how it is called.
    Bill(Option<Bytes>),
    /// The end of an answer that passed its bound.
    Length(Box<AtLength>),
    /// Nothing is said, so that the caller goes on waiting.
    KeepAlive,
    /// The end of an answer that is complete.
    Done(Bytes),
}

/// An answer that the gateway ends at its bound, as its engine should have done.
pub(crate) struct AtLength {
    /// The backend's last event, from which a chunk of ours learns how it is called.
    pub like: Bytes,
    /// Choices that have no end yet, by their index.
    pub choices: Vec<u32>,
}

/// Pieces of a stream that the caller has not taken yet, in order.
#[derive(Default)]
pub(super) struct Outbound(SmallVec<[Piece; 2]>);

impl Outbound {
    /// Adds a piece, unless nothing is in it.
    pub(super) fn push(&mut self, piece: Piece) {
        if !matches!(&piece, Piece::Content(bytes) if bytes.is_empty()) {
            self.0.push(piece);
        }
    }

    /// Adds text of a broken stream that was held back.
    pub(super) fn push_rest(&mut self, attempt: &mut Attempt) {
        self.0.extend(attempt.rest().map(Piece::Content));
    }

    /// Adds all of these pieces.
    pub(super) fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// The next piece.
    pub(super) fn pop(&mut self) -> Option<Piece> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Adds what the caller should see of a chunk. True if the answer is whole with it; an error if the
    /// backend tells one.
    pub(super) fn pass(
        &mut self,
        chunk: Bytes,
        events: Events,
        attempt: &mut Attempt,
        request: &UpstreamRequest,
    ) -> Result<bool, AttemptError> {
        let asked = request.body.wants_usage();
        let stream = attempt.stream().filter(|_| asked);
        let told = stream.is_some_and(|stream| stream.reported().is_some());
        let bills = told && stream.is_some_and(wire::Stream::finished);
        let plain = |event: &wire::Event| {
            matches!(event.what, What::Content | What::Other | What::Finish) && !event.usage
        };
        if events.len() > 1 && events.iter().all(plain) && is_all(&chunk, &events) {
            self.push(Piece::Content(chunk));
            return Ok(false);
        }
        for event in events {
            match event.what {
                What::Content | What::Other | What::Finish => {
                    let bills = bills && event.usage;
                    attempt.billed |= bills;
                    self.push(if bills { Piece::Usage } else { Piece::Content }(event.bytes));
                }
                // What cannot be true gives way to a chunk of ours.
                What::Usage if told => {
                    attempt.billed |= bills;
                    self.push(if bills { Piece::Usage } else { Piece::Content }(event.bytes));
                }
                What::Usage | What::Comment => {}
                What::Error(_) => {
                    let blame = attempt.told(request, &event.bytes).blame;
                    let error = AttemptError::invalid(CUT, "an error in the stream");
                    return Err(AttemptError { blame, ..error });
                }
                What::Done => {
                    self.push_end(attempt, asked);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Adds what a whole stream ends with: the usage that the caller asked for, if its backend did not
    /// tell it, and the end.
    pub(super) fn push_end(&mut self, attempt: &mut Attempt, asked: bool) {
        if asked && !attempt.billed {
            self.push(Piece::Bill(attempt.stream().and_then(wire::Stream::last).cloned()));
        }
        self.push(Piece::Done(attempt.closing()));
    }
}

/// Whether the events are the chunk itself, from its first byte to its last.
fn is_all(chunk: &Bytes, events: &Events) -> bool {
    let mut from = chunk.as_ptr() as usize;
    let to = from + chunk.len();
    let follows = |it: &wire::Event| {
        let begins = it.bytes.as_ptr() as usize == from;
        from += it.bytes.len();
        begins
    };
    events.iter().all(follows) && from == to
}
