//! **Log**: what operators read as it happens, on standard error.
//!
//! Every line is made here: events of the code, the block at the start, and the access log. None of it waits
//! for whoever reads; a storm of one kind is some lines and a figure; and no text from a caller or a backend
//! can end a line. Nothing here knows what a request is.

mod layer;
mod line;
mod storm;
mod writer;

use std::{
    env, io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Registry, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _,
};

pub(crate) use self::line::{Line, Origin};
use self::{
    layer::Lines,
    storm::{About, Held, Storm},
    writer::{Rank, Writer},
};
use crate::config::{self, LogFormat};

/// For what is left to say when the process ends, if nobody reads it.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The variable that wins over the configuration's level.
const VARIABLE: &str = "RUST_LOG";

/// The clocks of the log: of its storms, and of its lines.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The monotonic clock.
    pub now: fn() -> Instant,
    /// The wall clock.
    pub timestamp: fn() -> Timestamp,
}

/// The log of this process, or of one that has none. Cheap to clone.
#[derive(Clone, Default)]
pub struct Log {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    writer: OnceLock<Writer>,
    json: AtomicBool,
    access: AtomicBool,
    storm: Mutex<Storm>,
    clocks: Clocks,
    filter: OnceLock<reload::Handle<EnvFilter, Registry>>,
    /// What `RUST_LOG` says, where it is what counts, and not the configuration.
    variable: Option<Box<str>>,
}

impl Log {
    /// No log at all: for those who run a gateway in their own process, and read what `tracing` says.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Writes the log of this process to standard error from here on, as this says. `RUST_LOG`, where it is
    /// set and a filter, wins over the configuration's level.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: &config::Log, clocks: Clocks) -> io::Result<Self> {
        let said = env::var(VARIABLE).ok().filter(|it| !it.trim().is_empty());
        let (level, wrong) = match said.as_deref().map(config::log_variable) {
            Some(Ok(filter)) => (Some(filter), None),
            Some(Err(wrong)) => (None, Some(wrong)),
            None => (None, None),
        };
        let log = Self::to(io::stderr(), (settings, said.filter(|_| level.is_some())), clocks)?;
        let Some(inner) = &log.inner else { return Ok(log) };
        let filter = level.or_else(|| config::log_filter(&settings.level).ok());
        let (filter, handle) = reload::Layer::new(filter.unwrap_or_default());
        let _ = inner.filter.set(handle);
        let lines = Lines(Arc::clone(inner));
        // Where somebody else has the events of this process, they stay his.
        let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
        std::panic::set_hook(Box::new(panicked));
        if let Some(wrong) = wrong {
            tracing::warn!(
                found = wrong,
                "RUST_LOG is no filter: `log.level` of the configuration counts"
            );
        }
        Ok(log)
    }

    /// A log that writes there.
    fn to(
        out: impl io::Write + Send + 'static,
        (settings, variable): (&config::Log, Option<String>),
        clocks: Clocks,
    ) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            writer: OnceLock::new(),
            json: AtomicBool::new(settings.format == LogFormat::Json),
            access: AtomicBool::new(settings.access),
            storm: Mutex::default(),
            clocks,
            filter: OnceLock::new(),
            variable: variable.map(Into::into),
        });
        let its = Arc::downgrade(&inner);
        let writer = Writer::start(
            out,
            Box::new(move |dropped| {
                its.upgrade().map(|inner| inner.due(dropped)).unwrap_or_default()
            }),
        )?;
        let _ = inner.writer.set(writer);
        Ok(Self { inner: Some(inner) })
    }

    /// Goes by these settings from here on.
    pub fn apply(&self, settings: &config::Log) {
        let Some(inner) = &self.inner else { return };
        inner.json.store(settings.format == LogFormat::Json, Ordering::Relaxed);
        inner.access.store(settings.access, Ordering::Relaxed);
        if let (Some(handle), Ok(filter), None) =
            (inner.filter.get(), config::log_filter(&settings.level), &inner.variable)
        {
            let _ = handle.reload(filter);
        }
    }

    /// What `RUST_LOG` says, where it is what counts, and not the configuration.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        self.inner.as_ref()?.variable.as_deref()
    }

    /// Whether requests leave a line.
    #[must_use]
    pub fn access(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| inner.access.load(Ordering::Relaxed))
    }

    /// The form in which lines are written.
    pub(crate) fn format(&self) -> LogFormat {
        self.inner.as_ref().map_or(LogFormat::Text, |inner| inner.format())
    }

    /// Writes lines that belong together, one after the other with none between them.
    pub(crate) fn block(&self, target: &'static str, lines: Vec<(Level, Line)>) {
        let Some(inner) = &self.inner else { return };
        let at = (inner.clocks.timestamp)();
        let finish = |(level, line): (Level, Line)| line.finish(Origin { at, level, target });
        inner.push(&lines.into_iter().map(finish).collect::<String>(), Rank::Operator);
    }

    /// Writes the line of a request that was accepted.
    pub(crate) fn request(&self, line: Line) {
        let Some(inner) = &self.inner else { return };
        let at = (inner.clocks.timestamp)();
        let origin = Origin { at, level: Level::INFO, target: ACCESS };
        inner.push(&line.finish(origin), Rank::Request);
    }

    /// Whether the line of a request that was turned away is written: so many of a kind in a second, for they
    /// cost their callers nothing. The values come from closed sets.
    pub(crate) fn admits(&self, kind: [(&'static str, &'static str); 3], most: u32) -> bool {
        let Some(inner) = &self.inner else { return false };
        inner.admits((layer::kind(&kind), most), || About {
            level: Level::INFO,
            target: ACCESS,
            message: String::from("refused"),
            fields: kind.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        })
    }

    /// Says what is left to say, and ends.
    pub fn finish(&self) {
        if let Some(writer) = self.inner.as_ref().and_then(|inner| inner.writer.get()) {
            let held = self.inner.as_ref().map(|inner| inner.held(true)).unwrap_or_default();
            writer.push(&held, Rank::Operator);
            writer.finish(LAST_LINES);
        }
    }
}

/// Says where the code has panicked. What the panic itself says may be a piece of a prompt, and ends no line
/// where it should.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    let location = info.location().map(tracing::field::display);
    let thread = std::thread::current();
    tracing::error!(location, thread = thread.name(), "a mistake of the gateway: it has panicked");
}

/// Where lines of requests come from, as a filter of those who read them finds it.
const ACCESS: &str = "signalbox::access";

impl Inner {
    fn format(&self) -> LogFormat {
        if self.json.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Text }
    }

    fn push(&self, lines: &str, rank: Rank) {
        if let Some(writer) = self.writer.get() {
            writer.push(lines, rank);
        }
    }

    fn admits(&self, kind: (u64, u32), about: impl FnOnce() -> About) -> bool {
        self.storm().admits(kind, (self.clocks.now)(), about)
    }

    fn storm(&self) -> std::sync::MutexGuard<'_, Storm> {
        self.storm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be said although nobody says it.
    fn due(&self, dropped: Option<u64>) -> String {
        let mut lines = self.held(false);
        if let Some(dropped) = dropped {
            let mut line = Line::new(self.format());
            line.message("standard error is read too slowly: lines of the log were dropped");
            line.number("dropped", dropped);
            let at = (self.clocks.timestamp)();
            lines += &line.finish(Origin { at, level: Level::WARN, target: "signalbox::log" });
        }
        lines
    }

    /// How many more there were of each kind that was held back.
    fn held(&self, all: bool) -> String {
        let now = (self.clocks.now)();
        let due = self.storm().due(now, all);
        let line = |Held { since, more, about }: Held| {
            let seconds = now.saturating_duration_since(since).as_secs().max(1);
            let mut line = Line::new(self.format());
            line.message(format_args!(
                "{}: {more} more of this kind in the last {seconds} s",
                about.message
            ));
            for (name, value) in &about.fields {
                line.text(name, value);
            }
            line.number("more", more);
            let at = (self.clocks.timestamp)();
            line.finish(Origin { at, level: about.level, target: about.target })
        };
        due.into_iter().map(line).collect()
    }
}
