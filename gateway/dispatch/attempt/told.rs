//! What an attempt is told in the place of an answer.

use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::Response;

use super::{Attempt, ERROR_BYTES_MAX, Phase, Shown, UpstreamRequest};
use crate::{
    dispatch::{
        judge::{AttemptError, Case},
        target::Target,
    },
    wire,
};

impl Attempt {
    /// What its failures are judged by.
    pub(super) fn case(&self) -> Case<'_> {
        let Target { context_errors, .. } = &*self.target;
        Case { key: self.target.key(), half_full: self.half_full, context_errors }
    }

    /// What an event says that is an error.
    pub(crate) fn told(&mut self, request: &UpstreamRequest, event: &[u8]) -> AttemptError {
        let said = wire::Said::event(event);
        self.hear(request, &said);
        AttemptError::told(&said, self.case())
    }

    /// Whether its engine may still be reading: it is asked, and has shown no content.
    pub(crate) fn reads(&self) -> bool {
        self.asked.is_some() && self.first.is_none()
    }

    /// Reads what a backend says that is no answer.
    pub(super) fn poll_refused(
        &mut self,
        cx: &mut Context<'_>,
        request: &UpstreamRequest,
    ) -> Poll<Result<Shown, AttemptError>> {
        let Phase::Refused(exchange, _, body) = &mut self.phase else { return Poll::Pending };
        while body.len() < ERROR_BYTES_MAX {
            let Some(Ok(bytes)) = ready!(exchange.poll_bytes(cx)) else { break };
            body.extend_from_slice(&bytes);
        }
        let Phase::Refused(_, head, body) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Poll::Pending;
        };
        let said = wire::Said::read(&body);
        if head.status().is_success() {
            self.hear(request, &said);
            return Poll::Ready(Err(AttemptError::told(&said, self.case())));
        }
        self.hear_status(request, head.status().as_u16(), &said);
        Poll::Ready(Err(AttemptError::status(head.status(), head.headers(), &said, self.case())))
    }

    /// What should be a stream begins as JSON: an error, or an answer that was not asked for.
    pub(super) fn poll_told(
        &mut self,
        begin: &[u8],
        cx: &mut Context<'_>,
        request: &UpstreamRequest,
    ) -> Poll<Result<Shown, AttemptError>> {
        if let Phase::Streaming(exchange, _) = std::mem::replace(&mut self.phase, Phase::Over) {
            let ok = Box::new(Response::new(()));
            self.phase = Phase::Refused(exchange, ok, BytesMut::from(begin));
        }
        self.poll_refused(cx, request)
    }
}
