//! How far an attempt has come, and what it shows on the way.

use bytes::{Bytes, BytesMut};
use http::Response;
use smallvec::SmallVec;

use super::{clocks::Awaited, plain::PlainBody};
use crate::{
    dispatch::{connection::Exchange, pool::Approach},
    wire,
};

/// The progress that an attempt reports.
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one, and is moved once")]
pub(crate) enum Shown {
    /// More of a stream: the raw chunk, and the events that became complete with it.
    Events(Bytes, Events),
    /// The end of the stream, as the decoder sees it.
    End(wire::End),
    /// A whole plain answer.
    Whole(Bytes, wire::Plain),
}

/// Events of one chunk.
pub(crate) type Events = SmallVec<[wire::Event; 8]>;

/// The phase in which an attempt is.
pub(super) enum Phase {
    /// The attempt opens or takes a connection.
    Connecting(Approach),
    /// The attempt waits for the answer's head.
    Waiting(Exchange),
    /// The attempt reads a stream.
    Streaming(Exchange, Box<wire::Stream>),
    /// The attempt reads a plain answer.
    Collecting(Exchange, PlainBody),
    /// It reads what is said in the place of an answer.
    Refused(Exchange, Box<Response<()>>, BytesMut),
    /// It is over; of a stream, what was counted is still wanted.
    Over(Option<Box<wire::Stream>>),
}

impl Phase {
    /// Whether all of the request has left.
    pub(super) fn all_out(&self) -> bool {
        match self {
            Self::Connecting(_) => false,
            Self::Waiting(exchange) => exchange.all_out(),
            _ => true,
        }
    }

    /// What the stream has reported, and what we counted.
    pub(super) fn stream(&self) -> Option<&wire::Stream> {
        match self {
            Self::Streaming(_, stream) => Some(stream),
            Self::Over(stream) => stream.as_deref(),
            _ => None,
        }
    }

    /// The same, where it is to say more.
    pub(super) fn stream_mut(&mut self) -> Option<&mut wire::Stream> {
        match self {
            Self::Streaming(_, stream) => Some(stream),
            Self::Over(stream) => stream.as_deref_mut(),
            _ => None,
        }
    }

    /// Text of a broken stream that was held back.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.stream_mut()?.rest()
    }

    /// What is waited for, where content has been `shown` or not, of a stream or not.
    pub(super) fn awaits(&self, shown: bool, stream: bool) -> Awaited {
        match (self, shown, stream) {
            (Self::Connecting(_), ..) => Awaited::Connection,
            (_, true, _) => Awaited::More,
            (_, false, true) => Awaited::FirstToken,
            (_, false, false) => Awaited::Whole,
        }
    }

    /// Whether it waits for its turn to connect.
    pub(super) fn waits_its_turn(&self) -> bool {
        matches!(self, Self::Connecting(approach) if !approach.began())
    }
}
