//! The body of an answer: its steps, played by the clock.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    reply::Used,
    script::{Act, Step},
    tally::InFlight,
};

/// A whole answer, or one that comes in steps.
#[derive(Debug)]
pub(super) enum Body {
    /// At once.
    Whole(Bytes),
    /// In steps.
    Steps(Box<Play>),
}

/// Steps being played.
#[derive(Debug)]
pub(super) struct Play {
    steps: Arc<[Step]>,
    at: usize,
    started: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    in_flight: InFlight,
    used: Option<Used>,
    flushed: bool,
}

/// The body broke off on purpose.
#[derive(Debug)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off on purpose")
    }
}

impl std::error::Error for Broken {}

impl Body {
    /// Steps from this moment on. With `used`, the end of the steps is a complete answer.
    pub(super) fn steps(
        steps: Arc<[Step]>,
        started: Instant,
        in_flight: InFlight,
        used: Option<Used>,
    ) -> Self {
        let (sleep, flushed) = (None, false);
        Self::Steps(Box::new(Play { steps, at: 0, started, sleep, in_flight, used, flushed }))
    }
}

impl Play {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(step) = self.steps.get(self.at) else { return Poll::Ready(None) };
        let due = self.started + step.at;
        ready!(wait(&mut self.sleep, due, cx));
        let bytes = match &step.act {
            Act::Hang => return Poll::Pending,
            Act::Cut if !self.flushed => {
                // Once more round, so that what came before has left the buffer.
                self.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Act::Cut => return Poll::Ready(Some(Err(Broken))),
            Act::Repeat(bytes, every) => {
                self.started = Instant::now() + *every;
                bytes.clone()
            }
            Act::Send(bytes) | Act::Content(bytes) => {
                self.at += 1;
                bytes.clone()
            }
        };
        if self.at == self.steps.len()
            && let Some(used) = self.used.take()
        {
            self.in_flight.complete(used);
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// Ready at this moment. What is due already never touches the timer.
fn wait(sleep: &mut Option<Pin<Box<Sleep>>>, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if due.saturating_duration_since(Instant::now()) == Duration::ZERO {
        return Poll::Ready(());
    }
    let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
    if sleep.deadline() != due {
        sleep.as_mut().reset(due);
    }
    sleep.as_mut().poll(cx)
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Steps(play) => play.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Steps(play) => play.at >= play.steps.len(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Steps(_) => SizeHint::default(),
        }
    }
}
