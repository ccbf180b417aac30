//! The one body type of what both listeners answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::pipeline::AnswerBody;

/// The body of any answer, to callers or to operators.
pub(crate) enum EdgeBody {
    /// Of a served request.
    Answer(AnswerBody),
    /// Whole, as for an error.
    Whole(Option<Bytes>),
    /// Of a route that is not hot.
    Router(axum::body::Body),
}

/// The answer cannot go on; the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the answer cannot go on")]
pub(crate) struct Broken;

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Answer(body) => {
                let poll = AssertUnwindSafe(|| Pin::new(&mut *body).poll_frame(cx));
                let Ok(polled) = catch_unwind(poll) else {
                    let id = body.id().map(tracing::field::display);
                    tracing::error!(id, "a mistake of the gateway: an answer broke off");
                    return Poll::Ready(Some(Err(Broken)));
                };
                Poll::Ready(ready!(polled).map(|frame| frame.map_err(|never| match never {})))
            }
            Self::Whole(body) => Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Router(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|_| Broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Answer(body) => body.is_end_stream(),
            Self::Whole(body) => body.is_none(),
            Self::Router(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Answer(body) => body.size_hint(),
            Self::Whole(body) => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Router(body) => body.size_hint(),
        }
    }
}
