//! Lines on their way out. Whoever has a line lays it into a buffer and goes on; one thread writes what has
//! gathered there. A reader that is slow, or has stopped, keeps nobody waiting: the buffer has a bound, and
//! what does not fit is dropped, counted and said.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Bytes that wait to be written: some ten thousand lines.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes up to which lines of requests are taken: warnings have room beyond them.
const REQUESTS_BYTES_MAX: usize = 3 * 1024 * 1024;
/// So often it is looked whether something is to be said that waits for no line.
const BEAT: Duration = Duration::from_secs(1);
/// A buffer that a burst has made larger than this is given back.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// Which lines give way to others where there is no room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// What requests leave.
    Request,
    /// All else.
    Operator,
}

#[derive(Default)]
struct Queue {
    bytes: Vec<u8>,
    dropped: u64,
    /// The thread waits for a line.
    asleep: bool,
    /// The thread writes what it has taken.
    writing: bool,
    stopping: bool,
    /// The thread has ended.
    ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    written: Condvar,
}

/// The end of the log at which lines come in.
pub(super) struct Writer(Arc<Shared>);

/// What is to be said although nobody has laid it in: how many lines were dropped, and what the time has
/// brought about.
pub(super) type Due = Box<dyn Fn(Option<u64>) -> String + Send>;

impl Writer {
    /// Starts the thread that writes to `out`; it asks `due` each second, and whenever lines were dropped.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(out: impl Write + Send + 'static, due: Due) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || its.run(out, &due))?;
        Ok(Self(shared))
    }

    /// Lays in some whole lines, all of them or none. Never waits for the reader.
    pub(super) fn push(&self, lines: &str, rank: Rank) {
        let most = match rank {
            Rank::Request => REQUESTS_BYTES_MAX,
            Rank::Operator => BYTES_MAX,
        };
        let mut queue = self.0.lock();
        if queue.ended || queue.bytes.len() + lines.len() > most {
            queue.dropped += lines.bytes().filter(|b| *b == b'\n').count() as u64;
            return;
        }
        queue.bytes.extend_from_slice(lines.as_bytes());
        // A wake is a system call: made only when the thread really sleeps.
        let wake = mem::take(&mut queue.asleep);
        drop(queue);
        if wake {
            self.0.wake.notify_one();
        }
    }

    /// Ends the thread when all is written, or after this time.
    pub(super) fn finish(&self, longest: Duration) {
        let mut queue = self.0.lock();
        queue.stopping = true;
        self.0.wake.notify_one();
        let ended = self.0.written.wait_timeout_while(queue, longest, |queue| !queue.ended);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut out: impl Write, due: &Due) {
        let mut bytes = Vec::new();
        loop {
            let (dropped, stopping) = self.take(&mut bytes);
            bytes.extend_from_slice(due(dropped).as_bytes());
            // Nobody is left to whom it could be said.
            let _ = out.write_all(&bytes).and_then(|()| out.flush());
            bytes.clear();
            bytes.shrink_to(KEPT_BYTES_MAX);
            let mut queue = self.lock();
            queue.writing = false;
            queue.ended = stopping && queue.bytes.is_empty();
            let ended = queue.ended;
            drop(queue);
            if ended {
                self.written.notify_all();
                return;
            }
        }
    }

    /// Takes what there is: as soon as there is something, after a beat, or at the end.
    fn take(&self, bytes: &mut Vec<u8>) -> (Option<u64>, bool) {
        let mut queue = self.lock();
        queue.asleep = true;
        let idle =
            |queue: &mut Queue| queue.bytes.is_empty() && queue.dropped == 0 && !queue.stopping;
        let woken = self.wake.wait_timeout_while(queue, BEAT, idle);
        let mut queue = woken.unwrap_or_else(PoisonError::into_inner).0;
        queue.asleep = false;
        queue.writing = true;
        mem::swap(&mut queue.bytes, bytes);
        let dropped = mem::take(&mut queue.dropped);
        ((dropped > 0).then_some(dropped), queue.stopping)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader who takes a piece whenever he is let.
    struct Slow {
        may: Receiver<()>,
        got: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Whoever lets him no more lets him for ever.
            let _ = self.may.recv();
            self.got.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Writer, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (let_him, may) = channel();
        let got = Arc::<Mutex<Vec<u8>>>::default();
        let out = Slow { may, got: Arc::clone(&got) };
        let due: Due = Box::new(|dropped| dropped.map_or_else(String::new, |it| format!("{it}\n")));
        (Writer::start(out, due).unwrap(), let_him, got)
    }

    #[test]
    fn a_reader_who_has_stopped_keeps_nobody_waiting_and_is_told_what_he_missed() {
        let (writer, let_him, got) = slow();
        let line = format!("{}\n", "x".repeat(1_023));
        let total = 2 * BYTES_MAX / line.len();
        for _ in 0..total {
            writer.push(&line, Rank::Request);
        }
        // There is room yet for what matters more.
        writer.push("warning\n", Rank::Operator);
        drop(let_him);
        writer.finish(Duration::from_secs(60));
        let text = String::from_utf8(got.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|it| it.len() == 1_023).count();
        let said: usize = text.lines().filter_map(|it| it.parse::<usize>().ok()).sum();
        assert_eq!(lines + said, total);
        // What waits and what is being written have three quarters of the bound each at the most.
        assert!(said >= total / 4, "{said} of {total}");
        assert!(text.contains("warning\n"));
    }

    #[test]
    fn what_comes_after_the_end_goes_nowhere_and_the_end_is_waited_for_so_long() {
        let (writer, let_him, got) = slow();
        writer.push("one\n", Rank::Operator);
        writer.finish(Duration::from_millis(5));
        assert!(got.lock().unwrap().is_empty());
        drop(let_him);
        writer.finish(Duration::from_secs(60));
        writer.push("two\n", Rank::Operator);
        assert_eq!(*got.lock().unwrap(), b"one\n");
    }
}
