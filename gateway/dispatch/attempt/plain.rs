//! A plain answer as it comes, put together without a copy where it comes in one chunk.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use crate::dispatch::{connection::Exchange, judge::AttemptError};

/// The largest plain answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A chunk that is not longer is copied: kept, it would keep all of the buffer that its connection has
/// read it into, which then needs another one at once.
const COPIED_TO: usize = 4 * 1024;

/// The part of a plain answer that has been received.
#[derive(Default)]
pub(super) struct PlainBody {
    /// The whole body, while it is one chunk.
    first: Option<Bytes>,
    rest: BytesMut,
}

impl PlainBody {
    /// Reads until the answer is whole.
    pub(super) fn poll(
        &mut self,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, AttemptError>> {
        let Self { first, rest } = self;
        loop {
            match ready!(exchange.poll_bytes(cx)) {
                // One chunk is the usual case, and then nothing large is copied.
                Some(Ok(chunk)) if first.is_none() && rest.is_empty() => *first = Some(own(chunk)),
                Some(Ok(chunk)) => {
                    if let Some(first) = first.take() {
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&chunk);
                    if rest.len() > ANSWER_BYTES_MAX {
                        let public = "the model's answer is too large";
                        let error = AttemptError::invalid(public, "plain answer over the limit");
                        return Poll::Ready(Err(error));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(AttemptError::broken(error))),
                None => {
                    let whole = first.take().unwrap_or_else(|| std::mem::take(rest).freeze());
                    return Poll::Ready(Ok(whole));
                }
            }
        }
    }
}

/// A chunk that keeps no more than itself.
fn own(chunk: Bytes) -> Bytes {
    if chunk.len() <= COPIED_TO { Bytes::copy_from_slice(&chunk) } else { chunk }
}
